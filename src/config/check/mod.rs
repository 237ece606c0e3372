//! From the tree as it was written to a [`Config`]: every rule, every mistake.
//!
//! A check never stops at a mistake. It reports it and goes on with the default, so that one run shows all there is
//! to mend; the values that stand in for mistaken ones never leave, since any mistake makes the whole an `Err`.

mod converter;
mod gate;
mod kafka;
pub(crate) mod leaf;
mod mapping;
mod migration;
mod otlp;
mod registry;
mod registry_server;
mod server_tls;
mod users;

use std::time::Duration;

use tracing::Level;

use super::conflict;
use super::error::{Error, Mistakes};
use super::files::Files;
use super::raw::Node;
use super::section::Section;
use super::{Admin, Config, Delivery, Gate, Kafka, Log, LogFormat, Registry, limits};
use crate::convert::mapping::Steps;
use crate::kafka::memory::LEAST_SHARE;

pub(super) use users::users;

/// `commit_interval` where the operator sets none.
const COMMIT_INTERVAL: Duration = Duration::from_millis(250);

/// `memory` where the operator sets none, in bytes.
const MEMORY: u64 = 256 << 20;

/// The least `memory`, in bytes: below it librdkafka's queues hold less than one fetch.
const LEAST_MEMORY: u64 = 16 << 20;

/// Checks a whole configuration.
pub(super) fn check(root: Node, mistakes: Mistakes) -> Result<Config, Vec<Error>> {
    let mut root = Section::new(String::new(), Some(root), &mistakes);
    check_version(&mut root);
    // A file may be that of a registry alone, or of migrations.
    let (has_converters, has_migrations) = (root.has("converters"), root.has("migrations"));
    let has_gates = root.has("gates") || has_converters || !(root.has("registry_server") || has_migrations);
    let registry_server = root.given("registry_server").map(registry_server::check);
    let application = check_application(&mut root, has_gates || has_migrations);
    let instance = root.read("instance", leaf::name);
    let create_topics = root.read("create_topics", leaf::boolean).unwrap_or(false);
    let delivery = [("exactly-once", Delivery::ExactlyOnce), ("at-least-once", Delivery::AtLeastOnce)];
    let delivery = root.word("delivery", &delivery, &[]).unwrap_or(Delivery::ExactlyOnce);
    let commit_interval = root.read("commit_interval", leaf::duration).unwrap_or(COMMIT_INTERVAL);
    let memory = check_memory(&mut root);
    let log = check_log(&mut root);
    let kafka = kafka::check(root.section("kafka"));
    check_times(&root, &kafka, delivery, commit_interval);
    let gates = if has_gates { check_gates(&mut root, &mistakes) } else { Vec::new() };
    for gate in gates.iter().filter(|gate| gate.keeps_map() && delivery == Delivery::AtLeastOnce) {
        let problem = "needs `delivery: exactly-once`: what is written twice has no one place";
        mistakes.push(Error::new(gate.key("offset_map"), problem));
    }
    let migrations = migration::check(&mut root, &gates, &mistakes);
    check_shares(&root, memory, &gates);
    check_instance(&root, instance.as_deref(), &gates);
    let checks_nothing = (!gates.is_empty() || !has_gates) && gates.iter().all(|gate| gate.parts().next().is_none());
    let converts = migrations.iter().any(|job| job.conversion.is_some() || job.registry.is_some());
    let registry = registry::check(root.section("registry"), !checks_nothing || converts);
    let admin = check_admin(&mut root);
    let mut telemetry = root.section("telemetry");
    let otlp = telemetry.given("otlp").and_then(otlp::check);
    telemetry.finish();
    root.finish();

    match mistakes.into_vec() {
        none if none.is_empty() => Ok(Config {
            kafka_files: Files::of_kafka(&kafka),
            registry_files: Files::of_tls(registry.tls.as_ref()),
            otlp_files: Files::of_tls(otlp.as_ref().and_then(|otlp| otlp.tls.as_ref())),
            application: application.unwrap_or_default(),
            instance,
            create_topics,
            delivery,
            commit_interval,
            memory,
            log,
            kafka,
            registry,
            admin,
            otlp,
            gates,
            migrations,
            registry_server,
        }),
        some => Err(some),
    }
}

