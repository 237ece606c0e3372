//! The writer: a producer that has fenced all its predecessors, and the steps of its transactions.
//!
//! Whatever goes wrong, the producer is thrown away, and the next one's start ends what this one has left open: there is no
//! abort. A producer whose commit may have been sent twice is not used again ([`crate::pipeline::end`] tells why),
//! though what it has committed counts. The offsets that brokers gave are told by the delivery reports; a copy
//! whose offset is not known must not commit, since the map would lack it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::config::{ClientConfig, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, DeliveryResult, Producer as _, ProducerContext};

use super::trouble::Trouble;
use crate::kafka::blame::Blame;
use crate::kafka::ffi::{Deliveries, Message, Outgoing, Producer, TopicHandle};
use crate::kafka::{again, clients};
use crate::pipeline::Stop;
use crate::pipeline::end::Backoff;
use crate::telemetry::logging;

/// How long one call may take before there is a look whether to stop.
const CALL: Duration = Duration::from_millis(500);

/// The same for taking the role: so soon is seen that a predecessor's transaction is still being ended.
const INIT_CALL: Duration = Duration::from_millis(100);

/// Pause before the role is asked for again then; librdkafka itself would wait half a second.
const BUSY_PAUSE: Duration = Duration::from_millis(20);

/// Time between looks at what is under way, and pause before a call is made again.
const PAUSE: Duration = Duration::from_millis(1);

/// What brokers have said of the records of a transaction.
#[derive(Debug, Default)]
struct Delivered {
    /// The offset of each record by its tag; -1 where none is known.
    offsets: Vec<i64>,
    /// The records that were refused for what they are, by their tags, and why.
    refused: Vec<(usize, RDKafkaErrorCode)>,
    /// Whether a broker told a culprit from its neighbours.
    names_culprits: bool,
    /// The first that was not taken for another reason, such as a refused one in its batch.
    failed: Option<(usize, RDKafkaErrorCode)>,
}

impl Delivered {
    fn fail(&mut self, tag: usize, code: RDKafkaErrorCode, blame: Blame) {
        self.names_culprits |= blame == Blame::Neighbour;
        if blame == Blame::Record {
            self.refused.push((tag, code));
        } else {
            self.failed.get_or_insert((tag, code));
        }
    }

    /// Returns a record that was not taken: one that is to blame, where there is one.
    fn first(&self) -> Option<(usize, RDKafkaErrorCode)> {
        self.refused.first().copied().or(self.failed)
    }
}

/// Receives librdkafka's events for one producer.
#[derive(Debug)]
struct Context {
    name: String,
    told: Mutex<Delivered>,
}

impl Context {
    fn told(&self) -> MutexGuard<'_, Delivered> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(&self.name, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error.rdkafka_error_code(), Some(RDKafkaErrorCode::Fenced | RDKafkaErrorCode::Fatal)) {
            clients::log_error(&self.name, &error, reason);
        }
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, tag: usize) {
        // rdkafka tells of what is left when a call is made again, and when a client ends.
        self.delivered(Message::from(result.as_ref().unwrap_or_else(|(_, message)| message)), tag);
    }
}

impl Deliveries for Context {
    fn wants_all(&self) -> bool {
        true
    }

    fn delivered(&self, message: Message<'_>, tag: usize) {
        let mut told = self.told();
        if let Some(code) = message.error() {
            return told.fail(tag, code, Blame::of_report(code, message));
        }
        if told.offsets.len() <= tag {
            told.offsets.resize(tag + 1, -1);
        }
        told.offsets[tag] = message.offset();
    }
}

/// A producer's role.
#[derive(Debug)]
pub(crate) struct Writer {
    /// Always there but while it is dropped.
    producer: Option<Producer<Context>>,
    /// How long a step may take: the transaction timeout, after which the coordinator aborts anyway.
    limit: Duration,
    backoff: Backoff,
    stop: Stop,
}

impl Writer {
    /// Takes the role from whoever has it, and ends what they have left open.
    pub(crate) fn take(config: &ClientConfig, terms: (&str, Duration, Backoff), stop: &Stop) -> Result<Self, Trouble> {
        let (name, limit, backoff) = terms;
        let mut config = config.clone();
        clients::wait_before_retries(&mut config, backoff.wait());
        let began = Instant::now();
        loop {
            let context = Context { name: name.to_owned(), told: Mutex::default() };
            let made = config.create_with_context(context).map_err(|error| Trouble::of("make a producer", &error))?;
            let writer = Self { producer: Some(Producer::new(made)), limit, backoff, stop: stop.clone() };
            match writer.retry("take the role", |client| client.init_transactions(INIT_CALL)) {
                Ok(_) => return Ok(writer),
                Err(trouble) if trouble.is_busy && began.elapsed() < limit && !stop.is_asked() => {
                    thread::sleep(BUSY_PAUSE)
                }
                Err(trouble) => return Err(trouble),
            }
        }
    }

    fn producer(&self) -> Result<&Producer<Context>, Trouble> {
        self.producer.as_ref().ok_or_else(|| Trouble::new("the producer is gone"))
    }

    /// Returns the handle of a topic.
    pub(crate) fn topic(&mut self, name: &str) -> Result<TopicHandle, Trouble> {
        self.topic_in(name, None)
    }

