//! After a fault: abort, mend what is lost, go back, wait a little.
//!
//! The order matters. First the transaction is ended, so that readers of the outputs do not
//! wait for it; then the producer is made anew if it is lost, which fences whatever it may have
//! left under way; then the brokers are asked how far the group is ([`super::mend`]); only
//! then are the partitions read again from there. Pauses grow with each fault
//! in a row and end with the first commit. After a few the partitions count as held, so that
//! the gate shows as degraded while brokers or outputs are away.

use std::time::{Duration, Instant};

use rand::Rng as _;

use super::Fault;
use super::end::{Backoff, Doubts};
use super::run::Loop;
use crate::config::{Delivery, Oversize};
use crate::telemetry::HoldCause;
use crate::telemetry::events::{PartitionHeld, PartitionReleased, RebuildCause};

/// The pause after the first fault: long enough for a leader to move, short enough not to be noticed.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest pause: brokers that come back are noticed within it.
pub(super) const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// From this many faults in a row on the partitions count as held, unless they show as such already for want of
/// commits: brokers that restart or move leaders cause fewer.
const FAULTS_TO_HOLD: u32 = 3;

/// The same from the first fault on when nothing was committed for so long beyond the commit interval.
const UNCOMMITTED_TO_HOLD: Duration = Duration::from_secs(3);

/// Faults in a row, and when the producer was fenced last. It outlives the consumer: a twin is no less one if the
/// consumer is lost in between.
#[derive(Debug)]
pub(super) struct Recovery {
    faults: u32,
    /// When the first of them came.
    since: Instant,
    /// When the last of them came.
    last: Instant,
    pub(super) fenced_at: Option<Instant>,
    /// Whether the transaction that failed last was older than its timeout.
    pub(super) is_overdue: bool,
    /// Whether the partitions show as held because of the faults.
    is_shown: bool,
    /// Transactions that may have been ended twice.
    pub(super) doubts: Doubts,
    /// The reason to wait that was logged last.
    pub(super) reported: String,
}

impl Recovery {
    /// Starts without a fault.
    pub(super) fn new(now: Instant, limit: Duration) -> Self {
        let doubts = Doubts::new(limit);
        Self {
            faults: 0,
            since: now,
            last: now,
            fenced_at: None,
            is_overdue: false,
            is_shown: false,
            doubts,
            reported: String::new(),
        }
    }

    /// Begins anew with a new consumer: nothing that it has been given is held yet.
    pub(super) fn rejoin(&mut self, now: Instant) {
        (self.faults, self.since, self.last, self.is_shown) = (0, now, now, false);
    }

    /// Returns how long the next producer waits before it sends a request again.
    pub(super) fn backoff(&self) -> Backoff {
        self.doubts.backoff()
    }

    /// Counts a fault and returns how long to wait after it.
    pub(super) fn pause(&mut self) -> Duration {
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
        if matches!(fault, Fault::Lost { .. }) && self.output.is_spent() {
            // It was let go of when its transaction had ended; the turn could not go on without, and nothing else is wrong.
            self.forget();
            return Ok(());
        }
        self.recovery.is_overdue = self.output.age() >= self.settings.config.kafka.transaction_timeout();
        match fault {
            Fault::Abort(why) => {
                if self.abort(&why)? {
                    // The next transaction is another one; nothing has to be waited for.
                    return Ok(());
                }
            }
            Fault::Lost { why, is_fenced } => {
                self.give_up(&why);
                self.show_held(&why);
                self.lose_producer(why, is_fenced)?;
            }
            Fault::Unsettled { why } => {
                self.keep_unsettled(&why);
                self.show_held(&why);
                self.lose_producer(why, false)?;
            }
            fault @ (Fault::ConsumerLost(_) | Fault::Fatal(_)) => {
                // Readers of the outputs should not wait for a transaction that nobody will end.
                self.output.abort().ok();
                return Err(fault);
            }
        }
        // At once, for a new producer ends what the old one may have left open.
        if self.mend()? {
            let pause = self.recovery.pause();
            self.pause_for(pause);
        }
        Ok(())
    }

    /// Aborts what runs; tells whether something was learned of refused records, so that the next transaction is another.
    fn abort(&mut self, why: &str) -> Result<bool, Fault> {
        let refusals = self.output.take_refused();
        let may_truncate = self.settings.gate.oversize == Oversize::Truncate;
        let lesson = self.refused.note(&refusals, self.output.staged(), &self.routes, may_truncate);
        self.give_up(why);
        self.show_held(why);
        match self.output.abort() {
            Ok(()) if lesson.is_size && self.sizes_changed() => self.spend_for_batches(),
            // The records that were not taken had sequence numbers: the next ones would be out of order, and their
            // transaction would have to be aborted too.
            Ok(()) if lesson.is_progress && self.settings.config.delivery == Delivery::ExactlyOnce => {
                self.output.spend("records were refused".to_owned(), RebuildCause::Refused);
            }
            Ok(()) => {}
            Err(Fault::Lost { why, is_fenced }) => self.lose_producer(why, is_fenced)?,
            Err(fault) => return Err(fault),
        }
        Ok(lesson.is_progress)
    }

    /// Makes batches smaller: all records of one were good that was refused for its size.
    #[cold]
    pub(super) fn lower_batches(&mut self) {
        self.routes.lower_batches();
        self.spend_for_batches();
    }

    /// Looks at the outputs anew after a refusal; tells whether they take other sizes than they did.
    fn sizes_changed(&mut self) -> bool {
        let before = self.routes.sizes();
        self.look_at_outputs();
        before != self.routes.sizes()
    }

    fn spend_for_batches(&mut self) {
        let why = format!("batches of at most {} bytes are what the outputs take", self.routes.sizes().smallest);
        self.output.spend(why, RebuildCause::Limits);
    }

    /// Shows all partitions as held once faults come in a row or nothing is committed for long.
    pub(super) fn show_held(&mut self, why: &str) {
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

    /// Ends a row of faults when nothing was to be done for a while.
    pub(super) fn recovered_idle(&mut self, now: Instant) {
        if !self.damage.is_any() && now.duration_since(self.recovery.last) > LONGEST_PAUSE * 3 {
            self.recovered();
        }
    }

    /// Ends a row of faults, after a commit.
    pub(super) fn recovered(&mut self) {
        self.recovery.faults = 0;
        self.recovery.reported.clear();
        if !std::mem::take(&mut self.recovery.is_shown) {
            return;
        }
        for held in self.assignment.iter().filter(|held| held.hold.is_none()) {
            PartitionReleased { topic: &held.topic, partition: held.partition, after: self.recovery.since.elapsed() }
                .emit(&self.settings.probe);
        }
    }
}
