//! Dead letters of a job that were redriven since, as `verify` finds them: their records stand in the target and are nobody's copy.
//!
//! What the redrives have written of them is taken as a claim: each such record must be there, in the partition that is named, and be
//! made from a record of that key and value.

use std::collections::{BTreeMap, HashMap, HashSet};

use rdkafka::message::{BorrowedMessage, Message as _};

use super::super::cast::{Cast, Side};
use super::super::error::Error;
use super::super::offsets::Spot;
use super::super::reading::partitions_of;
use super::super::scan;
use super::super::state::Job;
use crate::dead_letters::state::{Entry, Fate, Key, topic_of};
use crate::gate::dead_letter::ATTEMPT;
use crate::gate::rewrite::{self, HASH};
use crate::record::Header;

/// A record that was sent, by its partition in the target and the hash of its key and value as they were.
type Sent = (i32, String);

/// What was redriven to the target of a job.
#[derive(Debug, Default)]
pub(super) struct Redriven {
    /// The records of the source whose dead letters these were.
    sources: HashSet<Spot>,
    /// The records of the source by what was sent of them.
    sent: HashMap<Sent, Vec<Spot>>,
    /// Records of the target that may be these, by what they were made from.
    met: BTreeMap<Spot, [String; 2]>,
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
            redriven.add(message.key().unwrap_or_default(), message.payload().unwrap_or_default(), job);
        })?;
        Ok(redriven)
    }

    /// Takes in a record of the state of dead letters; what cannot be read claims nothing.
    fn add(&mut self, key: &[u8], value: &[u8], job: &Job) {
        let (Some(Key::Letter { .. }), Ok(entry)) = (Key::read(key), Entry::decode(value)) else { return };
        let (Some(source), Fate::Redriven { topic, partition }) = (entry.source, &entry.fate) else { return };
        let spot = (source.partition.0, source.offset.0);
        if source.topic == job.source && *topic == job.to && self.sources.insert(spot) {
            self.sent.entry((*partition, entry.hash.to_owned())).or_default().push(spot);
        }
    }

    /// Takes in a record of the target: one that was redriven says how often it was a dead letter.
    pub(super) fn see(&mut self, message: &BorrowedMessage<'_>, headers: &[Header<'_>]) {
        if !headers.iter().any(|header| header.name == ATTEMPT) {
            return;
        }
        let told = headers.iter().rev().find(|header| header.name == HASH).and_then(|header| header.value);
        let told = String::from_utf8_lossy(told.unwrap_or_default()).into_owned();
        let own = rewrite::hash(message.key(), message.payload());
        self.met.insert((message.partition(), message.offset()), [told, own]);
    }

    /// Tells whether the dead letter of a record was redriven.
    pub(super) fn has(&self, source: Spot) -> bool {
        self.sources.contains(&source)
    }

    /// Returns the records of the target that may have been redriven.
    pub(super) fn candidates(&self) -> Vec<Spot> {
        self.met.keys().copied().collect()
    }

    /// Finds which record of the source one of the target was made from that is nobody's copy.
    pub(super) fn take(&mut self, target: Spot) -> Option<Spot> {
        let hashes = self.met.remove(&target)?;
        hashes.into_iter().find_map(|hash| self.sent.get_mut(&(target.0, hash))?.pop())
    }

    /// Returns the records of the source of which nothing was found in the target.
    pub(super) fn rest(self) -> Vec<Spot> {
        let mut rest: Vec<_> = self.sent.into_values().flatten().collect();
        rest.sort_unstable();
        rest
    }
}
