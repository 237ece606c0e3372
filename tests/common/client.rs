//! The tests' own Kafka client: topics, records written with everything about them chosen, topics read to their end,
//! offsets of groups. Plain rdkafka, none of the project's code.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use futures::executor::block_on;
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewTopic, ResourceSpecifier, TopicReplication, TopicResult,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, Headers as _, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer as _, ProducerContext, ThreadedProducer};
use rdkafka::{ClientContext, Message as _, Offset, Timestamp, TopicPartitionList};

use super::kafka::Cluster;
use super::unique;

const TIMEOUT: Duration = Duration::from_secs(60);

/// For one question, which is asked again where it failed: a leader that was just elected answers some with an error.
const QUESTION: Duration = Duration::from_secs(20);

/// After so long without a record all that there is was read.
const SILENCE: Duration = Duration::from_secs(5);

/// A topic and a partition.
pub(crate) type TopicPartition = (String, i32);

/// A header: name and value, which may be null.
pub(crate) type OwnedHeader = (String, Option<Vec<u8>>);

/// What a record carries, but for where it stands.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Content {
    /// The key; `None` is null.
    pub(crate) key: Option<Vec<u8>>,
    /// The value; `None` is a tombstone.
    pub(crate) value: Option<Vec<u8>>,
    /// The headers in their order.
    pub(crate) headers: Vec<OwnedHeader>,
    /// Milliseconds since 1970.
    pub(crate) timestamp: i64,
}

/// A record as it was read.
#[derive(Debug, Clone)]
pub(crate) struct Read {
    /// The topic.
    pub(crate) topic: String,
    /// The partition.
    pub(crate) partition: i32,
    /// The offset of this record.
    pub(crate) offset: i64,
    /// What it carries.
    pub(crate) content: Content,
    /// Whether the broker set the timestamp (`LogAppendTime`).
    pub(crate) append_time: bool,
}

/// Looks at a new topic, each of which asks one of the brokers.
const LOOKS: usize = 3;

impl Cluster {
    fn admin(&self) -> AdminClient<DefaultClientContext> {
        self.client().create().unwrap()
    }

    /// Creates a topic whose name starts with `name` and is used by nobody else; returns the name.
    pub(crate) fn topic(&self, name: &str, partitions: i32, settings: &[(&str, &str)]) -> String {
        let topic = unique(name);
        self.create_topic(&topic, partitions, settings);
        topic
    }

    /// Creates a topic of exactly this name.
    pub(crate) fn create_topic(&self, topic: &str, partitions: i32, settings: &[(&str, &str)]) {
        let mut new = NewTopic::new(topic, partitions, TopicReplication::Fixed(-1));
        for (name, value) in settings {
            new = new.set(name, value);
        }
        changed(&format!("topic '{topic}'"), RDKafkaErrorCode::TopicAlreadyExists, || {
            block_on(self.admin().create_topics([&new], &AdminOptions::new()))
        });
        // The answer comes before all metadata caches know the topic; each look asks any of the brokers.
        for _ in 0..LOOKS {
            self.wait_for_topic(topic);
        }
    }

    /// Deletes a topic and waits until it is gone.
    pub(crate) fn delete_topic(&self, topic: &str) {
        changed(&format!("the end of '{topic}'"), RDKafkaErrorCode::UnknownTopicOrPartition, || {
            block_on(self.admin().delete_topics(&[topic], &AdminOptions::new()))
        });
        super::wait_for("the topic to go", TIMEOUT, || self.partitions(topic).is_none().then_some(()));
    }

    /// Waits until the topic is there with leaders for all partitions; returns their number.
    pub(crate) fn wait_for_topic(&self, topic: &str) -> i32 {
        super::wait_for(&format!("topic '{topic}'"), TIMEOUT, || self.partitions(topic))
    }

    /// Returns the number of partitions, once all have leaders; `None` where the topic is not there.
    pub(crate) fn partitions(&self, topic: &str) -> Option<i32> {
        super::wait_for(&format!("leaders of '{topic}'"), TIMEOUT, || {
            let metadata = asked("metadata", || self.admin().inner().fetch_metadata(None, QUESTION));
            let Some(found) = metadata.topics().iter().find(|found| found.name() == topic) else { return Some(None) };
            let led = found.partitions().iter().all(|partition| partition.leader() >= 0);
            (led && !found.partitions().is_empty()).then(|| Some(found.partitions().len().try_into().unwrap()))
        })
    }

