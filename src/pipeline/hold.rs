//! Holding a partition back, and letting it go on.
//!
//! A fault that is not the record's stops the record's partition, and only that: it is paused,
//! so nothing more of it is fetched, and the loop goes on polling, so the group keeps us. What
//! was fetched already is scanned for further missing schemas, which are asked for at once.
//! To go on, the consumer seeks back to the record that waited.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{Consumer as _, RebalanceProtocol};

use super::Fault;
use super::assignment::{self, Hold};
use super::consume;
use super::deliveries::protocol_name;
use super::fetch::News;
use super::positions;
use super::run::Loop;
use super::staged::{Origin, Staged};
use crate::gate::verdict::{Decision, Needs};
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::record::{Offset, Partition, Record};
use crate::schema::table::{Entry, Need};
use crate::telemetry::HoldCause;
use crate::telemetry::events::{PartitionHeld, PartitionReleased, TargetChanged};

/// Time until a partition whose output was not there is tried again: metadata are refreshed by then.
const RETRY_AFTER: Duration = Duration::from_secs(30);

/// How often that time is doubled for a record that no output takes: each try ends a transaction. 16 minutes.
const LONGEST_RETRY: u32 = 5;

impl Loop<'_> {
    /// Stops a partition before a record whose schemas are not at hand, and asks for them.
    pub(super) fn hold_for_schemas(&mut self, index: usize, needs: Needs, now: Instant) -> Result<(), Fault> {
        for &need in &needs {
            let grace = self.grace(index, now);
            self.fetch.ask(need, self.routes.get(need.slot.source), grace);
        }
        self.hold(index, needs, now)
    }

    /// Asks for what a further record of a held partition lacks.
    pub(super) fn scan(&mut self, index: usize, record: &Record<'_>) {
        let source = self.assignment.get(index).source;
        let gate = &self.routes.get(source).gate;
        if let Decision::NeedSchemas(needs) = gate.decide(record, source, &self.table, &mut self.rewrite) {
            let now = Instant::now();
            let grace = self.grace(index, now);
            needs.iter().for_each(|need| self.fetch.ask_ahead(*need, self.routes.get(need.slot.source), grace));
        }
        // What its expressions took counts when its turn comes.
        self.rewrite.pace().take_overtime();
    }

    /// Returns how long the registry may not know a schema that this partition waits for.
    fn grace(&mut self, index: usize, now: Instant) -> Duration {
        let unknown = self.settings.config.registry.unknown_schema;
        unknown.grace.min(self.assignment.get(index).patience(unknown.max_hold, now))
    }

    /// Stops a partition before a record that its output did not take.
    #[cold]
    pub(super) fn hold_unstaged(&mut self, index: usize, staged: &Staged) -> Result<(), Fault> {
        let origin = Origin::next_of(self.assignment.get(index));
        let outputs = &self.routes.get(origin.source).outputs;
        let dead_letter = &outputs.dead_letter;
        let (cause, detail) = match staged {
            Staged::Yes => return Ok(()),
            Staged::OverLimit => return self.hold_at_limit(),
            Staged::TooLarge => (
                HoldCause::Oversize,
                format!(
                    "the record is larger than its output takes, and the dead letters '{dead_letter}' too; raise \
                     max.message.bytes of one, or choose 'oversize: truncate'; it is tried again"
                ),
            ),
            Staged::Refused(code) => (
                HoldCause::RecordRefused,
                format!(
                    "its output refuses the record, and so do the dead letters '{dead_letter}' ({}); it is tried again",
                    protocol_name(*code)
                ),
            ),
            Staged::NoOutput(route, code) => (
                HoldCause::TargetUnavailable,
                format!(
                    "topic '{}' or this partition of it is not there ({code}); it is tried again every {} s",
                    outputs.topic(*route).unwrap_or_default(),
                    RETRY_AFTER.as_secs()
                ),
            ),
        };
        let tries = self.refused.get(origin).map_or(0, |known| known.tries);
        self.hold_because(index, cause, &detail)?;
        self.put_off_for(index, RETRY_AFTER * (1 << tries.min(LONGEST_RETRY)));
        Ok(())
    }

    /// Sets after what time a held partition is tried again.
    pub(super) fn put_off_for(&mut self, index: usize, time: Duration) {
        let held = self.assignment.get(index);
        if let Some(hold) = &mut held.hold {
            hold.retry_at = Some(Instant::now() + time);
            self.settings.probe.held_for(&held.topic, held.partition, time);
        }
    }

    /// Lets partitions go on whose output may be there by now, or take the record.
    pub(super) fn retry_held(&mut self, now: Instant) -> Result<(), Fault> {
        self.place_again(now)?;
        self.look_again(now)?;
        self.assignment.due(now).into_iter().try_for_each(|index| {
            let origin = Origin::next_of(self.assignment.get(index));
            self.refused.try_again(origin);
            self.release(index, now)
        })
    }

    /// Stops a partition for a cause that waiting for schemas does not mend: until a person has acted, or, where the caller
    /// sets a time, for another try.
    pub(super) fn hold_because(&mut self, index: usize, cause: HoldCause, detail: &str) -> Result<(), Fault> {
        self.hold(index, Needs::new(), Instant::now())?;
        self.explain_hold(index, cause, detail);
        Ok(())
    }

    fn hold(&mut self, index: usize, needs: Needs, now: Instant) -> Result<(), Fault> {
        let held = self.assignment.get(index);
        held.hold = Some(Hold { cause: None, since: now, retry_at: None, needs });
        let next = held.next;
        let list = assignment::list(std::iter::once((&*held, next)));
        self.consumer.pause(&list).map_err(|error| Fault::Abort(format!("could not pause a partition: {error}")))
    }

    fn explain_hold(&mut self, index: usize, cause: HoldCause, detail: &str) {
        let held = self.assignment.get(index);
        if let Some(hold) = &mut held.hold {
            hold.cause = Some(cause);
        }
        PartitionHeld { topic: &held.topic, partition: held.partition, next: held.next, cause, detail }
            .emit(&self.settings.probe);
    }

    /// Takes the registry's answers and lets partitions go on that have what they waited for.
    pub(super) fn take_news(&mut self, now: Instant) -> Result<(), Fault> {
        let assignment = &self.assignment;
        for news in self.fetch.take(&mut self.table, now, |need| assignment.still_needs(need)) {
            match news {
                News::Known(need) => {
                    self.show_target(need);
                    self.release_waiting(need, now)?;
                }
                News::Waiting { need, cause, detail } => self.explain_waiting(need, cause, &detail),
                News::Unusable(need, reason) => {
                    let detail = format!("schema {} cannot be compiled: {reason}", need.schema);
                    self.explain_waiting(need, HoldCause::UnusableSchema, &detail);
                }
                News::TargetChanged(change) => {
                    TargetChanged { subject: &change.subject, from: change.from, to: change.to }
                        .emit(&self.settings.probe);
                }
            }
        }
        Ok(())
    }

    /// Shows the target by which a schema was judged: one that is pinned, or was known before this pipeline began, is no news.
    fn show_target(&self, need: Need) {
        let Some(Entry::Judged(judgement)) = self.table.get(need.slot, need.schema) else { return };
        let converted = judgement.conversion.as_ref().map(|conversion| (&conversion.to.subject, conversion.to.version));
        if let Some((subject, version)) = converted.or(judgement.subject.as_ref().zip(judgement.target)) {
            self.settings.probe.metrics().target(subject, version);
        }
    }

    fn explain_waiting(&mut self, need: Need, cause: HoldCause, detail: &str) {
        for index in self.assignment.waiting_for(need) {
            self.explain_hold(index, cause, detail);
            if cause == HoldCause::UnknownSchema {
                self.show_grace(index);
            }
        }
    }

    /// Shows how long the registry may still not know what a partition waits for.
    fn show_grace(&mut self, index: usize) {
        let now = Instant::now();
        let grace = self.grace(index, now);
        let held = self.assignment.get(index);
        if let Some(hold) = &held.hold {
            let rest = (hold.since + grace).saturating_duration_since(now);
            self.settings.probe.held_for(&held.topic, held.partition, rest);
        }
    }

    /// Lets partitions go on that wait for this schema. One that waits for another too is held again: the first answer
    /// alone may decide its record, and answers that refuse are not kept for ever.
    fn release_waiting(&mut self, need: Need, now: Instant) -> Result<(), Fault> {
        self.assignment.waiting_for(need).into_iter().try_for_each(|index| self.release(index, now))
    }

    pub(super) fn release(&mut self, index: usize, now: Instant) -> Result<(), Fault> {
        let held = self.assignment.get(index);
        let next = held.next;
        let list = assignment::list(std::iter::once((&*held, next)));
        if let Some(hold) = held.release(now) {
            PartitionReleased { topic: &held.topic, partition: held.partition, after: now.duration_since(hold.since) }
                .emit(&self.settings.probe);
        }
        self.go_on(list)
    }

    /// Takes partitions anew that librdkafka has stopped, which does not seek in such. Where the protocol is eager only all
    /// partitions can be taken: a new consumer does.
    fn reassign(&mut self, stopped: &TopicPartitionList) -> Result<(), Fault> {
        if matches!(self.consumer.rebalance_protocol(), RebalanceProtocol::Eager) {
            return Err(Fault::ConsumerLost("a partition was stopped, and could not be taken anew".to_owned()));
        }
        self.consumer
            .incremental_unassign(stopped)
            .and_then(|()| consume::take(self.consumer, &mut self.queue, stopped))
            .map_err(|error| Fault::Abort(format!("could not seek, nor take the partitions anew: {error}")))
    }

    /// Reads on from the offsets in the list.
    pub(super) fn go_on(&mut self, list: TopicPartitionList) -> Result<(), Fault> {
        let timeout: Duration = REQUEST_TIMEOUT;
        let list = self
            .consumer
            .seek_partitions(list, timeout)
            .map_err(|error| Fault::Abort(format!("could not seek: {error}")))?;
        let mut stopped = TopicPartitionList::new();
        for element in list.elements().iter().filter(|element| element.error().is_err()) {
            let next = element.offset().to_raw().unwrap_or_default();
            positions::add(&mut stopped, element.topic(), Partition(element.partition()), Offset(next));
        }
        if stopped.count() > 0 {
            self.reassign(&stopped)?;
        }
        self.consumer.resume(&list).map_err(|error| Fault::Abort(format!("could not resume: {error}")))
    }
}
