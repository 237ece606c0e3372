//! Consumers and producers with the settings that Sluice owns.
//!
//! The order of precedence is in [`consumer`] and [`producer`]: our defaults, then what the
//! operator set, then what the guarantees rest on. `read_committed` is among the last: only
//! a consumer that has it waits for offsets of open transactions (KIP-447), without it a new
//! owner could start before the old one's commit.

use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, TopicPartitionList};

use super::memory::Shares;
use super::refusal;
use super::statistics::Statistics;
use crate::config::{Config, Delivery, Gate};

/// Time between librdkafka's reports; lag and queue sizes in the metrics are at most this old.
const STATISTICS_INTERVAL: Duration = Duration::from_secs(5);

/// Bytes in a batch: larger ones compress no better, and a topic's limit is on batches.
const LARGEST_BATCH: u64 = 1_000_000;

/// What a batch and the frames of its records take beside them, in bytes.
const BATCH_OVERHEAD: u64 = 1024;

/// The largest answer that a consumer takes, in bytes. No larger record comes, whatever the topics would take.
const LARGEST_ANSWER: u64 = 256 << 20;

/// How much smaller compression makes a record at best, for all that we try.
const COMPRESSION: u64 = 8;

/// Pause before a group's coordinator is asked again.
const COORDINATOR_PAUSE: Duration = Duration::from_millis(200);

/// How long a broker may keep a fetch that finds nothing. A partition that is new, or is released, is not in the one that is under way,
/// and waits for its end. Shorter ones cost broker and gate more while nothing comes.
const FETCH_WAIT_MS: &str = "200";

/// How long a broker may be asked at start and between batches before the loop turns again.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// Sizes of what the outputs of a pipeline take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sizes {
    /// What the output with the largest limit takes: no record beyond it fits anywhere.
    pub largest: u64,
    /// What the output with the smallest limit takes: no batch may be larger.
    pub smallest: u64,
    /// Whether that was told by the brokers, or found out, and goes before what the operator has set.
    pub is_known: bool,
}

/// Names of one pipeline's clients.
#[derive(Debug, Clone)]
pub struct Names {
    /// The consumer group.
    pub group: String,
    /// `{application}.{gate}-{instance or random}-{n}`: transactional.id, client.id, and static member where an instance is set.
    pub pipeline: String,
    /// Whether the group member is static.
    pub is_static: bool,
}

impl Names {
    /// Returns the names of pipeline `number` (from 0) of a gate; `random` stands in for a missing instance.
    #[must_use]
    pub fn new(config: &Config, gate: &Gate, number: usize, random: &str) -> Self {
        let instance = config.instance.as_deref().unwrap_or(random);
        Self {
            group: config.group(gate),
            pipeline: format!("{}.{}-{instance}-{number}", config.application, gate.name),
            is_static: config.instance.is_some(),
        }
    }
}

/// Returns the settings of a pipeline's consumer.
#[must_use]
pub fn consumer(config: &Config, names: &Names) -> ClientConfig {
    let shares = Shares::of(config);
    let mut client = ClientConfig::new();
    if !config.kafka.is_group_of_broker() {
        let session = config.kafka.session_timeout().as_millis().to_string();
        client.set("session.timeout.ms", session).set("partition.assignment.strategy", "cooperative-sticky");
    }
    for (name, value) in [
        ("client.id", names.pipeline.as_str()),
        ("max.poll.interval.ms", "300000"),
        ("check.crcs", "true"),
        ("fetch.queue.backoff.ms", "10"),
        ("fetch.wait.max.ms", FETCH_WAIT_MS),
        ("receive.message.max.bytes", &LARGEST_ANSWER.to_string()),
        ("queued.max.messages.kbytes", &(shares.consumer_queue / 1024).to_string()),
        ("queued.min.messages", &shares.consumer_records.to_string()),
        ("fetch.max.bytes", &shares.fetch.to_string()),
        ("statistics.interval.ms", &STATISTICS_INTERVAL.as_millis().to_string()),
        ("enable.metrics.push", "false"),
    ] {
        client.set(name, value);
    }
    for (name, value) in config.kafka.consumer() {
        client.set(name, value);
    }
    for (name, value) in [
        ("group.id", names.group.as_str()),
        ("isolation.level", "read_committed"),
        ("enable.auto.commit", "false"),
        ("enable.auto.offset.store", "false"),
        ("auto.offset.reset", "error"),
        ("allow.auto.create.topics", "false"),
    ] {
        client.set(name, value);
    }
    if names.is_static {
        client.set("group.instance.id", &names.pipeline);
    }
    client
}

