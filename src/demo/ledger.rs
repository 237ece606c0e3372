//! The books of the demo: what was sent, and whether each record came out once, where it belongs, as it was.
//!
//! A record is entered before it is sent, under a number that travels in a header, and struck out when a reader meets
//! it in an output topic. What is met and not in the books came twice or from nowhere; what is left at the end is
//! lost. Between the two it is compared: topic, partition, reason, key, value and timestamp, and the order within each
//! output partition. Only what is under way is kept, so the books stay small however long the demo runs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

use super::traffic::Expected;
use crate::gate::verdict::Route;
use crate::violation::ReasonCode;

/// Bytes that may be under way at once. The broker keeps 5 MB per partition and drops older records without a word, so
/// producers stop before any partition can come near.
const UNDER_WAY: usize = 4_000_000;

/// What a record costs in the log besides key and value: the frame and the headers, those of dead letters in the mean.
const OVERHEAD: usize = 150;

/// Faults that are kept in words; more are only counted.
const FAULTS_TOLD: usize = 10;

/// A record that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) partition: i32,
    pub(super) expected: Expected,
    /// Hash of key, value and timestamp.
    pub(super) fingerprint: u64,
    /// Bytes of key and value.
    pub(super) size: usize,
}

/// A record that was met in an output topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) route: Route,
    pub(super) partition: i32,
    /// The number in its header; `None` where there is none.
    pub(super) number: Option<u64>,
    pub(super) fingerprint: u64,
    /// What its dead-letter headers say.
    pub(super) reason: Option<ReasonCode>,
}

/// An example of a dead letter, read back from its headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Letter {
    /// Where it stood in the source: `topic-partition@offset`.
    pub(super) source: String,
    pub(super) path: Option<String>,
    pub(super) detail: String,
}

/// The books, as producer and reader share them.
pub(super) type Books = Arc<Mutex<Ledger>>;

/// The books.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    under_way: HashMap<u64, Entry>,
    bytes: usize,
    sent: u64,
    arrived: [u64; Route::ALL.len()],
    newest: HashMap<(Route, i32), u64>,
    letters: BTreeMap<ReasonCode, Letter>,
    faults: Vec<String>,
    more_faults: u64,
}

impl Ledger {
    /// Tells whether another record may be sent.
    pub(super) fn has_room(&self) -> bool {
        self.bytes < UNDER_WAY
    }

    /// Enters a record that is about to be sent; returns its number.
    pub(super) fn enter(&mut self, entry: Entry) -> u64 {
        self.sent += 1;
        self.bytes += entry.size + OVERHEAD;
        self.under_way.insert(self.sent, entry);
        self.sent
    }

    /// Takes back the newest entry, which could not be sent after all.
    pub(super) fn withdraw(&mut self, number: u64) {
        if let Some(entry) = self.under_way.remove(&number) {
            self.bytes -= entry.size + OVERHEAD;
            self.sent -= 1;
        }
    }

    /// Compares a record of an output topic with what was sent.
    pub(super) fn strike_out(&mut self, arrival: Arrival) {
        self.arrived[arrival.route as usize] += 1;
        let Some(number) = arrival.number else { return self.fault("a record has no number".to_owned()) };
        let Some(entry) = self.under_way.remove(&number) else {
            return self.fault(format!("record {number} came twice, or was never sent"));
        };
        self.bytes -= entry.size + OVERHEAD;
        let route = arrival.route.outcome();
        let found = Expected { route: arrival.route, reason: arrival.reason };
        if found != entry.expected {
            let expected = words(entry.expected);
            self.fault(format!("record {number} came out as {}, not as {expected}", words(found)));
        }
        if arrival.partition != entry.partition {
            let (from, to) = (entry.partition, arrival.partition);
            self.fault(format!("record {number} moved from partition {from} to {to} of '{route}'"));
        }
        if arrival.fingerprint != entry.fingerprint {
            self.fault(format!("record {number} changed its key, value or timestamp on the way to '{route}'"));
        }
        let before = self.newest.insert((arrival.route, arrival.partition), number);
        if before.is_some_and(|before| before > number) {
            self.fault(format!("record {number} was overtaken in partition {} of '{route}'", arrival.partition));
        }
    }

    /// Keeps a dead letter as the example of its reason, if it is the first.
    pub(super) fn keep(&mut self, reason: ReasonCode, letter: impl FnOnce() -> Letter) {
        self.letters.entry(reason).or_insert_with(letter);
    }

    /// Notes something that is wrong.
    pub(super) fn fault(&mut self, fault: String) {
        if self.faults.len() < FAULTS_TOLD {
            self.faults.push(fault);
        } else {
            self.more_faults += 1;
        }
    }

