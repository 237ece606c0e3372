//! Conversion on a real Kafka: in place by a gate, behind a gate by a converter, and both ways at once by a pair.
//!
//! What must come out is compared with all that did: every record once, with the target's schema ID in its own wire format,
//! the headers that say so, and in its order. `SLUICE_TEST_LONG=1` kills 20 times instead of 3.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;

use common::client::Content;
use common::conversion::{CATCH_UP, Kind, LARGE, Order, Wire, World, by_partition, header, mixed, wait_counts};
use common::gate::Gate;
use common::kill::killed;
use common::scene::Scene;
use common::schemas::zigzag;
use common::traffic::by_id;
use common::{long, seed, wait_for};
use serde_json::json;

/// Records per second while processes are killed.
const RATE: u32 = 400;

fn kills() -> u32 {
    if long() { 20 } else { 3 }
}

/// The kinds that a gate with target 2 meets.
const KINDS: [Kind; 7] = [
    Kind::Version(1),
    Kind::Version(2),
    Kind::Version(3),
    Kind::Version(3),
    Kind::Tombstone,
    Kind::Damaged,
    Kind::Impossible,
];

fn is_dead(order: &Order) -> bool {
    matches!(order.kind, Kind::Damaged | Kind::Impossible)
}

fn of_kind(orders: &[Order], kind: Kind) -> usize {
    orders.iter().filter(|order| order.kind == kind).count()
}

/// What a gate with target 2 that converts must leave behind: one sequence per partition, in the order of the source.
fn assert_in_place(world: &World, orders: &[Order]) {
    let expected = by_partition(orders.iter().filter(|order| !is_dead(order)), |order| match order.kind {
        Kind::Version(3) => world.converted(order, ("raw", "orders"), 2),
        _ => world.content(order),
    });
    let count = expected.values().map(Vec::len).sum();
    assert_eq!(world.wait_for("orders", count), expected);
    let dead: Vec<_> = orders.iter().filter(|order| is_dead(order)).collect();
    let letters = world.wait_for("dead", dead.len());
    for (partition, letters) in &letters {
        let dead = dead.iter().filter(|order| order.partition() == *partition);
        for (letter, order) in letters.iter().zip(dead) {
            let sent = world.content(order);
            assert_eq!((&letter.key, &letter.value), (&sent.key, &sent.value));
            let (reason, step) = match order.kind {
                Kind::Damaged => ("trailing_bytes", ""),
                _ => ("conversion_failed", "rule"),
            };
            assert_eq!(header(letter, "sluice.reason"), Some(reason));
            assert!(header(letter, "sluice.detail").unwrap().starts_with(step), "{letter:?}");
            assert_eq!(header(letter, "sluice.schema.version"), Some("3"));
            assert_eq!(header(letter, "sluice.target.version"), Some("2"));
            assert_eq!(header(letter, "sluice.converted.to"), None);
        }
    }
}

#[test]
fn converted_in_place() {
    let world = World::new("in-place");
    world.make_topics(&["raw", "orders", "dead"]);
    let orders = mixed(seed(), 1_500, &KINDS);
    let gate = Gate::start(&world.config(world.gate("convert"), json!({})));
    world.send("raw", &orders, None);
    assert_in_place(&world, &orders);
    let good = orders.len()
        - [Kind::Version(3), Kind::Damaged, Kind::Impossible].map(|kind| of_kind(&orders, kind)).iter().sum::<usize>();
    let converted = of_kind(&orders, Kind::Version(3));
    let dead = [
        ("dead_letter", "trailing_bytes", of_kind(&orders, Kind::Damaged)),
        ("dead_letter", "conversion_failed", of_kind(&orders, Kind::Impossible)),
    ];
    wait_counts(&gate, "orders", &[("validated", "", good), ("converted", "", converted), dead[0], dead[1]]);
    let metrics = gate.ask("/metrics").unwrap().body;
    let subject = &world.subject;
    let series = format!(
        r#"sluice_conversions_total{{from="{subject}/3",gate="orders",to="{subject}/2",way="rules"}} {converted}"#
    );
    assert!(metrics.contains(&series), "no {series}");
}

