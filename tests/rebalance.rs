//! Members come, go and die while records flow; each record still meets one outcome (faults 2 and 11).
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::gate::Gate;
use common::load::Load;
use common::scene::Scene;
use common::schemas::Version;
use common::traffic::{Class, Sent};
use common::{long, seed, wait_for};

/// Records per second of the load.
const RATE: u32 = 1_000;

/// For partitions to be shared, or to be held.
const SHARED: Duration = Duration::from_secs(30);

/// Returns how many partitions a gate has.
fn assigned(gate: &Gate) -> f64 {
    gate.metrics().sum("sluice_assigned_partitions", &[])
}

/// Waits until the group of the first gate has that many members, and they have had time to share.
fn wait_members(scene: &Scene, members: usize) {
    let group = scene.group(scene.line());
    wait_for(&format!("{members} members in '{group}'"), Duration::from_secs(30), || {
        (scene.kafka.members(&group) == members).then_some(())
    });
}

/// One of two members is killed: the other takes its partitions over once the session and the open transaction have
/// timed out, and goes on where the transaction that counted had ended.
#[test]
fn fault_02_one_of_two_members_killed() {
    let seed = seed();
    let scene = Scene::new("two-members", 4);
    let (line, config) = (scene.line(), scene.config());
    let load = Load::new(&scene, line, seed, RATE);
    let first = std::thread::scope(|scope| {
        let _ending = load.ending();
        let first = Gate::start(&config);
        let second = Gate::start(&config);
        wait_members(&scene, 2);
        wait_for("both to have partitions", SHARED, || {
            [&first, &second].iter().all(|gate| assigned(gate) > 0.5).then_some(())
        });
        scope.spawn(|| load.run());
        // Both work: the second has counted something, so the first cannot have counted all.
        wait_for("the second to have a share", Duration::from_secs(30), || {
            (second.records(&line.gate).values().sum::<u64>() > 0).then_some(())
        });
        second.kill();
        // Session 6 s, transaction 4 s with its scan each 0.5 s.
        wait_for("the first to have all partitions", SHARED, || (assigned(&first) > 3.5).then_some(()));
        first
    });
    let sent = load.finish(&scene.kafka);
    scene.verify(line, &sent, None);
    let counted: u64 = first.records(&line.gate).values().sum();
    assert!(counted < sent.len() as u64, "both members worked: the first alone counted all {counted}");
}

/// Members join and leave while records flow: partitions move by revoke and assign, with the transaction ended between.
/// Returns the scene and what was sent, all of it committed by the member that stayed.
fn join_and_leave(delivery: &str) -> (Scene, Vec<Sent>) {
    let seed = seed();
    let scene = Scene::new("come-and-go", 6);
    let (line, config) = (scene.line(), scene.config().set("/delivery", delivery));
    let rounds = if long() { 20 } else { 2 };
    let planned = line.traffic(seed).mixed(RATE as usize * 7 * rounds, &Class::usual());
    let sent = std::thread::scope(|scope| {
        let first = Gate::start(&config);
        let load = scope.spawn(|| scene.send_paced(line, planned, RATE));
        for _ in 0..rounds {
            let guest = Gate::start(&config);
            wait_members(&scene, 2);
            std::thread::sleep(Duration::from_secs(2));
            let (status, log) = guest.stop(Duration::from_secs(15));
            assert!(status.success(), "a guest that is asked to leave exits with 0, not {status}:\n{log}");
            wait_members(&scene, 1);
        }
        let sent = load.join().unwrap();
        scene.wait_committed(line, &sent);
        drop(first);
        sent
    });
    (scene, sent)
}

#[test]
fn members_join_and_leave() {
    let (scene, sent) = join_and_leave("exactly-once");
    scene.verify(scene.line(), &sent, None);
}

/// A clean leave commits what was written, so that even here a copy would need a fault; none is promised, though.
#[test]
fn members_join_and_leave_at_least_once() {
    let (scene, sent) = join_and_leave("at-least-once");
    scene.verify_at_least_once(scene.line(), &sent);
}

