//! Dead letters of a job that were redriven since, as `verify` finds them: their records stand in the target and are nobody's copy.
//!
//! What the redrives have written of them is taken as a claim: each such record must be there, in the partition that is named, and hold
//! what the job's conversion makes of it today; where that still refuses it, a redrive had another mapping, and any record is taken.

use std::collections::{BTreeMap, HashMap};

use super::super::cast::{Cast, Side};
use super::super::error::Error;
use super::super::offsets::Spot;
use super::super::reading::partitions_of;
use super::super::scan;
use super::super::state::Job;
use crate::dead_letters::state::{Entry, Fate, Key, topic_of};
use crate::gate::dead_letter::ATTEMPT;
use crate::gate::rewrite;
use crate::kafka::ffi::Message;
use crate::record::Header;

/// What was redriven to the target of a job.
#[derive(Debug, Default)]
pub(super) struct Redriven {
    /// The records of the source whose dead letters these were, with their partitions in the target; those that were not met yet.
    sources: HashMap<Spot, i32>,
    /// The same, met in the source, by partition and the hash of key and value as they must be.
    expected: HashMap<(i32, String), Vec<Spot>>,
    /// The same, without anything that they must be.
    any: HashMap<i32, Vec<Spot>>,
    /// How many the source has lost since, or were not compared, by partition.
    unmet: HashMap<i32, u64>,
    /// Records of the target that may be these, with their hashes.
    met: BTreeMap<Spot, String>,
}

impl Redriven {
    /// Reads what redrives have written of the job's dead letters.
    pub(super) fn read(cast: &Cast, job: &Job) -> Result<Self, Error> {
        let mut redriven = Self::default();
        let Some(conversion) = &job.conversion else { return Ok(redriven) };
        let topic = topic_of(&conversion.dead_letter);
        if partitions_of(&cast.consumer(Side::Target, 1)?, &topic)?.is_none() {
            return Ok(redriven);
        }
        scan::all(cast, Side::Target, &topic, |message| {
            redriven.add(message.key().unwrap_or_default(), message.value().unwrap_or_default(), job);
        })?;
        Ok(redriven)
    }

    /// Takes in a record of the state of dead letters; what cannot be read claims nothing.
    fn add(&mut self, key: &[u8], value: &[u8], job: &Job) {
        let (Some(Key::Letter { .. }), Ok(entry)) = (Key::read(key), Entry::decode(value)) else { return };
        let (Some(source), Fate::Redriven { topic, partition }) = (entry.source, &entry.fate) else { return };
        let spot = (source.partition.0, source.offset.0);
        if source.topic == job.source && *topic == job.to {
            self.sources.insert(spot, *partition);
        }
    }

    /// Takes in a record of the target: one that was redriven says how often it was a dead letter.
    pub(super) fn see(&mut self, message: Message<'_>, headers: &[Header<'_>]) {
        if !self.sources.is_empty() && headers.iter().any(|header| header.name == ATTEMPT) {
            let hash = rewrite::hash(message.key(), message.value());
            self.met.insert((message.partition(), message.offset()), hash);
        }
    }

    /// Takes in what a record of the source must have become; tells whether its dead letter was redriven.
    pub(super) fn expect(&mut self, source: Spot, key: Option<&[u8]>, value: Option<&[u8]>) -> bool {
        let Some(partition) = self.sources.remove(&source) else { return false };
        self.expected.entry((partition, rewrite::hash(key, value))).or_default().push(source);
        true
    }

    /// The same of a record that the job refuses still.
    pub(super) fn expect_any(&mut self, source: Spot) {
        if let Some(partition) = self.sources.remove(&source) {
            self.any.entry(partition).or_default().push(source);
        }
    }

    /// Returns the records of the target that may have been redriven, once all of the source were met.
    pub(super) fn candidates(&mut self) -> Vec<Spot> {
        for partition in std::mem::take(&mut self.sources).into_values() {
            *self.unmet.entry(partition).or_default() += 1;
        }
        self.met.keys().copied().collect()
    }

    /// Tells whether a record of the target that is nobody's copy was redriven.
    pub(super) fn take(&mut self, target: Spot) -> bool {
        let Some(hash) = self.met.remove(&target) else { return false };
        let expected = self.expected.get_mut(&(target.0, hash)).and_then(Vec::pop);
        if expected.or_else(|| self.any.get_mut(&target.0)?.pop()).is_some() {
            return true;
        }
        let unmet = self.unmet.get_mut(&target.0).filter(|count| **count > 0);
        unmet.map(|count| *count -= 1).is_some()
    }

    /// Returns the records of the source of which nothing was found in the target.
    pub(super) fn rest(self) -> Vec<Spot> {
        let mut rest: Vec<_> = self.expected.into_values().chain(self.any.into_values()).flatten().collect();
        rest.sort_unstable();
        rest
    }
}
