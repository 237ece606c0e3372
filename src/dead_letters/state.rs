//! What the state topic of a dead-letter topic says, as JSON: what became of each dead letter, and which redrives there were.
//!
//! A dead letter cannot be edited, so a redrive writes what became of it into `{topic}.state`, in the transaction of the record
//! itself: under the key `letter/PARTITION/OFFSET` of the dead letter, into the partition of the same number. `run/ID` in partition
//! 0 is the audit record of a redrive. The last word on a key counts; a null value says nothing.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de};

use crate::record::{Offset, Partition, Position};

/// The form that this version writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// The partition of the audit records.
pub const RUNS: i32 = 0;

const LETTER: &str = "letter/";
const RUN: &str = "run/";

/// Returns the name of the state topic of a dead-letter topic.
#[must_use]
pub fn topic_of(dead_letters: &str) -> String {
    format!("{dead_letters}.state")
}

/// Returns the transactional.id of redrives: one for each dead-letter topic, so that the newcomer of two takes over.
#[must_use]
pub fn transactional_id(application: &str, dead_letters: &str) -> String {
    format!("{application}.redrive.{dead_letters}")
}

/// What a record of the state topic is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key<'a> {
    /// A dead letter.
    Letter {
        /// Its partition.
        partition: i32,
        /// Its own offset there.
        offset: i64,
    },
    /// A redrive, by its ID.
    Run(&'a str),
}

impl<'a> Key<'a> {
    /// Reads a key; none where it is not one of ours.
    #[must_use]
    pub fn read(key: &'a [u8]) -> Option<Self> {
        let key = std::str::from_utf8(key).ok()?;
        if let Some(run) = key.strip_prefix(RUN) {
            return Some(Self::Run(run)).filter(|_| !run.is_empty());
        }
        let (partition, offset) = key.strip_prefix(LETTER)?.split_once('/')?;
        let (partition, offset) = (partition.parse().ok()?, offset.parse().ok()?);
        Some(Self::Letter { partition, offset }).filter(|_| partition >= 0 && offset >= 0)
    }
}

impl std::fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Letter { partition, offset } => write!(f, "{LETTER}{partition}/{offset}"),
            Self::Run(run) => write!(f, "{RUN}{run}"),
        }
    }
}

/// What became of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The ID of the dead-letter topic; empty where brokers have none.
    pub topic: &'a str,
    /// What became of it.
    pub fate: Fate<'a>,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// The redrive that did it.
    pub run: &'a str,
    /// How often the record has been a dead letter, this one included.
    pub attempt: u32,
    /// Where the record had come from; none where the dead letter does not say so.
    pub source: Option<Position<'a>>,
    /// The hash of key and value, as [`hash`](crate::gate::rewrite::hash) makes it.
    pub hash: &'a str,
}

/// What a redrive did with a dead letter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fate<'a> {
    /// It sent the record on, which closes the dead letter.
    Redriven {
        /// The topic where it is now.
        topic: &'a str,
        /// The partition there.
        partition: i32,
    },
    /// The record still fails, and the dead letter stays open.
    Failed {
        /// The reason code.
        reason: &'a str,
        /// The field concerned.
        path: Option<Cow<'a, str>>,
    },
}

/// An entry as it is written.
#[derive(Serialize, Deserialize)]
struct Wire<'a> {
    version: u32,
    topic: &'a str,
    state: Word,
    time: i64,
    run: &'a str,
    attempt: u32,
    #[serde(borrow, skip_serializing_if = "Option::is_none")]
    source: Option<Source<'a>>,
    hash: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<To<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<Cow<'a, str>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    Redriven,
    Failed,
}

#[derive(Serialize, Deserialize)]
struct Source<'a> {
    topic: &'a str,
    partition: i32,
    offset: i64,
}

#[derive(Serialize, Deserialize)]
struct To<'a> {
    topic: &'a str,
    partition: i32,
}

impl<'a> Entry<'a> {
    /// Writes the value of its record.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (state, to, reason, path) = match &self.fate {
            Fate::Redriven { topic, partition } => {
                (Word::Redriven, Some(To { topic, partition: *partition }), None, None)
            }
            Fate::Failed { reason, path } => (Word::Failed, None, Some(*reason), path.clone()),
        };
        let source = |Position { topic, partition, offset }: Position<'a>| Source {
            topic,
            partition: partition.0,
            offset: offset.0,
        };
        let Self { topic, time, run, attempt, hash, .. } = *self;
        let source = self.source.map(source);
        written(&Wire { version: VERSION, topic, state, time, run, attempt, source, hash, to, reason, path })
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// It is none of ours, or of a later version.
    pub fn decode(value: &'a [u8]) -> Result<Self, serde_json::Error> {
        let wire: Wire<'a> = serde_json::from_slice(value)?;
        check(wire.version)?;
        let fate = match (wire.state, wire.to, wire.reason) {
            (Word::Redriven, Some(To { topic, partition }), _) => Fate::Redriven { topic, partition },
            (Word::Failed, _, Some(reason)) => Fate::Failed { reason, path: wire.path },
            (Word::Redriven, None, _) => return Err(de::Error::missing_field("to")),
            (Word::Failed, _, None) => return Err(de::Error::missing_field("reason")),
        };
        let source = |Source { topic, partition, offset }| Position {
            topic,
            partition: Partition(partition),
            offset: Offset(offset),
        };
        let Wire { topic, time, run, attempt, hash, .. } = wire;
        Ok(Self { topic, fate, time, run, attempt, source: wire.source.map(source), hash })
    }
}

