//! Which dead letters of a topic are closed, which have failed again, and which records must not be redriven a second time.
//!
//! Made from the records of the state topic, in the order of each partition. Closed dead letters take a bit each, and what bars a
//! second redrive 16 bytes: a million redriven ones are some 35 MB. Newest reasons are kept for the first [`REASONS`] that failed.

use std::collections::BTreeMap;

use rustc_hash::{FxHashMap, FxHashSet};
use serde::Serialize;
use sha2::{Digest as _, Sha256};

use super::state::{Entry, Fate, Key, RUNS, Run};
use crate::record::Position;

/// Dead letters whose newest reason is kept; of further ones it is known only that they failed.
pub const REASONS: usize = 200_000;

/// What became of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State<'l> {
    /// Nothing yet.
    Open,
    /// A redrive found that it still fails; it is open. Why, where that is kept.
    Failed(Option<&'l Failed>),
    /// It was redriven, and is closed.
    Redriven,
}

impl State<'_> {
    /// Tells whether there is still something to be done.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::Failed(_))
    }

    /// Returns the stable name: `open`, `failed` or `redriven`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Failed(_) => "failed",
            Self::Redriven => "redriven",
        }
    }
}

/// Why a dead letter failed again, the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failed {
    /// The reason code.
    pub reason: Box<str>,
    /// The field concerned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<Box<str>>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// How often the record had been a dead letter then.
    pub attempt: u32,
}

/// All that became of the dead letters of one topic.
#[derive(Debug, Default)]
pub struct Ledger {
    /// The ID of the dead-letter topic; empty where it is not known.
    topic: String,
    closed: BTreeMap<i32, Offsets>,
    failed: BTreeMap<i32, Offsets>,
    reasons: FxHashMap<(i32, i64), Failed>,
    redriven: FxHashSet<u128>,
    runs: BTreeMap<String, Run>,
}

/// A record of the state topic that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the state of the dead letters cannot be read: partition {partition}, key '{key}': {why}; it was written by another version of sluice, or by somebody else"
)]
pub struct Damaged {
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: String,
    /// Why.
    pub why: String,
}

impl Ledger {
    /// Begins the ledger of a dead-letter topic with this ID, where brokers tell it.
    #[must_use]
    pub fn new(topic: Option<&str>) -> Self {
        Self { topic: topic.unwrap_or_default().to_owned(), ..Self::default() }
    }

    /// Takes in a record of the state topic. What it says of a topic that was there before under the same name does not count.
    ///
    /// # Errors
    /// It cannot be read. Then it is not known which dead letters are closed: a redrive must not begin.
    pub fn add(&mut self, partition: i32, key: &[u8], value: Option<&[u8]>) -> Result<(), Damaged> {
        let damaged = |why: String| Damaged { partition, key: String::from_utf8_lossy(key).into_owned(), why };
        let key = Key::read(key).ok_or_else(|| damaged("no such key is known".to_owned()))?;
        let home = match key {
            Key::Letter { partition, .. } => partition,
            Key::Run(_) => RUNS,
        };
        if partition != home {
            return Err(damaged(format!("it belongs to partition {home}")));
        }
        let Some(value) = value else { return Ok(()) };
        match key {
            Key::Letter { partition, offset } => {
                let entry = Entry::decode(value).map_err(|error| damaged(error.to_string()))?;
                self.note((partition, offset), &entry);
            }
            Key::Run(id) => {
                let run = Run::decode(value).map_err(|error| damaged(error.to_string()))?;
                self.runs.insert(id.to_owned(), run);
            }
        }
        Ok(())
    }

    /// Notes what became of the dead letter at a partition and offset; whoever writes an entry notes it, too, lest one run
    /// redrives a record twice.
    pub fn note(&mut self, (partition, offset): (i32, i64), entry: &Entry<'_>) {
        if !self.is_about(entry) {
            return;
        }
        match &entry.fate {
            Fate::Redriven { topic, .. } => {
                self.closed.entry(partition).or_default().insert(offset);
                self.reasons.remove(&(partition, offset));
                self.redriven.extend(entry.source.map(|source| print(source, entry.hash, topic)));
            }
            Fate::Failed { reason, path } => {
                self.failed.entry(partition).or_default().insert(offset);
                if self.reasons.len() < REASONS || self.reasons.contains_key(&(partition, offset)) {
                    let (reason, path) = ((*reason).into(), path.as_deref().map(Into::into));
                    let failed = Failed { reason, path, time: entry.time, attempt: entry.attempt };
                    self.reasons.insert((partition, offset), failed);
                }
            }
        }
    }

    /// Tells whether an entry is about this topic, and not about one that was there before under the same name. An ID that is not
    /// known is not compared.
    #[must_use]
    pub fn is_about(&self, entry: &Entry<'_>) -> bool {
        self.topic == entry.topic || self.topic.is_empty() || entry.topic.is_empty()
    }

