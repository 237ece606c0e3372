//! Faults at chosen steps of a transaction, under load: each record still meets one outcome (faults 1, 2, 14 and 28).
//!
//! The steps are the failpoints of `src/pipeline/failpoint.rs`, which only builds with debug assertions have.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::os::unix::process::ExitStatusExt as _;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use common::fault::{Fault, endure, seen};
use common::gate::{Config, Gate};
use common::load::Load;
use common::proxy::{Action, ApiKey, Proxy, Rule};
use common::scene::Scene;
use common::traffic::Class;
use common::{long, seed, wait_for};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

/// Numbers of signals, as an exit status has them.
const SIGKILL: i32 = 9;
const SIGABRT: i32 = 6;

/// From the start of a gate to the end that a failpoint orders: it waits for a corpse's session (6 s) and transaction
/// (4 s) first.
const DEATH: Duration = Duration::from_secs(60);

/// The steps at which a gate is killed, but for a rebalance.
const STEPS: [&str; 6] =
    ["after_poll", "after_produce", "before_offsets", "after_offsets", "before_commit", "after_commit"];

fn spawn(config: &Config, failpoints: &str) -> Gate {
    Gate::spawn_with(config, &[("SLUICE_FAILPOINTS", failpoints)])
}

/// Waits for the end that a failpoint orders.
fn dies(gate: Gate, signal: i32) -> (ExitStatus, String) {
    let (status, log) = gate.wait_exit(DEATH);
    assert_eq!(status.signal(), Some(signal), "{status}:\n{log}");
    (status, log)
}

/// Returns how many partitions the gate has.
fn assigned(gate: &Gate) -> usize {
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    let count = gate.metrics().sum("sluice_assigned_partitions", &[]) as usize;
    count
}

/// Starts a gate with failpoints, and waits until it has all partitions: what is sent from then on comes in many
/// transactions, however long the start took.
fn begin(config: &Config, failpoints: &str, partitions: usize) -> Gate {
    let mut gate = spawn(config, failpoints);
    gate.wait_ready();
    wait_for("all partitions", DEATH, || (assigned(&gate) == partitions).then_some(()));
    gate
}

/// Counts the transactions that came to this end.
fn counted(gate: &Gate, result: &str) -> f64 {
    gate.metrics().sum("sluice_transactions_total", &[("result", result)])
}

fn aborted(gate: &Gate) -> f64 {
    counted(gate, "aborted")
}

/// Kills a gate at each step of a transaction, one after the other; the last one lives. `guest` is a second member's
/// configuration, whose coming starts the rebalance.
fn kill_at_each_step(config: &Config, guest: &Config, first: Gate) -> Gate {
    let mut random = StdRng::seed_from_u64(seed());
    first.kill();
    for round in 0..if long() { 5 } else { 1 } {
        for step in STEPS {
            let order = format!("{step}={}:kill", random.random_range(2..8));
            println!("round {round}: {order}");
            dies(spawn(config, &order), SIGKILL);
        }
        let gate = begin(config, "in_revoke=1:kill", 4);
        let guest = Gate::spawn(guest);
        dies(gate, SIGKILL);
        let (status, log) = guest.stop(Duration::from_secs(15));
        assert!(status.success(), "{log}");
    }
    Gate::start(config)
}

/// Fault 1: killed at each step of a transaction and started again, without an instance name: new transactional IDs, so
/// what the corpse has left open ends by its timeout. Bound: session and transaction timeout, and the backlog.
#[test]
fn fault_01_killed_at_each_step() {
    let scene = Scene::new("killed-at", 4);
    let config = scene.config();
    let first = Gate::start(&config);
    let mut last = None;
    let fault = Fault { number: "1", what: "killed at each step", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || last = Some(kill_at_each_step(&config, &config, first)));
}

/// Fault 1 with an instance name: the restart has the same transactional IDs and ends the corpse's transaction at once.
#[test]
fn fault_01_killed_at_each_step_with_an_instance_name() {
    let scene = Scene::new("killed-as", 4);
    let config = scene.config().set("/instance", "pod-0");
    let guest = scene.config().set("/instance", "pod-1");
    let first = Gate::start(&config);
    let mut last = None;
    let fault =
        Fault { number: "1", what: "killed at each step, with an instance name", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || last = Some(kill_at_each_step(&config, &guest, first)));
}

/// Fault 28: 30 % of the transactions are aborted, at every step where one can be. Exactly once, only slower.
#[test]
fn fault_28_abort_storm() {
    let scene = Scene::new("storm", 4);
    // Records are produced up to ten times in a transaction, the other steps come once.
    let order = "after_produce=2%:abort,before_offsets=12%:abort,before_commit=12%:abort,in_revoke=30%:abort";
    let mut gate = spawn(&scene.config(), order);
    gate.wait_ready();
    let fault = Fault { number: "28", what: "abort storm", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || {
        std::thread::sleep(Duration::from_secs(if long() { 300 } else { 8 }));
        wait_for("some aborts", DEATH, || (aborted(&gate) > 5.0).then_some(()));
    });
}

