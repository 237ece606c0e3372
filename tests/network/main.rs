//! Faults of the network between a gate and its brokers, by the numbers of the fault table: the gate reaches the
//! cluster through the proxy (`common::proxy`), everybody else goes by it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;

mod outages;
mod proxy;
mod transactions;

use common::gate::{Config, Gate};
use common::http;
use common::proxy::Proxy;
use common::scene::Scene;

/// Returns the scene's configuration for a gate that reaches the cluster through the proxy.
fn through(proxy: &Proxy, scene: &Scene) -> Config {
    scene.config().set("/kafka/bootstrap.servers", proxy.bootstrap())
}

/// Whatever the network does: the process runs and its loop turns.
fn assert_alive(gate: &mut Gate) {
    assert!(gate.exited().is_none(), "the gate has ended:\n{}", gate.log());
    let answer = http::get(gate.admin(), "/livez").expect("/livez answers");
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// Returns what `/status` says of the only gate.
fn status(gate: &Gate) -> serde_json::Value {
    let answer = http::get(gate.admin(), "/status").expect("/status answers");
    serde_json::from_str::<serde_json::Value>(&answer.body).unwrap()["gates"][0].clone()
}
