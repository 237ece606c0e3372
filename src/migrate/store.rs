//! Reading what a job has written: its state and its map, from the begin of their topics to the end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

use super::cast::{Cast, Consumer, Met, PATIENCE, Side, poll};
use super::error::Error;
use super::offsets::Map;
use super::state::State;

/// How long a topic may give nothing while it is read.
const SILENCE: Duration = Duration::from_secs(60);

/// Reads these partitions of the state; all where none are named. A topic that is not there is an empty state.
pub fn state(cast: &Cast, partitions: Option<&[i32]>) -> Result<State, Error> {
    let mut state = State::default();
    let mut failed = Ok(());
    read(cast, &cast.state, partitions, |partition, key, value| {
        if let (Ok(()), Some(value)) = (&failed, value) {
            failed = state.add(partition, key, value).map_err(Error::from);
        }
    })?;
    failed.map(|()| state)
}

/// Reads the offset map.
pub fn map(cast: &Cast) -> Result<Map, Error> {
    // The last word on a key counts, compacted or not.
    let mut pieces = BTreeMap::new();
    read(cast, &cast.map, None, |_, key, value| {
        pieces.insert(key.to_vec(), value.map(<[u8]>::to_vec));
    })?;
    let mut map = Map::default();
    for (key, value) in pieces {
        value.map_or(Ok(()), |value| map.add(&key, &value))?;
    }
    map.sort();
    Ok(map)
}

fn read(
    cast: &Cast,
    topic: &str,
    partitions: Option<&[i32]>,
    mut each: impl FnMut(i32, &[u8], Option<&[u8]>),
) -> Result<(), Error> {
    let consumer = cast.consumer(Side::Target, 1)?;
    let all = partitions_of(&consumer, topic)?;
    let wanted = partitions.unwrap_or(&all).iter().filter(|partition| all.contains(partition));
    let mut list = TopicPartitionList::new();
    for &partition in wanted {
        let added = list.add_partition_offset(topic, partition, Offset::Beginning);
        added.map_err(|error| Error::asking("read the state", &error))?;
    }
    let reading = |error| Error::asking(format!("read topic '{topic}'"), &error);
    consumer.assign(&list).map_err(reading)?;
    // An end is told anew whenever it has moved, so ends are no count of partitions.
    let mut open: BTreeSet<i32> = list.elements().iter().map(|element| element.partition()).collect();
    let mut last = Instant::now();
    while !open.is_empty() {
        match poll(&consumer, Duration::from_millis(100)).map_err(reading)? {
            Met::Record(message) => {
                each(message.partition(), message.key().unwrap_or_default(), message.payload());
                last = Instant::now();
            }
            Met::End(partition) => {
                open.remove(&partition);
            }
            Met::Nothing if last.elapsed() > SILENCE => {
                let what = format!("read topic '{topic}'");
                return Err(Error::Kafka {
                    what: format!("could not {what}"),
                    reason: format!("nothing came in {SILENCE:?}"),
                });
            }
            Met::Nothing => {}
        }
    }
    Ok(())
}

/// Returns the partitions of a topic; none where it is not there.
pub(super) fn partitions_of(consumer: &Consumer, topic: &str) -> Result<Vec<i32>, Error> {
    let metadata = consumer.fetch_metadata(None, PATIENCE);
    let metadata = metadata.map_err(|error| Error::asking("list the topics", &error))?;
    let found = metadata.topics().iter().find(|found| found.name() == topic);
    Ok(found.map(|found| found.partitions().iter().map(|partition| partition.id()).collect()).unwrap_or_default())
}

/// Returns the first offset of a partition and the one after its last record that was committed.
pub(super) fn extent(consumer: &Consumer, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
    let asked = consumer.fetch_watermarks(topic, partition, PATIENCE);
    asked.map_err(|error| Error::asking(format!("find the ends of {topic}-{partition}"), &error))
}
