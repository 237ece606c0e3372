//! Jobs that convert: each record is a copy of the target's version or a dead letter, once, whatever happens meanwhile.

use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;
use sluice::kafka::murmur2;

use super::common::client::Content;
use super::common::kafka::shared;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::{long, seed, unique, wait_for};
use super::copies::held;
use super::job::Job;
use super::orders::{Kind, MIXED, Order, World, count, orders};

#[test]
fn records_become_those_of_the_target_or_dead_letters() {
    let cluster = shared();
    let world = World::new(&cluster, "converted");
    let orders = orders(seed(), 1_500, &MIXED);
    world.send(&cluster, &orders);
    let said = world.job.ask(&["run"]).json();
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
    let expected = json!({
        "copied": count(&orders, |order| order.kind.reason().is_none()),
        "converted": count(&orders, |order| order.kind == Kind::Old),
        "dead_letters": count(&orders, |order| order.kind.reason().is_some()),
    });
    for (name, count) in expected.as_object().unwrap() {
        assert_eq!(said[name], *count, "{name}: {said}");
    }
    let status = wait_for("the last commit to show", Duration::from_secs(30), || {
        Some(world.job.ask(&["status"]).json()).filter(|status| status["done"] == true)
    });
    for kind in [Kind::Strange, Kind::Damaged, Kind::Bare] {
        let expected = count(&orders, |order| order.kind == kind);
        assert_eq!(status["reasons"][kind.reason().unwrap()], expected, "{status}");
    }
    let letters = world.dead_letters();
    // Another target would be another job.
    let job = world.job.set("/migrations/copy/value/target", 1);
    let ended = job.ask(&["run"]);
    assert!(ended.code() == 2 && ended.err.contains("began with version 2 of"), "{ended:?}");
    // What made them may go: dead letters stay, and others may have written theirs beside them.
    let job = job.set("/migrations/copy/value/target", 2);
    let said = job.ask(&["abandon"]).json();
    let removed = said["removed"].as_array().unwrap();
    assert!(removed.contains(&json!(job.to)) && !removed.contains(&json!(letters)), "{said}");
    let left: usize = held(&cluster, &letters).iter().map(Vec::len).sum();
    assert_eq!(json!(left), expected["dead_letters"]);
}

#[test]
fn killed_at_each_step_it_converts_each_record_once() {
    const STEPS: [&str; 4] = ["after_produce", "before_offsets", "before_commit", "after_commit"];
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for round in 0..if long() { 20 } else { 3 } {
        let world = World::new(&cluster, "killed");
        let orders = orders(random.random(), 900, &MIXED);
        world.send(&cluster, &orders);
        for step in STEPS {
            let nth = if step == "after_produce" { random.random_range(1..100) } else { random.random_range(1..3) };
            let order = format!("{step}={nth}:kill");
            println!("round {round}: {order}");
            let arguments = ["run", "--lanes", "2", "--rate", "200"];
            world.job.start(&arguments, &[("SLUICE_FAILPOINTS", &order)]).dies();
        }
        assert_eq!(world.job.ask(&["run"]).json()["done"], true);
        world.assert_done(&cluster, &orders, |order| order.kind.reason());
    }
}

#[test]
fn killed_at_any_time_it_converts_each_record_once() {
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for _ in 0..if long() { 20 } else { 3 } {
        let world = World::new(&cluster, "shot");
        let orders = orders(random.random(), 1_000, &MIXED);
        world.send(&cluster, &orders);
        for _ in 0..2 {
            let running = world.job.start(&["run", "--follow", "--rate", "500"], &[]);
            std::thread::sleep(Duration::from_millis(random.random_range(300..1_500)));
            running.signal("KILL");
            running.dies();
        }
        assert_eq!(world.job.ask(&["run"]).json()["done"], true);
        world.assert_done(&cluster, &orders, |order| order.kind.reason());
    }
}

#[test]
fn an_outage_of_the_registry_holds_records_and_condemns_none() {
    let cluster = shared();
    let world = World::new(&cluster, "outage");
    let orders = orders(seed(), 300, &[Kind::Old, Kind::Target, Kind::Strange]);
    world.send(&cluster, &orders);
    // A job that begins waits for the registry too, and can be stopped there.
    world.registry.down();
    let waits = world.job.start(&["run"], &[]);
    let log = "the job waits for the registry";
    wait_for("the job to wait", Duration::from_secs(60), || waits.log().contains(log).then_some(()));
    waits.signal("TERM");
    let ended = waits.wait();
    assert!(ended.code() == 3 && ended.err.contains("stopped by SIGTERM before it had begun"), "{ended:?}");
    world.registry.up();
    // Begun, so that the target is known; then the registry goes.
    world.job.start(&["run", "--rate", "500"], &[("SLUICE_FAILPOINTS", "before_commit=1:kill")]).dies();
    world.registry.down();
    let running = world.job.start(&["run"], &[]);
    wait_for("the lanes to be held", Duration::from_secs(60), || running.log().contains("is held back").then_some(()));
    assert!(running.log().contains("registry_unavailable"), "{}", running.log());
    world.registry.up();
    assert_eq!(running.wait().json()["done"], true);
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
}