    /// Returns what became of the dead letter at a partition and offset. What was redriven stays closed.
    #[must_use]
    pub fn state(&self, partition: i32, offset: i64) -> State<'_> {
        let is_in = |set: &BTreeMap<i32, Offsets>| set.get(&partition).is_some_and(|offsets| offsets.contains(offset));
        if is_in(&self.closed) {
            State::Redriven
        } else if is_in(&self.failed) {
            State::Failed(self.reasons.get(&(partition, offset)))
        } else {
            State::Open
        }
    }

    /// Tells whether the record of this source and hash was redriven to a topic already, as this dead letter or as another one.
    /// Two gates may have refused it, each with a topic of its own.
    #[must_use]
    pub fn bars(&self, source: Position<'_>, hash: &str, to: &str) -> bool {
        self.redriven.contains(&print(source, hash, to))
    }

    /// Returns the redrives by their IDs, those of a topic that was there before under the same name included.
    #[must_use]
    pub fn runs(&self) -> &BTreeMap<String, Run> {
        &self.runs
    }

    /// Gives the redrives away.
    #[must_use]
    pub fn into_runs(self) -> BTreeMap<String, Run> {
        self.runs
    }
}

/// Returns what a record is known by. The ID of its source topic is not in dead letters: one that was made again could hold the same
/// bytes at the same offset; that record would be passed over, and told so.
fn print(source: Position<'_>, hash: &str, to: &str) -> u128 {
    let mut digest = Sha256::new();
    digest.update(source.partition.0.to_be_bytes());
    digest.update(source.offset.0.to_be_bytes());
    digest.update(hash.as_bytes());
    digest.update(source.topic.as_bytes());
    // No name of a topic has it.
    digest.update([0]);
    digest.update(to.as_bytes());
    let digest: [u8; 32] = digest.finalize().into();
    let (first, _) = digest.split_first_chunk().expect("a digest has more than 16 bytes");
    u128::from_be_bytes(*first)
}

/// A set of offsets: neighbours share a word, and what is far apart costs nothing between.
#[derive(Debug, Default)]
struct Offsets(BTreeMap<i64, u64>);

impl Offsets {
    fn place(offset: i64) -> (i64, u64) {
        (offset.div_euclid(64), 1 << offset.rem_euclid(64))
    }

    fn insert(&mut self, offset: i64) {
        let (word, bit) = Self::place(offset);
        *self.0.entry(word).or_default() |= bit;
    }

    fn contains(&self, offset: i64) -> bool {
        let (word, bit) = Self::place(offset);
        self.0.get(&word).is_some_and(|bits| bits & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Offset, Partition};

    fn source(offset: i64) -> Position<'static> {
        Position { topic: "orders.raw", partition: Partition(1), offset: Offset(offset) }
    }

    fn entry(fate: Fate<'static>, at: i64) -> Entry<'static> {
        Entry { topic: "A", fate, time: 7, run: "r", attempt: 2, source: Some(source(at)), hash: "ab" }
    }

    fn redriven(at: i64) -> Entry<'static> {
        entry(Fate::Redriven { topic: "orders", partition: 1 }, at)
    }

