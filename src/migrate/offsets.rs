//! The offset map: where each record of the source has gone.
//!
//! ```text
//! source partition 3:  100 101 102 [103 dead letter] 104 [105 marker] 106
//! target partition 3:  40  41  42                    43               44     ->  runs 100..103 → 40, 104 → 43, 106 → 44
//! ```
//! A copy keeps the order of each source partition, so that the map is runs of records that stand one behind the other on
//! both sides. What has no target (dead letters, markers of transactions, what compaction took) is in no run. One
//! [`Piece`] is what one transaction has copied of one source partition, as a record of a compacted topic that the same
//! transaction writes: its key is source partition and first offset, which no other piece has, so that compaction
//! keeps all of them.
//!
//! [`place`] answers what a cut-over asks: where does a group go on, which has read this far? It is the same question in
//! both directions, since runs read the same from either side. Where all of a partition goes to one other the answer is
//! exact; where it is spread over several, what the group has not read may begin before the last record that it has: the
//! answer then is the position that loses nothing, with the number of records that are read twice.
//!
//! A topic that was deleted and made again has other records at the same offsets. The map of a converter lives on then, so that each
//! of its pieces says which [`Topics`] it is about; what is about others counts for nothing.
//!
//! All offsets here are of *this* record, but for those named `next`.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

/// The form of pieces that do not say which topics they are about: those of jobs, which keep that in their state.
const PLAIN: u64 = 1;

/// The form of those that do.
const OF_TOPICS: u64 = 2;

/// Bytes of runs in one piece: far below what topics take in a record by default.
const PIECE_BYTES: usize = 64 << 10;

pub use crate::transactions::Spot;

/// An offset of each partition of a topic; what it is used for says which one.
pub type Offsets = BTreeMap<i32, i64>;

/// A record of the map topic: its key and its value.
pub type MapRecord = (Vec<u8>, Vec<u8>);

/// The two topics that a map is about, told by their IDs: a hash of both, which is short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Topics([u8; 8]);

impl Topics {
    /// Names the topics of these IDs, in the direction of the map.
    #[must_use]
    pub fn of(from: &str, to: &str) -> Self {
        let hash = Sha256::new().chain_update(from).chain_update([0]).chain_update(to).finalize();
        Self(std::array::from_fn(|index| hash[index]))
    }
}

/// Records that stand one behind the other on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// Where the first one stands.
    pub from: Spot,
    /// Where the first one went.
    pub to: Spot,
    /// How many there are.
    pub length: i64,
}

impl Run {
    /// Returns the same run, read from the other side.
    #[must_use]
    pub fn reversed(self) -> Self {
        Self { from: self.to, to: self.from, length: self.length }
    }

    /// Parts the run before the offset `next`: what stands before it, and the rest.
    fn parted(self, next: i64) -> (Option<Self>, Option<Self>) {
        let Self { from, to, length } = self;
        let before = next.saturating_sub(from.1).clamp(0, length);
        let first = (before > 0).then_some(Self { length: before, ..self });
        let rest = Self { from: (from.0, from.1 + before), to: (to.0, to.1 + before), length: length - before };
        (first, (before < length).then_some(rest))
    }
}

/// Collects what one transaction copies of one source partition.
#[derive(Debug, Default)]
pub struct Piece {
    topics: Option<Topics>,
    runs: Vec<Run>,
}

impl Piece {
    /// Begins one that says which topics it is about, where that is known.
    #[must_use]
    pub fn of(topics: Option<Topics>) -> Self {
        Self { topics, runs: Vec::new() }
    }

    /// Adds a record; those of one partition come in the order of their offsets.
    pub fn push(&mut self, from: Spot, to: Spot) {
        if let Some(last) = self.runs.last_mut()
            && (from.0, from.1 - last.length) == last.from
            && (to.0, to.1 - last.length) == last.to
        {
            last.length += 1;
            return;
        }
        self.runs.push(Run { from, to, length: 1 });
    }

