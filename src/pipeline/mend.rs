//! Mending what a fault has cost, one attempt a turn: the producer, and how far the group is.
//!
//! Until it is mended nothing is read. Between attempts events are answered and the group is
//! polled: in an outage others must not wait for our partitions, and a partition may be what
//! cannot be asked for until it is taken away. Each new reason is logged, and the partitions
//! count as held.
//!
//! A commit without an answer may have happened. The group's offsets tell, and until then its
//! records are neither counted nor said to be aborted.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;

use super::consume::Named;
use super::output::Spent;
use super::recover::LONGEST_PAUSE;
use super::run::Loop;
use super::start;
use super::{Error, Fault};
use crate::gate::tally::Tally;
use crate::record::Offset;
use crate::telemetry::events::{ProducerRebuilt, RebuildCause, TransactionAborted};

/// Fenced again within this many transaction timeouts, it is a twin. A coordinator that gives up on a transaction fences
/// its producer too, again and again while brokers do not take records: those that are older than their timeout do not
/// count.
const TWIN_TIMEOUTS: u32 = 10;

/// What has to be mended before records go on.
#[derive(Debug, Default)]
pub(super) struct Damage {
    /// Why the producer is made anew.
    producer: Option<Spent>,
    /// Whether the brokers have to be asked how far the group is.
    positions: bool,
    unsettled: Option<Unsettled>,
}

/// A transaction of which nobody knows yet whether it was committed.
#[derive(Debug)]
struct Unsettled {
    why: String,
    tally: Tally,
    /// When it began, and when that was noted.
    began: Instant,
    noted: Instant,
    /// The offsets of the next records that it would have committed.
    staged: Vec<(Named, Offset)>,
}

impl Damage {
    /// Tells whether there is any.
    pub(super) fn is_any(&self) -> bool {
        self.producer.is_some() || self.positions
    }

    /// Forgets partitions that are no longer ours: what the group commits there says nothing of us.
    pub(super) fn forget(&mut self, gone: &[Named]) {
        self.unsettled.iter_mut().for_each(|unsettled| unsettled.staged.retain(|(named, _)| !gone.contains(named)));
    }
}

impl Unsettled {
    /// Tells whether it was committed: the group is where it would have brought it.
    fn has_happened(&self, committed: impl Fn(&Named) -> Option<Offset>) -> bool {
        !self.staged.is_empty() && self.staged.iter().all(|(named, staged)| committed(named) == Some(*staged))
    }
}

