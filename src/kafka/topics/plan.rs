//! What a gate's outputs need: pure, from the topics as they are.
//!
//! Source partition p goes to target partition p, so the counts must be equal unless records are spread by key. What is
//! missing is made as the source is: partitions, replication, and the settings that the source itself sets. A dead-letter
//! topic has its own: records keep their time in a header, and the topic's time is that of its log, else retention would
//! delete re-checked history at once.

use std::collections::BTreeMap;
use std::fmt;

use super::Topic;
use crate::config::{Outputs, Repartition};
use crate::gate::policy::Mode;

/// Settings that are compared: those that lose, refuse or alter records where they differ.
const COMPARED: [&str; 7] = [
    "cleanup.policy",
    "retention.ms",
    "retention.bytes",
    "max.message.bytes",
    "message.timestamp.type",
    "min.insync.replicas",
    "compression.type",
];

/// Settings of a running reassignment, which are nobody else's.
const NEVER_COPIED: [&str; 2] = ["leader.replication.throttled.replicas", "follower.replication.throttled.replicas"];

/// How long new dead-letter topics keep their records: two weeks of holidays, in milliseconds.
const DEAD_LETTER_RETENTION_MS: &str = "1209600000";

/// What the headers of a dead letter may add to its record, in bytes.
const DEAD_LETTER_HEADERS: u64 = 64 << 10;

/// The largest `max.message.bytes` that brokers take.
const LARGEST_LIMIT: u64 = (1 << 31) - 1;

/// Kafka's default of `max.message.bytes`, for brokers that do not tell.
pub const MAX_MESSAGE_BYTES: u64 = 1_048_588;

/// A topic to create.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewTopic {
    /// The name.
    pub name: String,
    /// The number of partitions.
    pub partitions: i32,
    /// The number of replicas.
    pub replication: i32,
    /// The settings that differ from the brokers' defaults.
    pub settings: BTreeMap<String, String>,
    /// The topic that it is made after.
    pub source: String,
}

impl NewTopic {
    /// Returns a topic of our own beside a source: compacted, since its last word on each key counts.
    #[must_use]
    pub fn compacted(name: &str, partitions: i32, source: &Topic) -> Self {
        let mut settings = BTreeMap::from([("cleanup.policy".to_owned(), "compact".to_owned())]);
        let safe = source.settings.get("min.insync.replicas").filter(|setting| setting.own);
        settings.extend(safe.map(|setting| ("min.insync.replicas".to_owned(), setting.value.clone())));
        let (name, source_name) = (name.to_owned(), source.name.clone());
        Self { name, partitions, replication: source.replication, settings, source: source_name }
    }

    /// Returns the command that creates it by hand; `options` as [`super::tool_options`] gives them.
    #[must_use]
    pub fn command(&self, options: &str) -> String {
        let Self { name, partitions, replication, settings, .. } = self;
        let mut command = format!(
            "kafka-topics.sh {options} --create --topic {name} --partitions {partitions} --replication-factor {replication}"
        );
        for (setting, value) in settings {
            command.push_str(&format!(" --config {setting}={}", quoted(value)));
        }
        command
    }
}

/// Quotes a value for a shell, where it needs it.
fn quoted(value: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-,:/".contains(&byte);
    if !value.is_empty() && value.bytes().all(is_plain) {
        value.to_owned()
    } else {
        format!("'{}'", value.replace('\'', r"'\''"))
    }
}

