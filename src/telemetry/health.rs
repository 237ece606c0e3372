//! Whether the process is alive and ready, from the states of its pipelines.
//!
//! Two questions with different owners. *Alive* is asked by whoever restarts processes:
//! no only when a loop hangs, for a restart during an outage of broker or registry helps
//! nobody. *Ready* is asked by whoever rolls out: yes once every pipeline has checked its
//! outputs and joins the group, with or without partitions.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::HoldCause;
use super::state::{Condition, Phase, PipelineState};

/// The least time without a turn after which a loop counts as stuck.
pub const MIN_STUCK_AFTER: Duration = Duration::from_secs(120);

/// A loop counts as stuck after this many transaction timeouts: one call may take two of them, and a loop may make two
/// such calls in a turn.
pub const STUCK_TRANSACTIONS: u32 = 5;

/// The pipelines of this process.
#[derive(Debug)]
pub struct Health {
    epoch: Instant,
    /// In milliseconds.
    stuck_after: AtomicU64,
    pipelines: Mutex<Vec<Arc<PipelineState>>>,
    /// Where the process is a registry: whether its log has been read.
    log: Option<Arc<AtomicBool>>,
}

/// A pipeline that keeps the answer from being yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// No pipeline has been started yet.
    NoPipelines,
    /// The registry's log has not been read to its end yet.
    ReadingLog,
    /// The pipeline has not joined its group yet.
    Starting {
        /// The gate.
        gate: String,
        /// The pipeline's number.
        number: usize,
    },
    /// The pipeline has ended.
    Stopped {
        /// The gate.
        gate: String,
        /// The pipeline's number.
        number: usize,
    },
    /// The pipeline's loop hangs.
    Stuck {
        /// The gate.
        gate: String,
        /// The pipeline's number.
        number: usize,
        /// Time since its last turn.
        silence: Duration,
    },
}

impl fmt::Display for Obstacle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoPipelines => f.write_str("no pipeline has been started yet"),
            Self::ReadingLog => f.write_str("the registry's log has not been read to its end yet"),
            Self::Starting { gate, number } => write!(f, "pipeline {number} of gate '{gate}' is starting"),
            Self::Stopped { gate, number } => write!(f, "pipeline {number} of gate '{gate}' has stopped"),
            Self::Stuck { gate, number, silence } => {
                write!(f, "pipeline {number} of gate '{gate}' has not turned for {} s", silence.as_secs())
            }
        }
    }
}

impl Health {
    /// Creates the health of a process whose transactions time out after `transaction_timeout`.
    #[must_use]
    pub fn new(transaction_timeout: Duration) -> Arc<Self> {
        let health = Self::with(None);
        health.allow(transaction_timeout);
        Arc::new(health)
    }

    /// Creates the health of a process that serves a registry, and is ready once `is_read`.
    #[must_use]
    pub fn of_registry(is_read: Arc<AtomicBool>) -> Arc<Self> {
        Arc::new(Self::with(Some(is_read)))
    }

    fn with(log: Option<Arc<AtomicBool>>) -> Self {
        let stuck_after = AtomicU64::new(millis(MIN_STUCK_AFTER));
        Self { epoch: Instant::now(), stuck_after, pipelines: Mutex::default(), log }
    }

    /// Allows for transactions that time out after this, from now on: pipelines with shorter ones may be there still.
    pub fn allow(&self, transaction_timeout: Duration) {
        self.stuck_after.fetch_max(millis(transaction_timeout * STUCK_TRANSACTIONS), Ordering::Relaxed);
    }

    /// Adds a pipeline, which is starting. One that is there already is replaced, and what comes after it is held by the
    /// dead-letter limit where it was: that is a person's to end.
    pub fn pipeline(&self, gate: &str, number: usize) -> Arc<PipelineState> {
        let mut pipelines = self.lock();
        let is_same = |old: &mut Arc<PipelineState>| (old.gate(), old.number()) == (gate, number);
        let before = pipelines.extract_if(.., is_same).next();
        let state = Arc::new(PipelineState::new(gate, number, self.epoch));
        if let Some(before) = before {
            state.take_limit(&before);
        }
        pipelines.push(Arc::clone(&state));
        state
    }

    /// Forgets a gate, all pipelines of which have ended.
    pub fn forget(&self, gate: &str) {
        self.lock().retain(|pipeline| pipeline.gate() != gate);
    }

    /// Returns all pipelines, in the order in which they were added.
    #[must_use]
    pub fn pipelines(&self) -> Vec<Arc<PipelineState>> {
        self.lock().clone()
    }

