//! Faults at chosen steps of a transaction, under load: each record still meets one outcome (faults 1, 2, 14 and 28).
//!
//! The steps are the failpoints of `src/pipeline/failpoint.rs`, which only builds with debug assertions have.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use common::fault::{Fault, endure};
use common::gate::{Config, Gate};
use common::scene::Scene;
use common::traffic::Class;
use common::{long, seed, wait_for};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Numbers of signals, as an exit status has them.
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

/// From the start of a gate to the end that a failpoint orders: it waits for a corpse's session (6 s) and transaction
/// (4 s) first.
const DEATH: Duration = Duration::from_secs(60);

/// The steps at which a gate is killed, but for a rebalance.
const STEPS: [&str; 6] =
    ["after_poll", "after_produce", "before_offsets", "after_offsets", "before_commit", "after_commit"];

fn spawn(config: &Config, failpoints: &str) -> Gate {
    Gate::spawn_with(config, &[("SLUICE_FAILPOINTS", failpoints)])
}

/// Waits for the end that a failpoint orders.
fn dies(gate: Gate, signal: i32) -> (ExitStatus, String) {
    let (status, log) = gate.wait_exit(DEATH);
    assert_eq!(status.signal(), Some(signal), "{status}:\n{log}");
    (status, log)
}

/// Kills a gate at each step of a transaction, one after the other; the last one lives. `guest` is a second member's
/// configuration, whose coming starts the rebalance.
fn kill_at_each_step(config: &Config, guest: &Config, first: Gate) -> Gate {
    let mut random = StdRng::seed_from_u64(seed());
    first.kill();
    for round in 0..if long() { 5 } else { 1 } {
        for step in STEPS {
            let order = format!("{step}={}:kill", random.random_range(2..8));
            println!("round {round}: {order}");
            dies(spawn(config, &order), SIGKILL);
        }
        let mut gate = spawn(config, "in_revoke=1:kill");
        gate.wait_ready();
        let guest = Gate::spawn(guest);
        dies(gate, SIGKILL);
        let (status, log) = guest.stop(Duration::from_secs(15));
        assert!(status.success(), "{log}");
    }
    Gate::start(config)
}

/// Fault 1: killed at each step of a transaction and started again, without an instance name: new transactional IDs, so
/// what the corpse has left open ends by its timeout. Bound: session and transaction timeout, and the backlog.
#[test]
fn fault_01_killed_at_each_step() {
    let scene = Scene::new("killed-at", 4);
    let config = scene.config();
    let first = Gate::start(&config);
    let mut last = None;
    let fault = Fault { number: "1", what: "killed at each step", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || last = Some(kill_at_each_step(&config, &config, first)));
}

/// Fault 1 with an instance name: the restart has the same transactional IDs and ends the corpse's transaction at once.
#[test]
fn fault_01_killed_at_each_step_with_an_instance_name() {
    let scene = Scene::new("killed-as", 4);
    let config = scene.config().set("/instance", "pod-0");
    let guest = scene.config().set("/instance", "pod-1");
    let first = Gate::start(&config);
    let mut last = None;
    let fault =
        Fault { number: "1", what: "killed at each step, with an instance name", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || last = Some(kill_at_each_step(&config, &guest, first)));
}

/// Fault 28: 30 % of the transactions are aborted, at every step where one can be. Exactly once, only slower.
#[test]
fn fault_28_abort_storm() {
    let scene = Scene::new("storm", 4);
    let order = "after_produce=10%:abort,before_offsets=10%:abort,before_commit=10%:abort,in_revoke=30%:abort";
    let mut gate = spawn(&scene.config(), order);
    gate.wait_ready();
    let fault = Fault { number: "28", what: "abort storm", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || std::thread::sleep(Duration::from_secs(if long() { 300 } else { 8 })));
    let aborted = gate.metrics().sum("sluice_transactions_total", &[("result", "aborted")]);
    assert!(aborted > 5.0, "{aborted} transactions were aborted");
}

/// Words that are no order are refused before anything starts.
#[test]
fn wrong_failpoints_are_refused() {
    let scene = Scene::new("wrong-failpoints", 1);
    let (status, log) = spawn(&scene.config(), "befor_commit=1:kill").wait_exit(Duration::from_secs(20));
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("befor_commit") && log.contains("before_commit"), "{log}");
}
