//! Faults of brokers under load, by the numbers of the fault table, on three nodes: three replicas of everything, two of
//! which must have a record.
//!
//! The tests take turns on one cluster, which each leaves whole; one that fails leaves it to the next to heal.
//! `SLUICE_TEST_LONG=1` kills each node that leads, and makes an outage of ten minutes.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use common::ask::{Key, OFFSETS, TRANSACTIONS};
use common::fault::{Fault, endure, not_run};
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold, Setup};
use common::scene::Scene;
use common::traffic::Policy;
use common::{long, wait_for};
use serde_json::json;

/// Transactions of these gates time out after so long: longer than it takes to notice that a broker is dead (4 s).
const TRANSACTION: Duration = Duration::from_secs(7);

/// A call may hang for a transaction timeout, the next one for another, leaders move meanwhile; and the machine.
const BOUND: Duration = Duration::from_secs(45);

/// Holds the cluster of three nodes for one test.
fn turn() -> (MutexGuard<'static, ()>, Hold) {
    static TURN: Mutex<()> = Mutex::new(());
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    let turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
    let cluster = CLUSTER.get_or_init(Cluster::start_three);
    cluster.heal();
    (turn, Hold::Shared(cluster))
}

fn scene(kafka: Hold, name: &str) -> Scene {
    let mut scene = Scene::on(kafka, name);
    scene.add("orders", 6, Policy::default(), json!({}));
    scene
}

fn config(scene: &Scene) -> Config {
    let timeout = TRANSACTION.as_millis().to_string();
    scene.config().set("/kafka/transaction.timeout.ms", timeout).set("/kafka/session.timeout.ms", "12000")
}

/// Returns how often the producer was lost and made anew.
fn rebuilds(gate: &Gate) -> f64 {
    gate.metrics().sum("sluice_producer_rebuilds_total", &[])
}

/// Fault 3: a broker that leads is killed and started again (each of them in the long form). Expected: retries, a clean
/// abort, or a producer made anew; nothing else. Bound: 45 s after each, most of which librdkafka may wait for a
/// coordinator that is gone.
#[test]
fn fault_03_leaders_killed() {
    const WHAT: [&str; 3] = ["leader killed, node 1", "leader killed, node 2", "leader killed, node 3"];
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "leaders");
    let (kafka, line) = (&scene.kafka, scene.line());
    let gate = Gate::start(&config(&scene));
    wait_for("each node to lead", BOUND, || {
        let is_so = kafka.leaders(&line.source) == [1, 2, 3];
        // A broker that stood still has lost what it led.
        if !is_so {
            kafka.elect_leaders();
        }
        is_so.then_some(())
    });
    for (id, what) in (1..).zip(WHAT).take(if long() { 3 } else { 1 }) {
        endure(&scene, line, Fault { number: "3", what, bound: BOUND }, || kafka.kill_node(id));
        kafka.start_node(id);
    }
    println!("{} producers made anew", rebuilds(&gate));
}

/// Fault 4: the broker that coordinates the transactions is killed, then the one that coordinates the group. Expected: no
/// hang (librdkafka #5511 is one). Bound: 45 s after each.
#[test]
fn fault_04_coordinators_killed() {
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "coordinators");
    let (kafka, line) = (&scene.kafka, scene.line());
    let gate = Gate::start(&config(&scene).set("/instance", "pod-0"));
    let transactional_id = format!("{}-pod-0-0", scene.group(line));
    let keys = [
        (Key::Transactions(&transactional_id), "coordinator of the transactions killed"),
        (Key::Group(&scene.group(line)), "coordinator of the group killed"),
    ];
    for (key, what) in keys {
        let id = kafka.coordinator(key);
        endure(&scene, line, Fault { number: "4", what, bound: BOUND }, || kafka.kill_node(id));
        assert_ne!(kafka.coordinator(key), id, "another node coordinates");
        kafka.start_node(id);
    }
    // Whatever clients it has lost meanwhile, nothing of them is left behind.
    wait_for("the gate to be well again", Duration::from_secs(40), || gate.is("running").then_some(()));
    let metrics = gate.metrics();
    assert_eq!(metrics.sum("sluice_assigned_partitions", &[]), f64::from(line.partitions), "{}", gate.log());
    assert_eq!(metrics.sum("sluice_held_partitions", &[]), 0.0, "{}", gate.log());
    println!("{} producers made anew", rebuilds(&gate));
}

/// Fault 5: all nodes restart cleanly in turn, the active controller last. Expected: work goes on, and no error is fatal to
/// the process. Bound: 45 s after the last.
#[test]
fn fault_05_rolling_restart() {
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "rolling");
    let (kafka, line) = (&scene.kafka, scene.line());
    let mut gate = Gate::start(&config(&scene));
    let fault = Fault { number: "5", what: "all nodes restarted in turn, the controller last", bound: BOUND };
    endure(&scene, line, fault, || {
        let controller = kafka.controller();
        for id in kafka.ids().filter(|&id| id != controller).chain([controller]) {
            kafka.stop_node(id);
            kafka.start_node(id);
        }
    });
    assert_eq!(gate.exited(), None);
    println!("{} producers made anew", rebuilds(&gate));
}

