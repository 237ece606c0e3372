//! Records and bytes by source topic, outcome and reason.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use prometheus::IntCounter;
use rustc_hash::FxHashMap;

use super::OutcomeCount;
use super::families::Families;
use crate::gate::tally::{Amount, Tally};
use crate::gate::verdict::Route;
use crate::violation::ReasonCode;

/// Source topics per gate that are told apart: a pattern may find as many as it likes, and further ones are `other`.
pub const MAX_TOPICS: usize = 500;

/// The label of what shares a series.
const OTHER: &str = "other";

/// The outcomes of one gate.
#[derive(Debug)]
pub(super) struct TopicCounters {
    gate: String,
    families: Families,
    topics: Mutex<BTreeMap<String, OfTopic>>,
}

#[derive(Debug)]
struct OfTopic {
    plain: [Counters; Route::ALL.len()],
    reasons: FxHashMap<(Route, ReasonCode), Counters>,
}

#[derive(Debug)]
struct Counters {
    records: IntCounter,
    bytes: IntCounter,
}

impl Counters {
    fn new(families: &Families, labels: &[&str; 4]) -> Self {
        let (records, bytes) = (families.records.with_label_values(labels), families.bytes.with_label_values(labels));
        Self { records, bytes }
    }

    fn add(&self, amount: Amount) {
        self.records.inc_by(amount.records);
        self.bytes.inc_by(amount.bytes);
    }
}

impl TopicCounters {
    pub(super) fn new(gate: &str, families: &Families) -> Self {
        Self { gate: gate.to_owned(), families: families.clone(), topics: Mutex::default() }
    }

    /// Shows the outcomes of a topic from now on, as zeros if nothing else: a rate needs a number to begin with.
    pub(super) fn begin(&self, topic: &str) {
        let mut topics = self.lock();
        let label = label(&topics, topic);
        self.of(&mut topics, label);
    }

    /// Counts the records of a transaction.
    pub(super) fn add(&self, tally: &Tally) {
        let mut topics = self.lock();
        for (topic, amounts) in tally.sources() {
            let mut amounts = amounts.peekable();
            if amounts.peek().is_none() {
                continue;
            }
            let label = label(&topics, topic);
            let of = self.of(&mut topics, label);
            for (route, reason, amount) in amounts {
                match reason {
                    None => of.plain[route as usize].add(amount),
                    Some(reason) => {
                        let labels = [self.gate.as_str(), label, route.outcome(), reason.name()];
                        let counters = of.reasons.entry((route, reason));
                        counters.or_insert_with(|| Counters::new(&self.families, &labels)).add(amount);
                    }
                }
            }
        }
    }

    /// Returns what was counted over all topics.
    pub(super) fn outcomes(&self) -> Vec<OutcomeCount> {
        let mut sums: BTreeMap<(Option<ReasonCode>, usize), OutcomeCount> = BTreeMap::new();
        for of in self.lock().values() {
            let plain = Route::ALL.into_iter().map(|route| (route, None, &of.plain[route as usize]));
            let reasons = of.reasons.iter().map(|(&(route, reason), counters)| (route, Some(reason), counters));
            for (route, reason, counters) in plain.chain(reasons) {
                let none = OutcomeCount { route, reason, records: 0 };
                sums.entry((reason, route as usize)).or_insert(none).records += counters.records.get();
            }
        }
        sums.into_values().filter(|count| count.records > 0).collect()
    }

    fn of<'m>(&self, topics: &'m mut BTreeMap<String, OfTopic>, label: &str) -> &'m mut OfTopic {
        topics.entry(label.to_owned()).or_insert_with_key(|topic| OfTopic {
            plain: Route::ALL
                .map(|route| Counters::new(&self.families, &[self.gate.as_str(), topic, route.outcome(), ""])),
            reasons: FxHashMap::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, OfTopic>> {
        // Counters are each whole at any time: a panic elsewhere does not spoil them.
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns what a topic is called here.
fn label<'t>(topics: &BTreeMap<String, OfTopic>, topic: &'t str) -> &'t str {
    if topics.contains_key(topic) || topics.len() < MAX_TOPICS { topic } else { OTHER }
}
