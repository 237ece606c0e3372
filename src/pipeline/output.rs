//! Where a pipeline's records go: the transaction in its present state.
//!
//! [`super::commit`] makes a wrong order impossible by moving values; the loop needs one place
//! that holds whichever of them there is. A step that fails leaves what can still be aborted,
//! or nothing: then the producer is lost and must be rebuilt before the next record.
//! A dry run has no producer at all.

mod reach;

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::producer::Producer as _;

use super::Fault;
use super::commit::{Broken, Ended, Failed, Idle, Open, Step};
use super::consume::Consumer;
use super::deliveries::Refusals;
use super::map::Map;
use super::produce::{self, Change, Handles, Refused};
use super::room::{make_room, why_failed};
use super::routes::Routes;
use super::staged::{Origin, Staged};
use crate::gate::verdict::Route;
use crate::kafka::ffi::Message;
use crate::kafka::statistics::Statistics;
use crate::telemetry::events::RebuildCause;

/// Records after which a transaction ends however young it is: what is kept of each (16 bytes) is outside of the budget of
/// memory. A million is far beyond what a commit interval holds by default.
const MOST_STAGED: usize = 1_000_000;

/// The output of one pipeline.
#[derive(Debug)]
pub(super) struct Output {
    state: State,
    handles: Vec<Handles>,
    /// The records of the running transaction; a record's place here is the tag of its delivery report.
    staged: Vec<Origin>,
    /// Why there is no producer, though the last transaction has ended well.
    spent: Option<Spent>,
    /// When the first of them was staged.
    began: Instant,
    /// Where the offset map is written, if one is kept.
    map: Option<Map>,
}

/// A producer that must not begin another transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Spent {
    pub(super) why: String,
    pub(super) cause: RebuildCause,
}

#[derive(Debug)]
enum State {
    Idle(Idle),
    Open(Open),
    Failed(Failed),
    Lost,
    DryRun,
}

impl State {
    fn take(&mut self) -> Self {
        std::mem::replace(self, Self::Lost)
    }
}

impl Output {
    /// Makes the output of a dry run, which writes nothing.
    pub(super) fn dry_run() -> Self {
        let (handles, staged) = (Vec::new(), Vec::new());
        Self { state: State::DryRun, handles, staged, spent: None, began: Instant::now(), map: None }
    }

    /// Takes a producer that is ready to begin, and the offset map if one is kept.
    pub(super) fn new(idle: Idle, map: Option<Map>) -> Self {
        Self { state: State::Idle(idle), map, ..Self::dry_run() }
    }

    pub(super) fn is_dry_run(&self) -> bool {
        matches!(self.state, State::DryRun)
    }

    /// Returns when the running transaction began.
    pub(super) fn began(&self) -> Option<Instant> {
        match &self.state {
            State::Open(_) if !self.staged.is_empty() => Some(self.began),
            State::Open(_) | State::Idle(_) | State::Failed(_) | State::Lost | State::DryRun => None,
        }
    }

    /// Returns when the transaction began that runs, or ran last.
    pub(super) fn staged_at(&self) -> Instant {
        self.began
    }

    /// Returns how old the transaction is, or was, that has failed or runs; a young one was not ended by its timeout.
    pub(super) fn age(&self) -> Duration {
        match &self.state {
            State::Idle(_) | State::DryRun => Duration::ZERO,
            State::Open(_) | State::Failed(_) | State::Lost if self.staged.is_empty() => Duration::ZERO,
            State::Open(_) | State::Failed(_) | State::Lost => self.began.elapsed(),
        }
    }

    /// Replaces a lost producer; handles are made anew when they are needed.
    pub(super) fn replace(&mut self, idle: Idle) {
        self.state = State::Idle(idle);
        self.spent = None;
        self.handles.clear();
    }

    /// Tells whether the producer has to be replaced before anything else is staged.
    pub(super) fn is_lost(&self) -> bool {
        matches!(self.state, State::Lost)
    }

    /// Lets go of a producer between transactions, which must not begin another; a reason that it had before stays.
    pub(super) fn spend(&mut self, why: String, cause: RebuildCause) {
        self.state = State::Lost;
        self.spent.get_or_insert(Spent { why, cause });
    }

