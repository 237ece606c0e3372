//! The section `migrations`: jobs that copy a topic.

use super::{kafka, leaf};
use crate::config::section::Section;
use crate::config::{Gate, Kafka, Migration, Repartition};

/// More partitions of one topic than any cluster serves well.
const MOST_PARTITIONS: i32 = 100_000;

/// Checks the section, if it is there.
pub(super) fn check(root: &mut Section<'_>, gates: &[Gate]) -> Vec<Migration> {
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
        migrations.extend(check_one(name, table, gates));
    }
    migrations
}

fn check_one(name: String, mut section: Section<'_>, gates: &[Gate]) -> Option<Migration> {
    section.require("source", "the topic that the job copies");
    section.require("to", "the topic that its records go to");
    section.later("value");
    section.later("dead_letter");
    let is_far = section.has("target");
    let target = section.given("target").and_then(check_target);
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
        if let Some(gate) = gates.iter().filter(|_| !is_far).find(|gate| gate.source.matches(to)) {
            let problem =
                format!("is '{to}', which gate '{}' reads: every copied record would pass it again", gate.name);
            section.mistake("to", problem);
        }
    }
    section.finish();
    let (source, to) = (source?, to?);
    Some(Migration { name, source, to, groups, partitions, repartition, target })
}

fn partitions(text: &str) -> Result<i32, String> {
    match text.parse() {
        Ok(count @ 1..=MOST_PARTITIONS) => Ok(count),
        Ok(_) | Err(_) => Err(format!("is no number of partitions; allowed: 1 to {MOST_PARTITIONS}")),
    }
}

/// Checks how the cluster of the target is reached.
fn check_target(mut section: Section<'_>) -> Option<Kafka> {
    section.require("kafka", "how the other cluster is reached; leave `target` out where there is one cluster");
    section.later("registry");
    let kafka = section.given("kafka").map(kafka::check);
    section.finish();
    kafka
}

fn check_topics(section: &Section<'_>, (source, to): (&str, &str), is_far: bool) {
    if source == to && !is_far {
        section.mistake("to", format!("is '{to}', the source itself: the job would copy its own records for ever"));
    }
}