    /// Returns a setting of a topic.
    pub(crate) fn topic_setting(&self, topic: &str, setting: &str) -> Option<String> {
        let resource = ResourceSpecifier::Topic(topic);
        let resource = asked(&format!("the settings of '{topic}'"), || {
            let mut answers = block_on(self.admin().describe_configs([&resource], &AdminOptions::new()))?;
            answers.remove(0).map_err(KafkaError::AdminOp)
        });
        resource.entries.into_iter().find(|entry| entry.name == setting)?.value
    }

    /// Changes a setting of a topic (all others return to their defaults).
    pub(crate) fn set_topic(&self, topic: &str, setting: &str, value: &str) {
        let change = AlterConfig::new(ResourceSpecifier::Topic(topic)).set(setting, value);
        asked(&format!("'{setting}' of '{topic}'"), || {
            let mut results = block_on(self.admin().alter_configs([&change], &AdminOptions::new()))?;
            results.remove(0).map_err(|(_, code)| KafkaError::AdminOp(code))
        });
    }

    /// Deletes the records of a partition before an offset, as retention does.
    pub(crate) fn delete_records(&self, topic: &str, partition: i32, before: i64) {
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(topic, partition, Offset::Offset(before)).unwrap();
        asked("the end of records", || block_on(self.admin().delete_records(&list, &AdminOptions::new())));
    }

    /// Adds partitions to a topic.
    pub(crate) fn add_partitions(&self, topic: &str, total: usize) {
        let new = rdkafka::admin::NewPartitions::new(topic, total);
        changed(&format!("partitions of '{topic}'"), RDKafkaErrorCode::InvalidPartitions, || {
            block_on(self.admin().create_partitions([&new], &AdminOptions::new()))
        });
    }

    /// Reads topics from their begin to their end, as consumers with `read_committed` see them.
    pub(crate) fn read(&self, topics: &[&str]) -> Vec<Read> {
        self.read_from(topics, &BTreeMap::new())
    }

    /// Reads partitions from these offsets on, and those that are not named from their begin.
    pub(crate) fn read_from(&self, topics: &[&str], starts: &BTreeMap<TopicPartition, i64>) -> Vec<Read> {
        let mut config = self.client();
        config.set("group.id", "unused").set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        config.set("isolation.level", "read_committed").set("auto.offset.reset", "error").set("check.crcs", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut assignment = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..self.partitions(topic).unwrap_or(0) {
                let start = starts.get(&((*topic).to_owned(), partition)).map(|&offset| Offset::Offset(offset));
                assignment.add_partition_offset(topic, partition, start.unwrap_or(Offset::Beginning)).unwrap();
            }
        }
        consumer.assign(&assignment).unwrap();
        read_to_the_end(&consumer, &assignment)
    }

    /// Returns the offset after the last record of each partition, for readers of committed records or of all.
    /// Where the two differ, a transaction is open.
    pub(crate) fn ends(&self, topic: &str, isolation: &str) -> BTreeMap<TopicPartition, i64> {
        let mut config = self.client();
        config.set("group.id", "unused").set("isolation.level", isolation);
        let consumer: BaseConsumer = config.create().unwrap();
        let end = |partition| watermarks(&consumer, topic, partition).1;
        (0..self.partitions(topic).unwrap_or(0))
            .map(|partition| ((topic.to_owned(), partition), end(partition)))
            .collect()
    }

