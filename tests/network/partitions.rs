//! A gate that is cut off from its brokers while another takes over: packets get nowhere, in one direction or both.
//!
//! What the one that is cut off has in hand comes to nothing: its commit, sent before the cut or after it, is refused
//! once another owns the partitions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::common::fault::{Fault, endure, not_run};
use crate::common::gate::Gate;
use crate::common::kafka::{Cluster, Hold};
use crate::common::netns::{Loss, Netns};
use crate::common::proxy::{Action, Proxy, Rule};
use crate::common::scene::Scene;
use crate::common::{long, wait_for};
use crate::{SAID, assert_alive, is_held, through};

/// Longer than a session.
const PARTITION: Duration = Duration::from_secs(9);

/// For a member to have partitions again after its return.
const REJOIN: Duration = Duration::from_secs(40);

fn owns_partitions(gate: &Gate) -> bool {
    crate::status(gate)["partitions"].as_array().is_some_and(|partitions| !partitions.is_empty())
}

/// Fault 7: the gate's machine is cut off from all brokers (and the registry), in both directions and from it (long: to
/// it, too), for longer than its session; another gate takes over. Bound: a session, a transaction timeout, and the machine.
#[test]
fn fault_07_cut_off_from_all_brokers() {
    let netns = match Netns::new() {
        Ok(netns) => Arc::new(netns),
        Err(reason) => return not_run("7", &reason),
    };
    let scene = Scene::new("cut-off", 4);
    let proxy = Proxy::reached_at(&scene.kafka, &netns.host());
    let registry = format!("http://{}:{}", netns.host(), netns.forward(scene.registry.port()));
    let mut cut_off = Gate::start_within(&netns, &through(&proxy, &scene).set("/registry/url", registry));
    let mut other = Gate::start(&scene.config());
    let losses = [
        (Loss::Both, "no packet passes"),
        (Loss::FromGate, "no packet leaves the gate"),
        (Loss::ToGate, "no packet reaches the gate"),
    ];
    for (loss, what) in losses.into_iter().take(if long() { 3 } else { 2 }) {
        wait_for("both to have partitions", REJOIN, || {
            (owns_partitions(&cut_off) && owns_partitions(&other)).then_some(())
        });
        let fault = Fault { number: "7", what, bound: Duration::from_secs(40) };
        endure(&scene, scene.line(), fault, || {
            let start = Instant::now();
            netns.lose(loss);
            wait_for("the gate to say that it waits", SAID, || is_held(&cut_off).then_some(()));
            std::thread::sleep(PARTITION.saturating_sub(start.elapsed()));
            assert_alive(&mut cut_off);
            netns.heal(loss);
        });
    }
    assert_alive(&mut other);
}

/// Fault 7: the gate is cut off from one broker of three, the others go on. Whatever it leads waits, and its roles as a
/// coordinator with it. Bound: a transaction timeout, a session, and the machine.
#[test]
fn fault_07_cut_off_from_one_broker() {
    let scene = {
        let mut scene = Scene::on(Hold::Own(Cluster::start_three()), "one-broker");
        scene.add("orders", 6, crate::common::traffic::Policy::default(), serde_json::json!({}));
        scene
    };
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene));
    for node in proxy.nodes() {
        let fault = Fault { number: "7", what: "cut off from one broker of three", bound: Duration::from_secs(40) };
        endure(&scene, scene.line(), fault, || {
            // Nothing is lost for good: TCP sends it again.
            let cut = [Rule::requests(&[], Action::Hold), Rule::answers(&[], Action::Hold)];
            let _cut = cut.map(|rule| proxy.set(rule.of_node(node)).may_miss());
            std::thread::sleep(PARTITION);
            assert_alive(&mut gate);
        });
        if !long() {
            break;
        }
    }
}
