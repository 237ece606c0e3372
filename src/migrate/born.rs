//! Records of the target that are no copies: others have written them there, and the source lacks them. And the other way
//! round: records of the source behind what was copied that nobody has carried to the target.

use super::cast::{Cast, Side};
use super::error::Error;
use super::left_out::LeftOut;
use super::offsets::{Map, Offsets, Spot};
use super::scan;

/// What stands on one side only.
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
        Self::between((cast, Side::Target), (reversed, left_out), (&Offsets::new(), until))
    }

    /// Reads the source from where the copy has come to up to these offsets, and looks for records that the map does not name.
    pub(super) fn look_back(cast: &Cast, map: &Map, span: (&Offsets, &Offsets)) -> Result<Self, Error> {
        Self::between((cast, Side::Source), (map, &LeftOut::default()), span)
    }

    fn between(
        (cast, side): (&Cast, Side),
        (map, left_out): (&Map, &LeftOut),
        (from, until): (&Offsets, &Offsets),
    ) -> Result<Self, Error> {
        let topic = match side {
            Side::Source => &cast.migration.source,
            Side::Target => &cast.migration.to,
        };
        let span = |partition| {
            let (from, until) = (from.get(&partition).copied().unwrap_or(0), until.get(&partition).copied()?);
            (from < until).then_some(from..until)
        };
        let mut born = Self::default();
        scan::spans(cast, (side, topic), span, |message| {
            let spot = (message.partition(), message.offset());
            if map.target(spot).is_some() {
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