    /// Returns the offsets that a group has committed: that of the *next* record to be read.
    pub(crate) fn committed(&self, group: &str, topics: &[&str]) -> BTreeMap<TopicPartition, i64> {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut asked = TopicPartitionList::new();
        for topic in topics {
            for partition in 0..self.partitions(topic).unwrap_or(0) {
                asked.add_partition(topic, partition);
            }
        }
        // A coordinator that still loads says so, for all or for a partition.
        let is_whole = |list: &TopicPartitionList| list.elements().iter().all(|element| element.error().is_ok());
        let ask = || consumer.committed_offsets(asked.clone(), TIMEOUT).ok().filter(is_whole);
        let answer = super::wait_for("the group's coordinator", TIMEOUT, ask);
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
            _ => None,
        };
        answer.elements().iter().filter_map(offset).collect()
    }

    /// Returns the number of members that a group has now.
    pub(crate) fn members(&self, group: &str) -> usize {
        let groups = asked("a group", || self.admin().inner().fetch_group_list(Some(group), QUESTION));
        groups.groups().iter().find(|found| found.name() == group).map_or(0, |found| found.members().len())
    }

    /// Commits the offsets of the next records by partition, in the name of a group without members.
    #[allow(clippy::disallowed_methods, reason = "a test has the time")]
    pub(crate) fn commit(&self, group: &str, topic: &str, offsets: impl IntoIterator<Item = (i32, i64)>) {
        let consumer: BaseConsumer = self.client().set("group.id", group).create().unwrap();
        let mut list = TopicPartitionList::new();
        for (partition, next) in offsets {
            list.add_partition_offset(topic, partition, Offset::Offset(next)).unwrap();
        }
        asked("a commit", || consumer.commit(&list, CommitMode::Sync));
    }

    /// Returns the names of all groups.
    pub(crate) fn groups(&self) -> Vec<String> {
        let groups = asked("groups", || self.admin().inner().fetch_group_list(None, QUESTION));
        groups.groups().iter().map(|group| group.name().to_owned()).collect()
    }

    /// Returns the names of all topics.
    pub(crate) fn topics(&self) -> Vec<String> {
        let metadata = asked("metadata", || self.admin().inner().fetch_metadata(None, QUESTION));
        metadata.topics().iter().map(|topic| topic.name().to_owned()).collect()
    }

    /// Returns a writer to this cluster.
    pub(crate) fn writer(&self) -> Writer {
        let mut config = self.client();
        // Longer than any outage that a test makes.
        config.set("enable.idempotence", "true").set("linger.ms", "5").set("message.timeout.ms", "3600000");
        Writer { producer: config.create_with_context(Acks::default()).unwrap() }
    }
}

/// Asks brokers until they answer.
fn asked<T>(what: &str, mut ask: impl FnMut() -> KafkaResult<T>) -> T {
    super::wait_for(what, TIMEOUT, || ask().inspect_err(|error| eprintln!("{what} is asked for again: {error}")).ok())
}

/// Asks for a change until it is made; panics where brokers refuse it. Where they come and go an answer may get lost: only
/// then it is made too where they say that it is made `already`.
fn changed(what: &str, already: RDKafkaErrorCode, mut ask: impl FnMut() -> KafkaResult<Vec<TopicResult>>) {
    let mut is_lost = false;
    super::wait_for(what, TIMEOUT, || {
        let answer = ask().map(|results| results.into_iter().find_map(Result::err).map(|(_, code)| code));
        match answer {
            Ok(None) => return Some(()),
            Ok(Some(code)) if code == already && is_lost => return Some(()),
            Ok(Some(code)) => assert!(is_passing(code), "{what} is refused: {code}"),
            Err(_) => {}
        }
        eprintln!("{what} is asked for again: {answer:?}");
        is_lost = true;
        None
    });
}

/// Tells whether a refusal says no more than that brokers cannot now: each of them is away, or just comes or goes.
fn is_passing(code: RDKafkaErrorCode) -> bool {
    use RDKafkaErrorCode::{InvalidReplicationFactor, LeaderNotAvailable, NotController, RequestTimedOut};
    matches!(code, InvalidReplicationFactor | LeaderNotAvailable | NotController | RequestTimedOut)
}

/// Returns the first offset of a partition and the one after its last.
fn watermarks(consumer: &BaseConsumer, topic: &str, partition: i32) -> (i64, i64) {
    asked(&format!("the ends of {topic}-{partition}"), || consumer.fetch_watermarks(topic, partition, QUESTION))
}

