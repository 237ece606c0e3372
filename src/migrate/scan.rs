//! Reading a whole topic once, as consumers that read committed see it.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::message::BorrowedMessage;
use rdkafka::{Message as _, Offset, TopicPartitionList};

use super::cast::{Cast, Met, Side, poll};
use super::error::Error;
use super::store::partitions_of;

/// How long a topic may give nothing while it is read.
const SILENCE: Duration = Duration::from_secs(60);

/// Reads all partitions from their begin to their end.
pub(super) fn all(cast: &Cast, side: Side, topic: &str, each: impl FnMut(&BorrowedMessage<'_>)) -> Result<(), Error> {
    between(cast, (side, topic), None, each)
}

/// The same, of these partitions only, each up to this offset if it comes before the end.
pub(super) fn between(
    cast: &Cast,
    (side, topic): (Side, &str),
    ends: Option<&BTreeMap<i32, i64>>,
    mut each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), Error> {
    let consumer = cast.consumer(side, 1)?;
    let reading = |error| Error::asking(format!("read topic '{topic}'"), &error);
    let mut list = TopicPartitionList::new();
    let mut open = BTreeMap::new();
    for partition in partitions_of(&consumer, topic)? {
        let end = ends.map_or(Some(i64::MAX), |ends| ends.get(&partition).copied()).filter(|end| *end > 0);
        if let Some(end) = end {
            list.add_partition_offset(topic, partition, Offset::Beginning).map_err(reading)?;
            open.insert(partition, end);
        }
    }
    consumer.assign(&list).map_err(reading)?;
    let mut last = Instant::now();
    while !open.is_empty() {
        match poll(&consumer, Duration::from_millis(100)).map_err(reading)? {
            Met::Record(message) => {
                last = Instant::now();
                match open.get(&message.partition()) {
                    Some(end) if message.offset() < *end => {
                        each(&message);
                        // It may have waited for the registry.
                        last = Instant::now();
                    }
                    Some(_) => drop(open.remove(&message.partition())),
                    None => {}
                }
            }
            Met::End(partition) => drop(open.remove(&partition)),
            Met::Nothing if last.elapsed() > SILENCE => {
                let what = format!("could not read topic '{topic}'");
                return Err(Error::Kafka { what, reason: format!("nothing came in {SILENCE:?}") });
            }
            Met::Nothing => {}
        }
    }
    Ok(())
}
