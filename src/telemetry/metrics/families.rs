//! The metric families: the one table of names, labels, help texts and buckets.

use std::collections::HashMap;

use prometheus::core::{Collector, MetricVec, MetricVecBuilder};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

/// Seconds; the commit interval (250 ms) and the transaction timeout (15 s) are bounds of their own, so that a look
/// tells on which side one is.
const SECONDS: &[f64] = &[0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];

/// Seconds of one request and answer.
const RTT_SECONDS: &[f64] = &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0];

/// Seconds from a record's own time until it was committed: from live traffic to history that is read again.
const AGE_SECONDS: &[f64] = &[0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 1_800.0, 7_200.0, 86_400.0, 604_800.0];

/// The labels of what is counted by outcome.
const OUTCOME_LABELS: &[&str] = &["gate", "topic", "outcome", "reason"];

/// Records per batch.
const RECORDS: &[f64] = &[1.0, 10.0, 100.0, 500.0, 1_000.0, 5_000.0, 10_000.0, 50_000.0, 100_000.0];

/// All families that have a series per gate. Clones share their values.
#[derive(Debug, Clone)]
pub(super) struct Families {
    pub(super) build: IntGaugeVec,
    pub(super) records: IntCounterVec,
    pub(super) schemas: IntCounterVec,
    pub(super) reduced: IntCounterVec,
    pub(super) conversions: IntCounterVec,
    pub(super) overtime: IntCounterVec,
    pub(super) bytes: IntCounterVec,
    pub(super) batches: IntCounterVec,
    pub(super) batch_records: HistogramVec,
    pub(super) transaction_seconds: HistogramVec,
    pub(super) commit_seconds: HistogramVec,
    pub(super) age_seconds: HistogramVec,
    pub(super) transactions: IntCounterVec,
    pub(super) rebuilds: IntCounterVec,
    pub(super) rebalances: IntCounterVec,
    pub(super) assigned: IntGaugeVec,
    pub(super) lag: IntGaugeVec,
    pub(super) held: IntGaugeVec,
    pub(super) target_version: IntGaugeVec,
    pub(super) target_changes: IntCounterVec,
    pub(super) limit_trips: IntCounterVec,
    pub(super) clients: ClientFamilies,
}

/// Those of a gate's Kafka clients.
#[derive(Debug, Clone)]
pub(super) struct ClientFamilies {
    pub(super) queue_bytes: IntGaugeVec,
    pub(super) queue_records: IntGaugeVec,
    pub(super) outbuf_requests: IntGaugeVec,
    pub(super) tx_bytes: IntCounterVec,
    pub(super) rx_bytes: IntCounterVec,
    pub(super) rtt_seconds: HistogramVec,
}

impl Families {
    pub(super) fn register(registry: &Registry) -> Self {
        let on = Maker(registry);
        Self {
            build: on.gauge(
                "sluice_build_info",
                "1, labelled with the application of the configuration and the version of this binary",
                &["application", "version"],
            ),
            records: on.counter(
                "sluice_records_total",
                "Records by outcome, counted when their transaction has committed; reason is empty for good records",
                OUTCOME_LABELS,
            ),
            schemas: on.counter(
                "sluice_schema_records_total",
                "The records that name a schema, by that of their value, or of their key where the key ended the judgement; \
                 200 schemas per gate, the rest as other",
                &["gate", "part", "schema", "subject", "version", "outcome"],
            ),
            reduced: on.counter(
                "sluice_dead_letters_reduced_total",
                "Dead letters made smaller to fit their topic, by what is left: no_detail, minimal, truncated",
                &["gate", "extent"],
            ),
            conversions: on.counter(
                "sluice_conversions_total",
                "Records converted, by subject and version of writer and target and by the way",
                &["gate", "from", "to", "way"],
            ),
            overtime: on.counter(
                "sluice_expression_overtime_total",
                "Records whose expressions have used up their time, retries included",
                &["gate"],
            ),
            bytes: on.counter("sluice_bytes_total", "Bytes of keys and values of the records counted", OUTCOME_LABELS),
            batches: on.counter("sluice_batches_total", "Batches polled", &["gate"]),
            batch_records: on.histogram("sluice_batch_records", "Records per batch", &["gate"], RECORDS),
            transaction_seconds: on.histogram(
                "sluice_transaction_seconds",
                "Time from the begin of a transaction until it was committed",
                &["gate"],
                SECONDS,
            ),
            commit_seconds: on.histogram("sluice_commit_seconds", "Time of the commit alone", &["gate"], SECONDS),
            age_seconds: on.histogram(
                "sluice_record_age_seconds",
                "Age of the oldest record of a transaction when it was committed",
                &["gate"],
                AGE_SECONDS,
            ),
            transactions: on.counter("sluice_transactions_total", "Transactions by result", &["gate", "result"]),
            rebuilds: on.counter("sluice_producer_rebuilds_total", "Producers made anew, by cause", &["gate", "cause"]),
            rebalances: on.counter("sluice_rebalances_total", "Changes of the assignment", &["gate", "kind"]),
            assigned: on.gauge("sluice_assigned_partitions", "Source partitions assigned here", &["gate"]),
            lag: on.gauge("sluice_lag_records", "Records not committed yet", &["gate", "topic", "partition"]),
            held: on.gauge("sluice_held_partitions", "Source partitions that wait, by cause", &["gate", "cause"]),
            target_version: on.gauge("sluice_target_version", "Target version in use", &["gate", "subject"]),
            target_changes: on.counter("sluice_target_changes_total", "Changes of a target version", &["gate"]),
            limit_trips: on.counter(
                "sluice_dead_letter_limit_total",
                "Times that a pipeline was held because too many records were dead letters",
                &["gate"],
            ),
            clients: ClientFamilies::register(&on),
        }
    }
}

