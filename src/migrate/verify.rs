//! Comparing source and target, without trust in the run that made the one from the other.
//!
//! The map says of each record where it has gone. Here that is taken as a claim, and checked: that every record of the source
//! up to the checkpoint has a copy, that the copy is there, is the same by hash, is in the partition where it belongs,
//! and behind the copy of the record before it (so that order per key is kept); and that no record of the target is there
//! without being the copy of one. A map that errs is found with the copies that it names.
//!
//! What the source has lost since it was copied cannot be compared; it is counted. With a sample, the
//! records of one key in so many are compared: order per key is still seen.

use std::collections::BTreeMap;
use std::collections::HashMap;
use std::collections::HashSet;

use rdkafka::Timestamp;
use rdkafka::message::{BorrowedMessage, Message as _};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::cast::{Cast, Side};
use super::error::Error;
use super::offsets::{Map, Spot};
use super::state::{Job, State};
use super::{scan, store};
use crate::kafka::ffi;
use crate::kafka::murmur2;

/// Differences that are told one by one; the others are counted.
pub const MOST_TOLD: usize = 100;

/// What is wrong with one record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A record of the source has no copy.
    Missing,
    /// The map names a copy that is not there.
    Gone,
    /// Key, value, headers or time differ.
    Content,
    /// The copy is in another partition than the key's.
    Partition,
    /// The copy stands before that of an earlier record.
    Order,
    /// A record of the target is the copy of none.
    Foreign,
}

/// One difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// What is wrong.
    pub kind: Kind,
    /// The record of the source: partition and offset.
    pub source: Option<Spot>,
    /// The record of the target.
    pub target: Option<Spot>,
}

/// What was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Records of the source that were compared.
    pub compared: u64,
    /// Records of the target that were read.
    pub target: u64,
    /// Copies whose original the source has lost since.
    pub lost: u64,
    /// Records that are not compared by the sample.
    pub left_out: u64,
    /// Copies whose time was set by the brokers (`LogAppendTime`), so that it is not compared.
    pub untimed: u64,
    /// How many differences there are, by kind.
    pub counts: BTreeMap<Kind, u64>,
    /// The first of them.
    pub differences: Vec<Difference>,
}

impl Report {
    /// Tells whether nothing differs.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.counts.is_empty()
    }

    fn differ(&mut self, kind: Kind, source: Option<Spot>, target: Option<Spot>) {
        *self.counts.entry(kind).or_default() += 1;
        if self.differences.len() < MOST_TOLD {
            self.differences.push(Difference { kind, source, target });
        }
    }
}

/// What is kept of a record of the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Seen {
    content: [u8; 16],
    /// None where the brokers have set their own.
    time: Option<i64>,
}

/// Compares; `sample` takes the records of one key in so many, and `look` is told how many records were read.
///
/// # Errors
/// The job has not begun; a cluster that does not answer.
pub fn verify(cast: &Cast, sample: u32, look: &dyn Fn(u64)) -> Result<Report, Error> {
    let mut state = store::state(cast, None)?;
    let job = state.job.take().ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
    let map = store::map(cast)?;
    let mut comparison = Comparison::new(&job, &map, sample);
    let mut count = 0;
    scan::all(cast, Side::Target, &job.to, |message| {
        comparison.see(message);
        count += 1;
        look(count);
    })?;
    let nexts = State { job: Some(job.clone()), ..state }.nexts();
    scan::between(cast, (Side::Source, &job.source), Some(&nexts), |message| {
        comparison.compare(message);
        count += 1;
        look(count);
    })?;
    Ok(comparison.end())
}

struct Comparison<'j> {
    job: &'j Job,
    map: &'j Map,
    sample: u32,
    /// The target's records that no record of the source was compared with yet.
    seen: HashMap<Spot, Seen>,
    /// The last copy of each source partition in each target partition.
    last: HashMap<(i32, i32), i64>,
    report: Report,
}

impl<'j> Comparison<'j> {
    fn new(job: &'j Job, map: &'j Map, sample: u32) -> Self {
        Self { job, map, sample, seen: HashMap::new(), last: HashMap::new(), report: Report::default() }
    }

    fn is_left_out(&self, message: &BorrowedMessage<'_>) -> bool {
        self.sample > 1 && !murmur2::hash(message.key().unwrap_or_default()).is_multiple_of(self.sample)
    }

    fn see(&mut self, message: &BorrowedMessage<'_>) {
        self.report.target += 1;
        if !self.is_left_out(message) {
            self.report.untimed += u64::from(matches!(message.timestamp(), Timestamp::LogAppendTime(_)));
            let time = match message.timestamp() {
                Timestamp::LogAppendTime(_) => None,
                time @ (Timestamp::CreateTime(_) | Timestamp::NotAvailable) => Some(time.to_millis().unwrap_or(-1)),
            };
            self.seen.insert((message.partition(), message.offset()), Seen { content: hash(message), time });
        }
    }

    fn compare(&mut self, message: &BorrowedMessage<'_>) {
        let source = (message.partition(), message.offset());
        if self.job.starts.get(&source.0).is_none_or(|start| source.1 < *start) {
            return;
        }
        if self.is_left_out(message) {
            self.report.left_out += 1;
            return;
        }
        self.report.compared += 1;
        let Some(target) = self.map.target(source) else {
            return self.report.differ(Kind::Missing, Some(source), None);
        };
        let both = (Some(source), Some(target));
        let Some(seen) = self.seen.remove(&target) else { return self.report.differ(Kind::Gone, both.0, both.1) };
        if seen.content != hash(message)
            || seen.time.is_some_and(|time| time != message.timestamp().to_millis().unwrap_or(-1))
        {
            self.report.differ(Kind::Content, both.0, both.1);
        }
        if target.0 != self.partition(message) {
            self.report.differ(Kind::Partition, both.0, both.1);
        }
        if self.last.insert((source.0, target.0), target.1).is_some_and(|last| last > target.1) {
            self.report.differ(Kind::Order, both.0, both.1);
        }
    }

    fn partition(&self, message: &BorrowedMessage<'_>) -> i32 {
        let is_equal = usize::try_from(self.job.targets) == Ok(self.job.starts.len());
        let spread = || murmur2::partition(message.key(), message.partition(), self.job.targets);
        if is_equal { message.partition() } else { spread() }
    }

    /// Finds the records of the target that are nobody's copy.
    fn end(mut self) -> Report {
        let mut left: Vec<Spot> = self.seen.into_keys().collect();
        left.sort_unstable();
        let copies: HashSet<Spot> = self.map.targets().collect();
        for target in left {
            if copies.contains(&target) {
                self.report.lost += 1;
            } else {
                self.report.differ(Kind::Foreign, None, Some(target));
            }
        }
        self.report
    }
}

/// Returns the hash of key, value and headers; each part with its length, so that none runs into the next.
fn hash(message: &BorrowedMessage<'_>) -> [u8; 16] {
    let mut hash = Sha256::new();
    let mut add = |part: Option<&[u8]>| {
        hash.update(part.map_or(u64::MAX, |part| part.len() as u64).to_le_bytes());
        hash.update(part.unwrap_or_default());
    };
    add(message.key());
    add(message.payload());
    for header in &ffi::headers(message) {
        add(Some(header.name.as_bytes()));
        add(header.value);
    }
    let mut short = [0; 16];
    short.copy_from_slice(&hash.finalize()[..16]);
    short
}
