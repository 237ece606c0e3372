//! Who takes part in a job: its names, and the clients of each side.
//!
//! The clients are those of gates, with the same settings that the guarantees rest on (`kafka::clients`); the memory of the
//! process is divided among the lanes.

use std::time::Duration;

use rdkafka::ClientConfig;

use super::error::Error;
use crate::config::{Config, Delivery, Gate, Kafka, Migration, TargetIds};
use crate::gate::policy::Tombstones;
use crate::kafka::clients::{self, Names, Sizes};
use crate::kafka::consumer;
pub(super) use crate::kafka::consumer::Consumer;
use crate::kafka::ffi::Message;

/// How long one question to the cluster may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(15);

/// How many intervals of commits one transaction lasts while there is a backlog.
const BACKLOG: u32 = 4;

/// Which of the two clusters; they may be one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// That of the source.
    Source,
    /// That of the target, the map and the state.
    Target,
}

/// A converter between the two topics of a job that keeps a map of offsets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Way {
    /// Its name.
    pub(super) name: String,
    /// The topic of its map.
    pub(super) map: String,
    /// The topic of its dead letters.
    pub(super) dead_letter: String,
    /// Whether it drops tombstones.
    pub(super) drops_tombstones: bool,
    /// Whether it leads from the target to the source.
    pub(super) is_back: bool,
}

/// A job of the configuration and its names.
#[derive(Debug, Clone)]
pub struct Cast {
    /// What the configuration says of it.
    pub migration: Migration,
    /// `{application}.{name}`.
    pub group: String,
    /// The topic of the offset map.
    pub map: String,
    /// The topic of the job's state.
    pub state: String,
    /// The converters between the two topics that keep a map.
    pub(super) ways: Vec<Way>,
    config: Config,
}

impl Cast {
    /// Returns the `application` of the configuration.
    #[must_use]
    pub fn application(&self) -> &str {
        &self.config.application
    }

    /// Returns the cast of a job.
    #[must_use]
    pub fn new(config: &Config, migration: &Migration) -> Self {
        let group = format!("{}.{}", config.application, migration.name);
        let (map, state) = (format!("{group}.map"), format!("{group}.state"));
        let ways = ways(config, migration);
        let mut config = config.clone();
        config.delivery = Delivery::ExactlyOnce;
        config.gates.clear();
        Self { migration: migration.clone(), group, map, state, ways, config }
    }

    /// Tells whether both are one job of one cluster: what is known of the one is known of the other.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        self.migration == other.migration
            && (&self.group, &self.ways) == (&other.group, &other.ways)
            && self.config.same_brokers(&other.config)
            && self.config.registry == other.config.registry
    }

    /// Returns the whole configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Tells whether a converter carries records of the target to the source.
    #[must_use]
    pub fn has_way_back(&self) -> bool {
        self.ways.iter().any(|way| way.is_back)
    }

    /// Returns how the cluster of a side is reached.
    #[must_use]
    pub fn kafka(&self, side: Side) -> &Kafka {
        let far = self.migration.target.as_ref().filter(|_| side == Side::Target);
        far.unwrap_or(&self.config.kafka)
    }

    /// Returns the topic of dead letters; none where records are copied as they are.
    #[must_use]
    pub fn dead_letter(&self) -> Option<String> {
        let outputs = self.migration.conversion.as_ref()?.outputs(&self.migration.source)?;
        Some(outputs.dead_letter)
    }

    /// Tells whether records name schemas by the IDs of the target's registry.
    #[must_use]
    pub fn maps_ids(&self) -> bool {
        self.migration.registry.as_ref().is_some_and(|target| target.ids == TargetIds::Map)
    }

    /// Tells whether schemas are copied to the target's registry under their own IDs.
    #[must_use]
    pub fn keeps_ids(&self) -> bool {
        self.migration.registry.as_ref().is_some_and(|target| target.ids == TargetIds::Keep)
    }

    /// Returns the transactional.id of a lane.
    #[must_use]
    pub fn lane_id(&self, lane: i32) -> String {
        format!("{}-lane-{lane}", self.group)
    }

    fn names(&self, lane: i32) -> Names {
        Names { group: self.group.clone(), pipeline: self.lane_id(lane), is_static: false }
    }

    /// Returns the settings of a side's clients, of which there are so many.
    fn of(&self, side: Side, clients: i32) -> Config {
        let mut config = self.config.clone();
        config.kafka = self.kafka(side).clone();
        config.memory /= u64::from(clients.max(1).unsigned_abs());
        config
    }

    /// Makes a consumer that assigns partitions itself, is told of their ends, and reads what was committed.
    pub(super) fn consumer(&self, side: Side, clients: i32) -> Result<Consumer, Error> {
        self.make(&self.reading(side, clients))
    }

    /// Makes one that sees what is not committed too.
    pub(super) fn observer(&self, side: Side) -> Result<Consumer, Error> {
        let mut settings = self.reading(side, 1);
        settings.set("isolation.level", "read_uncommitted");
        self.make(&settings)
    }

    fn reading(&self, side: Side, clients: i32) -> ClientConfig {
        let mut settings = consumer::settings(&self.of(side, clients), &self.names(0));
        settings.set("client.id", &self.group);
        settings
    }

    fn make(&self, settings: &ClientConfig) -> Result<Consumer, Error> {
        consumer::make(settings, &self.group, false).map_err(|error| Error::asking("make a consumer", &error))
    }

    /// Makes a consumer in the name of another group, for its offsets.
    pub(super) fn member(&self, side: Side, group: &str) -> Result<Consumer, Error> {
        let names = Names { group: group.to_owned(), pipeline: self.group.clone(), is_static: false };
        let mut settings = clients::consumer(&self.of(side, 1), &names);
        settings.set("statistics.interval.ms", "0");
        self.make(&settings)
    }

    /// Returns the settings of a lane's producer.
    pub(super) fn producer(&self, lane: i32, lanes: i32, sizes: Sizes) -> ClientConfig {
        let mut settings = clients::producer(&self.of(Side::Target, lanes), &self.names(lane), sizes);
        settings.set("statistics.interval.ms", "0");
        settings
    }

    /// Returns how long a transaction of a lane may last while there is a backlog: few large ones cost less than many, and there
    /// must be time to end it.
    pub(super) fn longest_interval(&self) -> Duration {
        let interval = self.config.commit_interval;
        (interval * BACKLOG).min(self.timeout() / 3).max(interval)
    }

    /// Returns the transaction timeout of the lanes.
    pub(super) fn timeout(&self) -> Duration {
        self.kafka(Side::Target).transaction_timeout()
    }
}

/// Finds the converters between the topics of a job, in either direction, that keep a map.
fn ways(config: &Config, migration: &Migration) -> Vec<Way> {
    let Migration { source, to, target: None, .. } = migration else { return Vec::new() };
    let way = |gate: &Gate| {
        let map = config.map_topic(gate)?;
        let leads = |from: &str, to: &str| gate.outputs(from).filter(|outputs| outputs.validated == to);
        let (back, forth) = (leads(to, source), leads(source, to));
        let is_back = back.is_some();
        let dead_letter = back.or(forth)?.dead_letter;
        let drops_tombstones = gate.policy.tombstones == Tombstones::Drop;
        Some(Way { name: gate.name.clone(), map, dead_letter, drops_tombstones, is_back })
    };
    config.gates.iter().filter_map(way).collect()
}

/// Returns what a record has in keys and values, in bytes.
pub(super) fn size(message: Message<'_>) -> usize {
    message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)
}