/// Checks the section `registry` alone, for commands that use nothing else of the file.
pub(super) fn check_registry(root: Node, mistakes: Mistakes) -> Result<Registry, Vec<Error>> {
    let mut root = Section::new(String::new(), Some(root), &mistakes);
    let registry = registry::check(root.section("registry"), true);
    alone("registry", registry, mistakes)
}

/// Checks the section `kafka` alone.
pub(super) fn check_kafka(root: Node, mistakes: Mistakes) -> Result<Kafka, Vec<Error>> {
    let mut root = Section::new(String::new(), Some(root), &mistakes);
    let kafka = kafka::check(root.section("kafka"));
    alone("kafka", kafka, mistakes)
}

/// Returns what a section means unless there are mistakes in it: what another one refers to may be there where gates run only.
fn alone<T>(section: &str, checked: T, mistakes: Mistakes) -> Result<T, Vec<Error>> {
    let mut mistakes = mistakes.into_vec();
    mistakes.retain(|mistake| mistake.key.is_empty() || mistake.key.split('.').next() == Some(section));
    if mistakes.is_empty() { Ok(checked) } else { Err(mistakes) }
}

/// Checks the key `mapping` alone.
pub(super) fn check_mapping(root: Node, mistakes: Mistakes) -> Result<Steps, Vec<Error>> {
    let mut root = Section::new(String::new(), Some(root), &mistakes);
    root.require("mapping", "the steps by which records become those of the target");
    let steps = mapping::mapping(&mut root);
    root.finish();
    match (steps, mistakes.into_vec()) {
        (Some(steps), none) if none.is_empty() => Ok(steps),
        (_, some) => Err(some),
    }
}

fn check_version(root: &mut Section<'_>) {
    let only_one = |text: &str| match text {
        "1" => Ok(()),
        _ => Err("is not a version of this file that this build reads; allowed: 1".to_owned()),
    };
    root.read("version", only_one);
}

fn check_application(root: &mut Section<'_>, is_required: bool) -> Option<String> {
    if is_required {
        root.require("application", "every consumer group and transactional ID begins with it");
    }
    root.read("application", leaf::name)
}

fn check_memory(root: &mut Section<'_>) -> u64 {
    let memory = |text: &str| match leaf::size(text)? {
        bytes if bytes < LEAST_MEMORY => {
            Err("is too little for the queues of one pipeline; give 16MiB or more".to_owned())
        }
        bytes => Ok(bytes),
    };
    root.read("memory", memory).unwrap_or(MEMORY)
}

/// Refuses a budget whose equal parts are too small for the clients of a pipeline.
fn check_shares(root: &Section<'_>, memory: u64, gates: &[Gate]) {
    let pipelines = gates.iter().map(|gate| gate.threads.get() as u64).sum::<u64>();
    let needed = pipelines * LEAST_SHARE;
    // With less than the least budget there is a mistake already.
    if memory < needed && memory >= LEAST_MEMORY {
        let (least, needed) = (LEAST_SHARE >> 20, needed >> 20);
        let problem =
            format!("is too little for {pipelines} pipelines, which need {least}MiB each; give {needed}MiB or more");
        root.mistake("memory", problem);
    }
}

fn check_log(root: &mut Section<'_>) -> Log {
    let mut section = root.section("log");
    let formats = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let levels = [
        ("error", Level::ERROR),
        ("warn", Level::WARN),
        ("info", Level::INFO),
        ("debug", Level::DEBUG),
        ("trace", Level::TRACE),
    ];
    let log = Log {
        format: section.word("format", &formats, &[]).unwrap_or(LogFormat::Text),
        level: section.word("level", &levels, &[]).unwrap_or(Level::INFO),
    };
    section.finish();
    log
}

fn check_admin(root: &mut Section<'_>) -> Admin {
    let mut section = root.section("admin");
    let default = std::net::SocketAddr::from(([127, 0, 0, 1], 8090));
    let admin = Admin {
        listen: section.read("listen", leaf::address).unwrap_or(default),
        users: section.read("users", |text| registry::path(text, "is no path of a file")),
        tls: section.given("tls").and_then(server_tls::check),
    };
    section.finish();
    admin
}

