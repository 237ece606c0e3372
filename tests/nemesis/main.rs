//! Faults in a random order, drawn from a seed, over three brokers and two gates under load; then all is healed and the
//! universal check applied. What the other tests do one by one meets here: a kill during a rebalance, a coordinator that
//! dies while the registry is away, a member that wakes up into another's assignment.
//!
//! A seed is a minute of load, 100,000 records and at least five faults of three kinds, for two members that deliver
//! exactly once (with instance names where the seed is odd) and one beside them that delivers at least once: of that,
//! nothing is lost, and its copies are counted. All reach the brokers through the proxy.
//!
//! The short form is two fixed seeds and a random one. `SLUICE_TEST_SEEDS=50` runs fifty from `SLUICE_TEST_FIRST_SEED` on
//! (100); one that fails does not keep the others from running, and `SLUICE_TEST_SEED` replays it.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;

mod evil;

use std::collections::BTreeMap;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::check::assert_clean;
use common::gate::Config;
use common::kafka::{Cluster, Hold, Setup};
use common::load::Load;
use common::proxy::Proxy;
use common::scene::{Line, Scene};
use common::traffic::{Policy, Sent};
use common::{long, seed};
use evil::{EVILS, Evil, Member, Stage, seconds};
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use serde_json::json;

/// How long the load goes on at least, and with how many records.
const LOAD: Duration = Duration::from_secs(60);
const RECORDS: usize = 100_000;
const RATE: u32 = 2_000;
/// The faults of one seed, at least: so many, of so many kinds.
const FAULTS: usize = 5;
const KINDS: usize = 3;
/// For the gates to catch up once all is well: in a debug build, on a busy machine, corpses included.
const CATCH_UP: Duration = Duration::from_secs(300);

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
    let sent = load.finish(&scene.kafka);
    judge(&scene, [&line, &beside], &sent, seed);
    for Member(gate, ..) in &mut stage.members {
        let ended = gate.exited();
        assert!(ended.is_none(), "a member ended with {ended:?}, and nobody had asked it to:\n{}", gate.log());
    }
    println!("seed {seed}: {:.0?}", begun.elapsed());
    drop(stage);
    // Fifty seeds would fill a disk.
    let outputs = [&line.outputs, &beside.outputs];
    let topics = outputs.iter().flat_map(|outputs| [&outputs.validated, &outputs.converter, &outputs.dead_letter]);
    topics.chain([&line.source]).for_each(|topic| cluster.delete_topic(topic));
}

/// Waits until all is through both gates, the second of which may have copies, and applies the universal check.
fn judge(scene: &Scene, lines: [&Line; 2], sent: &[Sent], seed: u64) {
    lines.iter().for_each(|line| scene.wait_committed_within(line, sent, CATCH_UP));
    let [once, at_least] = [(lines[0], false), (lines[1], true)]
        .map(|(line, duplicates)| scene.findings(line, sent, &BTreeMap::new(), duplicates));
    let copies = lines.map(|line| scene.copies(line, &BTreeMap::new()).saturating_sub(sent.len()));
    println!(
        "seed {seed}: {} records, exactly once: {} findings, {} copies; at least once: {} findings, {} copies",
        sent.len(),
        once.len(),
        copies[0],
        at_least.len(),
        copies[1],
    );
    assert_clean(&once);
    assert_clean(&at_least);
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
    let cluster = CLUSTER.get_or_init(|| Setup::new(3).property("log.segment.delete.delay.ms", "1000").start());
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
