//! The metrics of one gate, over all its pipelines: labels resolved once, counters that move with transactions.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::{Histogram, IntCounter, IntGauge};

use super::clients::Clients;
use super::families::Families;
use super::schemas::SchemaCounters;
use super::topics::TopicCounters;
use super::{ClientKind, MAX_CONVERSIONS, MAX_TARGET_SUBJECTS, Rebalance};
use crate::gate::extent::Extent;
use crate::gate::tally::{OfSchema, Tally};
use crate::gate::verdict::Route;
use crate::kafka::statistics::Statistics;
use crate::record::Partition;
use crate::schema::table::Pair;
use crate::schema::{Subject, Version};
use crate::telemetry::HoldCause;
use crate::telemetry::events::RebuildCause;
use crate::telemetry::otlp::spans::Spans;
use crate::telemetry::sample::Sampler;
use crate::telemetry::sightings::{Sighting, Sightings};
use crate::violation::ReasonCode;

/// The extents of dead letters that are counted, in the order of [`Tally::reduced`].
const REDUCED: [Extent; 3] = [Extent::NoDetail, Extent::Minimal, Extent::Truncated];

/// The metrics of one gate, labels resolved.
#[derive(Debug)]
pub struct GateMetrics {
    gate: String,
    pub(super) began: SystemTime,
    families: Families,
    topics: TopicCounters,
    pub(super) schemas: SchemaCounters,
    reduced: [IntCounter; REDUCED.len()],
    conversions: Mutex<BTreeMap<Pair, IntCounter>>,
    overtime: IntCounter,
    batches: IntCounter,
    batch_records: Histogram,
    transaction_seconds: Histogram,
    commit_seconds: Histogram,
    age_seconds: Histogram,
    committed: IntCounter,
    aborted: IntCounter,
    rebuilds: [IntCounter; RebuildCause::ALL.len()],
    assigned: IntGauge,
    target_changes: IntCounter,
    limit_trips: IntCounter,
    subjects: Mutex<BTreeSet<Subject>>,
    clients: [Mutex<Clients>; ClientKind::ALL.len()],
    pub(in crate::telemetry) samples: Sampler,
    pub(in crate::telemetry) spans: Spans,
    pub(in crate::telemetry) sightings: Sightings,
}

/// The records of one gate that had one outcome for one reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutcomeCount {
    /// Where they went.
    pub route: Route,
    /// What was wrong with them.
    pub reason: Option<ReasonCode>,
    /// How many, since the process started.
    pub records: u64,
}

impl GateMetrics {
    pub(super) fn new(gate: &str, families: &Families, spans: Spans) -> Self {
        for cause in HoldCause::ALL {
            families.held.with_label_values(&[gate, cause.name()]).set(0);
        }
        Self {
            gate: gate.to_owned(),
            began: SystemTime::now(),
            families: families.clone(),
            topics: TopicCounters::new(gate, families),
            schemas: SchemaCounters::new(gate, families),
            reduced: REDUCED.map(|extent| families.reduced.with_label_values(&[gate, extent.name()])),
            conversions: Mutex::default(),
            overtime: families.overtime.with_label_values(&[gate]),
            batches: families.batches.with_label_values(&[gate]),
            batch_records: families.batch_records.with_label_values(&[gate]),
            transaction_seconds: families.transaction_seconds.with_label_values(&[gate]),
            commit_seconds: families.commit_seconds.with_label_values(&[gate]),
            age_seconds: families.age_seconds.with_label_values(&[gate]),
            committed: families.transactions.with_label_values(&[gate, "committed"]),
            aborted: families.transactions.with_label_values(&[gate, "aborted"]),
            rebuilds: RebuildCause::ALL.map(|cause| families.rebuilds.with_label_values(&[gate, cause.name()])),
            assigned: families.assigned.with_label_values(&[gate]),
            target_changes: families.target_changes.with_label_values(&[gate]),
            limit_trips: families.limit_trips.with_label_values(&[gate]),
            subjects: Mutex::default(),
            clients: ClientKind::ALL.map(|kind| Mutex::new(Clients::new(gate, kind, families))),
            samples: Sampler::default(),
            spans,
            sightings: Sightings::default(),
        }
    }

    /// Counts a committed transaction, or what stands for one in a dry run and with at-least-once delivery: its records,
    /// the time since it began, and how much of that the commit took.
    pub fn committed(&self, tally: &Tally, transaction: Duration, commit: Duration) {
        self.counted(tally);
        self.committed.inc();
        self.transaction_seconds.observe(transaction.as_secs_f64());
        self.commit_seconds.observe(commit.as_secs_f64());
        if let Some(oldest) = tally.oldest() {
            self.age_seconds.observe(age(oldest).as_secs_f64());
        }
    }

    /// Shows a source topic from now on.
    pub fn source(&self, topic: &str) {
        self.topics.begin(topic);
    }

