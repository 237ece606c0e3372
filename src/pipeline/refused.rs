//! Records that brokers refuse for what they are: too large, a null key where keys are needed, a time out of bounds.
//!
//! A refusal ends the transaction. It names the record, or only the batch: then [`Search`] finds the record. What is
//! known of it is remembered here until its outcome is committed; when the loop comes by again, the record goes to the
//! dead letters as `too_large` or `broker_rejected`. Dead letters that are too large themselves become smaller step by
//! step ([`Extent`]). A record that its output and the dead letters refuse holds its partition; it is tried again, by
//! itself, since the operator may have changed a topic.
//!
//! What a topic refuses for another cause (rights, replicas, policy) is no record's fault and never comes here.

use rdkafka::error::RDKafkaErrorCode;
use rustc_hash::FxHashMap;

use super::assignment::Assignment;
use super::deliveries::Refusals;
use super::routes::Routes;
use super::search::Search;
use super::staged::Origin;
use crate::gate::extent::Extent;
use crate::kafka::blame::is_size;
use crate::record::{Offset, Partition};
use crate::schema::table::Source;

/// What is known of a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    /// The output that refused it, and why; `None` where the record is a dead letter by its own fault.
    pub(super) refusal: Option<(String, RDKafkaErrorCode)>,
    /// How much of it the dead letters may take, for all that we know.
    pub(super) extent: Extent,
    /// Why the dead letters do not take it at all.
    pub(super) nowhere: Option<RDKafkaErrorCode>,
    /// How often it was tried again since then.
    pub(super) tries: u32,
}

impl Known {
    /// A record that is a dead letter of this extent.
    pub(super) fn letter(extent: Extent) -> Self {
        Self { refusal: None, extent, nowhere: None, tries: 0 }
    }
}

/// What is known of refused records, and what is being found out.
#[derive(Debug, Default)]
pub(super) struct Refused {
    known: FxHashMap<Origin, Known>,
    pub(super) search: Search,
    /// Whether the brokers tell culprits from their neighbours; then all that they refuse are culprits.
    names_culprits: bool,
    /// Transactions that ended so since the last commit.
    row: u32,
}

/// What refusals have taught us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Lesson {
    /// Whether to go on at once: the next transaction is another one.
    pub(super) is_progress: bool,
    /// Whether sizes were refused, so that limits may have changed.
    pub(super) is_size: bool,
}

/// Refusals in a row without a commit after which pauses set in: no batch has more halves.
const LONGEST_ROW: u32 = 64;

impl Refused {
    /// Tells whether records are known or looked for: nearly never.
    pub(super) fn is_busy(&self) -> bool {
        !(self.known.is_empty() && self.search.is_idle())
    }

    pub(super) fn get(&self, origin: Origin) -> Option<&Known> {
        if self.known.is_empty() { None } else { self.known.get(&origin) }
    }

    /// Returns what is known of a record that its output has refused.
    pub(super) fn refused(&self, origin: Origin) -> Option<&Known> {
        self.get(origin).filter(|known| known.refusal.is_some())
    }

    /// Remembers how much of a dead letter is left, so that its refusal leads to less.
    pub(super) fn reduced(&mut self, origin: Origin, extent: Extent) {
        self.known.entry(origin).or_insert_with(|| Known::letter(extent)).extent = extent;
    }

    /// Takes what the brokers refused of the records `staged` in the transaction that ends.
    pub(super) fn note(
        &mut self,
        refusals: &Refusals,
        staged: &[Origin],
        routes: &Routes,
        may_truncate: bool,
    ) -> Lesson {
        self.search.aborted();
        self.names_culprits |= refusals.names_culprits;
        let mut lesson = Lesson { is_progress: false, is_size: false };
        for (index, (topic, _)) in refusals.places.iter().enumerate() {
            let of_place = refusals.records.iter().filter(|record| record.place == index);
            let origins: Vec<_> = of_place.clone().filter_map(|record| staged.get(record.tag).copied()).collect();
            let Some(code) = of_place.map(|record| record.code).next() else { continue };
            lesson.is_size |= is_size(code);
            lesson.is_progress |= !origins.is_empty();
            if origins.len() == 1 || (self.names_culprits && !is_size(code)) {
                for origin in origins {
                    let is_letter = routes.get(origin.source).outputs.dead_letter == *topic;
                    self.blame(origin, topic, code, is_letter, may_truncate);
                }
            } else {
                self.search.narrow(&origins, staged, is_size(code));
            }
        }
        self.row += u32::from(lesson.is_progress);
        lesson.is_progress &= !refusals.is_more && self.row <= LONGEST_ROW;
        lesson
    }

    fn blame(&mut self, origin: Origin, topic: &str, code: RDKafkaErrorCode, is_letter: bool, may_truncate: bool) {
        let known = self.known.entry(origin).or_insert_with(|| Known::letter(Extent::Full));
        if is_letter {
            let smaller = known.extent.smaller(may_truncate).filter(|_| is_size(code));
            match smaller {
                Some(smaller) => known.extent = smaller,
                None => known.nowhere = Some(code),
            }
        } else {
            known.refusal = Some((topic.to_owned(), code));
        }
        self.search.found(origin);
        // It may be too large for the dead letters as well, which would refuse its neighbours with it.
        if is_size(code) {
            self.search.isolate(origin);
        }
    }

    /// Tries a record again as if nothing were known of it, in a transaction of its own.
    pub(super) fn try_again(&mut self, origin: Origin) {
        if let Some(known) = self.known.get_mut(&origin) {
            *known = Known { tries: known.tries + 1, ..Known::letter(Extent::Full) };
            self.search.isolate(origin);
        }
    }

    /// Forgets what is committed, and what is no longer ours. Tells whether all records of a batch are good that was too
    /// large: then smaller batches are needed.
    pub(super) fn committed(&mut self, assignment: &Assignment) -> bool {
        self.row = 0;
        if !self.is_busy() {
            return false;
        }
        let next = |source: Source, partition: Partition| -> Option<Offset> {
            let mut ours = assignment.iter();
            Some(ours.find(|held| held.source == source && held.partition == partition)?.committed)
        };
        self.known.retain(|origin, _| next(origin.source, origin.partition).is_some_and(|next| next <= origin.offset));
        self.search.committed(next)
    }
}
