//! What one pipeline reports to: the metrics of its gate and its own state, kept equal.
//!
//! The plain methods are for what happens all the time (turns, commits); what happens
//! seldom and deserves a line in the log is an event of [`super::events`].

use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use super::metrics::Rebalance;
use super::otlp::spans::Span;
use super::state::{Held, PartitionState, Phase, PipelineState, Topics};
use super::{GateMetrics, Health, HoldCause, Metrics};
use crate::gate::tally::Tally;
use crate::gate::verdict::Route;
use crate::record::{Offset, Partition};

/// The place where one pipeline reports.
#[derive(Debug, Clone)]
pub struct Probe {
    metrics: Arc<GateMetrics>,
    state: Arc<PipelineState>,
}

impl Probe {
    /// Adds pipeline `number` (from 0) of a gate to metrics and health.
    #[must_use]
    pub fn new(metrics: &Metrics, health: &Health, gate: &str, number: usize) -> Self {
        Self { metrics: metrics.gate(gate), state: health.pipeline(gate, number) }
    }

    /// Returns the metrics of the gate.
    #[must_use]
    pub fn metrics(&self) -> &GateMetrics {
        &self.metrics
    }

    /// Returns the state of the pipeline.
    #[must_use]
    pub fn state(&self) -> &PipelineState {
        &self.state
    }

    /// Returns the name of the gate.
    #[must_use]
    pub fn gate(&self) -> &str {
        self.metrics.gate()
    }

    /// Notes a turn of the loop, with the loop's own timestamp.
    pub fn beat(&self, now: Instant) {
        self.state.beat(now);
    }

    /// Notes that outputs are checked and the group is being joined: the pipeline is ready, with or without partitions.
    pub fn joined(&self) {
        self.state.lock().phase = Phase::Running;
    }

    /// Notes that the pipeline has left the group; its partitions and their lag are forgotten.
    pub fn stopped(&self) {
        self.forget_all(Rebalance::Revoked);
        self.state.lock().phase = Phase::Stopped;
    }

    /// Notes that the consumer is lost, and with it all partitions: the pipeline starts anew.
    pub fn lost_consumer(&self) {
        self.forget_all(Rebalance::Lost);
        self.state.lock().phase = Phase::Starting;
    }

    fn forget_all(&self, kind: Rebalance) {
        let partitions: Vec<_> = self.state.lock().partitions.keys().cloned().collect();
        let partitions: Vec<_> = partitions.iter().map(|(topic, partition)| (topic.as_str(), *partition)).collect();
        if !partitions.is_empty() {
            self.unassigned(&partitions, kind);
        }
        let topics: Vec<_> = self.state.lock().held_topics.keys().cloned().collect();
        for topic in &topics {
            self.release_topic(topic);
        }
    }

    /// Returns the topics that are held for this cause.
    #[must_use]
    pub fn held_topics(&self, cause: HoldCause) -> Vec<String> {
        let board = self.state.lock();
        let held = board.held_topics.iter().filter(|(_, held)| held.cause == cause);
        held.map(|(topic, _)| topic.clone()).collect()
    }

    /// Sets the topics that the pipeline serves.
    pub fn topics(&self, topics: Topics) {
        topics.sources.iter().for_each(|topic| self.metrics.source(topic));
        self.state.lock().topics = topics;
    }

    /// Counts a committed transaction; see [`GateMetrics::committed`].
    pub fn committed(&self, tally: &Tally, transaction: Duration, commit: Duration) {
        self.metrics.committed(tally, transaction, commit);
        self.metrics.spans.record(|| {
            let whole = self.transaction("committed", tally.records(), transaction);
            let commit = whole.last_part("commit", commit);
            [outcomes(whole, tally), commit]
        });
    }

    /// Traces an aborted transaction; [`super::events::TransactionAborted`] counts it.
    pub(super) fn aborted(&self, why: &str, records: u64, after: Duration) {
        self.metrics.spans.record(|| [self.transaction("aborted", records, after).failed(why)]);
    }

    /// Traces a rebalance that was answered: `assigned`, `revoked` or `lost`.
    pub fn rebalanced(&self, kind: &str, partitions: usize, took: Duration) {
        self.metrics.spans.record(|| {
            let span = self.of_pipeline(Span::ended("rebalance", took)).with("sluice.rebalance", kind);
            [span.with("sluice.partitions", partitions as u64)]
        });
    }

    fn transaction(&self, result: &str, records: u64, took: Duration) -> Span {
        let span = self.of_pipeline(Span::ended("transaction", took));
        span.with("sluice.result", result).with("messaging.batch.message_count", records)
    }

