//! The comparison itself: fed with the target's records, then with those of the source, it finds what differs.

use std::collections::HashMap;

use super::super::copy;
use super::super::offsets::{Map, Offsets, Spot};
use super::super::state::Job;
use super::held::{Held, Seen};
use super::letters::{self, Letter, Letters};
use super::redriven::Redriven;
use super::values::Values;
use super::{Kind, Report, hash};
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::Finding;
use crate::kafka::ffi::Message;
use crate::kafka::murmur2;
use crate::pipeline::consume;
use crate::record::{Header, Part};

/// A copy whose bytes are not those that were expected.
#[derive(Debug, Clone, Copy)]
struct Doubt {
    source: Spot,
    /// What readers should see.
    digest: [u8; 16],
}

pub(super) struct Comparison<'j> {
    job: &'j Job,
    nexts: &'j Offsets,
    pub(super) map: Map,
    /// The map, read from the target's side.
    pub(super) back: Map,
    pub(super) letters: Letters,
    redriven: Redriven,
    sample: u32,
    /// The target's records that no record of the source was compared with yet.
    seen: Held,
    /// The last copy of each source partition in each target partition.
    last: HashMap<(i32, i32), i64>,
    /// By the copy.
    doubts: HashMap<Spot, Doubt>,
    report: Report,
}

impl<'j> Comparison<'j> {
    pub(super) fn new(job: &'j Job, nexts: &'j Offsets, redriven: Redriven, sample: u32) -> Self {
        Self {
            job,
            nexts,
            map: Map::default(),
            back: Map::default(),
            letters: Letters::default(),
            redriven,
            sample,
            seen: Held::default(),
            last: HashMap::new(),
            doubts: HashMap::new(),
            report: Report::default(),
        }
    }

    /// Records without a key are never left out: they have no key to go by.
    fn is_left_out(&self, message: Message<'_>) -> bool {
        self.sample > 1 && message.key().is_some_and(|key| !murmur2::hash(key).is_multiple_of(self.sample))
    }

    pub(super) fn see(&mut self, message: Message<'_>) {
        self.report.target += 1;
        let headers = consume::headers(message);
        self.redriven.see(message, &headers);
        if !self.is_left_out(message) {
            self.report.untimed += u64::from(message.has_time_of_log());
            let time = (!message.has_time_of_log()).then(|| message.timestamp().unwrap_or(-1));
            let headers = headers.iter().map(|header| (header.name, header.value));
            let content = hash(message.key(), message.value(), headers);
            self.seen.insert((message.partition(), message.offset()), Seen { content, time });
        }
    }

    /// Says what is wrong with the dead letters by themselves.
    pub(super) fn tell_letters(&mut self) {
        for (source, at) in std::mem::take(&mut self.letters.again) {
            self.report.differ(Kind::Twice, Some(source), Some(at));
        }
        for at in std::mem::take(&mut self.letters.unreadable) {
            self.report.differ(Kind::Letter, None, Some(at));
        }
    }

    /// Tells whether a record of the source is one that the job has copied, and in the sample.
    pub(super) fn is_to_compare(&mut self, message: Message<'_>) -> bool {
        let source = (message.partition(), message.offset());
        if self.job.starts.get(&source.0).is_none_or(|start| source.1 < *start) {
            return false;
        }
        if self.is_left_out(message) {
            self.letters.take(source);
            self.report.left_out += 1;
            return false;
        }
        self.report.compared += 1;
        true
    }

    /// Compares a record with its copy; `rewrite` says how it should have left.
    pub(super) fn compare(&mut self, message: Message<'_>, rewrite: Option<&Rewrite>, values: Option<&mut Values<'_>>) {
        let source = (message.partition(), message.offset());
        let rewrite = rewrite.filter(|rewrite| rewrite.is_active());
        self.report.converted += u64::from(rewrite.is_some_and(|rewrite| rewrite.pair().is_some()));
        let (copy, letter) = (self.map.target(source), self.letters.take(source));
        let (came, part) = (consume::headers(message), |part| rewrite.and_then(|rewrite| rewrite.part(part)));
        let key = part(Part::Key).or(message.key());
        let value = part(Part::Value).or(message.value());
        let is_redriven = self.redriven.expect(source, key, value);
        if let Some(letter) = letter {
            let content = self.letters.content(message, &came);
            let differs = match copy {
                Some(_) => Some(Kind::Twice),
                None if !letter.depends && !is_redriven => Some(Kind::Reason),
                None if letter.content != content => Some(Kind::Letter),
                None => None,
            };
            match differs {
                Some(kind) => self.report.differ(kind, Some(source), Some(letter.at)),
                None => self.report.dead_letters += 1,
            }
            if copy.is_none() {
                return;
            }
        }
        let Some(target) = copy else {
            // Its dead letter is gone, and what became of it is told for longer.
            if !is_redriven {
                self.report.differ(Kind::Missing, Some(source), None);
            }
            return;
        };
        let both = (Some(source), Some(target));
        let Some(seen) = self.seen.take(target) else { return self.report.differ(Kind::Gone, both.0, both.1) };
        let headers = leaving(&came, rewrite);
        let is_same = seen.content == hash(key, value, headers.iter().map(|header| (header.name, header.value)));
        if seen.time.is_some_and(|time| time != message.timestamp().unwrap_or(-1)) {
            self.report.differ(Kind::Content, both.0, both.1);
        } else if !is_same {
            match (rewrite, values) {
                (Some(_), Some(values)) => {
                    let digest = values.digest(key, value, &headers);
                    self.doubts.insert(target, Doubt { source, digest });
                }
                _ => self.report.differ(Kind::Content, both.0, both.1),
            }
        }
        if target.0 != copy::partition(message, key, (self.job.starts.len(), self.job.targets)) {
            self.report.differ(Kind::Partition, both.0, both.1);
        }
        if self.last.insert((source.0, target.0), target.1).is_some_and(|last| last > target.1) {
            self.report.differ(Kind::Order, both.0, both.1);
        }
    }

