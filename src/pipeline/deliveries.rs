//! What became of staged records: the reports of one pipeline's producer.
//!
//! A delivery that fails is noted and ends the transaction: with a gap in it, it must not
//! commit. What brokers refuse for what the record is, or one in its batch, is kept apart from
//! what is mended from outside (topics, rights, brokers).

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::kafka::blame::Blame;
use crate::kafka::clients;
use crate::kafka::ffi::{Deliveries, Message};
use crate::kafka::statistics::Statistics;
use crate::migrate::offsets::Spot;
use crate::telemetry::logging;

/// How long answers to requests under way may take after the first record was refused.
pub(super) const STRAGGLERS: Duration = Duration::from_millis(100);

/// Why a transaction ends of which brokers have refused records.
pub(super) const REFUSED: &str = "records were refused for what they are; they are looked for";

/// Receives librdkafka's events for one producer.
#[derive(Debug)]
pub(super) struct Context {
    gate: Arc<str>,
    failed: AtomicBool,
    failures: Mutex<Failures>,
    /// Where each record of the transaction stands by its tag, for those who keep a map.
    places: Option<Mutex<Places>>,
    statistics: clients::Latest,
}

/// Partition and offset of records by their tags; none where a broker has not told.
pub(super) type Places = Vec<Option<Spot>>;

/// What the brokers did not take of a transaction.
#[derive(Debug, Default)]
pub(super) struct Failures {
    /// The first record that failed for a reason that is not the record's.
    pub(super) first: Option<DeliveryFailure>,
    /// The records that were refused.
    pub(super) refused: Refusals,
    /// When the first of these was refused.
    refused_since: Option<Instant>,
}

/// The records of a transaction that brokers refused for what the records are.
#[derive(Debug, Default)]
pub(super) struct Refusals {
    /// The topics and partitions that refused records.
    pub(super) places: Vec<(String, i32)>,
    /// The records.
    pub(super) records: Vec<Refusal>,
    /// Whether a broker told a culprit from its neighbours, which brokers do from Kafka 2.4 on (KIP-467).
    pub(super) names_culprits: bool,
    /// Whether something else failed too.
    pub(super) is_more: bool,
}

/// One record that was refused, or that stood in the batch of one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Refusal {
    /// The tag that it was staged with.
    pub(super) tag: usize,
    /// Index of the place that refused it.
    pub(super) place: usize,
    pub(super) code: RDKafkaErrorCode,
}

impl Refusals {
    fn add(&mut self, topic: &str, partition: i32, tag: usize, code: RDKafkaErrorCode) {
        let is_it = |place: &(String, i32)| place.0 == topic && place.1 == partition;
        // Records come batch by batch.
        let place = self.places.iter().rposition(is_it).unwrap_or_else(|| {
            self.places.push((topic.to_owned(), partition));
            self.places.len() - 1
        });
        self.records.push(Refusal { tag, place, code });
    }
}

/// A record that the brokers did not take.
#[derive(Debug, Clone)]
pub(super) struct DeliveryFailure {
    pub(super) code: RDKafkaErrorCode,
    pub(super) topic: String,
    pub(super) partition: i32,
}

impl std::fmt::Display for DeliveryFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "topic '{}' partition {} took no record: {}", self.topic, self.partition, self.code)
    }
}

impl Context {
    pub(super) fn new(gate: Arc<str>, has_map: bool) -> Self {
        Self {
            gate,
            places: has_map.then(Mutex::default),
            failed: AtomicBool::new(false),
            failures: Mutex::default(),
            statistics: clients::Latest::default(),
        }
    }

    /// Takes where the records of the transaction stand, as far as the brokers have told.
    pub(super) fn take_places(&self) -> Places {
        let places = self.places.as_ref().map(|places| places.lock().unwrap_or_else(PoisonError::into_inner));
        places.map(|mut places| std::mem::take(&mut *places)).unwrap_or_default()
    }

    fn taken(&self, message: Message<'_>, tag: usize) {
        let Some(places) = &self.places else { return };
        let mut places = places.lock().unwrap_or_else(PoisonError::into_inner);
        if places.len() <= tag {
            places.resize(tag + 1, None);
        }
        places[tag] = (message.offset() >= 0).then(|| (message.partition(), message.offset()));
    }

    /// Returns the newest statistics not yet taken.
    pub(super) fn take_statistics(&self) -> Option<Statistics> {
        self.statistics.take()
    }

    /// Tells why the transaction cannot commit. That records were refused is told a moment late, so that the answers to
    /// requests under way are in: after the first refusal librdkafka sends nothing more of the transaction.
    pub(super) fn failure(&self) -> Option<String> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.refused_since.is_some_and(|since| since.elapsed() > STRAGGLERS) {
            return Some(REFUSED.to_owned());
        }
        failures.first.as_ref().map(ToString::to_string)
    }

    /// Tells whether any record was not taken.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Takes the records that were refused.
    pub(super) fn take_refused(&self) -> Refusals {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let is_more = failures.first.is_some();
        Refusals { is_more, ..std::mem::take(&mut failures.refused) }
    }

    /// Takes all failures of the transaction that ends.
    pub(super) fn take_failures(&self) -> Failures {
        self.failed.store(false, Ordering::Release);
        std::mem::take(&mut *self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(&self.gate, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        clients::log_error(&self.gate, &error, reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.statistics.put(json);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        // rdkafka tells of what is left when a client ends.
        self.delivered(Message::from(result.as_ref().unwrap_or_else(|(_, message)| message)), tag);
    }
}

impl Deliveries for Context {
    /// For those who keep a map.
    fn wants_all(&self) -> bool {
        self.places.is_some()
    }

    fn delivered(&self, message: Message<'_>, tag: usize) {
        let Some(code) = message.error() else { return self.taken(message, tag) };
        let (topic, partition) = (message.topic(), message.partition());
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match Blame::of_report(code, message) {
            // Purged by our own abort, which has its own reason.
            Blame::Us => return,
            Blame::Record => failures.refused.add(topic, partition, tag, code),
            Blame::Neighbour => failures.refused.names_culprits = true,
            Blame::Topic => {
                failures.first.get_or_insert_with(|| DeliveryFailure { code, topic: topic.to_owned(), partition });
            }
        }
        if failures.first.is_none() {
            failures.refused_since.get_or_insert_with(Instant::now);
        }
        self.failed.store(true, Ordering::Release);
    }
}

/// Returns the name of a refusal in Kafka's protocol.
#[expect(clippy::wildcard_enum_match_arm, reason = "these are the codes that are put down to records")]
pub(super) fn protocol_name(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::InvalidRecord => "INVALID_RECORD",
        RDKafkaErrorCode::InvalidTimestamp => "INVALID_TIMESTAMP",
        RDKafkaErrorCode::InvalidMessage => "CORRUPT_MESSAGE",
        RDKafkaErrorCode::MessageSizeTooLarge => "MESSAGE_TOO_LARGE",
        RDKafkaErrorCode::MessageBatchTooLarge => "RECORD_LIST_TOO_LARGE",
        _ => "UNKNOWN_SERVER_ERROR",
    }
}
