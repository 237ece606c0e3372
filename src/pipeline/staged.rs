//! Records that are staged: where they came from, and what became of them.

use rdkafka::error::RDKafkaErrorCode;

use super::assignment::Assigned;
use crate::gate::verdict::Route;
use crate::record::{Offset, Partition};
use crate::schema::table::Source;

/// Where a staged record came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin {
    pub(super) source: Source,
    pub(super) partition: Partition,
    /// Offset of *this* record.
    pub(super) offset: Offset,
}

impl Origin {
    /// Returns where the next record of a partition comes from.
    pub(super) fn next_of(held: &Assigned) -> Self {
        Self { source: held.source, partition: held.partition, offset: held.next }
    }
}

/// What became of a record that was to be staged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Staged {
    /// It is under way.
    Yes,
    /// It would be one dead letter too many.
    OverLimit,
    /// It fits no output.
    TooLarge,
    /// Its output refuses it for what it is, and so do the dead letters.
    Refused(RDKafkaErrorCode),
    /// The output of this route is not there.
    NoOutput(Route, String),
}
