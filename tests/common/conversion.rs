//! Orders in three versions, of which the third has no way to the others but by a rule; and what each becomes, converted.
//!
//! What must come out is worked out here by hand, byte by byte.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::client::{Content, OwnedHeader};
use super::gate::{Config, Gate};
use super::metrics::Counts;
use super::registry::Registry;
use super::scene::Scene;
use super::schemas::zigzag;
use super::traffic::by_id;
use super::{PATIENCE, wait_for};

pub(crate) const PARTITIONS: i32 = 3;
pub(crate) const CATCH_UP: Duration = Duration::from_secs(120);
/// Beyond 2^53, where JSON's numbers end.
pub(crate) const LARGE: i64 = 1 << 60;

/// Version 2 adds a field with a default; version 3 makes the customer a number, which no resolution bridges.
pub(crate) fn text(version: usize) -> String {
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
pub(crate) const RULE: &str = r#"customer = -2 ? ($f := function() { $f() }; $f()) : customer < 0 ? 7 : $merge([$, {"customer": $string(customer), "channel": "rule"}])"#;

pub(crate) struct World {
    pub(crate) scene: Scene,
    pub(crate) subject: String,
    pub(crate) ids: [i32; 3],
    pub(crate) guids: [Vec<u8>; 3],
}

impl World {
    pub(crate) fn new(name: &str) -> Self {
        let scene = Scene::empty(name);
        let subject = format!("{}.orders-value", scene.application);
        let ids = register(&scene.registry, &subject, text, Some(RULE));
        let guids = ids.map(|id| {
            let answer = scene.registry.ask("GET", &format!("/schemas/ids/{id}"), "");
            let guid = u128::from_str_radix(&answer["guid"].as_str().unwrap().replace('-', ""), 16).unwrap();
            guid.to_be_bytes().to_vec()
        });
        Self { scene, subject, ids, guids }
    }

    pub(crate) fn topic(&self, end: &str) -> String {
        format!("{}.{end}", self.scene.application)
    }

    pub(crate) fn make_topics(&self, ends: &[&str]) {
        for end in ends {
            self.scene.kafka.create_topic(&self.topic(end), PARTITIONS, &[]);
        }
    }

    pub(crate) fn config(&self, gates: Value, converters: Value) -> Config {
        let mut config =
            Config::new(&self.scene.application, self.scene.kafka.bootstrap(), &self.scene.registry.url(), gates);
        config.0["converters"] = converters;
        config
    }

    pub(crate) fn gate(&self, incompatible: &str) -> Value {
        json!({ "orders": {
            "source": self.topic("raw"),
            "validated": self.topic("orders"),
            "converter": self.topic("converter"),
            "dead_letter": self.topic("dead"),
            "incompatible": incompatible,
            "value": { "subject": self.subject, "target": 2 },
        } })
    }

    pub(crate) fn converter(&self, source: &str, to: &str, target: i32, pair: Option<&str>) -> Value {
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
    pub(crate) fn send(&self, end: &str, records: &[Order], pace: Option<u32>) {
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
    pub(crate) fn read(&self, end: &str) -> BTreeMap<i32, Vec<Content>> {
        let mut read = BTreeMap::<i32, Vec<Content>>::new();
        for record in self.scene.kafka.read(&[&self.topic(end)]) {
            read.entry(record.partition).or_default().push(record.content);
        }
        read
    }

    /// Waits until a topic has that many records, and returns them.
    pub(crate) fn wait_for(&self, end: &str, count: usize) -> BTreeMap<i32, Vec<Content>> {
        let what = format!("{count} records in '{end}'");
        wait_for(&what, CATCH_UP, || {
            let read = self.read(end);
            let found = read.values().map(Vec::len).sum::<usize>();
            assert!(found <= count, "{found} records in '{end}', which should have {count}");
            (found == count).then_some(read)
        })
    }

    pub(crate) fn named(&self, wire: Wire, version: usize) -> Vec<u8> {
        match wire {
            Wire::Id | Wire::IdHeader => by_id(self.ids[version - 1], &[]),
            Wire::Guid | Wire::GuidHeader => [&[1], &self.guids[version - 1][..]].concat(),
        }
    }

    /// Returns a record as it is sent.
    pub(crate) fn content(&self, order: &Order) -> Content {
        let Some((version, datum)) = order.datum() else { return self.framed(order, None) };
        self.framed(order, Some((version, datum)))
    }

    pub(crate) fn framed(&self, order: &Order, value: Option<(usize, Vec<u8>)>) -> Content {
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
    pub(crate) fn converted(&self, order: &Order, (from, to): (&str, &str), target: usize) -> Content {
        let (version, _) = order.datum().unwrap();
        let mut content = self.framed(order, Some((target, order.converted(target))));
        let place = |end, version| format!("{}/{}/{version}", self.topic(end), self.subject);
        mark(&mut content, &place(from, version), &place(to, target));
        content
    }

    /// Returns what a record becomes that passes a converter of a pair.
    pub(crate) fn passed(&self, order: &Order, (from, to): (&str, &str)) -> Content {
        let mut content = self.content(order);
        mark(&mut content, &format!("{}//", self.topic(from)), &format!("{}//", self.topic(to)));
        content
    }
}

/// Registers the three versions of a schema; the third has this rule on the way down. Returns the IDs.
pub(crate) fn register(
    registry: &Registry,
    subject: &str,
    text: impl Fn(usize) -> String,
    rule: Option<&str>,
) -> [i32; 3] {
    [1, 2, 3].map(|version| {
        let mut body = json!({ "schema": text(version) });
        if let Some(rule) = rule.filter(|_| version == 3) {
            let rule = json!({ "name": "customer_text", "kind": "TRANSFORM", "type": "JSONATA", "mode": "DOWNGRADE", "expr": rule });
            body["ruleSet"] = json!({ "migrationRules": [rule] });
        }
        let answer = registry.ask("POST", &format!("/subjects/{subject}/versions"), &body.to_string());
        i32::try_from(answer["id"].as_i64().unwrap()).unwrap()
    })
}

/// Marks a record as converted, instead of what marks it had.
pub(crate) fn mark(content: &mut Content, from: &str, to: &str) {
    content.headers.retain(|(name, _)| !name.starts_with("sluice.converted."));
    let hash = hash(content);
    for (name, text) in [("from", from), ("to", to), ("hash", &hash)] {
        content.headers.push((format!("sluice.converted.{name}"), Some(text.as_bytes().to_vec())));
    }
}

/// SHA-256 of key and value, each behind its length.
pub(crate) fn hash(content: &Content) -> String {
    let mut hash = Sha256::new();
    for part in [&content.key, &content.value] {
        hash.update(part.as_ref().map_or(-1, |bytes| i32::try_from(bytes.len()).unwrap()).to_be_bytes());
        hash.update(part.as_deref().unwrap_or_default());
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wire {
    Id,
    Guid,
    IdHeader,
    GuidHeader,
}

impl Wire {
    pub(crate) const ALL: [Self; 4] = [Self::Id, Self::Guid, Self::IdHeader, Self::GuidHeader];

    pub(crate) fn is_header(self) -> bool {
        matches!(self, Self::IdHeader | Self::GuidHeader)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Version(usize),
    Tombstone,
    /// Of version 3, with a byte too many.
    Damaged,
    /// Of version 3, with a customer for whom the rule makes what the target cannot hold.
    Impossible,
    /// Of version 3, with a customer for whom the rule does not end.
    Endless,
}

/// A record to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) number: i64,
    pub(crate) kind: Kind,
    pub(crate) wire: Wire,
    /// Headers as an application copies them from what it has read.
    pub(crate) copied: Vec<OwnedHeader>,
}

impl Order {
    pub(crate) fn new(number: i64, kind: Kind, wire: Wire) -> Self {
        Self { number, kind, wire, copied: Vec::new() }
    }

    pub(crate) fn key(&self) -> Vec<u8> {
        format!("key-{}", self.number % 17).into_bytes()
    }

    pub(crate) fn partition(&self) -> i32 {
        i32::try_from(self.number % 17).unwrap() % PARTITIONS
    }

    pub(crate) fn timestamp(&self) -> i64 {
        1_700_000_000_000 + self.number
    }

    pub(crate) fn headers(&self) -> Vec<OwnedHeader> {
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
    pub(crate) fn datum(&self) -> Option<(usize, Vec<u8>)> {
        let id = zigzag(LARGE + self.number);
        let string = |text: &str| [zigzag(i64::try_from(text.len()).unwrap()), text.as_bytes().to_vec()].concat();
        let customer = self.number * 10;
        Some(match self.kind {
            Kind::Version(1) => (1, [id, string(&customer.to_string())].concat()),
            Kind::Version(2) => (2, [id, string(&customer.to_string()), string("shop")].concat()),
            Kind::Version(_) => (3, [id, zigzag(customer)].concat()),
            Kind::Damaged => (3, [id, zigzag(customer), vec![0]].concat()),
            Kind::Impossible => (3, [id, zigzag(-1)].concat()),
            Kind::Endless => (3, [id, zigzag(-2)].concat()),
            Kind::Tombstone => return None,
        })
    }

    /// Returns the datum that this becomes.
    pub(crate) fn converted(&self, target: usize) -> Vec<u8> {
        let channel: &[u8] = match (self.kind, target) {
            (_, 1) => b"",
            (Kind::Version(1), _) => b"\x06web",
            _ => b"\x08rule",
        };
        let (_, first) = Order { kind: Kind::Version(1), ..self.clone() }.datum().unwrap();
        [&first, channel].concat()
    }
}

pub(crate) fn mixed(seed: u64, count: i64, kinds: &[Kind]) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(seed);
    let order = |number| {
        let kind = kinds[random.random_range(0..kinds.len())];
        Order::new(number, kind, Wire::ALL[random.random_range(0..Wire::ALL.len())])
    };
    (0..count).map(order).collect()
}

/// Returns by partition what records become.
pub(crate) fn by_partition<'a>(
    orders: impl Iterator<Item = &'a Order>,
    become_: impl Fn(&Order) -> Content,
) -> BTreeMap<i32, Vec<Content>> {
    let mut all = BTreeMap::<i32, Vec<Content>>::new();
    orders.for_each(|order| all.entry(order.partition()).or_default().push(become_(order)));
    all
}

pub(crate) fn header<'a>(content: &'a Content, name: &str) -> Option<&'a str> {
    let (_, value) = content.headers.iter().find(|(found, _)| found == name)?;
    std::str::from_utf8(value.as_ref()?).ok()
}

pub(crate) fn counts(expected: &[(&str, &str, usize)]) -> Counts {
    let counts = expected.iter().filter(|(_, _, records)| *records > 0);
    counts.map(|(outcome, reason, records)| (((*outcome).to_owned(), (*reason).to_owned()), *records as u64)).collect()
}

pub(crate) fn wait_counts(gate: &Gate, name: &str, expected: &[(&str, &str, usize)]) {
    let expected = counts(expected);
    let start = Instant::now();
    loop {
        let found = gate.records(name);
        if gate.counts_as(name, &found, &expected) {
            return;
        }
        assert!(start.elapsed() < CATCH_UP * PATIENCE, "'{name}' counts {found:?}, not {expected:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

/// What a mapping makes of the traffic's orders of version 3: the customer, a number, becomes a text.
#[derive(Debug, Clone)]
pub(crate) struct Conversion {
    /// The ID of the target's schema.
    pub(crate) id: i32,
    /// `topic/subject/version` of what is read.
    pub(crate) from: String,
    /// The same of what is written.
    pub(crate) to: String,
}

impl Conversion {
    /// The steps that do it. Orders that orders replace are of a type within itself, which no step reaches.
    pub(crate) fn steps() -> Value {
        json!({ "3": [{ "to": "customer", "cast": "number" }, { "to": "replaces", "constant": null }] })
    }

    /// Returns what a record becomes.
    pub(crate) fn of(&self, content: &Content) -> Content {
        let datum = &content.value.as_ref().unwrap()[5..];
        let (_, id) = varint(datum);
        let (customer, length) = varint(&datum[id..]);
        let customer = customer.to_string();
        let text = [zigzag(i64::try_from(customer.len()).unwrap()), customer.into_bytes()].concat();
        let datum = [&datum[..id], &text, &datum[id + length..]].concat();
        let mut content = Content { value: Some(by_id(self.id, &datum)), ..content.clone() };
        mark(&mut content, &self.from, &self.to);
        content
    }
}

/// Reads a number as Avro writes it, and how many bytes it takes.
fn varint(bytes: &[u8]) -> (i64, usize) {
    let length = bytes.iter().position(|byte| *byte < 0x80).unwrap() + 1;
    let number = bytes[..length].iter().rev().fold(0_u64, |number, byte| number << 7 | u64::from(byte & 0x7f));
    ((number >> 1).cast_signed() ^ -(number & 1).cast_signed(), length)
}
