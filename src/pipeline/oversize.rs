//! Records that an output does not take for their size.
//!
//! A topic limits what is sent to it, that is compressed batches, so only the broker can tell.
//! What it refuses ends the transaction; the record is remembered here, and when the loop
//! comes by again the record goes to the dead letters as `too_large`. One that fits neither
//! holds its partition (`oversize: hold`): nothing is cut, and nothing is lost. The client
//! refuses at once what is larger than its own limit, which is far beyond the topics'.

use rdkafka::message::BorrowedMessage;
use rustc_hash::FxHashMap;

use super::Fault;
use super::assignment::Assignment;
use super::output::{Origin, Output, Staged};
use super::routes::Routes;
use super::run::Loop;
use crate::gate::verdict::{Finding, Route};
use crate::record::{Part, Record};
use crate::violation::{ReasonCode, Violation};

/// What is known of records too large for an output.
#[derive(Debug, Default)]
pub(super) struct Oversize {
    /// Whether the dead letters refused the record too.
    known: FxHashMap<Origin, bool>,
}

impl Oversize {
    /// Notes what the brokers refused.
    pub(super) fn note(&mut self, refused: &[(String, usize)], output: &Output, routes: &Routes) {
        for (topic, tag) in refused {
            let Some(origin) = output.origin(*tag) else { continue };
            let fits_nowhere = routes.get(origin.source).outputs.dead_letter == *topic;
            *self.known.entry(origin).or_default() |= fits_nowhere;
        }
    }

    /// Tells whether an output has refused the record.
    pub(super) fn is_known(&self, origin: Origin) -> bool {
        !self.known.is_empty() && self.known.contains_key(&origin)
    }

    fn fits_nowhere(&self, origin: Origin) -> bool {
        self.known.get(&origin).copied().unwrap_or(false)
    }

    /// Forgets what is committed.
    pub(super) fn forget(&mut self, assignment: &Assignment) {
        if self.known.is_empty() {
            return;
        }
        self.known.retain(|origin, _| {
            let is_its = |held: &&super::assignment::Assigned| {
                held.source == origin.source && held.partition == origin.partition
            };
            assignment.iter().find(is_its).is_some_and(|held| held.committed <= origin.offset)
        });
    }
}

impl Loop<'_> {
    /// Sends a record to the dead letters because its output does not take it; holds the partition if they do not either.
    #[cold]
    pub(super) fn stage_oversize(
        &mut self,
        index: usize,
        message: &BorrowedMessage<'_>,
        record: &Record<'_>,
        origin: Origin,
    ) -> Result<(), Fault> {
        if self.oversize.fits_nowhere(origin) {
            return self.hold_unstaged(index, &Staged::TooLarge);
        }
        let finding = Finding {
            part: Part::Value,
            violation: Violation::new(
                ReasonCode::TooLarge,
                "the record is larger than its output's max.message.bytes, compressed as we send it",
            ),
            schema: None,
            subject: None,
            version: None,
            format: None,
            target: None,
        };
        match self.stage_invalid(origin, message, record, Route::DeadLetter, &finding)? {
            Staged::Yes => {
                self.moved(index, record, Route::DeadLetter, Some(ReasonCode::TooLarge));
                Ok(())
            }
            staged @ (Staged::TooLarge | Staged::NoOutput(_) | Staged::OverLimit) => self.hold_unstaged(index, &staged),
        }
    }
}
