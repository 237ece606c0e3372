//! What a pipeline tells of its partitions and clients while it runs.

use rdkafka::consumer::Consumer as _;

use super::run::Loop;
use crate::kafka::statistics::Statistics;
use crate::telemetry::ClientKind;

impl Loop<'_> {
    /// Tells how far each partition is; how far it could be comes with librdkafka's statistics.
    pub(super) fn report_positions(&mut self) {
        if let Some(statistics) = self.take_report() {
            self.watch_sources(&statistics);
        }
    }

    /// Tells the same while nothing is read.
    pub(super) fn report_outage(&mut self) {
        if let Some(statistics) = self.take_report() {
            self.watch_brokers(statistics.answering == 0);
        }
    }

    fn take_report(&self) -> Option<Statistics> {
        let probe = &self.settings.probe;
        if let Some(statistics) = self.output.take_statistics() {
            probe.metrics().statistics(ClientKind::Producer, &statistics);
        }
        let statistics = self.consumer.context().take_statistics()?;
        for held in self.assignment.iter().filter(|held| held.is_placed) {
            let is_it = |p: &&crate::kafka::statistics::SourcePartition| {
                p.partition == held.partition && *p.topic == *held.topic
            };
            let lag = statistics.partitions.iter().find(is_it).and_then(|partition| held.lag(partition));
            probe.position(&held.topic, held.partition, held.committed, lag);
        }
        probe.metrics().statistics(ClientKind::Consumer, &statistics);
        Some(statistics)
    }
}
