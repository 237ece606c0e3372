//! Proves from the log, and from the answers that clients got, that a registry kept its promises.
//!
//! The log is judged alone first: IDs, versions, one ID per schema. Then each answer is looked for in it: what was
//! answered 200 is there, once; what was refused was so at some moment while it was asked. The rules are written down
//! here anew, from the promises; nothing of the registry's own code is used.

#[path = "judge.rs"]
mod judge;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::common::client::Read;

/// How much later than its timestamp a record may become visible, in milliseconds: its transaction commits after it.
pub(crate) const VISIBLE_MS: i64 = 3_000;

/// A record of the log.
#[derive(Debug, Clone)]
pub(crate) struct Record {
    pub(crate) at: i64,
    pub(crate) key: Value,
    pub(crate) value: Option<Value>,
}

impl From<&Read> for Record {
    fn from(read: &Read) -> Self {
        let value = read.content.value.as_deref().filter(|value| !value.is_empty());
        Self {
            at: read.content.timestamp,
            key: serde_json::from_slice(read.content.key.as_deref().unwrap()).unwrap(),
            value: value.map(|value| serde_json::from_slice(value).unwrap()),
        }
    }
}

/// What a client asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Asked {
    Register { subject: String, schema: String },
    DeleteVersion { subject: String, version: i64, permanent: bool },
    DeleteSubject { subject: String, permanent: bool },
    Config { subject: String, level: &'static str },
}

/// What became of it.
#[derive(Debug, Clone)]
pub(crate) enum Told {
    /// 200 with this body.
    Done(Value),
    /// 404, 409 or 422 with this code.
    Refused(i64),
    /// 500, or no answer at all: it may have happened. Where it certainly has not, the answer says so.
    Unknown { is_unwritten: bool },
}

/// One exchange.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    pub(crate) asked: Asked,
    pub(crate) told: Told,
    /// When it was asked and answered, in milliseconds since 1970.
    pub(crate) from: i64,
    pub(crate) to: i64,
    /// Whether whoever was told so did not find at once what they had registered.
    pub(crate) is_missing: bool,
}

/// One version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Version {
    id: i64,
    schema: String,
    deleted: bool,
}

/// The state between two records.
#[derive(Debug, Clone, Default)]
struct State {
    subjects: BTreeMap<String, BTreeMap<i64, Version>>,
    levels: BTreeMap<String, String>,
    /// What the IDs of each context were given to, what has gone since included.
    given: BTreeMap<String, BTreeMap<i64, String>>,
    /// The versions that the records just before have removed: subject, number, ID.
    removed: Vec<(String, i64, i64)>,
}

fn context(subject: &str) -> &str {
    subject.strip_prefix(':').and_then(|rest| rest.split_once(':')).map_or(".", |(context, _)| context)
}

impl State {
    /// Takes a record; returns what is wrong with it.
    fn take(&mut self, record: &Record) -> Vec<String> {
        let subject = record.key["subject"].as_str().unwrap_or_default().to_owned();
        match (record.key["keytype"].as_str().unwrap(), &record.value) {
            ("SCHEMA", Some(value)) => return self.put(&subject, record.key["version"].as_i64().unwrap(), value),
            ("SCHEMA", None) => {
                let versions = self.subjects.entry(subject.clone()).or_default();
                let number = record.key["version"].as_i64().unwrap();
                self.removed.extend(versions.remove(&number).map(|gone| (subject.clone(), number, gone.id)));
                if versions.is_empty() {
                    self.subjects.remove(&subject);
                }
                return Vec::new();
            }
            ("DELETE_SUBJECT", Some(value)) => {
                let last = value["version"].as_i64().unwrap();
                let versions =
                    self.subjects.get_mut(&subject).into_iter().flat_map(|versions| versions.range_mut(..=last));
                versions.for_each(|(_, version)| version.deleted = true);
            }
            ("CONFIG", Some(value)) => {
                self.levels.insert(subject, value["compatibilityLevel"].as_str().unwrap_or("BACKWARD").to_owned());
            }
            ("CONFIG", None) => drop(self.levels.remove(&subject)),
            _ => {}
        }
        self.removed.clear();
        Vec::new()
    }