/// Words that are no order are refused before anything starts.
#[test]
fn wrong_failpoints_are_refused() {
    let scene = Scene::new("wrong-failpoints", 1);
    let (status, log) = spawn(&scene.config(), "befor_commit=1:kill").wait_exit(Duration::from_secs(20));
    assert_eq!(status.code(), Some(2), "{log}");
    assert!(log.contains("befor_commit") && log.contains("before_commit"), "{log}");
}

/// Returns how many producers a gate has replaced.
fn rebuilds(gate: &Gate, cause: &str) -> f64 {
    gate.metrics().sum("sluice_producer_rebuilds_total", &[("cause", cause)])
}

/// Fault 14: the gate is so slow that the coordinator gives up on its transactions. The producer is fenced by that, and
/// made anew in the process: no exit, no loss.
#[test]
fn fault_14_transaction_times_out() {
    let scene = Scene::new("too-slow", 4);
    // From its begin, with a commit interval and a scan each 0.5 s: beyond the timeout.
    let order = "before_offsets=10:sleep 3000,before_commit=40:sleep 3000";
    let config = scene.config().set("/kafka/transaction.timeout.ms", "1000");
    let mut gate = spawn(&config, order);
    gate.wait_ready();
    let fault = Fault { number: "14", what: "transaction timeout", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || {
        wait_for("the producer to be rebuilt", Duration::from_secs(60), || {
            (rebuilds(&gate, "fenced") > 0.0).then_some(())
        });
    });
    assert!(gate.exited().is_none(), "the gate goes on");
}

/// A commit that took so long that it may have been sent twice: it counts, and once, and the producer is replaced
/// before it begins another transaction (R1). A broker in order costs no producer.
#[test]
fn a_doubtful_commit_costs_the_producer() {
    let scene = Scene::new("doubtful", 2);
    let line = scene.line();
    let proxy = Proxy::start(&scene.kafka);
    let gate = Gate::start(&scene.config().patient().set("/kafka/bootstrap.servers", proxy.bootstrap()));
    let load = Load::new(&scene, line, seed(), 1_000);
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        let done = || counted(&gate, "committed");
        wait_for("some commits", DEATH, || (done() > 5.0).then_some(()));
        let held = proxy.set(Rule::answers(&[ApiKey::EndTxn], Action::Hold).first(1));
        held.wait_hits(1, DEATH);
        // Beyond the doubt at 0.7 s, and within every timeout.
        std::thread::sleep(Duration::from_millis(1_300));
        held.release();
        let before = done();
        wait_for("further commits", DEATH, || (done() > before + 5.0).then_some(()));
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(line, &sent, Some(&gate));
    // More than one where the machine stands still.
    let doubtful = rebuilds(&gate, "doubtful_end");
    assert!(doubtful >= 1.0, "one commit was doubtful:\n{}", gate.log());
    assert_eq!(gate.metrics().sum("sluice_producer_rebuilds_total", &[]), doubtful, "{}", gate.log());
    assert_eq!(aborted(&gate), 0.0, "nothing was read again");
    let mean = |name: &str| {
        gate.metrics().sum(&format!("{name}_sum"), &[]) / gate.metrics().sum(&format!("{name}_count"), &[])
    };
    println!("mean commit {:.1} ms", mean("sluice_commit_seconds") * 1_000.0);
}

