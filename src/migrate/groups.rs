//! Consumer groups as the brokers have them: their members, and their offsets of one topic.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::{Offset, TopicPartitionList};

use super::cast::{Cast, PATIENCE, Side};
use super::error::Error;
use super::reading::{extent, partitions_there};
use crate::kafka::{clients, ffi};

/// Returns the *next* offset of each partition of a topic that a group has committed.
pub(super) fn committed(cast: &Cast, side: Side, (group, topic): (&str, &str)) -> Result<BTreeMap<i32, i64>, Error> {
    let consumer = cast.member(side, group)?;
    let asking = |error: KafkaError| Error::asking(format!("ask for the offsets of group '{group}'"), &error);
    let mut list = TopicPartitionList::new();
    for partition in partitions_there(&consumer, topic)? {
        list.add_partition(topic, partition);
    }
    let found = clients::committed(&consumer, &list, PATIENCE).map_err(asking)?;
    let mut offsets = BTreeMap::new();
    for element in found.elements() {
        element.error().map_err(asking)?;
        if let Offset::Offset(offset) = element.offset() {
            offsets.insert(element.partition(), offset);
        }
    }
    Ok(offsets)
}

/// Counts the members that a group has now.
pub(super) fn members(cast: &Cast, side: Side, group: &str) -> Result<usize, Error> {
    let consumer = cast.member(side, group)?;
    let groups = consumer.fetch_group_list(Some(group), PATIENCE);
    let groups = groups.map_err(|error| Error::asking(format!("look at group '{group}'"), &error))?;
    Ok(groups.groups().iter().find(|found| found.name() == group).map_or(0, |found| found.members().len()))
}

/// Returns the groups that a topic's partitions are assigned to now. Groups of the new protocol (KIP-848) do not show their members
/// to the question that librdkafka asks: one that has offsets of the topic counts.
pub(super) fn readers(cast: &Cast, side: Side, topic: &str) -> Result<BTreeSet<String>, Error> {
    let consumer = cast.consumer(side, 1)?;
    let groups = consumer.fetch_group_list(None, PATIENCE);
    let groups = groups.map_err(|error| Error::asking("list the consumer groups", &error))?;
    // An assignment has the name behind its length (two bytes).
    let length = u16::try_from(topic.len()).unwrap_or(u16::MAX).to_be_bytes();
    let word = [&length, topic.as_bytes()].concat();
    let reads = |assignment: &[u8]| assignment.windows(word.len()).any(|part| part == word);
    let mut readers = BTreeSet::new();
    for group in groups.groups() {
        let is_shown = !group.members().is_empty() || group.state() == "Empty";
        let is_reader = if is_shown {
            group.members().iter().any(|member| member.assignment().is_some_and(reads))
        } else {
            !committed(cast, side, (group.name(), topic))?.is_empty()
        };
        if is_reader {
            readers.insert(group.name().to_owned());
        }
    }
    Ok(readers)
}

/// Sets a group's offsets of a topic, as one that is no member. Brokers refuse that while the group has members.
pub(super) fn set(
    cast: &Cast,
    side: Side,
    (group, topic): (&str, &str),
    offsets: &BTreeMap<i32, i64>,
) -> Result<(), Error> {
    let consumer = cast.member(side, group)?;
    let setting = |error: KafkaError| match error.rdkafka_error_code() {
        Some(
            RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::NonEmptyGroup,
        ) => alive(group),
        _ => Error::asking(format!("set the offsets of group '{group}'"), &error),
    };
    let mut list = TopicPartitionList::new();
    for (&partition, &offset) in offsets {
        list.add_partition_offset(topic, partition, Offset::Offset(offset)).map_err(setting)?;
    }
    let began = Instant::now();
    ffi::commit(consumer.client(), &list, || began.elapsed() > PATIENCE).map_err(setting)?;
    let now = committed(cast, side, (group, topic))?;
    if offsets.iter().any(|(partition, offset)| now.get(partition) != Some(offset)) {
        return Err(Error::Unsuitable(format!(
            "group '{group}' has other offsets of '{topic}' than were just set: its consumers run, or somebody else sets them"
        )));
    }
    Ok(())
}

/// Says that a group is alive.
pub(super) fn alive(group: &str) -> Error {
    Error::Unsuitable(format!(
        "group '{group}' has members: stop its consumers first, and start them on the new topic afterwards; nothing was changed for it"
    ))
}

/// Returns the first offset of each partition of a topic.
pub(super) fn starts(cast: &Cast, side: Side, topic: &str) -> Result<BTreeMap<i32, i64>, Error> {
    let consumer = cast.consumer(side, 1)?;
    let partitions = partitions_there(&consumer, topic)?.into_iter();
    partitions.map(|partition| Ok((partition, extent(&consumer, topic, partition)?.0))).collect()
}
