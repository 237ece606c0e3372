//! How the pipelines of the process are, read when somebody asks: a loop that hangs cannot report itself.

use std::fmt;
use std::sync::Arc;
use std::time::Instant;

use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{GaugeVec, IntGaugeVec, Opts, Registry};

use crate::telemetry::Health;
use crate::telemetry::state::Condition;

/// The states of a pipeline, each with a series.
const STATES: [&str; 4] = ["starting", "running", "degraded", "stopped"];

pub(super) fn register(registry: &Registry, health: Arc<Health>) {
    let labels = |last| ["gate", last];
    let states = IntGaugeVec::new(
        Opts::new("sluice_pipelines", "Pipelines by state; degraded: some of its partitions wait"),
        &labels("state"),
    );
    let silence = GaugeVec::new(
        Opts::new(
            "sluice_pipeline_silence_seconds",
            "Time since the pipeline's loop turned last; seconds mean that it waits for brokers, minutes that it hangs",
        ),
        &labels("pipeline"),
    );
    let made = states.and_then(|states| Ok(Pipelines { health, states, silence: silence? }));
    let collector = made.expect("names and labels are constants");
    registry.register(Box::new(collector)).expect("the pipelines are registered once");
}

struct Pipelines {
    health: Arc<Health>,
    states: IntGaugeVec,
    silence: GaugeVec,
}

impl fmt::Debug for Pipelines {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipelines").finish_non_exhaustive()
    }
}

impl Collector for Pipelines {
    fn desc(&self) -> Vec<&Desc> {
        [self.states.desc(), self.silence.desc()].concat()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let now = Instant::now();
        self.states.reset();
        self.silence.reset();
        for pipeline in self.health.pipelines() {
            let (gate, silence) = (pipeline.gate(), pipeline.silence(now));
            let condition: Condition = pipeline.board().condition(silence);
            for state in STATES {
                self.states.with_label_values(&[gate, state]).add((state == condition.name()).into());
            }
            if let Some(silence) = silence {
                let number = pipeline.number().to_string();
                self.silence.with_label_values(&[gate, &number]).set(silence.as_secs_f64());
            }
        }
        let families = [self.states.collect(), self.silence.collect()].concat();
        // A family without series is not shown, and the text format refuses one.
        families.into_iter().filter(|family| !family.get_metric().is_empty()).collect()
    }
}
