//! The limit on dead letters, end to end: a gate whose records are nearly all bad holds, says so, and waits for an
//! operator; what was decided before commits once, and all of it comes through when the operator says so.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::client::TopicPartition;
use common::gate::{Config, Gate};
use common::http;
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Planned, Policy};
use common::{seed, wait_for};
use serde_json::{Value, json};
use sluice::gate::limit::MIN_RECORDS;

/// For a gate to reach a state, in a debug build on a busy machine.
const PATIENCE: Duration = Duration::from_secs(40);

/// A gate with a limit of one half in ten minutes: longer than any test, so that only what resets it does.
fn limited(name: &str, partitions: i32, mut settings: Value) -> (Scene, Line) {
    let mut scene = Scene::empty(name);
    let topic = format!("{}.orders.dead-letter", scene.application);
    settings["dead_letter"] = json!({ "topic": topic, "limit": { "ratio": 0.5, "window": "10m" } });
    let line = scene.add("orders", partitions, Policy::default(), settings);
    (scene, line)
}

fn bad(line: &Line, seed: u64, count: usize) -> Vec<Planned> {
    let mut traffic = line.traffic(seed);
    (0..count).map(|_| traffic.record(Class::NotFramed)).collect()
}

fn good(line: &Line, seed: u64, count: usize) -> Vec<Planned> {
    let mut traffic = line.traffic(seed);
    (0..count).map(|_| traffic.record(Class::Order(Version::V2))).collect()
}

/// Makes the records of two sources of traffic distinguishable: timestamps are what the check tells records apart by.
fn later(mut planned: Vec<Planned>, by: i64) -> Vec<Planned> {
    planned.iter_mut().for_each(|record| record.content.timestamp += by);
    planned
}

fn status(gate: &Gate) -> Value {
    let answer = http::get(gate.admin(), "/status").expect("/status answers");
    serde_json::from_str::<Value>(&answer.body).unwrap()["gates"][0].take()
}

/// Waits until every pipeline and partition of the gate stands; returns its status.
fn wait_held(gate: &Gate) -> Value {
    wait_for("the gate to hold", PATIENCE, || {
        let status = status(gate);
        let all = |list: &str, is: fn(&Value) -> bool| status[list].as_array().is_some_and(|list| list.iter().all(is));
        let partitions = status["partitions"].as_array().is_some_and(|list| !list.is_empty());
        let held = all("partitions", |partition| partition["held"] == "dead_letter_limit");
        let tripped = all("pipelines", |pipeline| pipeline["dead_letter_limit"].is_object());
        (partitions && held && tripped).then_some(status)
    })
}

fn wait_going(gate: &Gate) {
    wait_for("the gate to go on", PATIENCE, || (status(gate)["causes"] == json!([])).then_some(()));
}

fn resume(gate: &Gate) -> http::Answer {
    http::request("POST", gate.admin(), "/gates/orders/resume", "").unwrap()
}

fn dead_letters(gate: &Gate) -> u64 {
    gate.records("orders").iter().filter(|((outcome, _), _)| outcome == "dead_letter").map(|(_, count)| count).sum()
}

/// Returns what the group has committed once it has stood still for a while: what was staged before the hold is committed
/// soon after it shows.
fn still(scene: &Scene, line: &Line) -> BTreeMap<TopicPartition, i64> {
    let ask = || scene.kafka.committed(&scene.group(line), &[&line.source]);
    let mut before = ask();
    wait_for("a held gate to commit nothing more", PATIENCE, || {
        std::thread::sleep(Duration::from_secs(2));
        let now = ask();
        (std::mem::replace(&mut before, now.clone()) == now).then_some(now)
    })
}

