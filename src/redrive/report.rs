//! What became of the dead letters: counted by where they go, by what is wrong, and by why they are passed over.

use std::collections::BTreeMap;

use serde::Serialize;

use super::sort::Sorted;
use crate::gate::verdict::Finding;
use crate::record::{Offset, Partition};
use crate::schema::{SchemaRef, Subject, Version};

/// Examples that are kept of each fault.
const EXAMPLES: usize = 3;

/// Faults that are counted one by one: what records name may be anything.
const FAULTS: usize = 1_000;

/// Why a dead letter is passed over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Why {
    /// The condition does not hold of it.
    Filter,
    /// It was redriven before.
    Redriven,
    /// Its record was redriven, or is, by another dead letter.
    SameRecord,
    /// It has become a dead letter too often.
    Attempts,
    /// It has only the begin of its value.
    Truncated,
    /// It does not say where it came from.
    NoSource,
    /// It names no gate or converter of the configuration.
    NoGate,
    /// The job that it names writes to another cluster, or with another registry's IDs.
    Job,
    /// The gate does not read the topic that it came from.
    NotRead,
    /// No schema stands in front of its value, where another one could stand.
    NoPrefix,
    /// The gate's policy sends it nowhere.
    Dropped,
    /// Its destination is not there, or has no such partition, or the gate writes nothing.
    NoDestination,
    /// Its destination has another number of partitions than its source, which the gate refuses.
    Partitions,
    /// The registry answers, and cannot give its schema.
    Registry,
}

impl Why {
    /// Returns the stable name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Redriven => "redriven",
            Self::SameRecord => "same_record",
            Self::Attempts => "attempts",
            Self::Truncated => "truncated",
            Self::NoSource => "no_source",
            Self::NoGate => "no_gate",
            Self::Job => "job",
            Self::NotRead => "not_read",
            Self::NoPrefix => "no_prefix",
            Self::Dropped => "dropped",
            Self::NoDestination => "no_destination",
            Self::Partitions => "partitions",
            Self::Registry => "registry",
        }
    }

    /// Says it in words.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::Filter => "not chosen by --filter",
            Self::Redriven => "redriven before",
            Self::SameRecord => "the same record as another dead letter that passes or has passed",
            Self::Attempts => "more attempts than --max-attempts",
            Self::Truncated => "the value was cut; the whole is in the source, if it still is there",
            Self::NoSource => "no header says where it came from",
            Self::NoGate => "it names no gate or converter of the configuration (--by NAME gives one)",
            Self::Job => {
                "its job writes to another cluster, or with another registry's IDs (then --to source lets the job take it again; see docs/dead-letters.md)"
            }
            Self::NotRead => "its gate does not read the topic that it came from",
            Self::NoPrefix => "its value names no schema in front of it, for which --writer-schema could stand",
            Self::Dropped => "its gate's policy sends it nowhere",
            Self::NoDestination => "its destination is not there or has no such partition, or its gate writes nothing",
            Self::Partitions => {
                "its destination has another number of partitions than its source (the gate's `repartition: refuse`)"
            }
            Self::Registry => {
                "the registry answers, and cannot give its schema or what that refers to; the log says why"
            }
        }
    }
}

/// What is wrong, and with what.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// The reason code.
    pub reason: &'static str,
    /// The schema that the part names.
    pub schema: Option<SchemaRef>,
    /// Its subject.
    pub subject: Option<Subject>,
    /// Its version there.
    pub version: Option<Version>,
}

/// A dead letter that shows a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    /// Its partition.
    pub partition: i32,
    /// Its offset.
    pub offset: i64,
    /// The field at fault.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<String>,
}

/// How often a fault was found.
#[derive(Debug, Clone, Default)]
pub struct Found {
    /// How often.
    pub count: u64,
    /// The first few.
    pub examples: Vec<Example>,
}

/// The counts.
#[derive(Debug, Clone, Default)]
pub struct Report {
    /// Dead letters that the filters take.
    pub read: u64,
    /// Those that pass, by the topic that they go to.
    pub passed: BTreeMap<String, u64>,
    /// Those that fail still.
    pub failed: BTreeMap<Fault, Found>,
    /// Those that fail for reasons and schemas beyond the first thousand.
    pub others: u64,
    /// Those that are passed over.
    pub over: BTreeMap<Why, u64>,
    /// Of how many nobody could say whether the condition holds, by why.
    pub misses: Vec<String>,
}

impl Report {
    /// Counts a dead letter by what is to be done with it.
    pub(super) fn count(&mut self, sorted: &Sorted, at: (Partition, Offset)) {
        match sorted {
            Sorted::NotMeant | Sorted::Lacks(_) | Sorted::Unanswered(_) => return,
            Sorted::Passes(passes) => self.pass(&passes.topic),
            Sorted::Fails(finding) => self.fail(finding, at),
            Sorted::Over(why) => *self.over.entry(*why).or_default() += 1,
        }
        self.read += 1;
    }

    /// Counts one that has passed.
    pub(super) fn pass_meant(&mut self, topic: &str) {
        self.pass(topic);
        self.read += 1;
    }

    fn pass(&mut self, topic: &str) {
        match self.passed.get_mut(topic) {
            Some(count) => *count += 1,
            None => drop(self.passed.insert(topic.to_owned(), 1)),
        }
    }

    fn fail(&mut self, finding: &Finding, (partition, offset): (Partition, Offset)) {
        let fault = Fault {
            reason: finding.violation.code.name(),
            schema: finding.schema,
            subject: finding.subject.clone(),
            version: finding.version,
        };
        if self.failed.len() >= FAULTS && !self.failed.contains_key(&fault) {
            self.others += 1;
            return;
        }
        let found = self.failed.entry(fault).or_default();
        found.count += 1;
        if found.examples.len() < EXAMPLES {
            let path = finding.violation.path.as_deref().map(str::to_owned);
            found.examples.push(Example { partition: partition.0, offset: offset.0, path });
        }
    }

    /// Counts all that pass.
    #[must_use]
    pub fn all_passed(&self) -> u64 {
        self.passed.values().sum()
    }

    /// Counts all that fail.
    #[must_use]
    pub fn all_failed(&self) -> u64 {
        self.failed.values().map(|found| found.count).sum::<u64>() + self.others
    }

    /// Counts all that are passed over.
    #[must_use]
    pub fn all_over(&self) -> u64 {
        self.over.values().sum()
    }
}
