//! Records of every class in a random mix, all of it from one seed, each with what a gate must make of it.
//!
//! Every record has a timestamp of its own, so no two are equal and the check can tell them apart by content alone:
//! nothing has to be added that a gate might be tempted to use. Keys stay on one partition each; some are null or
//! empty. Headers repeat names, hold null and empty values and bytes that are no text.

use std::collections::BTreeMap;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use sluice::gate::policy::{Incompatible, Tombstones};
use sluice::gate::verdict::Route;
use sluice::violation::ReasonCode;

use super::client::{Content, OwnedHeader, TopicPartition, Writer};
use super::schemas::{DATUM_DAMAGE, Order, Version, zigzag};

/// 2017: old enough that a retention by time would show.
const FIRST_TIMESTAMP: i64 = 1_500_000_000_000;

/// Orders of each version in a stock: enough that no batch of a producer compresses like one order.
const STOCK: usize = 1_000;

/// The kind of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Class {
    /// A good order of this version, its schema named by ID before the datum.
    Order(Version),
    /// A good order, its schema named by a header, the datum bare.
    HeaderOrder,
    /// A good order, its schema named by GUID.
    GuidOrder,
    /// An order of version 1 with the enum symbol that the target has not.
    LegacyStatus,
    /// An order of version 1 with the union branch that the target has not.
    LongNote,
    /// A null value.
    Tombstone,
    /// Damage to the datum.
    Damaged(ReasonCode),
    /// Bytes of no wire format: text, or none at all.
    NotFramed,
    /// The end comes inside the schema ID.
    TruncatedFrame,
    /// An ID that the registry does not know.
    UnknownSchema,
    /// A good datum whose schema is registered under another subject only.
    OtherSubject,
    /// A good order with that many bytes more.
    Padded(usize),
    /// A good order whose null key the gate does not allow.
    NoKey,
}

/// The schemas that the records name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ids {
    /// IDs of the three versions.
    pub(crate) orders: [i32; 3],
    /// GUID of version 2.
    pub(crate) guid: [u8; 16],
    /// ID of a schema of another subject.
    pub(crate) other: i32,
    /// ID of nothing.
    pub(crate) unknown: i32,
}

/// What of a gate's configuration decides about the outcome.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Policy {
    /// Whether the target is version 2 (else any).
    pub(crate) target: bool,
    /// What becomes of incompatible versions.
    pub(crate) incompatible: Incompatible,
    /// What becomes of tombstones.
    pub(crate) tombstones: Tombstones,
    /// Whether GUIDs may name schemas.
    pub(crate) guids: bool,
    /// Whether verdicts only count.
    pub(crate) pass_all: bool,
}

impl Policy {
    /// Whatever can be read is good.
    pub(crate) const ANY_TARGET: Self = Self {
        target: false,
        incompatible: Incompatible::Divert,
        tombstones: Tombstones::Pass,
        guids: true,
        pass_all: false,
    };
}

impl Default for Policy {
    fn default() -> Self {
        Self { target: true, ..Self::ANY_TARGET }
    }
}

/// What must become of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Expected {
    /// Where it goes.
    pub(crate) route: Route,
    /// Why, where it is at fault.
    pub(crate) reason: Option<ReasonCode>,
}

/// A record to be written.
#[derive(Debug, Clone)]
pub(crate) struct Planned {
    /// The partition.
    pub(crate) partition: i32,
    /// What it carries.
    pub(crate) content: Content,
    /// Its kind.
    pub(crate) class: Class,
    /// What must become of it.
    pub(crate) expected: Expected,
}

/// A record that stands in a source topic.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    /// Topic and partition.
    pub(crate) source: TopicPartition,
    /// The offset of this record.
    pub(crate) offset: i64,
    /// What it carries.
    pub(crate) content: Content,
    /// Its kind.
    pub(crate) class: Class,
    /// What must become of it.
    pub(crate) expected: Expected,
}

impl Class {
    /// All classes that any gate can meet without special settings; `UnknownSchema` is not among them, since it holds
    /// its partition for the grace time.
    pub(crate) fn usual() -> Vec<Self> {
        let mut classes: Vec<_> = Version::ALL.into_iter().map(Self::Order).collect();
        classes.extend([Self::HeaderOrder, Self::GuidOrder, Self::LegacyStatus, Self::LongNote, Self::Tombstone]);
        classes.extend(DATUM_DAMAGE.map(Self::Damaged));
        classes.extend([Self::NotFramed, Self::TruncatedFrame, Self::OtherSubject]);
        classes
    }

