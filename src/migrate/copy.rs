//! The copy: records of one lane on their way, and the transactions that they are in.
//!
//! A transaction holds copies, what the map says of them, and the checkpoint. The map needs the offsets that the brokers
//! gave, so the copies are drained first; then the two records follow them.

mod commit;
mod stage;

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset, TopicPartitionList};

pub(super) use self::stage::partition;
use super::cast::{Consumer, PATIENCE};
use super::convert::{Converter, Outcome};
use super::error::Error;
use super::lane::{Lane, Stopped};
use super::offsets::Spot;
use super::relay::Relay;
use super::state::{Checkpoint, Job};
use crate::kafka::ffi::{Message, OwnedMessage, TopicHandle};
use crate::kafka::intake::{End, Intake, Met};
use crate::pipeline::failpoint::{self, Point};
use crate::pipeline::letter;
use crate::transactions::{Pace, Trouble, Writer};

/// Records after which a transaction ends however young it is: what is kept of each is beside the budget of memory.
const MOST_STAGED: usize = 100_000;

/// How long to wait for a record.
const POLL: Duration = Duration::from_millis(50);

/// Pause between looks at whether a schema has come.
const HELD_PAUSE: Duration = Duration::from_millis(5);

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// Who keeps a record from leaving: it is asked again when there may be news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Keeper {
    /// Schemas to convert with are missing.
    Converter,
    /// Schemas are not in the target's registry yet, or cannot be there, and what is before the record is committed first.
    Relay,
}

/// How a turn ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// A transaction was committed, or there was nothing to commit.
    Again,
    /// All is copied up to the end, or the lane was asked to stop.
    Over,
    /// The transaction was committed, and the producer is spent: its commit took so long.
    Spent(Duration),
}

/// A copy that is under way: where it came from, and its target partition.
#[derive(Debug, Clone, Copy)]
struct Staged {
    from: Spot,
    target: i32,
    /// Whether it is a dead letter, which the map does not have.
    is_letter: bool,
}

/// The topics of the target.
#[derive(Debug, Clone, Copy)]
struct Topics {
    to: TopicHandle,
    letters: Option<TopicHandle>,
    map: TopicHandle,
    state: TopicHandle,
}

/// A lane at work.
#[allow(missing_debug_implementations, reason = "rdkafka's consumer has none")]
pub(super) struct Copy<'c> {
    lane: &'c Lane<'c>,
    job: &'c Job,
    writer: Writer,
    topics: Topics,
    intake: Intake<'c>,
    /// Whether no end was met since the last commit, so that there is more to copy than one transaction holds.
    is_behind: bool,
    /// As it is committed.
    committed: Checkpoint,
    /// With what is under way.
    next: Checkpoint,
    staged: Vec<Staged>,
    converter: Option<Converter>,
    relay: Option<Relay>,
    /// A record whose schemas are not at hand.
    held: Option<(OwnedMessage<'c>, Keeper)>,
    /// Whether a transaction is open.
    is_open: bool,
    pace: Pace,
    last_commit: Instant,
}