    fn of_pipeline(&self, span: Span) -> Span {
        let span = span.with("messaging.system", "kafka").with("sluice.gate", self.gate());
        span.with("sluice.pipeline", self.state.number() as u64)
    }

    /// Sets the position of an assigned partition: the offset of the *next* record as committed, and the records
    /// from there to the last stable offset where that is known.
    pub fn position(&self, topic: &str, partition: Partition, next: Offset, lag: Option<i64>) {
        if let Some(state) = self.state.lock().partitions.get_mut(&(topic.to_owned(), partition)) {
            state.committed = Some(next);
            state.lag = lag.or(state.lag);
        } else {
            return;
        }
        if let Some(lag) = lag {
            self.metrics.lag(topic, partition, lag);
        }
    }

    pub(super) fn assigned(&self, partitions: &[(&str, Partition)]) {
        let mut board = self.state.lock();
        for (topic, partition) in partitions {
            let before = board.partitions.insert(((*topic).to_owned(), *partition), PartitionState::default());
            self.move_held(before.and_then(|state| state.held).map(|held| held.cause), None);
        }
        drop(board);
        self.metrics.rebalanced(Rebalance::Assigned, partitions.len());
    }

    pub(super) fn unassigned(&self, partitions: &[(&str, Partition)], kind: Rebalance) {
        for (topic, partition) in partitions {
            let gone = self.state.lock().partitions.remove(&((*topic).to_owned(), *partition));
            self.move_held(gone.and_then(|state| state.held).map(|held| held.cause), None);
            self.metrics.forget_partition(topic, *partition);
        }
        self.metrics.rebalanced(kind, partitions.len());
    }

    /// Holds an assigned partition; tells whether that is news.
    pub(super) fn hold(&self, topic: &str, partition: Partition, cause: HoldCause, detail: &str) -> bool {
        let mut board = self.state.lock();
        let Some(state) = board.partitions.get_mut(&(topic.to_owned(), partition)) else { return false };
        let held = Held::anew(state.held.as_ref(), cause, detail);
        let before = state.held.replace(held).map(|held| held.cause);
        drop(board);
        self.move_held(before, Some(cause))
    }

    /// Notes when a held partition is tried again by itself, or its record decided.
    pub fn held_for(&self, topic: &str, partition: Partition, time: Duration) {
        let mut board = self.state.lock();
        let held = board.partitions.get_mut(&(topic.to_owned(), partition)).and_then(|state| state.held.as_mut());
        if let Some(held) = held {
            held.until = SystemTime::now().checked_add(time);
        }
    }

    /// Releases a partition; returns why it was held.
    pub(super) fn release(&self, topic: &str, partition: Partition) -> Option<HoldCause> {
        let cause = self.state.lock().partitions.get_mut(&(topic.to_owned(), partition))?.held.take();
        let cause = cause.map(|held| held.cause);
        self.move_held(cause, None);
        cause
    }

    /// Holds a topic that is not subscribed to; tells whether that is news.
    pub(super) fn hold_topic(&self, topic: &str, cause: HoldCause, detail: &str) -> bool {
        let mut board = self.state.lock();
        let held = Held::anew(board.held_topics.get(topic), cause, detail);
        let before = board.held_topics.insert(topic.to_owned(), held);
        drop(board);
        self.move_held(before.as_ref().map(|held| held.cause), Some(cause));
        before.is_none_or(|before| before.cause != cause || before.detail != detail)
    }

    /// Releases a topic; returns why it was held.
    pub(super) fn release_topic(&self, topic: &str) -> Option<HoldCause> {
        let cause = self.state.lock().held_topics.remove(topic).map(|held| held.cause);
        self.move_held(cause, None);
        cause
    }

    fn move_held(&self, from: Option<HoldCause>, to: Option<HoldCause>) -> bool {
        if from != to {
            from.into_iter().for_each(|cause| self.metrics.held(cause, -1));
            to.into_iter().for_each(|cause| self.metrics.held(cause, 1));
        }
        from != to
    }

    pub(super) fn incident(&self, what: String) {
        self.state.incident(what);
    }
}

/// Adds what became of the records: how many had each outcome, and their bytes.
fn outcomes(span: Span, tally: &Tally) -> Span {
    let mut bytes = 0;
    let mut records = [0; Route::ALL.len()];
    for (route, _, amount) in tally.sources().flat_map(|(_, amounts)| amounts) {
        records[route as usize] += amount.records;
        bytes += amount.bytes;
    }
    let counted = Route::ALL.into_iter().zip(records).filter(|(_, records)| *records > 0);
    counted.fold(span.with("sluice.bytes", bytes), |span, (route, records)| {
        span.with(&format!("sluice.records.{}", route.outcome()), records)
    })
}
