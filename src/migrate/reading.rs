//! Reading topics to their end, as consumers that read committed see it.
//!
//! Where a partition ends is asked of its leader first (ListOffsets, the last stable offset), and then it is read up to there.

use std::collections::BTreeMap;
use std::ops::{ControlFlow, Range};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::cast::{Consumer, PATIENCE};
use super::error::Error;
use super::offsets::Offsets;
use crate::kafka::consumer::{Unread, read_up_to};
use crate::kafka::ffi::Message;

/// How often brokers are asked for a topic before it is believed that it is not there: one may not know a new topic yet.
const DOUBTS: usize = 3;

/// Pause before a question is asked again.
const PAUSE: Duration = Duration::from_millis(100);

/// Reads these partitions from their begin up to the offsets given, each before the end that its leader tells.
pub(super) fn up_to(
    consumer: &Consumer,
    topic: &str,
    ends: &Offsets,
    each: impl FnMut(Message<'_>),
) -> Result<(), Error> {
    spans(consumer, topic, &ends.iter().map(|(&partition, &end)| (partition, 0..end)).collect(), each)
}

/// The same, each from its own offset on, as far as it still is there.
pub(super) fn spans(
    consumer: &Consumer,
    topic: &str,
    spans: &BTreeMap<i32, Range<i64>>,
    mut each: impl FnMut(Message<'_>),
) -> Result<(), Error> {
    let reading = |error| Error::asking(format!("read topic '{topic}'"), &error);
    let (mut list, mut open) = (TopicPartitionList::new(), BTreeMap::new());
    for (&partition, span) in spans {
        let (first, last) = extent(consumer, topic, partition)?;
        let (start, end) = (span.start.max(first), span.end.min(last));
        if start < end {
            let start = if start == first { Offset::Beginning } else { Offset::Offset(start) };
            list.add_partition_offset(topic, partition, start).map_err(reading)?;
            open.insert(partition, end);
        }
    }
    let take = |message: Option<Message<'_>>| {
        message.map(&mut each);
        Ok(ControlFlow::Continue(()))
    };
    match read_up_to(consumer, topic, &list, open, take) {
        Ok(_) => Ok(()),
        Err(Unread::Refused(error)) => Err(reading(error)),
        Err(Unread::Silent) => {
            let what = format!("could not read topic '{topic}'");
            Err(Error::Kafka { what, reason: "nothing came for a minute before its end".to_owned() })
        }
    }
}

/// Returns the partitions of a topic; none where it is not there.
pub(super) fn partitions_of(consumer: &Consumer, topic: &str) -> Result<Option<Vec<i32>>, Error> {
    let asking = |error: KafkaError| Error::asking(format!("look at topic '{topic}'"), &error);
    let (began, mut doubts) = (Instant::now(), 0);
    loop {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE).map_err(asking)?;
        let found = metadata.topics().iter().find(|found| found.name() == topic);
        let error = found.and_then(rdkafka::metadata::MetadataTopic::error);
        let partitions = found.map(|found| found.partitions().iter().map(|partition| partition.id()).collect());
        match (error, partitions) {
            (None, Some::<Vec<i32>>(partitions)) if !partitions.is_empty() => return Ok(Some(partitions)),
            (Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART), _) => {
                doubts += 1;
                if doubts == DOUBTS {
                    return Ok(None);
                }
            }
            (Some(RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED), _) => {
                return Err(Error::Unsuitable(format!(
                    "topic '{topic}' may not be looked at by this user: it needs the right DESCRIBE"
                )));
            }
            (error, _) if began.elapsed() > PATIENCE => {
                let code = error.map_or(RDKafkaErrorCode::LeaderNotAvailable, RDKafkaErrorCode::from);
                return Err(asking(KafkaError::MetadataFetch(code)));
            }
            _ => {}
        }
        thread::sleep(PAUSE);
    }
}

/// Returns the partitions of a topic that has to be there.
pub(super) fn partitions_there(consumer: &Consumer, topic: &str) -> Result<Vec<i32>, Error> {
    let there = partitions_of(consumer, topic)?;
    there.ok_or_else(|| Error::Unsuitable(format!("topic '{topic}' does not exist, or this user may not see it")))
}

/// Returns the first offset of a partition and the one behind its last record, as the consumer sees them: committed, or all.
///
/// A client keeps it for minutes that a partition had no leader, and answers by that: so it is made to look again.
pub(super) fn extent(consumer: &Consumer, topic: &str, partition: i32) -> Result<(i64, i64), Error> {
    let began = Instant::now();
    loop {
        match consumer.fetch_watermarks(topic, partition, PATIENCE) {
            Ok(extent) => return Ok(extent),
            Err(error) if began.elapsed() > PATIENCE => {
                return Err(Error::asking(format!("find the ends of {topic}-{partition}"), &error));
            }
            Err(_) => drop(consumer.fetch_metadata(Some(topic), PATIENCE)),
        }
        thread::sleep(PAUSE);
    }
}

/// Returns the end of each partition of a topic, as the consumer sees it.
pub(super) fn ends(consumer: &Consumer, topic: &str) -> Result<Offsets, Error> {
    let partitions = partitions_there(consumer, topic)?.into_iter();
    partitions.map(|partition| Ok((partition, extent(consumer, topic, partition)?.1))).collect()
}