/// Returns the settings of a pipeline's producer. A `batch.size` by hand stays where all outputs take it.
#[must_use]
pub fn producer(config: &Config, names: &Names, sizes: Sizes) -> ClientConfig {
    let Sizes { largest, smallest, is_known } = sizes;
    let batch = smallest.saturating_sub(BATCH_OVERHEAD).max(1);
    let linger = linger(config.delivery, config.commit_interval);
    // Topics limit what is sent, that is compressed records; we offer them larger ones and let them judge.
    let shares = Shares::of(config);
    // An output without a limit must not make a queue without one.
    let largest = largest.min(LARGEST_ANSWER);
    let queue = shares.producer_queue.max(2 * largest);
    let record = (largest * COMPRESSION).min(queue);
    let mut client = ClientConfig::new();
    for (name, value) in [
        ("client.id", names.pipeline.as_str()),
        ("linger.ms", &linger.as_millis().to_string()),
        ("batch.size", &batch.min(LARGEST_BATCH).to_string()),
        ("batch.num.messages", "10000"),
        ("queue.buffering.max.messages", &shares.producer_records.to_string()),
        ("queue.buffering.max.kbytes", &(queue / 1024).to_string()),
        ("message.max.bytes", &record.to_string()),
        ("compression.type", "lz4"),
        ("statistics.interval.ms", &STATISTICS_INTERVAL.as_millis().to_string()),
        ("enable.metrics.push", "false"),
    ] {
        client.set(name, value);
    }
    if config.delivery == Delivery::ExactlyOnce {
        client.set("transaction.timeout.ms", config.kafka.transaction_timeout().as_millis().to_string());
    }
    for (name, value) in config.kafka.producer() {
        client.set(name, value);
    }
    if is_known && client.get("batch.size").and_then(|size| size.parse().ok()).is_none_or(|size: u64| size > batch) {
        client.set("batch.size", batch.to_string());
    }
    for (name, value) in
        [("enable.idempotence", "true"), ("delivery.report.only.error", "false"), ("partitioner", "murmur2_random")]
    {
        client.set(name, value);
    }
    match config.delivery {
        Delivery::ExactlyOnce => client.set("transactional.id", &names.pipeline),
        Delivery::AtLeastOnce => client.remove("transaction.timeout.ms"),
    };
    client
}

/// Returns how long records wait for others that go to the same partition.
///
/// Within a transaction nobody sees them before its end, which does not linger: small batches would cost gate and brokers more for
/// nothing. They cost most where brokers are slower than the gate: with five of a partition under way and another one ready, librdkafka
/// polls without a pause.
fn linger(delivery: Delivery, commit_interval: Duration) -> Duration {
    match delivery {
        Delivery::ExactlyOnce => (commit_interval / 4).min(Duration::from_millis(60)),
        Delivery::AtLeastOnce => (commit_interval / 10).min(Duration::from_millis(5)),
    }
}

/// Makes a transactional producer wait before it sends a request again: a retry must show in the time that a transaction
/// takes to end. What the operator has set counts where it is longer.
pub fn wait_before_retries(client: &mut ClientConfig, wait: Duration) {
    let wait = wait.as_millis();
    for name in ["retry.backoff.ms", "retry.backoff.max.ms"] {
        let longer = client.get(name).and_then(|value| value.parse().ok()).filter(|set| *set > wait);
        client.set(name, longer.unwrap_or(wait).to_string());
    }
    // librdkafka takes it from retry.backoff.ms otherwise, and moved leaders would be found as late.
    if client.get("topic.metadata.refresh.fast.interval.ms").is_none() {
        client.set("topic.metadata.refresh.fast.interval.ms", "100");
    }
}

/// Tells whether librdkafka mends an error by itself, by connecting again.
#[must_use]
pub fn is_passing(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::Resolve
        )
    )
}