    /// Returns how many records were sent.
    pub(super) fn sent(&self) -> u64 {
        self.sent
    }

    /// Returns how many records are sent and not yet met again.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Returns how many records were met in the topic of an outcome.
    pub(super) fn arrived(&self, route: Route) -> u64 {
        self.arrived[route as usize]
    }

    /// Returns an example of each reason, in the order of the stages.
    pub(super) fn letters(&self) -> &BTreeMap<ReasonCode, Letter> {
        &self.letters
    }

    /// Closes the books: everything that is wrong, nothing if every record is accounted for.
    pub(super) fn close(mut self) -> Vec<String> {
        if !self.under_way.is_empty() {
            let first = self.under_way.keys().min().copied().unwrap_or_default();
            let count = self.under_way.len();
            self.fault(format!("{count} records never came out, the first of them number {first}"));
        }
        if self.more_faults > 0 {
            self.faults.push(format!("and {} more", self.more_faults));
        }
        self.faults
    }
}

/// Hashes what must not change on the way; an alien to the demo could forge it, an accident cannot.
pub(super) fn fingerprint(key: Option<&[u8]>, value: Option<&[u8]>, timestamp: Option<i64>) -> u64 {
    let mut hasher = DefaultHasher::new();
    (key, value, timestamp).hash(&mut hasher);
    hasher.finish()
}

fn words(expected: Expected) -> String {
    match expected.reason {
        Some(reason) => format!("{} ({reason})", expected.route.outcome()),
        None => expected.route.outcome().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VALIDATED: Expected = Expected { route: Route::Validated, reason: None };

    fn entry() -> Entry {
        Entry { partition: 1, expected: VALIDATED, fingerprint: 7, size: 100 }
    }

    fn arrival(number: u64) -> Arrival {
        Arrival { route: Route::Validated, partition: 1, number: Some(number), fingerprint: 7, reason: None }
    }

    #[test]
    fn closes_without_a_fault_when_each_record_came_once() {
        let mut ledger = Ledger::default();
        let numbers = [ledger.enter(entry()), ledger.enter(entry())];
        assert_eq!((numbers, ledger.sent(), ledger.under_way()), ([1, 2], 2, 2));
        numbers.into_iter().for_each(|number| ledger.strike_out(arrival(number)));
        assert_eq!((ledger.arrived(Route::Validated), ledger.under_way(), ledger.bytes), (2, 0, 0));
        assert_eq!(ledger.close(), [""; 0]);
    }

    #[test]
    fn finds_whatever_is_wrong() {
        let dead = Some(ReasonCode::Truncated);
        for (what, arrivals, expected) in [
            ("lost", vec![arrival(1)], "1 records never came out, the first of them number 2"),
            ("doubled", vec![arrival(1), arrival(1), arrival(2)], "record 1 came twice"),
            ("swapped", vec![arrival(2), arrival(1)], "record 1 was overtaken in partition 1"),
            ("unnumbered", vec![arrival(1), arrival(2), Arrival { number: None, ..arrival(0) }], "has no number"),
            (
                "misrouted",
                vec![arrival(1), Arrival { route: Route::Converter, ..arrival(2) }],
                "record 2 came out as converter, not as validated",
            ),
            (
                "condemned",
                vec![arrival(1), Arrival { route: Route::DeadLetter, reason: dead, ..arrival(2) }],
                "record 2 came out as dead_letter (truncated), not as validated",
            ),
            ("moved", vec![arrival(1), Arrival { partition: 2, ..arrival(2) }], "moved from partition 1 to 2"),
            ("altered", vec![arrival(1), Arrival { fingerprint: 8, ..arrival(2) }], "record 2 changed its key"),
        ] {
            let mut ledger = Ledger::default();
            ledger.enter(entry());
            ledger.enter(entry());
            arrivals.into_iter().for_each(|arrival| ledger.strike_out(arrival));
            let faults = ledger.close().join("; ");
            assert!(faults.contains(expected), "{what}: {faults}");
        }
    }

    #[test]
    fn tells_a_few_faults_and_counts_the_rest() {
        let mut ledger = Ledger::default();
        (0..15).for_each(|number| ledger.strike_out(arrival(number)));
        let faults = ledger.close();
        assert_eq!((faults.len(), faults[10].as_str()), (11, "and 5 more"));
    }

    #[test]
    fn has_room_until_the_broker_would_forget() {
        let mut ledger = Ledger::default();
        let entry = Entry { size: UNDER_WAY - OVERHEAD - 1, ..entry() };
        ledger.enter(entry);
        assert!(ledger.has_room());
        let second = ledger.enter(entry);
        assert!(!ledger.has_room());
        ledger.withdraw(second);
        assert_eq!((ledger.has_room(), ledger.sent()), (true, 1));
    }
}
