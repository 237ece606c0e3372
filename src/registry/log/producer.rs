//! The role of the writer: a producer that has fenced all others, and the two steps of its transactions.
//!
//! Whatever goes wrong, the producer is thrown away, and with it the role: the next one is made with the same
//! `transactional.id`, and its start ends what this one has left open. So there is no abort here, and a producer whose
//! commit may have been sent twice is never used again ([`crate::pipeline`] tells why at length).

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext};
use rdkafka::{ClientContext, Message as _};

use super::clients::{NAME, RETRY_WAIT};
use super::progress::WriteId;
use crate::kafka::blame::Blame;
use crate::kafka::ffi::{Outgoing, OwnedHeaders, Producer, TopicHandle};
use crate::kafka::{again, clients};
use crate::registry::store::LogRecord;
use crate::telemetry::logging;

/// The header that names a record's transaction.
pub(super) const HEADER: &str = "sluice.write";

/// How long one step may take. Brokers that need longer are away, and the requests have got their answers by then.
const STEP_LIMIT: Duration = Duration::from_secs(5);

/// How long one call may take before there is a look whether to stop.
const CALL_LIMIT: Duration = Duration::from_millis(500);

/// The same for taking the role: so soon is seen that the last writer's transaction is still being ended.
const INIT_LIMIT: Duration = Duration::from_millis(100);

/// Pause before the role is asked for again then.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Pause between looks at what is under way, and before a call is made again.
const PAUSE: Duration = Duration::from_millis(1);

/// The part of [`RETRY_WAIT`] from which a commit may have been sent twice: librdkafka's jitter takes up to 20 % away.
const DOUBT: f64 = 0.7;

/// What librdkafka says where nodes take a role from each other, which is their daily bread.
const USUAL: [&str; 3] = ["fenced", "old epoch", "another concurrent operation on the same transaction"];

/// Why a step failed. The role is gone.
#[derive(Debug)]
pub(super) struct Trouble {
    /// One line.
    pub(super) why: String,
    /// Whether another node has taken the role.
    pub(super) is_fenced: bool,
    /// Why a record was refused, which another attempt would not change.
    pub(super) refused: Option<RDKafkaErrorCode>,
    /// Whether the transaction before is still being ended.
    is_busy: bool,
}

impl Trouble {
    pub(super) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_fenced: false, refused: None, is_busy: false }
    }

    fn of(step: &str, error: &KafkaError) -> Self {
        let is_fenced = matches!(
            error.rdkafka_error_code(),
            Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch)
        );
        let text = if let KafkaError::Transaction(error) = error { error.string() } else { error.to_string() };
        let is_busy = error.rdkafka_error_code() == Some(RDKafkaErrorCode::ConcurrentTransactions);
        Self { is_fenced, is_busy, ..Self::new(format!("could not {step}: {text}")) }
    }

    /// A record that was not taken: for its own sake, or because something else has ended the transaction.
    fn not_taken(code: RDKafkaErrorCode) -> Self {
        let refused = Some(code).filter(|code| Blame::of(*code) == Blame::Record);
        Self { refused, ..Self::new(format!("the brokers took no record: {code}")) }
    }
}

/// What brokers have said of the records of a transaction.
#[derive(Debug, Clone, Copy, Default)]
struct Delivered {
    /// Why they did not take one.
    refused: Option<RDKafkaErrorCode>,
    /// The lowest and the highest offset that they gave.
    offsets: Option<(i64, i64)>,
}

/// Receives librdkafka's events for one producer.
#[derive(Debug, Default)]
struct Context {
    delivered: Mutex<Delivered>,
}

impl Context {
    fn delivered(&self) -> MutexGuard<'_, Delivered> {
        self.delivered.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        let is_usual = USUAL.iter().any(|words| message.contains(words));
        let level = if is_usual { RDKafkaLogLevel::Debug } else { level };
        logging::librdkafka(NAME, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::Fatal)) {
            clients::log_error(NAME, &error, reason);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, _: usize) {
        let mut delivered = self.delivered();
        match result {
            Ok(message) => {
                let offset = message.offset();
                let (first, last) = delivered.offsets.unwrap_or((offset, offset));
                delivered.offsets = Some((first.min(offset), last.max(offset)));
            }
            // One that is to blame counts before those that were refused with it.
            Err((error, _)) if delivered.refused.is_none_or(|code| Blame::of(code) != Blame::Record) => {
                delivered.refused = Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
            }
            Err(_) => {}
        }
    }
}

/// The role.
#[derive(Debug)]
pub(super) struct Writing {
    /// Always there but while it is dropped.
    producer: Option<Producer<Context>>,
    topic: TopicHandle,
    /// The offset that the next record gets if nobody else writes: the state that decides has all before it.
    pub(super) due: i64,
}

