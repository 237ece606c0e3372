//! The partitions that this pipeline owns, and how far each has come.
//!
//! Three offsets per partition, each that of the *next* record: `committed` is what the group
//! has, and where an abort goes back to; `next` is the first record not yet staged, which the
//! running transaction will commit; a hold remembers the record it stands before, which is
//! `next` too. We keep them ourselves: librdkafka's position runs ahead with what it has
//! fetched, and an offset taken from there would skip records (R5).

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use rustc_hash::{FxHashMap, FxHashSet};

use super::consume::Named;
use super::source::Watch;
use crate::gate::verdict::Needs;
use crate::kafka::statistics::SourcePartition;
use crate::record::{Offset, Partition, Position};
use crate::schema::table::{Need, Source};
use crate::telemetry::HoldCause;

/// The span in which a partition may wait for unknown IDs at most `max_hold`: long enough that a stream of new
/// unknown IDs cannot stop a partition for good, short enough that yesterday's trouble is forgotten.
const UNKNOWN_WINDOW: Duration = Duration::from_secs(600);

/// Why and since when a partition stands still.
#[derive(Debug)]
pub(super) struct Hold {
    /// `None` while the schema is asked for and the registry has not refused yet.
    pub(super) cause: Option<HoldCause>,
    pub(super) since: Instant,
    /// When it is tried again by itself; `None` where it waits for schemas or a person.
    pub(super) retry_at: Option<Instant>,
    /// The schemas that the record at `next` lacks; empty where something else is the cause.
    pub(super) needs: Needs,
}

/// One partition of ours.
#[derive(Debug)]
pub(super) struct Assigned {
    pub(super) topic: Arc<str>,
    pub(super) partition: Partition,
    pub(super) source: Source,
    /// The next record for whoever reads after a crash.
    pub(super) committed: Offset,
    /// The next record to stage.
    pub(super) next: Offset,
    pub(super) hold: Option<Hold>,
    /// Whether it is known where it goes on; else its offsets mean nothing, and it is held.
    pub(super) is_placed: bool,
    /// What the statistics said of it.
    pub(super) watch: Watch,
    unknown_holds: VecDeque<(Instant, Duration)>,
    /// The record that waited last, and for which schemas.
    waited: Option<(Offset, Needs)>,
}

impl Assigned {
    /// Returns how much longer this partition may wait for unknown IDs.
    pub(super) fn patience(&mut self, max_hold: Duration, now: Instant) -> Duration {
        while self.unknown_holds.front().is_some_and(|(end, _)| now.duration_since(*end) > UNKNOWN_WINDOW) {
            self.unknown_holds.pop_front();
        }
        let spent: Duration = self.unknown_holds.iter().map(|(_, held)| *held).sum();
        max_hold.saturating_sub(spent)
    }

    /// Tells whether it waits for a record that the log does not have, which only a person can mend.
    pub(super) fn is_out_of_range(&self) -> bool {
        self.is_held_for(HoldCause::OffsetOutOfRange)
    }

    /// Tells whether another try of everything does not let it go on.
    pub(super) fn stays(&self) -> bool {
        self.is_out_of_range() || !self.is_placed
    }

    /// Tells whether this record is staged already. librdkafka hands one out a second time: it pauses all partitions while
    /// a rebalance goes on, from the position that it believes the application to have reached, and the record that is on
    /// its way to the application in that very moment is not in it.
    pub(super) fn has_passed(&self, offset: Offset) -> bool {
        offset < self.next
    }

    /// Goes on from here, as the brokers say.
    pub(super) fn place(&mut self, next: Offset) {
        (self.committed, self.next, self.is_placed) = (next, next, true);
    }

    /// Tells whether it is held for this cause.
    pub(super) fn is_held_for(&self, cause: HoldCause) -> bool {
        self.hold.as_ref().is_some_and(|hold| hold.cause == Some(cause))
    }

    /// Tells whether it waits for a batch or a broker that could not be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.is_held_for(HoldCause::UnreadableBatch) || self.is_held_for(HoldCause::SourceUnavailable)
    }

    /// Tells whether it is due for another try.
    pub(super) fn is_due(&self, now: Instant) -> bool {
        self.hold.as_ref().and_then(|hold| hold.retry_at).is_some_and(|at| at <= now)
    }

    /// Returns how many records are not committed yet, by a report; `None` where it does not tell the end. At the end of the
    /// partition it is none, though the end be behind markers of transactions: the client has read past them, all that it
    /// has handed out is committed, and nothing waits.
    pub(super) fn lag(&self, report: &SourcePartition) -> Option<i64> {
        let end = report.end?;
        let is_read = report.fetched.is_some_and(|fetched| fetched >= end) && report.queued == 0;
        let is_at_end = is_read && self.hold.is_none() && self.next == self.committed;
        Some(if is_at_end { 0 } else { (end.0 - self.committed.0).max(0) })
    }

    /// Ends the hold, and counts it where it was for an unknown ID.
    pub(super) fn release(&mut self, now: Instant) -> Option<Hold> {
        let hold = self.hold.take()?;
        if hold.cause == Some(HoldCause::UnknownSchema) {
            self.unknown_holds.push_back((now, now.duration_since(hold.since)));
        }
        if !hold.needs.is_empty() {
            self.waited = Some((self.next, hold.needs.clone()));
        }
        Some(hold)
    }

    /// Tells whether the record that waited for this schema is still to come: it has to be fetched again, which may take
    /// longer than an answer is kept.
    fn still_needs(&self, need: Need) -> bool {
        self.waited.as_ref().is_some_and(|(at, needs)| self.next <= *at && needs.contains(&need))
    }
}

