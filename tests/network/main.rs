//! Faults of the network between a gate and its brokers, by the numbers of the fault table: the gate reaches the
//! cluster through the proxy (`common::proxy`), everybody else goes by it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;

mod outages;
mod partitions;
mod proxy;
mod transactions;

use std::time::Duration;

use common::gate::{Config, Gate};
use common::proxy::Proxy;
use common::scene::Scene;

/// Returns the scene's configuration for a gate that reaches the cluster through the proxy.
fn through(proxy: &Proxy, scene: &Scene) -> Config {
    scene.config().set("/kafka/bootstrap.servers", proxy.bootstrap())
}

/// Whatever the network does: the process runs and its loop turns.
fn assert_alive(gate: &mut Gate) {
    assert!(gate.exited().is_none(), "the gate has ended:\n{}", gate.log());
    let answer = gate.ask("/livez").expect("/livez answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// How long it may take until `/status` says that something is held: "a few seconds", on a busy machine.
const SAID: Duration = Duration::from_secs(20);

/// Tells whether `/status` says that the gate waits for its brokers: for its outputs, or, where the fault met it between
/// two transactions, for its sources.
fn is_held(gate: &Gate) -> bool {
    let status = status(gate);
    let is_cause = |cause: &serde_json::Value| cause == "target_unavailable" || cause == "source_unavailable";
    status["state"] == "degraded" && status["causes"].as_array().unwrap().iter().any(is_cause)
}

/// Returns what `/status` says of the only gate.
fn status(gate: &Gate) -> serde_json::Value {
    let answer = gate.ask("/status").expect("/status answers");
    serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["gates"][0].clone()
}
