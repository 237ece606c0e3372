//! Where partitions go on: what the group has committed, else what `start` said, else the first record.
//!
//! `start` is resolved once: for a topic of which the group has no offset at all, the
//! offsets are looked up and committed before anything is read, so that a restart, a second
//! member or a crash in the first second begin at the same records. Partitions and topics
//! that appear later begin at their first record, whatever `start` says: they are new, and
//! nothing of them has been seen.
//!
//! A partition whose first record cannot be found (no leader, topic deleted or not allowed)
//! is held, and looked at again; the others do not wait for it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::topic_partition_list::TopicPartitionListElem;
use rdkafka::{Offset as KafkaOffset, TopicPartitionList};
use rustc_hash::{FxHashMap, FxHashSet};

use super::consume::{Consumer, Named};
use super::first;
use super::offsets;
use super::run::Loop;
use super::{Fault, Settings};
use crate::config::Start;
use crate::gate::policy::Mode;
use crate::kafka::clients::{self, REQUEST_TIMEOUT};
use crate::record::{Offset, Partition};
use crate::telemetry::HoldCause;

/// Offsets that `start` resolved to, of partitions where the group has none.
pub(super) type Starts = FxHashMap<Named, Offset>;

/// The longest pause before the group's offsets are asked for again: while a former owner's transaction is open there is
/// no answer, and nothing should be lost when it has ended.
const LONGEST_ASK: Duration = Duration::from_secs(1);

/// Where a partition goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// At this next record, as the group has committed.
    Committed(Offset),
    /// At this record, of which the group has nothing.
    New(Offset),
    /// That cannot be found, as this line says.
    Unknown(String),
}

/// A partition and where it goes on.
#[derive(Debug, Clone)]
pub(super) struct FirstRead {
    pub(super) named: Named,
    pub(super) place: Place,
}

impl FirstRead {
    /// Returns the next record where it is known.
    pub(super) fn next(&self) -> Option<Offset> {
        match &self.place {
            Place::Committed(next) | Place::New(next) => Some(*next),
            Place::Unknown(_) => None,
        }
    }
}

/// Resolves and commits `start` for topics of which the group has no offset.
pub(super) fn settle(settings: &Settings, consumer: &Consumer, topics: &[Arc<str>]) -> Result<Starts, Fault> {
    let wait = |error: KafkaError| waiting(consumer, error);
    let mut all = TopicPartitionList::new();
    for topic in topics {
        for partition in partitions_of(consumer, topic).map_err(wait)? {
            all.add_partition(topic, partition);
        }
    }
    if all.count() == 0 {
        return Ok(Starts::default());
    }
    let committed = consumer.committed_offsets(all, REQUEST_TIMEOUT).map_err(wait)?;
    let found = starts(consumer, &committed, settings.gate.start).map_err(wait)?;
    if found.count() > 0 && settings.gate.policy.mode != Mode::DryRun {
        match offsets::commit_start(consumer, &found) {
            Ok(()) => {}
            // The group has members: they have begun, and what is not committed yet they take from its first record.
            Err(KafkaError::ConsumerCommit(
                RDKafkaErrorCode::UnknownMemberId
                | RDKafkaErrorCode::IllegalGeneration
                | RDKafkaErrorCode::RebalanceInProgress,
            )) => return Ok(Starts::default()),
            Err(error) => return Err(wait(error)),
        }
    }
    let elements = found.elements();
    let starts = elements.iter().filter_map(|element| {
        let next = Offset(element.offset().to_raw()?);
        Some(((Arc::from(element.topic()), Partition(element.partition())), next))
    });
    Ok(starts.collect())
}

/// Returns where those partitions begin of which the group has no offset.
fn starts(consumer: &Consumer, committed: &TopicPartitionList, start: Start) -> KafkaResult<TopicPartitionList> {
    let committed = committed.elements();
    // Taken for "nothing", an answer that is none would have all read again.
    committed.iter().try_for_each(|element| element.error())?;
    let is_known = |offset: KafkaOffset| matches!(offset, KafkaOffset::Offset(_));
    let (known, unknown): (Vec<_>, Vec<_>) = committed.iter().partition(|element| is_known(element.offset()));
    let known: FxHashSet<&str> = known.iter().map(|element| element.topic()).collect();
    let (later, new): (Vec<_>, Vec<_>) = unknown.into_iter().partition(|element| known.contains(element.topic()));
    let mut found = TopicPartitionList::new();
    for (elements, start) in [(later, Start::Earliest), (new, start)] {
        let named = |element: &TopicPartitionListElem<'_>| (element.topic().into(), Partition(element.partition()));
        let partitions: Vec<Named> = elements.into_iter().map(named).collect();
        for ((topic, partition), next) in partitions.iter().zip(first::resolve(consumer, &partitions, start)?) {
            add(&mut found, topic, *partition, next);
        }
    }
    Ok(found)
}

fn waiting(consumer: &Consumer, error: KafkaError) -> Fault {
    let error = clients::refused_group(consumer).unwrap_or(error);
    Fault::asking("read the offsets of the group", &error)
}

pub(super) fn partitions_of(consumer: &Consumer, topic: &str) -> KafkaResult<impl Iterator<Item = i32> + use<>> {
    let metadata = consumer.fetch_metadata(Some(topic), REQUEST_TIMEOUT)?;
    let count = metadata.topics().first().map_or(0, |topic| topic.partitions().len());
    Ok((0..).take(count))
}