    /// Returns the handle of a topic; what is written to it is compressed by this codec, where one is given.
    pub(crate) fn topic_in(&mut self, name: &str, codec: Option<&str>) -> Result<TopicHandle, Trouble> {
        let producer = self.producer.as_mut().ok_or_else(|| Trouble::new("the producer is gone"))?;
        producer.topic_in(name, codec).map_err(|error| Trouble::of(&format!("write to topic '{name}'"), &error))
    }

    /// Begins a transaction.
    pub(crate) fn begin(&self) -> Result<(), Trouble> {
        let client = self.producer()?.client();
        *client.context().told() = Delivered::default();
        client.begin_transaction().map_err(|error| Trouble::of("begin a transaction", &error))
    }

    /// Queues a record; waits while the queue is full. What is made anew on each attempt is given by `record`.
    pub(crate) fn stage<'r>(&self, record: impl Fn() -> Outgoing<'r>) -> Result<(), Trouble> {
        let producer = self.producer()?;
        let began = Instant::now();
        loop {
            let record = record();
            let tag = record.tag;
            match producer.produce(record) {
                Ok(()) => return Ok(()),
                Err(RDKafkaErrorCode::QueueFull) if !self.is_over(began) => {
                    self.look()?;
                    thread::sleep(PAUSE);
                }
                Err(code) => return Err(self.look().err().unwrap_or_else(|| Trouble::not_taken(tag, code))),
            }
        }
    }

    /// Serves delivery reports; tells of a record that was not taken.
    pub(crate) fn look(&self) -> Result<(), Trouble> {
        let producer = self.producer()?;
        producer.serve();
        let client = producer.client();
        if let Some((code, why)) = client.client().fatal_error() {
            return Err(Trouble::of(&format!("write: {why}"), &KafkaError::MessageProduction(code)));
        }
        match client.context().told().first() {
            Some((tag, code)) => Err(Trouble::not_taken(tag, code)),
            None => Ok(()),
        }
    }

    /// Returns the tags of all records that were refused for what they are, or for one among them; and whether the broker has
    /// named those that are to blame.
    pub(crate) fn refused(&self) -> (Vec<usize>, bool) {
        let Ok(producer) = self.producer() else { return (Vec::new(), false) };
        let delivered = producer.client().context().told();
        (delivered.refused.iter().map(|(tag, _)| *tag).collect(), delivered.names_culprits)
    }

    /// Waits until the brokers have every record.
    pub(crate) fn drain(&self) -> Result<(), Trouble> {
        let producer = self.producer()?;
        let began = Instant::now();
        loop {
            self.look()?;
            // Each counts until its report is served.
            if producer.client().in_flight_count() == 0 {
                return Ok(());
            }
            if self.is_over(began) {
                return Err(Trouble::new(format!("the brokers took no record in {:.1?}", began.elapsed())));
            }
            producer.flush(PAUSE);
        }
    }

    /// Returns the offset of each of the first `count` records, in the order of their tags, once they are drained.
    pub(crate) fn offsets(&self, count: usize) -> Result<Vec<i64>, Trouble> {
        let delivered = self.producer()?.client().context().told();
        let offsets = delivered.offsets.get(..count).filter(|offsets| offsets.iter().all(|offset| *offset >= 0));
        // As after a broker's answer that was lost: it says that it has the records, and not where.
        offsets
            .map(<[i64]>::to_vec)
            .ok_or_else(|| Trouble::new("a broker did not tell the offset of a record that it took"))
    }

    /// Commits; tells whether the producer is good for another transaction. After an error, the commit may have happened.
    pub(crate) fn commit(&self) -> Result<bool, Trouble> {
        let began = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "everything is drained, so its flush has nothing to wait for")]
        let again = self.retry("commit", |client| client.commit_transaction(CALL))?;
        Ok(!again && !self.backoff.doubts_end(began.elapsed()))
    }

    fn is_over(&self, began: Instant) -> bool {
        began.elapsed() > self.limit || self.stop.is_overdue()
    }

    /// Makes a call again while librdkafka asks for that; tells whether it was made again, and not only went on.
    fn retry(&self, step: &str, call: impl Fn(&BaseProducer<Context>) -> KafkaResult<()>) -> Result<bool, Trouble> {
        let client = self.producer()?.client();
        again::retry(client, |began| self.is_over(began), call).map_err(|error| Trouble::of(step, &error))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        clients::end_aside(self.producer.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_is_to_blame_counts_before_those_that_were_refused_with_it() {
        let mut delivered = Delivered::default();
        for (tag, code) in [
            (0, RDKafkaErrorCode::InvalidDifferentRecord),
            (1, RDKafkaErrorCode::InvalidRecord),
            (2, RDKafkaErrorCode::InvalidRecord),
        ] {
            delivered.fail(tag, code, Blame::of(code));
        }
        assert_eq!(delivered.first(), Some((1, RDKafkaErrorCode::InvalidRecord)));
        assert_eq!(delivered.refused.iter().map(|(tag, _)| *tag).collect::<Vec<_>>(), [1, 2]);
        assert!(delivered.names_culprits);
    }
}