    /// Returns the gates of which something waits, each with its causes: no obstacle to being ready, since no other
    /// process would fare better.
    #[must_use]
    pub fn degraded(&self, now: Instant) -> BTreeMap<String, BTreeSet<&'static str>> {
        let mut gates: BTreeMap<_, BTreeSet<_>> = BTreeMap::new();
        for state in self.pipelines() {
            if let Condition::Degraded(causes) = state.lock().condition(state.silence(now)) {
                gates.entry(state.gate().to_owned()).or_default().extend(causes.into_iter().map(HoldCause::name));
            }
        }
        gates
    }

    /// Asks the pipelines of a gate to go on from their dead-letter limit; tells how many were held by it, `None` where
    /// there is no such gate.
    #[must_use]
    pub fn resume(&self, gate: &str) -> Option<usize> {
        let pipelines: Vec<_> = self.pipelines().into_iter().filter(|state| state.gate() == gate).collect();
        (!pipelines.is_empty()).then(|| pipelines.iter().filter(|state| state.ask_resume()).count())
    }

    /// Returns the loops that hang: none of them means alive.
    #[must_use]
    pub fn stuck(&self, now: Instant) -> Vec<Obstacle> {
        self.pipelines().iter().filter_map(|state| self.stuck_one(state, now)).collect()
    }

    /// Returns what keeps the process from being ready: nothing means ready.
    #[must_use]
    pub fn not_ready(&self, now: Instant) -> Vec<Obstacle> {
        if let Some(is_read) = &self.log {
            return if is_read.load(Ordering::Acquire) { Vec::new() } else { vec![Obstacle::ReadingLog] };
        }
        let pipelines = self.pipelines();
        if pipelines.is_empty() {
            return vec![Obstacle::NoPipelines];
        }
        let obstacle = |state: &Arc<PipelineState>| {
            let (gate, number) = (state.gate().to_owned(), state.number());
            match state.lock().phase {
                Phase::Starting => Some(Obstacle::Starting { gate, number }),
                Phase::Stopped => Some(Obstacle::Stopped { gate, number }),
                Phase::Running => None,
            }
        };
        pipelines.iter().filter_map(|state| obstacle(state).or_else(|| self.stuck_one(state, now))).collect()
    }

    fn stuck_one(&self, state: &PipelineState, now: Instant) -> Option<Obstacle> {
        let silence = state.silence(now)?;
        let stuck_after = Duration::from_millis(self.stuck_after.load(Ordering::Relaxed));
        let stuck = silence > stuck_after && state.lock().phase != Phase::Stopped;
        stuck.then(|| Obstacle::Stuck { gate: state.gate().to_owned(), number: state.number(), silence })
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Arc<PipelineState>>> {
        self.pipelines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::super::{Metrics, Probe};
    use super::*;
    use crate::gate::limit::Share;

    const TIMEOUT: Duration = Duration::from_secs(15);

    fn names(obstacles: &[Obstacle]) -> Vec<String> {
        obstacles.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn is_ready_once_every_pipeline_has_joined() {
        let (health, metrics, now) = (Health::new(TIMEOUT), Metrics::new(), Instant::now());
        assert_eq!(health.not_ready(now), [Obstacle::NoPipelines]);
        let probes = [0, 1].map(|number| Probe::new(&metrics, &health, "orders", number));
        probes[0].joined();
        assert_eq!(names(&health.not_ready(now)), ["pipeline 1 of gate 'orders' is starting"]);
        probes[1].joined();
        assert!(health.not_ready(now).is_empty());
        probes[0].stopped();
        assert_eq!(names(&health.not_ready(now)), ["pipeline 0 of gate 'orders' has stopped"]);
    }

    #[test]
    fn is_alive_until_a_loop_that_has_begun_hangs() {
        let (health, metrics, start) = (Health::new(TIMEOUT), Metrics::new(), Instant::now());
        let later = start + MIN_STUCK_AFTER * 2;
        let probe = Probe::new(&metrics, &health, "orders", 0);
        assert!(health.stuck(later).is_empty(), "a start may wait for a broker as long as it likes");
        probe.joined();
        probe.beat(start);
        assert!(health.stuck(start + MIN_STUCK_AFTER).is_empty());
        assert_eq!(names(&health.stuck(later)), ["pipeline 0 of gate 'orders' has not turned for 240 s"]);
        assert_eq!(health.not_ready(later), health.stuck(later));
        probe.beat(later);
        assert!(health.stuck(later).is_empty());
        probe.stopped();
        assert!(health.stuck(later + MIN_STUCK_AFTER * 2).is_empty(), "a loop that has ended does not hang");
    }

    #[test]
    fn what_replaces_a_pipeline_is_held_by_the_limit_as_it_was() {
        let (health, metrics) = (Health::new(TIMEOUT), Metrics::new());
        let begin = || Probe::new(&metrics, &health, "orders", 0);
        let share = Share { dead_letters: 100, records: 100 };
        begin().state().limit(Some(share));
        let after = begin();
        assert_eq!(after.state().board().limit.map(|tripped| tripped.share), Some(share));
        assert_eq!(health.resume("orders"), Some(1));
        assert!(!begin().state().is_at_limit(), "somebody has let it go on");
        begin().state().limit(Some(share));
        health.forget("orders");
        assert!(!begin().state().is_at_limit(), "it is another one");
        assert_eq!(health.pipelines().len(), 1);
    }

    #[test]
    fn allows_for_long_transactions() {
        let (health, metrics, start) = (Health::new(Duration::from_secs(900)), Metrics::new(), Instant::now());
        Probe::new(&metrics, &health, "orders", 0).beat(start);
        assert!(health.stuck(start + Duration::from_secs(1800)).is_empty(), "one call may take two timeouts");
        assert_eq!(health.stuck(start + Duration::from_secs(4501)).len(), 1);
    }

    #[test]
    fn a_gate_that_has_gone_is_no_obstacle() {
        let (health, metrics, start) = (Health::new(TIMEOUT), Metrics::new(), Instant::now());
        let probes = ["orders", "clicks"].map(|gate| Probe::new(&metrics, &health, gate, 0));
        probes.iter().for_each(|probe| probe.joined());
        probes[0].beat(start);
        probes[1].stopped();
        health.forget("clicks");
        assert!(health.not_ready(start).is_empty());
        assert_eq!(health.pipelines().len(), 1);
        health.allow(Duration::from_secs(900));
        assert!(health.stuck(start + MIN_STUCK_AFTER * 2).is_empty(), "it may have longer transactions from now on");
    }
}
