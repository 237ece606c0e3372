//! Gates and converters as processes of their own: each killed by itself, without their registry, over other partitions.
//!
//! Each hop is judged by the universal check: what the gate has diverted is what was sent to the converter.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::Duration;

use common::check::{Outputs, Seen, Truth, assert_clean, check, ends};
use common::conversion::{Conversion, Kind, Order, Wire, World, by_partition, hash, mixed, wait_counts};
use common::gate::{Config, Gate};
use common::kill::killed;
use common::registry::wait_cached;
use common::scene::{Line, Scene};
use common::schemas::{Version, zigzag};
use common::traffic::{Class, Expected, Sent, by_id};
use common::{long, seed, wait_for};
use serde_json::{Value, json};
use sluice::gate::verdict::Route;
use sluice::kafka::murmur2;

/// Records per second while processes are killed.
const RATE: u32 = 600;
const CATCH_UP: Duration = Duration::from_secs(120);

/// A gate that diverts, and the converter behind it.
struct Pipeline {
    scene: Scene,
    line: Line,
    outputs: Outputs,
    conversion: Conversion,
}

impl Pipeline {
    fn new(name: &str) -> Self {
        let mut scene = Scene::empty(name);
        let line = scene.add("orders", 3, common::traffic::Policy::default(), json!({}));
        let to = format!("{}.converted", scene.application);
        let outputs =
            Outputs { validated: to.clone(), converter: to.clone(), dead_letter: format!("{to}.dead-letter") };
        for topic in [&to, &outputs.dead_letter] {
            scene.kafka.create_topic(topic, 3, &[]);
        }
        let subject = format!("{}-value", line.source);
        let place = |topic: &str, version: i32| format!("{topic}/{subject}/{version}");
        let from = place(&line.outputs.converter, 3);
        let conversion = Conversion { id: line.ids.orders[1], from, to: place(&to, 2) };
        Self { scene, line, outputs, conversion }
    }

    /// Returns the configurations of the two processes.
    fn configs(&self) -> [Config; 2] {
        let gate = self.scene.config();
        let mut converter = gate.clone().without("", "gates");
        let value =
            json!({ "subject": format!("{}-value", self.line.source), "target": 2, "mapping": Conversion::steps() });
        converter.0["converters"] = json!({ "up": {
            "source": self.line.outputs.converter,
            "to": self.outputs.validated,
            "dead_letter": self.outputs.dead_letter,
            "value": value,
        } });
        [gate, converter]
    }

    /// Judges the second hop, once the first is judged.
    fn verify_converter(&self) {
        let (topic, kafka) = (&self.line.outputs.converter, &self.scene.kafka);
        let expected = Expected { route: Route::Converted, reason: None };
        let sent: Vec<Sent> = kafka
            .read(&[topic])
            .into_iter()
            .map(|read| Sent {
                source: (read.topic, read.partition),
                offset: read.offset,
                content: read.content,
                class: Class::Order(Version::V3),
                expected,
            })
            .collect();
        assert!(!sent.is_empty(), "something is diverted");
        let (group, next) = (format!("{}.up", self.scene.application), ends(&sent));
        wait_for("the converter's offsets", CATCH_UP, || {
            let committed = kafka.committed(&group, &[topic]);
            next.iter().all(|(place, end)| committed.get(place).is_some_and(|found| found >= end)).then_some(())
        });
        let outputs = BTreeMap::from([(topic.clone(), self.outputs.clone())]);
        let converted = Some(self.conversion.clone());
        let (gate, sent) = ("up", &*sent);
        let truth =
            Truth { sent, outputs: &outputs, gate, duplicates: false, same_partition: true, counts: None, converted };
        assert_clean(&check(&truth, &Seen::observe(kafka, &outputs, &group)));
    }
}

fn gate_and_converter_killed(seed: u64) {
    let pipeline = Pipeline::new("hops");
    let Pipeline { scene, line, .. } = &pipeline;
    let kills = if long() { 20 } else { 2 };
    let planned = line.traffic(seed).mixed(RATE as usize * 3 * kills as usize, &Class::usual());
    let [gate, converter] = pipeline.configs();
    let (gates, sent) = killed(&[&gate, &converter], seed, kills, || scene.send_paced(line, planned, RATE));
    scene.verify(line, &sent, None);
    pipeline.verify_converter();
    drop(gates);
}

/// Three seeds side by side: they mostly wait for sessions and transactions of the dead.
#[test]
fn gate_and_converter_are_killed_one_at_a_time() {
    let seed = seed();
    std::thread::scope(|scope| {
        for number in 0..3 {
            scope.spawn(move || gate_and_converter_killed(seed.wrapping_add(number * 1_000)));
        }
    });
}

/// Both topics are complete, and each record is in each once, whenever the process dies.
#[test]
fn both_ways_by_a_process_that_is_killed() {
    let seed = seed();
    let world = World::new("pair-killed");
    world.make_topics(&["old", "new", "dead"]);
    let converters = json!({
        "up": world.converter("old", "new", 2, Some("down")),
        "down": world.converter("new", "old", 1, Some("up")),
    });
    let config = world.config(json!({}), converters);
    let kinds = [Kind::Version(1), Kind::Version(2), Kind::Tombstone];
    let to_old = mixed(seed, 900, &kinds);
    let to_new: Vec<_> =
        mixed(seed + 1, 900, &kinds).into_iter().map(|order| Order { number: order.number + 1_000, ..order }).collect();
    let (gates, ()) = killed(&[&config], seed, if long() { 20 } else { 2 }, || {
        std::thread::scope(|scope| {
            scope.spawn(|| world.send("old", &to_old, Some(RATE / 4)));
            world.send("new", &to_new, Some(RATE / 4));
        });
    });
    for (end, own, others, way, target) in
        [("old", &to_old, &to_new, ("new", "old"), 1), ("new", &to_new, &to_old, ("old", "new"), 2)]
    {
        let mut expected: Vec<_> = own.iter().map(|order| world.content(order)).collect();
        let is_other = |kind| matches!(kind, Kind::Version(version) if version != target);
        expected.extend(others.iter().map(|order| {
            if is_other(order.kind) { world.converted(order, way, target) } else { world.passed(order, way) }
        }));
        let mut found: Vec<_> = world.wait_for(end, 1_800).into_values().flatten().collect();
        found.sort_by_key(|content| content.timestamp);
        expected.sort_by_key(|content| content.timestamp);
        assert_eq!(found, expected, "'{end}'");
    }
    drop(gates);
}

