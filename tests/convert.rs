//! Conversion on a real Kafka: in place by a gate, behind a gate by a converter, and both ways at once by a pair.
//!
//! What must come out is worked out here by hand, byte by byte, and compared with all that did: every record once, with
//! the target's schema ID in its own wire format, the headers that say so, and in its order. `SLUICE_TEST_LONG=1` kills
//! 20 times instead of 3.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use common::client::{Content, OwnedHeader};
use common::gate::{Config, Gate};
use common::metrics::Counts;
use common::scene::Scene;
use common::schemas::zigzag;
use common::traffic::by_id;
use common::{long, seed, wait_for};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const PARTITIONS: i32 = 3;
const CATCH_UP: Duration = Duration::from_secs(120);
/// Records per second while processes are killed.
const RATE: u32 = 400;
/// Beyond 2^53, where JSON's numbers end.
const LARGE: i64 = 1 << 60;

/// Version 2 adds a field with a default; version 3 makes the customer a number, which no resolution bridges.
fn text(version: usize) -> String {
    let (customer, channel) = match version {
        1 => ("string", ""),
        2 => ("string", r#",{"name":"channel","type":"string","default":"web"}"#),
        _ => ("long", ""),
    };
    format!(
        r#"{{"type":"record","name":"Order","fields":[{{"name":"id","type":"long"}},{{"name":"customer","type":"{customer}"}}{channel}]}}"#
    )
}

/// The rule of version 3 on the way down. A customer below 0 becomes what version 2 cannot hold.
const RULE: &str = r#"customer < 0 ? 7 : $merge([$, {"customer": $string(customer), "channel": "rule"}])"#;

struct World {
    scene: Scene,
    subject: String,
    ids: [i32; 3],
    guids: [Vec<u8>; 3],
}

impl World {
    fn new(name: &str) -> Self {
        let scene = Scene::empty(name);
        let subject = format!("{}.orders-value", scene.application);
        let rule = json!({ "name": "customer_text", "kind": "TRANSFORM", "type": "JSONATA", "mode": "DOWNGRADE", "expr": RULE });
        let ids = [1, 2, 3].map(|version| {
            let mut body = json!({ "schema": text(version) });
            if version == 3 {
                body["ruleSet"] = json!({ "migrationRules": [rule] });
            }
            let path = format!("/subjects/{subject}/versions");
            let answer = scene.registry.ask("POST", &path, &body.to_string());
            i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
        });
        let guids = ids.map(|id| {
            let answer = scene.registry.ask("GET", &format!("/schemas/ids/{id}"), "");
            let guid = u128::from_str_radix(&answer["guid"].as_str().unwrap().replace('-', ""), 16).unwrap();
            guid.to_be_bytes().to_vec()
        });
        Self { scene, subject, ids, guids }
    }

    fn topic(&self, end: &str) -> String {
        format!("{}.{end}", self.scene.application)
    }

    fn make_topics(&self, ends: &[&str]) {
        for end in ends {
            self.scene.kafka.create_topic(&self.topic(end), PARTITIONS, &[]);
        }
    }

    fn config(&self, gates: Value, converters: Value) -> Config {
        let mut config =
            Config::new(&self.scene.application, self.scene.kafka.bootstrap(), &self.scene.registry.url(), gates);
        config.0["converters"] = converters;
        config
    }

    fn gate(&self, incompatible: &str) -> Value {
        json!({ "orders": {
            "source": self.topic("raw"),
            "validated": self.topic("orders"),
            "converter": self.topic("converter"),
            "dead_letter": self.topic("dead"),
            "incompatible": incompatible,
            "value": { "subject": self.subject, "target": 2 },
        } })
    }

    fn converter(&self, source: &str, to: &str, target: i32, pair: Option<&str>) -> Value {
        let mut converter = json!({
            "source": self.topic(source),
            "to": self.topic(to),
            "dead_letter": self.topic("dead"),
            "value": { "subject": self.subject, "target": target },
        });
        if let Some(pair) = pair {
            converter["pair"] = pair.into();
        }
        converter
    }

    /// Writes records to a topic, each to the partition of its key.
    fn send(&self, end: &str, records: &[Order], pace: Option<u32>) {
        let start = Instant::now();
        let mut written = 0;
        let contents: Vec<_> = records.iter().map(|order| (order.partition(), self.content(order))).collect();
        let paced = || {
            if let Some(rate) = pace {
                written += 1;
                std::thread::sleep((Duration::from_secs(1) * written / rate).saturating_sub(start.elapsed()));
            }
        };
        let contents = contents.iter().map(|(partition, content)| (*partition, content));
        self.scene.kafka.writer().write(&self.topic(end), contents, paced);
    }

    /// Returns a topic's records, by partition in their order.
    fn read(&self, end: &str) -> BTreeMap<i32, Vec<Content>> {
        let mut read = BTreeMap::<i32, Vec<Content>>::new();
        for record in self.scene.kafka.read(&[&self.topic(end)]) {
            read.entry(record.partition).or_default().push(record.content);
        }
        read
    }

    /// Waits until a topic has that many records, and returns them.
    fn wait_for(&self, end: &str, count: usize) -> BTreeMap<i32, Vec<Content>> {
        let what = format!("{count} records in '{end}'");
        wait_for(&what, CATCH_UP, || {
            let read = self.read(end);
            let found = read.values().map(Vec::len).sum::<usize>();
            assert!(found <= count, "{found} records in '{end}', which should have {count}");
            (found == count).then_some(read)
        })
    }

    fn named(&self, wire: Wire, version: usize) -> Vec<u8> {
        match wire {
            Wire::Id | Wire::IdHeader => by_id(self.ids[version - 1], &[]),
            Wire::Guid | Wire::GuidHeader => [&[1], &self.guids[version - 1][..]].concat(),
        }
    }

    /// Returns a record as it is sent.
    fn content(&self, order: &Order) -> Content {
        let Some((version, datum)) = order.datum() else { return self.framed(order, None) };
        self.framed(order, Some((version, datum)))
    }

    fn framed(&self, order: &Order, value: Option<(usize, Vec<u8>)>) -> Content {
        let mut headers = order.headers();
        let value = value.map(|(version, datum)| {
            let named = self.named(order.wire, version);
            if order.wire.is_header() {
                headers.push(("__value_schema_id".to_owned(), Some(named)));
                datum
            } else {
                [named, datum].concat()
            }
        });
        Content { key: Some(order.key()), value, headers, timestamp: order.timestamp() }
    }

    /// Returns what a record becomes, converted to a version on the way from one topic to another.
    fn converted(&self, order: &Order, (from, to): (&str, &str), target: usize) -> Content {
        let (version, _) = order.datum().unwrap();
        let mut content = self.framed(order, Some((target, order.converted(target))));
        let place = |end, version| format!("{}/{}/{version}", self.topic(end), self.subject);
        self.mark(&mut content, &place(from, version), &place(to, target));
        content
    }

    /// Returns what a record becomes that passes a converter of a pair.
    fn passed(&self, order: &Order, (from, to): (&str, &str)) -> Content {
        let mut content = self.content(order);
        self.mark(&mut content, &format!("{}//", self.topic(from)), &format!("{}//", self.topic(to)));
        content
    }

    fn mark(&self, content: &mut Content, from: &str, to: &str) {
        content.headers.retain(|(name, _)| !name.starts_with("sluice.converted."));
        let hash = hash(content);
        for (name, text) in [("from", from), ("to", to), ("hash", &hash)] {
            content.headers.push((format!("sluice.converted.{name}"), Some(text.as_bytes().to_vec())));
        }
    }
}

/// SHA-256 of key and value, each behind its length.
fn hash(content: &Content) -> String {
    let mut hash = Sha256::new();
    for part in [&content.key, &content.value] {
        hash.update(part.as_ref().map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap()).to_be_bytes());
        hash.update(part.as_deref().unwrap_or_default());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wire {
    Id,
    Guid,
    IdHeader,
    GuidHeader,
}

impl Wire {
    const ALL: [Self; 4] = [Self::Id, Self::Guid, Self::IdHeader, Self::GuidHeader];

    fn is_header(self) -> bool {
        matches!(self, Self::IdHeader | Self::GuidHeader)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Version(usize),
    Tombstone,
    /// Of version 3, with a byte too many.
    Damaged,
    /// Of version 3, with a customer for whom the rule makes what the target cannot hold.
    Impossible,
}

/// A record to be sent.
#[derive(Debug, Clone)]
struct Order {
    number: i64,
    kind: Kind,
    wire: Wire,
    /// Headers as an application copies them from what it has read.
    copied: Vec<OwnedHeader>,
}

impl Order {
    fn new(number: i64, kind: Kind, wire: Wire) -> Self {
        Self { number, kind, wire, copied: Vec::new() }
    }

    fn key(&self) -> Vec<u8> {
        format!("key-{}", self.number % 17).into_bytes()
    }

    fn partition(&self) -> i32 {
        i32::try_from(self.number % 17).unwrap() % PARTITIONS
    }

    fn timestamp(&self) -> i64 {
        1_700_000_000_000 + self.number
    }

    fn headers(&self) -> Vec<OwnedHeader> {
        let text = |name: &str| (name.to_owned(), Some(self.number.to_string().into_bytes()));
        let mut headers = match self.number % 3 {
            0 => vec![],
            1 => vec![text("trace"), ("none".to_owned(), None), text("trace")],
            _ => vec![text("tag")],
        };
        headers.extend(self.copied.clone());
        headers
    }

    /// Returns version and datum; `None` for a tombstone.
    fn datum(&self) -> Option<(usize, Vec<u8>)> {
        let id = zigzag(LARGE + self.number);
        let string = |text: &str| [zigzag(i64::try_from(text.len()).unwrap()), text.as_bytes().to_vec()].concat();
        let customer = self.number * 10;
        Some(match self.kind {
            Kind::Version(1) => (1, [id, string(&customer.to_string())].concat()),
            Kind::Version(2) => (2, [id, string(&customer.to_string()), string("shop")].concat()),
            Kind::Version(_) => (3, [id, zigzag(customer)].concat()),
            Kind::Damaged => (3, [id, zigzag(customer), vec![0]].concat()),
            Kind::Impossible => (3, [id, zigzag(-1)].concat()),
            Kind::Tombstone => return None,
        })
    }

    /// Returns the datum that this becomes.
    fn converted(&self, target: usize) -> Vec<u8> {
        let channel: &[u8] = match (self.kind, target) {
            (_, 1) => b"",
            (Kind::Version(1), _) => b"\x06web",
            _ => b"\x08rule",
        };
        let (_, first) = Order { kind: Kind::Version(1), ..self.clone() }.datum().unwrap();
        [&first, channel].concat()
    }
}

fn mixed(seed: u64, count: i64, kinds: &[Kind]) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(seed);
    let order = |number| {
        let kind = kinds[random.random_range(0..kinds.len())];
        Order::new(number, kind, Wire::ALL[random.random_range(0..Wire::ALL.len())])
    };
    (0..count).map(order).collect()
}

/// Returns by partition what records become.
fn by_partition<'a>(
    orders: impl Iterator<Item = &'a Order>,
    become_: impl Fn(&Order) -> Content,
) -> BTreeMap<i32, Vec<Content>> {
    let mut all = BTreeMap::<i32, Vec<Content>>::new();
    orders.for_each(|order| all.entry(order.partition()).or_default().push(become_(order)));
    all
}

fn header<'a>(content: &'a Content, name: &str) -> Option<&'a str> {
    let (_, value) = content.headers.iter().find(|(found, _)| found == name)?;
    std::str::from_utf8(value.as_ref()?).ok()
}

