//! What an operator decides about a gate: plain values that the configuration fills.
//!
//! They stand here and not in `config`, so that the gate knows nothing of files and keys.

use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::convert::mapping::Steps;
use crate::record::Part;
use crate::schema::{Subject, Version};
use crate::wire::WireFormats;

/// The policy of one gate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// How keys are checked; `None`: passed unchecked (`format: any`).
    pub key: Option<PartPolicy>,
    /// How values are checked; `None`: passed unchecked (`format: any`).
    pub value: Option<PartPolicy>,
    /// Whether a null key is a violation.
    pub key_required: bool,
    /// What becomes of null values.
    pub tombstones: Tombstones,
    /// What becomes of good records of an incompatible version.
    pub incompatible: Incompatible,
    /// Whether verdicts route.
    pub mode: Mode,
    /// What is done for a converter of the other direction.
    pub pairing: Pairing,
}

/// What is done for a converter of the other direction, so that records do not go round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pairing {
    /// Nothing: only what is converted is marked.
    None,
    /// What passes is marked too, for a converter that comes to read it.
    Marks,
    /// The same, and what the converter of the other direction has marked is skipped.
    Pair,
}

/// How one part of a record is checked (Avro, the one format so far).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartPolicy {
    /// The wire formats allowed.
    pub wire: WireFormats,
    /// Where the schema must be registered.
    pub subject: SubjectRule,
    /// Which version the readers use.
    pub target: TargetRule,
    /// How records become the target's; `None`: they do not.
    pub conversion: Option<ConversionRule>,
}

/// Which records are converted, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConversionRule {
    /// Whether all records of other schemas are, as a converter does; else only those that the target's readers cannot
    /// read. Then the subject is the target's, and the writer's is not checked.
    pub all: bool,
    /// The configured mapping.
    pub mapping: Option<Arc<Steps>>,
}

impl ConversionRule {
    /// Tells whether a mapping decides about records of this version; a schema without one is any list's.
    #[must_use]
    pub fn maps(&self, version: Option<Version>) -> bool {
        self.mapping.as_deref().is_some_and(|mapping| mapping.of(version).is_some())
    }
}

/// Rules are keys of plans: mappings are many times compared and seldom told apart.
impl Hash for ConversionRule {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (self.all, self.mapping.is_some()).hash(state);
    }
}

/// Where a schema must be registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SubjectRule {
    /// `{topic}-key` or `{topic}-value` of the source topic (TopicNameStrategy).
    Topic,
    /// The full name of the record type (RecordNameStrategy).
    Record,
    /// `{topic}-{full name of the record type}` (TopicRecordNameStrategy).
    TopicRecord,
    /// Anywhere.
    Any,
    /// This subject; `$1` and the like stand for the groups of the source pattern, already replaced per source.
    Named(String),
}

impl SubjectRule {
    /// Returns the subject for a source topic and the writer schema's full name; `None` for `any`, and where
    /// the rule wants the name of a record and the schema has none.
    #[must_use]
    pub fn subject(&self, topic: &str, part: Part, full_name: Option<&str>) -> Option<Subject> {
        let subject = match self {
            Self::Topic => format!("{topic}-{part}"),
            Self::Record => full_name?.to_owned(),
            Self::TopicRecord => format!("{topic}-{}", full_name?),
            Self::Any => return None,
            Self::Named(subject) => subject.clone(),
        };
        Some(Subject(subject.into()))
    }
}

/// Which version the readers of the validated topic use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TargetRule {
    /// Nobody asks: every registered version is good.
    Any,
    /// The newest version of the subject, refreshed in the background.
    Latest,
    /// This version of the subject.
    Version(Version),
}

/// What becomes of null values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tombstones {
    /// To the validated topic.
    Pass,
    /// To the dead letters.
    DeadLetter,
    /// Nowhere; counted as dropped.
    Drop,
}

/// What becomes of good records of an incompatible version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Incompatible {
    /// To the converter topic.
    Divert,
    /// To the validated topic, as records of the target's schema.
    Convert,
    /// To the dead letters.
    DeadLetter,
}

/// Whether verdicts route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Verdicts route.
    Enforce,
    /// All records go to the validated topic; verdicts are counted and reported.
    PassAll,
    /// Nothing is written and no offset is committed; verdicts are counted and reported.
    DryRun,
}

impl Mode {
    /// Returns the name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Enforce => "enforce",
            Self::PassAll => "pass-all",
            Self::DryRun => "dry-run",
        }
    }
}
