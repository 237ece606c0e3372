//! Dead letters counted: by reason and schema, over the hours, with first and last, and how many keys are concerned.
//!
//! Memory is bounded, whatever the headers say: groups, hours and keys are counted exactly up to a limit each, and what
//! is beyond is told ([`Stats::others`], [`Stats::hours_left_out`], [`Distinct::is_more`]), never guessed.

use std::collections::{BTreeMap, HashMap};
use std::hash::{BuildHasher as _, RandomState};

use rustc_hash::FxHashSet;

use super::ledger::State;
use super::letter::Letter;
use crate::schema::SchemaRef;

/// Groups that are counted one by one: reasons and schemas are few, but foreign headers may hold anything.
pub const GROUPS: usize = 1_000;
/// Keys that are told apart in one group.
pub const DISTINCT: usize = 100_000;
/// Keys that are told apart in all groups together: 8 MB of hashes and their tables.
const ALL_DISTINCT: usize = 1_000_000;
/// Hours of all groups together: more than a year of 10 groups. The times of records may be anything.
const HOURS: usize = 100_000;
const HOUR_MS: i64 = 3_600_000;

/// All counts.
#[derive(Debug, Default)]
pub struct Stats {
    /// All dead letters.
    pub count: u64,
    /// Those of groups beyond [`GROUPS`].
    pub others: u64,
    /// Those whose hour is not counted, since there are too many hours.
    pub hours_left_out: u64,
    /// How many of those that were seen are in which state.
    pub states: Tally,
    groups: HashMap<Box<str>, HashMap<Option<SchemaRef>, Group>>,
    size: Size,
    hasher: RandomState,
}

/// Dead letters by their state.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that nothing has become of.
    pub open: u64,
    /// Those that are open after a redrive: they have failed again.
    pub failed: u64,
    /// Those that were redriven.
    pub redriven: u64,
}

impl Tally {
    /// Counts one.
    pub fn pass(&mut self, state: State<'_>) {
        match state {
            State::Open => self.open += 1,
            State::Failed(_) => self.failed += 1,
            State::Redriven => self.redriven += 1,
        }
    }
}

/// What is kept in all.
#[derive(Debug, Default)]
struct Size {
    groups: usize,
    hours: usize,
    keys: usize,
}

/// The dead letters of one reason and one schema.
#[derive(Debug, Default)]
pub struct Group {
    /// The reason.
    pub reason: String,
    /// The schema.
    pub schema: Option<SchemaRef>,
    /// Its subject and version, by the first of them.
    pub subject: Option<(String, Option<i32>)>,
    /// How many there are.
    pub count: u64,
    /// In which state.
    pub states: Tally,
    /// The earliest time, in milliseconds.
    pub first: Option<i64>,
    /// The latest.
    pub last: Option<i64>,
    /// Dead letters per hour, by the hour's first millisecond.
    pub hours: BTreeMap<i64, u64>,
    /// How many keys they have.
    pub keys: Distinct,
    /// Those with a null key.
    pub keyless: u64,
}

/// How many different keys there are, exactly up to a limit.
#[derive(Debug, Default)]
pub struct Distinct {
    hashes: FxHashSet<u64>,
    /// Whether there may be more than [`count`](Self::count).
    pub is_more: bool,
}

impl Distinct {
    /// Returns how many were told apart.
    #[must_use]
    pub fn count(&self) -> usize {
        self.hashes.len()
    }

    fn add(&mut self, hash: u64, all: &mut usize) {
        if self.hashes.contains(&hash) {
            return;
        }
        if self.hashes.len() >= DISTINCT || *all >= ALL_DISTINCT {
            self.is_more = true;
        } else {
            *all += usize::from(self.hashes.insert(hash));
        }
    }
}

impl Stats {
    /// Counts a dead letter with its state, time and key.
    pub fn add(&mut self, (letter, state): (&Letter<'_>, State<'_>), timestamp: Option<i64>, key: Option<&[u8]>) {
        self.count += 1;
        let hash = key.map(|key| self.hasher.hash_one(key));
        if !self.groups.contains_key(letter.reason) {
            if self.size.groups >= GROUPS {
                self.others += 1;
                return;
            }
            self.groups.insert(letter.reason.into(), HashMap::new());
        }
        let schemas = self.groups.get_mut(letter.reason).expect("it was put there");
        if !schemas.contains_key(&letter.schema) {
            if self.size.groups >= GROUPS {
                self.others += 1;
                return;
            }
            self.size.groups += 1;
        }
        let group = schemas.entry(letter.schema).or_insert_with(|| Group::new(letter));
        group.count += 1;
        group.states.pass(state);
        match hash {
            Some(hash) => group.keys.add(hash, &mut self.size.keys),
            None => group.keyless += 1,
        }
        self.hours_left_out += u64::from(!group.at(timestamp, &mut self.size.hours));
    }

