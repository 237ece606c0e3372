//! After a fault: abort, rebuild what is lost, go back, wait a little.
//!
//! The order matters. First the transaction is ended, so that readers of the outputs do not
//! wait for it; then the producer is rebuilt if it is lost, which fences whatever it may have
//! left under way; then, if a commit may have happened, the brokers are asked how far the
//! group is; only then are the partitions read again from there. Pauses grow with each fault
//! in a row and end with the first commit. After a few the partitions count as held, so that
//! the gate shows as degraded while brokers or outputs are away.

use std::time::{Duration, Instant};

use rand::Rng as _;

use super::end::{Backoff, Doubts};
use super::run::Loop;
use super::start;
use super::{Error, Fault};
use crate::config::Oversize;
use crate::gate::verdict::Tally;
use crate::record::Offset;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{PartitionHeld, PartitionReleased, ProducerRebuilt, RebuildCause};

/// The pause after the first fault: long enough for a leader to move, short enough not to be noticed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: brokers that come back are noticed within it.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// From this many faults in a row on the partitions count as held, unless they show as such already for want of
/// commits: brokers that restart or move leaders cause fewer.
const FAULTS_TO_HOLD: u32 = 3;

/// The same from the first fault on when nothing was committed for so long beyond the commit interval.
const UNCOMMITTED_TO_HOLD: Duration = Duration::from_secs(3);

/// Fenced again within this many transaction timeouts, it is a twin. A coordinator that gives up on a transaction fences
/// its producer too, again and again while brokers do not take records: those that are older than their timeout do not
/// count.
const TWIN_TIMEOUTS: u32 = 10;

/// Faults in a row, and when the producer was fenced last. It outlives the consumer: a twin is no less one if the
/// consumer is lost in between.
#[derive(Debug)]
pub(super) struct Recovery {
    faults: u32,
    /// When the first of them came.
    since: Instant,
    /// When the last of them came.
    last: Instant,
    fenced_at: Option<Instant>,
    /// Whether the transaction that failed last was older than its timeout.
    is_overdue: bool,
    /// Whether the partitions show as held because of the faults.
    is_shown: bool,
    /// Transactions that may have been ended twice.
    doubts: Doubts,
}

impl Recovery {
    /// Starts without a fault.
    pub(super) fn new(now: Instant, limit: Duration) -> Self {
        let doubts = Doubts::new(limit);
        Self { faults: 0, since: now, last: now, fenced_at: None, is_overdue: false, is_shown: false, doubts }
    }

    /// Begins anew with a new consumer: nothing that it has been given is held yet.
    pub(super) fn rejoin(&mut self, now: Instant) {
        (self.faults, self.since, self.last, self.is_shown) = (0, now, now, false);
    }

    /// Returns how long the next producer waits before it sends a request again.
    pub(super) fn backoff(&self) -> Backoff {
        self.doubts.backoff()
    }

    fn pause(&mut self) -> Duration {
        self.last = Instant::now();
        if self.faults == 0 {
            self.since = self.last;
        }
        let pause = FIRST_PAUSE.saturating_mul(1 << self.faults.min(10)).min(LONGEST_PAUSE);
        self.faults += 1;
        pause.mul_f64(rand::rng().random_range(0.5..1.0))
    }
}

