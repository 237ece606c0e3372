//! One lane: copies its partitions, transaction by transaction, and begins anew after whatever goes wrong.
//!
//! ```text
//!  attempt: take the lane (fences) ─> read job and checkpoint ─> read from there ─┐
//!     ^                                                                           v
//!     └── trouble ── transaction: copies ─> drain ─> offsets ─> map, checkpoint ─> commit
//! ```

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::cast::{Cast, Consumer, Side};
use super::convert::Conversions;
use super::copy::{Copy, Turn};
use super::error::Error;
use super::fences::Fences;
use super::schemas::Schemas;
use super::state::{Checkpoint, Job};
use super::store;
use crate::kafka::clients::Sizes;
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;
use crate::pipeline::watchdog::{self, Call, Told, Watch};
use crate::transactions::{self, Refused, Trouble, Writer};

/// Pause before a lane begins anew; doubled with each attempt that has copied nothing.
const PAUSE: Duration = Duration::from_millis(100);

/// The longest such pause.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// What reading the state may take, and the end of a consumer, half of its bound.
const READING: Duration = Duration::from_secs(60);

/// How the copy is made, beside what the state says.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// Records per second and lane; none: as fast as it goes.
    pub(super) rate: Option<u32>,
    /// What the topics of the target take.
    pub(super) sizes: Sizes,
    /// The codec of the target, where it has its own.
    pub(super) codec: Option<&'static str>,
    /// Set from outside to end it.
    pub(super) stop: Stop,
    /// How records are converted; none where they are copied as they are.
    pub(super) conversions: Option<Arc<Conversions>>,
    /// The registry of the target; none where records keep their schema IDs.
    pub(super) schemas: Option<Arc<Schemas>>,
    /// Where dead letters go.
    pub(super) letters: Option<Letters>,
    /// Where the watchdog tells of a call that hangs.
    pub(super) hung: Told,
}

/// The topic of dead letters.
#[derive(Debug, Clone)]
pub(super) struct Letters {
    pub(super) topic: String,
    pub(super) partitions: i32,
    /// The largest batch that it takes, in bytes, where we may know.
    pub(super) limit: Option<u64>,
    /// Its codec, where it has its own.
    pub(super) codec: Option<&'static str>,
}

/// What lanes tell while they run.
#[derive(Debug, Default)]
pub struct Gauge {
    /// Offsets that are behind the lanes.
    pub(super) passed: AtomicI64,
    /// Records copied by this process.
    pub(super) copied: AtomicU64,
    /// Those of them that were converted.
    pub(super) converted: AtomicU64,
    /// Records that it made dead letters.
    pub(super) dead_letters: AtomicU64,
    /// Bytes of them.
    pub(super) bytes: AtomicU64,
    /// Times that a lane has begun anew.
    pub(super) restarts: AtomicU64,
}

/// What a process has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Counts {
    /// Offsets that are behind the lanes.
    #[serde(skip)]
    pub passed: i64,
    /// Records copied.
    pub copied: u64,
    /// Those of them that were converted.
    pub converted: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// Bytes of all of them.
    pub bytes: u64,
    /// Times that a lane has begun anew.
    pub restarts: u64,
}

impl Gauge {
    /// Returns what was counted.
    #[must_use]
    pub fn read(&self) -> Counts {
        let get = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Counts {
            passed: self.passed.load(Ordering::Relaxed),
            copied: get(&self.copied),
            converted: get(&self.converted),
            dead_letters: get(&self.dead_letters),
            bytes: get(&self.bytes),
            restarts: get(&self.restarts),
        }
    }
}

/// One lane.
#[derive(Debug)]
pub(super) struct Lane<'j> {
    pub(super) cast: &'j Cast,
    pub(super) number: i32,
    /// How many there are.
    pub(super) lanes: i32,
    pub(super) terms: &'j Terms,
    pub(super) gauge: &'j Gauge,
    /// What it has learnt of records that the target refuses.
    pub(super) refused: RefCell<Refused>,
    /// What it knows of others that run it.
    pub(super) fences: RefCell<Fences>,
}

/// How an attempt ended without trouble.
enum End {
    /// Everything up to the end is copied, or it was asked to stop before.
    Over { is_at_end: bool },
    /// The producer is spent, and what it has committed counts.
    Spent(Duration),
}

