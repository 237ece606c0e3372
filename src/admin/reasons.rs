//! What was wrong with records, for `/status`: each reason with its meaning, since when, and examples.
//!
//! Examples say where to look (topic, partition, offset, field, schema) and hold no values.

use std::cmp::Reverse;

use serde::Serialize;

use super::status::time;
use crate::telemetry::metrics::{GateMetrics, OutcomeCount};
pub use crate::telemetry::sightings::Example;

/// One reason with one outcome.
#[derive(Debug, Serialize)]
pub struct Reason {
    /// The reason code.
    pub reason: &'static str,
    /// What it means, in a sentence.
    pub meaning: &'static str,
    /// Where such records went.
    pub outcome: &'static str,
    /// Records since the process started.
    pub records: u64,
    /// Since when it is met, UTC: ten minutes without it end that.
    pub since: Option<String>,
    /// When it was met last, UTC.
    pub last: Option<String>,
    /// The last that were looked at, the newest first.
    pub examples: Vec<Example>,
}

impl Example {
    /// Says whose it is and what was found, in a line.
    pub(super) fn in_short(&self) -> String {
        let version = self.version.map(|version| format!(" version {version}")).unwrap_or_default();
        let subject = self.subject.as_ref().map(|subject| format!("{subject}{version}, "));
        let field = self.path.as_ref().map(|path| format!("field {path}: "));
        [subject.as_deref(), field.as_deref(), Some(&self.detail)].into_iter().flatten().collect()
    }
}

/// Returns the reasons that were counted, what was met last first.
pub(super) fn of(metrics: &GateMetrics, counts: &[OutcomeCount]) -> Vec<Reason> {
    let mut reasons: Vec<_> = counts.iter().filter_map(|count| reason(metrics, count)).collect();
    // By the minute: one that goes on is no less present than one of the very last commit.
    let minute = |reason: &Reason| reason.last.as_ref().map(|last| last.chars().take(16).collect::<String>());
    reasons.sort_by_key(|reason| Reverse((minute(reason), reason.records)));
    reasons
}

fn reason(metrics: &GateMetrics, count: &OutcomeCount) -> Option<Reason> {
    let code = count.reason?;
    let sighting = metrics.sighting(count.route, code);
    let (since, last) = sighting.times.map(|(since, last)| (time(since), time(last))).unzip();
    Some(Reason {
        reason: code.name(),
        meaning: code.meaning(),
        outcome: count.route.outcome(),
        records: count.records,
        since,
        last,
        examples: sighting.examples.into_iter().rev().collect(),
    })
}
