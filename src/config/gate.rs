//! One gate: where its records come from, where they go, and the policy in between.
//!
//! A gate reads topics named one by one, or all topics that match a pattern. Output topics and the subject may use the
//! pattern's groups, so both are asked for by source topic: [`Gate::outputs`], [`Gate::policy_for`].

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroUsize;

use regex::{Captures, Regex};

use super::template::Template;
use crate::gate::limit::Limit;
use crate::gate::policy::{Incompatible, Mode, PartPolicy, Policy, SubjectRule, TargetRule};
use crate::gate::profile::Profile;
use crate::gate::verdict::Route;

/// One gate, or one converter: a gate whose policy makes every record one of the target's schema.
#[derive(Debug, Clone, PartialEq)]
pub struct Gate {
    /// The name; consumer group and transactional ID are made from it.
    pub name: String,
    /// Which of the two.
    pub kind: Kind,
    /// The topics that it reads.
    pub source: Sources,
    /// The topic of good records; a converter's `to`.
    pub validated: Template,
    /// The topic of good records of an incompatible version; a converter has none. Default `{validated}.converter`.
    pub converter: Template,
    /// The topic of records at fault. Default `{validated}.dead-letter`.
    pub dead_letter: Template,
    /// The sets of headers that dead letters carry; ours always.
    pub profiles: Vec<Profile>,
    /// The share of dead letters at which the gate holds. Default none.
    pub limit: Option<Limit>,
    /// The policy; a named subject may still hold groups, see [`Gate::policy_for`].
    pub policy: Policy,
    /// Where reading starts where no offset is committed. Default: earliest, since a gate that skips records is none.
    pub start: Start,
    /// What becomes of records whose schema we cannot compile. Default: hold, since the fault may be ours.
    pub unusable_schema: UnusableSchema,
    /// What becomes of keys where outputs have other partition counts. Default: refuse, since order and joins rest on it.
    pub repartition: Repartition,
    /// What becomes of a record that fits no output. Default: hold, since a cut record is no record.
    pub oversize: Oversize,
    /// Pipelines of this process. Default 1.
    pub threads: NonZeroUsize,
}

/// Gate, converter, or what a migration job does with each record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A gate.
    Gate,
    /// A converter.
    Converter {
        /// The converter of the other direction. Default none.
        pair: Option<String>,
        /// Whether it keeps a map of offsets. Default no: what brokers tell of good deliveries is then passed over.
        offset_map: bool,
    },
    /// The conversion of a migration job.
    Job,
}

/// The topics that a gate reads.
#[derive(Debug, Clone)]
pub enum Sources {
    /// These topics.
    Topics(Vec<String>),
    /// All topics that match, internal ones (`__…`) left out.
    Pattern(Regex),
}

/// The order of topics says nothing.
impl PartialEq for Sources {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Topics(one), Self::Topics(other)) => {
                let sorted = |topics: &[String]| topics.iter().cloned().collect::<BTreeSet<_>>();
                sorted(one) == sorted(other)
            }
            (Self::Pattern(one), Self::Pattern(other)) => one.as_str() == other.as_str(),
            (Self::Topics(_), Self::Pattern(_)) | (Self::Pattern(_), Self::Topics(_)) => false,
        }
    }
}

impl fmt::Display for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topics(topics) => {
                let topics: Vec<_> = topics.iter().map(|topic| format!("'{topic}'")).collect();
                f.write_str(&topics.join(", "))
            }
            Self::Pattern(pattern) => write!(f, "the pattern {pattern}"),
        }
    }
}

impl Sources {
    /// Tells whether the gate reads this topic.
    #[must_use]
    pub fn matches(&self, topic: &str) -> bool {
        match self {
            Self::Topics(topics) => topics.iter().any(|name| name == topic),
            Self::Pattern(pattern) => !topic.starts_with("__") && pattern.is_match(topic),
        }
    }

    /// Returns how many topics are named.
    pub(super) fn named(&self) -> usize {
        match self {
            Self::Topics(topics) => topics.len(),
            Self::Pattern(_) => 0,
        }
    }

    fn captures<'t>(&self, topic: &'t str) -> Option<Captures<'t>> {
        match self {
            Self::Topics(_) => None,
            Self::Pattern(pattern) => pattern.captures(topic),
        }
    }
}

/// Where reading starts where no offset is committed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record that the broker still has.
    Earliest,
    /// At the first record after the gate's start.
    Latest,
    /// At the first record of this time or later: milliseconds since 1970-01-01 UTC.
    Timestamp(i64),
}

