//! `sluice check-config` against a real cluster: it finds what would go wrong, and changes nothing.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::time::Duration;

use common::gate::Config;
use common::process::{dumps_no_core, free_port};
use common::scene::Scene;
use common::{unique, wait_for};
use serde_json::{Value, json};

/// Runs the check and returns its exit code and report.
fn check(config: &Config) -> (i32, Value) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, config.0.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let output = command.args(["check-config", "--output", "json", "--config"]).arg(&file).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code().unwrap(), report)
}

fn problems<'r>(report: &'r Value, kind: &str) -> Vec<&'r str> {
    report[kind].as_array().unwrap().iter().map(|finding| finding["problem"].as_str().unwrap()).collect()
}

fn config(scene: &Scene, source: &str, validated: &str) -> Config {
    let gate = json!({ "source": source, "validated": validated, "value": { "target": 2 } });
    Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({ "orders": gate }))
}

/// A gate that can start has no fault, and the check leaves its group and its topics alone.
#[test]
fn a_good_configuration_has_no_fault() {
    let scene = Scene::empty("check-good");
    let source = scene.kafka.topic("check.raw", 3, &[]);
    let validated = unique("checked");
    for (topic, settings) in [
        (validated.clone(), &[][..]),
        (format!("{validated}.converter"), &[]),
        (
            format!("{validated}.dead-letter"),
            &[("message.timestamp.type", "LogAppendTime"), ("max.message.bytes", "2000000")],
        ),
    ] {
        scene.kafka.create_topic(&topic, 3, settings);
    }
    scene.registry.register_orders(&format!("{source}-value"));
    let (code, report) = check(&config(&scene, &source, &validated));
    assert_eq!((code, problems(&report, "faults"), problems(&report, "notes")), (0, vec![], vec![]));
    let gate = &report["gates"][0];
    assert_eq!(gate["group"], format!("{}.orders", scene.application));
    let topic = &gate["topics"][0];
    assert_eq!((&topic["partitions"], &topic["committed"]), (&json!(3), &json!(0)));
    assert_eq!(topic["dead_letter"], format!("{validated}.dead-letter"));
    let group = format!("{}.orders", scene.application);
    assert_eq!(scene.kafka.committed(&group, &[&source]).len(), 0, "the check commits nothing");
    assert_eq!(scene.kafka.members(&group), 0, "the check joins no group");
}

/// Missing topics are told with the commands that make them, and are not made.
#[test]
fn missing_topics_are_told_with_their_commands() {
    let scene = Scene::empty("check-missing");
    let source = scene.kafka.topic("missing.raw", 2, &[("retention.ms", "86400000")]);
    scene.registry.register_orders(&format!("{source}-value"));
    let validated = unique("missing");
    let (code, report) = check(&config(&scene, &source, &validated));
    assert_eq!(code, 2);
    let command = report["faults"][0]["commands"][0].as_str().unwrap();
    assert!(command.contains(&format!("--create --topic {validated} --partitions 2")), "{command}");
    assert!(command.contains("--config retention.ms=86400000"), "{command}");
    assert_eq!(problems(&report, "faults").len(), 3, "{report:#}");
    assert_eq!(scene.kafka.partitions(&validated), None, "the check creates nothing");
    let (code, report) = check(&config(&scene, &source, &validated).set("/create_topics", true));
    assert_eq!((code, problems(&report, "faults").len(), problems(&report, "notes").len()), (0, 0, 3), "{report:#}");
    assert_eq!(scene.kafka.partitions(&validated), None, "the check creates nothing");
}

/// What keeps a gate from serving its records is found all at once, in cluster and registry.
#[test]
fn faults_are_found_all_at_once() {
    let scene = Scene::empty("check-faults");
    let source = scene.kafka.topic("faulty.raw", 2, &[]);
    let validated = scene.kafka.topic("faulty", 3, &[]);
    let gate = json!({
        "source": source,
        "validated": validated,
        "dead_letter": scene.kafka.topic("faulty.bad", 2, &[("cleanup.policy", "compact")]),
        "converter": scene.kafka.topic("faulty.converter", 1, &[("max.message.bytes", "1000")]),
        "value": { "target": 7 },
    });
    let config = Config::new(
        &scene.application,
        scene.kafka.bootstrap(),
        &scene.registry.url(),
        json!({ "orders": gate, "none": { "source": unique("nowhere"), "validated": validated, "value": { "format": "any" } } }),
    );
    let (code, report) = check(&config.clone().set("/kafka/transaction.timeout.ms", "3600000"));
    assert_eq!(code, 2);
    let faults = problems(&report, "faults").join("\n");
    for expected in [
        "has 3 partitions and its source",
        "name another output",
        "has 1 partitions and its source",
        "add partitions to it",
        "has cleanup.policy compact",
        "version 7 of subject",
        "does not exist, or this user may not see it",
        "the brokers allow at most 900000",
    ] {
        assert!(faults.contains(expected), "{expected}: {faults}");
    }
    assert!(problems(&report, "notes").iter().any(|note| note.contains("max.message.bytes 1000")), "{report:#}");
    scene.registry.down();
    let (_, report) = check(&config);
    assert!(problems(&report, "faults").iter().any(|fault| fault.contains("cannot be reached")), "{report:#}");
}

