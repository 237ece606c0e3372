//! The dead letters of a job, as `verify` finds them: by the record of the source that each names.

use std::collections::HashMap;

use super::super::cast::{Cast, Side};
use super::super::error::Error;
use super::super::offsets::Spot;
use super::super::scan;
use super::super::state::Job;
use super::hash;
use crate::convert::pace::is_of_time;
use crate::gate::dead_letter::{self, DeadLetter};
use crate::gate::profile::Profile;
use crate::kafka::ffi::Message;
use crate::pipeline::consume;
use crate::record::Header;
use crate::violation::ReasonCode;

/// What is kept of a dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Letter {
    /// Where it stands.
    pub(super) at: Spot,
    pub(super) reason: ReasonCode,
    /// Whether that depends on more than the record, so that it is taken as it is.
    pub(super) depends: bool,
    /// Of key, value and the record's own headers.
    pub(super) content: [u8; 16],
}

/// All dead letters of a job.
#[derive(Debug, Default)]
pub(super) struct Letters {
    by_source: HashMap<Spot, Letter>,
    profiles: Vec<Profile>,
    /// Dead letters of records that have one already.
    pub(super) again: Vec<(Spot, Spot)>,
    /// Records that name the job's source and are no dead letters.
    pub(super) unreadable: Vec<Spot>,
    /// How many were read.
    pub(super) count: u64,
    /// Whether the topic has lost some.
    pub(super) has_lost: bool,
}

impl Letters {
    /// Reads those of a job; there are none where it does not convert.
    pub(super) fn read(cast: &Cast, job: &Job, look: &mut dyn FnMut()) -> Result<Self, Error> {
        let mut letters = Self::default();
        let (Some(conversion), Some(gate)) = (&job.conversion, &cast.migration.conversion) else { return Ok(letters) };
        letters.profiles.clone_from(&gate.profiles);
        let consumer = cast.consumer(Side::Target, 1)?;
        for (&partition, &first) in &conversion.letters {
            let (low, _) = super::super::store::extent(&consumer, &conversion.dead_letter, partition)?;
            letters.has_lost |= low > first;
        }
        scan::all(cast, Side::Target, &conversion.dead_letter, |message| {
            look();
            let first = conversion.letters.get(&message_spot(message).0).copied().unwrap_or(0);
            if message_spot(message).1 >= first {
                letters.add(message, (&job.source, &cast.migration.name));
            }
        })?;
        Ok(letters)
    }

    fn add(&mut self, message: Message<'_>, (source, name): (&str, &str)) {
        let (at, headers) = (message_spot(message), consume::headers(message));
        // Others may write their dead letters to the same topic.
        let is_ours = |letter: &DeadLetter<'_>| letter.source.topic == source && [name, ""].contains(&letter.gate);
        let letter = match DeadLetter::read(&headers) {
            Ok(letter) if is_ours(&letter) => letter,
            Ok(_) => return,
            Err(_) => {
                let text = source.as_bytes();
                if headers.iter().any(|header| header.name == "sluice.source.topic" && header.value == Some(text)) {
                    self.unreadable.push(at);
                }
                return;
            }
        };
        self.count += 1;
        let spot = (letter.source.partition.0, letter.source.offset.0);
        let content = self.content(message, &headers);
        if self.by_source.contains_key(&spot) {
            return self.again.push((spot, at));
        }
        let (reason, depends) = (letter.reason, depends(letter.reason, letter.detail));
        self.by_source.insert(spot, Letter { at, reason, depends, content });
    }

    /// Takes the dead letter of a record.
    pub(super) fn take(&mut self, source: Spot) -> Option<Letter> {
        self.by_source.remove(&source)
    }

    /// Returns the hash that a record has as a dead letter, by what it brought along itself.
    pub(super) fn content(&self, message: Message<'_>, headers: &[Header<'_>]) -> [u8; 16] {
        let own = headers.iter().filter(|header| !dead_letter::is_replaced(header.name, &self.profiles));
        hash(message.key(), message.value(), own.map(|header| (header.name, header.value)))
    }
}

/// Tells whether a reason depends on more than the record: what registry and brokers said then, and how fast the machine was.
fn depends(reason: ReasonCode, detail: &str) -> bool {
    let is_of_others = matches!(
        reason,
        ReasonCode::UnknownSchema | ReasonCode::UnusableSchema | ReasonCode::TooLarge | ReasonCode::BrokerRejected
    );
    is_of_others || is_late(reason, detail)
}

/// Tells whether a conversion failed for want of time alone, so that another machine may have done it.
pub(super) fn is_late(reason: ReasonCode, detail: &str) -> bool {
    reason == ReasonCode::ConversionFailed && is_of_time(detail)
}

fn message_spot(message: Message<'_>) -> Spot {
    (message.partition(), message.offset())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_another_run_need_not_find_are_taken_as_they_are() {
        let cases = [
            (ReasonCode::UnknownSchema, "", true),
            (ReasonCode::BrokerRejected, "", true),
            (ReasonCode::ConversionFailed, "rule slow: it took longer than 20 ms, 2 times", true),
            (ReasonCode::ConversionFailed, "rule slow: it costs more than is allowed for a record of this size", false),
            (ReasonCode::Truncated, "it took longer than", false),
        ];
        for (reason, detail, expected) in cases {
            assert_eq!(depends(reason, detail), expected, "{reason:?} {detail}");
        }
    }
}
