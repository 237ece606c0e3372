//! Faults in a random order, drawn from a seed, over three brokers and two gates under load; then all is healed and the
//! universal check applied. What the other tests do one by one meets here: a kill during a rebalance, a coordinator that
//! dies while the registry is away, a member that wakes up into another's assignment.
//!
//! A seed is a minute of load, 100,000 records and at least five faults of three kinds, for two members that deliver
//! exactly once (with instance names where the seed is odd) and one beside them that delivers at least once: of that,
//! nothing is lost, and its copies are counted. All reach the brokers through the proxy.
//!
//! The short form is two fixed seeds and a random one. `SLUICE_TEST_SEEDS=50` runs fifty from `SLUICE_TEST_FIRST_SEED` on
//! (100); a seed that fails does not keep the others from running, and `SLUICE_TEST_SEED` replays it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::ask::{Key, OFFSETS};
use common::check::assert_clean;
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::load::Load;
use common::proxy::Proxy;
use common::registry::Fault;
use common::scene::{Line, Scene};
use common::traffic::Policy;
use common::{long, seed};
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
/// For the gates to catch up once all is well: in a debug build, on a busy machine, corpses included.
const CATCH_UP: Duration = Duration::from_secs(150);

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
    /// The network does something by chance: see the proxy's mild faults.
    Network,
    /// A broker cannot be reached by the gates for a while, though it lives.
    Unreachable,
    /// A member is killed at a step of a transaction.
    KillAtStep,
    /// A member is halted at a step of a transaction past its session, and goes on.
    HaltAtStep,
    /// A member aborts a third of its transactions from now on.
    Aborts,
}

const EVILS: [Evil; 18] = [
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
    Evil::Network,
    Evil::Unreachable,
    Evil::KillAtStep,
    Evil::HaltAtStep,
    Evil::Aborts,
];

/// The steps at which a member is killed or halted.
const STEPS: [&str; 7] =
    ["after_poll", "after_produce", "before_offsets", "after_offsets", "before_commit", "after_commit", "in_revoke"];
const ABORTS: &str = "after_produce=10%:abort,before_offsets=10%:abort,before_commit=10%:abort,in_revoke=30%:abort";
/// For a step to be met; the one of a rebalance may not come.
const STEP: Duration = Duration::from_secs(15);

/// A member and its configuration, which a successor has too.
struct Member(Gate, Config);

impl Member {
    fn start(config: &Config) -> Self {
        Self(Gate::start(config), config.clone())
    }

    fn start_with(config: &Config, failpoints: &str) -> Self {
        let mut gate = Gate::spawn_with(config, &[("SLUICE_FAILPOINTS", failpoints)]);
        gate.wait_ready();
        Self(gate, config.clone())
    }
}

/// What a seed harms.
struct Stage<'s> {
    scene: &'s Scene,
    line: &'s Line,
    proxy: &'s Proxy,
    members: Vec<Member>,
}

fn seconds(random: &mut StdRng, from: f64, to: f64) {
    std::thread::sleep(Duration::from_secs_f64(random.random_range(from..to)));
}

