//! The traffic: which record comes next, and what must become of it.
//!
//! Most orders are written with v2, some producers still use v1, a few have moved on to v3; now and then an order is
//! deleted, and some four in a hundred records are damaged, each kind in its turn. It is made from a seed, so two runs
//! send the same records in the same order, but for their time.

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use super::cluster::PARTITIONS;
use super::damage::{Damage, framed};
use super::orders::{Order, Writer};
use super::registry::Ids;
use crate::gate::verdict::Route;
use crate::violation::ReasonCode;

/// Records in a thousand that are damaged, that delete an order, that are of v3 and of v1; the rest is of v2.
const DAMAGED: u32 = 40;
const DELETED: u32 = 10;
const V3: u32 = 100;
const V1: u32 = 250;

/// The seed of every run.
const SEED: u64 = 2_026;

/// What must become of an order of v1 or v2, or of its deletion.
const VALIDATED: Expected = Expected { route: Route::Validated, reason: None };

/// What the gate must do with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Expected {
    /// Where it goes.
    pub(super) route: Route,
    /// Why it is a dead letter.
    pub(super) reason: Option<ReasonCode>,
}

/// A record to be sent.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    /// Orders are spread over the partitions by their ID.
    pub(super) partition: i32,
    pub(super) key: String,
    /// `None` is a tombstone.
    pub(super) value: Option<Vec<u8>>,
    /// What the other of the two topics must have of a record that is not at fault.
    pub(super) converted: Option<Vec<u8>>,
    pub(super) expected: Expected,
}

/// Makes one record after the other.
#[derive(Debug)]
pub(super) struct Traffic {
    random: StdRng,
    ids: Ids,
    damages: std::iter::Cycle<std::array::IntoIter<Damage, { Damage::ALL.len() }>>,
}

impl Traffic {
    pub(super) fn new(ids: Ids) -> Self {
        Self { random: StdRng::seed_from_u64(SEED), ids, damages: Damage::ALL.into_iter().cycle() }
    }

    /// Makes the next record, of an order placed at `now`, in milliseconds since 1970-01-01 UTC.
    pub(super) fn next(&mut self, now: i64) -> Outgoing {
        let order = Order::random(&mut self.random, now);
        let (value, converted, expected) = self.value(&order);
        let partition = i32::try_from(order.id % u128::from(PARTITIONS.unsigned_abs())).unwrap_or_default();
        Outgoing { partition, key: order.key(), value, converted, expected }
    }

    /// Returns what is sent, what it must be converted to, and what the gate must do with it.
    fn value(&mut self, order: &Order) -> (Option<Vec<u8>>, Option<Vec<u8>>, Expected) {
        match self.random.random_range(0..1000) {
            kind if kind < DAMAGED => self.damaged(order),
            kind if kind < DAMAGED + DELETED => (None, None, VALIDATED),
            kind if kind < DAMAGED + DELETED + V3 => self.good(order, Writer::V3),
            kind if kind < DAMAGED + DELETED + V3 + V1 => self.good(order, Writer::V1),
            _ => self.good(order, Writer::V2),
        }
    }

    fn good(&self, order: &Order, writer: Writer) -> (Option<Vec<u8>>, Option<Vec<u8>>, Expected) {
        let encode =
            |order: &Order, writer: Writer| Some(framed(self.ids.orders[writer as usize], &order.encode(writer).bytes));
        let (other, expected) = match writer {
            Writer::V1 | Writer::V2 => (Writer::V3, VALIDATED),
            Writer::V3 => (Writer::V2, Expected { route: Route::Converter, reason: None }),
        };
        (encode(order, writer), encode(&order.as_told_by(writer), other), expected)
    }

    fn damaged(&mut self, order: &Order) -> (Option<Vec<u8>>, Option<Vec<u8>>, Expected) {
        let damage = self.damages.next().unwrap_or(Damage::PlainJson);
        let writer = if self.random.random_bool(0.3) { Writer::V1 } else { Writer::V2 };
        let expected = Expected { route: Route::DeadLetter, reason: Some(damage.reason()) };
        (Some(damage.write(order, writer, &self.ids)), None, expected)
    }
}
