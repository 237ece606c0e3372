//! The schemas that records name, for `/status`: what producers write with.

use std::cmp::Reverse;

use serde::Serialize;

use crate::gate::tally::OfSchema;
use crate::gate::verdict::Route;
use crate::telemetry::metrics::GateMetrics;

/// One schema that records named.
#[derive(Debug, Serialize)]
pub struct Schema {
    /// `key` or `value`.
    pub part: &'static str,
    /// The ID, or the GUID, that records name.
    pub schema: String,
    /// The subject where it was found, or looked for.
    pub subject: Option<String>,
    /// Its version there.
    pub version: Option<i32>,
    /// Records that named it, since the process started.
    pub records: u64,
    /// Those of them that are dead letters.
    pub dead_letters: u64,
}

/// Returns the schemas that metrics tell apart, by subject and the newest version first.
pub(super) fn of(metrics: &GateMetrics) -> Vec<Schema> {
    let mut schemas: Vec<_> = metrics.schemas().into_iter().map(Schema::from).collect();
    schemas.sort_by(|a, b| {
        let order = |of: &Schema| (of.subject.clone(), of.part, Reverse(of.version), Reverse(of.records));
        order(a).cmp(&order(b))
    });
    schemas
}

impl From<OfSchema> for Schema {
    fn from(OfSchema { name, routes }: OfSchema) -> Self {
        Self {
            part: name.part.name(),
            schema: name.schema.to_string(),
            subject: name.subject.map(|subject| subject.0.to_string()),
            version: name.version.map(|version| version.0),
            records: routes.iter().sum(),
            dead_letters: routes[Route::DeadLetter as usize],
        }
    }
}
