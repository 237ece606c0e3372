//! Processes that are killed as by a power cut and started again, at moments that a seed chooses, while a load runs.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::gate::{Config, Gate};

/// How long a process that has started lives: past its start, so that work is under way; a random moment of some commit
/// intervals.
const LIFE: std::ops::Range<u64> = 300..2_000;

/// Starts a process of each configuration, and kills each `kills` times, at moments of its own, and starts it again while
/// `load` runs. Leaves the last ones running.
pub(crate) fn killed<T: Send>(
    configs: &[&Config],
    seed: u64,
    kills: u32,
    load: impl FnOnce() -> T + Send,
) -> (Vec<Gate>, T) {
    let restarted = |config: &Config, seed: u64| {
        let mut random = StdRng::seed_from_u64(seed);
        let mut gate = Gate::start(config);
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(random.random_range(LIFE)));
            gate.kill();
            gate = Gate::start(config);
        }
        gate
    };
    std::thread::scope(|scope| {
        let load = scope.spawn(load);
        let numbered = configs.iter().zip(0..);
        let processes: Vec<_> = numbered
            .map(|(config, number)| scope.spawn(move || restarted(config, seed.wrapping_add(number))))
            .collect();
        let gates = processes.into_iter().map(|process| process.join().unwrap()).collect();
        (gates, load.join().unwrap())
    })
}
