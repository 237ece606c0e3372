//! Reading a whole topic once, as consumers that read committed see it.

use std::collections::BTreeMap;

use rdkafka::message::BorrowedMessage;

use super::cast::{Cast, Side};
use super::error::Error;
use super::offsets::Offsets;
use super::reading::{partitions_there, up_to};

/// Reads all partitions from their begin to their end.
pub(super) fn all(cast: &Cast, side: Side, topic: &str, each: impl FnMut(&BorrowedMessage<'_>)) -> Result<(), Error> {
    between(cast, (side, topic), None, each)
}

/// The same, of these partitions only, each up to this offset if it comes before the end.
pub(super) fn between(
    cast: &Cast,
    (side, topic): (Side, &str),
    ends: Option<&BTreeMap<i32, i64>>,
    each: impl FnMut(&BorrowedMessage<'_>),
) -> Result<(), Error> {
    let consumer = cast.consumer(side, 1)?;
    let end = |partition| ends.map_or(Some(i64::MAX), |ends| ends.get(&partition).copied());
    let partitions = partitions_there(&consumer, topic)?.into_iter();
    let wanted: Offsets = partitions.filter_map(|partition| Some((partition, end(partition)?))).collect();
    up_to(&consumer, topic, &wanted, each)
}
