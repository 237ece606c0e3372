//! Records born on the target that the source lacks rightly: a converter from there to here has judged them otherwise.
//!
//! It has made dead letters of them, or drops tombstones. Both are outcomes: whoever goes back to the source finds there what
//! any of its readers finds. A dead letter counts for the record that it names only if the time is that record's too: a topic
//! that was made anew has had others at the same offsets.

use std::collections::HashMap;

use super::cast::{Cast, Side, Way};
use super::error::Error;
use super::offsets::Spot;
use super::reading::{partitions_of, up_to};
use crate::gate::dead_letter::DeadLetter;
use crate::kafka::ffi::Message;
use crate::pipeline::consume;

/// What converters from the target to the source have not carried.
#[derive(Debug, Default)]
pub(super) struct LeftOut {
    /// The times of the records that are dead letters.
    letters: HashMap<Spot, Option<i64>>,
    drops_tombstones: bool,
}

impl LeftOut {
    /// Reads the dead letters of all converters that lead back.
    pub(super) fn read(cast: &Cast) -> Result<Self, Error> {
        let mut left_out = Self::default();
        for way in cast.ways.iter().filter(|way| way.is_back) {
            left_out.drops_tombstones |= way.drops_tombstones;
            left_out.read_letters(cast, way)?;
        }
        Ok(left_out)
    }

    fn read_letters(&mut self, cast: &Cast, way: &Way) -> Result<(), Error> {
        let consumer = cast.consumer(Side::Target, 1)?;
        let partitions = partitions_of(&consumer, &way.dead_letter)?.unwrap_or_default();
        let whole = partitions.into_iter().map(|partition| (partition, i64::MAX)).collect();
        up_to(&consumer, &way.dead_letter, &whole, |message| {
            let headers = consume::headers(message);
            // Others may write their dead letters to the same topic.
            if let Ok(letter) = DeadLetter::read(&headers)
                && letter.source.topic == cast.migration.to
                && [&*way.name, ""].contains(&letter.gate)
            {
                self.letters.insert((letter.source.partition.0, letter.source.offset.0), letter.timestamp);
            }
        })
    }

    /// Tells whether a record of the target is one of them.
    pub(super) fn has(&self, message: Message<'_>) -> bool {
        let spot = (message.partition(), message.offset());
        let is_dropped = self.drops_tombstones && message.value().is_none();
        is_dropped || self.letters.get(&spot).is_some_and(|time| *time == message.timestamp())
    }
}