/// Partitions that are held back move to another member and return: held there too, and released here when the schema
/// comes. (librdkafka keeps a partition paused over revoke and assign unless it is resumed.)
#[test]
fn held_partitions_move() {
    let seed = seed();
    let scene = Scene::new("held-moves", 4);
    let line = scene.line();
    let config = scene.config();
    let config = config.set("/registry/unknown_schema/grace", "8m").set("/registry/unknown_schema/max_hold", "9m");
    let id = line.ids.orders[2];
    scene.registry.hide(id);
    let first = Gate::start(&config);
    let mut traffic = line.traffic(seed);
    let mut sent = scene.send(line, traffic.mixed(100, &[Class::Order(Version::V3)]));
    let is_held = |gate: &Gate| gate.metrics().sum("sluice_held_partitions", &[("cause", "unknown_schema")]) > 0.0;
    wait_for("partitions to be held", SHARED, || is_held(&first).then_some(()));
    let guest = Gate::start(&config);
    wait_members(&scene, 2);
    wait_for("the guest to hold some of them", SHARED, || is_held(&guest).then_some(()));
    let (status, log) = guest.stop(Duration::from_secs(15));
    assert!(status.success(), "{log}");
    wait_members(&scene, 1);
    sent.extend(scene.send(line, traffic.mixed(100, &[Class::Order(Version::V2)])));
    std::thread::sleep(Duration::from_secs(1));
    assert_eq!(first.records(&line.gate).values().sum::<u64>(), 0, "all partitions are held");
    scene.registry.release(id);
    scene.verify(line, &sent, Some(&first));
}

/// Two pipelines of one process share a topic as two processes do; the counters of both are one truth.
#[test]
fn threads_share_a_topic() {
    let seed = seed();
    let mut scene = Scene::empty("threads");
    let line = scene.add("orders", 4, common::traffic::Policy::default(), serde_json::json!({ "threads": 2 }));
    let gate = Gate::start(&scene.config());
    let sent = scene.send(&line, line.traffic(seed).mixed(4_000, &Class::usual()));
    scene.verify(&line, &sent, Some(&gate));
    wait_members(&scene, 2);
}

/// A dry run beside the real gate, with the same application and so the name of its group: it takes no partition, starts
/// no rebalance and commits nothing, and sees what the gate has not committed yet.
#[test]
fn a_dry_run_leaves_the_real_gate_alone() {
    let seed = seed();
    let scene = Scene::new("beside", 4);
    let line = scene.line();
    // Nor does a machine that stands still.
    let real = Gate::start(&scene.config().set("/kafka/session.timeout.ms", "120000"));
    let mut traffic = line.traffic(seed);
    let mut sent = scene.send(line, traffic.mixed(500, &Class::usual()));
    scene.wait_committed(line, &sent);
    let rebalances = || real.metrics().sum("sluice_rebalances_total", &[]);
    let before = rebalances();

    let dry = scene.config().set("/gates/orders/mode", "dry-run").set("/gates/orders/threads", 3);
    let dry = Gate::start(&dry);
    wait_for("the dry run to have all partitions", SHARED, || {
        (dry.metrics().sum("sluice_assigned_partitions", &[]) > 3.5).then_some(())
    });
    sent.extend(scene.send(line, traffic.mixed(500, &Class::usual())));
    wait_for("the dry run to judge what is new", Duration::from_secs(30), || {
        (dry.records("orders").values().sum::<u64>() >= 500).then_some(())
    });
    scene.verify(line, &sent, Some(&real));
    assert_eq!(dry.records("orders").values().sum::<u64>(), 500, "each record is judged by one pipeline");
    assert!((rebalances() - before).abs() < f64::EPSILON, "the real gate keeps its partitions");
    assert_eq!(scene.kafka.members(&scene.group(line)), 1);
    drop(dry);
}