/// Checks the times that must stand in order: one transaction must fit in its timeout, with all its records.
fn check_times(root: &Section<'_>, kafka: &Kafka, delivery: Delivery, commit_interval: Duration) {
    if delivery != Delivery::ExactlyOnce {
        return;
    }
    let transaction = kafka.transaction_timeout();
    if commit_interval >= transaction {
        let transaction = humantime::format_duration(transaction);
        let problem = format!(
            "is {}, and a transaction ends after kafka.transaction.timeout.ms, {transaction}; give less",
            humantime::format_duration(commit_interval)
        );
        root.mistake("commit_interval", problem);
    }
    if kafka.milliseconds("message.timeout.ms").is_some_and(|message| message.is_zero() || message > transaction) {
        let problem = "is longer than transaction.timeout.ms: records must be written before their transaction ends";
        root.mistake("kafka.message.timeout.ms", format!("{problem}; give 1 to {}", transaction.as_millis()));
    }
}

/// Refuses an instance with which a gate would have the transactional.id of another gate in another process: in
/// `{application}.{gate}-{instance}-{n}` gate `a` with instance `b-x` is gate `a-b` with instance `x`.
fn check_instance(root: &Section<'_>, instance: Option<&str>, gates: &[Gate]) {
    let Some(instance) = instance else { return };
    for (short, long) in gates.iter().flat_map(|short| gates.iter().map(move |long| (&short.name, &long.name))) {
        let between = long.strip_prefix(short.as_str()).and_then(|rest| rest.strip_prefix('-'));
        let other = between.and_then(|between| instance.strip_prefix(between)?.strip_prefix('-'));
        if let Some(other) = other.filter(|other| !other.is_empty()) {
            let problem = format!(
                "is '{instance}', and gate '{short}' here would have the transactional.id of gate '{long}' in a process \
                 whose instance is '{other}': they would fence each other; rename one"
            );
            root.mistake("instance", problem);
        }
    }
}

/// Checks the gates, and the converters behind them.
fn check_gates(root: &mut Section<'_>, mistakes: &Mistakes) -> Vec<Gate> {
    let has_converters = root.has("converters");
    let mut gates = check_named(root, "gates", !has_converters, mistakes, gate::check);
    let converters = check_named(root, "converters", false, mistakes, converter::check);
    for converter in &converters {
        if gates.iter().any(|gate| gate.name == converter.name) {
            let problem = "is the name of a gate too: consumer groups and transactional IDs are made from it";
            mistakes.push(Error::new(format!("converters.{}", converter.name), problem));
        }
    }
    gates.extend(converters);
    if gates.len() > limits::GATES {
        root.mistake(
            "gates",
            format!("and converters are {}, more than {} of one process", gates.len(), limits::GATES),
        );
        return Vec::new();
    }
    converter::check_pairs(&gates, mistakes);
    let topics: usize = gates.iter().map(|gate| gate.source.named()).sum();
    if topics > limits::TOPICS {
        root.mistake("gates", format!("name {topics} topics, more than {}; give patterns", limits::TOPICS));
        return gates;
    }
    for error in conflict::by_example(&gates) {
        mistakes.push(error);
    }
    gates
}

/// Checks a table of gates or converters by their names.
fn check_named(
    root: &mut Section<'_>,
    key: &'static str,
    is_required: bool,
    mistakes: &Mistakes,
    check: fn(String, Section<'_>) -> Option<Gate>,
) -> Vec<Gate> {
    let mut section = root.section(key);
    let Some(tables) = section.take_all() else { return Vec::new() };
    if tables.is_empty() && is_required {
        root.mistake("gates", "is required: at least one gate, as `gates: { orders: { source: …, validated: … } }`");
    }
    if tables.len() > limits::GATES {
        root.mistake(key, format!("has {} {key}, more than {} of one process", tables.len(), limits::GATES));
        return Vec::new();
    }
    let mut gates: Vec<Gate> = Vec::new();
    for (name, node) in tables {
        if let Err(problem) = leaf::name(&name) {
            section.mistake(&name, format!("'{name}' {problem}"));
        }
        let gate = Section::new(section.path(&name), Some(node), mistakes);
        gates.extend(check(name, gate));
    }
    gates
}