fn counts(expected: &[(&str, &str, usize)]) -> Counts {
    let counts = expected.iter().filter(|(_, _, records)| *records > 0);
    counts.map(|(outcome, reason, records)| (((*outcome).to_owned(), (*reason).to_owned()), *records as u64)).collect()
}

fn wait_counts(gate: &Gate, name: &str, expected: &[(&str, &str, usize)]) {
    let expected = counts(expected);
    let start = Instant::now();
    loop {
        let found: Counts = gate.records(name).into_iter().filter(|(_, records)| *records > 0).collect();
        if found == expected {
            return;
        }
        assert!(start.elapsed() < CATCH_UP, "'{name}' counts {found:?}, not {expected:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// Starts the process, and kills it as a power cut does and starts it again at random moments while `load` runs.
fn killed<T: Send>(config: &Config, seed: u64, kills: u32, load: impl FnOnce() -> T + Send) -> (Gate, T) {
    let mut random = StdRng::seed_from_u64(seed);
    std::thread::scope(|scope| {
        let load = scope.spawn(load);
        let mut gate = Gate::start(config);
        for _ in 0..kills {
            std::thread::sleep(Duration::from_millis(random.random_range(300..2_000)));
            gate.kill();
            gate = Gate::start(config);
        }
        (gate, load.join().unwrap())
    })
}

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

#[test]
fn converted_in_place_by_gates_that_are_killed() {
    let seed = seed();
    let world = World::new("in-place-killed");
    world.make_topics(&["raw", "orders", "dead"]);
    let config = world.config(world.gate("convert"), json!({}));
    let orders = mixed(seed, i64::from(RATE * 4 * kills()), &KINDS);
    let (gate, ()) = killed(&config, seed, kills(), || world.send("raw", &orders, Some(RATE)));
    assert_in_place(&world, &orders);
    drop(gate);
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
    let (gate, ()) = killed(&config, seed, kills(), || world.send("raw", &orders, Some(RATE)));
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
    drop(gate);
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
    let no_way = format!("  up: version 2 of subject '{}' has no way to version 3: ", world.subject);
    assert!(said.contains(&no_way), "{said}");
    assert!(said.contains("converter up: exactly-once"), "{said}");
}