    /// Returns what a gate of this policy must make of a record of this class.
    pub(crate) fn expected(self, policy: &Policy) -> Expected {
        let fault = |code| Expected { route: Route::DeadLetter, reason: Some(code) };
        let good = Expected { route: Route::Validated, reason: None };
        let expected = match self {
            Self::Order(Version::V3) if policy.target => match policy.incompatible {
                Incompatible::Divert => Expected { route: Route::Converter, reason: None },
                Incompatible::Convert => Expected { route: Route::Converted, reason: None },
                Incompatible::DeadLetter => fault(ReasonCode::NoConversionPath),
            },
            Self::GuidOrder if !policy.guids => fault(ReasonCode::WireFormatNotAllowed),
            Self::Order(_) | Self::HeaderOrder | Self::GuidOrder | Self::Padded(_) => good,
            Self::LegacyStatus | Self::LongNote if !policy.target => good,
            Self::LegacyStatus => fault(ReasonCode::TargetMissingEnumSymbol),
            Self::LongNote => fault(ReasonCode::TargetMissingUnionBranch),
            Self::Tombstone => match policy.tombstones {
                Tombstones::Pass => good,
                Tombstones::DeadLetter => fault(ReasonCode::TombstoneNotAllowed),
                Tombstones::Drop => Expected { route: Route::None, reason: None },
            },
            Self::Damaged(code) => fault(code),
            Self::NotFramed => fault(ReasonCode::NotFramed),
            Self::TruncatedFrame => fault(ReasonCode::TruncatedFrame),
            Self::UnknownSchema => fault(ReasonCode::UnknownSchema),
            Self::OtherSubject => fault(ReasonCode::SubjectMismatch),
            Self::NoKey => fault(ReasonCode::MissingKey),
        };
        if policy.pass_all { Expected { route: Route::Validated, ..expected } } else { expected }
    }
}

/// A source of records.
pub(crate) struct Traffic {
    random: StdRng,
    ids: Ids,
    policy: Policy,
    partitions: i32,
    keys: u32,
    made: i64,
    /// Orders of each version to take from instead of making each anew.
    stock: Option<[Vec<Order>; 3]>,
}

impl Traffic {
    /// Creates a source of records for a topic of that many partitions.
    pub(crate) fn new(seed: u64, ids: Ids, policy: Policy, partitions: i32) -> Self {
        Self { random: StdRng::seed_from_u64(seed), ids, policy, partitions, keys: 40, made: 0, stock: None }
    }

    /// Makes all orders of about that size from now on. They are taken from a stock and renumbered: to encode a million
    /// takes minutes in a debug build.
    pub(crate) fn of_size(mut self, bytes: usize) -> Self {
        let random = &mut self.random;
        self.stock =
            Some(Version::ALL.map(|version| (0..STOCK).map(|_| Order::of_size(version, bytes, 0, random)).collect()));
        self
    }

    fn order(&mut self, version: Version) -> Order {
        let Some(stock) = &self.stock else { return Order::good(version, self.made, &mut self.random) };
        let order = stock[version as usize].choose(&mut self.random).expect("a stock");
        order.clone().with("id", zigzag(self.made))
    }

    /// Makes a mix: three quarters good orders, the rest of all the classes evenly.
    pub(crate) fn mixed(&mut self, count: usize, classes: &[Class]) -> Vec<Planned> {
        let good: Vec<_> = classes.iter().copied().filter(|class| matches!(class, Class::Order(_))).collect();
        let pick = |traffic: &mut Self| {
            let from = if traffic.random.random_bool(0.75) && !good.is_empty() { &good } else { classes };
            *from.choose(&mut traffic.random).expect("a class")
        };
        (0..count)
            .map(|_| {
                let class = pick(self);
                self.record(class)
            })
            .collect()
    }

    /// Makes a mix for one partition only.
    pub(crate) fn on_partition(&mut self, partition: i32, count: usize, classes: &[Class]) -> Vec<Planned> {
        let mut planned = Vec::new();
        while planned.len() < count {
            planned.extend(self.mixed(1, classes).into_iter().filter(|record| record.partition == partition));
        }
        planned
    }

    /// Makes one record.
    pub(crate) fn record(&mut self, class: Class) -> Planned {
        self.made += 1;
        let key = self.random.random_range(0..self.keys);
        let partition = i32::try_from(key).unwrap() % self.partitions;
        let key = match key {
            _ if class == Class::NoKey => None,
            0..4 => None,
            4 => Some(Vec::new()),
            key => Some(format!("clé-{key}").into_bytes()),
        };
        let mut headers = self.headers();
        let value = self.value(class, &mut headers);
        let content = Content { key, value, headers, timestamp: FIRST_TIMESTAMP + self.made * 7 };
        Planned { partition, content, class, expected: class.expected(&self.policy) }
    }