/// All partitions of ours.
#[derive(Debug, Default)]
pub(super) struct Assignment {
    partitions: Vec<Assigned>,
    /// Where each stands among them.
    places: Places,
    last: usize,
}

/// Places of partitions, found without making a key.
type Places = FxHashMap<Arc<str>, FxHashMap<Partition, usize>>;

impl Assignment {
    /// Takes a partition, and returns its index; `next` is its next record where that is known.
    pub(super) fn add(&mut self, topic: Arc<str>, partition: Partition, source: Source, next: Option<Offset>) -> usize {
        let is_placed = next.is_some();
        let next = next.unwrap_or(Offset(0));
        self.places.entry(Arc::clone(&topic)).or_default().insert(partition, self.partitions.len());
        self.partitions.push(Assigned {
            topic,
            partition,
            source,
            committed: next,
            next,
            hold: None,
            is_placed,
            watch: Watch::default(),
            unknown_holds: VecDeque::new(),
            waited: None,
        });
        self.partitions.len() - 1
    }

    /// Lets go of partitions and returns them.
    pub(super) fn remove(&mut self, gone: &[Named]) -> Vec<Assigned> {
        self.last = 0;
        let names: FxHashSet<_> = gone.iter().map(|(topic, partition)| (&**topic, *partition)).collect();
        let is_gone = |held: &mut Assigned| names.contains(&(&*held.topic, held.partition));
        let gone = self.partitions.extract_if(.., is_gone).collect();
        self.places.clear();
        for (place, held) in self.partitions.iter().enumerate() {
            self.places.entry(Arc::clone(&held.topic)).or_default().insert(held.partition, place);
        }
        gone
    }

    /// Returns the names of all.
    pub(super) fn names(&self) -> Vec<Named> {
        self.partitions.iter().map(|held| (Arc::clone(&held.topic), held.partition)).collect()
    }

    /// Finds the partition of a record; records come in runs, so the last one found is looked at first.
    pub(super) fn find(&mut self, position: &Position<'_>) -> Option<usize> {
        let is_it = |held: &Assigned| held.partition == position.partition && *held.topic == *position.topic;
        if !self.partitions.get(self.last).is_some_and(is_it) {
            self.last = *self.places.get(position.topic)?.get(&position.partition)?;
        }
        Some(self.last)
    }