impl Lane<'_> {
    /// Copies until the end, or until it is asked to stop; tells whether it has come to the end.
    pub(super) fn run(&self) -> Result<bool, Error> {
        let mut doubts = Doubts::new(self.cast.timeout());
        let mut pause = PAUSE;
        while !self.terms.stop.is_asked() {
            let before = self.gauge.passed.load(Ordering::Relaxed);
            let trouble = match self.attempt(&doubts) {
                Ok(End::Over { is_at_end }) => return Ok(is_at_end),
                Ok(End::Spent(took)) => {
                    tracing::info!(
                        lane = self.number,
                        ?took,
                        "a commit may have been sent twice; the lane begins anew"
                    );
                    doubts.note(Instant::now());
                    continue;
                }
                Err(Stopped::Error(error)) => return Err(error),
                Err(Stopped::Trouble(trouble)) => trouble,
            };
            self.judge(&trouble)?;
            if self.gauge.passed.load(Ordering::Relaxed) > before {
                pause = PAUSE;
            }
            tracing::warn!(lane = self.number, why = trouble.why, ?pause, "the lane begins anew");
            self.gauge.restarts.fetch_add(1, Ordering::Relaxed);
            self.wait(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        Ok(false)
    }

    /// Tells whether the lane may begin anew.
    fn judge(&self, trouble: &Trouble) -> Result<(), Error> {
        if trouble.is_fenced {
            self.fences.borrow_mut().fence();
        }
        if trouble.is_final {
            return Err(Error::Kafka {
                what: format!("lane {} cannot go on", self.number),
                reason: trouble.why.clone(),
            });
        }
        Ok(())
    }

    fn wait(&self, pause: Duration) {
        let began = Instant::now();
        while began.elapsed() < pause && !self.terms.stop.is_asked() {
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// Watches a step, which may take twice so long.
    fn watch(&self, step: &'static str, limit: Duration) -> Watch {
        let call = Call { gate: self.cast.lane_id(self.number).into(), name: step, state: "a lane of a job" };
        watchdog::watch_for(call, limit, &self.terms.hung)
    }

    fn attempt(&self, doubts: &Doubts) -> Result<End, Stopped> {
        let limit = self.cast.timeout() * 2;
        let watch = self.watch("take the lane", limit);
        let config = self.cast.producer(self.number, self.lanes, self.terms.sizes);
        let id = self.cast.lane_id(self.number);
        let writer = Writer::take(&config, (&id, self.cast.timeout(), doubts.backoff()), &self.terms.stop)?;
        drop(watch);
        let watch = self.watch("read the state", READING);
        // From here on nobody else commits, so what is read now is the last word.
        let mut state = store::state(self.cast, Some(&[0, self.number + 1]))?;
        let job = state.job.take().ok_or_else(|| Error::NotBegun(self.cast.group.clone()))?;
        if job.abandoned {
            return Err(Error::Abandoned(self.cast.group.clone()).into());
        }
        let checkpoint = state.lanes.remove(&self.number).unwrap_or_else(|| first(&job, self.number));
        if self.fences.borrow_mut().read(&checkpoint, self.cast.timeout() * 10) {
            return Err(Error::Fenced(self.cast.lane_id(self.number)).into());
        }
        let consumer = Closing { consumer: Some(self.cast.consumer(Side::Source, job.lanes)?), lane: self };
        self.check_retention(&consumer, &job, &checkpoint)?;
        drop(watch);
        let mut copy = Copy::new(self, (&job, checkpoint), writer, &consumer)?;
        let limit = limit + self.cast.longest_interval();
        loop {
            let _watch = self.watch("copy", limit);
            match copy.turn() {
                Ok(Turn::Again) => {}
                Ok(Turn::Over) => return Ok(End::Over { is_at_end: copy.is_at_end() }),
                Ok(Turn::Spent(took)) => return Ok(End::Spent(took)),
                Err(Stopped::Trouble(trouble)) => return Err(copy.blame(trouble)),
                Err(stopped) => return Err(stopped),
            }
        }
    }

    /// Stops where the source has lost what is still to be copied.
    fn check_retention(&self, consumer: &Consumer, job: &Job, checkpoint: &Checkpoint) -> Result<(), Error> {
        for (&partition, &next) in &checkpoint.next {
            let (low, _) = store::extent(consumer, &job.source, partition)?;
            let end = job.end(partition).unwrap_or(i64::MAX);
            if next < low && next < end {
                return Err(Error::Deleted { topic: job.source.clone(), partition, from: next, to: low });
            }
        }
        Ok(())
    }
}

/// Returns the checkpoint of a lane that has copied nothing.
fn first(job: &Job, lane: i32) -> Checkpoint {
    let next: BTreeMap<i32, i64> = job.partitions(lane).map(|partition| (partition, job.starts[&partition])).collect();
    Checkpoint { next, ..Checkpoint::default() }
}

/// A consumer whose end is watched: it waits for librdkafka's threads.
struct Closing<'l> {
    /// There until the end.
    consumer: Option<Consumer>,
    lane: &'l Lane<'l>,
}

impl Deref for Closing<'_> {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        self.consumer.as_ref().expect("it is there until its end")
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let _watch = self.lane.watch("close the consumer", READING);
        drop(self.consumer.take());
    }
}

/// What ends an attempt.
pub(super) type Stopped = transactions::Stopped<Error>;

impl From<Error> for Stopped {
    /// What is asked of a cluster is asked again; all else stays as it is.
    fn from(error: Error) -> Self {
        let is_passing = match &error {
            Error::Kafka { .. } => true,
            Error::Topics(error) => error.is_transient(),
            Error::Unsuitable(_)
            | Error::NotBegun(_)
            | Error::Abandoned(_)
            | Error::Changed(_)
            | Error::Deleted { .. }
            | Error::Refused { .. }
            | Error::Schema { .. }
            | Error::Fenced(_)
            | Error::State(_)
            | Error::Map(_)
            | Error::Panicked => false,
        };
        if is_passing { Self::Trouble(Trouble::new(error.to_string())) } else { Self::Error(error) }
    }
}
