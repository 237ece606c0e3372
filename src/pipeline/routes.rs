//! Which topics a gate reads now, and what belongs to each: its gate, its outputs.
//!
//! A source topic gets a number when it is first seen and keeps it, so schema tables can be
//! keyed by it; a pattern finds further topics while the gate runs.

use std::sync::Arc;

use crate::config;
use crate::config::Outputs;
use crate::gate::Gate;
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
}

impl Routes {
    pub(super) fn new(gate: config::Gate) -> Self {
        Self { gate, sources: Vec::new() }
    }

    /// Returns the gate's configuration.
    pub(super) fn config(&self) -> &config::Gate {
        &self.gate
    }

    /// Adds a topic that the gate reads; one that is there, or does not match, is left as it is.
    pub(super) fn add(&mut self, topic: &str) {
        if self.find(topic).is_some() {
            return;
        }
        let Some(outputs) = self.gate.outputs(topic) else { return };
        let gate = Gate::new(self.gate.policy_for(topic));
        self.sources.push(SourceRoute { topic: topic.into(), outputs, gate });
    }

    pub(super) fn find(&self, topic: &str) -> Option<Source> {
        let index = self.sources.iter().position(|route| *route.topic == *topic)?;
        Some(Source(u32::try_from(index).expect("topics are far fewer than 2^32")))
    }

    pub(super) fn get(&self, source: Source) -> &SourceRoute {
        &self.sources[source.0 as usize]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &SourceRoute> {
        self.sources.iter()
    }

    /// Returns the size of the largest record that any output takes, in bytes.
    pub(super) fn largest_record(&self) -> u64 {
        1_048_588
    }

    /// Returns the topics to subscribe to.
    pub(super) fn topics(&self) -> Vec<&str> {
        self.sources.iter().map(|route| &*route.topic).collect()
    }
}
