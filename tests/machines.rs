//! Faults of machines, groups and old brokers under load, by the numbers of the fault table, on one broker.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use common::fault::{Fault, endure, not_run, seen};
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold, Setup, Version};
use common::scene::Scene;
use common::traffic::{Class, Policy, counts, send};
use common::{long, seed, wait_for};
use rand::Rng as _;
use rdkafka::mocking::MockCluster;
use rdkafka::types::RDKafkaApiKey;
use serde_json::json;

/// Lets one test at a time have the machine: two loads with a broker each are more than two cores carry.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Lets members come and go every 2 to 5 s, some cleanly, some killed, for so many seconds; five minutes in the long form.
fn storm(what: &'static str, seconds: u64, bound: u64, configure: impl FnOnce(Config) -> Config) {
    let _turn = turn();
    let scene = Scene::new("storm", 6);
    let config = configure(scene.config());
    let stays = Gate::start(&config);
    let fault = Fault { number: "11", what, bound: Duration::from_secs(bound) };
    endure(&scene, scene.line(), fault, || {
        let (start, mut random) = (Instant::now(), rand::rng());
        let mut guests = Vec::new();
        while start.elapsed() < Duration::from_secs(if long() { 300 } else { seconds }) {
            guests.push(Gate::spawn(&config));
            std::thread::sleep(Duration::from_secs_f64(random.random_range(2.0..5.0)));
            if guests.len() > 2 {
                let guest = guests.swap_remove(random.random_range(0..guests.len()));
                match random.random_bool(0.3) {
                    true => guest.kill(),
                    false => drop(guest.stop(Duration::from_secs(20))),
                }
            }
        }
        for guest in guests {
            // The last one may have no handler of signals yet.
            wait_for("its log", Duration::from_secs(60), || guest.log().contains("admin server listens").then_some(()));
            let (status, log) = guest.stop(Duration::from_secs(20));
            assert!(status.success(), "a guest ended with {status}:\n{log}");
        }
    });
    let sum = |name: &str| stays.metrics().sum(name, &[]);
    println!(
        "{what}: {} rebalances, {} producers made anew",
        sum("sluice_rebalances_total"),
        sum("sluice_producer_rebuilds_total")
    );
}

/// Fault 11: members come and go for 30 s. Expected: progress goes on, every revoke commits or aborts; no partition is owned
/// twice, which would double records. Bound: 40 s, the session of the last one killed and the machine.
#[test]
fn fault_11_rebalance_storm() {
    storm("members came and went, cooperative-sticky", 30, 40, |config| config);
}

/// Fault 11 where a rebalance takes all partitions from everybody. As above.
#[test]
fn fault_11_rebalance_storm_range() {
    storm("members came and went, range", 15, 40, |config| config.set("/kafka/partition.assignment.strategy", "range"));
}

/// Fault 11 where the brokers assign (KIP-848; Kafka 4). As above; the brokers notice a death after 45 s at the soonest.
#[test]
fn fault_11_rebalance_storm_kip_848() {
    if Version::chosen() == Version::V3_9 {
        return not_run("11", "Kafka 3.9 has the consumer protocol as a preview only");
    }
    storm("members came and went, group.protocol consumer", 15, 90, |config| {
        let config = config.set("/kafka/group.protocol", "consumer");
        ["session.timeout.ms", "heartbeat.interval.ms"]
            .iter()
            .fold(config, |config, name| config.without("/kafka", name))
    });
}

/// Fault 12: a gate is halted past its session, its poll interval and its transaction; another takes over, and it goes on.
/// What it had in hand comes to nothing, it joins again. Bound: 40 s.
#[test]
fn fault_12_halted_past_its_session() {
    let _turn = turn();
    let scene = Scene::new("zombie", 4);
    let config = scene.config().set("/kafka/max.poll.interval.ms", "7000");
    let zombie = Gate::start(&config);
    let successor = Gate::start(&config);
    let fault = Fault { number: "12", what: "a gate halted past its session", bound: Duration::from_secs(40) };
    endure(&scene, scene.line(), fault, || {
        zombie.pause();
        std::thread::sleep(Duration::from_secs(if long() { 90 } else { 10 }));
        zombie.resume();
    });
    drop((zombie, successor));
}

/// Fault 16: the broker throttles the gate's producer to 40 kB/s while four times as much comes. Expected: it waits, its
/// memory stays within its budget, and what has piled up goes through when the quota is gone. Bound: 90 s.
#[test]
fn fault_16_throttled() {
    let _turn = turn();
    let mut scene = Scene::empty("throttled");
    let line = scene.add("orders", 4, Policy::default(), json!({}));
    let config = scene.config().set("/instance", "pod-0").set("/memory", "64MiB");
    let gate = Gate::start(&config);
    let client = format!("{}-pod-0-0", scene.group(&line));
    let fault = Fault { number: "16", what: "producer throttled by a quota", bound: Duration::from_secs(90) };
    endure(&scene, &line, fault, || {
        scene.kafka.set_quota(&client, Some("producer_byte_rate=40000"));
        std::thread::sleep(Duration::from_secs(if long() { 120 } else { 15 }));
        scene.kafka.set_quota(&client, None);
    });
    let peak = gate.usage().peak_kib / 1024;
    println!("{peak} MiB at most");
    assert!(peak < 64 + 64, "memory beyond its budget and the process itself: {peak} MiB");
}

