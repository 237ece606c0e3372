//! Prometheus metrics: one private registry per process, and each gate's part of it.
//!
//! Names and labels are a contract with dashboards. The cardinality is bounded by the
//! configuration (gates), by closed enums (outcome, reason, cause, result, client) and by
//! the assignment (topic, partition: forgotten when revoked); topics, schemas, subjects
//! and pairs are capped.
//! Outcome counters move only when the transaction that holds the records has committed,
//! so that they equal the truth: [`GateMetrics::committed`] is the one place.

mod clients;
mod configuration;
mod exports;
mod families;
mod gate;
mod jobs;
mod pipelines;
mod process;
mod registry;
mod schemas;
mod server;
mod topics;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use prometheus::proto::MetricFamily;
use prometheus::{Registry, TextEncoder};

pub use self::exports::ExportCounters;
use self::families::Families;
pub use self::gate::{GateMetrics, OutcomeCount};
pub use self::jobs::{JobFigures, RunFigures, VerifyFigures, render as render_job};
pub use self::registry::RegistryCounts;
pub use self::schemas::MAX_SCHEMAS;
pub use self::server::{NoConnection, ServerFigures, ServerRequests};
pub use self::topics::MAX_TOPICS;
use super::otlp::spans::Spans;
use super::{ConfigurationState, Health};

/// Subjects per gate that `sluice_target_version` shows: a gate with a subject per record type follows
/// whatever producers register, and a series per type must not be a way to fill the monitoring system.
pub const MAX_TARGET_SUBJECTS: usize = 500;

/// Pairs of schemas per gate that `sluice_conversions_total` tells apart; the writers of further ones are `others`.
pub const MAX_CONVERSIONS: usize = 500;

/// A kind of Kafka client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ClientKind {
    /// Reads sources.
    Consumer,
    /// Writes outputs.
    Producer,
}

impl ClientKind {
    /// All kinds.
    pub const ALL: [Self; 2] = [Self::Consumer, Self::Producer];

    /// Returns the label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Producer => "producer",
        }
    }
}

/// A way in which an assignment changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rebalance {
    Assigned,
    Revoked,
    Lost,
}

impl Rebalance {
    fn name(self) -> &'static str {
        match self {
            Self::Assigned => "assigned",
            Self::Revoked => "revoked",
            Self::Lost => "lost",
        }
    }
}

/// All metrics of the process.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    families: Families,
    gates: Mutex<BTreeMap<String, Arc<GateMetrics>>>,
    spans: Spans,
}

impl Metrics {
    /// Creates a registry of its own, with all families in it.
    #[must_use]
    pub fn new() -> Arc<Self> {
        let registry = Registry::new();
        let families = Families::register(&registry);
        process::register(&registry);
        Arc::new(Self { registry, families, gates: Mutex::default(), spans: Spans::default() })
    }

    /// Says whose process it is: the `application` of its configuration.
    pub fn application(&self, name: &str) {
        self.families.build.with_label_values(&[name, env!("CARGO_PKG_VERSION")]).set(1);
    }

    /// Adds how the pipelines are.
    ///
    /// # Panics
    /// When it is called twice.
    pub fn pipelines(&self, health: Arc<Health>) {
        pipelines::register(&self.registry, health);
    }

    /// Adds how the configuration was read.
    ///
    /// # Panics
    /// When it is called twice.
    pub fn configuration(&self, state: Arc<ConfigurationState>) {
        configuration::register(&self.registry, state);
    }

    /// Returns the metrics of a gate; the same ones for all its pipelines.
    #[must_use]
    pub fn gate(&self, name: &str) -> Arc<GateMetrics> {
        let mut gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(GateMetrics::new(name, &self.families, self.spans.clone()));
        Arc::clone(gates.entry(name.to_owned()).or_insert_with(new))
    }

    /// Returns the metrics of a gate that is there.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<Arc<GateMetrics>> {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    /// Returns when the counters of each gate have begun.
    #[must_use]
    pub(super) fn began(&self) -> BTreeMap<String, SystemTime> {
        let gates = self.gates.lock().unwrap_or_else(PoisonError::into_inner);
        gates.iter().map(|(name, gate)| (name.clone(), gate.began)).collect()
    }

    /// Forgets a gate, all pipelines of which have ended, and its series.
    pub fn forget(&self, name: &str) {
        self.gates.lock().unwrap_or_else(PoisonError::into_inner).remove(name);
        self.families.forget(name);
    }

    /// Adds the registry client's counters; `read` is called at each [`Metrics::render`].
    ///
    /// # Panics
    /// When it is called twice.
    pub fn registry_client(&self, read: impl Fn() -> RegistryCounts + Send + Sync + 'static) {
        registry::register(&self.registry, read);
    }

    /// Adds the counters of a registry that is served here; `read` is called at each [`Metrics::render`].
    ///
    /// # Panics
    /// When it is called twice.
    pub fn registry_server(&self, read: impl Fn() -> ServerFigures + Send + Sync + 'static) -> ServerRequests {
        server::register(&self.registry, self.spans.clone(), read).expect("there is one registry per process")
    }

    /// Adds the counters of the exporter.
    ///
    /// # Panics
    /// When it is called twice.
    #[must_use]
    pub fn exports(&self) -> ExportCounters {
        ExportCounters::register(&self.registry).expect("there is one exporter per process")
    }

    /// Returns where spans go.
    #[must_use]
    pub fn spans(&self) -> &Spans {
        &self.spans
    }

    /// Returns all families with their values of now.
    #[must_use]
    pub(super) fn gather(&self) -> Vec<MetricFamily> {
        self.registry.gather()
    }

    /// Returns all metrics in Prometheus' text format.
    ///
    /// # Panics
    /// Never: a gathered family has a name and a value.
    #[must_use]
    pub fn render(&self) -> String {
        let families = self.gather();
        TextEncoder::new().encode_to_string(&families).expect("a gathered family has a name and a value")
    }
}