impl Loop<'_> {
    /// Brings the loop back to where the group is, or ends it.
    pub(super) fn recover(&mut self, fault: Fault) -> Result<(), Fault> {
        self.recovery.is_overdue = self.output.age() >= self.settings.config.kafka.transaction_timeout();
        match fault {
            Fault::Abort(why) => {
                let refusals = self.output.take_refused();
                let may_truncate = self.settings.gate.oversize == Oversize::Truncate;
                let lesson = self.refused.note(&refusals, self.output.staged(), &self.routes, may_truncate);
                self.give_up(&why);
                self.show_held(&why);
                match self.output.abort() {
                    Ok(()) if lesson.is_size && self.sizes_changed() => self.rebuild_for_batches()?,
                    Ok(()) => {}
                    Err(Fault::Lost { why, is_fenced }) => self.rebuild(why, is_fenced)?,
                    Err(fault) => return Err(fault),
                }
                if lesson.is_progress {
                    // The next transaction is another one; nothing has to be waited for.
                    return Ok(());
                }
            }
            Fault::Lost { why, is_fenced } => {
                let tally = self.tally.clone();
                let staged: Vec<_> = self.assignment.iter().map(|held| held.next).collect();
                self.give_up(&why);
                self.show_held(&why);
                self.rebuild(why, is_fenced)?;
                self.count_if_committed(&tally, &staged);
            }
            fault @ (Fault::ConsumerLost(_) | Fault::Fatal(_)) => {
                // Readers of the outputs should not wait for a transaction that nobody will end.
                self.output.abort().ok();
                return Err(fault);
            }
        }
        let pause = self.recovery.pause();
        self.pause_for(pause);
        Ok(())
    }

    /// Makes batches smaller: all records of one were good that was refused for its size.
    #[cold]
    pub(super) fn lower_batches(&mut self) -> Result<(), Fault> {
        self.routes.lower_batches();
        self.rebuild_for_batches()
    }

    /// Looks at the outputs anew after a refusal; tells whether they take other sizes than they did.
    fn sizes_changed(&mut self) -> bool {
        let before = self.routes.sizes();
        self.look_at_outputs();
        before != self.routes.sizes()
    }

    fn rebuild_for_batches(&mut self) -> Result<(), Fault> {
        let why = format!("batches of at most {} bytes are what the outputs take", self.routes.sizes().smallest);
        self.replace_producer(why, RebuildCause::Limits)
    }

    /// Shows all partitions as held once faults come in a row or nothing is committed for long.
    fn show_held(&mut self, why: &str) {
        let uncommitted = self.settings.config.commit_interval + UNCOMMITTED_TO_HOLD;
        if self.recovery.faults < FAULTS_TO_HOLD && self.committed_at.elapsed() < uncommitted {
            return;
        }
        self.recovery.is_shown = true;
        for held in self.assignment.iter().filter(|held| held.hold.is_none()) {
            let cause = HoldCause::TargetUnavailable;
            PartitionHeld { topic: &held.topic, partition: held.partition, next: held.next, cause, detail: why }
                .emit(&self.settings.probe);
        }
    }

    /// Counts records whose commit had no answer and, as the group's offsets show now, has happened.
    fn count_if_committed(&mut self, tally: &Tally, staged: &[Offset]) {
        let positions = self.assignment.iter().map(|held| held.committed);
        if tally.records() > 0 && positions.eq(staged.iter().copied()) {
            self.settings.probe.metrics().counted(tally);
        }
    }

    /// Ends a row of faults when nothing was to be done for a while.
    pub(super) fn recovered_idle(&mut self, now: Instant) {
        if now.duration_since(self.recovery.last) > LONGEST_PAUSE * 3 {
            self.recovered();
        }
    }

    /// Ends a row of faults, after a commit.
    pub(super) fn recovered(&mut self) {
        self.recovery.faults = 0;
        if !std::mem::take(&mut self.recovery.is_shown) {
            return;
        }
        for held in self.assignment.iter().filter(|held| held.hold.is_none()) {
            PartitionReleased { topic: &held.topic, partition: held.partition, after: self.recovery.since.elapsed() }
                .emit(&self.settings.probe);
        }
    }

    /// Replaces a producer whose last transaction may have been ended twice, before it begins another one. That one has
    /// ended and counts: nothing is read again, and nobody has to be asked.
    pub(super) fn renew(&mut self) -> Result<(), Fault> {
        let Some(why) = self.output.take_spent() else { return Ok(()) };
        self.recovery.doubts.note(Instant::now());
        self.replace_producer(why, RebuildCause::DoubtfulEnd)
    }

    /// Replaces a lost producer, and asks how far the group is.
    fn rebuild(&mut self, why: String, is_fenced: bool) -> Result<(), Fault> {
        self.replace_producer(why, if is_fenced { RebuildCause::Fenced } else { RebuildCause::Lost })?;
        self.reread_positions();
        Ok(())
    }

    /// Replaces the producer by one with the same transactional.id, which ends whatever the old one has left.
    fn replace_producer(&mut self, mut why: String, cause: RebuildCause) -> Result<(), Fault> {
        let mut is_fenced = cause == RebuildCause::Fenced;
        while !self.settings.stop.is_asked() {
            if is_fenced {
                self.check_twin()?;
            }
            match start::producer(self.settings, &self.routes, self.recovery.backoff()) {
                Ok(idle) => {
                    ProducerRebuilt { why: &why, cause }.emit(&self.settings.probe);
                    self.output.replace(idle);
                    return Ok(());
                }
                Err(Fault::Lost { why: reason, is_fenced: fenced }) => (why, is_fenced) = (reason, fenced),
                Err(Fault::Abort(reason)) => (why, is_fenced) = (reason, false),
                Err(fault) => return Err(fault),
            }
            let pause = self.recovery.pause();
            self.pause_for(pause);
            // What came meanwhile was thrown away.
            self.is_behind = true;
        }
        Ok(())
    }

    fn check_twin(&mut self) -> Result<(), Fault> {
        if self.recovery.is_overdue {
            return Ok(());
        }
        let span = self.settings.config.kafka.transaction_timeout() * TWIN_TIMEOUTS;
        let before = self.recovery.fenced_at.replace(Instant::now());
        if before.is_some_and(|before| before.elapsed() < span) {
            let transactional_id = start::names(self.settings).pipeline;
            return Err(Fault::Fatal(Error::Fenced { transactional_id }));
        }
        Ok(())
    }
}