    /// Fails where there is no producer; in the middle of a turn, which cannot go on without.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.is_lost() { Err(gone()) } else { Ok(()) }
    }

    /// Begins a transaction unless one runs.
    pub(super) fn begin(&mut self, routes: &Routes) -> Result<(), Fault> {
        // For all records of a transaction but the first.
        if matches!(self.state, State::Open(_)) && self.handles.len() == routes.count() {
            return Ok(());
        }
        self.reach(routes)?;
        match self.state.take() {
            State::Idle(idle) => {
                self.staged.clear();
                if let Some(map) = &mut self.map {
                    map.begin(idle.context());
                }
                let begun = idle.begin();
                self.keep(begun.map(State::Open))
            }
            state @ (State::Open(_) | State::Failed(_) | State::Lost | State::DryRun) => {
                self.state = state;
                Ok(())
            }
        }
    }

    /// Stages a record with what changes in it; waits while the queue is full.
    pub(super) fn stage(
        &mut self,
        origin: Origin,
        route: Route,
        message: Message<'_>,
        change: Change<'_>,
    ) -> Result<Staged, Fault> {
        if self.is_dry_run() {
            return Ok(Staged::Yes);
        }
        let State::Open(open) = &self.state else { return Err(self.not_open()) };
        if matches!(route, Route::None | Route::Skipped) {
            return Ok(Staged::Yes);
        }
        let Some(end) = self.handles[origin.source.0 as usize].end(route) else {
            return Ok(Staged::NoOutput(route, "the gate has none".to_owned()));
        };
        // Only a full queue needs the clock.
        let mut full = None;
        loop {
            match produce::stage(open.producer(), end, message, change, self.staged.len()) {
                Ok(()) => {
                    if self.staged.is_empty() {
                        self.began = Instant::now();
                    }
                    if let Some(map) = self.map.as_mut().filter(|_| route != Route::DeadLetter) {
                        map.note(self.staged.len());
                    }
                    self.staged.push(origin);
                    return Ok(Staged::Yes);
                }
                Err(Refused::QueueFull) => {
                    make_room(open, *full.get_or_insert_with(Instant::now))?;
                }
                Err(Refused::TooLarge) => return Ok(Staged::TooLarge),
                Err(Refused::NoSuchPartition(code)) => return Ok(Staged::NoOutput(route, code.to_string())),
                Err(Refused::Failed(fault)) => return Err(why_failed(open, fault)),
                Err(Refused::Fault(fault)) => return Err(fault),
            }
        }
    }

    /// Says what is wrong where a transaction should be open.
    #[cold]
    fn not_open(&self) -> Fault {
        if self.is_lost() { gone() } else { Fault::Abort("no transaction is open".to_owned()) }
    }

    /// Takes the records that the brokers refused for what they are.
    pub(super) fn take_refused(&self) -> Refusals {
        match &self.state {
            State::Open(open) => open.producer().client().context().take_refused(),
            State::Failed(failed) => failed.context().take_refused(),
            State::Idle(_) | State::Lost | State::DryRun => Refusals::default(),
        }
    }

    /// Returns where the records of the running transaction came from; a record's place is its tag.
    pub(super) fn staged(&self) -> &[Origin] {
        &self.staged
    }

    /// Tells whether the running transaction should end, however young it is.
    pub(super) fn is_full(&self) -> bool {
        matches!(self.state, State::Open(_)) && self.staged.len() >= MOST_STAGED
    }

    /// Tells whether the running transaction holds records.
    pub(super) fn holds_records(&self) -> bool {
        matches!(self.state, State::Open(_)) && !self.staged.is_empty()
    }

    /// Returns the producer's newest statistics not yet taken.
    pub(super) fn take_statistics(&self) -> Option<Statistics> {
        match &self.state {
            State::Open(open) => open.producer().client().context().take_statistics(),
            State::Idle(idle) => idle.context().take_statistics(),
            State::Failed(_) | State::Lost | State::DryRun => None,
        }
    }

    /// Serves the producer's events; tells of a record that was not taken.
    pub(super) fn poll(&self) -> Result<(), Fault> {
        match &self.state {
            State::Open(open) => open.poll(),
            State::Idle(idle) => {
                idle.poll();
                Ok(())
            }
            State::Failed(_) | State::Lost | State::DryRun => Ok(()),
        }
    }

    /// Commits the running transaction with the offsets of the next records.
    pub(super) fn commit(&mut self, consumer: &Consumer, offsets: &TopicPartitionList) -> Result<(), Fault> {
        match self.state.take() {
            State::Open(open) => {
                let mapped = match &mut self.map {
                    Some(map) => map.write(open, &self.staged),
                    None => Ok(open),
                };
                let committed = mapped.and_then(Open::drain).and_then(|drained| drained.commit(consumer, offsets));
                let committed = committed.map(|ended| self.after(ended));
                self.keep(committed)
            }
            // Nobody asks unless something is to be committed, and what has no transaction cannot be.
            state @ (State::Idle(_) | State::Failed(_) | State::Lost | State::DryRun) => {
                self.state = state;
                Err(self.not_open())
            }
        }
    }

    /// Aborts whatever runs.
    pub(super) fn abort(&mut self) -> Result<(), Fault> {
        let failed = match self.state.take() {
            State::Open(open) => open.fail(),
            State::Failed(failed) => failed,
            State::Lost => return Err(gone()),
            state @ (State::Idle(_) | State::DryRun) => {
                self.state = state;
                return Ok(());
            }
        };
        let aborted = failed.abort().map(|ended| self.after(ended));
        self.keep(aborted)
    }

    /// Tells whether the producer was let go of after its transaction had ended.
    pub(super) fn is_spent(&self) -> bool {
        self.spent.is_some()
    }

    /// Tells, once, why the producer has to be replaced though its last transaction has ended.
    pub(super) fn take_spent(&mut self) -> Option<Spent> {
        self.spent.take()
    }

    fn after(&mut self, ended: Ended) -> State {
        match ended {
            Ended::Clean(idle) => State::Idle(idle),
            Ended::Doubtful(why) => {
                self.spent = Some(Spent { why, cause: RebuildCause::DoubtfulEnd });
                State::Lost
            }
        }
    }

    fn keep(&mut self, step: Step<State>) -> Result<(), Fault> {
        let (state, result) = match step {
            Ok(state) => (state, Ok(())),
            Err(broken) => {
                let Broken { left, fault } = *broken;
                (left.map_or(State::Lost, State::Failed), Err(fault))
            }
        };
        self.state = state;
        result
    }
}

fn gone() -> Fault {
    Fault::Lost { why: "the producer is gone".to_owned(), is_fenced: false }
}

#[cfg(test)]
mod tests;
