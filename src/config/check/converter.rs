//! One converter of the section `converters`, and the pairs that they declare.
//!
//! A converter is a gate whose policy converts: `to` is its validated topic, and it has no converter topic.

use std::sync::Arc;

use super::gate::{self, DeadLetters, Options};
use super::leaf;
use crate::config::conflict;
use crate::config::error::{Error, Mistakes};
use crate::config::section::Section;
use crate::config::{Gate, Kind, Sources};
use crate::gate::policy::{ConversionRule, Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule};

/// Checks one converter; `None` where it cannot be told what it reads and writes.
pub(super) fn check(name: String, mut section: Section<'_>) -> Option<Gate> {
    section.require("source", "the topic that the converter reads");
    section.require("to", "the topic of converted records");
    section.require("value", "subject and version of the target, as `value: { subject: …, target: 2 }`");
    let source = gate::check_source(&mut section);
    let groups = source.as_ref().map(gate::groups);
    let to = gate::check_output(&mut section, "to", groups);
    let DeadLetters { topic: dead_letter, profiles, limit } = gate::check_dead_letter(&mut section, groups);
    let value = section.given("value").and_then(|value| check_part(value, groups));
    let mut key = section.section("key");
    let key_required = key.read("required", leaf::boolean).unwrap_or(false);
    let key = check_key(key, groups);
    let pair = section.read("pair", leaf::name);
    let tombstones = gate::check_tombstones(&mut section);
    let Options { start, unusable_schema, repartition, oversize, threads } = gate::check_options(&mut section);
    let offset_map = section.read("offset_map", leaf::boolean).unwrap_or(false);
    if offset_map
        && source.as_ref().is_some_and(|source| !matches!(source, Sources::Topics(topics) if topics.len() == 1))
    {
        section.mistake("offset_map", "is for one source topic by its name: the map tells offsets of one topic");
    }
    section.finish();

    let to = to?;
    let policy = Policy {
        key,
        value,
        key_required,
        tombstones,
        incompatible: Incompatible::Convert,
        mode: Mode::Enforce,
        pairing: if pair.is_some() { Pairing::Pair } else { Pairing::None },
    };
    Some(Gate {
        name,
        kind: Kind::Converter { pair, offset_map },
        source: source?,
        converter: to.with_suffix(".converter"),
        dead_letter: dead_letter.unwrap_or_else(|| to.with_suffix(".dead-letter")),
        validated: to,
        profiles,
        limit,
        policy,
        start,
        unusable_schema,
        repartition,
        oversize,
        threads,
    })
}

/// Checks a part that is converted.
pub(super) fn check_part(mut section: Section<'_>, groups: Option<usize>) -> Option<PartPolicy> {
    section.word("format", &[("avro", ())], &["json", "protobuf"]);
    section.require("subject", "the subject of the target");
    section.require("target", "the version to convert to, or `latest`");
    let subject = section.read("subject", |text| match text {
        "topic" | "record" | "topic-record" | "any" => {
            Err("is a rule for gates; a converter names the subject of its target".to_owned())
        }
        "" => Err("is no subject".to_owned()),
        name => gate::check_groups(&crate::config::Template::new(name), groups).map(|()| name.to_owned()),
    });
    let target = section.read("target", |text| match gate::target(text)? {
        TargetRule::Any => Err("is no version to convert to; allowed: latest, or a version from 1 up".to_owned()),
        target @ (TargetRule::Latest | TargetRule::Version(_)) => Ok(target),
    });
    let wire = gate::check_wire(&mut section);
    let mapping = super::mapping::mapping(&mut section).map(Arc::new);
    section.finish();
    let conversion = Some(ConversionRule { all: true, mapping });
    Some(PartPolicy { wire, subject: SubjectRule::Named(subject?), target: target?, conversion })
}

/// Checks `key`; `None` where keys pass unchecked.
pub(super) fn check_key(mut section: Section<'_>, groups: Option<usize>) -> Option<PartPolicy> {
    if section.word("format", &[("avro", true), ("any", false)], &["json", "protobuf"]) == Some(true) {
        return check_part(section, groups);
    }
    for key in ["subject", "target", "wire", "mapping"] {
        if section.take(key).is_some() {
            section.mistake(key, "has no meaning with `format: any`, the default here; give `format: avro`");
        }
    }
    section.finish();
    None
}

/// Checks that pairs are two converters of opposite directions, each of which names the other.
pub(super) fn check_pairs(gates: &[Gate], mistakes: &Mistakes) {
    for converter in gates {
        let Some(pair) = converter.pair() else { continue };
        let found = gates.iter().find(|other| matches!(other.kind, Kind::Converter { .. }) && other.name == pair);
        let problem = match found {
            None => format!("is '{pair}', and there is no such converter; give the one of the other direction"),
            Some(other) if other.name == converter.name => "is the converter itself".to_owned(),
            Some(other) if other.pair() != Some(&converter.name) => {
                format!("is '{pair}', whose `pair` does not name '{}': a pair is declared by both", converter.name)
            }
            Some(other) if !conflict::is_way_back(converter, other) => {
                let (source, to) = (&other.source, &other.validated);
                format!(
                    "is '{pair}', which reads {source} and writes '{to}': it is not the way back, which reads '{}' and \
                     writes what '{}' reads",
                    converter.validated, converter.name
                )
            }
            Some(_) => continue,
        };
        mistakes.push(Error::new(converter.key("pair"), problem));
    }
}
