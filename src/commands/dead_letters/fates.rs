//! What became of the dead letters that are looked at, as their state topics have it at the begin.

use std::collections::{BTreeMap, BTreeSet};

use super::super::Failure;
use crate::config::Config;
use crate::dead_letters::{Damaged, Ledger, State};
use crate::kafka::dead_letters::{Error, id, look};
use crate::kafka::ffi::Message;
use crate::kafka::reading::Reading;
use crate::kafka::topics::{Cluster, PATIENCE};

/// The ledgers of the topics that have a state topic.
#[derive(Debug, Default)]
pub(super) struct Fates(BTreeMap<String, Ledger>);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::fatal(error) }
    }
}

impl Fates {
    /// Reads the state topics of these dead-letter topics, those that are there.
    pub(super) fn read(
        reading: &Reading,
        config: &Config,
        topics: &BTreeSet<String>,
        known: &BTreeMap<String, Vec<i32>>,
    ) -> Result<Self, Failure> {
        let mut fates = Self::default();
        for topic in topics {
            let id = || id_of(config, topic);
            let mut broken = Broken::default();
            let ledger = look(reading, (topic, id), known, |damaged| broken.add(damaged))?;
            broken.tell(topic);
            fates.0.extend(ledger.map(|ledger| (topic.clone(), ledger)));
        }
        Ok(fates)
    }

    /// Tells whether anything is known of any.
    pub(super) fn are_known(&self) -> bool {
        !self.0.is_empty()
    }

    /// Returns what became of a dead letter; none where its topic has no state topic.
    pub(super) fn state(&self, message: Message<'_>) -> Option<State<'_>> {
        Some(self.0.get(message.topic())?.state(message.partition(), message.offset()))
    }
}

/// Asks for the ID of a topic.
pub(super) fn id_of(config: &Config, topic: &str) -> Result<Option<String>, Error> {
    id(&Cluster::connect(&config.kafka, PATIENCE)?, topic)
}

/// Entries that cannot be read.
#[derive(Debug, Default)]
pub(super) struct Broken {
    first: Option<Damaged>,
    count: u64,
}

impl Broken {
    pub(super) fn add(&mut self, damaged: Damaged) {
        self.count += 1;
        self.first.get_or_insert(damaged);
    }

    /// Says so: whoever looks sees the rest.
    pub(super) fn tell(&self, topic: &str) {
        if let Some(first) = &self.first {
            let count = self.count;
            tracing::warn!(topic, entries = count, %first, "entries of the state cannot be read: their dead letters are listed as open");
        }
    }
}