/// A call into librdkafka that hangs ends the process, and leaves no memory on disk; the next one goes on (R7).
#[test]
fn a_call_that_hangs_ends_the_process() {
    let scene = Scene::new("hangs", 2);
    let (line, config) = (scene.line(), scene.config());
    let load = Load::new(&scene, line, seed(), 1_000);
    let gate = std::thread::scope(|scope| {
        let _ending = load.ending();
        let gate = begin(&config, "before_commit=4:sleep 3600000", 2);
        scope.spawn(|| load.run());
        assert!(gate.dumps_no_core(), "memory would go to disk");
        let (status, log) = dies(gate, SIGABRT);
        assert!(!status.core_dumped(), "memory went to disk");
        let told = log.lines().find(|line| line.contains("does not come back")).unwrap_or_default();
        for word in ["ERROR", "orders", "drained", "limit=10", "aborts"] {
            assert!(told.contains(word), "no '{word}' in '{told}' of:\n{log}");
        }
        Gate::start(&config)
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(line, &sent, None);
    drop(gate);
}

/// A process that was halted for longer than every bound, inside a watched call, is not one that hangs.
#[test]
fn a_halted_process_is_not_hung() {
    let scene = Scene::new("halted", 2);
    let line = scene.line();
    let config = scene.config().set("/kafka/transaction.timeout.ms", "1000");
    let mut gate = begin(&config, "before_commit=3:stop", 2);
    let load = Load::new(&scene, line, seed(), 1_000);
    std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        wait_for("the gate before its 3rd commit", Duration::from_secs(30), || gate.is_halted().then_some(()));
        std::thread::sleep(Duration::from_secs(12));
        gate.resume();
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(line, &sent, None);
    assert!(gate.exited().is_none());
}

/// A broker in order costs no producer, though each producer waits a second before it sends a request again: what often
/// has to be sent again, the partitions of a transaction that follows another at once, has a shorter wait of its own.
#[test]
fn a_broker_in_order_costs_no_producer() {
    let scene = Scene::new("in-order", 4);
    let line = scene.line();
    let gate = Gate::start(&scene.config().patient().set("/commit_interval", "20ms"));
    let sent = scene.send_paced(line, line.traffic(seed()).mixed(12_000, &Class::usual()), 2_000);
    scene.verify(line, &sent, Some(&gate));
    let metrics = gate.metrics();
    let commits = metrics.sum("sluice_commit_seconds_count", &[]);
    let mean = metrics.sum("sluice_commit_seconds_sum", &[]) / commits;
    println!("{commits} commits, {:.1} ms each", mean * 1_000.0);
    // A machine that stands still makes a commit doubtful, and not one in ten.
    assert!(rebuilds(&gate, "doubtful_end") < commits / 10.0, "{}", gate.log());
    let others = metrics.sum("sluice_producer_rebuilds_total", &[])
        - metrics.sum("sluice_producer_rebuilds_total", &[("cause", "doubtful_end")]);
    assert_eq!(others, 0.0, "{}", gate.log());
    assert!(mean < 0.8, "each commit took {mean} s: something is sent again and again");
}

/// Sends a load through a gate that delivers at least once while `act` is done to it; nothing may be lost, and what came
/// more than once is counted. Returns how many copies there were.
fn at_least_once(name: &str, what: &str, act: impl FnOnce(&Config) -> Gate) -> usize {
    let scene = Scene::new(name, 4);
    let line = scene.line();
    let config = scene.config().set("/delivery", "at-least-once").set("/instance", "pod-0");
    let load = Load::new(&scene, line, seed(), 1_000);
    let gate = std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        act(&config)
    });
    let sent = load.finish(&scene.kafka);
    scene.verify_at_least_once(line, &sent);
    drop(gate);
    let outputs = &line.outputs;
    let read = scene.kafka.read(&[&outputs.validated, &outputs.converter, &outputs.dead_letter]).len();
    println!("{what}, at least once: {} records, 0 lost, {} copies", sent.len(), read - sent.len());
    read - sent.len()
}

/// Fault 1 with at-least-once delivery: no loss; what was written and not committed comes again.
#[test]
fn fault_01_at_least_once() {
    let copies = at_least_once("killed-alo", "fault 1", |config| {
        for step in ["after_poll", "after_produce", "before_commit", "after_commit"] {
            dies(spawn(config, &format!("{step}=5:kill")), SIGKILL);
        }
        Gate::start(config)
    });
    assert!(copies > 0, "killed before the commit of records that were written, and none came twice");
}

/// Fault 28 with at-least-once delivery: no loss; an abort takes nothing back.
#[test]
fn fault_28_at_least_once() {
    let order = "after_produce=10%:abort,before_commit=20%:abort";
    let copies = at_least_once("storm-alo", "fault 28", |config| {
        let gate = begin(config, order, 4);
        wait_for("some aborts", DEATH, || (aborted(&gate) > 10.0).then_some(()));
        gate
    });
    assert!(copies > 0, "aborted after records were written, and none came twice");
}

/// Kills a gate whose transaction holds records and starts it again; returns how long readers of committed records stood
/// still before what was written by then.
fn stall(name: &str, settings: &[(&str, &str)]) -> Duration {
    let scene = Scene::new(name, 1);
    let line = scene.line();
    let config = settings.iter().fold(scene.config(), |config, (path, value)| config.set(path, *value));
    let gate = begin(&config, "before_commit=2:kill", 1);
    let load = Load::new(&scene, line, seed(), 1_000).only(&[Class::Order(common::schemas::Version::V2)]);
    let (gate, stall) = std::thread::scope(|scope| {
        let _ending = load.ending();
        scope.spawn(|| load.run());
        dies(gate, SIGKILL);
        let killed = Instant::now();
        let end = |isolation: &str| scene.kafka.ends(&line.outputs.validated, isolation).values().sum::<i64>();
        let written = end("read_uncommitted");
        assert!(end("read_committed") < written, "the corpse has left a transaction open");
        let gate = Gate::start(&config);
        wait_for("readers to go on", DEATH, || (end("read_committed") >= written).then_some(()));
        (gate, killed.elapsed())
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(line, &sent, None);
    drop(gate);
    stall
}

/// Fault 1, for readers: what a corpse has left open holds them up until the restart where the gate has an instance name,
/// else until its transaction times out.
#[test]
fn fault_01_readers_stand_still() {
    // The test does not wait until this one times out.
    let named = stall("stall-named", &[("/instance", "pod-0"), ("/kafka/transaction.timeout.ms", "600000")]);
    let unnamed = stall("stall", &[("/kafka/transaction.timeout.ms", "16000")]);
    seen("1", &format!("readers stood still for {named:.1?} with an instance name, {unnamed:.1?} without"));
}