    fn put(&mut self, subject: &str, number: i64, value: &Value) -> Vec<String> {
        let (id, schema) = (value["id"].as_i64().unwrap(), value["schema"].as_str().unwrap().to_owned());
        let deleted = value["deleted"].as_bool().unwrap_or(false);
        let mut faults = Vec::new();
        let in_context = self.subjects.iter().filter(|(other, _)| context(other) == context(subject));
        let others: Vec<&Version> = in_context.flat_map(|(_, versions)| versions.values()).collect();
        if others.iter().any(|other| other.id != id && other.schema == schema) {
            faults.push(format!("{schema} has ID {id} under '{subject}', and another one elsewhere"));
        }
        let given = self.given.entry(context(subject).to_owned()).or_default();
        let highest = given.keys().last().copied().unwrap_or(0);
        match given.get(&id) {
            Some(other) if *other != schema => {
                faults.push(format!("ID {id} was given twice: for {other}, and for {schema} of '{subject}'"));
            }
            None if id < highest => faults.push(format!("ID {id} of {schema} comes after {highest}")),
            Some(_) | None => {}
        }
        given.insert(id, schema.clone());
        let versions = self.subjects.entry(subject.to_owned()).or_default();
        let next = versions.keys().last().map_or(1, |last| last + 1);
        // A schema that is registered again takes the place of its deleted version, and is counted after it.
        let replaced = std::mem::take(&mut self.removed).into_iter().filter(|gone| gone.0 == subject && gone.2 == id);
        let after = replaced.map(|(_, version, _)| version + 1).max().unwrap_or(next).max(next);
        if !versions.contains_key(&number) && number != next && number != after {
            faults.push(format!("version {number} of '{subject}' comes where {next} is due"));
        }
        if let Some(before) = versions.insert(number, Version { id, schema: schema.clone(), deleted })
            && before.schema != schema
        {
            faults.push(format!("version {number} of '{subject}' was overwritten"));
        }
        faults
    }

    fn live(&self, subject: &str) -> Vec<(i64, &Version)> {
        let versions = self.subjects.get(subject).into_iter().flatten();
        versions.filter(|(_, version)| !version.deleted).map(|(number, version)| (*number, version)).collect()
    }

    fn level(&self, subject: &str) -> &str {
        let scope = match context(subject) {
            "." => String::new(),
            context => format!(":{context}:"),
        };
        self.levels.get(subject).or_else(|| self.levels.get(&scope)).map_or("BACKWARD", String::as_str)
    }

    /// Tells whether this state refuses what was asked with this code. Schemas of the tests never go with each other.
    fn refuses(&self, asked: &Asked, code: i64) -> bool {
        let all = |subject: &str| self.subjects.get(subject);
        match (asked, code) {
            (Asked::Register { subject, schema }, 409) => {
                let live = self.live(subject);
                self.level(subject) != "NONE" && !live.is_empty() && live.iter().all(|(_, live)| live.schema != *schema)
            }
            (Asked::DeleteSubject { subject, .. } | Asked::DeleteVersion { subject, .. }, 40401) => {
                all(subject).is_none()
            }
            (Asked::DeleteSubject { subject, permanent: false }, 40404) => {
                all(subject).is_some() && self.live(subject).is_empty()
            }
            (Asked::DeleteSubject { subject, permanent: true }, 40405) => !self.live(subject).is_empty(),
            (Asked::DeleteVersion { subject, version, .. }, code) => {
                let found = all(subject).and_then(|versions| versions.get(version));
                match code {
                    40402 => all(subject).is_some() && found.is_none(),
                    40406 => found.is_some_and(|found| found.deleted),
                    40407 => found.is_some_and(|found| !found.deleted),
                    _ => false,
                }
            }
            _ => false,
        }
    }
}

