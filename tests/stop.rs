//! Asked to stop, a gate finishes what it has begun and leaves (fault 30); wrongly configured, it does not begin (31).
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

use common::gate::{Config, Gate};
use common::scene::Scene;
use common::traffic::Class;
use common::{seed, unique, wait_for};
use serde_json::{Value, json};

/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(10);

/// SIGTERM under load: exit 0 in time, no transaction left open, the group left, and the next process goes on.
#[test]
fn stops_cleanly_under_load() {
    let seed = seed();
    let scene = Scene::new("stop", 4);
    let (line, config) = (scene.line(), scene.config());
    let planned = line.traffic(seed).mixed(12_000, &Class::usual());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(line, planned, 1_500));
        for _ in 0..2 {
            let gate = Gate::start(&config);
            std::thread::sleep(Duration::from_millis(1_500));
            let (status, log) = gate.stop(STOP);
            assert_eq!(status.code(), Some(0), "{log}");
            assert_eq!(scene.kafka.members(&scene.group(line)), 0, "the group was left");
            let seen = common::check::Seen::observe(&scene.kafka, &line.routes(), &scene.group(line));
            assert!(seen.open.is_empty(), "open transactions after a clean stop: {:?}", seen.open);
        }
        let gate = Gate::start(&config);
        let sent = load.join().unwrap();
        scene.verify(line, &sent, None);
        drop(gate);
    });
}

/// A stop while the registry is silent and partitions are held back is as quick.
#[test]
fn stops_while_holding() {
    let scene = Scene::new("stop-held", 2);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    scene.registry.fault(Some(common::registry::Fault::Silent));
    let sent = scene.send(line, line.traffic(3).mixed(50, &Class::usual()));
    std::thread::sleep(Duration::from_secs(2));
    let start = Instant::now();
    let (status, log) = gate.stop(STOP);
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(start.elapsed() < STOP);
    scene.registry.fault(None);
    let gate = Gate::start(&scene.config());
    scene.verify(line, &sent, Some(&gate));
}

/// Two processes with one instance name have one transactional.id and one group member between them. They must not
/// fence each other for ever (fault 13): one ends, says why, and the other does the work.
#[test]
fn twins_do_not_fight() {
    let seed = seed();
    let scene = Scene::new("twins", 2);
    let line = scene.line();
    let config = scene.config().set("/instance", "pod-0");
    let planned = line.traffic(seed).mixed(10_000, &Class::usual());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(line, planned, 1_000));
        let mut first = Gate::start(&config);
        let mut second = Gate::spawn(&config);
        let (loser, survivor) =
            wait_for("one of the twins to end", Duration::from_secs(45), || match (first.exited(), second.exited()) {
                (None, None) => None,
                (first, second) => Some((first.or(second), first.is_none())),
            });
        assert_eq!(loser.and_then(|status| status.code()), Some(3));
        let (loser, survivor) = if survivor { (second, first) } else { (first, second) };
        let log = loser.log();
        assert!(log.contains("instance") && log.contains("error: gate 'orders'"), "it says why: {log}");
        scene.verify(line, &load.join().unwrap(), None);
        drop(survivor);
    });
}

/// Runs a configuration that must be refused: exit 2, no panic, the words in what it prints.
fn refused(config: &Config, words: &[&str]) {
    let (status, log) = Gate::spawn(config).wait_exit(Duration::from_secs(30));
    assert_eq!(status.code(), Some(2), "{words:?}:\n{log}");
    assert!(!log.contains("panicked"), "{log}");
    for word in words {
        assert!(log.contains(word), "no '{word}' in:\n{log}");
    }
}

fn one_gate(scene: &Scene, gate: Value) -> Config {
    Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({ "orders": gate }))
}

/// What is wrong by itself: found before anything is connected to, all of it at once.
#[test]
fn wrong_configurations_are_refused() {
    let scene = Scene::new("refused", 2);
    let source = scene.line().source.as_str();
    let good = scene.config();
    refused(&good.clone().set("/comit_interval", "1s"), &["comit_interval", "commit_interval"]);
    refused(&good.clone().set("/kafka/isolation.level", "read_uncommitted"), &["isolation.level"]);
    refused(&good.clone().set("/commit_interval", "10s"), &["commit_interval", "transaction.timeout.ms"]);
    refused(&one_gate(&scene, json!({ "source": source, "validated": source })), &["gates.orders.validated", source]);
    let both = good.clone().set("/kafka/group.id", "mine").set("/gates/orders/mod", "enforce");
    refused(&both, &["group.id", "gates.orders.mod", "mode"]);
    assert!(scene.kafka.committed(&scene.group(scene.line()), &[source]).is_empty(), "nothing was consumed");
}

/// What only the cluster and the registry can tell: topics that are not there, other partition counts, no such
/// subject version, a transaction timeout that the broker does not allow.
#[test]
fn clusters_that_do_not_fit_are_refused() {
    let scene = Scene::new("unfit", 2);
    let source = scene.line().source.as_str();
    let absent = unique("absent");
    let missing_source =
        one_gate(&scene, json!({ "source": absent, "validated": unique("any"), "dead_letter": unique("d") }));
    refused(&missing_source, &[&absent]);
    let missing_outputs = one_gate(&scene, json!({ "source": source, "validated": absent }));
    refused(&missing_outputs, &[&absent, &format!("{absent}.dead-letter"), "kafka-topics"]);

    let narrow = scene.kafka.topic("narrow", 1, &[]);
    let dead_letter = &scene.line().outputs.dead_letter;
    let fewer = one_gate(&scene, json!({ "source": source, "validated": narrow, "dead_letter": dead_letter }));
    refused(&fewer, &[&narrow, "has 1 partitions", "add partitions"]);

    let long = scene.config().set("/kafka/transaction.timeout.ms", "3600000");
    refused(&long, &["transaction.timeout.ms", "transaction.max.timeout.ms"]);
}
