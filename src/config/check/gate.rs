//! One gate of the section `gates`.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use regex::{Regex, RegexBuilder};

use super::leaf;
use crate::config::section::Section;
use crate::config::{Gate, Kind, Oversize, Repartition, Sources, Start, Template, UnusableSchema, limits};
use crate::gate::limit::Limit;
use crate::gate::policy::{
    ConversionRule, Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule, Tombstones,
};
use crate::gate::profile::Profile;
use crate::schema::Version;
use crate::wire::{WireFormat, WireFormats};

/// Wire formats of the design that this version does not read.
const LATER_WIRE: [&str; 5] = ["avro-single-object", "apicurio-4", "apicurio-8", "apicurio-header", "none"];

/// `dead_letter.limit` where the operator gives it without values.
const LIMIT: Limit = Limit { ratio: 0.5, window: Duration::from_secs(60) };

/// Checks one gate; `None` where it cannot be told what it reads and writes.
pub(super) fn check(name: String, mut section: Section<'_>) -> Option<Gate> {
    section.require("source", "the topic that the gate reads");
    section.require("validated", "the topic of good records");
    let source = check_source(&mut section);
    let groups = source.as_ref().map(groups);
    let validated = check_output(&mut section, "validated", groups);
    let converter = check_output(&mut section, "converter", groups);
    let DeadLetters { topic: dead_letter, profiles, limit } = check_dead_letter(&mut section, groups);
    let policy = check_policy(&mut section, groups);
    let options = check_options(&mut section);
    section.finish();

    let validated = validated?;
    Some(Gate {
        name,
        kind: Kind::Gate,
        source: source?,
        converter: converter.unwrap_or_else(|| validated.with_suffix(".converter")),
        dead_letter: dead_letter.unwrap_or_else(|| validated.with_suffix(".dead-letter")),
        validated,
        profiles,
        limit,
        policy,
        start: options.start,
        unusable_schema: options.unusable_schema,
        repartition: options.repartition,
        oversize: options.oversize,
        threads: options.threads,
    })
}

/// What gates and converters have in common, beside topics and policy.
pub(super) struct Options {
    pub(super) start: Start,
    pub(super) unusable_schema: UnusableSchema,
    pub(super) repartition: Repartition,
    pub(super) oversize: Oversize,
    pub(super) threads: NonZeroUsize,
}

pub(super) fn check_options(section: &mut Section<'_>) -> Options {
    let repartition = [("refuse", Repartition::Refuse), ("murmur2", Repartition::Murmur2)];
    let oversize = [("hold", Oversize::Hold), ("truncate", Oversize::Truncate)];
    let unusable = [("hold", UnusableSchema::Hold), ("dead-letter", UnusableSchema::DeadLetter)];
    Options {
        repartition: section.word("repartition", &repartition, &[]).unwrap_or(Repartition::Refuse),
        oversize: section.word("oversize", &oversize, &[]).unwrap_or(Oversize::Hold),
        unusable_schema: section.word("unusable_schema", &unusable, &[]).unwrap_or(UnusableSchema::Hold),
        start: section.read("start", leaf::start).unwrap_or(Start::Earliest),
        threads: section.read("threads", leaf::threads).unwrap_or(NonZeroUsize::MIN),
    }
}

pub(super) fn check_tombstones(section: &mut Section<'_>) -> Tombstones {
    let tombstones = [("pass", Tombstones::Pass), ("dead-letter", Tombstones::DeadLetter), ("drop", Tombstones::Drop)];
    section.word("tombstones", &tombstones, &[]).unwrap_or(Tombstones::Pass)
}

/// Returns the number of groups that templates may name; 0 where there is no pattern.
pub(super) fn groups(source: &Sources) -> usize {
    match source {
        Sources::Topics(_) => 0,
        Sources::Pattern(pattern) => pattern.captures_len() - 1,
    }
}