/// Where Debian and others put the library that fakes the time.
fn faketime() -> Option<PathBuf> {
    let folders = ["/usr/lib/x86_64-linux-gnu/faketime", "/usr/lib/aarch64-linux-gnu/faketime", "/usr/lib/faketime"];
    folders.map(|folder| Path::new(folder).join("libfaketimeMT.so.1")).into_iter().find(|library| library.exists())
}

/// The environment of a process whose clock shows what a file says, and whose timers are left alone.
fn clock(library: &Path, file: &Path) -> [(&'static str, String); 4] {
    [
        ("LD_PRELOAD", library.display().to_string()),
        ("FAKETIME_TIMESTAMP_FILE", file.display().to_string()),
        ("FAKETIME_CACHE_DURATION", "1".to_owned()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_owned()),
    ]
}

/// Fault 29 for the gate's own clock cannot be made by a library: librdkafka waits by the C11 calls of the C library on
/// the wall clock, which libfaketime does not see, so every wait would become five minutes longer than it is.
#[test]
fn fault_29_clock_of_the_gate_jumps() {
    not_run("29", "libfaketime cannot fake the clock of C11 condition variables, by which librdkafka waits");
}

/// Fault 29: a broker's clock is five minutes ahead, jumps back ten, and forward again. The broker may time transactions
/// out that are young, and members that are there: nothing is lost, whatever it does. Bound: 40 s. Long form only: a JVM
/// under libfaketime spins where it should wait, and takes both cores from everybody else.
#[test]
fn fault_29_clock_of_a_broker_jumps() {
    let _turn = turn();
    if !long() {
        return not_run("29", "needs SLUICE_TEST_LONG=1, see make test-long");
    }
    let Some(library) = faketime() else { return not_run("29", "libfaketime is not installed (Debian: faketime)") };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("clock");
    std::fs::write(&file, "+300s\n").unwrap();
    let setup =
        clock(&library, &file).iter().fold(Setup::new(1), |setup, (name, value)| setup.environment(1, name, value));
    let mut scene = Scene::on(Hold::Own(setup.start()), "broker-clock");
    let line = scene.add("orders", 4, Policy::default(), json!({}));
    let gate = Gate::start(&scene.config());
    let fault = Fault { number: "29", what: "a broker's clock jumped", bound: Duration::from_secs(40) };
    endure(&scene, &line, fault, || {
        for clock in ["-300s\n", "+300s\n", "-300s\n"] {
            std::fs::write(&file, clock).unwrap();
            std::thread::sleep(Duration::from_secs(3));
        }
    });
    println!("{} producers made anew", gate.metrics().sum("sluice_producer_rebuilds_total", &[]));
}

/// Fault 32: a broker that knows no transactions, since it gives out no producer IDs or has no coordinator of transactions.
/// Expected: a clear refusal with exit code 2, within 60 s; the second one is served at least once.
#[test]
fn fault_32_broker_without_transactions() {
    let scene = Scene::new("old", 2);
    let line = scene.line();
    let broker = || {
        let mock = MockCluster::new(1).unwrap();
        for topic in [&line.source, &line.outputs.validated, &line.outputs.converter, &line.outputs.dead_letter] {
            mock.create_topic(topic, line.partitions, 1).unwrap();
        }
        mock
    };
    let refused = |config: &Config, words: &[&str]| {
        let (status, log) = Gate::spawn(config).wait_exit(Duration::from_secs(60));
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(words.iter().all(|word| log.contains(word)), "{log}");
    };
    let without_ids = broker();
    without_ids.apiversion(RDKafkaApiKey::InitProducerId, None, None).unwrap();
    let config = scene.config().set("/kafka/bootstrap.servers", without_ids.bootstrap_servers());
    refused(&config, &["the brokers know no transactions", "at-least-once"]);

    let without_coordinator = broker();
    without_coordinator.apiversion(RDKafkaApiKey::FindCoordinator, Some(0), Some(0)).unwrap();
    let config = scene.config().set("/kafka/bootstrap.servers", without_coordinator.bootstrap_servers());
    refused(&config, &["the brokers know no transactions", "at-least-once"]);
    seen("32", "broker without transactions: refused with exit code 2");

    let gate = Gate::start(&config.set("/delivery", "at-least-once"));
    let cluster = Cluster::reached_at(&without_coordinator.bootstrap_servers());
    let sent = send(&cluster.writer(), &line.source, line.traffic(seed()).mixed(500, &Class::usual()), || {});
    wait_for("all records to be through", Duration::from_secs(60), || {
        (gate.records(&line.gate).values().sum::<u64>() >= 500).then_some(())
    });
    assert_eq!(gate.records(&line.gate), counts(&sent));
    seen("32", "broker without transactions: served at least once");
    not_run("32", "Redpanda: no package of it is at hand; a broker that lacks the requests stands in for it");
}

/// The faults of brokers on the last Kafka of the line before (3.9), whose transactions are of version 1: killed under load
/// and back, nothing is lost. Bound: 60 s.
#[test]
fn fault_03_on_kafka_3_9() {
    let _turn = turn();
    let mut scene = Scene::on(Hold::Own(Setup::new(1).version(Version::V3_9).start()), "kafka-3-9");
    let line = scene.add("orders", 4, Policy::default(), json!({}));
    let gate = Gate::start(&scene.config());
    let fault = Fault { number: "3", what: "the only broker of 3.9 killed and back", bound: Duration::from_secs(60) };
    endure(&scene, &line, fault, || {
        scene.kafka.kill_node(1);
        scene.kafka.start_node(1);
    });
    let sent = scene.send(&line, line.traffic(1).mixed(1, &Class::usual()));
    scene.wait_committed(&line, &sent);
    drop(gate);
}
