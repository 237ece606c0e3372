//! Faults of brokers, groups and machines under load, by the numbers of the fault table.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::fault::{Fault, endure};
use common::gate::Gate;
use common::scene::Scene;

/// Fault 12: a gate is halted past its session and its transaction, another takes over, and it goes on. What it had in
/// hand comes to nothing, it joins again. Bound: a session, a transaction timeout, and the machine.
#[test]
fn fault_12_halted_past_its_session() {
    let scene = Scene::new("zombie", 4);
    let config = scene.config();
    let zombie = Gate::start(&config);
    let fault = Fault { number: "12", what: "a gate halted past its session", bound: Duration::from_secs(40) };
    endure(&scene, scene.line(), fault, || {
        zombie.pause();
        let _successor = Gate::start(&config);
        std::thread::sleep(Duration::from_secs(8));
        zombie.resume();
    });
}
