//! The commands that grant what a gate needs.
//!
//! Read and Write bring Describe along, so it is not granted by itself. DescribeConfigs is of use and no condition: without
//! it, limits and settings of topics go unchecked. `tests/security.rs` runs a gate with these rights, and with one less.
//!
//! Whether a user may read or write records is shown by reading or writing some, which a check must not do. So these
//! commands are always printed, for clusters that have ACLs.

use std::collections::{BTreeMap, BTreeSet};

use super::report::{self, Report};
use crate::config::{Config, Delivery};
use crate::dead_letters::state;
use crate::kafka::topics::tool_options;

/// Adds the rights that each gate needs: all of them, so that they can be granted before the first start.
pub(super) fn unchecked(config: &Config, report: &mut Report) {
    let rights: Vec<_> = report.gates.iter().map(|gate| (gate.name.clone(), of_gate(config, gate))).collect();
    for (gate, commands) in rights {
        let what = "whether this user may read the sources and write the outputs; where the cluster has ACLs, all that it needs (DescribeConfigs may be left out: then settings go unchecked):";
        report.unchecked(&gate, what, commands);
    }
    redrives(config, report);
}

/// Adds what redrives need, of dead-letter topic after dead-letter topic. No gate needs it: whoever redrives may be another user.
fn redrives(config: &Config, report: &mut Report) {
    let mut topics = BTreeMap::<_, BTreeSet<String>>::new();
    for topic in report.gates.iter().flat_map(|gate| &gate.topics) {
        let outputs = [&topic.validated, &topic.converter].into_iter().flatten();
        if let Some(dead_letters) = &topic.dead_letter {
            topics.entry(dead_letters.clone()).or_default().extend(outputs.cloned().chain([topic.source.clone()]));
        }
    }
    for (dead_letters, to) in topics {
        let what = "whoever runs `sluice dead-letters redrive` needs, where the cluster has ACLs (the right to write the sources only for '--to source'):";
        report.unchecked(&dead_letters, what, of_redrive(config, &dead_letters, &to));
    }
}

fn of_redrive(config: &Config, dead_letters: &str, to: &BTreeSet<String>) -> Vec<String> {
    let (state, to) = (state::topic_of(dead_letters), to.iter().map(String::as_str).collect());
    let read = "--operation Read --operation DescribeConfigs";
    let create = if config.create_topics { " --operation Create" } else { "" };
    let id = state::transactional_id(&config.application, dead_letters);
    [
        topics(config, read, &BTreeSet::from([dead_letters])),
        topics(config, &format!("{read} --operation Write{create}"), &BTreeSet::from([state.as_str()])),
        topics(config, "--operation Write", &to),
        Some(format!("{} --transactional-id {id}", command(config, "--operation Write"))),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn of_gate(config: &Config, gate: &report::Gate) -> Vec<String> {
    let sources: BTreeSet<&str> = gate.topics.iter().map(|topic| topic.source.as_str()).collect();
    let outputs: BTreeSet<&str> = gate
        .topics
        .iter()
        .flat_map(|topic| [&topic.validated, &topic.converter, &topic.dead_letter])
        .filter_map(|output| output.as_deref())
        .collect();
    let mut commands = Vec::new();
    commands.extend(topics(config, "--operation Read --operation DescribeConfigs", &sources));
    let write = "--operation Write --operation DescribeConfigs";
    commands.extend(topics(config, if config.create_topics { CREATE } else { write }, &outputs));
    // It is made by the converter, whatever `create_topics` says.
    let map = gate.offset_map.as_ref().map(|map| map.name.as_str()).into_iter().collect();
    commands.extend(topics(config, CREATE, &map));
    commands.push(group(config, &gate.group));
    if config.delivery == Delivery::ExactlyOnce && !outputs.is_empty() {
        commands.push(transactional_ids(config, &gate.name));
    }
    commands
}

const CREATE: &str = "--operation Write --operation Create --operation DescribeConfigs";

fn topics(config: &Config, operations: &str, names: &BTreeSet<&str>) -> Option<String> {
    let names: String = names.iter().map(|name| format!(" --topic {name}")).collect();
    (!names.is_empty()).then(|| format!("{}{names}", command(config, operations)))
}

/// Grants the group of a gate.
pub(super) fn group(config: &Config, group: &str) -> String {
    format!("{} --group {group}", command(config, "--operation Read"))
}

/// Grants the transactional IDs of a gate, by their prefix.
pub(super) fn transactional_ids(config: &Config, gate: &str) -> String {
    let prefix = format!("{}.{gate}-", config.application);
    let command = command(config, "--operation Write");
    format!("{command} --transactional-id {prefix} --resource-pattern-type prefixed")
}

/// Grants questions for the settings of brokers, and writes by an idempotent producer where brokers are old.
pub(super) fn cluster(config: &Config) -> String {
    let operations = match config.delivery {
        Delivery::ExactlyOnce => "--operation DescribeConfigs",
        Delivery::AtLeastOnce => "--operation DescribeConfigs --operation IdempotentWrite",
    };
    format!("{} --cluster", command(config, operations))
}

/// Grants questions for the settings of a topic.
pub(super) fn topic_settings(config: &Config, topic: &str) -> String {
    format!("{} --topic {topic}", command(config, "--operation DescribeConfigs"))
}

fn command(config: &Config, operations: &str) -> String {
    let user = config.kafka.get("sasl.username").unwrap_or("NAME");
    format!("kafka-acls.sh {} --add --allow-principal User:{user} {operations}", tool_options(&config.kafka))
}
