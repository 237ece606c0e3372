//! Records of the target that are no copies: others have written them there, and the source lacks them.

use std::collections::BTreeMap;

use rdkafka::Message as _;

use super::cast::{Cast, Side};
use super::error::Error;
use super::left_out::LeftOut;
use super::offsets::{Map, Offsets, Spot};
use super::scan;

/// What others have written to the target.
#[derive(Debug, Default)]
pub(super) struct Born {
    /// How many records.
    pub(super) count: u64,
    /// The first of each partition.
    pub(super) firsts: Offsets,
    /// How many others the source lacks rightly.
    pub(super) left_out: u64,
}

impl Born {
    /// Reads the target up to these offsets and looks for records that the map does not name; `reversed` is the map as it reads
    /// from there. Those that are `left_out` are counted by themselves.
    pub(super) fn look(cast: &Cast, reversed: &Map, left_out: &LeftOut, until: &Offsets) -> Result<Self, Error> {
        let mut born = Self::default();
        let until: BTreeMap<i32, i64> = until.iter().filter(|(_, end)| **end > 0).map(|(p, end)| (*p, *end)).collect();
        scan::between(cast, (Side::Target, &cast.migration.to), Some(&until), |message| {
            let spot = (message.partition(), message.offset());
            if reversed.target(spot).is_some() {
                return;
            }
            if left_out.has(message) {
                born.left_out += 1;
            } else {
                born.count += 1;
                let first = born.firsts.entry(spot.0).or_insert(spot.1);
                *first = spot.1.min(*first);
            }
        })?;
        Ok(born)
    }

    /// Returns the first record.
    pub(super) fn first(&self) -> Option<Spot> {
        self.firsts.iter().next().map(|(&partition, &offset)| (partition, offset))
    }
}
