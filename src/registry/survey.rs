//! Which way each known version takes to the target, what it loses, and what keeps a gate or converter from starting: asked by
//! `check-config`, by `run` before it starts, and by pipelines of the topics that a pattern has found.
//!
//! What is a mistake? A mapping that does not fit a version whose records the source may hold, and a target to which no such
//! version has a way. Those versions are the ones that are not deleted, of the subject of the source topic where it has
//! one, else of the target's. A single version without a way is a note: subjects keep versions that nobody writes any
//! more, and whoever registers another must not keep a gate from starting.

use std::time::Duration;

use serde::Serialize;

use super::client::{self, Client, Kind, Registered, VersionRules};
use super::schemas::{NoPlan, plan_between};
use crate::config::{Config, Error, Gate, Sources};
use crate::convert::NoPath;
use crate::convert::mapping::{Mistake, Steps};
use crate::gate::policy::{ConversionRule, PartPolicy, SubjectRule, TargetRule};
use crate::record::Part;
use crate::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use crate::schema::{Subject, Version};
use crate::telemetry::events::{ConversionsUnchecked, VersionWithoutWay};

/// Versions of a subject that are looked at, the newest: each takes a question or two.
const MOST_VERSIONS: usize = 50;

/// How long a start may wait for the registry. One that takes longer is away, and then nothing is known.
const START_LIMIT: Duration = Duration::from_secs(10);

/// What becomes of records of one version.
#[derive(Debug, Serialize)]
pub(crate) struct Conversion {
    pub(crate) part: &'static str,
    pub(crate) subject: String,
    pub(crate) from: i32,
    pub(crate) to: i32,
    /// The target's subject, where it is another.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) to_subject: Option<String>,
    /// `as it is`, `same`, `mapping`, `rules`, `resolution` or `none`.
    pub(crate) way: &'static str,
    /// The fields and values that are not carried.
    pub(crate) loses: Vec<String>,
    /// Why there is no way.
    pub(crate) reason: Option<String>,
}

/// A part of a gate that converts.
pub(crate) struct Asked<'a> {
    pub(crate) gate: &'a Gate,
    pub(crate) part: Part,
    pub(crate) rule: &'a ConversionRule,
    /// The topics that the gate reads, as far as they are known.
    pub(crate) topics: &'a [String],
    pub(crate) subject: &'a Subject,
    pub(crate) target: &'a Registered,
}

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) conversions: Vec<Conversion>,
    /// What keeps the gate from starting, by key path.
    pub(crate) mistakes: Vec<Error>,
    /// What the operator should mean.
    pub(crate) notes: Vec<String>,
}

/// Looks at all versions whose records a part may meet.
pub(crate) async fn survey(client: &Client, asked: &Asked<'_>) -> Result<Survey, client::Error> {
    let mut survey = Survey::default();
    let mut is_met = false;
    for subject in asked.writers() {
        is_met |= look(client, asked, (&subject, true), &mut survey).await?;
    }
    look(client, asked, (asked.subject, !is_met), &mut survey).await?;
    Ok(survey)
}

/// Finds what keeps the gates and converters of a configuration from converting, as far as the registry answers now.
pub(crate) async fn mistakes(config: &Config) -> Vec<Error> {
    let mut mistakes = Vec::new();
    let converts = |gate: &&Gate| gate.parts().any(|part| part.conversion.is_some());
    let gates: Vec<&Gate> = config.gates.iter().filter(converts).collect();
    if gates.is_empty() || config.registry.urls.is_empty() {
        return mistakes;
    }
    let look = async {
        let client = Client::new(&config.registry)?;
        for gate in gates {
            let topics = match &gate.source {
                Sources::Topics(topics) => topics.as_slice(),
                // Those that match are looked at when they are found.
                Sources::Pattern(_) => &[],
            };
            mistakes.extend(of_topics(&client, gate, topics).await?);
        }
        Ok::<_, client::Error>(())
    };
    match tokio::time::timeout(START_LIMIT, look).await {
        Ok(Ok(())) => {}
        Ok(Err(error)) => ConversionsUnchecked { why: &error.to_string() }.emit(),
        Err(_) => ConversionsUnchecked { why: "the registry does not answer in time" }.emit(),
    }
    mistakes
}