pub(super) fn check_source(section: &mut Section<'_>) -> Option<Sources> {
    let scalars = section.list("source")?;
    if let [pattern] = scalars.as_slice()
        && pattern.text.starts_with('^')
    {
        return match compile(&pattern.text) {
            Ok(pattern) => Some(Sources::Pattern(pattern)),
            Err(problem) => {
                section.mistake("source", format!("'{}' {problem}", pattern.shown));
                None
            }
        };
    }
    let mut topics: Vec<String> = Vec::new();
    let count = scalars.len();
    if count > limits::TOPICS {
        section.mistake("source", format!("names {count} topics, more than {}; give a pattern", limits::TOPICS));
        return None;
    }
    for scalar in scalars {
        match leaf::topic(&scalar.text) {
            Ok(topic) if topics.contains(&topic) => {
                section.mistake("source", format!("names the topic '{}' twice", scalar.shown));
            }
            Ok(topic) => topics.push(topic),
            Err(_) if scalar.text.starts_with('^') => {
                section.mistake("source", format!("'{}' is a pattern in a list: a pattern stands alone", scalar.shown));
            }
            Err(problem) => {
                section.hinted("source", format!("'{}' {problem}", scalar.shown), pattern_hint(&scalar.text))
            }
        }
    }
    (topics.len() == count).then_some(Sources::Topics(topics))
}

fn pattern_hint(text: &str) -> Option<String> {
    text.contains(['*', '(', '[', '+']).then(|| "a pattern begins with '^', as ^(.+)\\.raw$".to_owned())
}

/// Compiles a source pattern, within the limits.
fn compile(pattern: &str) -> Result<Regex, String> {
    if pattern.len() > limits::PATTERN_BYTES {
        return Err(format!("is a pattern of more than {} bytes", limits::PATTERN_BYTES));
    }
    let pattern = RegexBuilder::new(pattern).size_limit(limits::PATTERN_SIZE).build();
    pattern.map_err(|error| format!("is no regular expression: {}", last_line(&error)))
}

