//! Holding a partition back, and letting it go on.
//!
//! A fault that is not the record's stops the record's partition, and only that: it is paused,
//! so nothing more of it is fetched, and the loop goes on polling, so the group keeps us. What
//! was fetched already is scanned for further missing schemas, which are asked for at once.
//! To go on, the consumer seeks back to the record that waited.

use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;

use super::Fault;
use super::assignment::{self, Hold};
use super::fetch::News;
use super::output::Staged;
use super::run::Loop;
use crate::gate::verdict::{Decision, Needs};
use crate::kafka::clients::REQUEST_TIMEOUT;
use crate::record::Record;
use crate::schema::table::Need;
use crate::telemetry::HoldCause;
use crate::telemetry::events::{PartitionHeld, PartitionReleased, TargetChanged};

impl Loop<'_> {
    /// Stops a partition before a record whose schemas are not at hand, and asks for them.
    pub(super) fn hold_for_schemas(&mut self, index: usize, needs: Needs, now: Instant) -> Result<(), Fault> {
        for &need in &needs {
            self.ask(index, need, now);
        }
        self.hold(index, needs, now)
    }

    /// Asks for what a further record of a held partition lacks.
    pub(super) fn scan(&mut self, index: usize, record: &Record<'_>) {
        let source = self.assignment.get(index).source;
        if let Decision::NeedSchemas(needs) = self.routes.get(source).gate.decide(record, source, &self.table) {
            let now = Instant::now();
            needs.into_iter().for_each(|need| self.ask(index, need, now));
        }
    }

    fn ask(&mut self, index: usize, need: Need, now: Instant) {
        let unknown = self.settings.config.registry.unknown_schema;
        let patience = self.assignment.get(index).patience(unknown.max_hold, now);
        let route = self.routes.get(need.slot.source);
        self.fetch.ask(need, route, unknown.grace.min(patience));
    }

    /// Stops a partition before a record that its output did not take.
    #[cold]
    pub(super) fn hold_unstaged(&mut self, index: usize, staged: &Staged) -> Result<(), Fault> {
        let (cause, detail) = match staged {
            Staged::Yes => return Ok(()),
            Staged::TooLarge => (
                HoldCause::Oversize,
                "the record is larger than its output takes; raise the output's max.message.bytes".to_owned(),
            ),
            Staged::NoOutput(code) => (
                HoldCause::TargetUnavailable,
                format!("the output has no such partition ({code}); add partitions to it"),
            ),
        };
        self.hold_because(index, cause, &detail)
    }

    /// Stops a partition until a person has acted and the pipeline starts again.
    pub(super) fn hold_because(&mut self, index: usize, cause: HoldCause, detail: &str) -> Result<(), Fault> {
        self.hold(index, Needs::new(), Instant::now())?;
        self.explain_hold(index, cause, detail);
        Ok(())
    }

    fn hold(&mut self, index: usize, needs: Needs, now: Instant) -> Result<(), Fault> {
        let held = self.assignment.get(index);
        held.hold = Some(Hold { cause: None, since: now, needs });
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
        for news in self.fetch.take(&mut self.table, now) {
            match news {
                News::Known(need) => self.release_waiting(need, now)?,
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

    fn explain_waiting(&mut self, need: Need, cause: HoldCause, detail: &str) {
        for index in self.assignment.waiting_for(need) {
            self.explain_hold(index, cause, detail);
        }
    }

    fn release_waiting(&mut self, need: Need, now: Instant) -> Result<(), Fault> {
        for index in self.assignment.waiting_for(need) {
            let slots = self.assignment.get(index).hold.iter().flat_map(|hold| hold.needs.iter());
            if slots.clone().all(|need| self.table.get(need.slot, need.schema).is_some()) {
                self.release(index, now)?;
            }
        }
        Ok(())
    }

    fn release(&mut self, index: usize, now: Instant) -> Result<(), Fault> {
        let held = self.assignment.get(index);
        let next = held.next;
        let list = assignment::list(std::iter::once((&*held, next)));
        if let Some(hold) = held.release(now) {
            PartitionReleased { topic: &held.topic, partition: held.partition, after: now.duration_since(hold.since) }
                .emit(&self.settings.probe);
        }
        self.go_on(list)
    }

    /// Reads on from the offsets in the list.
    pub(super) fn go_on(&self, list: TopicPartitionList) -> Result<(), Fault> {
        let timeout: Duration = REQUEST_TIMEOUT;
        let list = self
            .consumer
            .seek_partitions(list, timeout)
            .map_err(|error| Fault::Abort(format!("could not seek: {error}")))?;
        for element in list.elements() {
            if let Err(error) = element.error() {
                let place = format!("{}-{}", element.topic(), element.partition());
                return Err(Fault::Abort(format!("could not seek in {place}: {error}")));
            }
        }
        self.consumer.resume(&list).map_err(|error| Fault::Abort(format!("could not resume: {error}")))
    }
}