    pub(super) fn get(&mut self, index: usize) -> &mut Assigned {
        &mut self.partitions[index]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Assigned> {
        self.partitions.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Assigned> {
        self.partitions.iter_mut()
    }

    /// Tells whether something was staged, or dropped by policy, and is not committed.
    pub(super) fn is_ahead(&self) -> bool {
        self.partitions.iter().any(|held| held.next > held.committed)
    }

    /// Returns what a commit has to store: the next record of each partition that moved.
    pub(super) fn moved(&self) -> TopicPartitionList {
        list(self.partitions.iter().filter(|held| held.next > held.committed).map(|held| (held, held.next)))
    }

    /// Notes that everything staged is committed.
    pub(super) fn committed(&mut self) {
        self.partitions.iter_mut().for_each(|held| held.committed = held.next);
    }

    /// Goes back to what is committed; the consumer has to seek there.
    pub(super) fn rewind(&mut self) {
        self.partitions.iter_mut().for_each(|held| held.next = held.committed);
    }

    /// Returns the indices of partitions that are due for another try.
    pub(super) fn due(&self, now: Instant) -> Vec<usize> {
        self.indices(|held| held.is_due(now))
    }

    /// Returns the indices of partitions that wait for this schema.
    pub(super) fn waiting_for(&self, need: Need) -> Vec<usize> {
        self.indices(|held| held.hold.as_ref().is_some_and(|hold| hold.needs.contains(&need)))
    }

    /// Tells whether a record that waited for this schema is still to come.
    pub(super) fn still_needs(&self, need: Need) -> bool {
        self.partitions.iter().any(|held| held.still_needs(need))
    }

    /// Returns the indices of the partitions of which this is so.
    pub(super) fn indices(&self, is_so: impl Fn(&Assigned) -> bool) -> Vec<usize> {
        (0..self.partitions.len()).filter(|&index| is_so(&self.partitions[index])).collect()
    }
}

/// Makes librdkafka's list of partitions and offsets.
pub(super) fn list<'a>(entries: impl Iterator<Item = (&'a Assigned, Offset)>) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    for (held, offset) in entries {
        list.add_partition_offset(&held.topic, held.partition.0, KafkaOffset::Offset(offset.0))
            .expect("an offset from the broker fits librdkafka's range");
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kafka::statistics::Leader;
    use crate::record::Part;
    use crate::schema::table::Slot;
    use crate::schema::{SchemaId, SchemaRef};

    #[test]
    fn partitions_are_found_whatever_has_gone() {
        let mut assignment = Assignment::default();
        let names: Vec<Named> =
            ["a", "b", "c"].iter().flat_map(|&topic| (0..3).map(move |n| (topic.into(), Partition(n)))).collect();
        for (topic, partition) in &names {
            assignment.add(Arc::clone(topic), *partition, Source(0), None);
        }
        let found = |assignment: &mut Assignment, (topic, partition): &Named| {
            let index = assignment.find(&Position { topic, partition: *partition, offset: Offset(0) })?;
            let held = assignment.get(index);
            Some((Arc::clone(&held.topic), held.partition))
        };
        assert!(names.iter().all(|name| found(&mut assignment, name).as_ref() == Some(name)));
        let (gone, stays): (Vec<_>, Vec<_>) = names.iter().cloned().partition(|(topic, p)| **topic == *"b" || p.0 == 1);
        assert_eq!(assignment.remove(&gone).len(), gone.len());
        assert!(stays.iter().all(|name| found(&mut assignment, name).as_ref() == Some(name)));
        assert!(gone.iter().all(|name| found(&mut assignment, name).is_none()));
        assignment.add(Arc::clone(&gone[0].0), gone[0].1, Source(0), None);
        assert_eq!(found(&mut assignment, &gone[0]).as_ref(), Some(&gone[0]), "it came back");
    }

    #[test]
    fn markers_at_the_end_are_no_lag() {
        let mut assignment = Assignment::default();
        let index = assignment.add("raw".into(), Partition(0), Source(0), Some(Offset(9)));
        let report = |fetched, queued| SourcePartition {
            topic: "raw".to_owned(),
            partition: Partition(0),
            end: Some(Offset(10)),
            begin: None,
            fetched: Some(Offset(fetched)),
            queued,
            leader: Leader::Up,
        };
        let held = assignment.get(index);
        assert_eq!(held.lag(&report(10, 0)), Some(0), "a marker is read, and nothing waits");
        assert_eq!(held.lag(&report(9, 0)), Some(1), "it may be a record");
        assert_eq!(held.lag(&report(10, 1)), Some(1), "it is a record");
        held.next = Offset(10);
        assert_eq!(held.lag(&report(10, 0)), Some(1), "it is not committed");
        held.next = Offset(9);
        held.hold = Some(Hold { cause: None, since: Instant::now(), retry_at: None, needs: Needs::default() });
        assert_eq!(held.lag(&report(10, 0)), Some(1), "it is held");
        assert_eq!(held.lag(&SourcePartition { end: None, ..report(10, 0) }), None);
    }

    #[test]
    fn what_is_staged_has_passed_until_it_is_taken_back() {
        let mut assignment = Assignment::default();
        let index = assignment.add("raw".into(), Partition(0), Source(0), Some(Offset(7)));
        assert!(!assignment.get(index).has_passed(Offset(7)), "the next one");
        assignment.get(index).next = Offset(8);
        assert!(assignment.get(index).has_passed(Offset(7)), "again");
        assert!(!assignment.get(index).has_passed(Offset(9)), "offsets have gaps");
        assignment.rewind();
        assert!(!assignment.get(index).has_passed(Offset(7)), "the transaction was aborted");
    }

    /// Fetching a record again may take longer than an answer is kept: the partition would wait for it for ever.
    #[test]
    fn a_record_that_waited_needs_its_schema_until_it_has_passed() {
        let mut assignment = Assignment::default();
        let index = assignment.add("raw".into(), Partition(0), Source(0), Some(Offset(7)));
        let slot = Slot { source: Source(0), part: Part::Value };
        let [waited, other] = [3, 4].map(|id| Need { slot, schema: SchemaRef::Id(SchemaId(id)) });
        let now = Instant::now();
        let held = assignment.get(index);
        held.hold = Some(Hold { cause: None, since: now, retry_at: None, needs: Needs::from_slice(&[waited]) });
        held.release(now);
        assert!(assignment.still_needs(waited), "it is fetched again");
        assert!(!assignment.still_needs(other));
        assignment.get(index).next = Offset(8);
        assert!(!assignment.still_needs(waited), "it is judged");
        assignment.rewind();
        assert!(assignment.still_needs(waited), "the transaction was aborted");
    }
}