    /// Returns the groups, the largest first.
    #[must_use]
    pub fn groups(&self) -> Vec<&Group> {
        let mut groups: Vec<_> = self.groups.values().flat_map(HashMap::values).collect();
        groups
            .sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.reason.cmp(&b.reason)).then(a.schema.cmp(&b.schema)));
        groups
    }
}

impl Group {
    fn new(letter: &Letter<'_>) -> Self {
        let subject = letter.subject.map(|subject| (subject.to_owned(), letter.version));
        Self { reason: letter.reason.to_owned(), schema: letter.schema, subject, ..Self::default() }
    }

    /// Counts a time; returns whether there was room for its hour.
    fn at(&mut self, timestamp: Option<i64>, hours: &mut usize) -> bool {
        let Some(time) = timestamp else { return true };
        self.first = Some(self.first.map_or(time, |first| first.min(time)));
        self.last = Some(self.last.map_or(time, |last| last.max(time)));
        let hour = time.saturating_sub(time.rem_euclid(HOUR_MS));
        if let Some(count) = self.hours.get_mut(&hour) {
            *count += 1;
            return true;
        }
        let has_room = *hours < HOURS;
        if has_room {
            *hours += 1;
            self.hours.insert(hour, 1);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaId;

    fn letter(reason: &str, id: i32) -> Letter<'_> {
        Letter { reason, schema: Some(SchemaRef::Id(SchemaId(id))), subject: Some("orders-value"), ..Letter::SILENT }
    }

    #[test]
    fn reasons_schemas_hours_and_keys_are_counted() {
        let mut stats = Stats::default();
        for (reason, id, time, key) in [
            ("truncated", 1, 3_600_000, Some(b"a")),
            ("truncated", 1, 3_599_999, Some(b"a")),
            ("truncated", 1, 7_199_999, Some(b"b")),
            ("truncated", 2, 0, None),
            ("invalid_utf8", 1, -1, Some(b"a")),
        ] {
            stats.add((&letter(reason, id), State::Open), Some(time), key.map(|key| &key[..]));
        }
        let groups = stats.groups();
        let told: Vec<_> =
            groups.iter().map(|group| (&*group.reason, group.schema.unwrap().to_string(), group.count)).collect();
        let one = |number: &str| number.to_owned();
        assert_eq!(told, [("truncated", one("1"), 3), ("invalid_utf8", one("1"), 1), ("truncated", one("2"), 1)]);
        assert_eq!(groups[0].hours, BTreeMap::from([(0, 1), (3_600_000, 2)]));
        assert_eq!((groups[0].first, groups[0].last), (Some(3_599_999), Some(7_199_999)));
        assert_eq!((groups[0].keys.count(), groups[0].keyless, groups[2].keyless), (2, 0, 1));
        assert_eq!(groups[1].hours, BTreeMap::from([(-3_600_000, 1)]), "before 1970");
        assert_eq!(stats.count, 5);
    }

    #[test]
    fn memory_is_bounded_and_what_is_beyond_is_told() {
        let mut stats = Stats::default();
        for number in 0..GROUPS + 50 {
            stats.add((&letter(&format!("reason {number}"), 1), State::Open), None, None);
        }
        assert_eq!((stats.groups().len(), stats.others), (GROUPS, 50));
        let mut stats = Stats::default();
        for number in 0..DISTINCT + 10 {
            let time = i64::try_from(number).unwrap() * HOUR_MS;
            stats.add((&letter("truncated", 1), State::Open), Some(time), Some(&number.to_be_bytes()));
        }
        let group = stats.groups()[0];
        assert_eq!((group.keys.count(), group.keys.is_more), (DISTINCT, true));
        assert_eq!((group.hours.len(), stats.hours_left_out), (HOURS, 10));
    }
}