#[test]
fn a_schema_is_unknown_when_the_registry_says_so_twice() {
    let cluster = shared();
    let world = World::new(&cluster, "unknown");
    let orders = orders(seed(), 60, &[Kind::Old, Kind::Strange, Kind::Target]);
    world.send(&cluster, &orders);
    // One schema comes late, one never.
    world.registry.hide(world.ids[0]);
    world.registry.hide(world.ids[2]);
    let job = world.job.set("/registry/unknown_schema", json!({ "grace": "16s", "max_hold": "16s" }));
    let world = World { job, ..world };
    let running = world.job.start(&["run", "--lanes", "1"], &[]);
    wait_for("the lane to be held", Duration::from_secs(60), || running.log().contains("unknown_schema").then_some(()));
    world.registry.release(world.ids[0]);
    assert_eq!(running.wait().json()["done"], true);
    let reason = |order: &Order| (order.kind == Kind::Strange).then_some("unknown_schema");
    world.assert_done(&cluster, &orders, reason);
}

#[test]
fn a_record_too_large_for_the_target_becomes_a_dead_letter() {
    let cluster = shared();
    let world = World::new(&cluster, "large");
    cluster.create_topic(&world.job.to, super::orders::PARTITIONS, &[("max.message.bytes", "20000")]);
    let mut orders = orders(seed(), 400, &MIXED);
    for order in orders.iter_mut().filter(|order| order.kind == Kind::Old && order.number % 40 == 7) {
        order.size = 30_000;
    }
    assert!(orders.iter().any(|order| order.size > 0));
    world.send(&cluster, &orders);
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    world.assert_done(&cluster, &orders, |order| order.kind.reason().or((order.size > 0).then_some("too_large")));
}

/// Brokers name those that are to blame where they refuse several of a batch that begins with good ones.
#[test]
fn records_that_the_target_refuses_become_dead_letters_and_stop_a_job_that_has_none() {
    let cluster = shared();
    let compacted = [("cleanup.policy", "compact")];
    let world = World::new(&cluster, "keyless");
    cluster.create_topic(&world.job.to, super::orders::PARTITIONS, &compacted);
    // Each fifth order has no key.
    let orders: Vec<Order> = orders(seed(), 60, &[Kind::Old, Kind::Target]).split_off(1);
    world.send(&cluster, &orders);
    assert_eq!(world.job.ask(&["run", "--lanes", "1"]).json()["done"], true);
    world.assert_done(&cluster, &orders, |order| (order.number % 5 == 0).then_some("broker_rejected"));
    let job = Job::new(&cluster, &world.job.source);
    cluster.create_topic(&job.to, super::orders::PARTITIONS, &compacted);
    let ended = job.ask(&["run", "--lanes", "3"]);
    // Orders 3, 6, 9, 12, 15 … are in partition 0, 1, 4, 7, 10 … in 1, and 2, 5 … in 2.
    let named = [(0, 4), (1, 3), (2, 1)].map(|(partition, offset)| format!("{}-{partition}@{offset} ", job.source));
    assert!(ended.code() == 3 && named.iter().any(|named| ended.err.contains(named)), "{ended:?}");
    assert!(ended.err.contains("cleanup.policy"), "{ended:?}");
}

