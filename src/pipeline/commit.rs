//! The transaction: records and the offsets of their input, together or not at all.
//!
//! The order is in the types. [`Idle`] begins an [`Open`] one, which takes records; draining
//! it waits until the brokers have every record and gives a [`Drained`] one, which alone can
//! commit offsets. What fails on the way is [`Failed`] and can only be aborted. Each step
//! takes the former by value, so staging after the drain or committing with records under way
//! does not compile.
//!
//! With `at-least-once` the same steps mean less ([`super::offsets`]).
//!
//! A commit that timed out is made again and never aborted: it may have happened. A
//! transaction that may have been ended twice costs the producer ([`super::end`]), though not
//! what it has committed. Calls are watched ([`super::watchdog`]); the one that sends the
//! offsets is made aside ([`super::aside`]).

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _};

use super::Fault;
use super::consume::Consumer;
use super::deliveries::{Context, REFUSED};
use super::failpoint::{self, Point};
use super::fault::{Kind, plain};
use super::room;
use super::terms::Terms;
use super::watchdog::Ending;
use crate::config::Delivery;
use crate::kafka::ffi::Producer;

/// Pause before a retriable call is made again.
pub(super) const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long one call may take before the loop looks up: it is made again then, and goes on where it was.
pub(super) const CALL_STEP: Duration = Duration::from_secs(1);

/// The same for an abort, which waits for delivery reports to be served.
const ABORT_STEP: Duration = Duration::from_millis(100);

/// What a commit is called in messages.
const COMMIT: &str = "commit the transaction";

/// A producer between transactions.
#[derive(Debug)]
pub(super) struct Idle(pub(super) Sender);

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

/// A transaction that has ended, committed or aborted.
#[derive(Debug)]
pub(super) enum Ended {
    /// The producer can begin another one.
    Clean(Idle),
    /// It may have been ended twice, as this line says: the producer is spent, and is gone.
    Doubtful(String),
}

/// A step that did not succeed: what is left, if anything, and why.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) left: Option<Failed>,
    pub(super) fault: Fault,
}

/// The result of a step.
pub(super) type Step<T> = Result<T, Box<Broken>>;

pub(super) fn broken(left: Sender, fault: Fault) -> Box<Broken> {
    Box::new(Broken { left: Some(Failed(left)), fault })
}

/// Ends a transaction that takes records with a fault.
pub(super) fn broken_open(open: Open, fault: Fault) -> Box<Broken> {
    broken(open.sender, fault)
}

fn lost(step: &str, error: &KafkaError) -> Box<Broken> {
    Box::new(Broken { left: None, fault: Fault::lost(step, error) })
}

/// A commit failed that may have happened all the same. One that was fenced has not: a copy of it that came first would
/// have been answered, and this one like it.
fn unsettled(error: &KafkaError) -> Box<Broken> {
    let fault = match Fault::lost(COMMIT, error) {
        Fault::Lost { why, is_fenced: false } => Fault::Unsettled { why },
        fault @ (Fault::Lost { .. }
        | Fault::Abort(_)
        | Fault::Unsettled { .. }
        | Fault::ConsumerLost(_)
        | Fault::Fatal(_)) => fault,
    };
    Box::new(Broken { left: None, fault })
}

/// A producer and what it works with.
#[derive(Debug)]
pub(super) struct Sender {
    pub(super) producer: Ending<Producer<Context>>,
    pub(super) terms: Terms,
    /// Why the offsets may come to the brokers once more.
    pub(super) doubt: Option<String>,
}

impl Idle {
    /// Takes a producer whose transactions are initialised.
    pub(super) fn new(producer: Producer<Context>, terms: Terms) -> Self {
        let call = terms.call("the end of a producer", "lost");
        Self(Sender { producer: Ending::new(producer, call), terms, doubt: None })
    }

    /// Returns the producer, to make handles of its topics.
    pub(super) fn producer(&mut self) -> &mut Producer<Context> {
        &mut self.0.producer
    }

    /// Returns the client.
    pub(super) fn client(&self) -> &BaseProducer<Context> {
        self.0.producer.client()
    }

    /// Returns what the client reports to.
    pub(super) fn context(&self) -> &Context {
        self.client().context()
    }

    /// Serves events while nothing is under way.
    pub(super) fn poll(&self) {
        self.0.producer.serve();
    }

