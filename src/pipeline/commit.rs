//! The transaction: records and the offsets of their input, together or not at all.
//!
//! The order is in the types. [`Idle`] begins an [`Open`] one, which takes records; draining
//! it waits until the brokers have every record and gives a [`Drained`] one, which alone can
//! commit offsets. What fails on the way is [`Failed`] and can only be aborted. Each step
//! takes the former by value, so staging after the drain or committing with records under way
//! does not compile.
//!
//! With `at-least-once` the same steps stand for: produce, wait for every acknowledgement,
//! commit the offsets to the group. Nothing is taken back by an abort then, so records may
//! come twice; none is lost, since no offset moves before all earlier outputs are stored.
//!
//! librdkafka's errors are of three kinds (its INTRODUCTION.md): retriable (the same call
//! again, with the same arguments), abortable, and all others, which leave the producer of
//! no use ([`Fault::Lost`]). A commit that timed out is retried and never aborted: it may
//! have happened.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{CommitMode, Consumer as _};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, PurgeConfig};
use rdkafka::util::Timeout;

use super::Fault;
use super::consume::Consumer;
use super::produce::{Context, REFUSED};
use crate::config::Delivery;
use crate::kafka::ffi::Producer;

/// Pause between looks at what is still under way. Shorter ones cost CPU, longer ones delay every commit.
const DRAIN_PAUSE: Duration = Duration::from_micros(500);

/// Pause before a retriable call is made again.
const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long one abort call may take before delivery reports are served again; it waits for them.
const ABORT_STEP: Duration = Duration::from_millis(100);

/// A producer between transactions.
#[derive(Debug)]
pub(super) struct Idle(Sender);

/// A transaction that takes records.
#[derive(Debug)]
pub(super) struct Open {
    sender: Sender,
}

/// A transaction whose records all are with the brokers.
#[derive(Debug)]
pub(super) struct Drained(Sender);

/// A transaction that can only be aborted.
#[derive(Debug)]
pub(super) struct Failed(Sender);

/// A step that did not succeed: what is left, if anything, and why.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) left: Option<Failed>,
    pub(super) fault: Fault,
}

/// The result of a step.
pub(super) type Step<T> = Result<T, Box<Broken>>;

fn broken(left: Sender, fault: Fault) -> Box<Broken> {
    Box::new(Broken { left: Some(Failed(left)), fault })
}

fn lost(step: &str, error: &KafkaError) -> Box<Broken> {
    Box::new(Broken { left: None, fault: Fault::lost(step, error) })
}

#[derive(Debug)]
struct Sender {
    producer: Producer<Context>,
    delivery: Delivery,
    /// How long one step may take: the transaction timeout, after which the coordinator aborts anyway.
    limit: Duration,
}

impl Idle {
    /// Takes a producer whose transactions are initialised.
    pub(super) fn new(producer: Producer<Context>, delivery: Delivery, limit: Duration) -> Self {
        Self(Sender { producer, delivery, limit })
    }

    /// Returns the producer, to make handles of its topics.
    pub(super) fn producer(&mut self) -> &mut Producer<Context> {
        &mut self.0.producer
    }

    /// Returns what the client reports to.
    pub(super) fn context(&self) -> &Context {
        self.0.producer.client().context()
    }

    /// Serves events while nothing is under way.
    pub(super) fn poll(&self) {
        self.0.producer.client().poll(Duration::ZERO);
    }

    /// Begins.
    pub(super) fn begin(self) -> Step<Open> {
        let sender = self.0;
        let result = match sender.delivery {
            Delivery::ExactlyOnce => sender.producer.client().begin_transaction(),
            Delivery::AtLeastOnce => Ok(()),
        };
        match result {
            Ok(()) => Ok(Open { sender }),
            Err(error) => Err(sender.broken("begin the transaction", &error)),
        }
    }
}

impl Open {
    /// Returns the producer, to stage records.
    pub(super) fn producer(&self) -> &Producer<Context> {
        &self.sender.producer
    }

    /// Returns the producer, to make handles of its topics.
    pub(super) fn producer_mut(&mut self) -> &mut Producer<Context> {
        &mut self.sender.producer
    }

    /// Serves delivery reports; tells of the first record that was not taken.
    pub(super) fn poll(&self) -> Result<(), Fault> {
        self.sender.poll()
    }

    /// Waits until the brokers have every record.
    pub(super) fn drain(self) -> Step<Drained> {
        let deadline = Instant::now() + self.sender.limit;
        loop {
            let drained = self.sender.producer.client().flush(Duration::ZERO).is_ok();
            if let Err(fault) = self.sender.poll() {
                return Err(broken(self.sender, fault));
            }
            if drained {
                return self.sender.drained();
            }
            if Instant::now() > deadline {
                let left = self.sender.producer.client().in_flight_count();
                let fault =
                    Fault::Abort(format!("{left} records were not taken by the brokers in {:?}", self.sender.limit));
                return Err(broken(self.sender, fault));
            }
            thread::sleep(DRAIN_PAUSE);
        }
    }

    /// Gives it up; nothing of it was or will be committed.
    pub(super) fn fail(self) -> Failed {
        Failed(self.sender)
    }
}

impl Drained {
    /// Commits the records and the offsets of the next records to be read.
    pub(super) fn commit(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Idle> {
        let sender = self.0;
        match sender.delivery {
            Delivery::ExactlyOnce => sender.commit_transaction(consumer, offsets),
            Delivery::AtLeastOnce => sender.commit_offsets(consumer, offsets),
        }
    }
}

impl Failed {
    /// Returns what the client reports to.
    pub(super) fn context(&self) -> &Context {
        self.0.producer.client().context()
    }

