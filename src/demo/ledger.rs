//! The books of the demo: what was sent, and whether each record came out once in each of its topics, as it must be there.
//!
//! A record is entered before it is sent, under a number that travels in a header, with what each topic must have of it:
//! a good one is due in two, as it came in one and converted in the other. A topic is struck out when a reader meets the
//! record there. What is met and not due came twice or from nowhere; what is left at the end is lost. Between the two it
//! is compared: partition, reason, key, value and timestamp, whether it says to be converted, and the order within each
//! partition among the direct and among the converted ones. Only what is under way is kept, so the books stay small
//! however long the demo runs.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Arc, Mutex};

use super::traffic::Expected;
use super::{OUTPUTS, Output};
use crate::violation::ReasonCode;

/// Bytes that may be under way at once. The broker keeps 5 MB per partition and drops older records without a word, so
/// producers stop before any partition can come near.
const UNDER_WAY: usize = 4_000_000;

/// What a record costs in the log besides key and value: the frame and the headers of a converted one.
const OVERHEAD: usize = 300;

/// Faults that are kept in words; more are only counted.
const FAULTS_TOLD: usize = 10;

/// A record that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) partition: i32,
    /// What the gate must do with it.
    pub(super) expected: Expected,
    /// Hash of key, value and timestamp by topic, for those that must still have it.
    pub(super) due: [Option<u64>; OUTPUTS],
    /// Bytes of key and value.
    pub(super) size: usize,
}

/// A record that was met in an output topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrival {
    pub(super) output: Output,
    pub(super) partition: i32,
    /// The number in its header; `None` where there is none.
    pub(super) number: Option<u64>,
    pub(super) fingerprint: u64,
    /// What its dead-letter headers say.
    pub(super) reason: Option<ReasonCode>,
    /// Whether its headers say that a converter has written it.
    pub(super) is_converted: bool,
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
    /// By topic: as they came, and from a converter.
    arrived: [[u64; 2]; OUTPUTS],
    newest: HashMap<(Output, i32, bool), u64>,
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
        let Arrival { output, partition, is_converted, .. } = arrival;
        self.arrived[output as usize][usize::from(is_converted)] += 1;
        let Some(number) = arrival.number else { return self.fault("a record has no number".to_owned()) };
        let topic = output.topic();
        let Some((entry, due)) = self.take(number, output) else {
            return self.fault(format!("record {number} came to '{topic}' twice, or does not belong there"));
        };
        let expected = if Output::of(entry.expected.route) == Some(output) {
            (false, entry.expected.reason)
        } else {
            (true, None)
        };
        if (is_converted, arrival.reason) != expected {
            let [found, expected] = [(is_converted, arrival.reason), expected].map(words);
            self.fault(format!("record {number} came to '{topic}' {found}, not {expected}"));
        }
        if partition != entry.partition {
            let from = entry.partition;
            self.fault(format!("record {number} moved from partition {from} to {partition} of '{topic}'"));
        }
        if arrival.fingerprint != due {
            self.fault(format!("record {number} has another key, value or timestamp in '{topic}' than it must have"));
        }
        let before = self.newest.insert((output, partition, is_converted), number);
        if before.is_some_and(|before| before > number) {
            self.fault(format!("record {number} was overtaken in partition {partition} of '{topic}'"));
        }
    }

    /// Strikes a topic out of a record's entry; returns what the topic must have.
    fn take(&mut self, number: u64, output: Output) -> Option<(Entry, u64)> {
        let entry = self.under_way.get_mut(&number)?;
        let due = entry.due[output as usize].take()?;
        let entry = *entry;
        if entry.due.iter().all(Option::is_none) {
            self.under_way.remove(&number);
            self.bytes -= entry.size + OVERHEAD;
        }
        Some((entry, due))
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

    /// Returns how many records are sent and not yet met in all their topics.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Returns how many records were met in a topic: as they came, and from a converter.
    pub(super) fn arrived(&self, output: Output) -> [u64; 2] {
        self.arrived[output as usize]
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
            self.fault(format!("{count} records never came to a topic of theirs, the first of them number {first}"));
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

fn words((is_converted, reason): (bool, Option<ReasonCode>)) -> String {
    let how = if is_converted { "converted" } else { "as sent" };
    reason.map_or_else(|| how.to_owned(), |reason| format!("{how} ({reason})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::verdict::Route;

    const VALIDATED: Expected = Expected { route: Route::Validated, reason: None };

    /// A record that the old topic has as it came and the new one converted.
    fn entry() -> Entry {
        Entry { partition: 1, expected: VALIDATED, due: [Some(7), Some(8), None], size: 100 }
    }

    fn arrival(number: u64) -> Arrival {
        let (output, fingerprint) = (Output::Old, 7);
        Arrival { output, partition: 1, number: Some(number), fingerprint, reason: None, is_converted: false }
    }

    fn converted(number: u64) -> Arrival {
        Arrival { output: Output::New, fingerprint: 8, is_converted: true, ..arrival(number) }
    }

    #[test]
    fn closes_without_a_fault_when_each_record_came_once_to_each_topic() {
        let mut ledger = Ledger::default();
        let numbers = [ledger.enter(entry()), ledger.enter(entry())];
        assert_eq!((numbers, ledger.sent(), ledger.under_way()), ([1, 2], 2, 2));
        numbers.into_iter().for_each(|number| ledger.strike_out(arrival(number)));
        assert_eq!((ledger.under_way(), ledger.has_room()), (2, true), "the other topic lacks them");
        numbers.into_iter().for_each(|number| ledger.strike_out(converted(number)));
        assert_eq!([Output::Old, Output::New].map(|output| ledger.arrived(output)), [[2, 0], [0, 2]]);
        assert_eq!((ledger.under_way(), ledger.bytes), (0, 0));
        assert_eq!(ledger.close(), [""; 0]);
    }

    #[test]
    fn finds_whatever_is_wrong() {
        let both = |number| vec![arrival(number), converted(number)];
        let with = |rest: Vec<Arrival>| [both(1), rest].concat();
        let lost = "1 records never came to a topic of theirs, the first of them number 2";
        let dead = Arrival { output: Output::DeadLetters, reason: Some(ReasonCode::Truncated), ..arrival(2) };
        for (what, arrivals, expected) in [
            ("lost", both(1), lost),
            ("not converted", with(vec![arrival(2)]), lost),
            ("doubled", with(vec![arrival(2), arrival(2)]), "record 2 came to 'orders' twice"),
            (
                "round",
                [both(2), with(vec![Arrival { output: Output::Old, ..converted(1) }])].concat(),
                "record 1 came to 'orders' twice",
            ),
            ("swapped", [both(2), both(1)].concat(), "record 1 was overtaken in partition 1 of 'orders'"),
            ("unnumbered", with(vec![Arrival { number: None, ..arrival(0) }]), "has no number"),
            ("condemned", with(vec![dead]), "record 2 came to 'orders.dead-letter' twice, or does not belong there"),
            ("blamed", with(vec![Arrival { reason: dead.reason, ..arrival(2) }]), "as sent (truncated), not as sent"),
            (
                "unmarked",
                with(vec![Arrival { is_converted: false, ..converted(2) }]),
                "'orders-v3' as sent, not converted",
            ),
            ("moved", with(vec![Arrival { partition: 2, ..arrival(2) }]), "moved from partition 1 to 2"),
            ("altered", with(vec![Arrival { fingerprint: 9, ..converted(2) }]), "record 2 has another key"),
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
