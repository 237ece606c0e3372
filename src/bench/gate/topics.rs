//! The topics and groups of a run: all have the run in their names, nobody else's are touched, and they go with it.

use std::collections::BTreeMap;

use futures::executor::block_on;
use rdkafka::ClientConfig;
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;

use crate::config::Kafka;
use crate::kafka::topics::{self, Cluster, NewTopic, PATIENCE, tool_options};

/// What the measured gate is called.
pub(super) const GATE: &str = "gate";

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
    partitions: i32,
    /// Turns that have had outputs.
    turns: u32,
}

impl Topics {
    /// Makes the source. Waits for the brokers.
    pub(super) fn create(kafka: &Kafka, partitions: i32) -> Result<Self, Error> {
        let topics = Self { run: format!("sluice.bench.{:08x}", rand::random::<u32>()), partitions, turns: 0 };
        topics.make(kafka, &[topics.source()])?;
        Ok(topics)
    }

    pub(super) fn source(&self) -> String {
        format!("{}.raw", self.run)
    }

    /// The source of one turn, where records come while it is measured.
    pub(super) fn course(&self, turn: u32) -> String {
        format!("{}.{turn}.raw", self.run)
    }

    pub(super) fn application(&self, turn: u32) -> String {
        format!("{}.{turn}", self.run)
    }

    pub(super) fn output(&self, turn: u32) -> String {
        format!("{}.{turn}.out", self.run)
    }

    pub(super) fn dead_letters(&self, turn: u32) -> String {
        format!("{}.{turn}.dead-letter", self.run)
    }

    fn of_turn(&self, turn: u32) -> [String; 3] {
        [self.course(turn), self.output(turn), self.dead_letters(turn)]
    }

    /// Makes the topics of a turn.
    pub(super) fn begin_turn(&mut self, kafka: &Kafka, turn: u32) -> Result<(), Error> {
        self.turns = turn;
        self.make(kafka, &self.of_turn(turn))
    }

    /// Deletes them: they are as large as the source.
    pub(super) fn end_turn(&self, kafka: &Kafka, turn: u32) -> Result<(), Error> {
        let cluster = Cluster::connect(kafka, PATIENCE)?;
        Ok(self.of_turn(turn).iter().try_for_each(|topic| cluster.delete(topic))?)
    }

    fn make(&self, kafka: &Kafka, names: &[String]) -> Result<(), Error> {
        let topic = |name: &String| NewTopic {
            name: name.clone(),
            partitions: self.partitions,
            replication: DEFAULT,
            settings: BTreeMap::new(),
            source: self.source(),
        };
        let all: Vec<_> = names.iter().map(topic).collect();
        Ok(Cluster::connect(kafka, PATIENCE)?.create(&all, &tool_options(kafka))?)
    }

    /// Removes what is left of topics, and the groups; returns what stays.
    pub(super) fn clear(self, kafka: &Kafka) -> Option<String> {
        let mut left = Vec::new();
        match Cluster::connect(kafka, PATIENCE).and_then(|cluster| Ok((cluster.list()?, cluster))) {
            Ok((names, cluster)) => {
                let ours = names.into_iter().filter(|name| name.starts_with(&format!("{}.", self.run)));
                left.extend(ours.filter_map(|topic| cluster.delete(&topic).err().map(|error| error.to_string())));
            }
            Err(error) => left.push(error.to_string()),
        }
        left.extend(self.clear_groups(kafka).err());
        let what = format!("topics and groups whose names begin with '{}.' stay", self.run);
        (!left.is_empty()).then(|| format!("{what}: {}", left.join("; ")))
    }

    fn clear_groups(&self, kafka: &Kafka) -> Result<(), String> {
        let config: ClientConfig = kafka.common().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let admin: AdminClient<DefaultClientContext> = config.create().map_err(|error| error.to_string())?;
        let names: Vec<_> = (1..=self.turns).map(|turn| format!("{}.{GATE}", self.application(turn))).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let options = AdminOptions::new().request_timeout(Some(PATIENCE));
        // A copy has had none.
        block_on(admin.delete_groups(&names, &options)).map(drop).map_err(|error| error.to_string())
    }
}