/// The audit record of a redrive.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// [`VERSION`]; what writes it sees to that.
    pub version: u32,
    /// The ID of the dead-letter topic; empty where brokers have none.
    pub topic: String,
    /// The user who began it, as far as known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The host where.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// When it began, in milliseconds since 1970-01-01 UTC.
    pub begun: i64,
    /// When it ended; none while it runs, and where it was ended by force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<i64>,
    /// The filters as given, by option.
    #[serde(default)]
    pub filters: BTreeMap<String, Vec<String>>,
    /// Where to: `validated` or `source`.
    pub to: String,
    /// What was said to be otherwise than the configuration has it, by option.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub overrides: BTreeMap<String, String>,
    /// Dead letters read.
    #[serde(default)]
    pub read: u64,
    /// Those redriven.
    #[serde(default)]
    pub redriven: u64,
    /// Those that still fail, by reason.
    #[serde(default)]
    pub failed: BTreeMap<String, u64>,
    /// Those passed over, by why.
    #[serde(default)]
    pub passed_over: BTreeMap<String, u64>,
}

impl Run {
    /// Writes the value of its record, in the form of this version.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        written(&Self { version: VERSION, ..self.clone() })
    }

    /// Reads the value of a record.
    ///
    /// # Errors
    /// It is none of ours, or of a later version.
    pub fn decode(value: &[u8]) -> Result<Self, serde_json::Error> {
        let run: Self = serde_json::from_slice(value)?;
        check(run.version)?;
        Ok(run)
    }
}

fn check(version: u32) -> Result<(), serde_json::Error> {
    let later = || de::Error::custom(format!("it is of form {version}"));
    if version == VERSION { Ok(()) } else { Err(later()) }
}

fn written(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("numbers and texts under names of text are always JSON")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_back() {
        for key in [Key::Letter { partition: 3, offset: 12_345_678_901 }, Key::Run("2026-11-22T11:05:38Z-1")] {
            assert_eq!(Key::read(key.to_string().as_bytes()), Some(key));
        }
        for foreign in ["letter/3", "letter/a/1", "letter/-1/1", "letter/1/-1", "letter/1/2/3", "run/", "job", ""] {
            assert_eq!(Key::read(foreign.as_bytes()), None, "'{foreign}'");
        }
        assert_eq!(Key::read(&[0xff]), None);
    }

    #[test]
    fn entries_read_back_and_keep_their_form() {
        let source = Position { topic: "orders.raw", partition: Partition(1), offset: Offset(152) };
        let fate = Fate::Redriven { topic: "orders", partition: 1 };
        let entry = Entry { topic: "Tq", fate, time: 7, run: "r", attempt: 2, source: Some(source), hash: "ab" };
        let text = r#"{"version":1,"topic":"Tq","state":"redriven","time":7,"run":"r","attempt":2,"source":{"topic":"orders.raw","partition":1,"offset":152},"hash":"ab","to":{"topic":"orders","partition":1}}"#;
        assert_eq!(String::from_utf8(entry.encode()).unwrap(), text);
        assert_eq!(Entry::decode(text.as_bytes()).unwrap(), entry);
        let fate = Fate::Failed { reason: "invalid_utf8", path: Some("tags{\"a\\b\"}".into()) };
        let entry = Entry { fate, source: None, ..entry };
        assert_eq!(Entry::decode(&entry.encode()).unwrap(), entry);
        let text = String::from_utf8(entry.encode()).unwrap();
        assert!(text.contains(r#""state":"failed""#) && !text.contains("source") && !text.contains("\"to\""), "{text}");
    }

    #[test]
    fn what_another_version_or_somebody_else_writes_is_refused() {
        let fate = Fate::Redriven { topic: "orders", partition: 1 };
        let entry = Entry { topic: "Tq", fate, time: 7, run: "r", attempt: 1, source: None, hash: "ab" };
        let text = String::from_utf8(entry.encode()).unwrap();
        for (wrong, why) in [
            (text.replace("\"version\":1", "\"version\":2"), "it is of form 2"),
            (text.replace("redriven", "buried"), "unknown variant"),
            (text.replace("\"to\":", "\"reason\":\"truncated\",\"two\":"), "missing field `to`"),
            (text.replace("redriven", "failed"), "missing field `reason`"),
            (text[..text.len() - 1].to_owned(), "EOF"),
            (String::new(), "EOF"),
            ("7".to_owned(), "invalid type"),
        ] {
            let error = Entry::decode(wrong.as_bytes()).unwrap_err().to_string();
            assert!(error.contains(why), "{wrong}: {error}");
        }
    }

    #[test]
    fn runs_read_back() {
        let counts = |name: &str, count| BTreeMap::from([(name.to_owned(), count)]);
        let run = Run {
            topic: "Tq".to_owned(),
            user: Some("ada".to_owned()),
            begun: 5,
            filters: BTreeMap::from([("reason".to_owned(), vec!["truncated".to_owned()])]),
            to: "validated".to_owned(),
            read: 10,
            redriven: 7,
            failed: counts("truncated", 2),
            passed_over: counts("redriven", 1),
            ..Run::default()
        };
        let written = run.encode();
        let run = Run { version: VERSION, ..run };
        assert_eq!(Run::decode(&written).unwrap(), run);
        let later = String::from_utf8(written).unwrap().replace("\"version\":1", "\"version\":9");
        assert!(Run::decode(later.as_bytes()).unwrap_err().to_string().contains("form 9"));
    }
}