    fn failed(reason: &'static str) -> Entry<'static> {
        entry(Fate::Failed { reason, path: Some("name".into()) }, 9)
    }

    fn add(ledger: &mut Ledger, partition: i32, offset: i64, entry: &Entry<'_>) {
        let key = Key::Letter { partition, offset }.to_string();
        ledger.add(partition, key.as_bytes(), Some(&entry.encode())).unwrap();
    }

    #[test]
    fn what_was_redriven_is_closed_and_its_record_barred() {
        let mut ledger = Ledger::new(Some("A"));
        for offset in [0, 63, 64, 1 << 40] {
            assert_eq!(ledger.state(1, offset), State::Open);
            add(&mut ledger, 1, offset, &redriven(offset));
            assert_eq!(ledger.state(1, offset), State::Redriven);
            assert!(ledger.bars(source(offset), "ab", "orders"));
        }
        for (partition, offset) in [(0, 0), (2, 0), (1, 1), (1, 62), (1, 65)] {
            assert_eq!(ledger.state(partition, offset), State::Open, "{partition}@{offset}");
        }
        assert!(!ledger.bars(source(0), "ab", "orders-v2"), "another gate's");
        assert!(!ledger.bars(source(1), "ab", "orders") && !ledger.bars(source(0), "ac", "orders"));
        let other = Position { topic: "orders.raw2", ..source(0) };
        assert!(
            !ledger.bars(other, "ab", "orders")
                && !ledger.bars(Position { partition: Partition(0), ..source(0) }, "ab", "orders")
        );
        // A dead letter that does not say where it came from bars nothing.
        ledger.note((1, 5), &Entry { source: None, ..redriven(5) });
        assert!(ledger.state(1, 5) == State::Redriven && !ledger.bars(source(5), "ab", "orders"));
    }

    #[test]
    fn what_failed_is_open_with_its_newest_reason() {
        let mut ledger = Ledger::new(Some("A"));
        add(&mut ledger, 0, 3, &failed("truncated"));
        add(&mut ledger, 0, 3, &failed("invalid_utf8"));
        let State::Failed(Some(why)) = ledger.state(0, 3) else { panic!("{ledger:?}") };
        assert_eq!((&*why.reason, why.path.as_deref(), why.time, why.attempt), ("invalid_utf8", Some("name"), 7, 2));
        assert!(ledger.state(0, 3).is_open() && !ledger.bars(source(9), "ab", "orders"));
        add(&mut ledger, 0, 3, &redriven(9));
        assert_eq!(ledger.state(0, 3), State::Redriven);
        add(&mut ledger, 0, 3, &failed("truncated"));
        assert_eq!(ledger.state(0, 3), State::Redriven, "what was sent on cannot be taken back");
    }

    #[test]
    fn reasons_are_bounded() {
        let (mut ledger, failed) = (Ledger::new(None), failed("truncated"));
        let many = i64::try_from(REASONS).unwrap();
        (0..=many).for_each(|offset| ledger.note((0, offset), &failed));
        assert!(matches!(ledger.state(0, many - 1), State::Failed(Some(_))));
        assert_eq!(ledger.state(0, many), State::Failed(None));
        ledger.note((0, 0), &failed);
        assert!(matches!(ledger.state(0, 0), State::Failed(Some(_))), "one that is kept is kept up to date");
    }

    #[test]
    fn a_topic_that_was_made_again_has_no_past() {
        let mut ledger = Ledger::new(Some("B"));
        add(&mut ledger, 0, 3, &redriven(9));
        add(&mut ledger, 0, 4, &failed("truncated"));
        assert_eq!((ledger.state(0, 3), ledger.state(0, 4)), (State::Open, State::Open));
        assert!(!ledger.bars(source(9), "ab", "orders"));
        // Where an ID is not known, it is not compared.
        add(&mut ledger, 0, 5, &Entry { topic: "", ..redriven(9) });
        assert_eq!(ledger.state(0, 5), State::Redriven);
        let mut unknown = Ledger::new(None);
        add(&mut unknown, 0, 3, &redriven(9));
        assert_eq!(unknown.state(0, 3), State::Redriven);
    }

    #[test]
    fn what_cannot_be_read_is_refused_and_changes_nothing() {
        let mut ledger = Ledger::new(Some("A"));
        let good = redriven(9).encode();
        let later = String::from_utf8(good.clone()).unwrap().replace("\"version\":1", "\"version\":2");
        for (partition, key, value, why) in [
            (0, "letter/0/3", later.as_bytes(), "it is of form 2"),
            (0, "letter/0/3", b"{", "EOF"),
            (0, "letter/1/3", &good, "it belongs to partition 1"),
            (1, "run/r", b"{}", "it belongs to partition 0"),
            (0, "run/r", b"{}", "missing field"),
            (0, "moon/3", &good, "no such key"),
        ] {
            let error = ledger.add(partition, key.as_bytes(), Some(value)).unwrap_err().to_string();
            assert!(error.contains(why) && error.contains(key), "{error}");
        }
        ledger.add(0, b"letter/0/3", None).unwrap();
        assert!(ledger.state(0, 3) == State::Open && ledger.runs().is_empty());
    }

    #[test]
    fn runs_are_kept_by_their_newest_word() {
        let mut ledger = Ledger::new(Some("A"));
        for redriven in [0, 7] {
            let run = Run { redriven, begun: 1, ..Run::default() };
            ledger.add(RUNS, b"run/r1", Some(&run.encode())).unwrap();
        }
        assert_eq!(ledger.runs()["r1"].redriven, 7);
    }

    /// Many closed dead letters, as a redrive of a bad deploy leaves them: every third one of its partition.
    #[test]
    fn many_are_compact() {
        const MANY: usize = 200_000;
        let mut ledger = Ledger::new(Some("A"));
        let last = i64::try_from(MANY).unwrap();
        (0..last).for_each(|number| ledger.note((0, 3 * number), &redriven(number)));
        assert_eq!(ledger.redriven.len(), MANY);
        assert!(ledger.redriven.capacity() * 17 < 40 * MANY, "{}", ledger.redriven.capacity());
        assert!(ledger.closed[&0].0.len() <= 3 * MANY / 64 + 1);
        assert!((0..3 * last).all(|at| (ledger.state(0, at) == State::Redriven) == (at % 3 == 0)));
    }
}