    /// Takes in a record whose schema the target's registry has not: however its copy looks, its readers cannot read it.
    pub(super) fn tell_schema(&mut self, message: Message<'_>) {
        let source = (message.partition(), message.offset());
        let target = self.map.target(source);
        target.map(|target| self.seen.take(target));
        self.report.differ(Kind::Schema, Some(source), target);
    }

    /// Looks for the dead letter of a record that is at fault.
    pub(super) fn expect_letter(&mut self, message: Message<'_>, finding: &Finding) {
        let source = (message.partition(), message.offset());
        let is_late = letters::is_late(finding.violation.code, &finding.violation.detail);
        if let Some(target) = self.map.target(source) {
            self.seen.take(target);
            let (kind, at) = copied(is_late, target, self.letters.take(source));
            self.report.differ(kind, Some(source), Some(at));
            return;
        }
        self.redriven.expect_any(source);
        let content = self.letters.content(message, &consume::headers(message));
        match self.letters.take(source) {
            None if self.letters.has_lost => self.report.lost += 1,
            None => self.report.differ(Kind::Missing, Some(source), None),
            Some(letter) if letter.reason != finding.violation.code && !letter.depends => {
                let kind = if is_late { Kind::Overtime } else { Kind::Reason };
                self.report.differ(kind, Some(source), Some(letter.at));
            }
            Some(letter) if letter.content != content => {
                self.report.differ(Kind::Letter, Some(source), Some(letter.at));
            }
            Some(_) => self.report.dead_letters += 1,
        }
    }

    /// Tells whether any copy differs in its bytes, so that the target must be read again.
    pub(super) fn has_doubts(&self) -> bool {
        !self.doubts.is_empty()
    }

    /// Compares a copy whose bytes differ by what readers see of it.
    pub(super) fn look_again(&mut self, message: Message<'_>, values: &mut Values<'_>) {
        let target = (message.partition(), message.offset());
        let Some(Doubt { source, digest }) = self.doubts.remove(&target) else { return };
        if values.digest(message.key(), message.value(), &consume::headers(message)) == digest {
            self.report.resolved += 1;
        } else {
            self.report.differ(Kind::Content, Some(source), Some(target));
        }
    }

    /// Finds the records of the target that are nobody's copy.
    ///
    /// # Errors
    /// Files could not be written or read, and nothing was compared.
    pub(super) fn end(self) -> std::io::Result<Report> {
        let Self { mut seen, back, map, nexts, mut report, mut redriven, .. } = self;
        let source_of = |target| back.target(target).filter(|source| map.target(*source) == Some(target));
        for target in redriven.candidates().into_iter().filter(|target| source_of(*target).is_none()) {
            if redriven.take(target) {
                report.redriven += 1;
                seen.take(target);
            }
        }
        redriven.rest().into_iter().for_each(|source| report.differ(Kind::Gone, Some(source), None));
        seen.each(|target| {
            // What a piece of the map claims that another one overrules is no copy.
            match source_of(target) {
                None => report.differ(Kind::Foreign, None, Some(target)),
                Some(source) if nexts.get(&source.0).is_none_or(|next| source.1 >= *next) => {}
                Some(_) => report.lost += 1,
            }
        });
        seen.fault().map_or(Ok(report), Err)
    }
}

/// Returns the headers that a record leaves with.
fn leaving<'h>(came: &[Header<'h>], rewrite: Option<&'h Rewrite>) -> Vec<Header<'h>> {
    let new: Vec<Header<'h>> = rewrite
        .into_iter()
        .flat_map(Rewrite::headers)
        .map(|(name, value)| Header { name, value: Some(value) })
        .collect();
    let mut headers: Vec<Header<'h>> =
        came.iter().filter(|header| !new.iter().any(|new| new.name == header.name)).copied().collect();
    headers.extend(new);
    headers
}

/// Says what is wrong with a copy of a record that is found at fault, and where; one that took too long here may be none.
fn copied(is_late: bool, copy: Spot, letter: Option<Letter>) -> (Kind, Spot) {
    match letter {
        Some(letter) if is_late => (Kind::Twice, letter.at),
        None if is_late => (Kind::Overtime, copy),
        _ => (Kind::Fault, copy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::violation::ReasonCode;

    #[test]
    fn a_record_that_takes_too_long_here_is_not_said_to_be_at_fault() {
        let (copy, at) = ((0, 1), (2, 3));
        let letter = Letter { at, reason: ReasonCode::ConversionFailed, depends: false, content: [0; 16] };
        assert_eq!(copied(false, copy, None), (Kind::Fault, copy));
        assert_eq!(copied(false, copy, Some(letter)), (Kind::Fault, copy));
        assert_eq!(copied(true, copy, None), (Kind::Overtime, copy));
        assert_eq!(copied(true, copy, Some(letter)), (Kind::Twice, at), "one of them is too many, whichever");
    }
}
