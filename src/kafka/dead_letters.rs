//! What became of dead letters: their state topic, made where that is allowed, and read to its end into a [`Ledger`].

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;

use super::reading::{self, Met, Reading, Span, Start};
use super::topics::{self, Cluster, NewTopic, Topic, tool_options, unfit};
use crate::config::Config;
use crate::dead_letters::state::{self, Entry, Key, RUNS, Run};
use crate::dead_letters::{Damaged, Ledger};

/// Why it is not known what became of dead letters.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster cannot be asked, or creates no topic.
    #[error(transparent)]
    Topics(#[from] topics::Error),
    /// Topics cannot be read.
    #[error(transparent)]
    Reading(#[from] reading::Error),
    /// An entry cannot be read.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// The state topic is not there and may not be made, or cannot keep what it has to.
    #[error("{0}")]
    Unsuitable(String),
}

impl Error {
    /// Tells whether the command line, the configuration or a topic is at fault, and no further attempt helps.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Topics(error) => !error.is_transient(),
            Self::Reading(error) => error.is_usage(),
            Self::Damaged(_) | Self::Unsuitable(_) => true,
        }
    }
}

/// A dead-letter topic whose state topic is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// The dead-letter topic.
    pub topic: String,
    /// Its ID, where brokers tell it.
    pub id: Option<String>,
    /// Its partitions: 0 up to this number.
    pub partitions: i32,
    /// The state topic; it may have more partitions.
    pub state: String,
}

/// Sees to it that a dead-letter topic has its state topic, and makes it where `create_topics` is set.
///
/// # Errors
/// It is not there and may not be made, or would lose entries: with the command that mends it. The cluster does not answer.
pub fn prepare(cluster: &Cluster, config: &Config, dead_letters: &str) -> Result<Prepared, Error> {
    let (state, options) = (state::topic_of(dead_letters), tool_options(&config.kafka));
    let names = BTreeSet::from([dead_letters.to_owned(), state.clone()]);
    let mut found = cluster.describe(&names)?;
    let letters = found.remove(dead_letters).ok_or_else(|| reading::Error::NoTopic(dead_letters.to_owned()))?;
    let topic = match found.remove(&state) {
        Some(topic) => topic,
        None => make(cluster, config, &letters)?,
    };
    if let Some(problem) = unfit(&topic, &letters, &options) {
        return Err(Error::Unsuitable(problem));
    }
    let id = id(cluster, dead_letters)?;
    Ok(Prepared { topic: letters.name, id, partitions: letters.partitions, state })
}

fn make(cluster: &Cluster, config: &Config, letters: &Topic) -> Result<Topic, Error> {
    let (wanted, options) = (NewTopic::state_of(letters), tool_options(&config.kafka));
    let name = wanted.name.clone();
    if !config.create_topics {
        return Err(Error::Unsuitable(format!(
            "topic '{name}' does not exist, where redrives keep what became of the dead letters; set 'create_topics: true', \
             or create it with: {}",
            wanted.command(&options)
        )));
    }
    cluster.create(&[wanted], &options)?;
    let found = cluster.describe(&BTreeSet::from([name.clone()]))?.remove(&name);
    found.ok_or_else(|| topics::Error::NotVisible { topics: name }.into())
}

/// Returns the ID of a topic, where brokers tell it.
///
/// # Errors
/// The cluster does not answer.
pub fn id(cluster: &Cluster, topic: &str) -> Result<Option<String>, Error> {
    let mut found = cluster.look(&BTreeSet::from([topic.to_owned()]))?;
    Ok(found.remove(topic).and_then(|described| described.id))
}

/// Reads all that became of the dead letters of a topic, for a redrive: what cannot be read ends it. Whoever redrives
/// has to fence older runs first.
///
/// # Errors
/// An entry cannot be read, or the cluster does not answer.
pub fn read(reading: &Reading, of: &Prepared) -> Result<Ledger, Error> {
    let mut ledger = Ledger::new(of.id.as_deref());
    let partitions: Vec<_> = (0..of.partitions).collect();
    let spans = reading.spans(&of.state, &partitions, Start::Earliest)?;
    each(reading, &spans, |partition, key, value| Ok(ledger.add(partition, key, value)?))?;
    Ok(ledger)
}

