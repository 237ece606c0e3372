//! The parts of `/status`: topics, pipelines, partitions, counts and incidents, each as it is written.

use std::time::SystemTime;

use serde::Serialize;

use crate::gate::limit::Share;
use crate::record;
use crate::telemetry::metrics::OutcomeCount;
use crate::telemetry::registry::RegistryBoard;
use crate::telemetry::state::{self, Incident, PartitionState};

/// The registry, as far as it was asked.
#[derive(Debug, Serialize)]
pub struct Registry {
    /// `ok` or `unavailable`.
    pub state: &'static str,
    /// Since when it is unavailable, UTC.
    pub since: Option<String>,
    /// Why it is unavailable.
    pub error: Option<String>,
    /// Known IDs under which it has another schema than before: an alarm. 100 at most.
    pub changed_ids: Vec<i32>,
    /// Known IDs that it no longer has. 100 at most.
    pub gone_ids: Vec<i32>,
}

/// One output topic.
#[derive(Debug, Serialize, PartialEq, Eq, PartialOrd, Ord)]
pub struct Output {
    /// `validated`, `converter` or `dead_letter`.
    pub outcome: &'static str,
    /// The topic.
    pub topic: String,
}

/// One pipeline.
#[derive(Debug, Serialize)]
pub struct Pipeline {
    /// Its number, from 0.
    pub number: usize,
    /// As of the gate.
    pub state: &'static str,
    /// Milliseconds since the last turn of its loop; null before the first.
    pub last_turn_ms: Option<u128>,
    /// What the dead-letter limit counted when it stopped the pipeline; null while it does not hold it.
    pub dead_letter_limit: Option<Tripped>,
}

/// Dead letters beyond the limit.
#[derive(Debug, Serialize)]
pub struct Tripped {
    /// When, UTC.
    pub at: String,
    /// The dead letters.
    pub dead_letters: u64,
    /// All records, these included.
    pub records: u64,
}

/// One assigned partition.
#[derive(Debug, Serialize)]
pub struct Partition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// Offset of the *next* record as committed; null until the first commit.
    pub committed: Option<i64>,
    /// Records not committed yet; null while the end is not known.
    pub lag: Option<i64>,
    /// Why it waits; null when it does not.
    pub held: Option<&'static str>,
    /// Since when it waits for that, UTC.
    pub held_since: Option<String>,
    /// When it is tried again by itself, or its record decided, UTC; null where it waits for an answer or a person.
    pub held_until: Option<String>,
    /// What was found, what to do.
    pub held_detail: Option<String>,
}

/// One topic that cannot be served.
#[derive(Debug, Serialize)]
pub struct HeldTopic {
    /// The topic.
    pub topic: String,
    /// Why.
    pub cause: &'static str,
    /// Since when, UTC.
    pub since: String,
    /// What was found, what to do.
    pub detail: String,
}

/// One count.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// `validated`, `converter`, `dead_letter`, `dropped`, `converted` or `skipped`.
    pub outcome: &'static str,
    /// The reason code; null for good records.
    pub reason: Option<&'static str>,
    /// Records.
    pub records: u64,
}

/// One incident.
#[derive(Debug, Serialize)]
pub struct Event {
    /// When, UTC.
    pub at: String,
    /// What.
    pub what: String,
}

impl From<((String, record::Partition), PartitionState)> for Partition {
    fn from(((topic, partition), state): ((String, record::Partition), PartitionState)) -> Self {
        Self {
            topic,
            partition: partition.0,
            committed: state.committed.map(|next| next.0),
            lag: state.lag,
            held: state.held.as_ref().map(|held| held.cause.name()),
            held_since: state.held.as_ref().map(|held| time(held.since)),
            held_until: state.held.as_ref().and_then(|held| held.until).map(time),
            held_detail: state.held.map(|held| held.detail),
        }
    }
}

impl From<RegistryBoard> for Registry {
    fn from(board: RegistryBoard) -> Self {
        let (since, error) = board.outage.map(|outage| (time(outage.since), outage.error)).unzip();
        Self {
            state: if since.is_some() { "unavailable" } else { "ok" },
            since,
            error,
            changed_ids: board.changed.into_iter().map(|id| id.0).collect(),
            gone_ids: board.gone.into_iter().map(|id| id.0).collect(),
        }
    }
}

/// Writes a time as RFC 3339 does, UTC.
pub(in crate::admin) fn time(at: SystemTime) -> String {
    humantime::format_rfc3339_millis(at).to_string()
}

impl From<state::Tripped> for Tripped {
    fn from(tripped: state::Tripped) -> Self {
        let Share { dead_letters, records } = tripped.share;
        Self { at: time(tripped.at), dead_letters, records }
    }
}

impl From<OutcomeCount> for Outcome {
    fn from(count: OutcomeCount) -> Self {
        let OutcomeCount { route, reason, records } = count;
        Self { outcome: route.outcome(), reason: reason.map(|code| code.name()), records }
    }
}

impl From<Incident> for Event {
    fn from(incident: Incident) -> Self {
        Self { at: time(incident.at), what: incident.what }
    }
}
