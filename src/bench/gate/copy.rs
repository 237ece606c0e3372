//! The plain copy: what a user would write with rdkafka who checks nothing. A `BaseConsumer`, an idempotent `BaseProducer`,
//! and between them partition, key, value, timestamp and headers as they came.
//!
//! It is as fast and cheap as such a copy gets: the properties of librdkafka that hold it up by default are set as a gate sets
//! them, it reads all partitions without a group, keeps no offset, and looks after deliveries once in so many records only.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, DeliveryResult, ProducerContext};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use crate::config::Kafka;
use crate::kafka::topics::PATIENCE;

/// Records between two looks at deliveries and at the clock.
const LOOK: u32 = 500;

/// How often is told how far it is.
const TELL: Duration = Duration::from_millis(20);

/// How long a record is waited for, and room for one.
const WAIT: Duration = Duration::from_millis(10);

/// What a knowing user sets: else a full queue makes the consumer pause for up to a second.
const READING: [(&str, &str); 2] = [("fetch.queue.backoff.ms", "10"), ("check.crcs", "true")];

/// The same: batches as large as a gate's, and records as large as its source has.
const WRITING: [(&str, &str); 3] =
    [("linger.ms", "5"), ("batch.num.messages", "10000"), ("message.max.bytes", LARGEST)];

/// The largest record that is written, and more: what topics take by default.
pub(super) const LARGEST: &str = "1048588";

/// Why it ends.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the copy is refused by Kafka")]
    Kafka(#[from] KafkaError),
    #[error("{0} records were not taken by the brokers")]
    Lost(u64),
    #[error("nobody reads how far the copy is")]
    Output(#[from] std::io::Error),
}

/// Counts what the brokers have taken.
#[derive(Debug, Clone, Default)]
struct Deliveries {
    taken: Arc<AtomicU64>,
    lost: Arc<AtomicU64>,
}

impl ClientContext for Deliveries {}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        let counter = if result.is_ok() { &self.taken } else { &self.lost };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

/// Copies each topic to the other one until it is killed, and writes how many records are there, a line now and then.
pub(crate) fn copy(kafka: &Kafka, topics: &[(&str, &str)], out: &mut dyn Write) -> Result<(), Error> {
    let Some(mut route) = topics.first() else { return Ok(()) };
    let mut reading = with(&READING, kafka.consumer());
    reading.set("group.id", route.1).set("enable.auto.commit", "false").set("isolation.level", "read_committed");
    let consumer: BaseConsumer = reading.create()?;
    let deliveries = Deliveries::default();
    let mut writing = with(&WRITING, kafka.producer());
    writing.set("enable.idempotence", "true");
    let producer: BaseProducer<Deliveries> = writing.create_with_context(deliveries.clone())?;
    consumer.assign(&all_of(&consumer, topics.iter().map(|(from, _)| *from))?)?;
    let (mut records, mut told) = (0_u32, Instant::now());
    loop {
        let message = consumer.poll(WAIT).transpose()?;
        if let Some(message) = &message {
            // Records of a topic come one after the other.
            if message.topic() != route.0 {
                route = topics.iter().find(|(from, _)| *from == message.topic()).unwrap_or(route);
            }
            send(&producer, route.1, message)?;
            records = records.wrapping_add(1);
        }
        if message.is_none() || records.is_multiple_of(LOOK) {
            producer.poll(Duration::ZERO);
            if told.elapsed() >= TELL {
                told = Instant::now();
                writeln!(out, "{}", deliveries.taken.load(Ordering::Relaxed))?;
                out.flush()?;
            }
            let lost = deliveries.lost.load(Ordering::Relaxed);
            if lost > 0 {
                return Err(Error::Lost(lost));
            }
        }
    }
}

/// Returns these properties and those of the user, which come last.
pub(super) fn with<'p>(own: &[(&str, &str)], users: impl Iterator<Item = (&'p str, &'p str)>) -> ClientConfig {
    let own = own.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    own.chain(users.map(|(name, value)| (name.to_owned(), value.to_owned()))).collect()
}

/// Returns all partitions of these topics, from their begin.
pub(super) fn all_of<'t>(
    consumer: &BaseConsumer,
    topics: impl Iterator<Item = &'t str>,
) -> Result<TopicPartitionList, KafkaError> {
    let mut all = TopicPartitionList::new();
    for topic in topics {
        let metadata = consumer.fetch_metadata(Some(topic), PATIENCE)?;
        for partition in metadata.topics().iter().flat_map(rdkafka::metadata::MetadataTopic::partitions) {
            all.add_partition_offset(topic, partition.id(), Offset::Beginning)?;
        }
    }
    Ok(all)
}

fn send(producer: &BaseProducer<Deliveries>, to: &str, message: &BorrowedMessage<'_>) -> Result<(), KafkaError> {
    let mut record = BaseRecord::<[u8], [u8]>::to(to).partition(message.partition());
    record.key = message.key();
    record.payload = message.payload();
    record.timestamp = message.timestamp().to_millis();
    record.headers = message.headers().map(rdkafka::message::BorrowedHeaders::detach);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                record = refused;
                producer.poll(WAIT);
            }
            Err((error, _)) => return Err(error),
        }
    }
}