/// What becomes of records whose schema we cannot compile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnusableSchema {
    /// The partition waits and the gate raises the alarm.
    Hold,
    /// To the dead letters.
    DeadLetter,
}

/// Which partition of its output a record goes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Repartition {
    /// That of the same number: outputs have as many as their source, or the gate does not start.
    Refuse,
    /// The one that a Java producer chooses for the key; without a key, the number of the source's partition counts.
    Murmur2,
}

/// What becomes of a record that fits no output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Oversize {
    /// The partition waits and the gate raises the alarm.
    Hold,
    /// The begin of its value goes to the dead letters, with size and hash of the whole.
    Truncate,
}

/// The output topics of one source topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// The topic of good records.
    pub validated: String,
    /// The topic of good records of an incompatible version; `None` where there can be none.
    pub converter: Option<String>,
    /// The topic of records at fault.
    pub dead_letter: String,
}

impl Outputs {
    /// Returns the topic that a route leads to.
    #[must_use]
    pub fn topic(&self, route: Route) -> Option<&str> {
        match route {
            Route::Validated | Route::Converted => Some(&self.validated),
            Route::Converter => self.converter.as_deref(),
            Route::DeadLetter => Some(&self.dead_letter),
            Route::None | Route::Skipped => None,
        }
    }

    /// Returns the topics that a gate of this mode writes: all, the validated one, or none.
    pub fn written(&self, mode: Mode) -> impl Iterator<Item = &str> {
        let validated = (mode != Mode::DryRun).then_some(self.validated.as_str());
        let others = [self.converter.as_deref(), Some(self.dead_letter.as_str())];
        validated.into_iter().chain(others.into_iter().flatten().filter(move |_| mode == Mode::Enforce))
    }
}

impl Gate {
    /// Returns the word for what this is.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self.kind {
            Kind::Gate => "gate",
            Kind::Converter { .. } => "converter",
            Kind::Job => "migration",
        }
    }

    /// Returns the key path of one of its keys; `validated` is a converter's `to`.
    #[must_use]
    pub fn key(&self, key: &str) -> String {
        match self.kind {
            Kind::Gate => format!("gates.{}.{key}", self.name),
            Kind::Converter { .. } | Kind::Job => {
                let section = if self.kind == Kind::Job { "migrations" } else { "converters" };
                format!("{section}.{}.{}", self.name, if key == "validated" { "to" } else { key })
            }
        }
    }

    /// Returns the name of the converter of the other direction, where one is declared.
    #[must_use]
    pub fn pair(&self) -> Option<&str> {
        match &self.kind {
            Kind::Gate | Kind::Job => None,
            Kind::Converter { pair, .. } => pair.as_deref(),
        }
    }

    /// Tells whether this is a converter that keeps a map of offsets.
    #[must_use]
    pub fn keeps_map(&self) -> bool {
        matches!(self.kind, Kind::Converter { offset_map: true, .. })
    }

    /// Returns the output topics of a source topic; `None` if the gate does not read it.
    #[must_use]
    pub fn outputs(&self, source_topic: &str) -> Option<Outputs> {
        if !self.source.matches(source_topic) {
            return None;
        }
        let groups = self.source.captures(source_topic);
        Some(Outputs {
            validated: self.validated.expand(groups.as_ref()),
            converter: self.diverts().then(|| self.converter.expand(groups.as_ref())),
            dead_letter: self.dead_letter.expand(groups.as_ref()),
        })
    }

    /// Returns the policy for records of a source topic: the groups in named subjects replaced.
    #[must_use]
    pub fn policy_for(&self, source_topic: &str) -> Policy {
        let groups = self.source.captures(source_topic);
        let mut policy = self.policy.clone();
        for part in [&mut policy.key, &mut policy.value].into_iter().flatten() {
            if let SubjectRule::Named(subject) = &mut part.subject {
                *subject = Template::new(subject).expand(groups.as_ref());
            }
        }
        policy
    }

    /// Tells whether any record can go to the converter topic: a part has a target, and the policy diverts.
    #[must_use]
    pub fn diverts(&self) -> bool {
        let has_target = |part: &PartPolicy| part.target != TargetRule::Any;
        self.policy.incompatible == Incompatible::Divert && self.parts().any(has_target)
    }

    /// Returns the policies of the parts that are checked, the key's first.
    pub fn parts(&self) -> impl Iterator<Item = &PartPolicy> {
        [&self.policy.key, &self.policy.value].into_iter().flatten()
    }
}
