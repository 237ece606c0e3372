//! What the gate says of a record: the verdict and the route.
//!
//! A verdict is about the data, a route is what the policy makes of it, an outcome is
//! what is counted once the transaction has committed. Valid and tombstone carry nothing,
//! so that the common way allocates nothing; only a finding is built, on the cold side.

use smallvec::SmallVec;

use crate::record::Part;
use crate::schema::table::Need;
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
