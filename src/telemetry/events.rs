//! What happens seldom and matters: one struct per event, which logs *and* counts.
//!
//! Whoever emits an event cannot forget the counter or the picture in `/status`, and the
//! fields of a log line are in one place. Levels: *error* is for people now, *warn* for
//! people soon, *info* is what an operator wants to read afterwards. No event carries a
//! payload, a key or a header value.

use std::time::{Duration, Instant};

use tracing::{error, info, warn};

use super::metrics::Rebalance;
use super::state::Topics;
use super::{HoldCause, Probe};
use crate::gate::verdict::{Finding, Route};
use crate::record::{Offset, Partition, Position};
use crate::schema::{Subject, Version};

/// A pipeline begins to serve its gate, or found other topics.
#[derive(Debug)]
pub struct GateStarted {
    /// The topics served.
    pub topics: Topics,
    /// The consumer group.
    pub group: String,
    /// `enforce`, `pass-all` or `dry-run`.
    pub mode: &'static str,
}

impl GateStarted {
    /// Logs it and shows the topics.
    pub fn emit(self, probe: &Probe) {
        let outputs: Vec<_> = self.topics.outputs.iter().map(|(outcome, topic)| format!("{outcome}={topic}")).collect();
        info!(
            gate = probe.gate(),
            pipeline = probe.state().number(),
            group = self.group,
            mode = self.mode,
            sources = self.topics.sources.join(","),
            outputs = outputs.join(","),
            "gate started"
        );
        probe.topics(self.topics);
    }
}

/// Partitions came; also joins, since only a member gets any.
#[derive(Debug)]
pub struct PartitionsAssigned<'a> {
    /// Those that came, not those that were there.
    pub partitions: &'a [(&'a str, Partition)],
}

impl PartitionsAssigned<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        info!(gate = probe.gate(), partitions = list(self.partitions), "partitions assigned");
        probe.assigned(self.partitions);
        probe.joined();
    }
}

/// Partitions went in order: what they had was committed.
#[derive(Debug)]
pub struct PartitionsRevoked<'a> {
    /// Those that went.
    pub partitions: &'a [(&'a str, Partition)],
}

impl PartitionsRevoked<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        info!(gate = probe.gate(), partitions = list(self.partitions), "partitions revoked");
        probe.unassigned(self.partitions, Rebalance::Revoked);
    }
}

/// Partitions were lost: another member may have them already, so nothing was committed.
#[derive(Debug)]
pub struct PartitionsLost<'a> {
    /// Those that went.
    pub partitions: &'a [(&'a str, Partition)],
}

impl PartitionsLost<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        let partitions = list(self.partitions);
        warn!(gate = probe.gate(), partitions, "partitions lost");
        probe.incident(format!("partitions lost: {partitions}"));
        probe.unassigned(self.partitions, Rebalance::Lost);
    }
}

/// A partition waits, for a cause that is not the record's fault.
#[derive(Debug)]
pub struct PartitionHeld<'a> {
    /// The source topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: Partition,
    /// Offset of the *next* record: the one that waits.
    pub next: Offset,
    /// Why.
    pub cause: HoldCause,
    /// One line: what was tried, what to do.
    pub detail: &'a str,
}

impl PartitionHeld<'_> {
    /// Logs and counts it once: while the cause stays the same, further calls do nothing.
    pub fn emit(self, probe: &Probe) {
        let Self { topic, partition, next, cause, detail } = self;
        if !probe.hold(topic, partition, cause) {
            return;
        }
        let (gate, cause) = (probe.gate(), cause.name());
        warn!(gate, topic, partition = partition.0, next = next.0, cause, detail, "partition held");
        probe.incident(format!("{topic}-{partition} held at {next}, {cause}: {detail}"));
    }
}

/// A partition that was held moves again.
#[derive(Debug)]
pub struct PartitionReleased<'a> {
    /// The source topic.
    pub topic: &'a str,
    /// The partition.
    pub partition: Partition,
    /// How long it was held.
    pub after: Duration,
}

impl PartitionReleased<'_> {
    /// Logs and counts it; a partition that was not held is passed over.
    pub fn emit(self, probe: &Probe) {
        let Some(cause) = probe.release(self.topic, self.partition) else { return };
        info!(
            gate = probe.gate(),
            topic = self.topic,
            partition = self.partition.0,
            cause = cause.name(),
            after = seconds(self.after),
            "partition released"
        );
    }
}

/// A source topic was found that cannot be served, such as one whose outputs are missing; the others go on.
#[derive(Debug)]
pub struct TopicHeld<'a> {
    /// The source topic.
    pub topic: &'a str,
    /// Why.
    pub cause: HoldCause,
    /// One line: what was found, what to do.
    pub detail: &'a str,
}

impl TopicHeld<'_> {
    /// Logs it once, and counts the topic as one held partition.
    pub fn emit(self, probe: &Probe) {
        let Self { topic, cause, detail } = self;
        if !probe.hold_topic(topic, cause, detail) {
            return;
        }
        warn!(gate = probe.gate(), topic, cause = cause.name(), detail, "topic held");
        probe.incident(format!("topic '{topic}' held, {cause}: {detail}"));
    }
}

/// A topic that was held can be served now, or is gone.
#[derive(Debug)]
pub struct TopicReleased<'a> {
    /// The source topic.
    pub topic: &'a str,
}

