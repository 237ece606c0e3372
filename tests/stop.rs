//! Asked to stop, a gate finishes what it has begun and leaves (fault 30); wrongly configured, it does not begin (31).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::scene::Scene;
use common::traffic::{Class, Policy};
use common::{seed, unique, wait_for};
use serde_json::{Value, json};

/// How long a clean stop may take.
const STOP: Duration = Duration::from_secs(10);

/// SIGTERM under load: exit 0 in time, no transaction left open, the group left, and the next process goes on.
#[test]
fn fault_30_stops_cleanly_under_load() {
    let seed = seed();
    let scene = Scene::new("stop", 4);
    // Nobody but the gate itself leaves the group, or ends a transaction.
    let (line, config) = (scene.line(), scene.config().patient());
    let planned = line.traffic(seed).mixed(12_000, &Class::usual());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(line, planned, 1_500));
        for _ in 0..2 {
            let gate = Gate::start(&config);
            std::thread::sleep(Duration::from_millis(1_500));
            let (status, log) = gate.stop(STOP);
            assert_eq!(status.code(), Some(0), "{log}");
            let members = || scene.kafka.members(&scene.group(line));
            wait_for("the group to be left", STOP, || (members() == 0).then_some(()));
            let seen = common::check::Seen::observe(&scene.kafka, &line.routes(), &scene.group(line));
            assert!(seen.open.is_empty(), "open transactions after a clean stop: {:?}", seen.open);
        }
        let gate = Gate::start(&config);
        let sent = load.join().unwrap();
        scene.verify(line, &sent, None);
        drop(gate);
    });
}

/// A stop while no broker answers: what is under way is given up, and read again by the next process (fault 6's end).
#[test]
fn fault_30_stops_while_brokers_are_away() {
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "stop-away");
    let line = scene.add("orders", 4, Policy::default(), json!({}));
    // As in production: every timeout is beyond what a stop may take, and the next process ends what the last one has left
    // open.
    let config = scene.config().set("/instance", "pod-0").set("/kafka/transaction.timeout.ms", "15000");
    let config = config.set("/kafka/session.timeout.ms", "45000").set("/kafka/heartbeat.interval.ms", "3000");
    let planned = line.traffic(seed()).mixed(14_000, &Class::usual());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(&line, planned, 1_000));
        // Just gone, so that a transaction is under way; and gone for so long that a fault is being answered.
        for outage in [Duration::from_millis(300), Duration::from_secs(4)] {
            let gate = Gate::start(&config);
            wait_for("records", STOP * 4, || (!gate.records(&line.gate).is_empty()).then_some(()));
            scene.kafka.halt();
            std::thread::sleep(outage);
            let start = Instant::now();
            let (status, log) = gate.stop(STOP);
            assert_eq!(status.code(), Some(0), "{log}");
            println!(
                "stopped in {:.1} s, {:.1} s after the brokers were gone",
                start.elapsed().as_secs_f64(),
                outage.as_secs_f64()
            );
            scene.kafka.go_on();
        }
        let gate = Gate::start(&config);
        let sent = load.join().unwrap();
        scene.verify(&line, &sent, None);
        drop(gate);
    });
}

/// At least once: all is with the brokers, and then nobody takes the offsets. The stop does not wait for the group's
/// coordinator, neither to commit nor to leave; what was not committed is written again.
#[test]
fn fault_30_stops_at_least_once_without_a_coordinator() {
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "stop-offsets");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    let config = scene.config().set("/delivery", "at-least-once").set("/kafka/transaction.timeout.ms", "15000");
    let config = config.set("/kafka/session.timeout.ms", "45000").set("/kafka/heartbeat.interval.ms", "3000");
    let sent = scene.send(&line, line.traffic(seed()).mixed(300, &Class::usual()));
    let gate = Gate::spawn_with(&config, &[("SLUICE_FAILPOINTS", "before_offsets=1:stop")]);
    wait_for("the offsets' turn", Duration::from_secs(60), || gate.is_halted().then_some(()));
    scene.kafka.halt();
    gate.resume();
    let (status, log) = gate.stop(STOP);
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("could not commit the offsets"), "{log}");
    assert!(!log.contains("did not stop in time"), "{log}");
    scene.kafka.go_on();
    let gate = Gate::start(&config);
    scene.verify_at_least_once(&line, &sent);
    drop(gate);
}

/// A gate that was started while no broker answered has nothing to end.
#[test]
fn fault_30_stops_before_it_has_begun() {
    let scene = Scene::new("stop-early", 1);
    let config = scene.config().set("/kafka/bootstrap.servers", format!("127.0.0.1:{}", common::process::free_port()));
    let gate = Gate::spawn(&config);
    wait_for("the wait for a broker", Duration::from_secs(20), || gate.log().contains("waiting for").then_some(()));
    let (status, log) = gate.stop(STOP);
    assert_eq!(status.code(), Some(0), "{log}");
}

/// A second signal ends the process at once, whatever is under way; what was not committed is read again.
#[test]
fn fault_30_a_second_signal_ends_at_once() {
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "stop-twice");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    let config = scene.config().set("/kafka/transaction.timeout.ms", "15000");
    let mut sent = scene.send(&line, line.traffic(seed()).mixed(500, &Class::usual()));
    for second in ["TERM", "INT"] {
        // The first one's work is given up after some seconds: on a machine that stands still the second may be too late.
        let is_told = (0..5).any(|_| {
            let mut gate = Gate::start(&config);
            scene.wait_committed(&line, &sent);
            scene.kafka.halt();
            gate.signal("TERM");
            wait_for("the stop to begin", STOP * 2, || gate.log().contains("stopping").then_some(()));
            if gate.exited().is_none() {
                gate.signal(second);
            }
            let (status, log) = gate.wait_exit(STOP);
            scene.kafka.go_on();
            sent.extend(scene.send(&line, line.traffic(seed() + sent.len() as u64).mixed(500, &Class::usual())));
            let is_told = log.contains(&format!("a second SIG{second}"));
            assert_eq!(status.code(), Some(if is_told { 3 } else { 0 }), "{log}");
            is_told
        });
        assert!(is_told, "it waits for the first one's work, whatever SIG{second} says");
    }
    let gate = Gate::start(&config);
    scene.verify(&line, &sent, None);
    drop(gate);
}

/// A stop while the registry is silent and partitions are held back is as quick.
#[test]
fn stops_while_holding() {
    let scene = Scene::new("stop-held", 2);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    scene.registry.fault(Some(common::registry::Fault::Silent));
    let sent = scene.send(line, line.traffic(3).mixed(50, &Class::usual()));
    wait_for("the partitions to be held", STOP * 4, || gate.is("degraded").then_some(()));
    let (status, log) = gate.stop(STOP);
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(!log.contains("did not stop in time"), "{log}");
    scene.registry.fault(None);
    let gate = Gate::start(&scene.config());
    scene.verify(line, &sent, Some(&gate));
}

/// Two processes with one instance name have one transactional.id and one group member between them. They must not
/// fence each other for ever (fault 13): one ends, says why, and the other does the work.
#[test]
fn fault_13_twins_do_not_fight() {
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

/// What a refusal may take. It was more than 30 s once, on a busy machine, and nobody knows why: the end of a client, which
/// waits for a connection under way (`socket.connection.setup.timeout.ms`, 30 s), is the likeliest.
const REFUSAL: Duration = Duration::from_secs(60);

/// Runs a configuration that must be refused: exit 2, no panic, the words in what it prints.
fn refused(config: &Config, words: &[&str]) {
    let (status, log) = Gate::spawn(config).wait_exit(REFUSAL);
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