/// Whoever registers a version meanwhile changes nothing.
#[test]
fn the_latest_version_is_that_of_the_begin() {
    let cluster = shared();
    let world = World::new(&cluster, "latest");
    // Version 3 goes, so that 2 is the latest.
    world.registry.ask("DELETE", &format!("/subjects/{}/versions/3", world.subject), "");
    let job = world.job.set("/migrations/copy/value/target", "latest");
    let world = World { job, ..world };
    let orders = orders(seed(), 300, &[Kind::Old, Kind::Target]);
    world.send(&cluster, &orders);
    world.job.start(&["run", "--rate", "100"], &[("SLUICE_FAILPOINTS", "before_commit=2:kill")]).dies();
    let body = json!({ "schema": r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"# });
    world.registry.ask("POST", &format!("/subjects/{}/versions", world.subject), &body.to_string());
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    world.assert_done(&cluster, &orders, |order| order.kind.reason());
}

/// What a plan says would become of each record becomes of it.
#[test]
fn a_plan_says_which_way_each_schema_takes_and_what_fails() {
    let cluster = shared();
    let world = World::new(&cluster, "ways");
    let orders = orders(seed(), 300, &MIXED);
    world.send(&cluster, &orders);
    let file = world.job.file("plan.json");
    let plan = world.job.ask(&["plan", "--whole", "--write", &file]).json();
    let ways = &plan["conversion"];
    assert_eq!(ways["value"], json!({ "subject": world.subject, "version": 2 }), "{plan}");
    assert_eq!(ways["converted"], count(&orders, |order| order.kind == Kind::Old), "{plan}");
    assert_eq!(ways["copied"], count(&orders, |order| matches!(order.kind, Kind::Target | Kind::Tombstone)), "{plan}");
    for (version, way) in [(1, "resolution"), (2, "as it is"), (3, "none")] {
        let found = &ways["schemas"][world.ids[version - 1].to_string()];
        assert_eq!((found["version"].as_u64(), found["way"].as_str()), (Some(version as u64), Some(way)), "{plan}");
        assert_eq!(found["subject"], world.subject, "{plan}");
    }
    assert_eq!(
        ways["schemas"][world.ids[0].to_string()]["records"],
        count(&orders, |order| { matches!(order.kind, Kind::Old | Kind::Damaged) })
    );
    for kind in [Kind::Strange, Kind::Damaged, Kind::Bare] {
        let fault = &ways["faults"][kind.reason().unwrap()];
        assert_eq!(fault["records"], count(&orders, |order| order.kind == kind), "{plan}");
        let first = fault["examples"][0].as_array().unwrap();
        let partition = first[0].as_i64().unwrap();
        let mut mine = orders.iter().filter(|order| i64::from(order.partition()) == partition);
        let example = mine.nth(usize::try_from(first[1].as_i64().unwrap()).unwrap()).unwrap();
        assert_eq!(example.kind, kind, "{plan}");
    }
    // A plan for another target does not hold.
    let job = world.job.set("/migrations/copy/value/target", 1);
    let ended = job.ask(&["run", "--plan", &file]);
    assert!(ended.code() == 2 && ended.err.contains("it was made for values to version 2"), "{ended:?}");
    let job = job.set("/migrations/copy/value/target", 2);
    let said = job.ask(&["run", "--plan", &file]).json();
    assert_eq!(
        (&said["converted"], &said["copied"]),
        (&ways["converted"], &json!(ways["converted"].as_u64().unwrap() + ways["copied"].as_u64().unwrap()))
    );
    // On the way down a field is lost, and the plan says which.
    let down = World { job: job.set("/migrations/copy/value/target", 1).set("/application", unique("down")), ..world };
    let plan = down.job.ask(&["plan"]).json();
    let lost = plan["conversion"]["schemas"][down.ids[1].to_string()]["loses"].as_array().unwrap();
    assert!(lost.len() == 1 && lost[0].as_str().unwrap().contains("channel"), "{plan}");
}

/// A key that is converted chooses the partition as it is then, and `verify` compares it by its value.
#[test]
fn converted_keys_choose_the_partition() {
    const TARGETS: i32 = 5;
    let cluster = shared();
    let world = World::new(&cluster, "keyed");
    let subject = unique("keyed-key");
    let text = |more: &str| {
        let fields = format!(r#"{{"name":"id","type":"long"}}{more}"#);
        json!({ "schema": format!(r#"{{"type":"record","name":"Key","fields":[{fields}]}}"#) }).to_string()
    };
    let ids = ["", r#",{"name":"shop","type":"string","default":"web"}"#].map(|more| {
        let answer = world.registry.ask("POST", &format!("/subjects/{subject}/versions"), &text(more));
        i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
    });
    let key = |number: i64| by_id(ids[0], &zigzag(number));
    let job = world
        .job
        .set("/migrations/copy/key", json!({ "format": "avro", "subject": subject, "target": 2 }))
        .set("/migrations/copy/repartition", "murmur2")
        .set("/migrations/copy/partitions", TARGETS);
    let world = World { job, ..world };
    let orders = orders(seed(), 200, &[Kind::Old, Kind::Target, Kind::Tombstone]);
    let contents: Vec<_> = orders
        .iter()
        .map(|order| (order.partition(), Content { key: Some(key(order.number)), ..world.content(order) }))
        .collect();
    let records = contents.iter().map(|(partition, content)| (*partition, content));
    cluster.writer().write(&world.job.source, records, || {});
    let said = world.job.ask(&["run"]).json();
    assert_eq!((&said["copied"], &said["dead_letters"]), (&json!(orders.len()), &json!(0)), "{said}");
    let held = held(&cluster, &world.job.to);
    let mut keys = Vec::new();
    for (partition, content) in
        (0..).zip(&held).flat_map(|(partition, held)| held.iter().map(move |one| (partition, one)))
    {
        let found = content.key.clone().unwrap();
        assert_eq!(murmur2::partition(Some(&found), 0, TARGETS), partition);
        keys.push(found);
    }
    let converted = |order: &Order| by_id(ids[1], &[zigzag(order.number), b"\x06web".to_vec()].concat());
    let mut expected: Vec<_> = orders.iter().map(converted).collect();
    keys.sort_unstable();
    expected.sort_unstable();
    assert_eq!(keys, expected);
    let same = world.job.ask(&["verify"]).json();
    assert_eq!((&same["counts"], &same["compared"]), (&json!({}), &json!(orders.len())), "{same}");
    let sample = world.job.ask(&["verify", "--sample", "2"]);
    assert!(sample.code() == 2 && sample.err.contains("goes by keys"), "{sample:?}");
}
