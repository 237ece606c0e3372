//! Events of partitions and topics: they come, go, wait and move again.
//!
//! Each of them changes what `/status` shows of the partition, so they go through the
//! probe: a partition that leaves takes its lag and its hold along.

use std::time::Duration;

use tracing::{info, warn};

use super::seconds;
use crate::record::{Offset, Partition};
use crate::telemetry::metrics::Rebalance;
use crate::telemetry::{HoldCause, Probe};

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
        if !probe.hold(topic, partition, cause, detail) {
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

/// Writes partitions as `topic-0, topic-1`.
fn list(partitions: &[(&str, Partition)]) -> String {
    let names: Vec<_> = partitions.iter().map(|(topic, partition)| format!("{topic}-{partition}")).collect();
    names.join(", ")
}
