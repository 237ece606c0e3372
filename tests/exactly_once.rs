//! Killed at any moment, a gate loses nothing and doubles nothing (fault 1 of the fault table).
//!
//! A load runs while the process is killed as by a power cut and started again, at moments that the seed chooses; at
//! this rate and commit interval nearly all of them fall into an open transaction. Readers of committed records must
//! then find each record once, in its right output. `SLUICE_TEST_LONG=1` kills 30 times instead of 3.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::kill::killed;
use common::scene::Scene;
use common::traffic::{Class, Policy, Sent};
use common::{long, seed};

/// Records per second of the load.
const RATE: u32 = 1_500;
/// From one kill to the next, the restart included.
const CYCLE: Duration = Duration::from_millis(3_500);

/// Runs a load over a gate that is killed and started again `kills` times; leaves the last process running.
fn kill_under_load(scene: &Scene, config: &Config, seed: u64, kills: u32) -> (Gate, Vec<Sent>) {
    let line = scene.line();
    let seconds = f64::from(kills + 1) * CYCLE.as_secs_f64();
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let records = (seconds * f64::from(RATE)) as usize;
    let planned = line.traffic(seed).mixed(records, &Class::usual());
    let (mut gates, sent) = killed(&[config], seed, kills, || scene.send_paced(line, planned, RATE));
    (gates.remove(0), sent)
}

/// A process without an instance name gets new transactional IDs at each start: what the corpse left open ends by its
/// timeout, and the successor must wait for it (`RequireStable`) and not read past it.
#[test]
fn killed_at_any_moment() {
    let seed = seed();
    let scene = Scene::new("killed", 4);
    let (gate, sent) = kill_under_load(&scene, &scene.config(), seed, if long() { 30 } else { 3 });
    scene.verify(scene.line(), &sent, None);
    drop(gate);
}

/// With an instance name the restart has the same transactional IDs and ends the corpse's transaction at once.
#[test]
fn killed_with_an_instance_name() {
    let seed = seed();
    let scene = Scene::new("instance", 4);
    let config = scene.config().set("/instance", "pod-0");
    let (gate, sent) = kill_under_load(&scene, &config, seed, if long() { 30 } else { 2 });
    scene.verify(scene.line(), &sent, None);
    drop(gate);
}

/// At-least-once promises less and keeps it: no loss, no change, copies allowed, the order of first copies kept.
#[test]
fn at_least_once_loses_nothing() {
    let seed = seed();
    let scene = Scene::new("at-least-once", 4);
    let config = scene.config().set("/delivery", "at-least-once");
    let (gate, sent) = kill_under_load(&scene, &config, seed, if long() { 30 } else { 2 });
    scene.verify_at_least_once(scene.line(), &sent);
    drop(gate);
}

/// A process that its machine halts past the session timeout is out of the group; when it goes on, what it had in hand
/// must come to nothing, since another member has done it (fault 12).
#[test]
fn halted_past_its_session() {
    let seed = seed();
    let scene = Scene::new("zombie", 4);
    let (line, config) = (scene.line(), scene.config());
    let planned = line.traffic(seed).mixed(RATE as usize * 14, &Class::usual());
    let sent = std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(line, planned, RATE));
        let zombie = Gate::start(&config);
        std::thread::sleep(Duration::from_secs(1));
        zombie.pause();
        let successor = Gate::start(&config);
        // Past the session timeout (6 s) and the transaction timeout (4 s).
        std::thread::sleep(Duration::from_secs(8));
        zombie.resume();
        let sent = load.join().unwrap();
        scene.verify(line, &sent, None);
        drop((zombie, successor));
        sent
    });
    assert!(!sent.is_empty());
}

/// Brokers that do not answer for longer than every timeout: the gate waits, says so, and goes on when they are back
/// (faults 6 and 14).
#[test]
fn brokers_away_and_back() {
    let seed = seed();
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "away");
    let line = scene.add("orders", 4, Policy::default(), serde_json::json!({}));
    let gate = Gate::start(&scene.config());
    let planned = line.traffic(seed).mixed(RATE as usize * 20, &Class::usual());
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(&line, planned, RATE));
        for _ in 0..2 {
            std::thread::sleep(Duration::from_secs(3));
            scene.kafka.halt();
            std::thread::sleep(Duration::from_secs(if long() { 120 } else { 8 }));
            scene.kafka.go_on();
        }
        scene.verify(&line, &load.join().unwrap(), Some(&gate));
    });
}