impl Loop<'_> {
    /// Makes an attempt to mend what there is; tells whether nothing is left.
    pub(super) fn mend(&mut self) -> Result<bool, Fault> {
        if let Some(spent) = self.output.take_spent() {
            if spent.cause == RebuildCause::DoubtfulEnd {
                self.recovery.doubts.note(Instant::now());
                self.recovery.is_overdue = false;
            }
            self.damage.producer.get_or_insert(spent);
        }
        if !self.damage.is_any() {
            return Ok(true);
        }
        if self.settings.stop.is_asked() {
            return Ok(false);
        }
        match self.try_to_mend() {
            Ok(()) => Ok(true),
            Err(Fault::Abort(why) | Fault::Lost { why, .. } | Fault::Unsettled { why }) => {
                self.wait_out(&why, LONGEST_PAUSE);
                Ok(false)
            }
            Err(fault @ (Fault::ConsumerLost(_) | Fault::Fatal(_))) => Err(fault),
        }
    }

    fn try_to_mend(&mut self) -> Result<(), Fault> {
        if let Some(Spent { why, cause }) = &self.damage.producer {
            match start::producer(self.settings, &self.routes, self.recovery.backoff()) {
                Ok(idle) => {
                    ProducerRebuilt { why, cause: *cause }.emit(&self.settings.probe);
                    self.output.replace(idle);
                    self.output.reach(&self.routes)?;
                    self.damage.producer = None;
                }
                Err(fault) => {
                    if matches!(fault, Fault::Lost { is_fenced: true, .. }) {
                        self.check_twin()?;
                    }
                    return Err(fault);
                }
            }
        }
        if self.damage.positions {
            self.reread_positions()?;
            self.damage.positions = false;
        }
        self.settle();
        Ok(())
    }

    /// Notes that the producer is lost, and with it how far the group is.
    pub(super) fn lose_producer(&mut self, why: String, is_fenced: bool) -> Result<(), Fault> {
        if is_fenced {
            self.check_twin()?;
        }
        let cause = if is_fenced { RebuildCause::Fenced } else { RebuildCause::Lost };
        self.damage.producer = Some(Spent { why, cause });
        self.damage.positions = true;
        Ok(())
    }

    /// Keeps what was staged until it is known whether it was committed.
    pub(super) fn keep_unsettled(&mut self, why: &str) {
        let moved = self.assignment.iter().filter(|held| held.next > held.committed);
        self.damage.unsettled = Some(Unsettled {
            why: why.to_owned(),
            tally: self.tally.clone(),
            began: self.output.staged_at(),
            noted: Instant::now(),
            staged: moved.map(|held| ((held.topic.clone(), held.partition), held.next)).collect(),
        });
        self.forget();
    }

    /// Counts a transaction whose commit had no answer, as what the group's offsets show that it was.
    fn settle(&mut self) {
        let Some(unsettled) = self.damage.unsettled.take() else { return };
        let committed = |(topic, partition): &Named| {
            let held = self.assignment.iter().find(|held| held.partition == *partition && held.topic == *topic)?;
            held.is_placed.then_some(held.committed)
        };
        // What a member has committed that took them from us is not ours.
        let is_ours = !self.consumer.assignment_lost();
        if is_ours && unsettled.has_happened(committed) {
            self.count(&unsettled.tally, unsettled.began.elapsed(), unsettled.noted.elapsed());
        } else {
            let records = unsettled.tally.records();
            TransactionAborted { why: &unsettled.why, records, after: unsettled.began.elapsed() }
                .emit(&self.settings.probe);
        }
    }

    /// Waits before an attempt is made again, at most so long, and says why: once for each reason.
    pub(super) fn wait_out(&mut self, why: &str, longest: Duration) {
        if self.recovery.reported != why {
            tracing::warn!(gate = self.settings.probe.gate(), why, "waiting for the brokers");
            why.clone_into(&mut self.recovery.reported);
        }
        self.show_held(why);
        self.report_outage();
        let pause = self.recovery.pause().min(longest);
        self.pause_for(pause);
        // What came meanwhile was thrown away.
        self.is_behind = true;
    }

    /// Ends the process's part in a fight about the transactional.id, which it would lead for ever.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::Partition;

    fn named(partition: i32) -> Named {
        ("raw".into(), Partition(partition))
    }

    fn damage() -> Damage {
        let now = Instant::now();
        let staged = vec![(named(0), Offset(7)), (named(1), Offset(9))];
        let unsettled =
            Unsettled { why: "no answer".to_owned(), tally: Tally::default(), began: now, noted: now, staged };
        Damage { unsettled: Some(unsettled), ..Damage::default() }
    }

    #[test]
    fn a_commit_without_an_answer_has_happened_where_the_group_is_there() {
        let unsettled = damage().unsettled.unwrap();
        assert!(unsettled.has_happened(|(_, partition)| Some(Offset(if partition.0 == 0 { 7 } else { 9 }))));
        assert!(!unsettled.has_happened(|_| Some(Offset(7))));
        assert!(!unsettled.has_happened(|_| None));
    }

    #[test]
    fn partitions_that_went_say_nothing() {
        let mut damage = damage();
        damage.forget(&[named(1)]);
        assert!(damage.unsettled.as_ref().unwrap().has_happened(|_| Some(Offset(7))));
        damage.forget(&[named(0)]);
        assert!(!damage.unsettled.unwrap().has_happened(|_| Some(Offset(7))), "nobody is left to tell");
    }
}