/// Returns what the regex crate says at the end, after a picture of the place.
fn last_line(error: &regex::Error) -> String {
    let text = error.to_string();
    text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Checks an output topic. `groups` is unknown where the source is mistaken; then only the characters are judged.
pub(super) fn check_output(section: &mut Section<'_>, key: &'static str, groups: Option<usize>) -> Option<Template> {
    section.read(key, |text| {
        let template = Template::new(text);
        check_groups(&template, groups)?;
        leaf::topic(&template.example()).map(|_| template)
    })
}

/// Refuses a group that the source pattern does not have.
pub(super) fn check_groups(template: &Template, groups: Option<usize>) -> Result<(), String> {
    match (template.highest_group(), groups) {
        (Some(group), Some(0)) => {
            Err(format!("uses ${group}, and the source has no group; give a pattern as ^(.+)\\.raw$"))
        }
        (Some(group), Some(groups)) if group > groups => {
            Err(format!("uses ${group}, and the highest group of the source pattern is ${groups}"))
        }
        _ => Ok(()),
    }
}

/// What `dead_letter` says.
pub(super) struct DeadLetters {
    pub(super) topic: Option<Template>,
    pub(super) profiles: Vec<Profile>,
    pub(super) limit: Option<Limit>,
}

/// Checks `dead_letter`: a topic, or a table with more.
pub(super) fn check_dead_letter(section: &mut Section<'_>, groups: Option<usize>) -> DeadLetters {
    if !section.is_table("dead_letter") {
        let topic = check_output(section, "dead_letter", groups);
        return DeadLetters { topic, profiles: vec![Profile::Sluice], limit: None };
    }
    let mut inner = section.section("dead_letter");
    let topic = check_output(&mut inner, "topic", groups);
    let profiles = inner.words("headers", &Profile::ALL.map(|profile| (profile.name(), profile)), &[]);
    let limit = inner.given("limit").map(check_limit);
    inner.finish();
    DeadLetters { topic, profiles: profiles.unwrap_or_else(|| vec![Profile::Sluice]), limit }
}

/// Checks `dead_letter.limit`; the table alone, even empty, sets a limit.
fn check_limit(mut section: Section<'_>) -> Limit {
    let ratio = section.read("ratio", leaf::ratio).unwrap_or(LIMIT.ratio);
    let window = section.read("window", leaf::duration).unwrap_or(LIMIT.window);
    section.finish();
    Limit { ratio, window }
}

fn check_policy(section: &mut Section<'_>, groups: Option<usize>) -> Policy {
    let mut key = section.section("key");
    let key_required = key.read("required", leaf::boolean).unwrap_or(false);
    let incompatible = [
        ("divert", Incompatible::Divert),
        ("convert", Incompatible::Convert),
        ("dead-letter", Incompatible::DeadLetter),
    ];
    let incompatible = section.word("incompatible", &incompatible, &[]).unwrap_or(Incompatible::Divert);
    let converts = incompatible == Incompatible::Convert;
    let key = check_part(key, "any", groups, converts);
    let value = check_part(section.section("value"), "avro", groups, converts);
    if converts && [&key, &value].into_iter().flatten().all(|part| part.target == TargetRule::Any) {
        let problem = "is `convert`, and no part has a target to convert to; give `target`, or leave it out";
        section.mistake("incompatible", problem);
    }
    let mode = [("enforce", Mode::Enforce), ("pass-all", Mode::PassAll), ("dry-run", Mode::DryRun)];
    Policy {
        key,
        value,
        key_required,
        tombstones: check_tombstones(section),
        incompatible,
        mode: section.word("mode", &mode, &[]).unwrap_or(Mode::Enforce),
        pairing: Pairing::None,
    }
}

/// Checks `key` or `value`; `None` where it passes unchecked.
fn check_part(mut section: Section<'_>, default: &str, groups: Option<usize>, converts: bool) -> Option<PartPolicy> {
    let formats = [("avro", true), ("any", false)];
    let is_given = section.has("format");
    let checked = section.word("format", &formats, &["json", "protobuf"]).unwrap_or(default == "avro" || is_given);
    let rules = ["subject", "target", "wire"];
    if !checked {
        for key in rules.into_iter().filter(|key| section.has(key)) {
            let problem =
                format!("has no meaning with `format: any`{}", if is_given { "" } else { ", the default here" });
            section.mistake(key, format!("{problem}; give `format: avro`, or leave it out"));
        }
    }
    let subject = check_subject(&mut section, groups).unwrap_or(SubjectRule::Topic);
    let target = section.read("target", target).unwrap_or(TargetRule::Any);
    let wire = check_wire(&mut section);
    if checked && subject == SubjectRule::Any && target != TargetRule::Any {
        section
            .mistake("target", "is a version, and `subject: any` names no subject that could have it; give a subject");
    }
    let mapping = super::mapping::mapping(&mut section).map(Arc::new);
    let can_convert = converts && target != TargetRule::Any;
    if mapping.is_some() && !can_convert {
        section.mistake("mapping", "has no meaning without a `target` and `incompatible: convert`; leave it out");
    }
    section.finish();
    let conversion = can_convert.then_some(ConversionRule { all: false, mapping });
    checked.then_some(PartPolicy { wire, subject, target, conversion })
}

pub(super) fn check_wire(section: &mut Section<'_>) -> WireFormats {
    let names = WireFormat::ALL.map(|format| (format.name(), format));
    let wire = section.words("wire", &names, &LATER_WIRE).unwrap_or_else(|| WireFormat::ALL.to_vec());
    wire.into_iter().collect()
}

pub(super) fn check_subject(section: &mut Section<'_>, groups: Option<usize>) -> Option<SubjectRule> {
    section.read("subject", |text| match text {
        "topic" => Ok(SubjectRule::Topic),
        "record" => Ok(SubjectRule::Record),
        "topic-record" => Ok(SubjectRule::TopicRecord),
        "any" => Ok(SubjectRule::Any),
        "" => Err("is no subject; allowed: topic, record, topic-record, any, or a name".to_owned()),
        name => check_groups(&Template::new(name), groups).map(|()| SubjectRule::Named(name.to_owned())),
    })
}

pub(super) fn target(text: &str) -> Result<TargetRule, String> {
    match text {
        "any" => Ok(TargetRule::Any),
        "latest" => Ok(TargetRule::Latest),
        number => match number.parse() {
            Ok(version @ 1..) => Ok(TargetRule::Version(Version(version))),
            Ok(_) | Err(_) => Err("is no version; allowed: any, latest, or a version from 1 up".to_owned()),
        },
    }
}
