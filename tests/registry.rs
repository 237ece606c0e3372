//! An outage of the registry holds data back and condemns none of it (faults 20 to 23).
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::gate::Gate;
use common::registry::Fault;
use common::scene::Scene;
use common::schemas::Version;
use common::traffic::{Class, Sent};
use common::{long, seed};

const CACHED: [Class; 2] = [Class::Order(Version::V1), Class::Order(Version::V2)];
const NOT_CACHED: [Class; 1] = [Class::Order(Version::V3)];

/// Longer than the session timeout (6 s), so that a gate that stopped polling would be out of its group.
fn outage() -> Duration {
    Duration::from_secs(if long() { 600 } else { 9 })
}

fn records(gate: &Gate, line: &str) -> u64 {
    gate.records(line).values().sum()
}

/// Registry down and back (fault 20): schemas at hand go on at full speed, a partition that meets another one waits,
/// nothing is dead-lettered, the group keeps its member, and all is well after.
#[test]
fn down_and_back() {
    let seed = seed();
    let scene = Scene::new("outage", 3);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    let mut traffic = line.traffic(seed);
    let mut sent = scene.send(line, traffic.mixed(300, &CACHED));
    scene.wait_committed(line, &sent);

    scene.registry.down();
    let held = scene.send(line, traffic.on_partition(1, 50, &NOT_CACHED));
    let mut flowing = traffic.on_partition(0, 200, &CACHED);
    flowing.extend(traffic.on_partition(2, 200, &CACHED));
    let flowing = scene.send(line, flowing);
    scene.wait_committed(line, &flowing);
    let behind = scene.send(line, traffic.on_partition(1, 50, &CACHED));
    std::thread::sleep(outage());
    assert_eq!(scene.kafka.members(&scene.group(line)), 1, "the gate is still a member");
    assert_eq!(records(&gate, &line.gate), (sent.len() + flowing.len()) as u64, "partition 1 waits, the others do not");
    let more = scene.send(line, traffic.on_partition(0, 100, &CACHED));
    scene.wait_committed(line, &more);

    scene.registry.up();
    sent.extend([held, flowing, behind, more].into_iter().flatten());
    scene.verify(line, &sent, Some(&gate));
}

/// A registry that is down from the beginning: the gate starts, reads nothing past, and goes on when it comes.
#[test]
fn down_at_the_start() {
    let seed = seed();
    let scene = Scene::new("down-first", 2);
    let line = scene.line();
    scene.registry.down();
    let sent = scene.send(line, line.traffic(seed).mixed(100, &Class::usual()));
    let gate = Gate::spawn(&scene.config());
    std::thread::sleep(Duration::from_secs(4));
    scene.registry.up();
    scene.verify(line, &sent, Some(&gate));
}

/// Answers that are none (faults 21, 22): errors, a page of a proxy, silence. Each is healed after a while. All at the
/// same time, since the test is mostly waiting.
#[test]
fn wrong_answers_are_no_answers() {
    let seed = seed();
    // A bare 404 without the registry's error code is a wrong path or a proxy: it denies no schema.
    let statuses = [500, 401, 429, 404].map(Fault::Status);
    std::thread::scope(|scope| {
        for fault in statuses.into_iter().chain([Fault::Page, Fault::Silent]) {
            std::thread::Builder::new()
                .name(format!("{fault:?}"))
                .spawn_scoped(scope, move || heal(fault, seed))
                .unwrap();
        }
    });
}

/// Sends records of a schema that is not at hand while the registry has this fault, and then heals it.
fn heal(fault: Fault, seed: u64) {
    let scene = Scene::new("wrong-answers", 2);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    scene.registry.fault(Some(fault));
    let sent = scene.send(line, line.traffic(seed).mixed(60, &NOT_CACHED));
    std::thread::sleep(Duration::from_millis(2_500));
    assert_eq!(records(&gate, &line.gate), 0, "{fault:?}: nothing is decided");
    let asked = scene.registry.requests("GET /schemas/ids/");
    assert!((1..100).contains(&asked), "{fault:?}: asked {asked} times, neither never nor in a storm");
    scene.registry.fault(None);
    scene.verify(line, &sent, Some(&gate));
}

/// Late registration (fault 23): the registry says 404 and then 200, as a follower that lags behind the producer's
/// registration does. Within the grace time that is no verdict.
#[test]
fn late_registration() {
    let seed = seed();
    let scene = Scene::new("late", 2);
    let line = scene.line();
    let config = scene.config();
    let config = config.set("/registry/unknown_schema/grace", "4s").set("/registry/unknown_schema/max_hold", "20s");
    let id = line.ids.orders[Version::V1 as usize];
    scene.registry.hide(id);
    let gate = Gate::start(&config);
    let sent = scene.send(line, line.traffic(seed).mixed(100, &[Class::Order(Version::V1)]));
    std::thread::sleep(Duration::from_millis(1_500));
    assert_eq!(records(&gate, &line.gate), 0, "the partitions wait");
    assert!(scene.registry.requests(&format!("GET /schemas/ids/{id}")) > 0, "the registry was asked and said 404");
    scene.registry.release(id);
    scene.verify(line, &sent, Some(&gate));
}

/// Many IDs that nobody knows (fault 24): held no longer than `max_hold` altogether, then each 404 counts at once.
#[test]
fn unknown_schemas_hold_no_longer_than_max_hold() {
    let seed = seed();
    let scene = Scene::new("flood", 1);
    let line = scene.line();
    let config = scene.config();
    let config = config.set("/registry/unknown_schema/grace", "1s").set("/registry/unknown_schema/max_hold", "2s");
    let gate = Gate::start(&config);
    let mut traffic = line.traffic(seed);
    let mut planned = traffic.mixed(60, &[Class::UnknownSchema]);
    for (number, record) in (0_i32..).zip(&mut planned) {
        let value = record.content.value.as_mut().unwrap();
        value[1..5].copy_from_slice(&(2_000_000 + number).to_be_bytes());
    }
    planned.extend(traffic.mixed(20, &CACHED));
    let sent: Vec<Sent> = scene.send(line, planned);
    scene.verify(line, &sent, Some(&gate));
}
