//! The offsets that partitions begin at, asked for many at once.
//!
//! A leader is asked once for all partitions that it leads, whether a gate has four of them or
//! a thousand. Such a question has one answer: where a broker refuses one of its partitions,
//! or does not answer, none of them is found, and all are asked for again.

use std::collections::BTreeMap;
use std::sync::Arc;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use rustc_hash::FxHashMap;

use super::consume::{Consumer, Named};
use super::positions::Place;
use crate::config::Start;
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::record::{Offset, Partition};

/// How many partitions a broker is asked for by time at once: it looks into the log of each, and has to be through in time.
const BY_TIME: usize = 100;

/// Returns the offsets of the first records that `start` means, one for each partition.
pub(super) fn resolve(consumer: &Consumer, partitions: &[Named], start: Start) -> KafkaResult<Vec<Offset>> {
    let time = match start {
        Start::Earliest => return certain(consumer, partitions, KafkaOffset::Beginning),
        Start::Latest => return certain(consumer, partitions, KafkaOffset::End),
        Start::Timestamp(time) => KafkaOffset::Offset(time),
    };
    // The ends first: a record that comes between the two questions is not passed over.
    let ends = certain(consumer, partitions, KafkaOffset::End)?;
    let mut found = Vec::with_capacity(partitions.len());
    for some in partitions.chunks(BY_TIME) {
        found.extend(offsets(consumer, some, time)?);
    }
    // Where no record is that young, the end.
    Ok(found.into_iter().zip(ends).map(|(found, end)| found.unwrap_or(end)).collect())
}

/// The same of offsets that every log has.
fn certain(consumer: &Consumer, partitions: &[Named], asked: KafkaOffset) -> KafkaResult<Vec<Offset>> {
    let lacking = || KafkaError::OffsetFetch(RDKafkaErrorCode::NoOffset);
    offsets(consumer, partitions, asked)?.into_iter().map(|found| found.ok_or_else(lacking)).collect()
}

/// Asks each leader once for an offset of its partitions: the first, the end, or that of a time.
fn offsets(consumer: &Consumer, partitions: &[Named], asked: KafkaOffset) -> KafkaResult<Vec<Option<Offset>>> {
    if partitions.is_empty() {
        return Ok(Vec::new());
    }
    let mut list = TopicPartitionList::with_capacity(partitions.len());
    for (topic, partition) in partitions {
        list.add_partition_offset(topic, partition.0, asked)?;
    }
    let answer = consumer.offsets_for_times(list, REQUEST_TIMEOUT)?;
    let elements = answer.elements();
    let mut found = FxHashMap::default();
    for element in &elements {
        element.error()?;
        if let KafkaOffset::Offset(offset) = element.offset() {
            found.insert((element.topic(), Partition(element.partition())), Offset(offset));
        }
    }
    Ok(partitions.iter().map(|(topic, partition)| found.get(&(&**topic, *partition)).copied()).collect())
}

/// Finds the first records of partitions. Only leaders that are known are asked, and none again that does not answer.
pub(super) fn find(consumer: &Consumer, partitions: &[Named]) -> KafkaResult<FxHashMap<Named, Place>> {
    let mut places = FxHashMap::default();
    let mut metadata: FxHashMap<Arc<str>, Metadata> = FxHashMap::default();
    let mut led: BTreeMap<(i32, Arc<str>), Vec<Named>> = BTreeMap::new();
    for named in partitions {
        let (topic, partition) = named;
        if !metadata.contains_key(topic) {
            metadata.insert(Arc::clone(topic), consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?);
        }
        match leader(&metadata[topic], *partition) {
            Ok(leader) => led.entry((leader, Arc::clone(topic))).or_default().push(named.clone()),
            Err(why) => drop(places.insert(named.clone(), Place::Unknown(why))),
        }
    }
    let mut silent = Vec::new();
    for ((leader, _), partitions) in led {
        let firsts = if silent.contains(&leader) {
            Err(format!("its leader, broker {leader}, does not answer"))
        } else {
            resolve(consumer, &partitions, Start::Earliest).map_err(|error| {
                if !is_of_topic(&error) {
                    silent.push(leader);
                }
                error.to_string()
            })
        };
        match firsts {
            Ok(firsts) => places.extend(partitions.into_iter().zip(firsts.into_iter().map(Place::New))),
            Err(why) => places.extend(partitions.into_iter().map(|named| (named, Place::Unknown(why.clone())))),
        }
    }
    Ok(places)
}