/// Asks for the *next* offsets that a consumer's group has committed; again within `limit` while its coordinator moves, loads
/// or is still to be made, which takes seconds.
///
/// # Errors
/// What the brokers say otherwise, or at the end of `limit`.
pub fn committed<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    list: &TopicPartitionList,
    limit: Duration,
) -> KafkaResult<TopicPartitionList> {
    let is_moving = |error: &KafkaError| {
        matches!(
            error.rdkafka_error_code(),
            Some(
                RDKafkaErrorCode::NotCoordinator
                    | RDKafkaErrorCode::CoordinatorLoadInProgress
                    | RDKafkaErrorCode::CoordinatorNotAvailable
            )
        )
    };
    let began = Instant::now();
    loop {
        match consumer.committed_offsets(list.clone(), limit) {
            Err(error) if is_moving(&error) && began.elapsed() < limit => thread::sleep(COORDINATOR_PAUSE),
            answer => return answer,
        }
    }
}

/// Writes an error that a client reported outside of a call. Only here does librdkafka give the reason of a refused login.
pub fn log_error(gate: &str, error: &KafkaError, reason: &str) {
    let hint = refusal::hint(reason);
    match error.rdkafka_error_code() {
        Some(RDKafkaErrorCode::Authentication) => {
            tracing::error!(gate, reason, hint, "the broker refused our credentials");
        }
        Some(RDKafkaErrorCode::SSL) => tracing::error!(gate, reason, hint, "no TLS connection to the broker"),
        _ => tracing::warn!(gate, reason, hint, "kafka client: {error}"),
    }
}

/// Returns why the group's coordinator cannot be asked, where that is a missing right: the question itself only times out,
/// and the reason waits in the consumer's queue. For consumers that have not subscribed, so that no record is taken.
#[must_use]
pub fn refused_group<C: ConsumerContext>(consumer: &BaseConsumer<C>) -> Option<KafkaError> {
    let errors = std::iter::from_fn(|| consumer.poll(Duration::from_millis(50))).take(10).filter_map(Result::err);
    errors.into_iter().find(|error| error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed))
}

/// The newest report of one client, from librdkafka's callback to whoever reads it next.
#[derive(Debug, Default)]
pub struct Latest(Mutex<Option<Statistics>>);

impl Latest {
    /// Keeps a report; one that cannot be read is left out.
    pub fn put(&self, json: &[u8]) {
        match Statistics::parse(json) {
            Ok(report) => *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(report),
            Err(error) => tracing::debug!(%error, "librdkafka's statistics could not be read"),
        }
    }

    /// Takes it, once.
    pub fn take(&self) -> Option<Statistics> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

/// Leaves the end of a client to a thread of its own: librdkafka takes its time for it, and has been seen to hang.
pub(crate) fn end_aside<T: Send + 'static>(client: T) {
    let ended = thread::Builder::new().name("client-end".to_owned()).spawn(move || drop(client));
    if let Err(error) = ended {
        tracing::debug!(%error, "no thread for the end of a client");
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::producer::BaseProducer;

    use super::*;
    use crate::config::{Environment, Syntax};

    fn config(kafka: &str) -> Config {
        let text = format!(
            "{{application: a, kafka: {{bootstrap.servers: 'h:1'{kafka}}}, registry: {{url: 'http://r'}}, \
             gates: {{g: {{source: a, validated: b}}}}}}"
        );
        Config::parse(&text, Syntax::Yaml, &Environment::process()).unwrap()
    }

    #[test]
    fn a_fetch_that_finds_nothing_is_short_unless_somebody_says_otherwise() {
        for (said, of_pipeline, of_reader) in [("", FETCH_WAIT_MS, "50"), (", fetch.wait.max.ms: 700", "700", "700")] {
            let config = config(said);
            let names = Names::new(&config, &config.gates[0], 0, "random");
            let wait = |client: &ClientConfig| client.get("fetch.wait.max.ms").map(str::to_owned);
            assert_eq!(wait(&consumer(&config, &names)).as_deref(), Some(of_pipeline));
            assert_eq!(wait(&super::super::consumer::settings(&config, &names)).as_deref(), Some(of_reader));
        }
    }

    #[test]
    fn an_output_without_a_limit_makes_no_producer_impossible() {
        let config = config("");
        let names = Names::new(&config, &config.gates[0], 0, "random");
        let sizes = Sizes { largest: (1 << 31) - 1, smallest: 1_000, is_known: true };
        let client = producer(&config, &names, sizes);
        client.create::<BaseProducer>().unwrap();
        let kbytes: u64 = client.get("queue.buffering.max.kbytes").unwrap().parse().unwrap();
        assert_eq!(kbytes, 2 * LARGEST_ANSWER / 1024);
    }
}
