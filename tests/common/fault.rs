//! A fault under load: what is done, how long it takes to get over it, and whether anything was lost or doubled.
//!
//! ```text
//! load ───────────────────────────────────────────────┐
//!       committed ─> act ─> all sent so far committed ─> a moment ─> end ─> universal check
//!                          └── the time to recover ──┘
//! ```
//! Each fault ends in one line, printed and, where `SLUICE_FAULTS_REPORT` names a file, appended there as JSON; so does
//! each that this machine cannot do.

use std::fs::File;
use std::io::Write as _;
use std::time::{Duration, Instant};

use serde_json::json;

use super::check::{Finding, assert_clean, ends_of};
use super::load::{Load, Progress};
use super::scene::{Line, Scene};

/// Records per second of the load.
const RATE: u32 = 1_500;
/// Records that are through before the fault begins.
const BEFORE: usize = 500;
/// For them, on a busy machine, with partitions that still move.
const BEGIN: Duration = Duration::from_secs(90);
/// How long the load goes on after it has recovered.
const AFTER: Duration = Duration::from_secs(1);

/// A fault of the fault table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fault {
    /// Its number there.
    pub(crate) number: &'static str,
    /// What is done.
    pub(crate) what: &'static str,
    /// How long it may take until all that was sent to the end of the fault is committed.
    pub(crate) bound: Duration,
}

/// Keeps records coming through `line` while `fault` is done and undone (`act`), waits until all that was sent until its
/// end is committed, goes on for a moment, stops the load and applies the universal check to what it wrote. A line may
/// endure one fault after the other.
pub(crate) fn endure(scene: &Scene, line: &Line, fault: Fault, act: impl FnOnce()) {
    let starts = ends_of(&scene.kafka, &line.routes());
    let load = Load::new(scene, line, super::seed(), RATE);
    let mut recovered = Duration::ZERO;
    let mut during = 0;
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        let progress = Progress::of(scene, line);
        wait_committed(&load, &progress, || load.made() >= BEFORE, BEGIN, "the begin of the load");
        let before = load.made();
        act();
        let ended = Instant::now();
        during = load.made() - before;
        wait_committed(&load, &progress, || true, fault.bound, fault.what);
        recovered = ended.elapsed();
        std::thread::sleep(AFTER);
    });
    let sent = load.finish(&scene.kafka);
    scene.wait_committed(line, &sent);
    let findings = scene.findings(line, &sent, &starts, false);
    let count = |is: fn(&Finding) -> bool| findings.iter().filter(|finding| is(finding)).count();
    let lost = count(|finding| matches!(finding, Finding::Missing(_)));
    let twice = count(|finding| matches!(finding, Finding::Doubled(_)));
    let Fault { number, what, .. } = fault;
    say(&format!(
        "fault {number}: {what}: recovered in {:.1} s, {during} records during the fault, {lost} lost, {twice} twice",
        recovered.as_secs_f64()
    ));
    report(json!({
        "fault": number, "what": what, "recovered_seconds": recovered.as_secs_f64(), "records_during": during,
        "records": sent.len(), "lost": lost, "twice": twice, "findings": findings.len(),
    }));
    assert_clean(&findings);
}

/// Waits until enough was made and all that was made up to then is committed.
fn wait_committed(load: &Load, progress: &Progress, enough: impl Fn() -> bool, limit: Duration, what: &str) {
    let (start, limit) = (Instant::now(), limit * super::PATIENCE);
    let pause = || {
        assert!(
            start.elapsed() < limit,
            "'{what}' is not over after {limit:?}: {} made, {} acknowledged, committed: {:?}",
            load.made(),
            load.acknowledged(),
            progress.committed()
        );
        std::thread::sleep(Duration::from_millis(20));
    };
    while !enough() {
        pause();
    }
    let count = load.made();
    let ends = loop {
        match load.ends(count) {
            Some(ends) => break ends,
            None => pause(),
        }
    };
    while !progress.has(&ends) {
        pause();
    }
}

/// Says that this machine cannot do a fault, and why; the test passes.
pub(crate) fn not_run(number: &str, reason: &str) {
    say(&format!("fault {number}: not run: {reason}"));
    report(json!({ "fault": number, "not_run": reason }));
}

/// Reports what was seen of a fault that is not endured under a load; its test has looked at the outcome itself.
pub(crate) fn seen(number: &str, seen: &str) {
    say(&format!("fault {number}: {seen}"));
    report(json!({ "fault": number, "seen": seen }));
}

/// Prints a line that a test which passes shows too: `println!` is kept from the reader then.
pub(crate) fn say(line: &str) {
    writeln!(std::io::stderr(), "{line}").ok();
}

/// Appends a line for the table in docs/guarantees.md (`tests/guarantees.rs`).
fn report(mut line: serde_json::Value) {
    let Some(path) = std::env::var_os("SLUICE_FAULTS_REPORT") else { return };
    line["test"] = std::thread::current().name().into();
    let mut file = File::options().create(true).append(true).open(path).unwrap();
    // One write, so that lines of tests side by side do not mix.
    file.write_all(format!("{line}\n").as_bytes()).unwrap();
}
