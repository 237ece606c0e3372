//! The section `migrations`: jobs that copy a topic.

use std::num::NonZeroUsize;

use super::gate::{self, DeadLetters};
use super::{converter, kafka, leaf, registry};
use crate::config::error::{Error, Mistakes};
use crate::config::section::Section;
use crate::config::{
    Gate, Kafka, Keys, Kind, Mappings, Migration, Oversize, Repartition, Sources, Start, TargetIds, TargetRegistry,
    Template, UnusableSchema,
};
use crate::gate::policy::{Incompatible, Mode, Pairing, Policy, Tombstones};

/// More partitions of one topic than any cluster serves well.
const MOST_PARTITIONS: i32 = 100_000;

/// Checks the section, if it is there.
pub(super) fn check(root: &mut Section<'_>, gates: &[Gate], mistakes: &Mistakes) -> Vec<Migration> {
    let Some(mut section) = root.given("migrations") else { return Vec::new() };
    let tables = section.take_all().unwrap_or_default();
    let mut migrations: Vec<Migration> = Vec::new();
    for (name, node) in tables {
        if let Err(problem) = leaf::name(&name) {
            section.mistake(&name, format!("'{name}' {problem}"));
        }
        if gates.iter().any(|gate| gate.name == name) {
            section.mistake(&name, "is the name of a gate too, and both would have one consumer group; rename one");
        }
        let table = section.below(&name, node);
        migrations.extend(check_one(name, table, gates, mistakes));
    }
    migrations
}

fn check_one(name: String, mut section: Section<'_>, gates: &[Gate], mistakes: &Mistakes) -> Option<Migration> {
    section.require("source", "the topic that the job copies");
    section.require("to", "the topic that its records go to");
    let (target, registry) = section.given("target").map_or((None, None), check_target);
    let is_far = target.is_some();
    let source = section.read("source", leaf::topic);
    let to = section.read("to", leaf::topic);
    let groups = section.list("groups").unwrap_or_default().into_iter().map(|group| group.text).collect();
    let repartition = [("refuse", Repartition::Refuse), ("murmur2", Repartition::Murmur2)];
    let repartition = section.word("repartition", &repartition, &[]).unwrap_or(Repartition::Refuse);
    let partitions = section.read("partitions", partitions);
    if partitions.is_some() && repartition == Repartition::Refuse {
        let problem =
            "is the number for a new target, and records keep their partition; set 'repartition: murmur2' too";
        section.mistake("partitions", problem);
    }
    if let (Some(source), Some(to)) = (&source, &to) {
        check_topics(&section, (source, to), is_far);
        let leads_back = |gate: &&Gate| is_way_back(gate, to, source);
        let mut readers = gates.iter().filter(|gate| !is_far && gate.source.matches(to));
        if let Some(gate) = readers.clone().filter(leads_back).find(|gate| gate.start == Start::Earliest) {
            let problem = format!(
                "is `earliest`, the default, and job '{name}' has written to '{to}': every copy would go back; give `latest`, or a time"
            );
            mistakes.push(Error::new(gate.key("start"), problem));
        }
        if let Some(gate) = readers.find(|gate| !leads_back(gate)) {
            let problem =
                format!("is '{to}', which gate '{}' reads: every copied record would pass it again", gate.name);
            section.mistake("to", problem);
        }
    }
    let conversion = check_conversion(&mut section);
    section.finish();
    let (source, to) = (source?, to?);
    let mappings = conversion.as_ref().map(|conversion| conversion.mappings.clone()).unwrap_or_default();
    let conversion = conversion.map(|conversion| conversion.of_job(&name, (&source, &to), repartition));
    if let Some(conversion) = &conversion {
        check_dead_letters(conversion, (&source, &to), is_far, mistakes, gates);
    }
    Some(Migration { name, source, to, groups, partitions, repartition, target, registry, conversion, mappings })
}

/// Tells whether a converter brings records that are born on a job's target back to its source, and says where they are.
fn is_way_back(gate: &Gate, to: &str, source: &str) -> bool {
    gate.keeps_map() && gate.outputs(to).is_some_and(|outputs| outputs.validated == source)
}

/// What a job says of conversion.
struct Conversion {
    policy: Policy,
    dead_letters: DeadLetters,
    mappings: Mappings,
}