/// Fault 6: all brokers are killed, for 20 s (ten minutes in the long form). Expected: the gate stays up, says `degraded`,
/// is alive, needs no more memory; another that is asked to stop meanwhile is gone within its grace. Bound: 60 s.
#[test]
fn fault_06_all_brokers_down() {
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "outage");
    let (kafka, line) = (&scene.kafka, scene.line());
    let mut gate = Gate::start(&config(&scene));
    let leaver = Gate::start(&config(&scene));
    let fault = Fault { number: "6", what: "all brokers down", bound: Duration::from_secs(60) };
    endure(&scene, line, fault, || {
        kafka.ids().for_each(|id| kafka.kill_node(id));
        std::thread::sleep(Duration::from_secs(10));
        wait_for("the gate to be degraded", Duration::from_secs(90), || gate.is("degraded").then_some(()));
        let before = gate.usage().peak_kib;
        let (status, log) = leaver.stop(TRANSACTION * 2 + Duration::from_secs(5));
        assert!(status.success(), "asked to stop during an outage, it ended with {status}:\n{log}");
        std::thread::sleep(Duration::from_secs(if long() { 600 } else { 5 }));
        let after = gate.usage().peak_kib;
        println!("{before} KiB after 10 s of the outage, {after} KiB at its end");
        assert!(after < before + 32 * 1024, "memory grows in an outage");
        assert!(gate.answers("/livez") && gate.exited().is_none(), "the gate stays up");
        kafka.start_nodes(&kafka.ids().collect::<Vec<_>>());
    });
    wait_for("the gate to be well again", Duration::from_secs(30), || gate.is("running").then_some(()));
}

/// Fault 8: the partitions of the coordinators' topics move to other leaders while all nodes live. Expected:
/// `NOT_COORDINATOR` is retried. Bound: 45 s.
#[test]
fn fault_08_coordinators_move() {
    let (_turn, kafka) = turn();
    let scene = scene(kafka, "moving");
    let (kafka, line) = (&scene.kafka, scene.line());
    let _gate = Gate::start(&config(&scene).set("/instance", "pod-0"));
    let (transactional_id, group) = (format!("{}-pod-0-0", scene.group(line)), scene.group(line));
    let coordinators = || [Key::Transactions(&transactional_id), Key::Group(&group)].map(|key| kafka.coordinator(key));
    let [transactions, offsets] = coordinators();
    let fault = Fault { number: "8", what: "coordinators moved to other nodes", bound: BOUND };
    endure(&scene, line, fault, || {
        let from = |first: usize| move |_| (1..=3).map(|step| (first - 1 + step) % 3 + 1).collect::<Vec<_>>();
        kafka.reassign(TRANSACTIONS, from(transactions));
        kafka.reassign(OFFSETS, from(offsets));
        wait_for("the coordinators to move", Duration::from_secs(30), || {
            kafka.elect_leaders();
            let [now_transactions, now_offsets] = coordinators();
            (now_transactions != transactions && now_offsets != offsets).then_some(())
        });
    });
}

/// Fault 15: the disk of a broker is full. Expected: that broker goes, the others take its place; it comes back when there
/// is room. Bound: 60 s after it is back.
#[test]
fn fault_15_disk_full() {
    let (_turn, _) = turn();
    let Some(disk) = Disk::mount() else { return not_run("15", "only root may mount a small disk") };
    let data = disk.0.path().join("data");
    let scene = scene(Hold::Own(Setup::new(3).data(2, data).start()), "disk");
    let (kafka, line) = (&scene.kafka, scene.line());
    let _gate = Gate::start(&config(&scene));
    let fault = Fault { number: "15", what: "disk of a broker full, then freed", bound: Duration::from_secs(60) };
    endure(&scene, line, fault, || {
        disk.fill();
        wait_for("the broker to give up", Duration::from_secs(60), || (!kafka.is_up(2)).then_some(()));
        std::thread::sleep(Duration::from_secs(3));
        disk.free();
        kafka.start_node(2);
    });
}

/// A disk in memory, gone with the test.
struct Disk(tempfile::TempDir);

impl Disk {
    fn mount() -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let mut mount = std::process::Command::new("mount");
        let status = mount.args(["-t", "tmpfs", "-o", "size=100m", "tmpfs"]).arg(folder.path()).output();
        status.is_ok_and(|output| output.status.success()).then_some(Self(folder))
    }

    /// Writes until nothing fits any more.
    fn fill(&self) {
        use std::io::Write as _;
        let mut file = std::fs::File::create(self.0.path().join("ballast")).unwrap();
        while file.write_all(&[0; 4096]).is_ok() {}
    }

    fn free(&self) {
        std::fs::remove_file(self.0.path().join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // A broker may still hold it: detached now, gone with the last file that is open.
        drop(std::process::Command::new("umount").arg("--lazy").arg(self.0.path()).status());
    }
}