    pub(super) fn counted(&self, tally: &Tally) {
        self.topics.add(tally);
        self.schemas.add(tally.schemas(), Instant::now());
        for (route, reason, _) in tally.sources().flat_map(|(_, amounts)| amounts) {
            if let Some(reason) = reason {
                self.sightings.counted(route, reason, SystemTime::now());
            }
        }
        for ((_, count), counter) in tally.reduced().zip(&self.reduced) {
            counter.inc_by(count);
        }
        for (pair, records) in tally.conversions() {
            self.conversion(pair).inc_by(records);
        }
    }

    /// Counts an aborted transaction.
    pub fn aborted(&self) {
        self.aborted.inc();
    }

    /// Counts records whose expressions have used up their time.
    pub fn overtime(&self, records: u64) {
        self.overtime.inc_by(records);
    }

    /// Counts a producer that was replaced.
    pub fn rebuilt_producer(&self, cause: RebuildCause) {
        self.rebuilds[cause as usize].inc();
    }

    /// Counts a batch of records that was polled.
    pub fn batch(&self, records: usize) {
        self.batches.inc();
        self.batch_records.observe(records as f64);
    }

    /// Changes the number of partitions that are held for a cause.
    pub fn held(&self, cause: HoldCause, delta: i64) {
        self.families.held.with_label_values(&[self.gate.as_str(), cause.name()]).add(delta);
    }

    /// Sets how many records of a source partition are not committed yet.
    pub fn lag(&self, topic: &str, partition: Partition, records: i64) {
        let partition = partition.to_string();
        self.families.lag.with_label_values(&[self.gate.as_str(), topic, &partition]).set(records);
    }

    /// Forgets the lag of a partition that is no longer ours.
    pub fn forget_partition(&self, topic: &str, partition: Partition) {
        let partition = partition.to_string();
        // An error says that the series is absent, which is what we want: a partition may leave before it had a lag.
        self.families.lag.remove_label_values(&[self.gate.as_str(), topic, &partition]).ok();
    }

    /// Sets the target version of a subject; see [`MAX_TARGET_SUBJECTS`].
    pub fn target(&self, subject: &Subject, version: Version) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        if subjects.len() >= MAX_TARGET_SUBJECTS && !subjects.contains(subject) {
            return;
        }
        self.families.target_version.with_label_values(&[self.gate.as_str(), &*subject.0]).set(version.0.into());
        subjects.insert(subject.clone());
    }

    /// Forgets the targets, since the gate begins anew and may have others.
    pub fn forget_targets(&self) {
        let mut subjects = self.subjects.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in std::mem::take(&mut *subjects) {
            // It is there, for it was set.
            self.families.target_version.remove_label_values(&[self.gate.as_str(), &*subject.0]).ok();
        }
    }

    /// Takes over what a Kafka client reports; sums are over the clients of all pipelines of the gate.
    pub fn statistics(&self, client: ClientKind, report: &Statistics) {
        self.clients[client as usize].lock().unwrap_or_else(PoisonError::into_inner).update(report);
    }

    /// Returns the outcomes counted so far, those without a reason first.
    #[must_use]
    pub fn outcomes(&self) -> Vec<OutcomeCount> {
        self.topics.outcomes()
    }

    /// Returns the schemas that have series of their own, with their records.
    #[must_use]
    pub fn schemas(&self) -> Vec<OfSchema> {
        self.schemas.shown()
    }

    /// Returns when and where a reason was met.
    #[must_use]
    pub fn sighting(&self, route: Route, reason: ReasonCode) -> Sighting {
        self.sightings.get(route, reason)
    }

    /// Returns the name of the gate.
    #[must_use]
    pub fn gate(&self) -> &str {
        &self.gate
    }

    /// Returns the counter of a pair of schemas; see [`MAX_CONVERSIONS`].
    pub(super) fn conversion(&self, pair: &Pair) -> IntCounter {
        let mut conversions = self.conversions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(counter) = conversions.get(pair) {
            return counter.clone();
        }
        let Pair { from, to, way } = pair;
        let from = if conversions.len() < MAX_CONVERSIONS { from.as_str() } else { "others" };
        let counter = self.families.conversions.with_label_values(&[self.gate.as_str(), from, to, way]);
        conversions.insert(pair.clone(), counter.clone());
        counter
    }

    pub(in crate::telemetry) fn rebalanced(&self, kind: Rebalance, partitions: usize) {
        self.families.rebalances.with_label_values(&[self.gate.as_str(), kind.name()]).inc();
        let partitions = i64::try_from(partitions).unwrap_or(i64::MAX);
        match kind {
            Rebalance::Assigned => self.assigned.add(partitions),
            Rebalance::Revoked | Rebalance::Lost => self.assigned.sub(partitions),
        }
    }

    pub(in crate::telemetry) fn tripped(&self) {
        self.limit_trips.inc();
    }

    pub(in crate::telemetry) fn target_changed(&self) {
        self.target_changes.inc();
    }
}

/// Returns how long ago this was, in milliseconds since 1970-01-01 UTC; producers' clocks may be ahead.
fn age(timestamp: i64) -> Duration {
    let then = Duration::from_millis(u64::try_from(timestamp).unwrap_or(0));
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().saturating_sub(then)
}