impl ClientFamilies {
    fn register(on: &Maker<'_>) -> Self {
        Self {
            queue_bytes: on.client_gauge("sluice_kafka_queue_bytes", "Bytes in the queues of Kafka clients"),
            queue_records: on.client_gauge("sluice_kafka_queue_records", "Records in the queues of Kafka clients"),
            outbuf_requests: on.client_gauge("sluice_kafka_outbuf_requests", "Requests that wait to be sent"),
            tx_bytes: on.counter("sluice_kafka_tx_bytes_total", "Bytes sent to brokers", &["gate", "client"]),
            rx_bytes: on.counter("sluice_kafka_rx_bytes_total", "Bytes received from brokers", &["gate", "client"]),
            rtt_seconds: on.histogram(
                "sluice_kafka_rtt_seconds",
                "Time from request to answer: one mean value per broker and statistics interval",
                &["gate", "client"],
                RTT_SECONDS,
            ),
        }
    }
}

impl Families {
    /// Removes all series of a gate.
    pub(super) fn forget(&self, gate: &str) {
        for counters in [
            &self.records,
            &self.schemas,
            &self.reduced,
            &self.conversions,
            &self.overtime,
            &self.bytes,
            &self.batches,
            &self.transactions,
            &self.rebuilds,
            &self.rebalances,
            &self.target_changes,
            &self.limit_trips,
            &self.clients.tx_bytes,
            &self.clients.rx_bytes,
        ] {
            forget(counters, gate);
        }
        for gauges in [
            &self.assigned,
            &self.lag,
            &self.held,
            &self.target_version,
            &self.clients.queue_bytes,
            &self.clients.queue_records,
            &self.clients.outbuf_requests,
        ] {
            forget(gauges, gate);
        }
        for histograms in [
            &self.batch_records,
            &self.transaction_seconds,
            &self.commit_seconds,
            &self.age_seconds,
            &self.clients.rtt_seconds,
        ] {
            forget(histograms, gate);
        }
    }
}

/// Removes the series of one family that are a gate's.
fn forget<T: MetricVecBuilder>(family: &MetricVec<T>, gate: &str) {
    for series in family.collect().iter().flat_map(MetricFamily::get_metric) {
        let labels: HashMap<&str, &str> =
            series.get_label().iter().map(|label| (label.name(), label.value())).collect();
        if labels.get("gate") == Some(&gate) {
            // It was there a moment ago, and nobody else removes it.
            family.remove(&labels).ok();
        }
    }
}

/// Makes families and adds them to a registry.
pub(super) struct Maker<'a>(pub(super) &'a Registry);

impl Maker<'_> {
    pub(super) fn counter(&self, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    pub(super) fn gauge(&self, name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
        self.add(IntGaugeVec::new(Opts::new(name, help), labels))
    }

    fn client_gauge(&self, name: &str, help: &str) -> IntGaugeVec {
        self.gauge(name, help, &["gate", "client"])
    }

    fn histogram(&self, name: &str, help: &str, labels: &[&str], buckets: &[f64]) -> HistogramVec {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(buckets.to_vec()), labels))
    }

    fn add<C: Collector + Clone + 'static>(&self, family: prometheus::Result<C>) -> C {
        family
            .and_then(|family| self.0.register(Box::new(family.clone())).map(|()| family))
            .expect("names and labels are constants, and each family is registered once")
    }
}