/// Asks where partitions go on. An answer that lacks one of them is none: taken for "nothing", it would be read again
/// from its first record.
fn positions(consumer: &Consumer, partitions: &[Named], starts: &Starts) -> Result<Vec<FirstRead>, Fault> {
    let mut list = TopicPartitionList::new();
    for (topic, partition) in partitions {
        list.add_partition(topic, partition.0);
    }
    let committed = consumer.committed_offsets(list, REQUEST_TIMEOUT).map_err(|error| waiting(consumer, error))?;
    let (mut reads, mut unseen) = (Vec::with_capacity(partitions.len()), Vec::new());
    for named in partitions {
        let element = committed
            .find_partition(&named.0, named.1.0)
            .ok_or_else(|| Fault::Abort(format!("the offsets of the group lack {}-{}", named.0, named.1)))?;
        let place = match (element.error(), element.offset(), starts.get(named)) {
            (Err(error), ..) if first::is_of_topic(&error) => Place::Unknown(error.to_string()),
            (Err(error), ..) => return Err(waiting(consumer, error)),
            (Ok(()), KafkaOffset::Offset(next), _) => Place::Committed(Offset(next)),
            (Ok(()), _, Some(start)) => Place::New(*start),
            (Ok(()), _, None) => {
                unseen.push(named.clone());
                Place::Unknown(String::new())
            }
        };
        reads.push(FirstRead { named: named.clone(), place });
    }
    let mut firsts = first::find(consumer, &unseen).map_err(|error| waiting(consumer, error))?;
    for read in &mut reads {
        if let Some(place) = firsts.remove(&read.named) {
            read.place = place;
        }
    }
    Ok(reads)
}

/// Adds a partition and its next record to librdkafka's list.
pub(super) fn add(list: &mut TopicPartitionList, topic: &str, partition: Partition, next: Offset) {
    list.add_partition_offset(topic, partition.0, KafkaOffset::Offset(next.0))
        .expect("an offset from the broker fits librdkafka's range");
}

impl Loop<'_> {
    /// Asks where partitions of ours go on until the brokers answer; `None` when the pipeline is asked to stop meanwhile.
    pub(super) fn first_reads(&mut self, partitions: &[Named]) -> Result<Option<Vec<FirstRead>>, Fault> {
        while !self.settings.stop.is_asked() {
            self.settings.probe.beat(Instant::now());
            match positions(self.consumer, partitions, &self.starts) {
                Ok(reads) => return Ok(Some(reads)),
                Err(Fault::Abort(why)) => self.wait_out(&why, LONGEST_ASK),
                Err(fault) => return Err(fault),
            }
        }
        Ok(None)
    }

    /// Commits where partitions begin of which the group has no offset, so that a restart begins there too, whatever
    /// `start` says. A group that is in motion again may refuse; then the first commit of records does it.
    pub(super) fn settle_new(&self, reads: &[FirstRead]) {
        let mut list = TopicPartitionList::new();
        for FirstRead { named: (topic, partition), place } in reads {
            if let Place::New(next) = place {
                add(&mut list, topic, *partition, *next);
            }
        }
        if list.count() == 0 || self.output.is_dry_run() {
            return;
        }
        if let Err(error) = offsets::commit_start(self.consumer, &list) {
            tracing::warn!(gate = self.settings.probe.gate(), %error, "the first offsets of new partitions are not committed yet");
        }
    }

    /// Asks the brokers how far the group is, after the producer was lost.
    pub(super) fn reread_positions(&mut self) -> Result<(), Fault> {
        let partitions = self.assignment.names();
        if partitions.is_empty() || self.output.is_dry_run() {
            return Ok(());
        }
        let reads = positions(self.consumer, &partitions, &self.starts)?;
        for (index, read) in reads.into_iter().enumerate() {
            match read.place {
                Place::Committed(next) | Place::New(next) => self.assignment.get(index).place(next),
                Place::Unknown(why) => self.hold_unplaced(index, &why)?,
            }
        }
        Ok(())
    }

    /// Holds a partition of which nobody can say where it goes on.
    pub(super) fn hold_unplaced(&mut self, index: usize, why: &str) -> Result<(), Fault> {
        self.assignment.get(index).is_placed = false;
        let detail = format!("it cannot be found where it goes on: {why}; it is looked at again");
        self.hold_because(index, HoldCause::SourceUnavailable, &detail)?;
        self.put_off(index);
        Ok(())
    }

    /// Looks again where partitions go on of which that could not be found.
    pub(super) fn place_again(&mut self, now: Instant) -> Result<(), Fault> {
        let due = self.assignment.indices(|held| !held.is_placed && held.is_due(now));
        if due.is_empty() {
            return Ok(());
        }
        // The transaction must not wait for the answer.
        self.commit()?;
        let names = self.assignment.names();
        let named: Vec<_> = due.iter().map(|index| names[*index].clone()).collect();
        let reads = match positions(self.consumer, &named, &self.starts) {
            Ok(reads) => reads,
            Err(Fault::Abort(_)) => {
                due.iter().for_each(|index| self.put_off(*index));
                return Ok(());
            }
            Err(fault) => return Err(fault),
        };
        self.settle_new(&reads);
        for (index, read) in due.into_iter().zip(reads) {
            match read.next() {
                Some(next) => {
                    self.assignment.get(index).place(next);
                    self.release(index, now)?;
                }
                None => self.put_off(index),
            }
        }
        Ok(())
    }
}
