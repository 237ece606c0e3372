//! Dead letters on their way: staged with what is said of them, smaller where they would not fit.
//!
//! What surely fits is known before it is sent: the limit of the topic is on batches as sent, so a record that is
//! smaller as it stands is taken. One that is not may be, compressed; the broker judges, and [`super::refused`]
//! remembers.

use std::borrow::Cow;

use rdkafka::error::RDKafkaErrorCode;

use super::Fault;
use super::deliveries::protocol_name;
use super::produce::{Change, Relabel};
use super::refused::Known;
use super::run::Loop;
use super::staged::{Origin, Staged};
use crate::config::Oversize;
use crate::gate::dead_letter::{self, DeadLetter};
use crate::gate::extent::{self, Extent};
use crate::gate::policy::Mode;
use crate::gate::profile::Profile;
use crate::gate::verdict::{Finding, Route};
use crate::kafka::blame::is_size;
use crate::kafka::ffi::Message;
use crate::record::{Part, Record, Value};
use crate::violation::{ReasonCode, Violation};

/// What a batch of one record takes beside its key, value and headers, in bytes: 61 for the batch, at most 40 for the
/// lengths, the rest for what we forgot.
const FRAME: usize = 120;

/// What is left of a value where the limit of the dead letters is not known.
const UNKNOWN_ROOM: u64 = 16 << 10;

impl Loop<'_> {
    /// Makes room around a record that is looked for: ends the transaction before it, or after the one before it.
    #[cold]
    pub(super) fn make_way(&mut self, origin: Origin) -> Result<(), Fault> {
        if self.refused.search.cuts_before(origin, self.output.holds_records()) {
            self.commit()?;
            self.output.check()?;
            self.refused.search.restart_with(origin);
        }
        Ok(())
    }

    /// Sends a record to the dead letters because its output refuses it; holds the partition if they do as well.
    #[cold]
    pub(super) fn stage_refused(
        &mut self,
        index: usize,
        message: Message<'_>,
        record: &Record<'_>,
        known: &Known,
    ) -> Result<(), Fault> {
        let too_large = (String::new(), RDKafkaErrorCode::MessageSizeTooLarge);
        let (topic, code) = known.refusal.as_ref().unwrap_or(&too_large);
        let finding = refusal(topic, *code);
        let source = self.assignment.get(index).source;
        let origin = Origin { source, partition: record.position.partition, offset: record.position.offset };
        match self.stage_letter(origin, message, record, &finding)? {
            Staged::Yes => {
                self.moved(index, record, Route::DeadLetter, Some(finding.violation.code));
                Ok(())
            }
            staged @ (Staged::TooLarge | Staged::Refused(_) | Staged::NoOutput(..) | Staged::OverLimit) => {
                self.hold_unstaged(index, &staged)
            }
        }
    }

    /// Stages a dead letter, as much of it as its topic takes.
    #[cold]
    pub(super) fn stage_letter(
        &mut self,
        origin: Origin,
        message: Message<'_>,
        record: &Record<'_>,
        finding: &Finding,
    ) -> Result<Staged, Fault> {
        if self.is_over_limit() {
            return Ok(Staged::OverLimit);
        }
        let gate = &self.settings.gate;
        let known = self.refused.get(origin);
        if let Some(code) = known.and_then(|known| known.nowhere) {
            return Ok(if is_size(code) { Staged::TooLarge } else { Staged::Refused(code) });
        }
        if gate.policy.mode == Mode::PassAll {
            // The dead letters are no output of this mode.
            return Ok(known.and_then(|known| known.refusal.as_ref()).map_or(Staged::TooLarge, |(_, code)| {
                if is_size(*code) { Staged::TooLarge } else { Staged::Refused(*code) }
            }));
        }
        let letter = DeadLetter::new(finding, record, &gate.name);
        let smallest = known.map_or(Extent::Full, |known| known.extent);
        let limit = self.routes.get(origin.source).targets.dead_letter.limit;
        let writing = Writing::new(letter, record, &gate.profiles, limit);
        let (mut extent, mut relabel) = writing.first(smallest);
        loop {
            match self.output.stage(origin, Route::DeadLetter, message, Change::Letter(&relabel))? {
                Staged::TooLarge => {
                    let Some(smaller) = extent.smaller(gate.oversize == Oversize::Truncate) else {
                        return Ok(Staged::TooLarge);
                    };
                    (extent, relabel) = (smaller, writing.relabel(smaller));
                }
                Staged::Yes if extent > Extent::Full => {
                    self.refused.reduced(origin, extent);
                    self.tally.add_reduced(extent);
                    return Ok(Staged::Yes);
                }
                staged @ (Staged::Yes | Staged::Refused(_) | Staged::NoOutput(..) | Staged::OverLimit) => {
                    return Ok(staged);
                }
            }
        }
    }
}

/// Returns why a record is a dead letter that its output refused.
pub(crate) fn refusal(topic: &str, code: RDKafkaErrorCode) -> Finding {
    let violation = if is_size(code) {
        let detail = "the record is larger than its output's max.message.bytes, compressed as we send it";
        Violation::new(ReasonCode::TooLarge, detail)
    } else {
        let detail = format!("topic '{topic}' refused the record: {}", protocol_name(code));
        Violation::new(ReasonCode::BrokerRejected, detail)
    };
    Finding { part: Part::Value, violation, schema: None, subject: None, version: None, format: None, target: None }
}