    fn value(&mut self, class: Class, headers: &mut Vec<OwnedHeader>) -> Option<Vec<u8>> {
        let version = match class {
            Class::Order(version) => version,
            Class::LegacyStatus | Class::LongNote => Version::V1,
            Class::Damaged(_) => *Version::ALL.choose(&mut self.random).expect("a version"),
            _ => Version::V2,
        };
        let order = self.order(version);
        let framed = |datum: Vec<u8>| by_id(self.ids.orders[version as usize], &datum);
        Some(match class {
            Class::Order(_) | Class::NoKey => framed(order.datum()),
            Class::HeaderOrder => {
                let id = self.ids.orders[version as usize];
                headers.push(("__value_schema_id".to_owned(), Some(by_id(id, &[]))));
                order.datum()
            }
            Class::GuidOrder => [&[1], self.ids.guid.as_slice(), &order.datum()].concat(),
            Class::LegacyStatus => framed(order.with("status", zigzag(3)).datum()),
            Class::LongNote => framed(order.with("note", vec![4, 84]).datum()),
            Class::Tombstone => return None,
            Class::Damaged(code) => framed(order.damaged(code)),
            Class::NotFramed => [b"{\"id\":1}".to_vec(), vec![0xff, 0, 0]].choose(&mut self.random).unwrap().clone(),
            Class::TruncatedFrame => framed(Vec::new())[..self.random.random_range(1..5)].to_vec(),
            Class::UnknownSchema => by_id(self.ids.unknown, &order.datum()),
            Class::OtherSubject => by_id(self.ids.other, &zigzag(self.made)),
            Class::Padded(size) => {
                // Letters in an order that no compressor makes smaller.
                let mut note = vec![0; size];
                self.random.fill(&mut note[..]);
                note.iter_mut().for_each(|byte| *byte = b'@' + (*byte & 0x1f));
                let length = zigzag(i64::try_from(size).unwrap());
                framed(order.with("note", [vec![2], length, note].concat()).datum())
            }
        })
    }

    fn headers(&mut self) -> Vec<OwnedHeader> {
        let text = |name: &str, value: &str| (name.to_owned(), Some(value.as_bytes().to_vec()));
        let id = text("trace", &self.made.to_string());
        match self.random.random_range(0..5) {
            0 | 1 => Vec::new(),
            2 => vec![id],
            3 => vec![id.clone(), text("tag", "b"), text("tag", "a"), text("tag", "b"), id],
            _ => vec![("none".to_owned(), None), ("empty".to_owned(), Some(Vec::new())), bytes("bytes"), id],
        }
    }
}

fn bytes(name: &str) -> OwnedHeader {
    (name.to_owned(), Some(vec![0xff, 0xfe, 0, 1]))
}

/// Returns Confluent's prefix and the datum.
pub(crate) fn by_id(id: i32, datum: &[u8]) -> Vec<u8> {
    [&[0], id.to_be_bytes().as_slice(), datum].concat()
}

/// Replaces null keys, for gates that refuse them and for partitions that go by key.
pub(crate) fn give_keys(planned: &mut [Planned]) {
    for record in planned.iter_mut().filter(|record| record.class != Class::NoKey) {
        record.content.key.get_or_insert_with(|| b"k".to_vec());
    }
}

/// Writes planned records to a topic and returns them with their offsets.
pub(crate) fn send(writer: &Writer, topic: &str, planned: Vec<Planned>, before_each: impl FnMut()) -> Vec<Sent> {
    let offsets = writer.write(topic, planned.iter().map(|record| (record.partition, &record.content)), before_each);
    let place = |(record, offset): (Planned, i64)| Sent {
        source: (topic.to_owned(), record.partition),
        offset,
        content: record.content,
        class: record.class,
        expected: record.expected,
    };
    planned.into_iter().zip(offsets).map(place).collect()
}

/// Returns the counters that a gate must show after these records.
pub(crate) fn counts(sent: &[Sent]) -> super::metrics::Counts {
    let mut counts = BTreeMap::new();
    for Expected { route, reason } in sent.iter().map(|record| record.expected) {
        let reason = reason.map_or("", ReasonCode::name);
        *counts.entry((route.outcome().to_owned(), reason.to_owned())).or_default() += 1;
    }
    counts
}
