//! Hostile input: every kept case through its oracle, within bounds, with the outcome that its name states.
//!
//! The cases lie in `tests/hostile/{target}/{name}.{outcome}`, the oracles in `fuzz/oracles`, where the fuzz targets
//! use them. What is measured is the product's work alone, in the build that `cargo test` makes: CPU time of the
//! thread, so that a busy machine fails nothing, the least of three; and the most bytes that it held at once. Records
//! (frames, data, headers) are bounded absolutely; texts (schemas, answers) in proportion to their size, since their
//! limits let them be a megabyte; pairs of schemas and configurations have ten times the time. Records keep to their
//! bound in any build; the others may take [`SLOW`] times as long without optimisation.
//!
//! `UPDATE_CORPUS=1` writes the constructed cases anew. A case that a fuzzer found is put beside them by hand.

#![expect(clippy::panic, reason = "a test panics where a program returns")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

#[path = "hostile_construct/mod.rs"]
mod construct;
#[path = "../fuzz/oracles/mod.rs"]
#[allow(
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "shapes of JSON, and numbers made from random bytes"
)]
mod oracles;

/// What one record may cost.
const RECORD: Bounds = Bounds { time: ms(10), bytes: 10_000_000, unit: usize::MAX };

/// How much longer a text may take without optimisation, on a machine that others use as well: CPU time grows with
/// them, too, where they share caches.
const SLOW: u64 = if cfg!(debug_assertions) { 4 } else { 1 };

/// What each 64 KiB of a text may cost.
const TEXT: Bounds = Bounds { time: ms(10 * SLOW), bytes: 10_000_000, unit: 64 << 10 };

/// What may cost more than its size, up to a limit of its own: pairs of schemas that meet in all combinations, and
/// configurations, of which a process reads one.
const ONCE: Bounds = Bounds { time: ms(100 * SLOW), bytes: 10_000_000, unit: usize::MAX };

/// A conversion with its plan: a mapping may make 16 MiB of any record, and an expression has a second.
const CONVERSION: Bounds = Bounds { time: ms(1_000 * SLOW), bytes: 40_000_000, unit: usize::MAX };

/// The least number of kept cases.
const CASES: usize = 300;

#[derive(Debug, Clone, Copy)]
struct Bounds {
    time: Duration,
    bytes: i64,
    /// The bytes of input that it is for: once for each such part.
    unit: usize,
}

const fn ms(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// A target: its folder, its oracle, and what a case may cost.
type Target = (&'static str, fn(&[u8]) -> String, Bounds);

const TARGETS: [Target; 11] = [
    ("wire", oracles::wire::judge, RECORD),
    ("schema", oracles::schema::judge, TEXT),
    ("check", oracles::check::judge, RECORD),
    ("resolve", oracles::resolve::judge, ONCE),
    ("convert", oracles::convert::judge, CONVERSION),
    ("registry", oracles::registry::judge, TEXT),
    ("config", oracles::config::judge, ONCE),
    ("dead_letter", oracles::dead_letter::judge, RECORD),
    ("requests", oracles::requests::judge, ONCE),
    ("log", oracles::log::judge, TEXT),
    ("statistics", oracles::statistics::judge, TEXT),
];

thread_local! {
    static HELD: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
    static BEFORE: Cell<(i64, Duration)> = const { Cell::new((0, Duration::ZERO)) };
    static COST: Cell<(i64, Duration)> = const { Cell::new((0, Duration::ZERO)) };
}

struct Counting;

impl Counting {
    fn held(bytes: i64) {
        HELD.set(HELD.get() + bytes);
        MOST.set(MOST.get().max(HELD.get()));
    }
}

// SAFETY: every call goes unchanged to the system's allocator; counting touches `Cell`s without destructors, which
// allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        Self::held(layout.size().cast_signed() as i64);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        Self::held(-(layout.size().cast_signed() as i64));
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The CPU time that this thread has used.
fn cpu() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes to the struct that it is given, and nothing else.
    #[allow(unsafe_code)]
    let status = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(status, 0, "this system tells no CPU time of a thread");
    Duration::new(time.tv_sec.cast_unsigned(), u32::try_from(time.tv_nsec).expect("below a second"))
}

/// Adds up the product's work.
fn meter(begins: bool) {
    if begins {
        MOST.set(HELD.get());
        BEFORE.set((HELD.get(), cpu()));
    } else {
        let (held, began) = BEFORE.get();
        let (bytes, time) = COST.get();
        COST.set((bytes.max(MOST.get() - held), time + (cpu() - began)));
    }
}

/// A kept case: its name, the outcome that it states, and the input.
struct Case {
    path: PathBuf,
    outcome: String,
    input: Vec<u8>,
}

fn corpus() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile")
}