    /// Begins.
    pub(super) fn begin(self) -> Step<Open> {
        let sender = self.0;
        let _watch = sender.terms.watch("begin_transaction", "idle");
        let result = match sender.terms.delivery {
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

    /// Waits until the brokers have every record, after which there are no more.
    pub(super) fn drain(self) -> Step<Drained> {
        self.settle()?.sender.drained()
    }

    /// Waits until the brokers have every record so far.
    pub(super) fn settle(self) -> Step<Self> {
        let began = Instant::now();
        loop {
            if let Err(fault) = self.sender.poll() {
                return Err(broken(self.sender, fault));
            }
            let left = self.sender.producer.client().in_flight_count();
            if left == 0 {
                return Ok(self);
            }
            if self.sender.terms.is_over(began) {
                let took = began.elapsed();
                let fault = Fault::Abort(format!("{left} records were not taken by the brokers in {took:.1?}"));
                return Err(broken(self.sender, fault));
            }
            room::wait(&self, began);
        }
    }

    /// Tells whether a step that began then has had its time.
    pub(super) fn is_over(&self, began: Instant) -> bool {
        self.sender.terms.is_over(began)
    }

    /// Gives it up; nothing of it was or will be committed.
    pub(super) fn fail(self) -> Failed {
        Failed(self.sender)
    }
}

impl Drained {
    /// Commits the records and the offsets of the next records to be read.
    pub(super) fn commit(self, consumer: &Consumer, offsets: &TopicPartitionList) -> Step<Ended> {
        let sender = self.0;
        match sender.terms.delivery {
            Delivery::ExactlyOnce => sender.send_offsets(consumer, offsets).and_then(Sender::commit_transaction),
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
    pub(super) fn abort(self) -> Step<Ended> {
        match self.0.terms.delivery {
            Delivery::ExactlyOnce => self.0.abort_transaction(),
            Delivery::AtLeastOnce => self.0.throw_away(),
        }
    }
}

impl Sender {
    fn poll(&self) -> Result<(), Fault> {
        self.producer.serve();
        self.producer.client().context().failure().map_or(Ok(()), |why| Err(Fault::Abort(why)))
    }

    /// Goes on if the brokers took everything.
    fn drained(self) -> Step<Drained> {
        if self.producer.client().context().has_failed() {
            return Err(broken(self, Fault::Abort(REFUSED.to_owned())));
        }
        Ok(Drained(self))
    }

    pub(super) fn broken(self, step: &str, error: &KafkaError) -> Box<Broken> {
        match Kind::of(error) {
            Kind::Lost => lost(step, error),
            Kind::Abortable | Kind::Retriable => {
                broken(self, Fault::Abort(format!("could not {step}: {}", plain(error))))
            }
        }
    }

    /// Does what is ordered for this point, watched as a call that hangs there would be.
    pub(super) fn hit(&self, point: Point) -> Result<(), Fault> {
        #[cfg(debug_assertions)]
        let _watch = self.terms.watch("failpoint", "drained");
        failpoint::hit(point)
    }

    fn commit_transaction(self) -> Step<Ended> {
        if let Err(fault) = self.hit(Point::BeforeCommit) {
            return Err(broken(self, fault));
        }
        let client = self.producer.client();
        let began = Instant::now();
        #[expect(clippy::disallowed_methods, reason = "everything is drained, so its flush has nothing to wait for")]
        let committed = self.retry(|| {
            let _watch = self.terms.watch("commit_transaction", "drained");
            client.commit_transaction(CALL_STEP)
        });
        match committed {
            Ok(again) => {
                let took = began.elapsed();
                // Too late to fail: no order of a fault is taken here.
                failpoint::hit(Point::AfterCommit).ok();
                Ok(self.ended("commit", took, again))
            }
            // It may have happened, and nothing but a new producer can tell.
            Err(error) if Kind::of(&error) == Kind::Abortable => Err(self.broken(COMMIT, &error)),
            Err(error) => Err(unsettled(&error)),
        }
    }

    fn abort_transaction(self) -> Step<Ended> {
        let client = self.producer.client();
        let (entered, mut began) = (Instant::now(), Instant::now());
        loop {
            // EndTxn comes after the records under way; only from there on the time is its own.
            if client.in_flight_count() > 0 {
                began = Instant::now();
            }
            let watch = self.terms.watch("abort_transaction", "failed");
            let result = client.abort_transaction(ABORT_STEP);
            drop(watch);
            self.producer.serve();
            match result {
                Ok(()) => {
                    // Reports of purged records belong to this transaction, not to the next one.
                    client.context().take_failures();
                    return Ok(self.ended("abort", began.elapsed(), false));
                }
                Err(error) if Kind::of(&error) == Kind::Retriable && !self.terms.is_over(entered) => {}
                Err(error) => return Err(lost("abort the transaction", &error)),
            }
        }
    }

    /// Judges an end that took so long.
    fn ended(mut self, what: &str, took: Duration, again: bool) -> Ended {
        let doubt = self.doubt.take();
        if again || self.terms.backoff.doubts_end(took) {
            return Ended::Doubtful(format!("the {what} took {took:.1?} and may have been sent twice"));
        }
        doubt.map_or_else(|| Ended::Clean(Idle(self)), Ended::Doubtful)
    }

    /// Makes a call again while it asks for that, up to the limit; tells whether it was made again, and not only went on.
    pub(super) fn retry(&self, call: impl Fn() -> KafkaResult<()>) -> KafkaResult<bool> {
        let began = Instant::now();
        let mut again = false;
        loop {
            match call() {
                Err(error) if Kind::of(&error) == Kind::Retriable && !self.terms.is_over(began) => {
                    tracing::debug!(error = %plain(&error), "a transactional call is made again");
                    again |= error.rdkafka_error_code() != Some(RDKafkaErrorCode::OperationTimedOut);
                    thread::sleep(RETRY_PAUSE);
                }
                result => return result.map(|()| again),
            }
        }
    }
}
