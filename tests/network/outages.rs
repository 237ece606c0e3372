//! A network that is slow, frozen or breaks again and again, while a gate goes on or waits, and says so.

use std::time::{Duration, Instant};

use crate::common::fault::{Fault, endure};
use crate::common::gate::Gate;
use crate::common::proxy::{Action, ApiKey, Proxy, Rule};
use crate::common::scene::Scene;
use crate::common::{long, wait_for};
use crate::{SAID, assert_alive, is_held, status, through};

const LIMIT: Duration = Duration::from_secs(40);

/// For a gate to run again, or to notice that it does not.
const AGAIN: Duration = Duration::from_secs(60);

/// Fault 12: all connections freeze for longer than the session, another gate takes over, and then every byte that was
/// held arrives: records, offsets, ends of transactions of a member that is none any more. All of it is refused. Bound: a
/// session, a transaction timeout, and the machine.
#[test]
fn fault_12_frozen_past_its_session() {
    let scene = Scene::new("frozen", 4);
    let proxy = Proxy::start(&scene.kafka);
    let mut frozen = Gate::start(&through(&proxy, &scene));
    let fault = Fault { number: "12", what: "connections frozen past the session", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        let hold = [Rule::requests(&[], Action::Hold), Rule::answers(&[], Action::Hold)].map(|rule| proxy.set(rule));
        let _other = Gate::start(&scene.config());
        wait_for("the gate to say that it waits", SAID, || is_held(&frozen).then_some(()));
        wait_for("its session to end", AGAIN, || (owned(&status(&frozen)) == 0).then_some(()));
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(3) {
            let status = status(&frozen);
            assert_eq!(status["state"], "degraded", "nothing works: {status:#}");
            std::thread::sleep(Duration::from_millis(50));
        }
        assert_alive(&mut frozen);
        drop(hold);
    });
    assert_idle_gate_says_so(&mut frozen, &proxy);
}

fn owned(status: &serde_json::Value) -> usize {
    status["partitions"].as_array().unwrap().len()
}

/// The same without load, when nothing fails but the session: a gate that has lost its partitions and has heard nothing of
/// the group since does not run, and runs again once it has heard.
fn assert_idle_gate_says_so(gate: &mut Gate, proxy: &Proxy) {
    let runs = || Some(status(gate)).filter(|status| status["state"] == "running" && owned(status) == 4);
    wait_for("the gate to run alone", AGAIN, runs);
    let hold = [Rule::requests(&[], Action::Hold), Rule::answers(&[], Action::Hold)].map(|rule| proxy.set(rule));
    let lost = wait_for("its session to end", AGAIN, || Some(status(gate)).filter(|status| owned(status) == 0));
    assert!(is_held(gate), "{lost:#}");
    assert_eq!((&lost["state"], &lost["held_topics"][0]["cause"]), (&"degraded".into(), &"source_unavailable".into()));
    let metrics = gate.ask("/metrics").unwrap().body;
    let says = |line: &str| assert!(metrics.lines().any(|found| found == line), "no '{line}' in\n{metrics}");
    says(r#"sluice_pipelines{gate="orders",state="degraded"} 1"#);
    says(r#"sluice_held_partitions{cause="source_unavailable",gate="orders"} 1"#);
    drop(hold);
    wait_for("the gate to run again", AGAIN, runs);
    assert_alive(gate);
}

/// Fault 16: the way to the brokers carries one Mbit/s, less than the load. The source waits, and memory with it. Bound:
/// what the load has made meanwhile.
#[test]
fn fault_16_slow_network() {
    let scene = Scene::new("slow", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene).set("/memory", "32MiB"));
    let before = gate.usage().peak_kib;
    let fault = Fault { number: "16", what: "1 Mbit/s to the brokers", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        let slow = proxy.set(Rule::requests(&[ApiKey::Produce], Action::Bandwidth(125_000)));
        slow.wait_hits(3, LIMIT);
        std::thread::sleep(Duration::from_secs(12));
        assert_alive(&mut gate);
    });
    let peak = gate.usage().peak_kib;
    println!("peak of memory {} MiB, before {} MiB", peak / 1024, before / 1024);
    assert!(peak < before + 64 * 1024, "memory grew from {before} to {peak} KiB");
}

/// Metadata come ten seconds late (long: half a minute): nobody needs them to go on, and nobody hangs who waits for them.
#[test]
fn fault_16_metadata_delayed() {
    let scene = Scene::new("metadata", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene).set("/kafka/topic.metadata.refresh.interval.ms", "1000"));
    let fault = Fault { number: "16", what: "metadata delayed", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        let delay = Duration::from_secs(if long() { 30 } else { 10 });
        let late = proxy.set(Rule::answers(&[ApiKey::Metadata], Action::Delay(delay)).first(1));
        late.wait_hits(1, LIMIT);
        std::thread::sleep(delay);
        assert_alive(&mut gate);
    });
}

/// Every second, all connections are reset: what is under way is sent again, in order and once. Bound: one reconnection,
/// and a session where heartbeats were among the lost.
#[test]
fn fault_03_connections_reset_every_second() {
    let scene = Scene::new("resets", 4);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene));
    let fault = Fault { number: "3", what: "connections reset every second", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        for _ in 0..if long() { 20 } else { 10 } {
            std::thread::sleep(Duration::from_secs(1));
            proxy.reset_all();
            assert_alive(&mut gate);
        }
    });
}

/// The broker's port closes and opens, and each time the client learns seconds later that its connection is gone: what it
/// sent in between is lost.
#[test]
fn fault_03_connections_close_slowly() {
    let scene = Scene::new("slow-close", 2);
    let proxy = Proxy::start(&scene.kafka);
    let mut gate = Gate::start(&through(&proxy, &scene));
    let fault = Fault { number: "3", what: "connections that close 2 s late", bound: LIMIT };
    endure(&scene, scene.line(), fault, || {
        proxy.slow_close(Duration::from_secs(2));
        for _ in 0..3 {
            let start = Instant::now();
            proxy.close_upstream();
            std::thread::sleep(Duration::from_secs(3).saturating_sub(start.elapsed()));
            assert_alive(&mut gate);
        }
    });
}
