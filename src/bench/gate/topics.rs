//! The topics and groups of a run: all have the run in their names, nobody else's are touched, and they go with it.
//!
//! Each gate has a source of its own, and in each turn outputs of its own. The partitions are dealt out among the gates.

use std::collections::BTreeMap;

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::config::Kafka;
use crate::kafka::topics::{self, Cluster, NewTopic, PATIENCE, tool_options};

/// As many replicas as the brokers give by default.
const DEFAULT: i32 = -1;

/// Why there are no topics.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("the topics of the measurement")]
    Topics(#[from] topics::Error),
}

/// The topics of one run.
pub(super) struct Topics {
    run: String,
    /// How many partitions each gate has.
    partitions: Vec<i32>,
    /// Turns that have had outputs.
    turns: u32,
}

/// What a turn reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reads {
    /// What was written before, once for all turns.
    All,
    /// Topics of its own, where records come while it is measured.
    Course,
}

/// Returns what a gate is called.
pub(super) fn name_of(gate: usize) -> String {
    format!("gate{}", gate + 1)
}

impl Topics {
    /// Makes the sources. Waits for the brokers.
    pub(super) fn create(kafka: &Kafka, partitions: i32, gates: i32) -> Result<Self, Error> {
        let partitions = (0..gates).map(|gate| (partitions + gates - 1 - gate) / gates).collect();
        let topics = Self { run: format!("sluice.bench.{:08x}", rand::random::<u32>()), partitions, turns: 0 };
        topics.make(kafka, |gate| vec![topics.source(gate)])?;
        Ok(topics)
    }

    fn gates(&self) -> std::ops::Range<usize> {
        0..self.partitions.len()
    }

    /// Returns each partition of each gate.
    pub(super) fn places(&self) -> Vec<(usize, i32)> {
        let of_gate = |gate: usize| (0..self.partitions[gate]).map(move |partition| (gate, partition));
        self.gates().flat_map(of_gate).collect()
    }

    fn source(&self, gate: usize) -> String {
        format!("{}.{}.raw", self.run, name_of(gate))
    }

    /// Returns the sources of a turn, gate by gate.
    pub(super) fn sources(&self, turn: u32, reads: Reads) -> Vec<String> {
        let source = |gate| match reads {
            Reads::All => self.source(gate),
            Reads::Course => format!("{}.{}.raw", self.application(turn), name_of(gate)),
        };
        self.gates().map(source).collect()
    }

    pub(super) fn application(&self, turn: u32) -> String {
        format!("{}.{turn}", self.run)
    }

    pub(super) fn output(&self, turn: u32, gate: usize) -> String {
        format!("{}.{}.out", self.application(turn), name_of(gate))
    }

    /// Returns the outputs of a turn, gate by gate.
    pub(super) fn outputs(&self, turn: u32) -> Vec<String> {
        self.gates().map(|gate| self.output(turn, gate)).collect()
    }

    pub(super) fn dead_letters(&self, turn: u32, gate: usize) -> String {
        format!("{}.{}.dead-letter", self.application(turn), name_of(gate))
    }

    /// Makes the topics of a turn.
    pub(super) fn begin_turn(&mut self, kafka: &Kafka, turn: u32, reads: Reads) -> Result<(), Error> {
        self.turns = turn;
        let courses = if reads == Reads::Course { self.sources(turn, reads) } else { Vec::new() };
        self.make(kafka, |gate| {
            let outputs = [self.output(turn, gate), self.dead_letters(turn, gate)];
            outputs.into_iter().chain(courses.get(gate).cloned()).collect()
        })
    }

    /// Deletes them: they are as large as the source.
    pub(super) fn end_turn(&self, kafka: &Kafka, turn: u32) -> Result<(), Error> {
        Ok(delete(kafka, &format!("{}.", self.application(turn)))?)
    }

    fn make(&self, kafka: &Kafka, names: impl Fn(usize) -> Vec<String>) -> Result<(), Error> {
        let topic = |gate: usize, name: String| NewTopic {
            name,
            partitions: self.partitions[gate],
            replication: DEFAULT,
            settings: BTreeMap::new(),
            source: self.source(gate),
        };
        let all = self.gates().flat_map(|gate| names(gate).into_iter().map(move |name| topic(gate, name)));
        Ok(Cluster::connect(kafka, PATIENCE)?.create(&all.collect::<Vec<_>>(), &tool_options(kafka))?)
    }

    /// Removes what is left of topics, and the groups; returns what stays.
    pub(super) fn clear(self, kafka: &Kafka) -> Option<String> {
        let topics = delete(kafka, &format!("{}.", self.run)).map_err(|error| error.to_string());
        let left: Vec<_> = topics.err().into_iter().chain(self.clear_groups(kafka).err()).collect();
        let what = format!("topics and groups whose names begin with '{}.' stay", self.run);
        (!left.is_empty()).then(|| format!("{what}: {}", left.join("; ")))
    }

    fn clear_groups(&self, kafka: &Kafka) -> Result<(), String> {
        let config: ClientConfig = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| error.to_string())?;
        let of_turn = |turn| self.gates().map(move |gate| format!("{}.{}", self.application(turn), name_of(gate)));
        let names: Vec<_> = (1..=self.turns).flat_map(of_turn).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        // A copy has had none.
        block_on(admin.delete_groups(&names, &options)).map(drop).map_err(|error| error.to_string())
    }
}

/// Deletes all topics whose names begin so; one that cannot be deleted keeps none of the others.
fn delete(kafka: &Kafka, prefix: &str) -> Result<(), topics::Error> {
    let cluster = Cluster::connect(kafka, PATIENCE)?;
    let ours = cluster.list()?.into_iter().filter(|name| name.starts_with(prefix));
    ours.map(|topic| cluster.delete(&topic)).fold(Ok(()), Result::and)
}
