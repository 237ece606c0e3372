//! Holding the gate when nearly everything is a dead letter, until an operator lets it go on.
//!
//! [`crate::gate::limit`] counts; here it meets the loop. Each pipeline has a breaker of its
//! own, since a share needs no talk between processes: where all records of a gate are bad,
//! each finds out by itself. The dead letter that would reach the limit is not staged: what
//! was staged before it commits, and every partition stands, also those that come, or that
//! go on from another hold, while it is open. `POST /gates/{name}/resume` closes the breakers
//! of all pipelines of the gate in the process; a restart begins with closed ones, but a
//! consumer made anew does not.
//!
//! `pass-all` and `dry-run` write no dead letters, and so have no limit.

use std::time::Instant;

use super::Fault;
use super::Settings;
use super::run::Loop;
use crate::gate::limit::Breaker;
use crate::gate::policy::Mode;
use crate::gate::tally::Tally;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{DeadLetterLimitReached, DeadLetterLimitReset};

/// The breaker of one pipeline, if its gate has a limit.
#[derive(Debug)]
pub(super) struct Guard {
    breaker: Option<Breaker>,
    epoch: Instant,
}

impl Guard {
    /// Makes the breaker, open where the pipeline was held by one when it lost its consumer.
    pub(super) fn new(settings: &Settings, now: Instant) -> Self {
        let gate = &settings.gate;
        let mut breaker = gate.limit.filter(|_| gate.policy.mode == Mode::Enforce).map(Breaker::new);
        if settings.probe.state().is_at_limit() {
            breaker.iter_mut().for_each(Breaker::open);
        }
        Self { breaker, epoch: now }
    }

    fn is_open(&self) -> bool {
        self.breaker.as_ref().is_some_and(Breaker::is_open)
    }

    /// Counts a committed transaction.
    pub(super) fn committed(&mut self, tally: &Tally) {
        if let Some(breaker) = &mut self.breaker {
            breaker.add(tally.share(), self.epoch.elapsed());
        }
    }
}

impl Loop<'_> {
    /// Tells whether one more dead letter would reach the limit, and raises the alarm if it is the first.
    pub(super) fn is_over_limit(&mut self) -> bool {
        let Guard { breaker: Some(breaker), epoch } = &mut self.guard else { return false };
        let was_open = breaker.is_open();
        let Some(share) = breaker.trip(self.tally.share(), epoch.elapsed()) else { return false };
        if !was_open {
            DeadLetterLimitReached { share, limit: breaker.limit() }.emit(&self.settings.probe);
        }
        true
    }

    /// Keeps every partition held while the breaker is open; lets them go on when an operator says so.
    pub(super) fn keep_limit(&mut self, now: Instant) -> Result<(), Fault> {
        if !self.guard.is_open() {
            return Ok(());
        }
        if self.settings.probe.state().is_resume_asked() {
            return self.resume(now);
        }
        self.hold_at_limit()
    }

    /// Holds every partition that is not held yet.
    pub(super) fn hold_at_limit(&mut self) -> Result<(), Fault> {
        let moving = self.assignment.indices(|held| held.hold.is_none());
        // Every turn comes here while the breaker is open, and finds nothing to hold.
        if moving.is_empty() {
            return Ok(());
        }
        let detail = format!(
            "nearly all records are dead letters; when their reason is mended, POST /gates/{}/resume or restart",
            self.settings.gate.name
        );
        moving.into_iter().try_for_each(|index| self.hold_because(index, HoldCause::DeadLetterLimit, &detail))
    }

    fn resume(&mut self, now: Instant) -> Result<(), Fault> {
        // What is staged belongs to the window that ends here.
        self.commit()?;
        self.guard.breaker.iter_mut().for_each(Breaker::close);
        DeadLetterLimitReset.emit(&self.settings.probe);
        let at_limit = self.assignment.indices(|held| held.is_held_for(HoldCause::DeadLetterLimit));
        at_limit.into_iter().try_for_each(|index| self.release(index, now))
    }
}
