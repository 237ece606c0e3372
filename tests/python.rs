//! A real client of the field on both sides of the gate: confluent-kafka-python, over SASL_PLAINTEXT with SCRAM-SHA-512.
//!
//! Its serializer registers the schema by itself with the project's registry and names it by TopicNameStrategy; its
//! deserializer reads what the gate let pass. The client comes from PyPI into a virtual environment in `tests/.cache`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use common::client::Read;
use common::gate::Gate;
use common::kafka::{PASSWORD, USER};
use common::process::run;
use common::python::{SCRIPTS, interpreter};
use common::scene::{Line, Scene};
use common::traffic::Policy;
use common::{http, wait_for};
use serde_json::{Value, json};

/// Runs a script against the SASL listener; returns its lines as JSON.
fn script(python: &Path, scene: &Scene, name: &str, topic: &str, count: usize) -> Vec<Value> {
    let mut command = Command::new(python);
    command.arg(format!("{SCRIPTS}/{name}")).args([&scene.kafka.sasl_bootstrap(), USER, PASSWORD]);
    let lines = run(command.args([&scene.registry.url(), topic, &count.to_string()]), "see its error");
    lines.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{name} says: {lines}"))).collect()
}

#[test]
fn confluent_kafka_python_on_both_sides() {
    let Some(python) = interpreter("confluent-kafka-python") else { return };
    let mut scene = Scene::empty("python");
    let line = scene.add("python", 3, Policy::default(), json!({ "value": { "target": "any" } }));
    // The schemas of the scene stand under the same subject; the serializer's own is checked against them otherwise.
    let config = scene.config().set("/kafka/bootstrap.servers", scene.kafka.sasl_bootstrap());
    let config = config.set("/kafka/security.protocol", "SASL_PLAINTEXT").set("/kafka/sasl.mechanism", "SCRAM-SHA-512");
    let config = config.set("/kafka/sasl.username", USER).set("/kafka/sasl.password", "${env:KAFKA_PASSWORD}");
    let mut gate = Gate::spawn_with(&config, &[("KAFKA_PASSWORD", PASSWORD)]);
    gate.wait_ready();

    let written = script(&python, &scene, "write.py", &line.source, 200);
    assert_eq!(written.len(), 200);
    let (good, bad): (Vec<_>, Vec<_>) = written.into_iter().partition(|line| line["good"] == true);
    let mut good: Vec<_> = good.into_iter().map(|line| line["order"].clone()).collect();
    let mut read = script(&python, &scene, "read.py", &line.outputs.validated, good.len());
    for orders in [&mut good, &mut read] {
        orders.sort_by_key(|order| order["id"].as_i64());
    }
    assert_eq!(read, good);

    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    assert_eq!(letters.len(), bad.len());
    for letter in &letters {
        let reason = letter.content.headers.iter().find(|(name, _)| name == "sluice.reason").unwrap().1.as_deref();
        assert_eq!(reason, Some(b"not_framed".as_slice()));
    }
    assert!(!gate.log().contains(PASSWORD), "a secret is never printed");
    let (status, log) = gate.stop(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}

/// Every serializer of the client, the legacy one too, with schemas of keys: IDs and GUIDs before the bytes, GUIDs in
/// headers. What its own consumers read behind the gate is what was written well, record by record.
#[test]
fn every_serializer_of_python() {
    const COUNT: usize = 60;
    let Some(python) = interpreter("confluent-kafka-python") else { return };
    let mut scene = Scene::empty("serializers");
    let settings = json!({
        "key": { "format": "avro", "required": true },
        "value": { "target": "any", "wire": ["confluent-id", "confluent-guid", "confluent-header"] },
    });
    let lines = ["id", "header", "guid", "legacy"]
        .map(|style| (style, scene.add(style, 2, Policy::default(), settings.clone())));
    let gate = Gate::start(&scene.config());
    let topics = |topic: &dyn Fn(&Line) -> String| {
        Value::from(
            lines
                .iter()
                .map(|(style, line)| ((*style).to_owned(), Value::from(topic(line))))
                .collect::<serde_json::Map<_, _>>(),
        )
    };
    let run_script = |verb: &str, topics: Value, count: usize| -> Vec<Value> {
        let mut command = Command::new(&python);
        command.arg(format!("{SCRIPTS}/serializers.py")).args([verb, &scene.kafka.sasl_bootstrap(), USER, PASSWORD]);
        command.args([scene.registry.url(), topics.to_string(), count.to_string()]);
        run(&mut command, "see its error").lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let written = run_script("write", topics(&|line| line.source.clone()), COUNT);
    let (good, bad): (Vec<_>, Vec<_>) = written.into_iter().partition(|line| line["good"] == true);
    let comparable = |lines: &[Value]| {
        let mut lines: Vec<_> =
            lines.iter().map(|line| format!("{} {} {}", line["style"], line["key"], line["order"])).collect();
        lines.sort();
        lines
    };
    let read = run_script("read", topics(&|line| line.outputs.validated.clone()), COUNT / 10 * 9);
    assert_eq!(comparable(&read), comparable(&good));
    for (style, line) in &lines {
        let mut found = scene
            .kafka
            .read(&[&line.outputs.dead_letter])
            .iter()
            .map(|letter| header(letter, "sluice.reason"))
            .collect::<Vec<_>>();
        found.sort();
        assert_eq!(found.len(), bad.iter().filter(|line| line["style"] == *style).count(), "{style}");
        // Where its header is gone, a key is bytes without a frame as well.
        assert_eq!(found, [vec!["not_framed"; 3], vec!["trailing_bytes"; 3]].concat(), "{style}");
    }
    let (status, log) = gate.stop(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}

/// Returns a header as text.
fn header(record: &Read, name: &str) -> String {
    let value = record.content.headers.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.clone());
    String::from_utf8(value.unwrap_or_else(|| panic!("no header {name}"))).unwrap()
}

/// A wrong password is told by its name. The process waits on, as for any broker that does not let it in: credentials may
/// be rotated just now.
#[test]
fn a_wrong_password_is_told() {
    let scene = Scene::new("password", 1);
    let config = scene.config().set("/kafka/bootstrap.servers", scene.kafka.sasl_bootstrap());
    let config = config.set("/kafka/security.protocol", "SASL_PLAINTEXT").set("/kafka/sasl.mechanism", "SCRAM-SHA-512");
    let config = config.set("/kafka/sasl.username", USER).set("/kafka/sasl.password", "wrong-secret");
    let gate = Gate::spawn(&config);
    wait_for("the log to name the cause", Duration::from_secs(40), || {
        gate.log().to_lowercase().contains("authentication").then_some(())
    });
    let ready = http::get(gate.admin(), "/readyz").expect("the admin server answers");
    assert_ne!(ready.status, 200, "not ready without a broker: {}", ready.body);
    assert!(!gate.log().contains("wrong-secret"), "a secret is never printed");
}