fn orders(numbers: std::ops::Range<i64>, version: usize) -> Vec<Order> {
    numbers.map(|number| Order::new(number, Kind::Version(version), Wire::Id)).collect()
}

/// The schema is known, and what the registry says of the way to the target is not: the partition waits, nothing is lost.
#[test]
fn an_outage_while_a_plan_is_made_holds_and_condemns_nothing() {
    let world = World::new("plan-outage");
    world.make_topics(&["raw", "orders", "dead"]);
    let gate = Gate::start(&world.config(world.gate("convert"), json!({})));
    world.send("raw", &orders(0..30, 2), None);
    wait_counts(&gate, "orders", &[("validated", "", 30)]);
    world.scene.registry.replace(&format!("/subjects/{}/versions", world.subject), json!({ "error": "no" }));
    let late = orders(30..60, 3);
    world.send("raw", &late, None);
    wait_for("the hold", CATCH_UP, || {
        let status: Value = serde_json::from_str(&gate.ask("/status")?.body).unwrap();
        let partitions = status["gates"][0]["partitions"].as_array()?;
        partitions.iter().any(|one| one["held"] == "registry_unavailable").then_some(())
    });
    assert_eq!(world.read("dead"), BTreeMap::new());
    world.scene.registry.restore();
    wait_counts(&gate, "orders", &[("validated", "", 30), ("converted", "", 30)]);
    let all = world.wait_for("orders", 60).into_values().flatten();
    let converted: Vec<_> = all.filter(|content| content.timestamp >= late[0].timestamp()).collect();
    assert_eq!(converted.len(), 30);
}

/// With a cache, rules are there after a restart without the registry.
#[test]
fn a_converter_by_rules_starts_during_an_outage() {
    let world = World::new("rules-outage");
    world.make_topics(&["old", "new", "dead"]);
    let cache = tempfile::tempdir().unwrap();
    let converters = json!({ "down": world.converter("old", "new", 2, None) });
    let config = world.config(json!({}), converters).set("/registry/cache_dir", cache.path().to_str().unwrap());
    let gate = Gate::start(&config);
    world.send("old", &orders(0..20, 3), None);
    world.wait_for("new", 20);
    // The registry, the schema, its subjects, the target, the rules.
    wait_cached(cache.path(), 5);
    gate.kill();
    world.scene.registry.down();
    let gate = Gate::start(&config);
    world.send("old", &orders(20..40, 3), None);
    let all = orders(0..40, 3);
    let expected = by_partition(all.iter(), |order| world.converted(order, ("old", "new"), 2));
    assert_eq!(world.wait_for("new", 40), expected);
    drop(gate);
}

/// Keys are converted by their own rule, and go where a Java producer would put the new key.
#[test]
fn keys_are_converted_and_spread_anew() {
    const TARGETS: i32 = 5;
    let world = World::new("keys");
    world.make_topics(&["old"]);
    for end in ["new", "dead"] {
        world.scene.kafka.create_topic(&world.topic(end), TARGETS, &[]);
    }
    let keys = format!("{}.keys", world.scene.application);
    let [from, to] = [r#""int""#, r#""long""#].map(|schema| world.scene.registry.register(&keys, schema));
    let mut converter = world.converter("old", "new", 2, None);
    converter["key"] = json!({ "format": "avro", "subject": keys, "target": 2 });
    converter["repartition"] = "murmur2".into();
    let gate = Gate::start(&world.config(json!({}), json!({ "up": converter })));
    let all = orders(0..60, 1);
    let with_key = |order: &Order, id: i32| {
        let mut content = world.content(order);
        content.key = Some(by_id(id, &zigzag(order.number)));
        content
    };
    let contents: Vec<_> = all.iter().map(|order| (order.partition(), with_key(order, from))).collect();
    let borrowed = contents.iter().map(|(partition, content)| (*partition, content));
    world.scene.kafka.writer().write(&world.topic("old"), borrowed, || {});
    let found = world.wait_for("new", 60);
    assert!(found.len() > 3, "spread over {} partitions", found.len());
    for order in &all {
        let key = by_id(to, &zigzag(order.number));
        let partition = murmur2::partition(Some(&key), order.partition(), TARGETS);
        let content = found[&partition].iter().find(|content| content.timestamp == order.timestamp());
        let content = content.unwrap_or_else(|| panic!("number {} is not in partition {partition}", order.number));
        let value = world.converted(order, ("old", "new"), 2).value;
        assert_eq!((&content.key, &content.value), (&Some(key), &value));
        let said = content.headers.iter().find(|(name, _)| name == "sluice.converted.hash").unwrap().1.clone();
        assert_eq!(said, Some(hash(content).into_bytes()));
    }
    drop(gate);
}
