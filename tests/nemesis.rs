//! Faults in a random order, drawn from a seed, over three brokers and two gates under load; then all is healed and the
//! universal check applied. What the other tests do one by one meets here: a kill during a rebalance, a coordinator that
//! dies while the registry is away, a member that wakes up into another's assignment.
//!
//! A seed is a minute of load, 100,000 records and at least five faults of three kinds. Every second one has instance
//! names, every fifth delivers at least once. The short form is two fixed seeds and a random one; `SLUICE_TEST_SEEDS=50` is
//! fifty, `SLUICE_TEST_SEED` the one that a failed run has printed.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

use common::ask::{Key, OFFSETS};
use common::check::{Finding, assert_clean, ends_of};
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::load::Load;
use common::registry::Fault;
use common::scene::{Line, Scene};
use common::seed;
use common::traffic::Policy;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

/// How long the load goes on at least, and with how many records.
const LOAD: Duration = Duration::from_secs(60);
const RECORDS: usize = 100_000;
const RATE: u32 = 2_000;
/// The faults of one seed, at least: so many, of so many kinds.
const FAULTS: usize = 5;
const KINDS: usize = 3;
/// For a gate to be gone once it is asked to stop, while brokers may be away.
const STOP: Duration = Duration::from_secs(40);

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Evil {
    /// A member is killed and started again.
    Kill,
    /// A member is asked to stop and started again.
    Stop,
    /// A member is halted past its session and goes on.
    Halt,
    /// A third member comes and goes.
    Guest,
    /// A broker is killed and started again.
    KillBroker,
    /// A broker restarts cleanly.
    StopBroker,
    /// A broker does not answer for a while.
    HaltBroker,
    /// No broker answers for a while.
    HaltBrokers,
    /// The coordinator of the group is killed and started again.
    Coordinator,
    /// Leaders go back to where they were.
    Elect,
    /// A setting of an output changes.
    Setting,
    /// The registry is down for a while.
    RegistryDown,
    /// The registry answers with errors for a while.
    RegistryErrors,
}

const EVILS: [Evil; 13] = [
    Evil::Kill,
    Evil::Stop,
    Evil::Halt,
    Evil::Guest,
    Evil::KillBroker,
    Evil::StopBroker,
    Evil::HaltBroker,
    Evil::HaltBrokers,
    Evil::Coordinator,
    Evil::Elect,
    Evil::Setting,
    Evil::RegistryDown,
    Evil::RegistryErrors,
];

/// A member and its configuration, which a successor has too.
struct Member(Gate, Config);

impl Member {
    fn start(config: &Config) -> Self {
        let mut gate = Gate::spawn(config);
        gate.wait_ready();
        Self(gate, config.clone())
    }
}

fn seconds(random: &mut StdRng, from: f64, to: f64) {
    std::thread::sleep(Duration::from_secs_f64(random.random_range(from..to)));
}

