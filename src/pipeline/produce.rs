//! The producer of one pipeline: staging a record for its output, unchanged.
//!
//! Key, value, timestamp and headers leave as they came; the partition is the source's, since
//! outputs have the source's partition count. A dead letter gets its headers appended, which
//! are the only bytes that we add. librdkafka copies a staged record at once, so nothing here
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
use crate::config::Outputs;
use crate::gate::dead_letter::WrittenHeader;
use crate::gate::verdict::Route;
use crate::kafka::clients;
use crate::kafka::ffi::{self, Outgoing, OwnedHeaders, TopicHandle};
use crate::kafka::statistics::Statistics;
use crate::telemetry::logging;

/// How long answers to requests under way may take after the first record was refused for its size.
const STRAGGLERS: Duration = Duration::from_millis(100);

/// Why a transaction ends whose records are too large.
pub(super) const TOO_LARGE: &str = "records are too large for their topic";

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
    /// The first record that failed for another reason than its size.
    pub(super) first: Option<DeliveryFailure>,
    /// The records that are too large for their topic, by that topic and the tag they were staged with.
    pub(super) too_large: Vec<(String, usize)>,
    /// When the first of these was refused.
    too_large_since: Option<Instant>,
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

    /// Tells why the transaction cannot commit. That records are too large is told a moment late, so that the answers
    /// to requests under way are in: after the first refusal librdkafka sends nothing more of the transaction.
    pub(super) fn failure(&self) -> Option<String> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        let failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.too_large_since.is_some_and(|since| since.elapsed() > STRAGGLERS) {
            return Some(TOO_LARGE.to_owned());
        }
        failures.first.as_ref().map(ToString::to_string)
    }

    /// Tells whether any record was not taken.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::Acquire)
    }

    /// Takes the records that are too large, by topic and tag.
    pub(super) fn take_too_large(&self) -> Vec<(String, usize)> {
        std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner).too_large)
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
        if matches!(code, RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight) {
            // Purged by our own abort, which has its own reason.
            return;
        }
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        let topic = message.topic().to_owned();
        if code == RDKafkaErrorCode::MessageSizeTooLarge {
            failures.too_large.push((topic, tag));
            failures.too_large_since.get_or_insert_with(Instant::now);
        } else {
            failures.first.get_or_insert(DeliveryFailure { code, topic, partition: message.partition() });
        }
        self.failed.store(true, Ordering::Release);
    }
}

/// The topics of one source, as handles of the present producer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handles {
    pub(super) validated: TopicHandle,
    pub(super) converter: Option<TopicHandle>,
    pub(super) dead_letter: TopicHandle,
}

impl Handles {
    /// Makes the handles of one source's outputs.
    pub(super) fn make(producer: &mut ffi::Producer<Context>, outputs: &Outputs) -> KafkaResult<Self> {
        Ok(Self {
            validated: producer.topic(&outputs.validated)?,
            converter: outputs.converter.as_deref().map(|topic| producer.topic(topic)).transpose()?,
            dead_letter: producer.topic(&outputs.dead_letter)?,
        })
    }

    /// Returns where a route leads; `None` where nothing is written.
    pub(super) fn topic(self, route: Route) -> Option<TopicHandle> {
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
    /// The transaction or the client is at fault.
    Fault(Fault),
}

/// What a dead letter changes in the headers of its record.
#[derive(Debug, Default)]
pub(super) struct Relabel<'h> {
    /// Names of earlier headers that go.
    pub(super) removed: Vec<&'h str>,
    /// Headers that come, after those that stay.
    pub(super) added: Vec<WrittenHeader<'h>>,
}

/// Stages a record as it came; its headers are copied byte by byte, but for what a dead letter changes.
pub(super) fn stage(
    producer: &ffi::Producer<Context>,
    topic: TopicHandle,
    message: &BorrowedMessage<'_>,
    relabel: Option<&Relabel<'_>>,
    tag: usize,
) -> Result<(), Refused> {
    let mut headers = OwnedHeaders::copy_of(message);
    if let Some(relabel) = relabel {
        let headers = headers.get_or_insert_default();
        relabel.removed.iter().for_each(|name| headers.remove(name));
        relabel.added.iter().for_each(|(name, value)| headers.push(name, value.as_deref()));
    }
    let outgoing = Outgoing {
        topic,
        partition: message.partition(),
        key: message.key(),
        value: message.payload(),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
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
        code => Refused::Fault(Fault::Abort(format!("a record could not be staged: {code}"))),
    }
}
