//! Which topics a gate reads now, and what belongs to each: its gate, its outputs.
//!
//! A source topic gets a number when it is first seen and keeps it, so schema tables can be
//! keyed by it; a pattern finds further topics while the gate runs.

use std::sync::Arc;

use crate::config;
use crate::config::Outputs;
use crate::gate::Gate;
use crate::kafka::topics::MAX_MESSAGE_BYTES;
use crate::schema::table::Source;

/// One source topic.
#[derive(Debug)]
pub(super) struct SourceRoute {
    pub(super) topic: Arc<str>,
    pub(super) outputs: Outputs,
    pub(super) gate: Gate,
}

/// All source topics of one gate.
#[derive(Debug)]
pub(super) struct Routes {
    gate: config::Gate,
    sources: Vec<SourceRoute>,
    record_sizes: RecordSizes,
}

/// Sizes of what the outputs take, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RecordSizes {
    /// What the output with the largest limit takes: no record beyond it fits anywhere.
    pub(super) largest: u64,
    /// What the output with the smallest limit takes: no batch may be larger.
    pub(super) smallest: u64,
}

impl Routes {
    pub(super) fn new(gate: config::Gate) -> Self {
        let record_sizes = RecordSizes { largest: MAX_MESSAGE_BYTES, smallest: MAX_MESSAGE_BYTES };
        Self { gate, sources: Vec::new(), record_sizes }
    }

    /// Adds a topic that the gate reads, with the limits of its outputs where they are known; one that is there, or does
    /// not match, is left as it is.
    pub(super) fn add(&mut self, topic: &str, limits: impl Iterator<Item = u64>) {
        if self.find(topic).is_some() {
            return;
        }
        let Some(outputs) = self.gate.outputs(topic) else { return };
        let gate = Gate::new(self.gate.policy_for(topic));
        for limit in limits {
            self.record_sizes.largest = self.record_sizes.largest.max(limit);
            self.record_sizes.smallest = self.record_sizes.smallest.min(limit);
        }
        self.sources.push(SourceRoute { topic: topic.into(), outputs, gate });
    }

    pub(super) fn find(&self, topic: &str) -> Option<Source> {
        let index = self.sources.iter().position(|route| *route.topic == *topic)?;
        Some(Source(u32::try_from(index).expect("topics are far fewer than 2^32")))
    }

    pub(super) fn get(&self, source: Source) -> &SourceRoute {
        &self.sources[source.0 as usize]
    }

    /// Returns the number of source topics.
    pub(super) fn count(&self) -> usize {
        self.sources.len()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SourceRoute> {
        self.sources.iter()
    }

    pub(super) fn record_sizes(&self) -> RecordSizes {
        self.record_sizes
    }

    /// Returns the topics to subscribe to.
    pub(super) fn topics(&self) -> Vec<&str> {
        self.sources.iter().map(|route| &*route.topic).collect()
    }
}