/// Finds what keeps a gate or converter from converting the records of these topics, by what the registry has now.
///
/// # Errors
/// The registry does not answer.
pub(crate) async fn of_topics(client: &Client, gate: &Gate, topics: &[String]) -> Result<Vec<Error>, client::Error> {
    let mut mistakes = Vec::new();
    for part in [Part::Key, Part::Value] {
        for (subject, policy) in subjects(gate, part, topics) {
            let Some(rule) = &policy.conversion else { continue };
            let target = match policy.target {
                TargetRule::Any => continue,
                TargetRule::Latest => client.latest(&subject).await,
                TargetRule::Version(version) => client.version(&subject, version).await,
            };
            // A target that is not there yet holds its records until it is.
            let Some(target) = there(target)? else { continue };
            let asked = Asked { gate, part, rule, topics, subject: &subject, target: &target };
            let Survey { mistakes: found, notes, .. } = survey(client, &asked).await?;
            mistakes.extend(found);
            notes.iter().for_each(|what| VersionWithoutWay { gate: &gate.name, what }.emit());
        }
    }
    Ok(mistakes)
}

/// Lists the target subjects of a part, as far as they can be told.
fn subjects(gate: &Gate, part: Part, topics: &[String]) -> Vec<(Subject, PartPolicy)> {
    let policy = |topic: &str| {
        let policy = gate.policy_for(topic);
        match part {
            Part::Key => policy.key,
            Part::Value => policy.value,
        }
    };
    let mut found: Vec<(Subject, PartPolicy)> = Vec::new();
    let nowhere = String::new();
    let is_named = |policy: &PartPolicy| matches!(&policy.subject, SubjectRule::Named(name) if !name.contains('$'));
    for topic in if topics.is_empty() { std::slice::from_ref(&nowhere) } else { topics } {
        let Some(policy) = policy(topic).filter(|policy| !topics.is_empty() || is_named(policy)) else { continue };
        let Some(subject) = policy.subject.subject(topic, part, None) else { continue };
        if found.iter().all(|(known, _)| *known != subject) {
            found.push((subject, policy));
        }
    }
    found
}

/// Takes what the registry does not have for nothing.
fn there<T>(answer: Result<T, client::Error>) -> Result<Option<T>, client::Error> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == Kind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

impl Asked<'_> {
    /// Returns the subjects that producers to a converter's sources register by default, where they are not the target's.
    fn writers(&self) -> Vec<Subject> {
        if !self.rule.all {
            return Vec::new();
        }
        let topics = self.topics.iter().filter(|topic| {
            let policy = self.gate.policy_for(topic);
            let policy = match self.part {
                Part::Key => policy.key,
                Part::Value => policy.value,
            };
            policy.is_some_and(|policy| policy.subject.subject(topic, self.part, None).as_ref() == Some(self.subject))
        });
        let usual = topics.map(|topic| Subject(format!("{topic}-{}", self.part).into()));
        usual.filter(|subject| subject != self.subject).collect()
    }

    /// Returns the key path of a mistake in the mapping for a version.
    fn key(&self, version: Option<Version>, mistake: &Mistake) -> String {
        let list = match (self.rule.mapping.as_deref(), version) {
            (Some(Steps::ByVersion(_)), Some(version)) => format!("mapping.{version}"),
            _ => "mapping".to_owned(),
        };
        let step = mistake.step.map_or(String::new(), |step| format!("[{step}].{}", mistake.key));
        self.gate.key(&format!("{}.{list}{step}", self.part))
    }
}

/// Looks at the versions of one subject; tells whether it has any that is not deleted.
async fn look(
    client: &Client,
    asked: &Asked<'_>,
    (subject, is_used): (&Subject, bool),
    survey: &mut Survey,
) -> Result<bool, client::Error> {
    let Some(versions) = there(client.version_numbers(subject).await)? else { return Ok(false) };
    let alive = there(client.live_version_numbers(subject).await)?.unwrap_or_default();
    let is_target = |version: Version| subject == asked.subject && version == asked.target.version;
    let mut versions: Vec<_> =
        versions.into_iter().rev().filter(|version| !is_target(*version)).take(MOST_VERSIONS).collect();
    versions.reverse();
    let rules = rules(client, asked, subject, &versions).await?;
    let mut dead_ends = Vec::new();
    let mut has_way = false;
    for version in versions {
        let writer = client.version(subject, version).await?;
        let (conversion, no_plan) = way(asked, (subject, &writer), &rules);
        let is_met = is_used && alive.contains(&version);
        match no_plan {
            None => has_way |= is_met,
            Some(NoPlan::Mapping(found)) if is_met => {
                has_way = true;
                let of = (subject == asked.subject).then_some(version);
                let about = format!("for records of version {version} of subject '{subject}'");
                let mistake = |one: &Mistake| Error::new(asked.key(of, one), format!("{}, {about}", one.problem));
                survey.mistakes.extend(found.iter().map(mistake));
            }
            Some(no_plan) => {
                let reason = NoPath::from(no_plan);
                let (to, other) = (asked.target.version, conversion.other_subject());
                let what =
                    format!("version {version} of subject '{subject}' has no way to version {to}{other}: {reason}");
                dead_ends.push((is_met, what));
            }
        }
        survey.conversions.push(conversion);
    }
    let (met, others): (Vec<_>, Vec<_>) = dead_ends.into_iter().partition(|(is_met, _)| *is_met && !has_way);
    if !met.is_empty() {
        let met: Vec<_> = met.into_iter().map(|(_, what)| what).collect();
        let key = asked.gate.key(&format!("{}.target", asked.part));
        survey.mistakes.push(Error::new(key, format!("no record would be converted: {}", met.join("; "))));
    }
    survey.notes.extend(others.into_iter().map(|(_, what)| format!("{what}; its records would be dead letters")));
    Ok(!alive.is_empty())
}

