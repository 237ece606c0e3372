//! An hour of load with mild faults: what a gate holds must not grow (check 7 of the universal check).
//!
//! Long only; `SLUICE_TEST_SOAK_MINUTES` says how long. Every minute brings a member that comes and goes, an outage of the
//! registry or a halt of the broker; twice a minute memory, open files and threads are sampled. Flat means: the median of the last quarter is
//! no more than a tenth and 8 MiB above the median of the second quarter (the first one fills caches), for files and threads
//! no more than four above.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

use common::check::{assert_clean, ends_of};
use common::fault::say;
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::load::Load;
use common::process::Held;
use common::scene::Scene;
use common::traffic::Policy;
use common::{long, seed};
use serde_json::json;

/// Records per second: an hour of it fits the memory of the check.
const RATE: u32 = 300;
/// How long the registry or the broker is away, ten times an hour each.
const OUTAGE: Duration = Duration::from_secs(3);

#[test]
fn an_hour_of_load() {
    if !long() {
        say("not run: needs SLUICE_TEST_LONG=1, see make test-long");
        return;
    }
    let minutes = std::env::var("SLUICE_TEST_SOAK_MINUTES").map_or(60, |text| text.parse().expect("a number"));
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "soak");
    let line = scene.add("orders", 6, Policy::default(), json!({}));
    let config = scene.config();
    let gate = Gate::start(&config);
    let starts = ends_of(&scene.kafka, &line.routes());
    let seed = seed();
    let load = Load::new(&scene, &line, seed, RATE).of(line.traffic(seed).of_size(200));
    let mut samples = Vec::new();
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        // At least eight samples, or quarters say nothing.
        let (begun, rounds) = (Instant::now(), (minutes * 2).max(8));
        for round in 0..rounds {
            std::thread::sleep((Duration::from_secs(30) * (round + 1)).saturating_sub(begun.elapsed()));
            samples.push(gate.held());
            println!("{:>6.0} s {:?}", begun.elapsed().as_secs_f64(), samples.last().unwrap());
            disturb(round, &scene, &config);
        }
    });
    let sent = load.finish(&scene.kafka);
    scene.wait_committed(&line, &sent);
    println!(
        "{} records in {minutes} min, {} rebalances",
        sent.len(),
        gate.metrics().sum("sluice_rebalances_total", &[])
    );
    assert_flat(&samples);
    assert_clean(&scene.findings(&line, &sent, &starts, false));
}

/// Every second round, in turn: a member comes and goes, the registry is away, the broker is.
fn disturb(round: u32, scene: &Scene, config: &Config) {
    match round % 6 {
        1 => {
            let (status, log) = Gate::start(config).stop(Duration::from_secs(20));
            assert!(status.success(), "a member that was asked to leave ended with {status}:\n{log}");
        }
        3 => {
            scene.registry.down();
            std::thread::sleep(OUTAGE);
            scene.registry.up();
        }
        5 => {
            scene.kafka.halt();
            std::thread::sleep(OUTAGE);
            scene.kafka.go_on();
        }
        _ => {}
    }
}

fn assert_flat(samples: &[Held]) {
    let quarter = samples.len() / 4;
    let median = |samples: &[Held], of: fn(&Held) -> u64| {
        let mut values: Vec<_> = samples.iter().map(of).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    let (early, late) = (&samples[quarter..2 * quarter], &samples[samples.len() - quarter..]);
    let both = |of| (median(early, of), median(late, of));
    let (before, after) = both(|held| held.resident_kib);
    assert!(after <= before + before / 10 + 8 * 1024, "memory grows: {before} KiB, then {after} KiB");
    let (before, after) = both(|held| held.files);
    assert!(after <= before + 4, "open files grow: {before}, then {after}");
    let (before, after) = both(|held| held.threads);
    assert!(after <= before + 4, "threads grow: {before}, then {after}");
}

/// The criterion itself: what grows is found.
#[test]
fn growth_is_found() {
    let samples = |step: u64| -> Vec<_> {
        (0..16).map(|n| Held { resident_kib: 40_000 + n * step, files: 50, threads: 30 }).collect()
    };
    assert_flat(&samples(100));
    assert!(std::panic::catch_unwind(|| assert_flat(&samples(4_000))).is_err(), "3 MiB a sample is growth");
}
