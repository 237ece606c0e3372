//! What the end-to-end tests share: a Kafka, a registry, gates as processes, traffic, and the universal check.
//!
//! ```text
//! traffic ──> kafka ──> gate (the `sluice` binary) ──> kafka ──> check
//!                         └── registry (with faults)
//! ```
//! - `process`: children that never outlive their test
//! - `kafka`: a real Apache Kafka of one or three nodes (`node`), by version (`jars`); `client`: writing, reading and asking it
//! - `registry`: the project's registry behind a layer of faults; `proxy`: the cluster behind one; `netns`: a network of
//!   a gate's own
//! - `gate`: configuration and life of a `sluice run`
//! - `schemas`, `traffic`: records of every class, from a seed, each with what must become of it
//! - `check`: whether it became of it; `scene`: the usual cast put together
//! - `python`: an interpreter that has the field's client
//! - `load`: traffic that goes on in the background; `fault`: a fault of the fault table under it; `kill`: processes killed
//!   under a load
//! - `conversion`: orders in three versions, and what each becomes, converted
//!
//! Nothing here reuses the gate's own code for reading what the gate wrote: names of headers and metrics are spelled
//! out, since they are contracts.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::wildcard_enum_match_arm,
    reason = "what a test may, its helpers may: clippy.toml allows it in functions marked as tests only"
)]

pub(crate) mod ask;
pub(crate) mod certificates;
pub(crate) mod check;
pub(crate) mod client;
pub(crate) mod conversion;
#[cfg(feature = "tls")]
pub(crate) mod door;
pub(crate) mod fault;
pub(crate) mod gate;
pub(crate) mod http;
#[cfg(feature = "tls")]
pub(crate) mod https;
pub(crate) mod jars;
pub(crate) mod java;
pub(crate) mod kafka;
pub(crate) mod kill;
pub(crate) mod load;
pub(crate) mod metrics;
pub(crate) mod netns;
pub(crate) mod node;
pub(crate) mod process;
pub(crate) mod proxy;
pub(crate) mod python;
pub(crate) mod registry;
pub(crate) mod scene;
pub(crate) mod schemas;
pub(crate) mod secured;
pub(crate) mod traffic;

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Tells whether the long forms were asked for (`make test-long`).
pub(crate) fn long() -> bool {
    std::env::var_os("SLUICE_TEST_LONG").is_some_and(|value| value != "0")
}

/// Returns the seed of a run: `SLUICE_TEST_SEED`, or one of its own, printed so that a failure can be replayed.
pub(crate) fn seed() -> u64 {
    let seed = match std::env::var("SLUICE_TEST_SEED") {
        Ok(text) => text.parse().expect("SLUICE_TEST_SEED is a number"),
        Err(_) => u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()),
    };
    println!("seed {seed}: replay with SLUICE_TEST_SEED={seed}");
    seed
}

/// Returns a name that no other test of any run uses: of a topic, a group, an application.
pub(crate) fn unique(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let start = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs() % 1_000_000;
    format!("{name}-{start}-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Returns the folder for what is fetched once and kept: jars, Python packages.
pub(crate) fn cache() -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/.cache");
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// How many times longer than it takes at most a test waits: a machine that others use stands still now and then, and
/// a test says what happens, not how fast.
pub(crate) const PATIENCE: u32 = 3;

/// Asks until the answer is there, at most for `limit` with patience; `what` names it in the failure.
pub(crate) fn wait_for<T>(what: &str, limit: Duration, mut ask: impl FnMut() -> Option<T>) -> T {
    let (start, limit) = (Instant::now(), limit * PATIENCE);
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < limit, "waited {limit:?} in vain for {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
