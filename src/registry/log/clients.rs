//! The three Kafka clients of a log: one reads it, one asks for its end, one writes it.
//!
//! The one that asks is apart from the one that reads, since brokers answer the requests of a connection one after the
//! other, and a fetch at the end of a log waits there for records.

use std::time::Duration;

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::{ClientContext, TopicPartitionList};

use super::Settings;
use super::error::Error;
use crate::config::Kafka;
use crate::kafka::clients::{self, Latest, wait_before_retries};
use crate::kafka::topics::ATTEMPT;
use crate::telemetry::logging;

/// How long one question for the end of the log, or for its leader, may take.
const ASK_LIMIT: Duration = Duration::from_secs(1);

/// What the clients are called in logs, and by brokers.
pub(super) const NAME: &str = "sluice-registry";

/// How long a killed writer's transaction would stay open if nobody wrote after it; whoever does ends it at once.
const TRANSACTION_TIMEOUT: &str = "10000";

/// How long a producer waits before it sends a request again. A commit that took less was asked for once; one that may
/// have been asked for twice costs the producer ([`super::producer`]).
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(1);

/// Bytes of a batch: half of what topics take by default, since a batch of small records must never be what is too large.
const BATCH: &str = "500000";

/// Bytes of a record that the client itself refuses; the topic refuses far smaller ones.
const LARGEST_RECORD: &str = "50000000";

/// The name that all nodes write under.
pub(super) fn transactional_id(topic: &str) -> String {
    format!("sluice.registry.{topic}")
}

/// Receives librdkafka's events.
#[derive(Debug, Default)]
pub(super) struct Context {
    pub(super) statistics: Latest,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(NAME, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        clients::log_error(NAME, &error, reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.statistics.put(json);
    }
}

impl ConsumerContext for Context {}

/// A consumer of the log.
pub(super) type Consumer = BaseConsumer<Context>;

fn set(client: &mut ClientConfig, pairs: &[(&str, &str)]) {
    for (name, value) in pairs {
        client.set(*name, *value);
    }
}

/// What both consumers have. A member of no group: librdkafka wants a name for one all the same.
fn consumer(kafka: &Kafka, topic: &str) -> ClientConfig {
    let mut client = ClientConfig::new();
    let defaults = [
        ("client.id", NAME),
        ("check.crcs", "true"),
        // A broker that stands still is left for another one after so long.
        ("socket.timeout.ms", "10000"),
        ("reconnect.backoff.max.ms", "1000"),
        ("fetch.queue.backoff.ms", "10"),
        ("fetch.error.backoff.ms", "50"),
        // The end of the log is told after so long without records; records come at once.
        ("fetch.wait.max.ms", "100"),
        // What is read ahead comes on top of what is kept of it, and is gone in a moment.
        ("queued.max.messages.kbytes", "16384"),
        ("enable.metrics.push", "false"),
    ];
    set(&mut client, &defaults);
    for (name, value) in kafka.consumer() {
        client.set(name, value);
    }
    let owned = [
        ("group.id", transactional_id(topic).as_str()),
        ("isolation.level", "read_committed"),
        ("enable.partition.eof", "true"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("allow.auto.create.topics", "false"),
    ]
    .map(|(name, value)| (name, value.to_owned()));
    for (name, value) in owned {
        client.set(name, value);
    }
    client
}

/// Makes the consumer that reads the log from its begin.
pub(super) fn reader(settings: &Settings) -> Result<Consumer, Error> {
    let mut client = consumer(&settings.kafka, &settings.topic);
    client.set("statistics.interval.ms", "5000");
    let consumer: Consumer = client.create_with_context(Context::default()).map_err(Error::Client)?;
    // Who does not know the leader yet waits half a second before the begin of the log is asked for. Where nobody answers,
    // the consumer asks for itself.
    consumer.fetch_metadata(Some(&settings.topic), ATTEMPT).ok();
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&settings.topic, 0, rdkafka::Offset::Beginning).map_err(Error::Client)?;
    consumer.assign(&list).map_err(Error::Client)?;
    Ok(consumer)
}

/// Makes the consumer that asks for the end of what was committed.
pub(super) fn asker(settings: &Settings) -> Result<Consumer, Error> {
    let mut client = consumer(&settings.kafka, &settings.topic);
    client.set("statistics.interval.ms", "0");
    client.create_with_context(Context::default()).map_err(Error::Client)
}

/// Asks for the end of what was committed.
///
/// A client that reads nothing keeps it for minutes that a partition had no leader, and answers by that without asking
/// (`rd_kafka_topic_partition_list_get_leaders`): so after each failure it is made to ask for the leader again.
pub(super) fn ask_end(asker: &Consumer, topic: &str) -> Result<i64, KafkaError> {
    let asked = asker.fetch_watermarks(topic, 0, ASK_LIMIT);
    if asked.is_err() {
        asker.fetch_metadata(Some(topic), ASK_LIMIT).ok();
    }
    asked.map(|(_, end)| end)
}

/// Returns the settings of the producer.
pub(super) fn producer(settings: &Settings) -> ClientConfig {
    let mut client = ClientConfig::new();
    let defaults = [
        ("client.id", NAME),
        ("transaction.timeout.ms", TRANSACTION_TIMEOUT),
        ("linger.ms", "0"),
        ("batch.size", BATCH),
        ("message.max.bytes", LARGEST_RECORD),
        ("reconnect.backoff.max.ms", "1000"),
        ("statistics.interval.ms", "0"),
        ("enable.metrics.push", "false"),
    ];
    set(&mut client, &defaults);
    for (name, value) in settings.kafka.producer() {
        client.set(name, value);
    }
    let id = transactional_id(&settings.topic);
    set(&mut client, &[("enable.idempotence", "true"), ("acks", "all"), ("transactional.id", &id)]);
    wait_before_retries(&mut client, RETRY_WAIT);
    client
}