impl TopicReleased<'_> {
    /// Logs and counts it; a topic that was not held is passed over.
    pub fn emit(self, probe: &Probe) {
        let Some(cause) = probe.release_topic(self.topic) else { return };
        info!(gate = probe.gate(), topic = self.topic, cause = cause.name(), "topic released");
    }
}

/// A transaction was aborted; its records will be read again.
#[derive(Debug)]
pub struct TransactionAborted<'a> {
    /// One line: the error, or why we chose to.
    pub why: &'a str,
    /// Records that will be read again.
    pub records: u64,
}

impl TransactionAborted<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), why = self.why, records = self.records, "transaction aborted");
        probe.metrics().aborted();
        probe.incident(format!("transaction of {} records aborted: {}", self.records, self.why));
    }
}

/// The producer was replaced by a new one with the same transactional.id.
#[derive(Debug)]
pub struct ProducerRebuilt<'a> {
    /// One line: the error that the old one ended with.
    pub why: &'a str,
}

impl ProducerRebuilt<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), why = self.why, "producer rebuilt");
        probe.metrics().rebuilt_producer();
        probe.incident(format!("producer rebuilt: {}", self.why));
    }
}

/// The consumer was replaced by a new one.
#[derive(Debug)]
pub struct ConsumerRebuilt<'a> {
    /// One line: the error that the old one ended with.
    pub why: &'a str,
}

impl ConsumerRebuilt<'_> {
    /// Logs it and shows it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), why = self.why, "consumer rebuilt");
        probe.incident(format!("consumer rebuilt: {}", self.why));
    }
}

/// A target version is known for the first time, or `latest` has changed.
#[derive(Debug)]
pub struct TargetChanged<'a> {
    /// The subject of the readers.
    pub subject: &'a Subject,
    /// The version until now; `None` for the first.
    pub from: Option<Version>,
    /// The version from now on.
    pub to: Version,
}

impl TargetChanged<'_> {
    /// Logs it, and counts it where there was a version before.
    pub fn emit(self, probe: &Probe) {
        let (gate, subject, to) = (probe.gate(), &*self.subject.0, self.to.0);
        match self.from {
            None => info!(gate, subject, to, "target version"),
            Some(from) => {
                warn!(gate, subject, from = from.0, to, "target version changed");
                probe.metrics().target_changed();
                probe.incident(format!("target version of '{subject}' changed from {from} to {to}"));
            }
        }
        probe.metrics().target(self.subject, self.to);
    }
}

/// A record was found at fault; one of many is logged.
#[derive(Debug)]
pub struct BadRecord<'a> {
    /// The record.
    pub position: Position<'a>,
    /// Where it goes.
    pub route: Route,
    /// What is wrong with it.
    pub finding: &'a Finding,
}

impl BadRecord<'_> {
    /// Logs it unless one of the same gate and reason was logged a short time ago; its outcome is counted with its transaction.
    pub fn emit(self, probe: &Probe, now: Instant) {
        let violation = &self.finding.violation;
        let Some(suppressed) = probe.metrics().samples.take(violation.code, now) else { return };
        warn!(
            gate = probe.gate(),
            topic = self.position.topic,
            partition = self.position.partition.0,
            offset = self.position.offset.0,
            outcome = self.route.outcome(),
            reason = violation.code.name(),
            path = violation.path.as_deref(),
            detail = violation.detail,
            part = self.finding.part.name(),
            schema = self.finding.schema.map(tracing::field::display),
            suppressed,
            "bad record"
        );
    }
}

/// The registry cannot be asked; schemas at hand go on.
#[derive(Debug)]
pub struct RegistryUnavailable<'a> {
    /// One line: the last URL tried and the error.
    pub error: &'a str,
}

impl RegistryUnavailable<'_> {
    /// Logs it.
    pub fn emit(self) {
        warn!(error = self.error, "registry unavailable");
    }
}

/// The registry answers again.
#[derive(Debug)]
pub struct RegistryBack {
    /// How long it did not.
    pub after: Duration,
}

impl RegistryBack {
    /// Logs it.
    pub fn emit(self) {
        info!(after = seconds(self.after), "registry back");
    }
}

/// A pipeline cannot go on.
#[derive(Debug)]
pub struct PipelineFailed<'a> {
    /// One line: the error and what to do.
    pub error: &'a str,
}

impl PipelineFailed<'_> {
    /// Logs it and shows it.
    pub fn emit(self, probe: &Probe) {
        error!(gate = probe.gate(), pipeline = probe.state().number(), error = self.error, "pipeline failed");
        probe.incident(format!("pipeline failed: {}", self.error));
    }
}

/// The process was asked to stop.
#[derive(Debug)]
pub struct Stopping<'a> {
    /// By what: `SIGTERM`, a failed pipeline.
    pub why: &'a str,
}

impl Stopping<'_> {
    /// Logs it.
    pub fn emit(self) {
        info!(why = self.why, "stopping");
    }
}

/// Writes partitions as `topic-0, topic-1`.
fn list(partitions: &[(&str, Partition)]) -> String {
    let names: Vec<_> = partitions.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
    names.join(", ")
}

fn seconds(time: Duration) -> String {
    format!("{:.1}s", time.as_secs_f64())
}