/// A dead letter that is being written.
pub(crate) struct Writing<'a> {
    letter: DeadLetter<'a>,
    record: &'a Record<'a>,
    profiles: &'a [Profile],
    /// What the topic takes, where we may know.
    limit: Option<u64>,
}

impl<'a> Writing<'a> {
    pub(crate) fn new(
        letter: DeadLetter<'a>,
        record: &'a Record<'a>,
        profiles: &'a [Profile],
        limit: Option<u64>,
    ) -> Self {
        Self { letter, record, profiles, limit }
    }

    /// Returns what the letter changes in its record, and how much it carries: as `smallest`, or less, the first that surely fits. Where
    /// none does, the record may fit compressed, and the broker has to say.
    pub(crate) fn first(&self, smallest: Extent) -> (Extent, Relabel<'a>) {
        let begin = self.relabel(smallest);
        let Some(limit) = self.limit else { return (smallest, begin) };
        let fits = |relabel: &Relabel<'_>| self.size(relabel) as u64 <= limit;
        if smallest == Extent::Truncated || fits(&begin) {
            return (smallest, begin);
        }
        let smaller = [Extent::NoDetail, Extent::Minimal].into_iter().filter(|extent| *extent > smallest);
        let mut smaller = smaller.map(|extent| (extent, self.relabel(extent)));
        smaller.find(|(_, relabel)| fits(relabel)).unwrap_or((smallest, begin))
    }

    /// Returns how large a batch of this letter alone is, at most, without compression.
    fn size(&self, relabel: &Relabel<'_>) -> usize {
        let own = self.record.headers.iter().map(|header| (header.name, header.value.map(Cow::Borrowed)));
        let headers: usize = own.map(|header| extent::size(&header)).sum();
        self.bare() + headers + self.value().len() + relabel.added.iter().map(extent::size).sum::<usize>()
    }

    fn bare(&self) -> usize {
        FRAME + self.record.key.map_or(0, <[u8]>::len)
    }

    fn value(&self) -> &'a [u8] {
        match self.record.value {
            Value::Bytes(bytes) => bytes,
            Value::Tombstone => &[],
        }
    }

    fn added(&self, extent: Extent) -> Vec<dead_letter::WrittenHeader<'a>> {
        let detail = if extent == Extent::NoDetail { "" } else { self.letter.detail };
        extent::headers(&DeadLetter { detail, ..self.letter }, extent, self.profiles)
    }

    /// Returns what the letter changes in its record.
    pub(crate) fn relabel(&self, extent: Extent) -> Relabel<'a> {
        let (record, profiles) = (self.record, self.profiles);
        if extent == Extent::Truncated {
            return self.truncate();
        }
        let names = record.headers.iter().map(|header| header.name);
        let removed = names.filter(|name| dead_letter::is_replaced(name, profiles)).collect();
        Relabel { removed, added: self.added(extent), cut: None }
    }

    fn truncate(&self) -> Relabel<'a> {
        let (record, profiles, value, bare) = (self.record, self.profiles, self.value(), self.bare());
        let room = usize::try_from(self.limit.unwrap_or(UNKNOWN_ROOM)).unwrap_or(usize::MAX).saturating_sub(bare);
        let mut added = extent::capped(record.headers, profiles, room / 4);
        added.extend(self.added(Extent::Truncated));
        added.extend(extent::truncated(value));
        let room = room.saturating_sub(added.iter().map(extent::size).sum());
        // A tombstone stays one: an empty value is something else.
        let cut = (record.value != Value::Tombstone).then(|| &value[..value.len().min(room)]);
        Relabel { removed: Vec::new(), added, cut: Some(cut) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Header, Offset, Partition, Position};

    const HEADERS: [Header<'static>; 1] = [Header { name: "trace", value: Some(b"1") }];

    fn record(value: Value<'_>) -> Record<'_> {
        let position = Position { topic: "orders.raw", partition: Partition(0), offset: Offset(7) };
        Record { position, timestamp: Some(1), key: Some(b"k"), value, headers: &HEADERS }
    }

    fn finding() -> Finding {
        let violation = Violation::new(ReasonCode::NotFramed, "the first byte is 7, not 0");
        Finding { part: Part::Value, violation, schema: None, subject: None, version: None, format: None, target: None }
    }

    fn has_detail(relabel: &Relabel<'_>) -> bool {
        relabel.added.iter().any(|(name, _)| *name == "sluice.detail")
    }

    /// What fits only compressed is sent whole: measuring the smaller letters takes nothing from it.
    #[test]
    fn a_measured_letter_keeps_its_detail() {
        let (value, finding) = (vec![0; 10_000], finding());
        let record = record(Value::Bytes(&value));
        let letter = DeadLetter::new(&finding, &record, "orders");
        let writing = Writing::new(letter, &record, &[], Some(5_000));
        let (extent, relabel) = writing.first(Extent::Full);
        assert_eq!(extent, Extent::Full);
        assert!(has_detail(&relabel));
        assert!(!has_detail(&writing.relabel(Extent::NoDetail)));
    }

    #[test]
    fn a_truncated_tombstone_is_one() {
        let (finding, cut) = (finding(), b"0123".as_slice());
        for (value, expected) in
            [(Value::Tombstone, None), (Value::Bytes(b""), Some(b"".as_slice())), (Value::Bytes(cut), Some(cut))]
        {
            let record = record(value);
            let letter = DeadLetter::new(&finding, &record, "orders");
            let writing = Writing::new(letter, &record, &[], Some(5_000));
            assert_eq!(writing.relabel(Extent::Truncated).cut, Some(expected));
        }
    }
}
