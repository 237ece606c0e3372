//! The registry client's counters, read when somebody asks.
//!
//! The client counts with plain atomics and knows no metrics library; families are made
//! from a snapshot at each scrape, so nothing is counted twice and nothing runs between.

use std::fmt;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounterVec, IntGauge, Opts, Registry};

/// What the registry client has counted since the process started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryCounts {
    /// Calls by outcome; the names are a closed set of the client.
    pub calls: Vec<(&'static str, u64)>,
    /// Schemas found at hand.
    pub cache_hits: u64,
    /// Schemas that had to be fetched.
    pub cache_misses: u64,
    /// Schemas known now.
    pub known_schemas: u64,
    /// Whether the registry answers, as far as is known.
    pub is_up: bool,
    /// Known IDs under which the registry has another schema.
    pub changed_schemas: u64,
    /// Files of the cache on disk by what became of them; empty without one.
    pub files: Vec<(&'static str, u64)>,
}

pub(super) fn register(registry: &Registry, read: impl Fn() -> RegistryCounts + Send + Sync + 'static) {
    let collector = FromClient { read: Box::new(read), descs: families(&RegistryCounts::default()).descs() };
    registry.register(Box::new(collector)).expect("there is one registry client per process");
}

struct FromClient {
    read: Box<dyn Fn() -> RegistryCounts + Send + Sync>,
    descs: Vec<Desc>,
}

impl Collector for FromClient {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        families(&(self.read)()).collect()
    }
}

impl fmt::Debug for FromClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromClient").finish_non_exhaustive()
    }
}

struct RegistryFamilies {
    calls: IntCounterVec,
    cache: IntCounterVec,
    known: IntGauge,
    up: IntGauge,
    changed: IntGauge,
    files: IntCounterVec,
}

fn families(counts: &RegistryCounts) -> RegistryFamilies {
    let made = || -> prometheus::Result<RegistryFamilies> {
        Ok(RegistryFamilies {
            calls: IntCounterVec::new(
                Opts::new("sluice_registry_calls_total", "Calls to the registry by outcome"),
                &["outcome"],
            )?,
            cache: IntCounterVec::new(
                Opts::new("sluice_registry_cache_total", "Schemas asked for, by whether they were at hand"),
                &["result"],
            )?,
            known: IntGauge::new("sluice_registry_known_schemas", "Schemas known")?,
            up: IntGauge::new("sluice_registry_up", "1 while the registry answers or was not asked, 0 in an outage")?,
            changed: IntGauge::new(
                "sluice_registry_changed_schemas",
                "Known IDs under which the registry has another schema than before; any is an alarm",
            )?,
            files: IntCounterVec::new(
                Opts::new(
                    "sluice_registry_cache_files_total",
                    "Files of the schema cache on disk, by what became of them",
                ),
                &["result"],
            )?,
        })
    };
    let families = made().expect("names and labels are constants");
    for (outcome, calls) in &counts.calls {
        families.calls.with_label_values(&[*outcome]).inc_by(*calls);
    }
    families.cache.with_label_values(&["hit"]).inc_by(counts.cache_hits);
    families.cache.with_label_values(&["miss"]).inc_by(counts.cache_misses);
    for (result, files) in &counts.files {
        families.files.with_label_values(&[*result]).inc_by(*files);
    }
    families.known.set(i64::try_from(counts.known_schemas).unwrap_or(i64::MAX));
    families.up.set(counts.is_up.into());
    families.changed.set(i64::try_from(counts.changed_schemas).unwrap_or(i64::MAX));
    families
}

impl RegistryFamilies {
    fn all(&self) -> [&dyn Collector; 6] {
        [&self.calls, &self.cache, &self.known, &self.up, &self.changed, &self.files]
    }

    fn descs(&self) -> Vec<Desc> {
        self.all().iter().flat_map(|family| family.desc()).cloned().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        // A family without series is not shown, and the text format refuses one.
        self.all().iter().flat_map(|family| family.collect()).filter(|family| !family.get_metric().is_empty()).collect()
    }
}