impl Stage<'_> {
    /// Does one evil and undoes it, as far as it is undone.
    fn suffer(&mut self, evil: Evil, random: &mut StdRng) {
        match evil {
            Evil::Kill | Evil::Stop | Evil::Halt | Evil::Guest => self.harm_member(evil, random),
            Evil::KillAtStep | Evil::HaltAtStep | Evil::Aborts => self.harm_at_step(evil, random),
            Evil::KillBroker | Evil::StopBroker | Evil::HaltBroker | Evil::HaltBrokers => {
                self.harm_broker(evil, random)
            }
            Evil::Coordinator | Evil::Elect | Evil::Setting => self.harm_broker(evil, random),
            Evil::RegistryDown => {
                self.scene.registry.down();
                seconds(random, 0.5, 3.0);
                self.scene.registry.up();
            }
            Evil::RegistryErrors => {
                self.scene.registry.fault(Some(Fault::Status(503)));
                seconds(random, 0.5, 3.0);
                self.scene.registry.fault(None);
            }
            Evil::Network => println!("         {}", self.proxy.mild_fault(random)),
            Evil::Unreachable => {
                let node = *self.proxy.nodes().choose(random).unwrap();
                self.proxy.down(node);
                seconds(random, 1.0, 9.0);
                self.proxy.up(node);
            }
        }
    }

    /// Takes a member by chance.
    fn victim(&mut self, random: &mut StdRng) -> Member {
        let index = random.random_range(0..self.members.len());
        self.members.swap_remove(index)
    }

    fn harm_member(&mut self, evil: Evil, random: &mut StdRng) {
        let Member(gate, config) = self.victim(random);
        match evil {
            Evil::Kill => gate.kill(),
            Evil::Stop => {
                let (status, log) = gate.stop(STOP);
                assert!(status.success(), "asked to stop, it ended with {status}:\n{log}");
            }
            Evil::Halt => {
                gate.pause();
                seconds(random, 7.0, 9.0);
                gate.resume();
                return self.members.push(Member(gate, config));
            }
            _ => {
                let guest = Gate::spawn(&config.clone().set("/instance", "guest"));
                seconds(random, 1.0, 4.0);
                guest.kill();
                return self.members.push(Member(gate, config));
            }
        }
        self.members.push(Member::start(&config));
    }

    fn harm_at_step(&mut self, evil: Evil, random: &mut StdRng) {
        let Member(gate, config) = self.victim(random);
        gate.kill();
        if evil == Evil::Aborts {
            return self.members.push(Member::start_with(&config, ABORTS));
        }
        let step = STEPS.choose(random).unwrap();
        let nth = if *step == "in_revoke" { 1 } else { random.random_range(1..10) };
        let order = format!("{step}={nth}:{}", if evil == Evil::KillAtStep { "kill" } else { "stop" });
        println!("         {order}");
        let mut gate = Gate::spawn_with(&config, &[("SLUICE_FAILPOINTS", &order)]);
        let start = Instant::now();
        while gate.exited().is_none() && !gate.is_halted() && start.elapsed() < STEP {
            std::thread::sleep(Duration::from_millis(50));
        }
        // One that has not met its step must not meet it later, when nobody would wake it.
        if gate.exited().is_none() && gate.is_halted() {
            seconds(random, 7.0, 9.0);
            gate.resume();
            return self.members.push(Member(gate, config));
        }
        gate.kill();
        self.members.push(Member::start(&config));
    }

    fn harm_broker(&self, evil: Evil, random: &mut StdRng) {
        let kafka = &self.scene.kafka;
        let id = random.random_range(1..=3);
        match evil {
            Evil::KillBroker | Evil::Coordinator => {
                let group = self.scene.group(self.line);
                let id = if evil == Evil::Coordinator { kafka.coordinator(Key::Group(&group)) } else { id };
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
            _ => kafka.set_topic(&self.line.outputs.validated, "max.message.bytes", "2000000"),
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

/// Runs one seed over a cluster that is whole, and leaves it so.
fn run(cluster: &'static Cluster, seed: u64) {
    let mut random = StdRng::seed_from_u64(seed);
    let schedule = schedule(&mut random);
    println!("seed {seed}: {schedule:?}; replay with SLUICE_TEST_SEED={seed}");
    let mut scene = Scene::on(Hold::Shared(cluster), "nemesis");
    let proxy = Proxy::start(cluster);
    let line = scene.add("orders", 6, Policy::default(), json!({}));
    let config = configuration(&scene, &proxy);
    let beside = scene.replace(&line, "copies");
    let beside_config = configuration(&scene, &proxy).set("/delivery", "at-least-once");
    let named =
        |name: &str| if seed.is_multiple_of(2) { config.clone() } else { config.clone().set("/instance", name) };
    let members = [named("pod-0"), named("pod-1"), beside_config].iter().map(Member::start).collect();
    let load = Load::new(&scene, &line, seed, RATE).of(line.traffic(seed).of_size(200));
    let begun = Instant::now();
    let mut stage = Stage { scene: &scene, line: &line, proxy: &proxy, members };
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        seconds(&mut random, 2.0, 4.0);
        for evil in schedule {
            seconds(&mut random, 1.0, 4.0);
            println!("{:6.1} s {evil:?}", begun.elapsed().as_secs_f64());
            stage.suffer(evil, &mut random);
        }
        while begun.elapsed() < LOAD || load.made() < RECORDS {
            std::thread::sleep(Duration::from_millis(100));
        }
    });
    println!("{:6.1} s end of the load", begun.elapsed().as_secs_f64());
    let sent = load.finish();
    let findings = [(&line, false), (&beside, true)].map(|(line, duplicates)| {
        scene.wait_committed_within(line, &sent, CATCH_UP);
        scene.findings(line, &sent, &BTreeMap::new(), duplicates)
    });
    let copies = [&line, &beside].map(|line| scene.copies(line, &BTreeMap::new()).saturating_sub(sent.len()));
    println!(
        "seed {seed}: {} records, {:.0?}, exactly once: {} findings, {} copies; at least once: {} findings, {} copies",
        sent.len(),
        begun.elapsed(),
        findings[0].len(),
        copies[0],
        findings[1].len(),
        copies[1],
    );
    findings.iter().for_each(|findings| assert_clean(findings));
    for Member(gate, _) in &mut stage.members {
        let ended = gate.exited();
        assert!(ended.is_none(), "a member ended with {ended:?}, and nobody had asked it to:\n{}", gate.log());
    }
}

/// Returns the configuration of the scene's only gate, through the proxy, with timeouts that faults can outlast and
/// brokers' deaths do not.
fn configuration(scene: &Scene, proxy: &Proxy) -> Config {
    let config = scene.config().set("/kafka/bootstrap.servers", proxy.bootstrap());
    config.set("/kafka/transaction.timeout.ms", "7000").set("/kafka/session.timeout.ms", "8000")
}

/// Runs these seeds, also those after one that fails.
fn run_all(seeds: &[u64]) {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let cluster = CLUSTER.get_or_init(Cluster::start_three);
    let passes = |seed: &&u64| {
        let passed = std::panic::catch_unwind(|| run(cluster, **seed)).is_ok();
        println!("seed {seed} {}", if passed { "passed" } else { "FAILED" });
        cluster.heal();
        passed
    };
    let passed: Vec<_> = seeds.iter().filter(passes).collect();
    println!("{} of {} nemesis seeds pass", passed.len(), seeds.len());
    let failed: Vec<_> = seeds.iter().filter(|seed| !passed.contains(seed)).collect();
    assert!(failed.is_empty(), "seeds failed: {failed:?}; replay each with SLUICE_TEST_SEED");
}

/// The universal check after each of these schedules.
#[test]
fn random_schedules() {
    let number = |name: &str| std::env::var(name).ok().map(|text| text.parse::<u64>().expect("a number"));
    let first = number("SLUICE_TEST_FIRST_SEED").unwrap_or(100);
    let count = number("SLUICE_TEST_SEEDS").or(long().then_some(50));
    match (std::env::var_os("SLUICE_TEST_SEED"), count) {
        (None, Some(count)) => run_all(&(first..first + count).collect::<Vec<_>>()),
        (None, None) => run_all(&[first, first + 1, seed()]),
        (Some(_), _) => run_all(&[seed()]),
    }
}
