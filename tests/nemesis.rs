//! Faults in a random order, drawn from a seed, over two members under load; then all is healed and the universal check
//! applied. What the other tests do one by one meets here: a kill during a rebalance, an outage of the registry while the
//! brokers are away, a member that wakes up into another's assignment.
//!
//! The short form is one schedule of a few faults; `SLUICE_TEST_LONG=1` is one of a hundred. A failed schedule is printed
//! and replayed with its seed, as far as time allows it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::registry::Fault;
use common::scene::{Line, Scene};
use common::traffic::{Class, Policy, Sent, send};
use common::{long, seed};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};

/// Records of one go of the load.
const BATCH: usize = 200;

/// What goes wrong.
#[derive(Debug, Clone, Copy)]
enum Evil {
    /// A member is killed and started again.
    Kill,
    /// A member is asked to stop and started again.
    Stop,
    /// A member is halted past its session and goes on.
    Halt,
    /// A third member comes and goes.
    Guest,
    /// The brokers do not answer for a while.
    Brokers,
    /// The registry is down for a while.
    RegistryDown,
    /// The registry answers with errors for a while.
    RegistryErrors,
}

const EVILS: [Evil; 7] =
    [Evil::Kill, Evil::Stop, Evil::Halt, Evil::Guest, Evil::Brokers, Evil::RegistryDown, Evil::RegistryErrors];

/// Writes records until it is told to end.
fn load(scene: &Scene, line: &Line, seed: u64, end: &AtomicBool) -> Vec<Sent> {
    let (writer, mut traffic, mut sent) = (scene.kafka.writer(), line.traffic(seed), Vec::new());
    while !end.load(Ordering::Relaxed) {
        sent.extend(send(&writer, &line.source, traffic.mixed(BATCH, &Class::usual()), || {}));
        std::thread::sleep(Duration::from_millis(200));
    }
    sent
}

fn seconds(random: &mut StdRng, from: f64, to: f64) {
    std::thread::sleep(Duration::from_secs_f64(random.random_range(from..to)));
}

/// Does one evil and undoes it, as far as it is undone.
fn commit_evil(evil: Evil, scene: &Scene, config: &Config, members: &mut Vec<Gate>, random: &mut StdRng) {
    let victim = random.random_range(0..members.len());
    match evil {
        Evil::Kill => {
            members.swap_remove(victim).kill();
            members.push(Gate::start(config));
        }
        Evil::Stop => {
            let (status, log) = members.swap_remove(victim).stop(Duration::from_secs(15));
            assert!(status.success(), "asked to stop, it ended with {status}:\n{log}");
            members.push(Gate::start(config));
        }
        Evil::Halt => {
            members[victim].pause();
            seconds(random, 7.0, 9.0);
            members[victim].resume();
        }
        Evil::Guest => {
            let guest = Gate::start(config);
            seconds(random, 0.0, 2.0);
            guest.kill();
        }
        Evil::Brokers => {
            scene.kafka.halt();
            seconds(random, 1.0, 9.0);
            scene.kafka.go_on();
        }
        Evil::RegistryDown => {
            scene.registry.down();
            seconds(random, 0.5, 3.0);
            scene.registry.up();
        }
        Evil::RegistryErrors => {
            scene.registry.fault(Some(Fault::Status(503)));
            seconds(random, 0.5, 3.0);
            scene.registry.fault(None);
        }
    }
}

#[test]
fn a_random_schedule() {
    let seed = seed();
    let mut random = StdRng::seed_from_u64(seed);
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "nemesis");
    let line = scene.add("orders", 6, Policy::default(), serde_json::json!({}));
    let config = scene.config();
    let mut members = vec![Gate::start(&config), Gate::start(&config)];
    let end = AtomicBool::new(false);
    let schedule: Vec<_> = (0..if long() { 100 } else { 5 }).map(|_| *EVILS.choose(&mut random).unwrap()).collect();
    println!("schedule: {schedule:?}");
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&scene, &line, seed, &end));
        for evil in schedule {
            seconds(&mut random, 0.3, 2.0);
            commit_evil(evil, &scene, &config, &mut members, &mut random);
        }
        end.store(true, Ordering::Relaxed);
        let sent = load.join().unwrap();
        scene.verify(&line, &sent, None);
    });
}