/// All bad: the gate writes one dead letter less than the least number that counts, stands, and says so everywhere. Other
/// gates of the process go on. Resumed, it counts anew, trips again, and in the end everything is where it belongs.
#[test]
fn holds_when_all_is_bad_and_goes_on_when_told() {
    let seed = seed();
    let (mut scene, line) = limited("all-bad", 2, json!({}));
    let other = scene.add("payments", 1, Policy::default(), json!({}));
    let gate = Gate::start(&scene.config().patient());
    let mut sent = scene.send(&line, bad(&line, seed, 150));
    let held = wait_held(&gate);
    assert_eq!(held["state"], "degraded");
    assert_eq!(held["pipelines"][0]["dead_letter_limit"]["records"], MIN_RECORDS);
    still(&scene, &line);
    assert_eq!(dead_letters(&gate), MIN_RECORDS - 1, "what was decided before is committed, the rest is not staged");
    let metrics = gate.metrics();
    let held = metrics.sum("sluice_held_partitions", &[("gate", "orders"), ("cause", "dead_letter_limit")]);
    assert!((held - 2.0).abs() < f64::EPSILON, "{held} partitions are held");
    assert!((metrics.sum("sluice_dead_letter_limit_total", &[("gate", "orders")]) - 1.0).abs() < f64::EPSILON);
    assert!(gate.log().contains("dead-letter limit reached, gate holds"), "{}", gate.log());
    let ready = http::get(gate.admin(), "/readyz").unwrap();
    assert!(ready.status == 200 && ready.body.contains("dead_letter_limit"), "{ready:?}");
    let others = scene.send(&other, other.traffic(seed).mixed(500, &Class::usual()));
    scene.wait_committed(&other, &others);

    let answer = resume(&gate);
    assert_eq!((answer.status, answer.body.as_str()), (200, r#"{"gate":"orders","resumed_pipelines":1}"#));
    wait_going(&gate);
    sent.extend(scene.send(&line, later(bad(&line, seed, 150), 1_000_000_000)));
    wait_held(&gate);
    assert!((gate.metrics().sum("sluice_dead_letter_limit_total", &[("gate", "orders")]) - 2.0).abs() < f64::EPSILON);
    wait_for("the rest, resumed as often as it stops", PATIENCE, || {
        resume(&gate);
        (dead_letters(&gate) == sent.len() as u64).then_some(())
    });
    scene.verify(&line, &sent, Some(&gate));
    assert_eq!(resume(&gate).status, 409, "it is not held");
    assert_eq!(http::request("POST", gate.admin(), "/gates/nothing/resume", "").unwrap().status, 404);
}

/// A share below the limit never stops the gate, however many records are bad.
#[test]
fn goes_on_below_the_limit() {
    let seed = seed();
    let (scene, line) = limited("some-bad", 2, json!({}));
    let gate = Gate::start(&scene.config().patient());
    let (bad, good) = (bad(&line, seed, 450), later(good(&line, seed, 1_000), 1_000_000_000));
    let mut good = good.into_iter();
    let mixed = bad.into_iter().flat_map(|bad| good.by_ref().take(2).chain([bad]).collect::<Vec<_>>()).collect();
    let sent = scene.send(&line, mixed);
    scene.verify(&line, &sent, Some(&gate));
    assert!(gate.metrics().sum("sluice_dead_letter_limit_total", &[]).abs() < f64::EPSILON);
}

/// Each pipeline stops by itself, one request lets all go on; partitions that come while the gate holds stand too.
#[test]
fn resumes_all_pipelines_and_holds_what_comes() {
    let seed = seed();
    let (scene, line) = limited("pipelines", 4, json!({ "threads": 2 }));
    let gate = Gate::start(&scene.config().patient());
    // What the first one has staged would be aborted if the second joined the group just then.
    wait_for("two partitions for each pipeline", PATIENCE, || {
        let (log, source) = (gate.log(), format!("{}-", line.source));
        let counts = |event: &str| -> Vec<usize> {
            let lines = log.lines().filter(|entry| entry.contains(event));
            lines.map(|entry| entry.matches(&source).count()).collect()
        };
        let (came, went) = (counts("partitions assigned"), counts("partitions revoked"));
        (came.contains(&2) && came.iter().sum::<usize>() == 4 + went.iter().sum::<usize>()).then_some(())
    });
    let sent = scene.send(&line, bad(&line, seed, 800));
    let held = wait_held(&gate);
    assert_eq!(held["partitions"].as_array().unwrap().len(), 4);
    let committed = still(&scene, &line);
    let dead = dead_letters(&gate);
    assert_eq!(dead, 2 * (MIN_RECORDS - 1));

    // Another process takes half of the partitions and gives them back.
    let helper = Gate::start(&scene.config().patient());
    wait_for("the helper to get partitions", PATIENCE, || {
        (!status(&helper)["partitions"].as_array()?.is_empty()).then_some(())
    });
    let (code, _) = helper.stop(Duration::from_secs(20));
    assert!(code.success());
    let back = wait_for("all partitions to be back and held", PATIENCE, || {
        let status = wait_held(&gate);
        (status["partitions"].as_array()?.len() == 4).then_some(status)
    });
    assert_eq!(back["state"], "degraded");
    assert_eq!(dead_letters(&gate), dead, "this process has staged nothing more");
    let now = still(&scene, &line);
    assert!(now.iter().all(|(place, next)| next >= &committed[place]));

    let answer = resume(&gate);
    assert_eq!(answer.body, r#"{"gate":"orders","resumed_pipelines":2}"#);
    wait_for("the rest, resumed as often as it stops", PATIENCE, || {
        resume(&gate);
        let committed = scene.kafka.committed(&scene.group(&line), &[&line.source]);
        common::check::ends(&sent).iter().all(|(place, end)| committed.get(place) == Some(end)).then_some(())
    });
    scene.verify(&line, &sent, None);
}

/// A restart lets the gate go on as well, and the fault at its heart may be mended meanwhile: the rest is good then.
#[test]
fn a_restart_begins_closed() {
    let seed = seed();
    let (scene, line) = limited("restart", 1, json!({}));
    let gate = Gate::start(&scene.config().patient());
    let mut sent = scene.send(&line, bad(&line, seed, usize::try_from(MIN_RECORDS).unwrap()));
    wait_held(&gate);
    sent.extend(scene.send(&line, later(good(&line, seed, 500), 1_000_000_000)));
    let committed = still(&scene, &line);
    assert_eq!(committed.values().sum::<i64>(), 99);
    let (code, _) = gate.stop(Duration::from_secs(20));
    assert!(code.success());
    let gate = Gate::start(&scene.config().patient());
    scene.verify(&line, &sent, None);
    drop(gate);
}

/// Modes that write no dead letters have no limit, whatever the share.
#[test]
fn modes_without_dead_letters_have_no_limit() {
    let seed = seed();
    let (scene, line) = limited("modes", 1, json!({}));
    scene.send(&line, bad(&line, seed, 300));
    for mode in ["dry-run", "pass-all"] {
        let config: Config = scene.config().patient().set("/gates/orders/mode", mode);
        let gate = Gate::start(&config);
        wait_for("all records to be judged", PATIENCE, || {
            (gate.records("orders").values().sum::<u64>() == 300).then_some(())
        });
        assert!(gate.metrics().sum("sluice_dead_letter_limit_total", &[]).abs() < f64::EPSILON, "{mode}");
    }
}
