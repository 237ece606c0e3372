//! Which topics a gate reads now, and what belongs to each: its gate, its outputs.
//!
//! A source topic gets a number when it is first seen and keeps it, so schema tables can be
//! keyed by it; a pattern finds further topics while the gate runs.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config;
use crate::config::{Kafka, Outputs, Repartition};
use crate::gate::Gate;
use crate::kafka::clients::Sizes;
use crate::kafka::compression::Compression;
use crate::kafka::topics::{MAX_MESSAGE_BYTES, Topic};
use crate::schema::table::Source;

/// What the cluster says of an output.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) partitions: i32,
    /// The largest batch that it takes, in bytes, where we may know.
    pub(super) limit: Option<u64>,
    /// The codec that it is written in by its brokers, where we follow it.
    pub(super) codec: Option<&'static str>,
}

impl Target {
    fn describe(self, name: &str) -> String {
        let limit = self.limit.map_or(String::new(), |limit| format!(" and takes batches of {limit} bytes"));
        let codec = self.codec.map_or(String::new(), |codec| format!(", compressed by {codec}"));
        format!("topic '{name}' has {} partitions{limit}{codec}", self.partitions)
    }
}

/// What the cluster says of the outputs of one source.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Targets {
    pub(super) validated: Target,
    pub(super) converter: Target,
    pub(super) dead_letter: Target,
    /// Whether records are spread over them by key, else each goes to the partition of its source.
    pub(super) is_spread: bool,
}

impl Targets {
    /// Picks out of the topics of a cluster what belongs to these outputs.
    fn new(
        outputs: &Outputs,
        repartition: Repartition,
        topics: &BTreeMap<String, Topic>,
        compression: Compression,
    ) -> Self {
        let target = |name: &str| topics.get(name).map_or(Target::default(), |topic| of_topic(topic, compression));
        Self {
            validated: target(&outputs.validated),
            converter: outputs.converter.as_deref().map_or(Target::default(), target),
            dead_letter: target(&outputs.dead_letter),
            is_spread: repartition == Repartition::Murmur2,
        }
    }

    fn limits(&self) -> impl Iterator<Item = u64> + use<> {
        [self.validated, self.converter, self.dead_letter].into_iter().filter_map(|target| target.limit)
    }
}

fn of_topic(topic: &Topic, compression: Compression) -> Target {
    Target { partitions: topic.partitions, limit: topic.max_message_bytes(), codec: compression.codec(topic) }
}

/// One source topic.
#[derive(Debug)]
pub(super) struct SourceRoute {
    pub(super) topic: Arc<str>,
    pub(super) outputs: Outputs,
    pub(super) targets: Targets,
    pub(super) gate: Gate,
}

/// All source topics of one gate.
#[derive(Debug)]
pub(super) struct Routes {
    gate: config::Gate,
    compression: Compression,
    sources: Vec<SourceRoute>,
    /// Batches of this size were refused though each of their records was good.
    refused_batch: Option<u64>,
}

impl Routes {
    pub(super) fn new(gate: config::Gate, kafka: &Kafka) -> Self {
        Self { gate, compression: Compression::of(kafka), sources: Vec::new(), refused_batch: None }
    }

    /// Adds a topic that the gate reads, with what the cluster says of its outputs; one that is there, or does not match, is left
    /// as it is.
    pub(super) fn add(&mut self, topic: &str, topics: &BTreeMap<String, Topic>) {
        if self.find(topic).is_some() {
            return;
        }
        let Some(outputs) = self.gate.outputs(topic) else { return };
        let targets = Targets::new(&outputs, self.gate.repartition, topics, self.compression);
        let gate = Gate::writing(self.gate.policy_for(topic), &outputs.validated);
        self.sources.push(SourceRoute { topic: topic.into(), outputs, targets, gate });
    }

    /// Takes what the cluster says of the outputs now; returns what is new. An output that is not there at the moment
    /// is left as it was.
    pub(super) fn update(&mut self, topics: &BTreeMap<String, Topic>) -> Vec<String> {
        let (mut changes, compression) = (Vec::new(), self.compression);
        for route in &mut self.sources {
            let SourceRoute { outputs, targets, .. } = route;
            let names = [Some(&outputs.validated), outputs.converter.as_ref(), Some(&outputs.dead_letter)];
            let ends = [&mut targets.validated, &mut targets.converter, &mut targets.dead_letter];
            for (name, target) in names.into_iter().zip(ends) {
                let Some(topic) = name.and_then(|name| topics.get(name)) else { continue };
                let found = of_topic(topic, compression);
                if *target != found {
                    changes.push(found.describe(&topic.name));
                    *target = found;
                }
            }
        }
        changes
    }

    /// Notes that batches of the present size are too large, whatever is known of limits.
    pub(super) fn lower_batches(&mut self) {
        self.refused_batch = Some(self.sizes().smallest / 2);
    }

    /// Returns the sizes that the outputs take.
    pub(super) fn sizes(&self) -> Sizes {
        let limits = || self.sources.iter().flat_map(|route| route.targets.limits());
        let smallest = limits().chain(self.refused_batch).min();
        Sizes {
            largest: limits().max().unwrap_or_default().max(MAX_MESSAGE_BYTES),
            smallest: smallest.unwrap_or(u64::MAX).min(MAX_MESSAGE_BYTES),
            is_known: smallest.is_some(),
        }
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

    /// Returns the topics to subscribe to.
    pub(super) fn topics(&self) -> Vec<&str> {
        self.sources.iter().map(|route| &*route.topic).collect()
    }
}
