//! The producer of one pipeline: staging a record for its output, unchanged.
//!
//! Key, value, timestamp and headers leave as they came; the partition is the source's, or the
//! one that a Java producer would choose for the key. A dead letter gets its headers appended,
//! which are the only bytes that we add. librdkafka copies a staged record at once, so nothing here
//! keeps a record. A delivery that fails is noted by the context and ends the transaction: with
//! a gap in it, it must not commit.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use super::Fault;
use super::routes::{SourceRoute, Target};
use crate::gate::dead_letter::WrittenHeader;
use crate::gate::verdict::Route;
use crate::kafka::clients;
use crate::kafka::ffi::{self, Outgoing, OwnedHeaders, TopicHandle};
use crate::kafka::murmur2;
use crate::kafka::statistics::Statistics;
use crate::telemetry::logging;

/// How long answers to requests under way may take after the first record was refused.
pub(super) const STRAGGLERS: Duration = Duration::from_millis(100);

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// Why a transaction ends of which brokers have refused records.
pub(super) const REFUSED: &str = "records were refused for what they are; they are looked for";

/// Receives librdkafka's events for one producer.
#[derive(Debug)]
pub(super) struct Context {
    gate: Arc<str>,
    failed: AtomicBool,
    failures: Mutex<Failures>,
    statistics: clients::Latest,
}

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
    pub(super) fn new(gate: Arc<str>) -> Self {
        Self {
            gate,
            failed: AtomicBool::new(false),
            failures: Mutex::default(),
            statistics: clients::Latest::default(),
        }
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
        let Err((error, message)) = result else { return };
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
        let (topic, partition) = (message.topic(), message.partition());
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        match Blame::of(code) {
            Blame::Record if ffi::is_neighbour(message) => failures.refused.names_culprits = true,
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

/// What a failed delivery is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Blame {
    /// The record, or one of those in its batch.
    Record,
    /// Another record of its batch, which is named.
    Neighbour,
    /// The topic, the cluster, our rights: whatever is mended from outside.
    Topic,
    /// Nobody: it was taken back.
    Us,
}

impl Blame {
    #[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has hundreds of codes, and all others are one case")]
    fn of(code: RDKafkaErrorCode) -> Self {
        match code {
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => Self::Us,
            RDKafkaErrorCode::InvalidDifferentRecord => Self::Neighbour,
            RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidTimestamp | RDKafkaErrorCode::InvalidMessage => {
                Self::Record
            }
            code if is_size(code) => Self::Record,
            _ => Self::Topic,
        }
    }
}

/// Tells whether a batch was refused for its size: more than the topic takes, or than a segment of its log.
pub(super) fn is_size(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge)
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

/// An output of one source: its topic, and its partitions where records are spread over them anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    topic: TopicHandle,
    spread: Option<i32>,
}

impl End {
    /// Returns the partition that a record goes to.
    fn partition(self, message: &BorrowedMessage<'_>) -> i32 {
        self.spread.map_or(message.partition(), |count| murmur2::partition(message.key(), message.partition(), count))
    }
}

/// The topics of one source, as handles of the present producer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handles {
    validated: End,
    converter: Option<End>,
    dead_letter: End,
}

impl Handles {
    /// Makes the handles of one source's outputs.
    pub(super) fn make(producer: &mut ffi::Producer<Context>, route: &SourceRoute) -> KafkaResult<Self> {
        let SourceRoute { outputs, targets, .. } = route;
        let mut end = |topic: &str, target: Target| {
            let spread = targets.is_spread.then_some(target.partitions);
            Ok::<_, KafkaError>(End { topic: producer.topic(topic)?, spread })
        };
        Ok(Self {
            validated: end(&outputs.validated, targets.validated)?,
            converter: outputs.converter.as_deref().map(|topic| end(topic, targets.converter)).transpose()?,
            dead_letter: end(&outputs.dead_letter, targets.dead_letter)?,
        })
    }

    /// Returns where a route leads; `None` where nothing is written.
    pub(super) fn end(self, route: Route) -> Option<End> {
        match route {
            Route::Validated => Some(self.validated),
            Route::Converter => self.converter,
            Route::DeadLetter => Some(self.dead_letter),
            Route::None => None,
        }
    }
}

/// A staged record that was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The queue is full: wait, then stage the same record again.
    QueueFull,
    /// The record is larger than the client's limit.
    TooLarge,
    /// The output has no such partition, or is not there.
    NoSuchPartition(RDKafkaErrorCode),
    /// The transaction has failed already, and takes no more; reports of deliveries say why.
    Failed(Fault),
    /// The client is at fault.
    Fault(Fault),
}

/// What a dead letter changes in the headers of its record.
#[derive(Debug, Default)]
pub(super) struct Relabel<'h> {
    /// Names of earlier headers that go.
    pub(super) removed: Vec<&'h str>,
    /// Headers that come, after those that stay.
    pub(super) added: Vec<WrittenHeader<'h>>,
    /// What is left of a record that is cut: none of its own headers but those among `added`, and this value, if any.
    pub(super) cut: Option<Option<&'h [u8]>>,
}

/// Stages a record as it came; its headers are copied byte by byte, but for what a dead letter changes.
pub(super) fn stage(
    producer: &ffi::Producer<Context>,
    end: End,
    message: &BorrowedMessage<'_>,
    relabel: Option<&Relabel<'_>>,
    tag: usize,
) -> Result<(), Refused> {
    let cut = relabel.and_then(|relabel| relabel.cut);
    let mut headers = if cut.is_some() { None } else { OwnedHeaders::copy_of(message) };
    if let Some(relabel) = relabel {
        let headers = headers.get_or_insert_default();
        relabel.removed.iter().for_each(|name| headers.remove(name));
        relabel.added.iter().for_each(|(name, value)| headers.push(name, value.as_deref()));
    }
    let outgoing = Outgoing {
        topic: end.topic,
        partition: end.partition(message),
        key: message.key(),
        value: cut.unwrap_or(message.payload()),
        timestamp: message.timestamp().to_millis().unwrap_or(NO_TIMESTAMP),
        headers,
        tag,
    };
    producer.produce(outgoing).map_err(refused)
}

#[cold]
#[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has hundreds of codes, and all others are one case")]
fn refused(code: RDKafkaErrorCode) -> Refused {
    match code {
        RDKafkaErrorCode::QueueFull => Refused::QueueFull,
        RDKafkaErrorCode::MessageSizeTooLarge => Refused::TooLarge,
        RDKafkaErrorCode::UnknownPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition => Refused::NoSuchPartition(code),
        RDKafkaErrorCode::State => Refused::Failed(Fault::Abort("the transaction takes no more records".to_owned())),
        code => Refused::Fault(Fault::Abort(format!("a record could not be staged: {code}"))),
    }
}
