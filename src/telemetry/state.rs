//! What one pipeline shows of itself while it runs.
//!
//! The pipeline's thread writes, the admin server reads. The heartbeat is an atomic, since
//! it is written at every turn of the loop; the rest changes when something happened (an
//! assignment, a commit, a hold) and stands behind a lock that is held for a few
//! assignments at most.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::HoldCause;
use crate::gate::limit::Share;
use crate::record::{Offset, Partition};

/// Incidents that a pipeline remembers for `/status`.
pub const MAX_INCIDENTS: usize = 8;

/// A loop that has not turned for so long waits for the brokers: to take records, to end a transaction, or for an answer
/// of theirs. It waits for nobody else inside a turn.
pub const WAITS_AFTER: Duration = Duration::from_secs(3);

/// How far a pipeline is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Phase {
    /// Outputs are being checked, or the group has not been joined yet.
    Starting,
    /// Joined the group; has partitions or waits for some.
    Running,
    /// Left the group.
    Stopped,
}

/// What is wrong or right with a pipeline, for people.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Condition {
    /// See [`Phase::Starting`].
    Starting,
    /// All its partitions move.
    Running,
    /// Some partitions wait, for these causes.
    Degraded(BTreeSet<HoldCause>),
    /// See [`Phase::Stopped`].
    Stopped,
}

impl Condition {
    /// Returns the name used in `/status`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Degraded(_) => "degraded",
            Self::Stopped => "stopped",
        }
    }
}

/// The topics that a pipeline serves now; a pattern may find more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Topics {
    /// Topics read.
    pub sources: Vec<String>,
    /// Topics written, by outcome: `validated`, `converter`, `dead_letter`.
    pub outputs: Vec<(&'static str, String)>,
}

/// One assigned partition.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PartitionState {
    /// Offset of the *next* record as committed; `None` until the first commit.
    pub committed: Option<Offset>,
    /// Records not committed yet; `None` while the end is not known.
    pub lag: Option<i64>,
    /// Why it waits.
    pub held: Option<Held>,
}

/// Why something waits: a partition, or a source topic that the pipeline found and cannot serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Why.
    pub cause: HoldCause,
    /// Since when it waits for this cause.
    pub since: SystemTime,
    /// When it is tried again by itself, or decided; `None` where it waits for an answer or a person.
    pub until: Option<SystemTime>,
    /// One line: what was found, what to do.
    pub detail: String,
}

impl Held {
    /// Notes a hold that begins now, or goes on for the cause of the one before.
    pub(super) fn anew(before: Option<&Self>, cause: HoldCause, detail: &str) -> Self {
        let before = before.filter(|before| before.cause == cause);
        let (since, until) = before.map_or_else(|| (SystemTime::now(), None), |before| (before.since, before.until));
        Self { cause, since, until, detail: detail.to_owned() }
    }
}

/// Something that went wrong and was survived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Incident {
    /// When.
    pub at: SystemTime,
    /// What, in one line without payload.
    pub what: String,
}

/// What the dead-letter limit met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tripped {
    /// When.
    pub at: SystemTime,
    /// The share of dead letters that reached the limit.
    pub share: Share,
}

/// Everything behind the lock; cloned for readers.
#[derive(Debug, Clone)]
pub struct Board {
    /// How far the pipeline is.
    pub phase: Phase,
    /// The topics served.
    pub topics: Topics,
    /// The assignment.
    pub partitions: BTreeMap<(String, Partition), PartitionState>,
    /// Source topics that are not subscribed to, because they cannot be served.
    pub held_topics: BTreeMap<String, Held>,
    /// The dead letters that stopped the pipeline, while it waits for an operator.
    pub limit: Option<Tripped>,
    /// The last incidents, oldest first; [`MAX_INCIDENTS`] at most.
    pub incidents: VecDeque<Incident>,
}

