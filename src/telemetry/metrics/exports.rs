//! What is counted of telemetry that is sent to a collector.

use prometheus::{IntCounter, IntCounterVec, Opts, Registry};

/// The counters of the exporter. Clones share their values.
#[derive(Debug, Clone)]
pub struct ExportCounters {
    exports: IntCounterVec,
    pub(crate) dropped: IntCounter,
}

impl ExportCounters {
    pub(super) fn register(registry: &Registry) -> prometheus::Result<Self> {
        let opts =
            Opts::new("sluice_otlp_exports_total", "Requests to the collector of telemetry, by what became of them");
        let exports = IntCounterVec::new(opts, &["signal", "result"])?;
        let dropped = IntCounter::new(
            "sluice_otlp_dropped_spans_total",
            "Spans that no collector has, since it was away, too slow, or refused them",
        )?;
        registry.register(Box::new(exports.clone()))?;
        registry.register(Box::new(dropped.clone()))?;
        Ok(Self { exports, dropped })
    }

    /// Counts a request.
    pub fn sent(&self, signal: &str, is_taken: bool) {
        let result = if is_taken { "ok" } else { "failed" };
        self.exports.with_label_values(&[signal, result]).inc();
    }
}