    /// Returns the records of the map topic: key and value of each.
    #[must_use]
    pub fn records(&self) -> Vec<MapRecord> {
        let mut records = Vec::new();
        let mut runs = self.runs.iter().peekable();
        while let Some(first) = runs.peek() {
            let key = format!("{}/{}", first.from.0, first.from.1).into_bytes();
            let mut value = Vec::new();
            put(&mut value, if self.topics.is_some() { OF_TOPICS } else { PLAIN });
            value.extend(self.topics.iter().flat_map(|topics| topics.0));
            let mut last = Last { from: first.from.1, to: BTreeMap::new() };
            while value.len() < PIECE_BYTES
                && let Some(run) = runs.next()
            {
                last.write(run, &mut value);
            }
            records.push((key, value));
        }
        records
    }
}

/// What the next run is told against: small differences are short.
struct Last {
    /// The source offset after the last run.
    from: i64,
    /// The same, of each target partition.
    to: BTreeMap<i32, i64>,
}

impl Last {
    fn write(&mut self, run: &Run, value: &mut Vec<u8>) {
        let next = self.to.entry(run.to.0).or_default();
        put(value, (run.from.1 - self.from).unsigned_abs());
        put(value, u64::from(run.to.0.unsigned_abs()));
        put(value, (run.to.1 - *next).unsigned_abs());
        put(value, run.length.unsigned_abs());
        *next = run.to.1 + run.length;
        self.from = run.from.1 + run.length;
    }

    fn read(&mut self, partition: i32, value: &mut &[u8]) -> Option<Run> {
        let from = self.from.checked_add(take(value)?.try_into().ok()?)?;
        let target = i32::try_from(take(value)?).ok()?;
        let next = self.to.entry(target).or_default();
        let to = next.checked_add(take(value)?.try_into().ok()?)?;
        let length = i64::try_from(take(value)?).ok().filter(|length| *length > 0)?;
        *next = to.checked_add(length)?;
        self.from = from.checked_add(length)?;
        Some(Run { from: (partition, from), to: (target, to), length })
    }
}

/// Writes a number of any size, small ones short (LEB128).
fn put(value: &mut Vec<u8>, mut number: u64) {
    loop {
        let low = number.to_le_bytes()[0] & 0x7f;
        number >>= 7;
        if number == 0 {
            return value.push(low);
        }
        value.push(low | 0x80);
    }
}

fn take(value: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = value.split_first()?;
        *value = rest;
        number |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte < 0x80 {
            return Some(number);
        }
    }
    None
}

/// A record of the map topic that is none of a map.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the offset map holds a record that is none: key '{key}'")]
pub struct Damaged {
    /// Its key.
    pub key: String,
}

/// The whole map of a job, as its topic holds it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Map {
    runs: Vec<Run>,
}

impl Map {
    /// Adds a record of the map topic, unless it is about other topics than these.
    ///
    /// # Errors
    /// It is none.
    pub fn add(&mut self, key: &[u8], mut value: &[u8], wanted: Option<Topics>) -> Result<(), Damaged> {
        let damaged = || Damaged { key: String::from_utf8_lossy(key).into_owned() };
        let text = std::str::from_utf8(key).map_err(|_| damaged())?;
        let parsed =
            text.split_once('/').and_then(|(partition, first)| Some((partition.parse().ok()?, first.parse().ok()?)));
        let (partition, first) = parsed.ok_or_else(damaged)?;
        let topics = match take(&mut value) {
            Some(PLAIN) => None,
            Some(OF_TOPICS) => {
                let (topics, rest) = value.split_first_chunk().ok_or_else(damaged)?;
                value = rest;
                Some(Topics(*topics))
            }
            _ => return Err(damaged()),
        };
        if wanted.is_some() && topics != wanted {
            return Ok(());
        }
        let mut last = Last { from: first, to: BTreeMap::new() };
        while !value.is_empty() {
            self.runs.push(last.read(partition, &mut value).ok_or_else(damaged)?);
        }
        Ok(())
    }

    /// Brings the runs into the order of the source: records of a topic's partitions come in any.
    pub fn sort(&mut self) {
        self.runs.sort_unstable_by_key(|run| run.from);
    }

