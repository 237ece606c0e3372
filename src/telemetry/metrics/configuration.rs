//! Whether the process runs with the configuration that it was asked to read last, by the names that Prometheus has for itself.

use std::fmt;
use std::sync::Arc;
use std::time::UNIX_EPOCH;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{Gauge, IntCounterVec, IntGauge, Opts, Registry};

use crate::telemetry::configuration::ConfigurationState;

pub(super) fn register(registry: &Registry, state: Arc<ConfigurationState>) {
    let reloads = IntCounterVec::new(
        Opts::new(
            "sluice_config_reloads_total",
            "Times that the configuration was read again, by result: applied, refused",
        ),
        &["result"],
    );
    let successful = IntGauge::new(
        "sluice_config_last_reload_successful",
        "1: the process runs with the configuration that it was asked to read last; 0: that one was refused",
    );
    let since = Gauge::new(
        "sluice_config_last_reload_success_timestamp_seconds",
        "When the configuration that runs was taken over, in seconds since 1970-01-01 UTC",
    );
    let made = reloads.and_then(|reloads| Ok(Configuration { state, reloads, successful: successful?, since: since? }));
    let collector = made.expect("names and labels are constants");
    registry.register(Box::new(collector)).expect("there is one configuration per process");
}

struct Configuration {
    state: Arc<ConfigurationState>,
    reloads: IntCounterVec,
    successful: IntGauge,
    since: Gauge,
}

impl fmt::Debug for Configuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Configuration").finish_non_exhaustive()
    }
}

impl Collector for Configuration {
    fn desc(&self) -> Vec<&Desc> {
        [self.reloads.desc(), self.successful.desc(), self.since.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let board = self.state.board();
        for (result, count) in [("applied", board.applied), ("refused", board.refused)] {
            let counter = self.reloads.with_label_values(&[result]);
            counter.inc_by(count.saturating_sub(counter.get()));
        }
        self.successful.set(board.is_current().into());
        self.since.set(board.since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64());
        [self.reloads.collect(), self.successful.collect(), self.since.collect()].concat()
    }
}