/// What was done to one thing, to be counted.
type Deed = (String, &'static str);

/// Finds the promises that were broken. A record may become visible so much later than its timestamp says.
pub(crate) fn check(log: &[Record], exchanges: &[Exchange], visible_ms: i64) -> Vec<String> {
    let mut faults = Vec::new();
    let mut states = vec![(i64::MIN, State::default())];
    for record in log {
        let mut state = states.last().unwrap().1.clone();
        faults.extend(state.take(record));
        states.push((record.at, state));
    }
    faults.extend(registrations(log, exchanges));
    faults.extend(deletions(&states, log, exchanges));
    faults.extend(judge::unread(&states, exchanges, visible_ms));
    faults.extend(judge::written_twice(log, exchanges));
    faults.extend(judge::levels(log, exchanges));
    faults.extend(judge::lost_for_good(&states, exchanges));
    faults.extend(refusals(&judge::ends(&states, log, exchanges, visible_ms), &states, exchanges));
    faults
}

/// When and as which version a schema was put: by subject, ID and text.
type Puts<'l> = BTreeMap<(&'l str, i64, &'l str), Vec<(i64, i64)>>;

/// Each schema that was registered is in the log before it was answered, with the ID and version that were told.
fn registrations(log: &[Record], exchanges: &[Exchange]) -> Vec<String> {
    let mut puts = Puts::new();
    for record in log.iter().filter(|record| record.key["keytype"] == "SCHEMA") {
        let Some(value) = &record.value else { continue };
        let text = |name: &str| value[name].as_str().unwrap();
        let put = (text("subject"), value["id"].as_i64().unwrap(), text("schema"));
        puts.entry(put).or_default().push((record.at, value["version"].as_i64().unwrap()));
    }
    let lost = exchanges.iter().filter_map(|exchange| match (&exchange.asked, &exchange.told) {
        (Asked::Register { subject, schema }, Told::Done(body)) => {
            let put = (subject.as_str(), body["id"].as_i64().unwrap(), schema.as_str());
            let is_it = |(at, version): &(i64, i64)| {
                *at <= exchange.to && body["version"].as_i64().is_none_or(|told| told == *version)
            };
            let is_there = puts.get(&put).is_some_and(|found| found.iter().any(is_it));
            (!is_there).then(|| format!("a write was lost: {put:?} was answered with {body} and is not in the log"))
        }
        _ => None,
    });
    lost.collect()
}

/// What was deleted is in the log as often as it was answered; more often only as far as nobody knows, and nothing that
/// was said not to be written.
fn deletions(states: &[(i64, State)], log: &[Record], exchanges: &[Exchange]) -> Vec<String> {
    let mut done: BTreeMap<Deed, i64> = BTreeMap::new();
    for (record, before) in log.iter().zip(states) {
        let subject = record.key["subject"].as_str().unwrap_or_default().to_owned();
        let deed = match (record.key["keytype"].as_str().unwrap(), &record.value) {
            ("DELETE_SUBJECT", Some(_)) => (subject, "subject"),
            ("SCHEMA", Some(value)) if value["deleted"] == true => {
                (format!("{subject}/{}", record.key["version"]), "version")
            }
            // The newest version of all goes first where a subject goes for good.
            ("SCHEMA", None) if before.1.live(&subject).is_empty() => {
                let newest = before.1.subjects.get(&subject).and_then(|versions| versions.keys().last().copied());
                if newest != record.key["version"].as_i64() {
                    continue;
                }
                (subject, "for good")
            }
            _ => continue,
        };
        *done.entry(deed).or_default() += 1;
    }
    let mut told: BTreeMap<Deed, (i64, i64)> = BTreeMap::new();
    for exchange in exchanges {
        let deed = match &exchange.asked {
            Asked::DeleteSubject { subject, permanent: false } => (subject.clone(), "subject"),
            Asked::DeleteVersion { subject, version, permanent: false } => (format!("{subject}/{version}"), "version"),
            _ => continue,
        };
        let (sure, unsure) = told.entry(deed).or_default();
        match exchange.told {
            Told::Done(_) => *sure += 1,
            Told::Unknown { is_unwritten: false } => *unsure += 1,
            Told::Unknown { is_unwritten: true } | Told::Refused(_) => {}
        }
    }
    let mut deeds: BTreeSet<&Deed> = told.keys().collect();
    deeds.extend(done.keys().filter(|(_, kind)| *kind != "for good"));
    let judge = |deed: &&Deed| {
        let (times, (sure, unsure)) =
            (done.get(*deed).copied().unwrap_or(0), told.get(*deed).copied().unwrap_or((0, 0)));
        let is_right = (sure..=sure + unsure).contains(&times);
        (!is_right).then(|| format!("{deed:?} is {times} times in the log, answered {sure} times, {unsure} may be"))
    };
    deeds.iter().filter_map(judge).collect()
}

/// What was refused was so at some moment between question and answer. A state has an end: when the next one was there.
fn refusals(ends: &[i64], states: &[(i64, State)], exchanges: &[Exchange]) -> Vec<String> {
    let false_one = |exchange: &Exchange| {
        let Told::Refused(code) = exchange.told else { return None };
        let was = states.iter().zip(ends).any(|((since, state), until)| {
            *since <= exchange.to && *until >= exchange.from && state.refuses(&exchange.asked, code)
        });
        (!was).then(|| format!("{code} was answered to {:?}, and never was so meanwhile", exchange.asked))
    };
    exchanges.iter().filter_map(false_one).collect()
}
