//! One record handed to the producer: as it came, converted, or as a dead letter; and the partition that it goes to.

use super::{Copy, NO_TIMESTAMP, Staged, Stopped};
use crate::gate::dead_letter::DeadLetter;
use crate::gate::verdict::Finding;
use crate::kafka::ffi::{Message, Outgoing, TopicHandle};
use crate::kafka::murmur2;
use crate::migrate::cast::size;
use crate::migrate::convert::Outcome;
use crate::pipeline::consume;
use crate::pipeline::letter::Writing;
use crate::pipeline::produce::Change;
use crate::transactions::Trouble;

impl Copy<'_> {
    /// Stages a record for what becomes of it.
    pub(super) fn stage(&mut self, message: Message<'_>, outcome: &Outcome) -> Result<(), Stopped> {
        self.next.bytes += size(message) as u64;
        match outcome {
            Outcome::Letter(finding) => return self.stage_letter(message, finding),
            Outcome::Converted => self.next.converted += 1,
            Outcome::Copied => {}
        }
        self.next.copied += 1;
        let converted = self.converter.as_ref().map(|converter| &converter.rewrite);
        let rewrite = converted.or(self.relay.as_ref().map(|relay| &relay.rewrite));
        let change = rewrite.map_or(Change::None, Change::of);
        let key = change.key(message);
        let (count, tag) = (self.job.targets, self.staged.len());
        let target = partition(message, key, (self.job.starts.len(), count));
        self.staged.push(Staged { from: (message.partition(), message.offset()), target, is_letter: false });
        self.writer.stage(|| outgoing(message, change, (self.topics.to, target), tag))?;
        Ok(())
    }

    /// Stages a dead letter, as gates write theirs.
    #[cold]
    fn stage_letter(&mut self, message: Message<'_>, finding: &Finding) -> Result<(), Stopped> {
        let (Some(topic), Some(letters)) = (self.topics.letters, &self.lane.terms.letters) else {
            return Err(Trouble::last("a record is at fault, and there is no topic of dead letters").into());
        };
        let from = (message.partition(), message.offset());
        let profiles = self.lane.cast.migration.conversion.as_ref().map_or(&[][..], |gate| &gate.profiles);
        let headers = consume::headers(message);
        let record = consume::view(message, &headers);
        let dead_letter = DeadLetter::new(finding, &record, &self.lane.cast.migration.name);
        let writing = Writing::new(dead_letter, &record, profiles, letters.limit);
        let (_, relabel) = writing.first(self.lane.refused.borrow().extent(from));
        let (change, tag) = (Change::Letter(&relabel), self.staged.len());
        let target = partition(message, message.key(), (self.job.starts.len(), letters.partitions));
        self.staged.push(Staged { from, target, is_letter: true });
        self.writer.stage(|| outgoing(message, change, (topic, target), tag))?;
        self.next.dead_letters += 1;
        *self.next.reasons.entry(finding.violation.code.name().to_owned()).or_default() += 1;
        Ok(())
    }
}

/// Returns a record as it leaves.
fn outgoing<'m, 'c: 'm>(
    message: Message<'m>,
    change: Change<'c>,
    (topic, partition): (TopicHandle, i32),
    tag: usize,
) -> Outgoing<'m> {
    Outgoing {
        topic,
        partition,
        key: change.key(message),
        value: change.value(message),
        timestamp: message.timestamp().unwrap_or(NO_TIMESTAMP),
        headers: change.headers(message),
        tag,
    }
}

/// Returns the partition that a record goes to: that of the same number, or where counts differ the one that a Java
/// producer chooses for the key.
pub(in crate::migrate) fn partition(message: Message<'_>, key: Option<&[u8]>, (sources, targets): (usize, i32)) -> i32 {
    if usize::try_from(targets) == Ok(sources) {
        message.partition()
    } else {
        murmur2::partition(key, message.partition(), targets)
    }
}