/// What the versions of the target's subject say of migration; an error in words where they cannot be read.
async fn rules(
    client: &Client,
    asked: &Asked<'_>,
    subject: &Subject,
    versions: &[Version],
) -> Result<Result<Vec<VersionRules>, String>, client::Error> {
    let by_rules = || versions.iter().filter(|version| !asked.rule.maps(Some(**version)));
    let ends = by_rules().min().zip(by_rules().max()).filter(|_| subject == asked.subject);
    let Some((first, last)) = ends else { return Ok(Ok(Vec::new())) };
    let range = ((*first).min(asked.target.version), (*last).max(asked.target.version));
    match client.contracts(subject, range).await {
        Ok(rules) => Ok(Ok(rules)),
        Err(error) if error.kind() == Kind::Unusable => Ok(Err(error.to_string())),
        Err(error) => Err(error),
    }
}

/// Finds the way of one version, and why there is none.
fn way(
    asked: &Asked<'_>,
    (subject, writer): (&Subject, &Registered),
    rules: &Result<Vec<VersionRules>, String>,
) -> (Conversion, Option<NoPlan>) {
    let Asked { rule, target, .. } = asked;
    let conversion = |way, loses, reason| Conversion {
        part: asked.part.name(),
        subject: subject.to_string(),
        from: writer.version.0,
        to: target.version.0,
        to_subject: (subject != asked.subject).then(|| asked.subject.to_string()),
        way,
        loses,
        reason,
    };
    if writer.id == target.id || (!rule.all && is_readable(writer, target)) {
        return (conversion("as it is", Vec::new(), None), None);
    }
    let is_version = subject == asked.subject;
    let planned = match rules {
        Err(reason) if is_version && !rule.maps(Some(writer.version)) => {
            Err(NoPlan::Path(NoPath { path: String::new(), detail: reason.clone() }))
        }
        Err(_) | Ok(_) => {
            let rules = rules.as_deref().unwrap_or_default();
            let (low, high) = (writer.version.min(target.version), writer.version.max(target.version));
            let within: Vec<_> = rules.iter().filter(|(version, _)| (low..=high).contains(version)).cloned().collect();
            let between = is_version.then_some((writer.version, target.version, &*within));
            plan_between((&writer.text, &target.text), rule, between)
        }
    };
    match planned {
        Ok(plan) => {
            let loses = plan.losses().iter().map(ToString::to_string).collect();
            (conversion(plan.way().name(), loses, None), None)
        }
        Err(no_plan) => {
            let reason = NoPath::from(no_plan.clone()).to_string();
            (conversion("none", Vec::new(), Some(reason)), Some(no_plan))
        }
    }
}

/// Tells whether readers of the target can read all records of a writer as they are.
fn is_readable(writer: &Registered, target: &Registered) -> bool {
    let (Ok(writer), Ok(target)) = (Schema::compile(&writer.text), Schema::compile(&target.text)) else { return false };
    matches!(Resolution::between(WriterSchema(&writer), ReaderSchema(&target)), Ok(Resolution::Always))
}

impl Conversion {
    fn other_subject(&self) -> String {
        self.to_subject.as_ref().map_or(String::new(), |subject| format!(" of '{subject}'"))
    }
}

impl std::fmt::Display for Conversion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { part, subject, from, to, way, loses, reason, .. } = self;
        write!(f, "{part}s of '{subject}', version {from} to {to}{}: ", self.other_subject())?;
        match reason {
            Some(reason) => return write!(f, "no way, {reason}"),
            None => f.write_str(if *way == "as it is" { "pass as they are" } else { way })?,
        }
        if !loses.is_empty() {
            let direction = if from > to { "down" } else { "up" };
            write!(f, "; {direction}-conversion loses {}", loses.join(", "))?;
        }
        Ok(())
    }
}
