//! Giving and taking partitions, and what else the consumer says between batches.
//!
//! The protocol is cooperative: what stays is not disturbed. Before anything changes the
//! running transaction ends, since its offsets count only while the group knows us as their
//! owner. Revoked in order: commit, then let go. Lost (another member may have the
//! partitions already): abort, never commit. Assigned: the position is what the group has
//! committed, read stable, that is after every open transaction of an earlier owner; only
//! where there is none the gate's `start` counts.

use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};

use super::Fault;
use super::assignment;
use super::consume::{self, ConsumeEvent, Named};
use super::failpoint::{self, Point};
use super::positions::Place;
use super::run::Loop;
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::kafka::ffi::Batch;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{
    PartitionReleased, PartitionsAssigned, PartitionsLost, PartitionsRevoked, TransactionAborted,
};

impl Loop<'_> {
    /// Answers what the consumer reported. The transaction ends first; an event whose turn a fault interrupts there is
    /// kept for the next turn.
    pub(super) fn answer_events(&mut self, now: Instant) -> Result<(), Fault> {
        while let Some(event) = self.pending.take().or_else(|| self.consumer.context().next_event()) {
            let began = Instant::now();
            if let Err(fault) = self.end_transaction(&event) {
                self.pending = Some(event);
                return Err(fault);
            }
            match event {
                ConsumeEvent::Assign(partitions) => {
                    self.assign(&partitions)?;
                    self.settings.probe.rebalanced("assigned", partitions.len(), began.elapsed());
                }
                ConsumeEvent::Revoke(partitions) => {
                    let kind = if self.consumer.assignment_lost() { "lost" } else { "revoked" };
                    self.revoke(&partitions)?;
                    self.settings.probe.rebalanced(kind, partitions.len(), began.elapsed());
                }
                ConsumeEvent::OffsetOutOfRange => self.hold_out_of_range()?,
                ConsumeEvent::Unreadable => self.find_unreadable()?,
                ConsumeEvent::Fatal(error) => return Err(Fault::ConsumerLost(error.to_string())),
            }
            self.settings.probe.beat(now);
        }
        Ok(())
    }

    fn end_transaction(&mut self, event: &ConsumeEvent) -> Result<(), Fault> {
        if matches!(event, ConsumeEvent::Revoke(_)) {
            failpoint::hit(Point::InRevoke)?;
        }
        match event {
            ConsumeEvent::Revoke(_) if self.consumer.assignment_lost() => {
                if self.assignment.is_ahead() {
                    self.give_up("partitions were lost");
                    self.output.abort()?;
                }
                Ok(())
            }
            ConsumeEvent::Assign(_)
            | ConsumeEvent::Revoke(_)
            | ConsumeEvent::Unreadable
            | ConsumeEvent::OffsetOutOfRange => self.commit(),
            ConsumeEvent::Fatal(_) => Ok(()),
        }
    }

    fn assign(&mut self, partitions: &[Named]) -> Result<(), Fault> {
        let Some(reads) = self.first_reads(partitions)? else { return Ok(()) };
        self.settle_new(&reads);
        let mut list = TopicPartitionList::new();
        for read in &reads {
            let (topic, partition) = &read.named;
            let next = read.next().map_or(KafkaOffset::Beginning, |next| KafkaOffset::Offset(next.0));
            list.add_partition_offset(topic, partition.0, next)
                .expect("an offset from the broker fits librdkafka's range");
        }
        consume::take(self.consumer, &mut self.queue, &list).map_err(|error| Fault::ConsumerLost(error.to_string()))?;
        let names: Vec<_> = partitions.iter().map(|(topic, partition)| (&**topic, *partition)).collect();
        PartitionsAssigned { partitions: &names }.emit(&self.settings.probe);
        let mut unplaced = Vec::new();
        for read in reads {
            let next = read.next();
            let (topic, partition) = read.named;
            // Only names that the routes know are subscribed to.
            let Some(source) = self.routes.find(&topic) else { continue };
            if let Some(next) = next {
                self.settings.probe.position(&topic, partition, next, None);
            }
            let index = self.assignment.add(topic, partition, source, next);
            if let Place::Unknown(why) = read.place {
                unplaced.push((index, why));
            }
        }
        if self.damage.is_any() {
            self.show_held("the producer has not been made anew yet");
        }
        self.joined_again();
        // librdkafka keeps a pause over a rebalance: a partition that was held when it left would come back asleep.
        self.consumer.resume(&list).map_err(|error| Fault::Abort(format!("could not resume: {error}")))?;
        unplaced.into_iter().try_for_each(|(index, why)| self.hold_unplaced(index, &why))
    }

    fn revoke(&mut self, partitions: &[Named]) -> Result<(), Fault> {
        let names: Vec<_> = partitions.iter().map(|(topic, partition)| (&**topic, *partition)).collect();
        if self.consumer.assignment_lost() {
            self.lost_partitions(partitions);
            PartitionsLost { partitions: &names }.emit(&self.settings.probe);
        } else {
            PartitionsRevoked { partitions: &names }.emit(&self.settings.probe);
        }
        let gone = self.assignment.remove(partitions);
        self.damage.forget(partitions);
        if self.output.is_dry_run() {
            // Nothing is committed: should they come back, they go on here.
            self.starts.extend(gone.into_iter().map(|held| ((held.topic, held.partition), held.next)));
        }
        self.let_go(partitions)
    }

    fn let_go(&self, partitions: &[Named]) -> Result<(), Fault> {
        let mut list = TopicPartitionList::new();
        for (topic, partition) in partitions {
            list.add_partition(topic, partition.0);
        }
        consume::let_go(self.consumer, &list).map_err(|error| Fault::ConsumerLost(error.to_string()))
    }

    /// Holds the partitions whose next record the log does not have; nothing is skipped in silence.
    fn hold_out_of_range(&mut self) -> Result<(), Fault> {
        let partitions: Vec<_> =
            self.assignment.iter().map(|held| (held.topic.clone(), held.partition, held.next)).collect();
        for (index, (topic, partition, next)) in partitions.into_iter().enumerate() {
            if self.assignment.get(index).hold.is_some() {
                continue;
            }
            self.settings.probe.beat(Instant::now());
            let range = self.consumer.fetch_watermarks(&topic, partition.0, REQUEST_TIMEOUT);
            // librdkafka stops a partition for good when it reports this. One whose leader does not answer goes on as
            // well: should it be out of range too, that is reported again.
            let is_within = |(first, end): (i64, i64)| (first..=end).contains(&next.0);
            let (first, end) = match range {
                Ok(range) if !is_within(range) => range,
                Ok(_) | Err(_) => {
                    let held = self.assignment.get(index);
                    let list = assignment::list(std::iter::once((&*held, next)));
                    self.go_on(list)?;
                    continue;
                }
            };
            let detail = format!(
                "the next record is {next}, and the log now begins at {first} and ends at {end}; records were deleted before \
                 they were read: reset the group's offset with kafka-consumer-groups.sh and restart"
            );
            self.hold_because(index, HoldCause::OffsetOutOfRange, &detail)?;
        }
        Ok(())
    }

    /// Gives up what was staged since the last commit.
    pub(super) fn give_up(&mut self, why: &str) {
        TransactionAborted { why, records: self.tally.records(), after: self.output.staged_at().elapsed() }
            .emit(&self.settings.probe);
        self.forget();
    }

    /// Forgets what was staged since the last commit; the consumer goes back at the next turn.
    pub(super) fn forget(&mut self) {
        self.tally.clear();
        self.refused.search.aborted();
        self.assignment.rewind();
        self.is_behind = true;
    }

    /// Goes back to what is committed, in every partition, and lets held ones try again.
    pub(super) fn go_back(&mut self, now: Instant) -> Result<(), Fault> {
        if !self.is_behind {
            return Ok(());
        }
        for held in self.assignment.iter_mut().filter(|held| !held.stays()) {
            if let Some(hold) = held.release(now) {
                let after = now.duration_since(hold.since);
                PartitionReleased { topic: &held.topic, partition: held.partition, after }.emit(&self.settings.probe);
            }
        }
        let moving = self.assignment.iter().filter(|held| !held.stays());
        let list = assignment::list(moving.map(|held| (held, held.next)));
        if list.count() > 0 {
            self.go_on(list)?;
        }
        self.is_behind = false;
        Ok(())
    }

    /// Keeps polling for a while without taking records, so that the group does not evict us; shorter if it takes or gives
    /// partitions meanwhile, for others wait then.
    pub(super) fn pause_for(&self, pause: Duration) {
        let before = self.consumer.context().rebalances();
        let all = assignment::list(self.assignment.iter().map(|held| (held, held.next)));
        // Failing to pause costs fetching what is thrown away; the rewind puts it right.
        self.consumer.pause(&all).ok();
        let until = Instant::now() + pause;
        let is_over = || self.settings.stop.is_asked() || self.consumer.context().rebalances() > before;
        while Instant::now() < until && !is_over() {
            self.settings.probe.beat(Instant::now());
            let mut ignored = Batch::with_capacity(0);
            let left = until.saturating_duration_since(Instant::now());
            consume::poll(self.consumer, &self.queue, left.min(Duration::from_millis(50)), &mut ignored);
        }
    }
}