    /// Aborts: readers of the outputs will see none of its records (with `at-least-once`, perhaps some).
    pub(super) fn abort(self) -> Step<Idle> {
        let sender = self.0;
        let deadline = Instant::now() + sender.limit;
        if sender.delivery == Delivery::AtLeastOnce {
            sender.purge();
            return match sender.producer.client().client().fatal_error() {
                None => Ok(Idle(sender)),
                Some((code, reason)) => {
                    let why = format!("the idempotent producer cannot go on: {reason} ({code})");
                    Err(Box::new(Broken { left: None, fault: Fault::Lost { why, is_fenced: false } }))
                }
            };
        }
        loop {
            let result = sender.producer.client().abort_transaction(ABORT_STEP);
            sender.producer.client().poll(Duration::ZERO);
            match result {
                Ok(()) => {
                    // Reports of purged records belong to this transaction, not to the next one.
                    sender.producer.client().context().take_failures();
                    return Ok(Idle(sender));
                }
                Err(error) if Kind::of(&error) == Kind::Retriable && Instant::now() < deadline => {}
                Err(error) => return Err(lost("abort the transaction", &error)),
            }
        }
    }
}

impl Sender {
    fn poll(&self) -> Result<(), Fault> {
        let client = self.producer.client();
        client.poll(Duration::ZERO);
        client.context().failure().map_or(Ok(()), |why| Err(Fault::Abort(why)))
    }

    /// Goes on if the brokers took everything.
    fn drained(self) -> Step<Drained> {
        if self.producer.client().context().has_failed() {
            return Err(broken(self, Fault::Abort(REFUSED.to_owned())));
        }
        Ok(Drained(self))
    }

    fn broken(self, step: &str, error: &KafkaError) -> Box<Broken> {
        match Kind::of(error) {
            Kind::Lost => lost(step, error),
            Kind::Abortable | Kind::Retriable => {
                broken(self, Fault::Abort(format!("could not {step}: {}", plain(error))))
            }
        }
    }

    fn commit_transaction(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Idle> {
        let Some(group) = consumer.group_metadata() else {
            let fault = Fault::Abort("the consumer has left its group".to_owned());
            return Err(broken(self, fault));
        };
        let client = self.producer.client();
        let send = || client.send_offsets_to_transaction(offsets, &group, self.limit);
        if let Err(error) = self.retry(send) {
            return Err(self.broken("add the offsets to the transaction", &error));
        }
        // The rest of the transaction timeout: librdkafka recommends no limit of ours here.
        #[expect(clippy::disallowed_methods, reason = "everything is drained, so its flush has nothing to wait for")]
        let commit = || client.commit_transaction(Timeout::Never);
        match self.retry(commit) {
            Ok(()) => Ok(Idle(self)),
            Err(error) if Kind::of(&error) == Kind::Retriable => Err(lost("commit the transaction", &error)),
            Err(error) => Err(self.broken("commit the transaction", &error)),
        }
    }

    fn commit_offsets(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Idle> {
        #[expect(clippy::disallowed_methods, reason = "this is the one place that commits offsets")]
        let result = consumer.commit(offsets, CommitMode::Sync);
        match result {
            Ok(()) | Err(KafkaError::ConsumerCommit(RDKafkaErrorCode::NoOffset)) => Ok(Idle(self)),
            Err(error) => {
                let fault = Fault::Abort(format!("could not commit the offsets: {}", plain(&error)));
                Err(broken(self, fault))
            }
        }
    }

    /// Makes a call again while it asks for that, up to the limit.
    fn retry(&self, call: impl Fn() -> KafkaResult<()>) -> KafkaResult<()> {
        let deadline = Instant::now() + self.limit;
        loop {
            match call() {
                Err(error) if Kind::of(&error) == Kind::Retriable && Instant::now() < deadline => {
                    tracing::debug!(error = %plain(&error), "a transactional call is made again");
                    thread::sleep(RETRY_PAUSE);
                }
                result => return result,
            }
        }
    }

    fn purge(&self) {
        let client = self.producer.client();
        client.purge(PurgeConfig::default().queue().inflight());
        let deadline = Instant::now() + self.limit;
        while client.in_flight_count() > 0 && Instant::now() < deadline {
            client.poll(Duration::ZERO);
            thread::sleep(DRAIN_PAUSE);
        }
        client.context().take_failures();
    }
}

/// What librdkafka allows after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Retriable,
    Abortable,
    Lost,
}

impl Kind {
    fn of(error: &KafkaError) -> Self {
        let KafkaError::Transaction(error) = error else {
            return if matches!(error, KafkaError::Flush(_)) { Self::Retriable } else { Self::Lost };
        };
        if error.is_fatal() {
            Self::Lost
        } else if error.txn_requires_abort() {
            Self::Abortable
        } else if error.is_retriable() {
            Self::Retriable
        } else {
            // No flag means that librdkafka knows no way on.
            Self::Lost
        }
    }
}

/// Returns the message without rdkafka's debug decoration.
pub(super) fn plain(error: &KafkaError) -> String {
    if let KafkaError::Transaction(error) = error {
        return format!("{} ({})", error.string(), error.name());
    }
    error.to_string()
}

/// Commits the offsets at which a group begins, before it has members.
pub(super) fn commit_start(consumer: &Consumer, offsets: &TopicPartitionList) -> KafkaResult<()> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place that commits offsets")]
    consumer.commit(offsets, CommitMode::Sync)
}