/// The same for those who only look: entries that cannot be read are given to `damaged`, and their dead letters count as open.
/// Returns none where there is no state topic among those `known`.
///
/// # Errors
/// The cluster does not answer.
pub fn look(
    reading: &Reading,
    (dead_letters, id): (&str, impl FnOnce() -> Result<Option<String>, Error>),
    known: &BTreeMap<String, Vec<i32>>,
    mut damaged: impl FnMut(Damaged),
) -> Result<Option<Ledger>, Error> {
    let state = state::topic_of(dead_letters);
    let Some(partitions) = known.get(&state) else { return Ok(None) };
    let mut ledger = Ledger::new(id()?.as_deref());
    let spans = reading.spans(&state, partitions, Start::Earliest)?;
    each(reading, &spans, |partition, key, value| {
        ledger.add(partition, key, value).unwrap_or_else(&mut damaged);
        Ok(())
    })?;
    Ok(Some(ledger))
}

/// What the state topic has about one dead letter.
#[derive(Debug)]
pub struct Found(Option<Vec<u8>>);

impl Found {
    /// Returns what became of it; none where it is open as it was.
    #[must_use]
    pub fn entry(&self) -> Option<Entry<'_>> {
        Entry::decode(self.0.as_deref()?).ok()
    }
}

/// Finds what became of one dead letter, with all that was written about it; none where there is no state topic among those
/// `known`.
///
/// # Errors
/// The cluster does not answer.
pub fn find(
    reading: &Reading,
    (dead_letters, id): (&str, impl FnOnce() -> Result<Option<String>, Error>),
    letter: (i32, i64),
    known: &BTreeMap<String, Vec<i32>>,
) -> Result<Option<Found>, Error> {
    let (state, (partition, offset)) = (state::topic_of(dead_letters), letter);
    if !known.get(&state).is_some_and(|partitions| partitions.contains(&partition)) {
        return Ok(None);
    }
    let (mut ledger, key) = (Ledger::new(id()?.as_deref()), Key::Letter { partition, offset }.to_string());
    let (spans, mut found) = (reading.spans(&state, &[partition], Start::Earliest)?, Found(None));
    each(reading, &spans, |_, of, value| {
        let Some(value) = value.filter(|_| of == key.as_bytes()) else { return Ok(()) };
        let Ok(entry) = Entry::decode(value) else { return Ok(()) };
        // What was redriven stays so.
        if ledger.is_about(&entry) && ledger.state(partition, offset).is_open() {
            ledger.note(letter, &entry);
            found.0 = Some(value.to_vec());
        }
        Ok(())
    })?;
    Ok(Some(found))
}

/// Reads the audit records of all redrives of a topic, by their IDs; none where there is no state topic among those `known`.
///
/// # Errors
/// The cluster does not answer.
pub fn runs(
    reading: &Reading,
    dead_letters: &str,
    known: &BTreeMap<String, Vec<i32>>,
    mut damaged: impl FnMut(Damaged),
) -> Result<Option<BTreeMap<String, Run>>, Error> {
    let state = state::topic_of(dead_letters);
    if !known.contains_key(&state) {
        return Ok(None);
    }
    let (spans, mut ledger) = (reading.spans(&state, &[RUNS], Start::Earliest)?, Ledger::new(None));
    each(reading, &spans, |partition, key, value| {
        if matches!(Key::read(key), Some(Key::Run(_))) {
            ledger.add(partition, key, value).unwrap_or_else(&mut damaged);
        }
        Ok(())
    })?;
    Ok(Some(ledger.into_runs()))
}

fn each(
    reading: &Reading,
    spans: &[Span],
    mut take: impl FnMut(i32, &[u8], Option<&[u8]>) -> Result<(), Error>,
) -> Result<(), Error> {
    reading.read(spans, false, |met| {
        if let Met::Record(message) = met {
            take(message.partition(), message.key().unwrap_or_default(), message.value())?;
        }
        Ok(ControlFlow::Continue(()))
    })
}
