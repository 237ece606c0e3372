//! One record as it came from the broker, borrowed.
//!
//! The gate judges views, never copies: a [`Record`] points into the buffer that the
//! Kafka client owns, and lives as long as its batch. Nothing here knows a Kafka
//! library, so the pure core can be tested with plain values.
//!
//! Offsets in this crate are of two kinds and every doc says which: the offset *of*
//! a record, and the offset of the *next* record to be read (what Kafka commits).

use std::fmt;

/// A partition of a topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Partition(pub i32);

/// An offset in a partition; the doc of each use says whether it is that of *this* record or of the *next* one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Offset(pub i64);

impl Offset {
    /// Returns the offset after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

/// Where *this* record stands in the source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Position<'a> {
    /// Topic of the record.
    pub topic: &'a str,
    /// Partition of the record.
    pub partition: Partition,
    /// Offset of *this* record.
    pub offset: Offset,
}

impl fmt::Display for Partition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}@{}", self.topic, self.partition, self.offset)
    }
}

/// One header. Names may repeat, values may be null, and the order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header<'a> {
    /// Name of the header.
    pub name: &'a str,
    /// Value of the header; `None` is a null value, which is not the empty one.
    pub value: Option<&'a [u8]>,
}

/// The value of a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Value<'a> {
    /// Bytes, possibly none of them.
    Bytes(&'a [u8]),
    /// A null value: deletes the key in a compacted topic.
    Tombstone,
}

/// The half of a record that carries a schema of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Part {
    /// The record's key.
    Key,
    /// The record's value.
    Value,
}

impl Part {
    /// Returns the stable name: `key` or `value`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Value => "value",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A record as it came, borrowed from the batch.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// Where *this* record stands.
    pub position: Position<'a>,
    /// Milliseconds since 1970-01-01 UTC; `None` where the broker gave none.
    pub timestamp: Option<i64>,
    /// The key; `None` is a null key, which is not the empty one.
    pub key: Option<&'a [u8]>,
    /// The value or a tombstone.
    pub value: Value<'a>,
    /// The headers in their order.
    pub headers: &'a [Header<'a>],
}