impl Board {
    /// Returns the condition that the phase and what is held amount to, and that the loop has not turned for a while.
    #[must_use]
    pub fn condition(&self, silence: Option<Duration>) -> Condition {
        let partitions =
            self.partitions.values().filter_map(|partition| partition.held.as_ref().map(|held| held.cause));
        let topics = self.held_topics.values().map(|topic| topic.cause);
        let at_limit = self.limit.map(|_| HoldCause::DeadLetterLimit);
        let waits = silence.filter(|silence| *silence >= WAITS_AFTER).map(|_| HoldCause::TargetUnavailable);
        let causes: BTreeSet<_> = partitions.chain(topics).chain(at_limit).chain(waits).collect();
        match self.phase {
            Phase::Starting => Condition::Starting,
            Phase::Stopped => Condition::Stopped,
            Phase::Running if causes.is_empty() => Condition::Running,
            Phase::Running => Condition::Degraded(causes),
        }
    }
}

/// The state of one pipeline, shared by its thread and the admin server.
#[derive(Debug)]
pub struct PipelineState {
    gate: String,
    number: usize,
    epoch: Instant,
    /// Milliseconds after the epoch of the last turn, plus one; 0: the loop has not begun.
    heart: AtomicU64,
    /// Whether an operator has asked to go on from the dead-letter limit; changed under the board's lock only.
    resume: AtomicBool,
    board: Mutex<Board>,
}

impl PipelineState {
    pub(super) fn new(gate: &str, number: usize, epoch: Instant) -> Self {
        let board = Board {
            phase: Phase::Starting,
            topics: Topics::default(),
            partitions: BTreeMap::new(),
            held_topics: BTreeMap::new(),
            limit: None,
            incidents: VecDeque::new(),
        };
        Self {
            gate: gate.to_owned(),
            number,
            epoch,
            heart: AtomicU64::new(0),
            resume: AtomicBool::new(false),
            board: Mutex::new(board),
        }
    }

    /// Returns the name of the gate.
    #[must_use]
    pub fn gate(&self) -> &str {
        &self.gate
    }

    /// Returns the pipeline's number within the gate, from 0.
    #[must_use]
    pub fn number(&self) -> usize {
        self.number
    }

    /// Notes a turn of the loop; also called where the pipeline waits in turns of its own.
    pub fn beat(&self, now: Instant) {
        self.heart.store(self.millis(now) + 1, Ordering::Relaxed);
    }

    /// Returns how long ago the loop turned; `None` before its first turn.
    #[must_use]
    pub fn silence(&self, now: Instant) -> Option<Duration> {
        let heart = self.heart.load(Ordering::Relaxed).checked_sub(1)?;
        Some(Duration::from_millis(self.millis(now).saturating_sub(heart)))
    }

    fn millis(&self, now: Instant) -> u64 {
        u64::try_from(now.saturating_duration_since(self.epoch).as_millis()).unwrap_or(u64::MAX - 1)
    }

    /// Returns a copy of what the pipeline shows.
    #[must_use]
    pub fn board(&self) -> Board {
        self.lock().clone()
    }

    /// Tells whether the dead-letter limit holds the pipeline.
    #[must_use]
    pub fn is_at_limit(&self) -> bool {
        self.lock().limit.is_some()
    }

    /// Asks the pipeline to go on from the dead-letter limit; tells whether it was held by it.
    pub fn ask_resume(&self) -> bool {
        let board = self.lock();
        let is_at_limit = board.limit.is_some();
        self.resume.store(is_at_limit, Ordering::Relaxed);
        is_at_limit
    }

    /// Tells whether somebody has asked.
    #[must_use]
    pub fn is_resume_asked(&self) -> bool {
        self.resume.load(Ordering::Relaxed)
    }

    /// Notes that the dead-letter limit holds the pipeline, or no longer.
    pub(super) fn limit(&self, share: Option<Share>) {
        let mut board = self.lock();
        self.resume.store(false, Ordering::Relaxed);
        board.limit = share.map(|share| Tripped { at: SystemTime::now(), share });
    }

    /// Is held by the dead-letter limit where a pipeline before it was, unless somebody has asked that one to go on.
    pub(super) fn take_limit(&self, before: &Self) {
        self.lock().limit = before.lock().limit.filter(|_| !before.is_resume_asked());
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Board> {
        // A board is a set of plain values, each whole at any time: a panic elsewhere does not spoil it.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn incident(&self, what: String) {
        let incidents = &mut self.lock().incidents;
        if incidents.len() == MAX_INCIDENTS {
            incidents.pop_front();
        }
        incidents.push_back(Incident { at: SystemTime::now(), what });
    }
}