    /// Adds the runs of another map; [sort](Self::sort) it then.
    pub fn extend(&mut self, other: &Self) {
        self.runs.extend(&other.runs);
    }

    /// Returns the same map, read from the other side.
    #[must_use]
    pub fn reversed(&self) -> Self {
        let mut map = Self { runs: self.runs.iter().map(|run| run.reversed()).collect() };
        map.sort();
        map
    }

    /// Returns the runs.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Counts the records that it tells of.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.runs.iter().map(|run| run.length.unsigned_abs()).sum()
    }

    /// Returns where every copy stands.
    pub fn targets(&self) -> impl Iterator<Item = Spot> {
        self.runs.iter().flat_map(|run| (0..run.length).map(|beyond| (run.to.0, run.to.1 + beyond)))
    }

    /// Returns where a record of the source has gone; the map is [sorted](Self::sort).
    #[must_use]
    pub fn target(&self, from: Spot) -> Option<Spot> {
        let index = self.runs.partition_point(|run| run.from <= from).checked_sub(1)?;
        let run = self.runs[index];
        let beyond = from.1 - run.from.1;
        (run.from.0 == from.0 && beyond < run.length).then_some((run.to.0, run.to.1 + beyond))
    }
}

/// Where a group goes on in one partition of the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Place {
    /// The partition.
    pub partition: i32,
    /// The *next* offset that is read.
    pub next: i64,
    /// Records from there on that the group has read already, on the side that it comes from.
    pub again: u64,
    /// Records from there on that it has not.
    pub unread: u64,
}

/// Finds where a group goes on that has read before `nexts` on the one side; a partition that is not among them was never
/// read. `starts` are the first offsets of the partitions of the other side, and `born` those of the first records there
/// that are no copies, where there are any: nobody has read them.
///
/// No record that was not read stands before the place, and the last record that was read and stands before the first
/// that was not is the one just before the place.
#[must_use]
pub fn place(
    runs: impl Iterator<Item = Run> + Clone,
    nexts: &Offsets,
    (starts, born): (&Offsets, &Offsets),
) -> Vec<Place> {
    let next_of = |partition: i32| nexts.get(&partition).copied().unwrap_or(i64::MIN);
    let parted = runs.map(|run| run.parted(next_of(run.from.0)));
    let mut first_unread = born.clone();
    for rest in parted.clone().filter_map(|(_, rest)| rest) {
        let first = first_unread.entry(rest.to.0).or_insert(rest.to.1);
        *first = rest.to.1.min(*first);
    }
    let mut places: BTreeMap<i32, Place> =
        starts.iter().map(|(&partition, &next)| (partition, Place { partition, next, again: 0, unread: 0 })).collect();
    for (read, rest) in parted {
        for (run, is_read) in [(read, true), (rest, false)] {
            let Some(run) = run else { continue };
            let place = places.entry(run.to.0).or_insert(Place { partition: run.to.0, next: 0, again: 0, unread: 0 });
            if !is_read {
                place.unread += run.length.unsigned_abs();
                continue;
            }
            let limit = first_unread.get(&run.to.0).copied().unwrap_or(i64::MAX);
            let before = (limit - run.to.1).clamp(0, run.length);
            place.again += (run.length - before).unsigned_abs();
            if before > 0 {
                place.next = place.next.max(run.to.1 + before);
            }
        }
    }
    places.into_values().collect()
}

/// Counts the copies that a group which has read before `nexts` has not read, and that are gone: they stood before `starts`.
/// What its own side has lost too, which begins at `froms`, the group could not have read there either.
#[must_use]
pub fn lost(runs: impl Iterator<Item = Run>, nexts: &Offsets, (froms, starts): (&Offsets, &Offsets)) -> u64 {
    let of = |offsets: &Offsets, partition| offsets.get(&partition).copied().unwrap_or(0);
    let gone = |run: Run| {
        let next = of(nexts, run.from.0).max(of(froms, run.from.0));
        let rest = run.parted(next).1?;
        Some((of(starts, rest.to.0) - rest.to.1).clamp(0, rest.length).unsigned_abs())
    };
    runs.filter_map(gone).sum()
}

#[cfg(test)]
mod tests;