impl Writing {
    /// Takes the role from whoever has it, and ends what they have left open. Once this has succeeded, all that others
    /// have committed is before the end of the log.
    pub(super) fn take(config: &ClientConfig, topic: &str, is_over: impl Fn() -> bool) -> Result<Self, Trouble> {
        let began = Instant::now();
        loop {
            let writing = Self::make(config, topic)?;
            let taken =
                writing.retry("take the writer's role", &is_over, |client| client.init_transactions(INIT_LIMIT));
            match taken {
                Ok(()) => return Ok(writing),
                // What the last writer has left open is being ended, a matter of milliseconds, and librdkafka would ask
                // again after half a second. A new producer asks at once.
                Err(trouble) if trouble.is_busy && began.elapsed() < STEP_LIMIT && !is_over() => {
                    thread::sleep(BUSY_PAUSE);
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn make(config: &ClientConfig, topic: &str) -> Result<Self, Trouble> {
        let made = config.create_with_context(Context::default());
        let client: BaseProducer<Context> = made.map_err(|error| Trouble::of("make a producer", &error))?;
        let mut producer = Producer::new(client);
        let topic = producer.topic(topic).map_err(|error| Trouble::of("write to the topic", &error))?;
        Ok(Self { producer: Some(producer), topic, due: 0 })
    }

    /// Begins a transaction, and waits until the brokers have all of its records; returns the offset of the last one. It is
    /// not committed, and never will be unless [`Writing::commit`] is called.
    ///
    /// The records must stand where they are due. Where they do not there is something before them that the state lacks:
    /// of a producer that is none of ours, behind the open transaction of one, or beyond what an old leader told.
    pub(super) fn append(
        &mut self,
        write: WriteId,
        records: &[LogRecord],
        is_over: impl Fn() -> bool,
    ) -> Result<i64, Trouble> {
        let Some(producer) = &self.producer else { return Err(Trouble::new("the producer is gone")) };
        *producer.client().context().delivered() = Delivered::default();
        producer.client().begin_transaction().map_err(|error| Trouble::of("begin a transaction", &error))?;
        for (index, record) in records.iter().enumerate() {
            let mut headers = OwnedHeaders::new();
            headers.push(HEADER, Some(write.header(records.len() - 1 - index).as_bytes()));
            let outgoing = Outgoing {
                topic: self.topic,
                partition: 0,
                key: Some(&record.key),
                value: record.value.as_deref(),
                timestamp: 0,
                headers: Some(headers),
                tag: index,
            };
            producer.produce(outgoing).map_err(Trouble::not_taken)?;
        }
        self.drain(producer.client(), is_over)?;
        let (first, last) = producer.client().context().delivered().offsets.unwrap_or((-1, -1));
        let extent = i64::try_from(records.len()).unwrap_or(i64::MAX);
        if first != self.due || last - first + 1 != extent {
            let due = self.due;
            let why = format!("offset {due} was next, and {first} was given: another producer uses the topic");
            return Err(Trouble::new(why));
        }
        // Behind it comes the marker of the commit.
        self.due = last + 2;
        Ok(last)
    }

    fn drain(&self, client: &BaseProducer<Context>, is_over: impl Fn() -> bool) -> Result<(), Trouble> {
        let began = Instant::now();
        loop {
            let is_drained = client.flush(Duration::ZERO).is_ok();
            client.poll(Duration::ZERO);
            if let Some((code, why)) = client.client().fatal_error() {
                return Err(Trouble::of(&format!("write: {why}"), &KafkaError::MessageProduction(code)));
            }
            if let Some(code) = client.context().delivered().refused {
                return Err(Trouble::not_taken(code));
            }
            if is_drained {
                return Ok(());
            }
            if is_over() || began.elapsed() > STEP_LIMIT {
                return Err(Trouble::new(format!("the brokers took no record in {:.1?}", began.elapsed())));
            }
            thread::sleep(PAUSE);
        }
    }

    /// Commits; tells whether the producer is good for another transaction. After an error, the commit may have happened.
    pub(super) fn commit(&self, is_over: impl Fn() -> bool) -> Result<bool, Trouble> {
        let began = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "everything is drained, so its flush has nothing to wait for")]
        self.retry("commit", is_over, |client| client.commit_transaction(CALL_LIMIT))?;
        Ok(began.elapsed() < RETRY_WAIT.mul_f64(DOUBT))
    }

    /// Makes a call again while librdkafka asks for that.
    fn retry(
        &self,
        step: &str,
        is_over: impl Fn() -> bool,
        call: impl Fn(&BaseProducer<Context>) -> KafkaResult<()>,
    ) -> Result<(), Trouble> {
        let Some(producer) = &self.producer else { return Err(Trouble::new("the producer is gone")) };
        let is_over = |began: Instant| is_over() || began.elapsed() > STEP_LIMIT;
        match again::retry(producer.client(), is_over, call) {
            Ok(_) => Ok(()),
            Err(error) => Err(Trouble::of(step, &error)),
        }
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        clients::end_aside(self.producer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_wrong_with_a_record_counts_as_its_refusal() {
        let too_large = Trouble::not_taken(RDKafkaErrorCode::MessageSizeTooLarge);
        assert_eq!(too_large.refused, Some(RDKafkaErrorCode::MessageSizeTooLarge));
        for code in [RDKafkaErrorCode::PurgeQueue, RDKafkaErrorCode::InvalidProducerIdMapping] {
            assert_eq!(Trouble::not_taken(code).refused, None);
        }
    }
}
