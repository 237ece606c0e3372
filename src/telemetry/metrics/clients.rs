//! Sums of what the Kafka clients of one gate report.
//!
//! A gate has a client per pipeline, and a client that is rebuilt starts from zero under
//! a new name. Totals therefore grow by the difference to the client's last report, and
//! gauges are sums over the clients that still report.

use std::collections::BTreeMap;
use std::time::Duration;

use prometheus::{Histogram, IntCounter, IntGauge};

use super::ClientKind;
use super::families::Families;
use crate::kafka::statistics::Statistics;

/// A client that has not reported for this long is gone; reports come every 5 to 10 seconds.
const GONE_AFTER: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(super) struct Clients {
    last: BTreeMap<String, Report>,
    queue_bytes: IntGauge,
    queue_records: IntGauge,
    outbuf_requests: IntGauge,
    tx_bytes: IntCounter,
    rx_bytes: IntCounter,
    rtt_seconds: Histogram,
}

/// The part of a client's last report that the next one is compared with.
#[derive(Debug)]
struct Report {
    at: Duration,
    queue_bytes: u64,
    queue_records: u64,
    outbuf_requests: u64,
    tx_bytes: u64,
    rx_bytes: u64,
}

impl Clients {
    pub(super) fn new(gate: &str, kind: ClientKind, families: &Families) -> Self {
        let labels = [gate, kind.name()];
        Self {
            last: BTreeMap::new(),
            queue_bytes: families.clients.queue_bytes.with_label_values(&labels),
            queue_records: families.clients.queue_records.with_label_values(&labels),
            outbuf_requests: families.clients.outbuf_requests.with_label_values(&labels),
            tx_bytes: families.clients.tx_bytes.with_label_values(&labels),
            rx_bytes: families.clients.rx_bytes.with_label_values(&labels),
            rtt_seconds: families.clients.rtt_seconds.with_label_values(&labels),
        }
    }

    pub(super) fn update(&mut self, statistics: &Statistics) {
        let report = Report {
            at: statistics.at,
            queue_bytes: statistics.queue_bytes,
            queue_records: statistics.queue_records,
            outbuf_requests: statistics.brokers.iter().map(|broker| broker.outbuf_requests).sum(),
            tx_bytes: statistics.tx_bytes,
            rx_bytes: statistics.rx_bytes,
        };
        let (tx, rx) = self.last.get(&statistics.client).map_or((0, 0), |last| (last.tx_bytes, last.rx_bytes));
        self.tx_bytes.inc_by(report.tx_bytes.saturating_sub(tx));
        self.rx_bytes.inc_by(report.rx_bytes.saturating_sub(rx));
        for rtt in statistics.brokers.iter().filter_map(|broker| broker.rtt) {
            self.rtt_seconds.observe(rtt.as_secs_f64());
        }
        self.last.retain(|_, last| last.at + GONE_AFTER >= report.at);
        self.last.insert(statistics.client.clone(), report);
        self.queue_bytes.set(self.sum(|report| report.queue_bytes));
        self.queue_records.set(self.sum(|report| report.queue_records));
        self.outbuf_requests.set(self.sum(|report| report.outbuf_requests));
    }

    fn sum(&self, field: impl Fn(&Report) -> u64) -> i64 {
        i64::try_from(self.last.values().map(field).sum::<u64>()).unwrap_or(i64::MAX)
    }
}