/// Checks what makes the records those of another schema; none where they are copied as they are.
fn check_conversion(section: &mut Section<'_>) -> Option<Conversion> {
    /// A job names one topic: names of its own have no groups to use.
    const GROUPS: Option<usize> = Some(0);
    if !section.has("value") {
        for key in ["key", "dead_letter"] {
            if section.take(key).is_some() {
                let problem = "has no meaning where records are copied as they are; give `value: { subject: …, target: 2 }`, or leave it out";
                section.mistake(key, problem);
            }
        }
    }
    let value = section.given("value")?;
    let mut mappings = Mappings { value: value.fingerprint("mapping"), key: None };
    let value = converter::check_part(value, GROUPS);
    let mut key = section.section("key");
    mappings.key = key.fingerprint("mapping");
    let key_required = key.read("required", leaf::boolean).unwrap_or(false);
    let key = converter::check_key(key, GROUPS);
    let dead_letters = gate::check_dead_letter(section, GROUPS);
    if dead_letters.limit.is_some() {
        section
            .mistake("dead_letter.limit", "holds a gate, and a job ends; see `sluice migrate plan` before it begins");
    }
    let policy = Policy {
        key,
        value: Some(value?),
        key_required,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Convert,
        mode: Mode::Enforce,
        pairing: Pairing::Marks,
    };
    Some(Conversion { policy, dead_letters, mappings })
}

impl Conversion {
    /// Returns the converter that the job is.
    fn of_job(self, name: &str, (source, to): (&str, &str), repartition: Repartition) -> Gate {
        let Self { policy, dead_letters, .. } = self;
        let validated = Template::new(to);
        Gate {
            name: name.to_owned(),
            kind: Kind::Job,
            source: Sources::Topics(vec![source.to_owned()]),
            converter: validated.with_suffix(".converter"),
            dead_letter: dead_letters.topic.unwrap_or_else(|| validated.with_suffix(".dead-letter")),
            validated,
            profiles: dead_letters.profiles,
            limit: None,
            policy,
            start: Start::Earliest,
            unusable_schema: UnusableSchema::Hold,
            repartition,
            oversize: Oversize::Hold,
            threads: NonZeroUsize::MIN,
        }
    }
}

/// Refuses dead letters in a topic of other records.
fn check_dead_letters(
    conversion: &Gate,
    (source, to): (&str, &str),
    is_far: bool,
    mistakes: &Mistakes,
    gates: &[Gate],
) {
    let Some(outputs) = conversion.outputs(source) else { return };
    let topic = outputs.dead_letter;
    let reader = gates.iter().filter(|_| !is_far).find(|gate| gate.source.matches(&topic));
    let problem = if topic == to {
        format!("is '{topic}', and so is `to`: the two outcomes must stay apart")
    } else if topic == source && !is_far {
        format!("is '{topic}', the source itself: the job would read its own dead letters for ever")
    } else if let Some(gate) = reader {
        format!("is '{topic}', which gate '{}' reads: every dead letter would pass it again", gate.name)
    } else {
        return;
    };
    mistakes.push(Error::new(conversion.key("dead_letter"), problem));
}

fn partitions(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(count @ 1..=MOST_PARTITIONS) => Ok(count),
        Ok(_) | Err(_) => Err(format!("is no number of partitions; allowed: 1 to {MOST_PARTITIONS}")),
    }
}

/// Checks how cluster and registry of the target are reached.
fn check_target(mut section: Section<'_>) -> (Option<Kafka>, Option<TargetRegistry>) {
    if !section.has("registry") {
        section.require("kafka", "how the other cluster is reached; leave `target` out where there is one cluster");
        for key in ["ids", "keys"] {
            if section.take(key).is_some() {
                section.mistake(key, "has no meaning where the target has no `registry` of its own");
            }
        }
    }
    let kafka = section.given("kafka").map(kafka::check);
    let ids = section.word("ids", &[("map", TargetIds::Map), ("keep", TargetIds::Keep)], &[]).unwrap_or(TargetIds::Map);
    let words = [("subject", Keys::BySubject), ("framed", Keys::Framed), ("plain", Keys::Plain)];
    let keys = section.word("keys", &words, &[]).unwrap_or(Keys::BySubject);
    let registry = section.given("registry").map(|registry| registry::check(registry, true));
    section.finish();
    (kafka, registry.map(|registry| TargetRegistry { registry, keys, ids }))
}

fn check_topics(section: &Section<'_>, (source, to): (&str, &str), is_far: bool) {
    if source == to && !is_far {
        section.mistake("to", format!("is '{to}', the source itself: the job would copy its own records for ever"));
    }
}
