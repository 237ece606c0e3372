//! How much a dead letter carries, where the record with all that we say of it is larger than its topic takes.
//!
//! Headers go first, since they are ours; the record itself is cut only where the operator chose so, and then says how
//! large it was, what it was (by its hash) and where the whole of it stands in the source. Nothing is dropped in
//! silence: a record that does not fit even so holds its partition.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

use super::dead_letter::{
    DeadLetter, TEXT_LIMIT, TRUNCATED_SHA256, TRUNCATED_SIZE, WrittenHeader, decimal, is_replaced,
};
use super::profile::Profile;
use crate::record::Header;

/// How much a dead letter carries; each one less than the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Extent {
    /// The record as it came, and all headers.
    Full,
    /// The record as it came, all headers but the detail.
    NoDetail,
    /// The record as it came; reason and source coordinates.
    Minimal,
    /// The begin of the value; reason, source coordinates, size and hash of the whole.
    Truncated,
}

impl Extent {
    /// All extents, the largest first.
    pub const ALL: [Self; 4] = [Self::Full, Self::NoDetail, Self::Minimal, Self::Truncated];

    /// Returns the stable name: metric label.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::NoDetail => "no_detail",
            Self::Minimal => "minimal",
            Self::Truncated => "truncated",
        }
    }

    /// Returns the next smaller one; `None` where nothing smaller is allowed.
    #[must_use]
    pub fn smaller(self, may_truncate: bool) -> Option<Self> {
        match self {
            Self::Full => Some(Self::NoDetail),
            Self::NoDetail => Some(Self::Minimal),
            Self::Minimal => may_truncate.then_some(Self::Truncated),
            Self::Truncated => None,
        }
    }
}

/// Returns the headers that a dead letter of this extent adds; for [`Extent::Truncated`] also use [`truncated`].
#[must_use]
pub fn headers<'h>(letter: &DeadLetter<'h>, extent: Extent, profiles: &[Profile]) -> Vec<WrittenHeader<'h>> {
    match extent {
        Extent::Full | Extent::NoDetail => letter.headers(&[], profiles),
        Extent::Minimal | Extent::Truncated => letter.minimal(),
    }
}

/// Returns what tells of a value that is cut: its size in bytes, and the SHA-256 of it as hexadecimal digits.
#[must_use]
pub fn truncated<'h>(value: &[u8]) -> [WrittenHeader<'h>; 2] {
    let hash = Sha256::digest(value).iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    [(TRUNCATED_SIZE, Some(decimal(value.len()))), (TRUNCATED_SHA256, Some(Cow::Owned(hash.into_bytes())))]
}

/// Returns a record's own headers for a truncated dead letter, each value cut at [`TEXT_LIMIT`], as many from the first
/// on as `room` bytes take.
#[must_use]
pub fn capped<'h>(original: &[Header<'h>], profiles: &[Profile], room: usize) -> Vec<WrittenHeader<'h>> {
    let mut left = room;
    let kept = original.iter().filter(|header| !is_replaced(header.name, profiles));
    let capped = kept.map(|header| {
        let value = header.value.map(|value| Cow::Borrowed(&value[..value.len().min(TEXT_LIMIT)]));
        (header.name, value)
    });
    capped
        .take_while(|header| {
            let size = size(header);
            let fits = size <= left;
            left = left.saturating_sub(size);
            fits
        })
        .collect()
}

/// Returns the bytes that a header takes in a batch, at most.
#[must_use]
pub fn size((name, value): &WrittenHeader<'_>) -> usize {
    /// Two lengths of variable size.
    const LENGTHS: usize = 10;
    name.len() + value.as_ref().map_or(0, |value| value.len()) + LENGTHS
}

#[cfg(test)]
mod tests;