fn cases(target: &str) -> Vec<Case> {
    let folder = corpus().join(target);
    let mut paths: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.expect("a folder that can be read").path())
        .collect();
    paths.sort();
    let case = |path: PathBuf| {
        let outcome = path.extension().and_then(|text| text.to_str()).expect("an outcome in the name").to_owned();
        let input = fs::read(&path).expect("a file that can be read");
        Case { path, outcome, input }
    };
    paths.into_iter().map(case).collect()
}

/// Judges a case three times; returns the outcome and the least that it cost.
fn judge(judge: fn(&[u8]) -> String, input: &[u8]) -> (String, i64, Duration) {
    oracles::METER.set(meter);
    oracles::NARROW.set(true);
    let mut least = (String::new(), i64::MAX, Duration::MAX);
    for _ in 0..3 {
        COST.set((0, Duration::ZERO));
        let outcome = judge(input);
        let (bytes, time) = COST.get();
        least = (outcome, least.1.min(bytes), least.2.min(time));
    }
    least
}

#[test]
fn every_case_ends_as_its_name_says_and_within_its_bounds() {
    let mut faults = Vec::new();
    let mut count = 0;
    for (target, oracle, bounds) in TARGETS {
        let mut most = (Duration::ZERO, 0, String::new());
        let cases = cases(target);
        let mut outcomes: BTreeMap<String, usize> = BTreeMap::new();
        for case in &cases {
            let name = case.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let (outcome, bytes, time) = judge(oracle, &case.input);
            let units = u32::try_from(1 + case.input.len() / bounds.unit).expect("small");
            if outcome != case.outcome {
                faults.push(format!("{target}/{name}: {outcome}"));
            }
            if time > bounds.time * units || bytes > bounds.bytes * i64::from(units) {
                faults.push(format!("{target}/{name}: {time:?}, {bytes} bytes"));
            }
            most = (most.0.max(time / units), most.1.max(bytes / i64::from(units)), name);
            *outcomes.entry(outcome).or_default() += 1;
        }
        count += cases.len();
        println!("{target}: {} cases, at most {:?} and {} bytes: {outcomes:?}", cases.len(), most.0, most.1);
    }
    assert!(faults.is_empty(), "{} of {count} cases:\n{}", faults.len(), faults.join("\n"));
    assert!(count >= CASES, "only {count} cases are kept, fewer than {CASES}");
}

/// What is constructed lies there as it is constructed: the files are what is tested.
#[test]
fn constructed_cases_lie_as_files() {
    let update = std::env::var_os("UPDATE_CORPUS").is_some();
    let mut faults = Vec::new();
    for (target, ..) in TARGETS {
        let folder = corpus().join(target);
        for (name, input) in construct::cases(target) {
            let path = folder.join(&name);
            if update {
                fs::create_dir_all(&folder).expect("a folder that can be made");
                fs::write(&path, &input).expect("a file that can be written");
            } else if fs::read(&path).ok() != Some(input) {
                faults.push(format!("{target}/{name}"));
            }
        }
    }
    assert!(faults.is_empty(), "not as constructed, run with UPDATE_CORPUS=1:\n{}", faults.join("\n"));
}
