//! Orders of three versions, and what each becomes in a job whose target is the second.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};

use super::common::client::Content;
use super::common::conversion::{mark, register};
use super::common::kafka::Cluster;
use super::common::registry::Registry;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::unique;
use super::copies::held;
use super::job::Job;

pub(crate) const PARTITIONS: i32 = 3;

/// Version 2 adds fields with defaults, a map among them; version 3 makes the customer a number, which no resolution bridges.
fn text(version: usize) -> String {
    let field = |name: &str, schema: &str| format!(r#"{{"name":"{name}","type":{schema}}}"#);
    let mut fields =
        vec![field("id", r#""long""#), field("customer", if version == 3 { r#""long""# } else { r#""string""# })];
    fields.push(field("tags", r#"{"type":"map","values":"int"}"#));
    if version == 2 {
        fields.push(r#"{"name":"channel","type":"string","default":"web"}"#.to_owned());
    }
    format!(r#"{{"type":"record","name":"Order","fields":[{}]}}"#, fields.join(","))
}

/// What a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Of version 1: is converted.
    Old,
    /// Of version 2: the target's already.
    Target,
    /// Of version 3: has no way.
    Strange,
    /// Of version 1, with a byte too many.
    Damaged,
    /// Without a frame.
    Bare,
    Tombstone,
}

impl Kind {
    /// Returns the reason where the record becomes a dead letter.
    pub(crate) fn reason(self) -> Option<&'static str> {
        match self {
            Self::Old | Self::Target | Self::Tombstone => None,
            Self::Strange => Some("no_conversion_path"),
            Self::Damaged => Some("trailing_bytes"),
            Self::Bare => Some("not_framed"),
        }
    }

    /// Returns the version of a record that is converted where there is a way.
    fn converted_from(self) -> Option<u32> {
        match self {
            Self::Old => Some(1),
            Self::Strange => Some(3),
            Self::Target | Self::Damaged | Self::Bare | Self::Tombstone => None,
        }
    }
}

/// A record to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Order {
    pub(crate) number: i64,
    pub(crate) kind: Kind,
    /// Bytes of the customer that no compression makes fewer.
    pub(crate) size: usize,
}

impl Order {
    pub(crate) fn partition(&self) -> i32 {
        i32::try_from(self.number.rem_euclid(i64::from(PARTITIONS))).unwrap()
    }

    fn customer(&self) -> Vec<u8> {
        let mut customer = format!("customer {}", self.number).into_bytes();
        let mut random = StdRng::seed_from_u64(self.number.unsigned_abs());
        customer.extend((0..self.size).map(|_| random.random_range(b'!'..=b'~')));
        customer
    }

    fn datum(&self, version: usize) -> Vec<u8> {
        let customer = if version == 3 { zigzag(self.number) } else { string(&self.customer()) };
        self.datum_of(customer, (version == 2).then_some(if self.kind == Kind::Target { "shop" } else { "web" }))
    }

    /// Returns what version 2 makes of version 3 by a mapping or a rule that makes the number a text.
    fn bridged(&self, channel: &str) -> Vec<u8> {
        self.datum_of(string(self.number.to_string().as_bytes()), Some(channel))
    }

    fn datum_of(&self, customer: Vec<u8>, channel: Option<&str>) -> Vec<u8> {
        let tag = |name: &str, value| [string(name.as_bytes()), zigzag(value)].concat();
        let tags = [zigzag(2), tag("a", 1), tag("b", self.number), zigzag(0)].concat();
        let channel = channel.map_or(Vec::new(), |channel| string(channel.as_bytes()));
        [zigzag((1 << 60) + self.number), customer, tags, channel].concat()
    }
}

fn string(text: &[u8]) -> Vec<u8> {
    [zigzag(i64::try_from(text.len()).unwrap()), text.to_vec()].concat()
}

/// Makes orders of these kinds.
pub(crate) fn orders(seed: u64, count: i64, kinds: &[Kind]) -> Vec<Order> {
    let mut random = StdRng::seed_from_u64(seed);
    let kind = |random: &mut StdRng| kinds[random.random_range(0..kinds.len())];
    (0..count).map(|number| Order { number, kind: kind(&mut random), size: 0 }).collect()
}

/// All kinds, the good ones more often.
pub(crate) const MIXED: [Kind; 9] = [
    Kind::Old,
    Kind::Old,
    Kind::Old,
    Kind::Target,
    Kind::Target,
    Kind::Tombstone,
    Kind::Strange,
    Kind::Damaged,
    Kind::Bare,
];

/// A job that converts, its registry and its source.
pub(crate) struct World {
    pub(crate) registry: Registry,
    pub(crate) subject: String,
    pub(crate) ids: [i32; 3],
    /// By which ID copies name the second version.
    pub(crate) written: i32,
    pub(crate) job: Job,
    /// What orders of version 3 have as their channel, once converted.
    pub(crate) channel: &'static str,
}

impl World {
    pub(crate) fn new(cluster: &Cluster, name: &str) -> Self {
        Self::ruled(cluster, name, None)
    }

    /// The same, with a rule of version 3 on the way down.
    pub(crate) fn ruled(cluster: &Cluster, name: &str, rule: Option<&str>) -> Self {
        let (registry, subject) = (Registry::start(), unique(name));
        let ids = register(&registry, &subject, text, rule);
        let source = cluster.topic(name, PARTITIONS, &[]);
        let unknown = json!({ "grace": "500ms", "max_hold": "5s" });
        let job = Job::new(cluster, &source)
            .set("/registry", json!({ "url": registry.url(), "refresh": "1s", "unknown_schema": unknown }))
            .set("/migrations/copy/value", json!({ "subject": subject, "target": 2 }));
        Self { registry, subject, ids, written: ids[1], job, channel: "web" }
    }

    /// The same, and another registry for readers of the target.
    pub(crate) fn between(cluster: &Cluster, name: &str, ids: &str) -> (Self, Registry) {
        let (world, target) = (Self::new(cluster, name), Registry::start());
        let of_job = json!({ "registry": { "url": target.url() }, "ids": ids });
        let job = world.job.set("/migrations/copy/target", of_job);
        (Self { job, ..world }, target)
    }

    /// Takes the ID of the second version from the registry of the target's readers.
    pub(crate) fn read_by(self, target: &Registry) -> Self {
        let version = target.ask("GET", &format!("/subjects/{}/versions/2", self.subject), "");
        Self { written: i32::try_from(version["id"].as_i64().unwrap()).unwrap(), ..self }
    }

    pub(crate) fn dead_letters(&self) -> String {
        format!("{}.dead-letter", self.job.to)
    }

    /// Returns a record as it is sent.
    pub(crate) fn content(&self, order: &Order) -> Content {
        let framed = |version: usize| by_id(self.ids[version - 1], &order.datum(version));
        let value = match order.kind {
            Kind::Old => Some(framed(1)),
            Kind::Target => Some(framed(2)),
            Kind::Strange => Some(framed(3)),
            Kind::Damaged => Some([framed(1), vec![0]].concat()),
            Kind::Bare => Some(b"an order".to_vec()),
            Kind::Tombstone => None,
        };
        let key = (order.number % 5 != 0).then(|| format!("key-{}", order.number % 17).into_bytes());
        let headers = if order.number % 2 == 0 { vec![("trace".to_owned(), Some(vec![1]))] } else { Vec::new() };
        Content { key, value, headers, timestamp: 1_700_000_000_000 + order.number }
    }

    /// Returns what a record becomes that is no dead letter.
    pub(crate) fn copied(&self, order: &Order) -> Content {
        let mut content = self.content(order);
        if order.kind == Kind::Target {
            content.value = Some(by_id(self.written, &order.datum(2)));
        }
        let versions = if let Some(version) = order.kind.converted_from() {
            let datum = if version == 3 { order.bridged(self.channel) } else { order.datum(2) };
            content.value = Some(by_id(self.written, &datum));
            [version, 2].map(|version| format!("{}/{version}", self.subject))
        } else {
            // It has passed, marked all the same.
            [(); 2].map(|()| "/".to_owned())
        };
        let [from, to] = versions;
        mark(&mut content, &format!("{}/{from}", self.job.source), &format!("{}/{to}", self.job.to));
        content
    }

    pub(crate) fn send(&self, cluster: &Cluster, orders: &[Order]) {
        let contents: Vec<_> = orders.iter().map(|order| (order.partition(), self.content(order))).collect();
        let contents = contents.iter().map(|(partition, content)| (*partition, content));
        cluster.writer().write(&self.job.source, contents, || {});
    }

    /// Checks that each order was copied or is a dead letter, once, in its order; `reason` says what it is a dead letter for.
    pub(crate) fn assert_done(
        &self,
        cluster: &Cluster,
        orders: &[Order],
        reason: impl Fn(&Order) -> Option<&'static str>,
    ) {
        let (copies, letters) = (held(cluster, &self.job.to), held(cluster, &self.dead_letters()));
        for partition in 0..PARTITIONS {
            let index = usize::try_from(partition).unwrap();
            let (bad, good): (Vec<&Order>, Vec<&Order>) =
                orders.iter().filter(|order| order.partition() == partition).partition(|order| reason(order).is_some());
            let expected: Vec<Content> = good.iter().map(|order| self.copied(order)).collect();
            assert_eq!(copies[index].len(), expected.len(), "copies of partition {partition}");
            for (found, expected) in copies[index].iter().zip(&expected) {
                assert_eq!(found, expected);
            }
            assert_eq!(letters[index].len(), bad.len(), "dead letters of partition {partition}");
            for (found, order) in letters[index].iter().zip(&bad) {
                self.assert_letter(found, order, reason(order).unwrap());
            }
        }
    }

    fn assert_letter(&self, found: &Content, order: &Order, reason: &str) {
        let sent = self.content(order);
        assert_eq!((&found.key, &found.value), (&sent.key, &sent.value), "{order:?}");
        assert!(found.headers.starts_with(&sent.headers), "{order:?}");
        let headers: BTreeMap<&str, &str> = found.headers[sent.headers.len()..]
            .iter()
            .map(|(name, value)| (name.as_str(), std::str::from_utf8(value.as_deref().unwrap()).unwrap()))
            .collect();
        let expected = [
            ("sluice.reason", reason.to_owned()),
            ("sluice.source.topic", self.job.source.clone()),
            ("sluice.source.partition", order.partition().to_string()),
            ("sluice.source.timestamp", sent.timestamp.to_string()),
            ("sluice.gate", "copy".to_owned()),
            ("sluice.attempt", "1".to_owned()),
        ];
        for (name, value) in expected {
            assert_eq!(headers.get(name), Some(&value.as_str()), "{name}: {headers:?}");
        }
    }
}

/// Counts orders.
pub(crate) fn count(orders: &[Order], is_meant: impl Fn(&Order) -> bool) -> Value {
    orders.iter().filter(|order| is_meant(order)).count().into()
}
