//! What the gate says of a record: the verdict, the route, and how outcomes are counted.
//!
//! A verdict is about the data, a route is what the policy makes of it, an outcome is
//! what is counted once the transaction has committed. Valid and tombstone carry nothing,
//! so that the common way allocates nothing; only a finding is built, on the cold side.

use std::sync::Arc;

use smallvec::SmallVec;

use super::extent::Extent;
use super::limit::Share;
use crate::record::Part;
use crate::schema::table::{Need, Pair};
use crate::schema::{Format, SchemaRef, Subject, Version};
use crate::violation::{ReasonCode, Violation};

/// What the gate found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Key and value are good, and the target's readers can read them.
    Valid,
    /// A null value that the policy lets through.
    Tombstone,
    /// The record is good, but of an incompatible version.
    Incompatible,
    /// The record is good, and was made one of the target's schema.
    Converted,
    /// The record came from where its conversion would lead.
    Skipped,
    /// The record is at fault.
    Invalid(Box<Finding>),
}

impl Verdict {
    /// Returns the reason where the record is at fault.
    #[must_use]
    pub fn reason(&self) -> Option<ReasonCode> {
        match self {
            Self::Invalid(finding) => Some(finding.violation.code),
            Self::Valid | Self::Tombstone | Self::Incompatible | Self::Converted | Self::Skipped => None,
        }
    }
}

/// A violation with what was known of the schema when it was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// Key or value.
    pub part: Part,
    /// What is wrong.
    pub violation: Violation,
    /// The schema that the record names, once its frame was read.
    pub schema: Option<SchemaRef>,
    /// The subject of that schema.
    pub subject: Option<Subject>,
    /// Its version there.
    pub version: Option<Version>,
    /// The format that the gate expects of this part.
    pub format: Option<Format>,
    /// The target version.
    pub target: Option<Version>,
}

/// Where a record goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Route {
    /// The validated topic.
    Validated,
    /// The converter topic.
    Converter,
    /// The dead-letter topic.
    DeadLetter,
    /// Nowhere, by explicit policy.
    None,
    /// The validated topic, as a record of the target's schema.
    Converted,
    /// Nowhere: the converter of the other direction has written it.
    Skipped,
}

impl Route {
    /// All routes, in the order in which they are counted.
    pub const ALL: [Self; 6] =
        [Self::Validated, Self::Converter, Self::DeadLetter, Self::None, Self::Converted, Self::Skipped];

    /// Returns the name of the outcome: metric label and status field.
    #[must_use]
    pub fn outcome(self) -> &'static str {
        match self {
            Self::Validated => "validated",
            Self::Converter => "converter",
            Self::DeadLetter => "dead_letter",
            Self::None => "dropped",
            Self::Converted => "converted",
            Self::Skipped => "skipped",
        }
    }
}

/// The schemas that one record lacks: at most one for its key and one for its value.
pub type Needs = SmallVec<[Need; 2]>;

/// The gate's answer for one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// The record goes there, for that verdict.
    Route(Route, Verdict),
    /// These schemas are not at hand: hold the partition, fetch them, decide again.
    NeedSchemas(Needs),
}

/// Outcomes of the records of one transaction; folded into the metrics when it has committed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    outcomes: [u64; Route::ALL.len()],
    reasons: Vec<((Route, ReasonCode), u64)>,
    reduced: [u64; Extent::ALL.len()],
    conversions: Vec<(Arc<Pair>, u64)>,
    bytes: u64,
}

impl Tally {
    /// Adds one record of `bytes` bytes (key and value).
    pub fn add(&mut self, route: Route, reason: Option<ReasonCode>, bytes: usize) {
        self.bytes += bytes as u64;
        match reason {
            None => self.outcomes[route as usize] += 1,
            Some(reason) => self.add_reason(route, reason),
        }
    }

    #[cold]
    fn add_reason(&mut self, route: Route, reason: ReasonCode) {
        match self.reasons.iter_mut().find(|(key, _)| *key == (route, reason)) {
            Some((_, count)) => *count += 1,
            None => self.reasons.push(((route, reason), 1)),
        }
    }

    /// Adds a conversion. There are as many pairs as writer schemas met, most often one.
    pub fn add_conversion(&mut self, pair: &Arc<Pair>) {
        match self.conversions.iter_mut().find(|(known, _)| Arc::ptr_eq(known, pair)) {
            Some((_, count)) => *count += 1,
            None => self.conversions.push((Arc::clone(pair), 1)),
        }
    }

    /// Returns how many records were converted, by pair of schemas.
    pub fn conversions(&self) -> impl Iterator<Item = (&Pair, u64)> + '_ {
        self.conversions.iter().map(|(pair, count)| (&**pair, *count))
    }

    /// Adds a dead letter that had to be made smaller.
    pub fn add_reduced(&mut self, extent: Extent) {
        self.reduced[extent as usize] += 1;
    }

    /// Returns how many dead letters had to be made smaller, by what is left of them; none of the full ones.
    pub fn reduced(&self) -> impl Iterator<Item = (Extent, u64)> + '_ {
        Extent::ALL.into_iter().skip(1).map(|extent| (extent, self.reduced[extent as usize]))
    }

    /// Returns all counts that are not zero: route, reason if any, records.
    pub fn counts(&self) -> impl Iterator<Item = (Route, Option<ReasonCode>, u64)> + '_ {
        let plain = Route::ALL.into_iter().map(|route| (route, None, self.outcomes[route as usize]));
        let reasons = self.reasons.iter().map(|&((route, reason), count)| (route, Some(reason), count));
        plain.chain(reasons).filter(|&(_, _, count)| count > 0)
    }

    /// Returns the number of records.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.outcomes.iter().sum::<u64>() + self.reasons.iter().map(|(_, count)| count).sum::<u64>()
    }

    /// Returns how many of the records are dead letters.
    #[must_use]
    pub fn share(&self) -> Share {
        let dead_letters = self.counts().filter(|&(route, _, _)| route == Route::DeadLetter);
        Share { dead_letters: dead_letters.map(|(_, _, count)| count).sum(), records: self.records() }
    }

    /// Returns the bytes of keys and values.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Starts again from zero.
    pub fn clear(&mut self) {
        self.outcomes = Default::default();
        self.reasons.clear();
        self.reduced = Default::default();
        self.conversions.clear();
        self.bytes = 0;
    }
}