impl<'c> Copy<'c> {
    /// Begins to read behind the checkpoint.
    pub(super) fn new(
        lane: &'c Lane<'c>,
        (job, checkpoint): (&'c Job, Checkpoint),
        mut writer: Writer,
        consumer: &'c Consumer,
    ) -> Result<Self, Stopped> {
        let mut list = TopicPartitionList::new();
        for (&partition, &next) in &checkpoint.next {
            if job.end(partition).is_none_or(|end| next < end) {
                let added = list.add_partition_offset(&job.source, partition, Offset::Offset(next));
                added.map_err(|error| Error::asking("read the source", &error))?;
            }
        }
        // Who does not know the leaders yet waits half a second before the first fetch.
        consumer.fetch_metadata(Some(&job.source), PATIENCE).ok();
        let intake = Intake::assign(consumer, &list).map_err(|error| Error::asking("read the source", &error))?;
        let letters = lane.terms.letters.as_ref();
        let topics = Topics {
            to: writer.topic_in(&job.to, lane.terms.codec)?,
            letters: letters.map(|letters| writer.topic_in(&letters.topic, letters.codec)).transpose()?,
            map: writer.topic(&lane.cast.map)?,
            state: writer.topic(&lane.cast.state)?,
        };
        let (next, staged, now) = (checkpoint.clone(), Vec::new(), Instant::now());
        let (is_open, committed) = (false, checkpoint);
        let pace = Pace::new(lane.terms.rate, now);
        let converter = lane.terms.conversions.as_ref().map(|conversions| conversions.converter());
        let relay = lane.terms.schemas.as_ref().map(Relay::new);
        Ok(Self {
            lane,
            job,
            writer,
            topics,
            intake,
            is_behind: true,
            committed,
            next,
            staged,
            converter,
            relay,
            held: None,
            is_open,
            pace,
            last_commit: now,
        })
    }

    /// Makes one transaction.
    pub(super) fn turn(&mut self) -> Result<Turn, Stopped> {
        self.gather()?;
        if self.next == self.committed {
            return Ok(if self.is_over() { Turn::Over } else { Turn::Again });
        }
        self.commit()
    }

    fn is_over(&self) -> bool {
        self.lane.terms.stop.is_asked() || (self.intake.is_empty() && self.is_at_end())
    }

    /// Tells whether all is copied up to the end.
    pub(super) fn is_at_end(&self) -> bool {
        let is_at_end = |(partition, next): (&i32, &i64)| self.job.end(*partition).is_some_and(|end| *next >= end);
        self.next.next.iter().all(is_at_end)
    }

    /// Stages records until it is time to commit, or there was nothing for so long.
    fn gather(&mut self) -> Result<(), Stopped> {
        let began = Instant::now();
        let interval = self.lane.cast.config().commit_interval;
        while !self.is_over() && self.staged.len() < MOST_STAGED && !self.is_due() {
            if self.pace.is_ahead() {
                self.is_behind = false;
                thread::sleep(Duration::from_millis(5));
            } else if let Some(held) = self.held.take() {
                self.try_again(held)?;
            } else {
                self.read()?;
            }
            // Nothing is under way: the interval counts from the first record.
            if self.staged.is_empty() {
                self.last_commit = Instant::now();
                if self.next != self.committed || began.elapsed() > interval {
                    break;
                }
            } else if self.held.is_some() {
                // What is under way does not wait with it.
                break;
            }
        }
        Ok(())
    }

    /// Tells whether it is time to commit: nobody waits for the single record while there is a backlog.
    fn is_due(&self) -> bool {
        let cast = self.lane.cast;
        self.last_commit.elapsed()
            >= if self.is_behind { cast.longest_interval() } else { cast.config().commit_interval }
    }

    fn read(&mut self) -> Result<(), Stopped> {
        match self.intake.next(POLL).map_err(|error| Trouble::of("read the source", &error))? {
            Met::Record(message) => self.meet(message),
            Met::End(end) => {
                self.is_behind = false;
                self.reach_end(end);
                Ok(())
            }
            Met::Nothing => {
                self.is_behind = false;
                Ok(())
            }
        }
    }

    /// Notes that all of a partition was read that is there for now. Markers have offsets too, and consumers commit behind
    /// them. Whether that is the end of the copy its offset says: a replica that lags ends sooner.
    fn reach_end(&mut self, end: End) {
        let Some(next) = self.next.next.get_mut(&end.partition) else { return };
        *next = end.next.min(self.job.end(end.partition).unwrap_or(i64::MAX)).max(*next);
    }

    /// Stages a record that waits for schemas, if they are there by now.
    fn try_again(&mut self, (message, keeper): (OwnedMessage<'c>, Keeper)) -> Result<(), Stopped> {
        let has_news = match keeper {
            Keeper::Converter => self.converter.as_mut().is_none_or(Converter::look),
            Keeper::Relay => self.relay.as_mut().is_none_or(Relay::look),
        };
        if has_news {
            return self.meet(message);
        }
        self.held = Some((message, keeper));
        thread::sleep(HELD_PAUSE);
        Ok(())
    }

    /// Takes a record of the source: stages it, or holds it until its schemas are there.
    fn meet(&mut self, taken: OwnedMessage<'c>) -> Result<(), Stopped> {
        let message = taken.get().with_headers();
        let from = (message.partition(), message.offset());
        let Some(next) = self.next.next.get_mut(&from.0) else { return Ok(()) };
        // The client hands a record out twice now and then.
        if from.1 < *next {
            return Ok(());
        }
        if let Some(end) = self.job.end(from.0).filter(|end| from.1 >= *end) {
            *next = end;
            return Ok(());
        }
        let outcome = match self.judge(message)? {
            Ok(outcome) => outcome,
            Err(keeper) => {
                self.held = Some((taken, keeper));
                return Ok(());
            }
        };
        self.next.next.insert(from.0, from.1 + 1);
        if !self.is_open {
            self.writer.begin()?;
            self.is_open = true;
        }
        let is_apart = self.lane.refused.borrow().is_suspect(from);
        if is_apart {
            self.writer.drain()?;
        }
        self.stage(message, &outcome)?;
        if is_apart {
            self.writer.drain()?;
        }
        self.pace.note();
        if self.staged.len() % 256 == 1 {
            self.writer.look()?;
        }
        failed(Point::AfterProduce)
    }

    /// Says what becomes of a record, or who keeps it.
    fn judge(&mut self, message: Message<'_>) -> Result<Result<Outcome, Keeper>, Stopped> {
        let from = (message.partition(), message.offset());
        let mut outcome = Outcome::Copied;
        if let Some(converter) = &mut self.converter {
            outcome = match self.lane.refused.borrow().refusal(from) {
                Some(code) => Outcome::Letter(Box::new(letter::refusal(&self.job.to, code))),
                None => match converter.judge(message) {
                    Some(outcome) => outcome,
                    None => return Ok(Err(Keeper::Converter)),
                },
            };
        }
        let Some(relay) = self.relay.as_mut().filter(|_| !matches!(outcome, Outcome::Letter(_))) else {
            return Ok(Ok(outcome));
        };
        let renamed = match &mut self.converter {
            Some(converter) => relay.rename(message, &mut converter.rewrite),
            None => relay.judge(message),
        };
        match renamed {
            Ok(true) => Ok(Ok(outcome)),
            Err(problem) if self.staged.is_empty() => {
                let problem = problem.to_string();
                let (topic, (partition, offset)) = (self.job.source.clone(), from);
                Err(Error::Schema { topic, partition, offset, problem }.into())
            }
            Ok(false) | Err(_) => Ok(Err(Keeper::Relay)),
        }
    }
}

fn failed(point: Point) -> Result<(), Stopped> {
    failpoint::fault(point).map_or(Ok(()), |why| Err(Trouble::new(why).into()))
}