/// The check has the same secrets in its memory as a gate, and leaves them on no disk either.
#[test]
fn it_leaves_no_memory_on_disk() {
    // A broker that never answers keeps the check alive.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let bootstrap = silent.local_addr().unwrap().to_string();
    let gates = json!({ "orders": { "source": "raw", "validated": "good" } });
    let config = Config::new("no-core", &bootstrap, "http://127.0.0.1:1", gates);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, config.0.to_string()).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    let command = command.args(["check-config", "--config"]).arg(&file).stdout(Stdio::null()).stderr(Stdio::null());
    let mut check = command.spawn().unwrap();
    wait_for("the limit of the check", Duration::from_secs(20), || dumps_no_core(check.id()).then_some(()));
    check.kill().unwrap();
    check.wait().unwrap();
}

/// A job that converts is told with the ways of all versions and what they lose.
#[test]
fn conversions_of_jobs_are_told() {
    let scene = Scene::empty("check-job");
    let source = scene.kafka.topic("check.orders", 3, &[]);
    let subject = format!("{source}-value");
    scene.registry.register_orders(&subject);
    let job = json!({ "source": source, "to": unique("moved"), "value": { "subject": subject, "target": 1 } });
    let config = Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({}));
    let (code, report) = check(&config.without("", "gates").set("/migrations", json!({ "move": job })));
    assert_eq!((code, problems(&report, "faults")), (0, vec![]));
    let listed = &report["jobs"][0];
    assert_eq!((&listed["name"], &listed["topic"]["partitions"]), (&json!("move"), &json!(3)));
    let ways: Vec<_> = listed["conversions"].as_array().unwrap().iter().collect();
    assert_eq!((&ways[0]["from"], &ways[0]["way"]), (&json!(2), &json!("resolution")), "{listed}");
    assert!(ways[0]["loses"][0].as_str().unwrap().contains("channel"), "{listed}");
    assert_eq!((&ways[1]["from"], &ways[1]["way"]), (&json!(3), &json!("none")), "{listed}");
    assert!(problems(&report, "notes")[0].contains("version 3 of subject"), "{report}");
}

/// The registry of a job's target is asked whether it is there.
#[test]
fn the_registry_of_a_jobs_target_is_asked() {
    let scene = Scene::empty("check-far");
    let source = scene.kafka.topic("check.far", 1, &[]);
    let registry = json!({ "url": format!("http://127.0.0.1:{}", free_port()) });
    let job = json!({ "source": source, "to": unique("moved"), "target": { "registry": registry, "ids": "keep" } });
    let config = Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({}));
    let (code, report) = check(&config.without("", "gates").set("/migrations", json!({ "move": job })));
    let faults = report["faults"].as_array().unwrap();
    assert_eq!((code, faults.len()), (2, 1), "{report}");
    assert_eq!(faults[0]["about"], "migrations.move.target.registry", "{report}");
    assert!(problems(&report, "faults")[0].contains("cannot be reached"), "{report}");
}

/// The topic of a converter's offset map is told, with the right to make it, and refused where it would lose records.
#[test]
fn offset_maps_are_told_with_their_rights() {
    let scene = Scene::empty("check-map");
    let source = scene.kafka.topic("mapped.orders", 3, &[]);
    let subject = format!("{source}-value");
    scene.registry.register_orders(&subject);
    let converter = json!({
        "source": source, "to": unique("mapped"), "offset_map": true, "value": { "subject": subject, "target": 1 },
    });
    let config = Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({}));
    let config =
        config.without("", "gates").set("/create_topics", true).set("/converters", json!({ "down": converter }));
    let map = format!("{}.down.map", scene.application);
    let (code, report) = check(&config);
    assert_eq!((code, problems(&report, "faults")), (0, vec![]), "{report:#}");
    assert_eq!(report["gates"][0]["offset_map"], json!({ "name": map, "exists": false }));
    let rights = report["unchecked"].as_array().unwrap().iter().find(|entry| entry["about"] == "down").unwrap();
    let rights: Vec<_> = rights["commands"].as_array().unwrap().iter().map(|right| right.as_str().unwrap()).collect();
    let dead_letters = report["gates"][0]["topics"][0]["dead_letter"].as_str().unwrap();
    let redrive = report["unchecked"].as_array().unwrap().iter().find(|entry| entry["about"] == dead_letters).unwrap();
    let granted = redrive["commands"].as_array().unwrap().iter().map(|command| command.as_str().unwrap());
    for (operations, resource) in [
        ("Read --operation DescribeConfigs", format!("--topic {dead_letters}")),
        (
            "Read --operation DescribeConfigs --operation Write --operation Create",
            format!("--topic {dead_letters}.state"),
        ),
        ("Write", format!("--transactional-id {}.redrive.{dead_letters}", scene.application)),
    ] {
        let right = format!("--operation {operations} {resource}");
        assert!(granted.clone().any(|command| command.ends_with(&right)), "{right}: {redrive:#}");
    }
    let of_map = rights.iter().find(|right| right.ends_with(&format!(" --topic {map}"))).unwrap();
    assert!(of_map.contains("--operation Write --operation Create --operation DescribeConfigs"), "{of_map}");

    scene.kafka.create_topic(&map, 3, &[("cleanup.policy", "delete")]);
    let (code, report) = check(&config);
    assert_eq!((code, problems(&report, "faults").len()), (2, 1), "{report:#}");
    assert!(problems(&report, "faults")[0].contains("has cleanup.policy delete"), "{report:#}");
    assert_eq!(report["gates"][0]["offset_map"], json!({ "name": map, "exists": true }));
}