/// Reads until a consumer has met the end of all its partitions. A partition may end more than once, where the marker of a transaction
/// comes late, and rdkafka does not say which has ended: so ends are asked for once there were as many as partitions.
fn read_to_the_end(consumer: &BaseConsumer, assignment: &TopicPartitionList) -> Vec<Read> {
    let mut read = Vec::new();
    let mut open = assignment.count();
    let (start, mut last) = (Instant::now(), Instant::now());
    loop {
        match consumer.poll(Duration::from_millis(200)) {
            Some(Ok(message)) => {
                last = Instant::now();
                read.push(Read {
                    topic: message.topic().to_owned(),
                    partition: message.partition(),
                    offset: message.offset(),
                    append_time: matches!(message.timestamp(), Timestamp::LogAppendTime(_)),
                    content: Content {
                        key: message.key().map(<[u8]>::to_vec),
                        value: message.payload().map(<[u8]>::to_vec),
                        headers: message
                            .headers()
                            .map(|headers| headers.iter().map(owned).collect())
                            .unwrap_or_default(),
                        timestamp: message.timestamp().to_millis().unwrap_or(-1),
                    },
                });
                continue;
            }
            Some(Err(KafkaError::PartitionEOF(_))) => open = open.saturating_sub(1),
            Some(Err(KafkaError::MessageConsumption(code))) if transient(code) => {}
            Some(Err(error)) => panic!("cannot read: {error}"),
            None => assert!(start.elapsed() < Duration::from_secs(120), "{open} partitions do not end"),
        }
        if open == 0 && (last.elapsed() > SILENCE || has_read_all(consumer, assignment)) {
            return read;
        }
    }
}

/// Tells whether a consumer stands at the end of each of its partitions. Behind what compaction has taken away it never does.
fn has_read_all(consumer: &BaseConsumer, assignment: &TopicPartitionList) -> bool {
    let positions = consumer.position().unwrap();
    positions.elements().iter().all(|element| {
        let (topic, partition) = (element.topic(), element.partition());
        let (begin, end) = watermarks(consumer, topic, partition);
        let start = || assignment.find_partition(topic, partition)?.offset().to_raw().filter(|start| *start >= 0);
        let next = element.offset().to_raw().filter(|next| *next >= 0);
        next.or_else(start).unwrap_or(begin) >= end
    })
}

fn transient(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::BrokerTransportFailure | RDKafkaErrorCode::AllBrokersDown)
}

fn owned(header: Header<'_, &[u8]>) -> OwnedHeader {
    (header.key.to_owned(), header.value.map(<[u8]>::to_vec))
}

/// A producer that chooses partition, timestamp and headers, and learns each record's offset.
pub(crate) struct Writer {
    producer: ThreadedProducer<Acks>,
}

/// The acknowledgements of the records on their way: number of the record, offset.
#[derive(Default)]
struct Acks(Mutex<Vec<(usize, i64)>>);

impl ClientContext for Acks {}

impl ProducerContext for Acks {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        match result {
            Ok(message) => self.0.lock().unwrap().push((number, message.offset())),
            // A test that fails throws away what is under way.
            Err(_) if std::thread::panicking() => {}
            Err((error, _)) => panic!("record {number} was not written: {error}"),
        }
    }
}

impl Writer {
    /// Writes records, each to its partition, and returns their offsets in the same order.
    pub(crate) fn write<'a>(
        &self,
        topic: &str,
        records: impl IntoIterator<Item = (i32, &'a Content)>,
        mut before_each: impl FnMut(),
    ) -> Vec<i64> {
        let mut count = 0;
        for (number, (partition, content)) in records.into_iter().enumerate() {
            before_each();
            self.send(topic, partition, content, number);
            count += 1;
        }
        // Brokers may be away meanwhile, in long forms for minutes.
        self.flush(5 * TIMEOUT);
        let mut acks = self.take_acks();
        assert_eq!(acks.len(), count, "each record is acknowledged once");
        acks.sort_unstable();
        acks.into_iter().map(|(_, offset)| offset).collect()
    }

    /// Takes the acknowledgements since the last call: number of the record, its offset.
    pub(crate) fn take_acks(&self) -> Vec<(usize, i64)> {
        std::mem::take(&mut *self.producer.context().0.lock().unwrap())
    }

    /// Waits until all is acknowledged.
    pub(crate) fn flush(&self, limit: Duration) {
        self.producer.flush(limit).unwrap();
    }

    /// Hands over one record, whose acknowledgement will name `number`.
    pub(crate) fn send(&self, topic: &str, partition: i32, content: &Content, number: usize) {
        let headers = content
            .headers
            .iter()
            .fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: value.as_ref() }));
        let mut record: BaseRecord<'_, [u8], [u8], usize> =
            BaseRecord::with_opaque_to(topic, number).partition(partition).timestamp(content.timestamp);
        record.key = content.key.as_deref();
        record.payload = content.value.as_deref();
        if !content.headers.is_empty() {
            record = record.headers(headers);
        }
        loop {
            match self.producer.send(record) {
                Ok(()) => return,
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
                Err((error, _)) => panic!("cannot write: {error}"),
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}