/// Tells whether an error is that of one topic, and says nothing of the others.
pub(super) fn is_of_topic(error: &KafkaError) -> bool {
    use RDKafkaErrorCode::{TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition};
    let ours = [TopicAuthorizationFailed, UnknownPartition, UnknownTopic, UnknownTopicOrPartition];
    error.rdkafka_error_code().is_some_and(|code| ours.contains(&code))
}

/// Returns the leader of a partition, or why there is none.
fn leader(metadata: &Metadata, partition: Partition) -> Result<i32, String> {
    let topic = metadata.topics().first().ok_or("the brokers do not know the topic")?;
    if let Some(error) = topic.error() {
        return Err(RDKafkaErrorCode::from(error).to_string());
    }
    let known = topic.partitions().iter().find(|known| known.id() == partition.0);
    let leader = known.ok_or("the brokers do not know the partition")?.leader();
    if leader < 0 { Err("it has no leader".to_owned()) } else { Ok(leader) }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use rdkafka::ClientConfig;
    use rdkafka::config::FromClientConfigAndContext as _;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;
    use crate::pipeline::consume::Context;

    type Mock = MockCluster<'static, DefaultProducerContext>;

    /// A topic whose partitions two brokers lead in turn, with three records in partition 1.
    fn made(partitions: i32) -> (Mock, Consumer, Vec<Named>) {
        let mock = MockCluster::new(2).unwrap();
        mock.create_topic("source", partitions, 2).unwrap();
        for partition in 0..partitions {
            mock.partition_leader("source", partition, Some(1 + partition % 2)).unwrap();
        }
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers());
        let producer: BaseProducer = config.create().unwrap();
        for _ in 0..3 {
            producer.send(BaseRecord::<(), _>::to("source").partition(1).payload("record")).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
        config.set("group.id", "unused");
        let consumer = Consumer::from_config_and_context(&config, Context::new("orders".into())).unwrap();
        let named = (0..partitions).map(|partition| ("source".into(), Partition(partition))).collect();
        (mock, consumer, named)
    }

    /// Lets so many questions for offsets pass, and refuses those after them for good.
    fn allow(mock: &Mock, questions: usize) {
        let mut answers = vec![RDKafkaRespErr::RD_KAFKA_RESP_ERR_NO_ERROR; questions];
        answers.extend([RDKafkaRespErr::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART; 100]);
        mock.clear_request_errors(RDKafkaApiKey::ListOffsets);
        mock.request_errors(RDKafkaApiKey::ListOffsets, &answers);
    }

    #[test]
    fn each_leader_is_asked_once() {
        let (mock, consumer, named) = made(1_000);
        let no_records = vec![Offset(0); 1_000];
        let mut ends = no_records.clone();
        ends[1] = Offset(3);
        // By time a hundred at once, after the ends; none of the mock's records is young enough.
        let cases =
            [(Start::Earliest, 2, no_records), (Start::Latest, 2, ends.clone()), (Start::Timestamp(7), 22, ends)];
        for (start, questions, expected) in cases {
            allow(&mock, questions);
            assert_eq!(resolve(&consumer, &named, start).unwrap(), expected, "{start:?}");
            resolve(&consumer, &named, start).expect_err("no question is left");
        }
        allow(&mock, 2);
        assert_eq!(find(&consumer, &named).unwrap().len(), 1_000);
        assert!(find(&consumer, &named).unwrap().values().all(|place| matches!(place, Place::Unknown(_))));
    }

    #[test]
    fn no_partitions_are_no_question() {
        let (_mock, consumer, _) = made(1);
        assert_eq!(resolve(&consumer, &[], Start::Latest).unwrap(), []);
        assert!(find(&consumer, &[]).unwrap().is_empty());
    }

    #[test]
    fn a_partition_without_a_leader_is_left_out() {
        let (mock, consumer, mut named) = made(4);
        mock.partition_leader("source", 2, None).unwrap();
        named.push(("source".into(), Partition(4)));
        let unknown = |why: &str| Place::Unknown(why.to_owned());
        let new = Place::New(Offset(0));
        let expected = [
            new.clone(),
            new.clone(),
            unknown("it has no leader"),
            new,
            unknown("the brokers do not know the partition"),
        ];
        let places = find(&consumer, &named).unwrap();
        assert_eq!(places, named.into_iter().zip(expected).collect());
    }
}
