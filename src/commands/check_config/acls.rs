//! The commands that grant what a gate needs.
//!
//! Read and Write bring Describe along, so it is not granted by itself. DescribeConfigs is of use and no condition: without
//! it, limits and settings of topics go unchecked. `tests/security.rs` runs a gate with these rights, and with one less.
//!
//! Whether a user may read or write records is shown by reading or writing some, which a check must not do. So these
//! commands are always printed, for clusters that have ACLs.

use std::collections::BTreeSet;

use super::report::{self, Report};
use crate::config::{Config, Delivery};
use crate::kafka::topics::tool_options;

/// Adds the rights that each gate needs: all of them, so that they can be granted before the first start.
pub(super) fn unchecked(config: &Config, report: &mut Report) {
    let rights: Vec<_> = report.gates.iter().map(|gate| (gate.name.clone(), of_gate(config, gate))).collect();
    for (gate, commands) in rights {
        let what = "whether this user may read the sources and write the outputs; where the cluster has ACLs, all that it needs (DescribeConfigs may be left out: then settings go unchecked):";
        report.unchecked(&gate, what, commands);
    }
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
