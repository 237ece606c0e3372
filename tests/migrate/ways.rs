//! Jobs whose records go by a mapping or by migration rules: conversion, dead letters, `verify`, cut-over; and a job keeps its way.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::common::client::Read;
use super::common::kafka::{Cluster, shared};
use super::common::{seed, unique};
use super::cut_overs::{commit, committed};
use super::orders::{Kind, MIXED, Order, PARTITIONS, World, count, orders};

/// Makes the number of version 3 a text, but of each seventh order what version 2 cannot hold.
const TEXT: &str = "customer % 7 = 0 ? 7 : $string(customer)";

/// What orders become dead letters for.
fn reason(order: &Order) -> Option<&'static str> {
    match order.kind {
        Kind::Strange => (order.number % 7 == 0).then_some("conversion_failed"),
        kind @ (Kind::Old | Kind::Target | Kind::Damaged | Kind::Bare | Kind::Tombstone) => kind.reason(),
    }
}

/// Plays a whole migration in a world where version 3 has such a way.
fn migrate(cluster: &Cluster, world: World, way: &str) -> World {
    let orders = orders(seed(), 400, &MIXED);
    world.send(cluster, &orders);
    let group = unique(way);
    let nexts: BTreeMap<i32, i64> =
        (0..PARTITIONS).map(|partition| (partition, 20 + i64::from(partition) * 7)).collect();
    commit(cluster, &group, &world.job.source, &nexts);
    let plan = world.job.ask(&["plan", "--whole"]).json();
    assert_eq!(plan["conversion"]["schemas"][world.ids[2].to_string()]["way"], way, "{plan}");
    let failed = count(&orders, |order| order.kind == Kind::Strange && reason(order).is_some());
    assert!(failed.as_u64() > Some(0), "no order fails");
    assert_eq!(plan["conversion"]["faults"]["conversion_failed"]["records"], failed, "{plan}");

    let said = world.job.ask(&["run"]).json();
    world.assert_done(cluster, &orders, reason);
    let bad = count(&orders, |order| reason(order).is_some());
    assert_eq!((&said["done"], &said["dead_letters"]), (&json!(true), &bad), "{said}");

    let found = world.job.ask(&["verify"]).json();
    assert_eq!((&found["counts"], &found["dead_letters"]), (&json!({}), &bad), "{found}");

    world.job.ask(&["cut-over", "--group", &group]).json();
    let (moved, copies) = (committed(cluster, &group, &world.job.to), cluster.read(&[&world.job.to]));
    for partition in 0..PARTITIONS {
        let mine: Vec<&Order> = orders.iter().filter(|order| order.partition() == partition).collect();
        let unread = mine[usize::try_from(nexts[&partition]).unwrap()..].iter();
        let expected: Vec<_> =
            unread.filter(|order| reason(order).is_none()).map(|order| world.copied(order)).collect();
        let is_unread = |copy: &&Read| copy.partition == partition && copy.offset >= moved[&partition];
        let found: Vec<_> = copies.iter().filter(is_unread).map(|copy| copy.content.clone()).collect();
        assert_eq!(found, expected, "partition {partition}");
    }
    world
}

fn assert_refused(world: &World, key: &str, had: &str) {
    for command in ["run", "verify"] {
        let ended = world.job.ask(&[command]);
        let says = ended.err.contains(&format!("began with {had}"))
            && ended.err.contains(&format!("by migrations.copy.{key} it is"));
        assert!(ended.code() == 2 && says, "{command}: {ended:?}");
    }
}

#[test]
fn records_go_by_a_mapping_which_the_job_keeps() {
    let cluster = shared();
    let step = |more: &str| json!({ "3": [{ "to": "customer", "jsonata": format!("{TEXT}{more}") }] });
    let mapped = |world: World, mapping: Value| {
        let job = world.job.set("/migrations/copy/value/mapping", mapping);
        World { job, ..world }
    };
    let world = mapped(World::new(&cluster, "mapped"), step(""));
    let world = migrate(&cluster, world, "mapping");
    // Another mapping would be another job, and so would none.
    let world = mapped(world, step(" "));
    assert_refused(&world, "value.mapping", "the mapping of fingerprint ");
    let world = mapped(world, json!([]));
    assert_refused(&world, "value.mapping", "the mapping of fingerprint ");
    let world = mapped(world, step(""));
    assert_eq!(world.job.ask(&["run"]).json()["done"], true);
    // A plan is held to its mapping, too.
    let job = world.job.set("/application", unique("planned")).set("/migrations/copy/to", unique("planned"));
    let file = job.file("plan.json");
    job.ask(&["plan", "--write", &file]).json();
    let world = mapped(World { job, ..world }, step(" "));
    let ended = world.job.ask(&["run", "--plan", &file]);
    assert!(ended.code() == 2 && ended.err.contains("it was made with another mapping"), "{ended:?}");
}

#[test]
fn records_go_by_the_rules_of_the_registry() {
    let cluster = shared();
    let rule = format!(r#"$merge([$, {{"customer": {TEXT}, "channel": "rule"}}])"#);
    let world = World { channel: "rule", ..World::ruled(&cluster, "ruled", Some(&rule)) };
    let world = migrate(&cluster, world, "rules");
    let job = world.job.set("/migrations/copy/value/mapping", json!([{ "to": "customer", "jsonata": TEXT }]));
    assert_refused(&World { job, ..world }, "value.mapping", "no mapping");
}