/// Why topics cannot serve a gate.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The source is not there.
    #[error(
        "source topic '{topic}' does not exist, or this user may not see it; create it, or grant the rights that `sluice check-config` prints"
    )]
    NoSource {
        /// The source.
        topic: String,
    },
    /// Counts differ.
    #[error(
        "topic '{output}' has {found} partitions and its source '{source_topic}' has {expected}: records keep their partition; {}, or set 'repartition: murmur2'",
        if found < expected { "add partitions to it" } else { "name another output, since partitions cannot be taken away" }
    )]
    Partitions {
        /// The source.
        source_topic: String,
        /// Its partitions.
        expected: i32,
        /// The output.
        output: String,
        /// Its partitions.
        found: i32,
    },
    /// One missing output cannot be as both of its sources are.
    #[error(
        "sources '{first}' with {of_first} partitions and '{second}' with {of_second} cannot share topic '{output}': records \
         keep their partition; give each source a gate, or its own output by a pattern"
    )]
    Sources {
        /// The missing output.
        output: String,
        /// One source.
        first: String,
        /// Its partitions.
        of_first: i32,
        /// The other source.
        second: String,
        /// Its partitions.
        of_second: i32,
    },
    /// Dead letters would be compacted away, or refused for their null keys.
    #[error(
        "dead-letter topic '{topic}' has cleanup.policy {policy}: it would keep one dead letter per key and refuse those \
         without; set it to delete"
    )]
    CompactedDeadLetters {
        /// The dead-letter topic.
        topic: String,
        /// Its policy.
        policy: String,
    },
    /// The records of a map of offsets would go.
    #[error("offset map '{topic}' has cleanup.policy {policy}, by which its records would go; set it to compact")]
    UncompactedMap {
        /// The map's topic.
        topic: String,
        /// Its policy.
        policy: String,
    },
}

impl Refusal {
    /// Says why a topic cannot keep a map of offsets.
    #[must_use]
    pub fn of_map(topic: &Topic) -> Option<Self> {
        let policy = topic.settings.get("cleanup.policy").filter(|policy| policy.value != "compact")?;
        Some(Self::UncompactedMap { topic: topic.name.clone(), policy: policy.value.clone() })
    }
}

/// A setting in which an output differs from its source. It serves, but the operator should mean it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The output.
    pub output: String,
    /// The source.
    pub source: String,
    /// The setting.
    pub setting: String,
    /// The output's value.
    pub found: String,
    /// The source's value, or for dead letters the one that they need.
    pub expected: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { output, source, setting, found, expected } = self;
        write!(
            f,
            "topic '{output}' has {setting} {found}, and by its source '{source}' it would be {expected}: {}",
            harm(setting)
        )
    }
}

/// Returns what a difference does to records.
fn harm(setting: &str) -> &'static str {
    match setting {
        "cleanup.policy" => "keys, tombstones or age decide otherwise than in the source what is kept",
        "retention.ms" | "retention.bytes" => "records leave sooner or later than in the source",
        "max.message.bytes" => "a record that does not fit stops its partition",
        "message.timestamp.type" => "times and retention follow another clock than they should",
        "min.insync.replicas" => "an acknowledged record is more or less safe than in the source",
        _ => "brokers may compress records anew",
    }
}

/// What a gate asks of its outputs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Needs {
    /// Which of them it writes.
    pub mode: Mode,
    /// Whether they may have other partition counts than their source.
    pub repartition: Repartition,
}

/// What the outputs of one gate need.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// Outputs that do not exist, as they would be made.
    pub missing: Vec<NewTopic>,
    /// What cannot serve.
    pub refusals: Vec<Refusal>,
    /// What serves and differs.
    pub differences: Vec<Difference>,
}

impl Plan {
    /// Plans the outputs of source topics for a gate, against the topics that exist.
    #[must_use]
    pub fn new<'s>(
        sources: impl Iterator<Item = (&'s str, Outputs)>,
        needs: Needs,
        topics: &BTreeMap<String, Topic>,
    ) -> Self {
        let mut plan = Self::default();
        for (source, outputs) in sources {
            let Some(source) = topics.get(source) else {
                plan.refusals.push(Refusal::NoSource { topic: source.to_owned() });
                continue;
            };
            for output in outputs.written(needs.mode) {
                let is_dead_letter = output == outputs.dead_letter;
                match topics.get(output) {
                    Some(found) => plan.compare(source, found, is_dead_letter, needs.repartition),
                    None if is_dead_letter => plan.miss(dead_letters(source, output), needs.repartition),
                    None => plan.miss(like(source, output), needs.repartition),
                }
            }
        }
        plan
    }