/// Records whose rule does not end would hold a batch for minutes: they are hurried, and the transaction ends before it
/// is too old. On a machine that stands still any may become so, but not each time.
#[test]
fn a_rule_without_end_costs_its_records_and_no_transaction() {
    let is_without_loss = |metrics: &String| {
        // A machine that stands still makes commits doubtful.
        let is_ours = |line: &&str| !line.contains(r#"cause="doubtful_end""#);
        let rebuilt = metrics.lines().filter(|line| line.starts_with("sluice_producer_rebuilds_total{"));
        let has_aborted_none = metrics.contains(r#"sluice_transactions_total{gate="orders",result="aborted"} 0"#);
        has_aborted_none && rebuilt.filter(is_ours).all(|line| line.ends_with(" 0"))
    };
    let metrics: Vec<_> = (0..3).map(|_| without_end()).take_while(|metrics| !is_without_loss(metrics)).collect();
    assert!(metrics.len() < 3, "a transaction was lost each time: {}", metrics[0]);
}

/// Sends records whose rule does not end; returns the metrics of the gate that had them.
fn without_end() -> String {
    let world = World::new("slow");
    world.make_topics(&["raw", "orders", "dead"]);
    let config = world.config(world.gate("convert"), json!({}));
    let config = config.set("/kafka/transaction.timeout.ms", "12000").set("/kafka/session.timeout.ms", "60000");
    let gate = Gate::start(&config);
    let good: Vec<_> = (0..30).map(|number| Order::new(number, Kind::Version(3), Wire::ALL[0])).collect();
    world.send("raw", &good, None);
    wait_counts(&gate, "orders", &[("converted", "", good.len())]);
    let kind = |number| if number % 3 == 0 { Kind::Version(2) } else { Kind::Endless };
    let orders: Vec<_> = (30..210).map(|number| Order::new(number, kind(number), Wire::ALL[0])).collect();
    world.send("raw", &orders, None);
    let (passed, endless) = (of_kind(&orders, Kind::Version(2)), of_kind(&orders, Kind::Endless));
    let expected =
        [("converted", "", good.len()), ("validated", "", passed), ("dead_letter", "conversion_failed", endless)];
    wait_counts(&gate, "orders", &expected);
    let dead = world.wait_for("dead", endless);
    let detail = header(&dead.values().next().unwrap()[0], "sluice.detail").unwrap().to_owned();
    assert!(detail.starts_with("rule customer_text: it took longer than"), "{detail}");
    let metrics = gate.ask("/metrics").unwrap().body;
    // A record of a partition that waits for a schema is looked at, and so converted, more than once.
    let overtime =
        metrics.lines().find_map(|line| line.strip_prefix(r#"sluice_expression_overtime_total{gate="orders"} "#));
    assert!(overtime.unwrap().parse::<usize>().unwrap() >= endless, "{overtime:?}");
    metrics
}

#[test]
fn converted_in_place_by_gates_that_are_killed() {
    let seed = seed();
    let world = World::new("in-place-killed");
    world.make_topics(&["raw", "orders", "dead"]);
    let config = world.config(world.gate("convert"), json!({}));
    let orders = mixed(seed, i64::from(RATE * 4 * kills()), &KINDS);
    let (gates, ()) = killed(&[&config], seed, kills(), || world.send("raw", &orders, Some(RATE)));
    assert_in_place(&world, &orders);
    drop(gates);
}

/// A gate diverts, a converter of the same process publishes to the gate's validated topic: each record is there once,
/// the direct ones in their order, the converted ones in theirs.
#[test]
fn diverted_and_converted_by_processes_that_are_killed() {
    let seed = seed();
    let world = World::new("diverted");
    world.make_topics(&["raw", "orders", "converter", "dead"]);
    let converters = json!({ "up": world.converter("converter", "orders", 2, None) });
    let config = world.config(world.gate("divert"), converters);
    let kinds = [Kind::Version(1), Kind::Version(2), Kind::Version(3), Kind::Tombstone];
    let orders = mixed(seed, i64::from(RATE * 4 * kills()), &kinds);
    let (gates, ()) = killed(&[&config], seed, kills(), || world.send("raw", &orders, Some(RATE)));
    let read = world.wait_for("orders", orders.len());
    let is_converted = |content: &&Content| header(content, "sluice.converted.from").is_some();
    let split = |converted: bool| -> BTreeMap<i32, Vec<Content>> {
        let of = |all: &Vec<Content>| all.iter().filter(|one| is_converted(one) == converted).cloned().collect();
        read.iter().map(|(partition, all)| (*partition, of(all))).collect()
    };
    let (converted, direct): (Vec<&Order>, Vec<&Order>) =
        orders.iter().partition(|order| order.kind == Kind::Version(3));
    assert_eq!(split(false), by_partition(direct.into_iter(), |order| world.content(order)));
    let as_converted = |order: &Order| world.converted(order, ("converter", "orders"), 2);
    assert_eq!(split(true), by_partition(converted.into_iter(), as_converted));
    drop(gates);
}

/// Both topics are complete while producers write to either, nothing goes round, and what an application writes with
/// the headers of what it has read is not taken for the converter's.
#[test]
fn both_ways_at_once() {
    let seed = seed();
    let world = World::new("pair");
    world.make_topics(&["old", "new", "dead"]);
    let converters = json!({
        "up": world.converter("old", "new", 2, Some("down")),
        "down": world.converter("new", "old", 1, Some("up")),
    });
    let gate = Gate::start(&world.config(json!({}), converters));
    let kinds = [Kind::Version(1), Kind::Version(2), Kind::Tombstone];
    let to_old = mixed(seed, 300, &kinds);
    let to_new: Vec<_> =
        mixed(seed + 1, 300, &kinds).into_iter().map(|order| Order { number: order.number + 1_000, ..order }).collect();
    world.send("old", &to_old, None);
    world.send("new", &to_new, None);
    world.wait_for("old", 600);
    world.wait_for("new", 600);
    // An application reads from the new topic what came from the old one, and writes new data with its headers, to both.
    let copied = |end: &str, number: i64, kind| {
        let read = world.read(end).into_values().flatten();
        let headers = |content: Content| {
            let ours = content.headers.into_iter().filter(|(name, _)| name.starts_with("sluice.converted."));
            ours.collect::<Vec<_>>()
        };
        let copied = read.map(headers).find(|headers| headers.len() == 3).expect("a record of a converter");
        Order { copied, ..Order::new(number, Kind::Version(kind), Wire::Id) }
    };
    let (late_old, late_new) = (copied("old", 5_000, 1), copied("new", 6_000, 2));
    world.send("old", std::slice::from_ref(&late_old), None);
    world.send("new", std::slice::from_ref(&late_new), None);

    let all_old: Vec<Order> = to_old.iter().cloned().chain([late_old]).collect();
    let all_new: Vec<Order> = to_new.iter().cloned().chain([late_new]).collect();
    let becomes = |order: &Order, way: (&str, &str), target: usize| match order.kind {
        Kind::Version(version) if version != target => world.converted(order, way, target),
        _ => world.passed(order, way),
    };
    for (end, own, others, way, target) in
        [("old", &all_old, &all_new, ("new", "old"), 1), ("new", &all_new, &all_old, ("old", "new"), 2)]
    {
        let mut found: Vec<_> = world.wait_for(end, 602).into_values().flatten().collect();
        let mut expected: Vec<_> = own.iter().map(|order| world.content(order)).collect();
        expected.extend(others.iter().map(|order| becomes(order, way, target)));
        found.sort_by_key(|content| content.timestamp);
        expected.sort_by_key(|content| content.timestamp);
        assert_eq!(found, expected, "'{end}'");
    }
    // All that either has written was met and skipped by the other: nothing is under way.
    for (name, orders, target) in [("up", &all_old, 2), ("down", &all_new, 1)] {
        let converted = orders.iter().filter(|order| matches!(order.kind, Kind::Version(version) if version != target));
        let converted = converted.count();
        let passed = orders.len() - converted;
        wait_counts(&gate, name, &[("validated", "", passed), ("converted", "", converted), ("skipped", "", 301)]);
    }
}

/// What a converter or a gate would do with each version is told before anything runs.
#[test]
fn check_config_tells_the_way_of_each_version_and_what_it_loses() {
    let world = World::new("told");
    world.make_topics(&["raw", "orders", "old", "new", "dead"]);
    let converters = json!({
        "up": world.converter("old", "new", 3, Some("down")),
        "down": world.converter("new", "old", 1, Some("up")),
    });
    let config = world.config(world.gate("convert"), converters);
    let file = tempfile::Builder::new().suffix(".yaml").tempfile().unwrap();
    std::fs::write(file.path(), config.0.to_string()).unwrap();
    let mut command = std::process::Command::new(common::gate::binary());
    let output = command.args(["check-config", "--config"]).arg(file.path()).output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    let values = format!("  values of '{}', version", world.subject);
    for line in [
        format!("{values} 1 to 2: pass as they are"),
        format!("{values} 3 to 2: rules"),
        format!("{values} 2 to 1: resolution; down-conversion loses `channel`"),
        format!("{values} 3 to 1: rules"),
    ] {
        assert!(said.lines().any(|found| found == line), "no '{line}' in:\n{said}");
    }
    assert!(said.contains("  converters.up.value.target: no record would be converted: version 1 "), "{said}");
    let no_way = format!("; version 2 of subject '{}' has no way to version 3: ", world.subject);
    assert!(said.contains(&no_way), "{said}");
    assert!(said.contains("converter up: exactly-once"), "{said}");
}

/// A topic that a pattern has found, and whose versions the mapping does not fit, waits and says so; the others are converted.
#[test]
fn topics_of_a_pattern_are_compared_when_they_are_found() {
    let scene = Scene::empty("pattern");
    let topic = |name: &str| format!("{}.{name}", scene.application);
    let schema =
        |field: &str| format!(r#"{{"type":"record","name":"Order","fields":[{{"name":"{field}","type":"long"}}]}}"#);
    scene.registry.register("orders-v2-value", &schema("number"));
    let ids = [("fits", "id"), ("other", "code")].map(|(name, field)| {
        scene.kafka.create_topic(&topic(&format!("{name}.old")), 1, &[]);
        scene.registry.register(&format!("{}-value", topic(&format!("{name}.old"))), &schema(field))
    });
    let converter = json!({
        "source": format!(r"^({}\.[a-z]+)\.old$", scene.application), "to": "$1.new", "dead_letter": "$1.dead",
        "value": { "subject": "orders-v2-value", "target": 1, "mapping": [{ "to": "number", "from": "id" }] },
    });
    let config =
        scene.config().without("", "gates").set("/create_topics", true).set("/converters", json!({ "up": converter }));
    for (name, id) in ["fits", "other"].into_iter().zip(ids) {
        let content = Content {
            key: None,
            value: Some(by_id(id, &zigzag(7))),
            headers: Vec::new(),
            timestamp: 1_750_000_000_000,
        };
        scene.kafka.writer().write(&topic(&format!("{name}.old")), [(0, &content)], || {});
    }
    let gate = Gate::start(&config);
    let new = topic("fits.new");
    let read = wait_for("the record", CATCH_UP, || Some(scene.kafka.read(&[&new])).filter(|read| !read.is_empty()));
    assert_eq!(&read[0].content.value.as_ref().unwrap()[5..], zigzag(7));
    let status = gate.ask("/status").unwrap().body;
    let mistake = "converters.up.value.mapping[0].from: `id` is not in the writer";
    assert!(status.contains(&topic("other.old")) && status.contains(mistake), "{status}");
    assert!(gate.log().contains("misconfigured"), "{}", gate.log());
    for end in ["new", "dead"] {
        assert_eq!(scene.kafka.partitions(&topic(&format!("other.{end}"))), None, "nothing was made for it");
    }
}

/// Versions that are deleted softly have their rules and their records, both ways; a version that is deleted for good leaves no way.
#[test]
fn rules_of_deleted_versions_run() {
    let scene = Scene::empty("deleted");
    let topic = |name: &str| format!("{}.{name}", scene.application);
    let subject = topic("orders-value");
    let path = format!("/subjects/{subject}/versions");
    // Each version has a name of its own for the field, and says in it that its rules have run.
    let names = ["a", "b", "c", "d"];
    let rule = |mode: &str, from: &str, to: &str, mark: &str| {
        let expression = format!("{{'id': id, '{to}': {from} & '{mark}'}}");
        json!({ "name": format!("{from}_to_{to}"), "kind": "TRANSFORM", "type": "JSONATA", "mode": mode, "expr": expression })
    };
    let ids: Vec<i32> = (0..4)
        .map(|index| {
            let field = format!(r#"{{"name":"{}","type":"string"}}"#, names[index]);
            let schema =
                format!(r#"{{"type":"record","name":"Order","fields":[{{"name":"id","type":"long"}},{field}]}}"#);
            let version = index + 1;
            let mut body = json!({ "schema": schema });
            if index > 0 {
                let (own, before) = (names[index], names[index - 1]);
                body["ruleSet"] = json!({ "migrationRules": [
                    rule("UPGRADE", before, own, &format!("+{version}")),
                    rule("DOWNGRADE", own, before, &format!("-{version}")),
                ] });
            }
            let answer = scene.registry.ask("POST", &path, &body.to_string());
            i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
        })
        .collect();
    for version in [2, 3] {
        scene.registry.ask("DELETE", &format!("{path}/{version}"), "");
    }
    let text = |text: &str| [zigzag(i64::try_from(text.len()).unwrap()), text.as_bytes().to_vec()].concat();
    let record = |version: usize, value: &str| by_id(ids[version - 1], &[zigzag(LARGE), text(value)].concat());
    let converter = |from: &str, to: &str, target: usize| {
        let (source, to, dead) = (topic(from), topic(to), topic("dead"));
        json!({ "source": source, "to": to, "dead_letter": dead, "value": { "subject": subject, "target": target } })
    };
    for end in ["old", "new", "dead", "later", "earlier"] {
        scene.kafka.create_topic(&topic(end), 1, &[]);
    }
    let converters = json!({ "up": converter("old", "new", 4), "down": converter("later", "earlier", 1) });
    let config = scene.config().without("", "gates").set("/converters", converters);
    let gate = Gate::start(&config);
    for (from, to, sent, expected) in [
        ("old", "new", [record(1, "x"), record(2, "y"), record(3, "z")], [(4, "x+2+3+4"), (4, "y+3+4"), (4, "z+4")]),
        (
            "later",
            "earlier",
            [record(4, "x"), record(3, "y"), record(2, "z")],
            [(1, "x-4-3-2"), (1, "y-3-2"), (1, "z-2")],
        ),
    ] {
        let content =
            |value| Content { key: None, value: Some(value), headers: Vec::new(), timestamp: 1_750_000_000_000 };
        let contents = sent.map(content);
        scene.kafka.writer().write(&topic(from), contents.iter().map(|content| (0, content)), || {});
        let to = topic(to);
        let read = wait_for(&to, CATCH_UP, || Some(scene.kafka.read(&[&to])).filter(|read| read.len() == 3));
        let values: Vec<_> = read.into_iter().map(|read| read.content.value.unwrap()).collect();
        assert_eq!(values, expected.map(|(version, value)| record(version, value)));
    }
    assert!(scene.kafka.read(&[&topic("dead")]).is_empty(), "{}", gate.log());
    drop(gate);

    // Nobody knows any more what the rules of version 3 were.
    scene.registry.ask("DELETE", &format!("{path}/3?permanent=true"), "");
    let (status, log) = Gate::spawn(&config).wait_exit(CATCH_UP);
    assert_eq!(status.code(), Some(2), "{log}");
    let told = format!(
        "converters.up.value.target: no record would be converted: version 1 of subject '{subject}' has no way"
    );
    assert!(log.contains(&told), "{log}");
}
