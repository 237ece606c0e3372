//! The search for a record that a broker refuses without naming it.
//!
//! A produce batch is taken or refused as a whole, and not every broker says which record is to blame. What was
//! refused together becomes a [`Stretch`] of one source partition; of it half as many records are let into the next
//! transaction, which begins before the first and ends after the last of them, so that no batch holds more. A half that
//! commits is done; one that is refused is the new stretch. A record that is refused alone is the culprit: about log2
//! of the batch's records transactions, and a few numbers per partition to remember.
//!
//! Pure: the loop tells what it stages, commits and what was refused, and asks where to cut.

use super::staged::Origin;
use crate::record::{Offset, Partition};
use crate::schema::table::Source;

/// Records of one source partition among which one is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Stretch {
    source: Source,
    partition: Partition,
    /// Offsets of the first and last of them.
    first: Offset,
    last: Offset,
    /// How many there are at most: offsets may have gaps.
    count: usize,
    /// How many of them the next transaction may hold.
    window: usize,
    /// How many of them the running transaction holds.
    taken: usize,
    /// Whether it was their size that was refused.
    is_size: bool,
}

impl Stretch {
    fn is_of(&self, origin: Origin) -> bool {
        self.source == origin.source && self.partition == origin.partition
    }

    fn contains(&self, origin: Origin) -> bool {
        self.is_of(origin) && (self.first..=self.last).contains(&origin.offset)
    }

    /// Tells whether the running transaction holds its one record, which must stay alone.
    fn is_alone(&self) -> bool {
        self.window == 1 && self.taken > 0
    }
}

/// All searches of one pipeline.
#[derive(Debug, Default)]
pub(super) struct Search {
    stretches: Vec<Stretch>,
}

impl Search {
    pub(super) fn is_idle(&self) -> bool {
        self.stretches.is_empty()
    }

    /// Tells whether the running transaction must end before this record is staged, and counts the record for the
    /// transaction that it goes to. `holds_records` says whether the running one has any.
    pub(super) fn cuts_before(&mut self, origin: Origin, holds_records: bool) -> bool {
        let someone_alone = self.stretches.iter().any(Stretch::is_alone);
        let Some(stretch) = self.stretches.iter_mut().find(|stretch| stretch.is_of(origin)) else {
            return someone_alone;
        };
        if !stretch.contains(origin) {
            // After the stretch: what it holds must be known to be good first.
            return someone_alone || (stretch.taken > 0 && origin.offset > stretch.last);
        }
        let is_full = stretch.taken >= stretch.window;
        let cuts = someone_alone || is_full || (stretch.taken == 0 && holds_records);
        stretch.taken += usize::from(!cuts);
        cuts
    }

    /// Counts a record anew for a transaction that began with a cut before it.
    pub(super) fn restart_with(&mut self, origin: Origin) {
        for stretch in self.stretches.iter_mut().filter(|stretch| stretch.contains(origin)) {
            stretch.taken = 1;
        }
    }

    /// Takes what was refused together in the transaction that ends, of all that it held: a new stretch for each source
    /// partition concerned, in the place of its former one.
    pub(super) fn narrow(&mut self, refused: &[Origin], staged: &[Origin], is_size: bool) {
        for (index, origin) in refused.iter().enumerate() {
            let is_of = |other: &&Origin| other.source == origin.source && other.partition == origin.partition;
            if refused[..index].iter().any(|other| is_of(&other)) {
                continue;
            }
            let offsets = || refused.iter().filter(is_of).map(|origin| origin.offset);
            let (Some(first), Some(last)) = (offsets().min(), offsets().max()) else { continue };
            let within = |other: &&Origin| is_of(other) && (first..=last).contains(&other.offset);
            let count = staged.iter().filter(within).count().max(1);
            self.stretches.retain(|stretch| !stretch.is_of(*origin));
            let Origin { source, partition, .. } = *origin;
            let window = half(count);
            self.stretches.push(Stretch { source, partition, first, last, count, window, taken: 0, is_size });
        }
    }

    /// Puts a record into a transaction of its own.
    pub(super) fn isolate(&mut self, origin: Origin) {
        self.narrow(&[origin], &[], false);
    }

    /// Notes that partitions are done up to their *next* records (`None` for those that are gone). Tells whether all
    /// records of a stretch are good that were too large together: then it was the batch that was too large.
    pub(super) fn committed(&mut self, next: impl Fn(Source, Partition) -> Option<Offset>) -> bool {
        let mut innocent = false;
        self.stretches.retain_mut(|stretch| {
            let Some(next) = next(stretch.source, stretch.partition) else { return false };
            if next > stretch.last {
                innocent |= stretch.is_size;
                return false;
            }
            if next > stretch.first {
                stretch.first = next;
                stretch.count = stretch.count.saturating_sub(stretch.taken).max(1);
                stretch.window = half(stretch.count);
            }
            stretch.taken = 0;
            true
        });
        innocent
    }

    /// Notes that the running transaction was aborted.
    pub(super) fn aborted(&mut self) {
        self.stretches.iter_mut().for_each(|stretch| stretch.taken = 0);
    }

    /// Ends the search in the partition of a culprit that was found.
    pub(super) fn found(&mut self, culprit: Origin) {
        self.stretches.retain(|stretch| !stretch.contains(culprit));
    }
}

fn half(count: usize) -> usize {
    count.div_ceil(2).max(1)
}

#[cfg(test)]
mod tests;