/// Does one evil and undoes it, as far as it is undone.
fn commit_evil(evil: Evil, scene: &Scene, line: &Line, members: &mut Vec<Member>, random: &mut StdRng) {
    let victim = random.random_range(0..members.len());
    match evil {
        Evil::Kill => {
            let Member(gate, config) = members.swap_remove(victim);
            gate.kill();
            members.push(Member::start(&config));
        }
        Evil::Stop => {
            let Member(gate, config) = members.swap_remove(victim);
            let (status, log) = gate.stop(STOP);
            assert!(status.success(), "asked to stop, it ended with {status}:\n{log}");
            members.push(Member::start(&config));
        }
        Evil::Halt => {
            members[victim].0.pause();
            seconds(random, 7.0, 9.0);
            members[victim].0.resume();
        }
        Evil::Guest => {
            let guest = Gate::spawn(&members[victim].1.clone().set("/instance", "guest"));
            seconds(random, 1.0, 4.0);
            guest.kill();
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
        Evil::KillBroker | Evil::StopBroker | Evil::HaltBroker | Evil::HaltBrokers => {
            harm_brokers(evil, scene, line, random)
        }
        Evil::Coordinator | Evil::Elect | Evil::Setting => harm_brokers(evil, scene, line, random),
    }
}

fn harm_brokers(evil: Evil, scene: &Scene, line: &Line, random: &mut StdRng) {
    let kafka = &scene.kafka;
    let id = random.random_range(1..=3);
    match evil {
        Evil::KillBroker | Evil::Coordinator => {
            let id = if evil == Evil::Coordinator { kafka.coordinator(Key::Group(&scene.group(line))) } else { id };
            kafka.kill_node(id);
            seconds(random, 0.0, 8.0);
            kafka.start_node(id);
        }
        Evil::StopBroker => {
            kafka.stop_node(id);
            kafka.start_node(id);
        }
        Evil::HaltBroker => {
            kafka.halt_node(id);
            seconds(random, 1.0, 9.0);
            kafka.go_on_node(id);
        }
        Evil::HaltBrokers => {
            kafka.halt();
            seconds(random, 1.0, 9.0);
            kafka.go_on();
        }
        Evil::Elect => {
            kafka.wait_for_topic(OFFSETS);
            kafka.elect_leaders();
        }
        Evil::Setting => kafka.set_topic(&line.outputs.validated, "max.message.bytes", "2000000"),
        Evil::Kill | Evil::Stop | Evil::Halt | Evil::Guest | Evil::RegistryDown | Evil::RegistryErrors => {
            unreachable!("no evil of brokers")
        }
    }
}

/// Draws the faults of a seed.
fn schedule(random: &mut StdRng) -> Vec<Evil> {
    loop {
        let schedule: Vec<_> = (0..FAULTS).map(|_| *EVILS.choose(random).unwrap()).collect();
        let mut kinds = schedule.clone();
        kinds.sort_unstable();
        kinds.dedup();
        if kinds.len() >= KINDS {
            return schedule;
        }
    }
}

/// Runs one seed, the `number`-th, over a cluster that is whole, and leaves it so.
fn run(cluster: &'static Cluster, seed: u64, number: usize) {
    let mut random = StdRng::seed_from_u64(seed);
    let schedule = schedule(&mut random);
    let at_least_once = number % 5 == 4;
    println!("seed {seed}: {schedule:?}; replay with SLUICE_TEST_SEED={seed}");
    let mut scene = Scene::on(Hold::Shared(cluster), "nemesis");
    let line = scene.add("orders", 6, Policy::default(), json!({}));
    let config = scene.config().set("/kafka/transaction.timeout.ms", "7000").set("/kafka/session.timeout.ms", "8000");
    let config = if at_least_once { config.set("/delivery", "at-least-once") } else { config };
    let member = |name: &str| match number.is_multiple_of(2) {
        true => Member::start(&config),
        false => Member::start(&config.clone().set("/instance", name)),
    };
    let mut members = vec![member("pod-0"), member("pod-1")];
    let starts = ends_of(&scene.kafka, &line.routes());
    let load = Load::new(&scene, &line, seed, RATE).of(line.traffic(seed).of_size(200));
    let begun = Instant::now();
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        for (evil, is_first) in schedule.iter().zip(std::iter::once(true).chain(std::iter::repeat(false))) {
            seconds(&mut random, if is_first { 3.0 } else { 1.0 }, 5.0);
            println!("{:6.1} s {evil:?}", begun.elapsed().as_secs_f64());
            commit_evil(*evil, &scene, &line, &mut members, &mut random);
        }
        while begun.elapsed() < LOAD || load.made() < RECORDS {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    let sent = load.finish(&scene.kafka);
    scene.wait_committed_within(&line, &sent, Duration::from_secs(150));
    let findings = scene.findings(&line, &sent, &starts, at_least_once);
    let (twice, took) = (scene.copies(&line, &starts).saturating_sub(sent.len()), begun.elapsed());
    println!("seed {seed}: {} records, {took:.0?}, {} findings, {twice} copies", sent.len(), findings.len());
    let is_lost = |finding: &&Finding| matches!(finding, Finding::Missing(_));
    assert_eq!(findings.iter().filter(is_lost).count(), 0, "records were lost");
    assert_clean(&findings);
}

#[test]
fn random_schedules() {
    static CLUSTER: std::sync::OnceLock<Cluster> = std::sync::OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start_three);
    if std::env::var_os("SLUICE_TEST_SEED").is_some() {
        return run(cluster, seed(), 0);
    }
    let count = std::env::var("SLUICE_TEST_SEEDS").map_or(3, |text| text.parse().expect("a number"));
    for number in 0..count {
        let seed = if number + 1 == count { seed() } else { 100 + number as u64 };
        run(cluster, seed, number);
    }
}
