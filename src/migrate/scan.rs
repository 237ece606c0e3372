//! Reading a whole topic once, as consumers that read committed see it.

use std::collections::BTreeMap;
use std::ops::Range;

use super::cast::{Cast, Side};
use super::error::Error;
use super::reading::{self, partitions_there};
use crate::kafka::ffi::Message;

/// Reads all partitions from their begin to their end.
pub(super) fn all(cast: &Cast, side: Side, topic: &str, each: impl FnMut(Message<'_>)) -> Result<(), Error> {
    between(cast, (side, topic), None, each)
}

/// The same, of these partitions only, each up to this offset if it comes before the end.
pub(super) fn between(
    cast: &Cast,
    of: (Side, &str),
    ends: Option<&BTreeMap<i32, i64>>,
    each: impl FnMut(Message<'_>),
) -> Result<(), Error> {
    let end = |partition| ends.map_or(Some(i64::MAX), |ends| ends.get(&partition).copied());
    spans(cast, of, |partition| Some(0..end(partition)?), each)
}

/// The same, of what lies between these offsets of each partition.
pub(super) fn spans(
    cast: &Cast,
    (side, topic): (Side, &str),
    span: impl Fn(i32) -> Option<Range<i64>>,
    each: impl FnMut(Message<'_>),
) -> Result<(), Error> {
    let consumer = cast.consumer(side, 1)?;
    let partitions = partitions_there(&consumer, topic)?.into_iter();
    let wanted = partitions.filter_map(|partition| Some((partition, span(partition)?))).collect();
    reading::spans(&consumer, topic, &wanted, each)
}
