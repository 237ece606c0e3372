//! Two configurations compared: what counts as a change, for whom, and what is refused.

use super::*;
use crate::config::{Environment, Syntax};

const FILE: &str = "
application: shop
kafka: { bootstrap.servers: 'localhost:9092', sasl.password: '${env:PASSWORD}' }
registry: { url: 'http://localhost:8081' }
gates:
  orders: { source: [orders.raw, orders.old], validated: orders }
  clicks: { source: clicks.raw, validated: clicks, value: { format: any } }
converters:
  old: { source: orders.v1, to: orders.v2, value: { subject: orders, target: 2, mapping: [{ from: a, to: b }] } }
";

fn read(text: &str, password: &str) -> Config {
    let variable = |name: &str| (name == "PASSWORD").then(|| password.to_owned());
    let environment = Environment { variable: &variable, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    Config::parse(text, Syntax::Yaml, &environment).unwrap()
}

fn names(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|&name| name.to_owned()).collect()
}

fn between(before: &str, after: &str) -> Changes {
    Changes::between(&read(before, "one"), &read(after, "one")).unwrap()
}

const ALL: [&str; 3] = ["clicks", "old", "orders"];

#[test]
fn what_is_written_otherwise_is_no_change() {
    let written = FILE
        .replace("[orders.raw, orders.old]", "['orders.old', orders.raw]")
        .replace(
            "validated: clicks,",
            "dead_letter: clicks.dead-letter, mode: enforce, threads: 1, validated: \"clicks\",",
        )
        .replace("application: shop", "commit_interval: 250ms\nmemory: 256MiB\napplication: 'shop'");
    assert_eq!(between(FILE, &written), Changes { unchanged: names(&ALL), ..Changes::default() });
}

#[test]
fn a_gate_changes_with_its_own_table_and_no_other_does() {
    for (from, to, changed) in [
        ("validated: orders", "validated: orders.good", "orders"),
        ("[orders.raw, orders.old]", "orders.raw", "orders"),
        ("source: clicks.raw", "source: '^clicks.raw$'", "clicks"),
        ("value: { format: any }", "value: { format: any }, threads: 2", "clicks"),
        ("to: b", "to: c", "old"),
        ("target: 2", "target: 3", "old"),
        ("to: orders.v2,", "to: orders.v2, dead_letter: { topic: bad, limit: { ratio: 0.5, window: 1m } },", "old"),
    ] {
        let changes = between(FILE, &FILE.replace(from, to));
        assert_eq!(changes.changed, names(&[changed]), "{to}");
        assert_eq!(changes.unchanged.len(), 2, "{to}");
        assert!(changes.added.is_empty() && changes.removed.is_empty() && !changes.registry, "{to}");
    }
}

#[test]
fn gates_come_and_go() {
    let more = FILE.replace("converters:", "  payments: { source: payments.raw, validated: payments }\nconverters:");
    let changes = between(FILE, &more);
    assert_eq!((&changes.added, &changes.unchanged), (&names(&["payments"]), &names(&ALL)));
    assert!(changes.begins("payments") && !changes.begins("orders"));
    let changes = between(&more, FILE);
    assert_eq!((&changes.removed, &changes.unchanged), (&names(&["payments"]), &names(&ALL)));
}

#[test]
fn what_is_inherited_changes_all_that_inherit_it() {
    for added in ["create_topics: true", "delivery: at-least-once", "commit_interval: 1s", "memory: 128MiB"] {
        let changes = between(FILE, &format!("{added}\n{FILE}"));
        assert_eq!(changes.changed, names(&ALL), "{added}");
    }
    let rotated = Changes::between(&read(FILE, "one"), &read(FILE, "another")).unwrap();
    assert_eq!(rotated.changed, names(&ALL), "a password that was substituted");
    let registry = between(FILE, &FILE.replace("8081' }", "8081', refresh: 10s }"));
    assert!(registry.registry);
    assert_eq!(registry.changed, names(&["old", "orders"]), "one that checks nothing asks no registry");
}

#[test]
fn what_belongs_to_the_process_is_refused_by_its_key() {
    let other = FILE.replace("application: shop", "application: other\ninstance: a\nlog: { format: json, level: debug }\nadmin: { listen: '127.0.0.1:1', users: u.yaml }");
    let refused = Changes::between(&read(FILE, ""), &read(&other, "")).unwrap_err();
    let keys: Vec<_> = refused.iter().map(|error| error.key.as_str()).collect();
    assert_eq!(keys, ["application", "instance", "log.format", "log.level", "admin.listen", "admin.users"]);
    assert!(refused.iter().all(|error| error.to_string().contains("restart to change")));
}

#[test]
fn jobs_and_the_registry_that_is_served_are_of_other_processes() {
    let more = format!("{FILE}registry_server: {{ topic: _s }}\nmigrations:\n  job: {{ source: a, to: b }}\n");
    assert_eq!(between(FILE, &more).unchanged, names(&ALL));
}

#[test]
fn a_certificate_that_was_renewed_in_its_place_is_a_change() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let text = FILE
        .replace("http://localhost:8081' }", &format!("https://localhost:8081', tls: {{ ca: '{}' }} }}", ca.display()));
    let at = |contents: &str| {
        std::fs::write(&ca, contents).unwrap();
        read(&text, "")
    };
    let (one, same, other) = (at("one"), at("one"), at("another"));
    assert_eq!(Changes::between(&one, &same).unwrap().changed, names(&[]));
    assert_eq!(Changes::between(&one, &other).unwrap().changed, names(&["old", "orders"]));
}

#[test]
fn a_certificate_towards_the_collector_takes_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let ca = folder.path().join("ca.pem");
    let otlp =
        format!("telemetry: {{ otlp: {{ endpoint: 'https://localhost:4318', tls: {{ ca: '{}' }} }} }}", ca.display());
    let at = |contents: &str| {
        std::fs::write(&ca, contents).unwrap();
        read(&format!("{FILE}{otlp}\n"), "")
    };
    let (one, same, other) = (at("one"), at("one"), at("another"));
    assert_eq!(Changes::between(&one, &same).unwrap().unchanged, names(&ALL));
    let refused = Changes::between(&one, &other).unwrap_err();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].to_string().starts_with("telemetry.otlp.tls: "), "{}", refused[0]);
    // Where the section is another one, that is told once.
    let without = Changes::between(&read(FILE, ""), &other).unwrap_err();
    assert_eq!(without.iter().map(|error| error.key.as_str()).collect::<Vec<_>>(), ["telemetry.otlp"]);
}

#[test]
fn a_gate_that_does_not_run_is_tried_again() {
    let mut changes = between(FILE, FILE);
    changes.retry("orders");
    changes.retry("unknown");
    assert_eq!((changes.changed, changes.unchanged), (names(&["orders"]), names(&["clicks", "old"])));
}
