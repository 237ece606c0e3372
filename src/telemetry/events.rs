//! What happens seldom and matters: one struct per event, which logs *and* counts.
//!
//! Whoever emits an event cannot forget the counter or the picture in `/status`, and the
//! fields of a log line are in one place. Levels: *error* is for people now, *warn* for
//! people soon, *info* is what an operator wants to read afterwards. No event carries a
//! payload, a key or a header value.

mod configuration;
mod export;
mod partitions;
mod registry;

use std::time::{Duration, Instant, SystemTime};

use tracing::{error, info, warn};

pub use self::configuration::{ConfigurationReloaded, GateBegins, GateEnds, GateStands, ReloadRefused};
pub use self::export::{ExportFailed, ExportResumed};
pub use self::partitions::{
    PartitionHeld, PartitionReleased, PartitionsAssigned, PartitionsLost, PartitionsRevoked, TopicHeld, TopicReleased,
};
pub use self::registry::{
    CacheFileIgnored, CacheNotWritten, ConversionsUnchecked, RegistryBack, RegistryUnavailable, RulesFromCache,
    SchemaChanged, SchemaConfirmed, SchemaGone, TargetFromCache, VersionWithoutWay,
};
use super::Probe;
use super::state::Topics;
use crate::gate::limit::{Limit, Share};
use crate::gate::verdict::{Finding, Route};
use crate::record::Position;
use crate::schema::{Subject, Version};

/// A pipeline begins to serve its gate, or found other topics.
#[derive(Debug)]
pub struct GateStarted {
    /// `gate` or `converter`.
    pub kind: &'static str,
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
            kind = self.kind,
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

/// A transaction was aborted; its records will be read again.
#[derive(Debug)]
pub struct TransactionAborted<'a> {
    /// One line: the error, or why we chose to.
    pub why: &'a str,
    /// Records that will be read again.
    pub records: u64,
    /// How long ago it began.
    pub after: Duration,
}

impl TransactionAborted<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), why = self.why, records = self.records, "transaction aborted");
        probe.metrics().aborted();
        probe.aborted(self.why, self.records, self.after);
        probe.incident(format!("transaction of {} records aborted: {}", self.records, self.why));
    }
}

/// The producer was replaced by a new one with the same transactional.id.
#[derive(Debug)]
pub struct ProducerRebuilt<'a> {
    /// One line: the error that the old one ended with.
    pub why: &'a str,
    /// Which kind of end it was.
    pub cause: RebuildCause,
}

/// Why a producer is replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RebuildCause {
    /// An error left it of no use.
    Lost,
    /// Somebody else has its transactional.id, or its coordinator gave up on a transaction.
    Fenced,
    /// Its last transaction has ended and may have been ended twice.
    DoubtfulEnd,
    /// Outputs take smaller batches than they did, or other sizes of records.
    Limits,
    /// Records were refused, which leaves a gap in its sequence numbers.
    Refused,
}

impl RebuildCause {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Lost, Self::Fenced, Self::DoubtfulEnd, Self::Limits, Self::Refused];

    /// The name in metrics and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::Fenced => "fenced",
            Self::DoubtfulEnd => "doubtful_end",
            Self::Limits => "limits",
            Self::Refused => "refused",
        }
    }
}

impl ProducerRebuilt<'_> {
    /// Logs and counts it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), cause = self.cause.name(), why = self.why, "producer rebuilt");
        probe.metrics().rebuilt_producer(self.cause);
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

/// So many records were dead letters that the pipeline holds.
#[derive(Debug)]
pub struct DeadLetterLimitReached {
    /// What was counted.
    pub share: Share,
    /// What is allowed.
    pub limit: Limit,
}

impl DeadLetterLimitReached {
    /// Logs and counts it, and shows the pipeline as held.
    pub fn emit(self, probe: &Probe) {
        let (gate, pipeline) = (probe.gate(), probe.state().number());
        let Share { dead_letters, records } = self.share;
        let window = humantime::format_duration(self.limit.window);
        let ratio = self.limit.ratio;
        let hint = format!("mend the reason, then POST /gates/{gate}/resume on the admin address, or restart");
        error!(gate, pipeline, dead_letters, records, ratio, %window, hint, "dead-letter limit reached, gate holds");
        probe.metrics().tripped();
        probe.incident(format!(
            "dead-letter limit reached: {dead_letters} of {records} records in {window}; the gate holds until POST /gates/{gate}/resume or a restart"
        ));
        probe.state().limit(Some(self.share));
    }
}

/// An operator let a pipeline go on that was held by the dead-letter limit.
#[derive(Debug)]
pub struct DeadLetterLimitReset;

impl DeadLetterLimitReset {
    /// Logs it and shows it.
    pub fn emit(self, probe: &Probe) {
        warn!(gate = probe.gate(), pipeline = probe.state().number(), "resumed: the dead-letter limit counts anew");
        probe.incident("resumed by an operator: the dead-letter limit counts anew".to_owned());
        probe.state().limit(None);
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
        probe.metrics().sightings.example(self.route, self.finding, self.position, SystemTime::now());
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

fn seconds(time: Duration) -> String {
    format!("{:.1}s", time.as_secs_f64())
}
