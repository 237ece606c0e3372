//! The registry that the process asks, its schemas, and what is counted of both; a reload may replace it.
//!
//! Whoever asks for schemas holds them, and with them the task that looks at the targets. So those of an earlier registry end
//! with the last gate that asks it; gates that check nothing hold none of them.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Error;
use crate::config::{Config, Gate};
use crate::registry::client::Client;
use crate::registry::disk::{Disk, DiskCounts};
use crate::registry::schemas::Schemas;
use crate::telemetry::current::Current;
use crate::telemetry::metrics::RegistryCounts;
use crate::telemetry::otlp::spans::Spans;
use crate::telemetry::{Metrics, RegistryState};

/// The registry of now.
#[derive(Debug)]
pub(super) struct Registry {
    schemas: Arc<Current<Schemas>>,
    /// What gates have that ask nothing.
    none: Arc<Schemas>,
    /// What was counted of earlier registries.
    before: Arc<Mutex<RegistryCounts>>,
    /// Ends unanswered with the process.
    _first_question: JoinSet<()>,
}

impl Registry {
    /// Begins with that of a configuration, and asks it once, so that a wrong address or password shows before any record needs
    /// it. Nothing waits for the answer: an outage holds records and keeps no process from starting.
    ///
    /// # Errors
    /// The client cannot be made, or the folder of the cache cannot be used.
    pub(super) fn start(config: &Config, metrics: &Metrics) -> Result<Self, Error> {
        let registry = &config.registry;
        let client = Client::traced(registry, metrics.spans().clone())?;
        let disk = registry.cache_dir.as_deref().map(|path| Disk::open(path, &registry.urls)).transpose()?;
        let schemas = Schemas::new(client, registry.refresh, disk);
        let mut first_question = JoinSet::new();
        if !registry.urls.is_empty() {
            let schemas = Arc::clone(&schemas);
            first_question.spawn(async move { schemas.greet().await });
        }
        let schemas = Current::new(schemas);
        let before = Arc::<Mutex<RegistryCounts>>::default();
        let counted = (Arc::clone(&schemas), Arc::clone(&before));
        metrics.registry_client(move || counts(&counted.0.get(), &counted.1));
        Ok(Self { schemas, none: none()?, before, _first_question: first_question })
    }

    /// Asks another one from now on; what was counted is counted on. Returns what is known of its health.
    pub(super) fn replace(&self, client: Client, refresh: Duration, disk: Option<Disk>) -> Arc<RegistryState> {
        let so_far = counts(&self.schemas.get(), &self.before);
        let schemas = Schemas::new(client, refresh, disk);
        let state = schemas.state();
        self.schemas.set(schemas);
        *self.before.lock().unwrap_or_else(PoisonError::into_inner) = so_far;
        state
    }

    /// Returns what is known of its health.
    pub(super) fn state(&self) -> Arc<RegistryState> {
        self.schemas.get().state()
    }

    /// Returns the schemas that a gate is to ask for.
    pub(super) fn schemas_for(&self, gate: &Gate) -> Arc<Schemas> {
        if gate.parts().next().is_some() { self.schemas.get() } else { Arc::clone(&self.none) }
    }
}

/// Makes the schemas of no registry.
fn none() -> Result<Arc<Schemas>, Error> {
    let nobody = crate::config::Registry::default();
    let refresh = nobody.refresh;
    Ok(Schemas::new(Client::traced(&nobody, Spans::default())?, refresh, None))
}

/// Returns what is counted of these schemas and was of those before them.
fn counts(schemas: &Schemas, before: &Mutex<RegistryCounts>) -> RegistryCounts {
    let before = before.lock().unwrap_or_else(PoisonError::into_inner);
    let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    let calls = schemas.calls();
    let files = schemas.disk_counts().map(|files| {
        let DiskCounts { loaded, written, ignored, failed } = files;
        [("loaded", read(loaded)), ("written", read(written)), ("ignored", read(ignored)), ("failed", read(failed))]
    });
    let board = schemas.state().board();
    RegistryCounts {
        calls: sum(
            &before.calls,
            &[("ok", read(&calls.ok)), ("not_found", read(&calls.not_found)), ("transient", read(&calls.transient))],
        ),
        cache_hits: before.cache_hits + read(&calls.hits),
        cache_misses: before.cache_misses + read(&calls.misses),
        known_schemas: schemas.known_schemas() as u64,
        is_up: board.outage.is_none(),
        changed_schemas: board.changed.len() as u64,
        files: sum(&before.files, files.as_ref().map_or(&[], |files| files)),
    }
}

fn sum(before: &[(&'static str, u64)], now: &[(&'static str, u64)]) -> Vec<(&'static str, u64)> {
    let mut sums = BTreeMap::new();
    for (name, count) in before.iter().chain(now) {
        *sums.entry(*name).or_insert(0) += count;
    }
    sums.into_iter().collect()
}