    /// Adds a missing output, or fits one that another source misses too.
    fn miss(&mut self, topic: NewTopic, repartition: Repartition) {
        let Some(known) = self.missing.iter_mut().find(|known| known.name == topic.name) else {
            self.missing.push(topic);
            return;
        };
        if repartition == Repartition::Murmur2 {
            known.partitions = known.partitions.max(topic.partitions);
        } else if known.partitions != topic.partitions {
            let refusal = Refusal::Sources {
                output: topic.name,
                first: known.source.clone(),
                of_first: known.partitions,
                second: topic.source,
                of_second: topic.partitions,
            };
            return self.refuse(refusal);
        }
        let size = |topic: &NewTopic| topic.settings.get("max.message.bytes").and_then(|size| size.parse::<u64>().ok());
        if size(&topic) > size(known) {
            known.settings.extend(
                topic.settings.get_key_value("max.message.bytes").map(|(name, size)| (name.clone(), size.clone())),
            );
        }
    }

    fn compare(&mut self, source: &Topic, output: &Topic, is_dead_letter: bool, repartition: Repartition) {
        let expected = |setting: &str| {
            let own = if is_dead_letter { dead_letter_setting(source, setting) } else { None };
            own.or_else(|| source.setting(setting).map(str::to_owned))
        };
        for setting in COMPARED {
            let (Some(found), Some(expected)) = (output.setting(setting), expected(setting)) else { continue };
            if is_dead_letter && setting == "cleanup.policy" && found.contains("compact") {
                let (topic, policy) = (output.name.clone(), found.to_owned());
                self.refuse(Refusal::CompactedDeadLetters { topic, policy });
            } else if found != expected && !(is_dead_letter && serves_dead_letters(setting, found, &expected)) {
                let (output, source) = (output.name.clone(), source.name.clone());
                let (setting, found) = (setting.to_owned(), found.to_owned());
                self.differences.push(Difference { output, source, setting, found, expected });
            }
        }
        if repartition == Repartition::Refuse && output.partitions != source.partitions {
            self.refuse(Refusal::Partitions {
                source_topic: source.name.clone(),
                expected: source.partitions,
                output: output.name.clone(),
                found: output.partitions,
            });
        }
    }

    fn refuse(&mut self, refusal: Refusal) {
        if !self.refusals.contains(&refusal) {
            self.refusals.push(refusal);
        }
    }
}

/// Returns the topic as a copy of its source.
fn like(source: &Topic, name: &str) -> NewTopic {
    let copied = source.settings.iter().filter(|(name, setting)| setting.own && !NEVER_COPIED.contains(&name.as_str()));
    let settings = copied.map(|(name, setting)| (name.clone(), setting.value.clone())).collect();
    let (partitions, replication) = (source.partitions, source.replication);
    NewTopic { name: name.to_owned(), partitions, replication, settings, source: source.name.clone() }
}

/// Returns a topic for the dead letters of a source.
fn dead_letters(source: &Topic, name: &str) -> NewTopic {
    let mut topic = like(source, name);
    topic.settings.retain(|name, _| name == "min.insync.replicas");
    let needed = ["cleanup.policy", "retention.ms", "max.message.bytes", "message.timestamp.type"];
    let setting = |name: &str| Some((name.to_owned(), dead_letter_setting(source, name)?));
    topic.settings.extend(needed.into_iter().filter_map(setting));
    topic
}

/// Returns the value that dead letters need where it is not the source's.
fn dead_letter_setting(source: &Topic, name: &str) -> Option<String> {
    match name {
        "cleanup.policy" => Some("delete".to_owned()),
        "retention.ms" => Some(DEAD_LETTER_RETENTION_MS.to_owned()),
        "message.timestamp.type" => Some("LogAppendTime".to_owned()),
        "max.message.bytes" => {
            let size = source.setting(name).and_then(|size| size.parse().ok()).unwrap_or(MAX_MESSAGE_BYTES);
            Some((size + DEAD_LETTER_HEADERS).min(LARGEST_LIMIT).to_string())
        }
        _ => None,
    }
}

/// Tells whether a dead-letter topic's own choice is as good: how long and how much it keeps is its owner's business,
/// more room is no harm, and how it is compressed concerns nobody.
fn serves_dead_letters(setting: &str, found: &str, expected: &str) -> bool {
    match setting {
        "retention.ms" | "retention.bytes" | "compression.type" => true,
        "max.message.bytes" => found.parse::<u64>().ok() >= expected.parse::<u64>().ok(),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
