//! Faults of brokers under load, by the numbers of the fault table, on three nodes: three replicas of everything, two of
//! which must have a record.
//!
//! The tests take turns on one cluster, which each leaves whole; one that fails leaves it to the next to heal.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use common::fault::{Fault, endure};
use common::gate::Gate;
use common::kafka::{Cluster, Hold};
use common::scene::Scene;
use common::traffic::Policy;
use serde_json::json;

/// For leaders to move from a dead broker (its session of 4 s), and the machine.
const MOVE: Duration = Duration::from_secs(30);

/// Holds the cluster of three nodes for one test.
fn turn() -> (MutexGuard<'static, ()>, Hold) {
    static TURN: Mutex<()> = Mutex::new(());
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = CLUSTER.get_or_init(Cluster::start_three);
    cluster.heal();
    (turn, Hold::Shared(cluster))
}

fn scene(kafka: Hold, name: &str) -> Scene {
    let mut scene = Scene::on(kafka, name);
    scene.add("orders", 6, Policy::default(), json!({}));
    scene
}

fn rebuilds(gate: &Gate) -> f64 {
    gate.metrics().sum("sluice_producer_rebuilds_total", &[])
}

/// Fault 3: each broker that leads is killed in turn and started again. Expected: retries, or a clean abort; the
/// producer is not lost. Bound: 30 s after each.
#[test]
fn fault_03_leaders_killed() {
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "leaders");
    let (kafka, line) = (&scene.kafka, scene.line());
    let gate = Gate::start(&scene.config());
    assert_eq!(kafka.leaders(&line.source), [1, 2, 3], "each node leads");
    for (id, what) in [(1, "leader killed, node 1"), (2, "leader killed, node 2"), (3, "leader killed, node 3")] {
        endure(&scene, line, Fault { number: "3", what, bound: MOVE }, || kafka.kill_node(id));
        kafka.start_node(id);
    }
    println!("{} producers made anew", rebuilds(&gate));
}
