//! What a job finds where it begins, or goes on: an empty target, and topics of its own that keep what is written there.

use std::collections::BTreeMap;

use super::cast::{Cast, Side};
use super::error::Error;
use super::reading::{extent, partitions_of};
use super::state::State;
use crate::kafka::topics::{Topic, tool_options};

/// Refuses to begin over anything: neither `verify` nor `cut-over` would know what the records of others are, and a map of
/// another copy would place groups anywhere.
pub(super) fn check_empty(cast: &Cast, state: &State) -> Result<(), Error> {
    let job = &cast.group;
    if !state.lanes.is_empty() || !state.groups.is_empty() {
        return Err(Error::Unsuitable(format!(
            "topic '{}' holds what an earlier job has left, and not the job: delete it with '{}', or give the job another name than '{job}'",
            cast.state, cast.map
        )));
    }
    if let Some(records) = first_held(cast, &cast.map)? {
        return Err(Error::Unsuitable(format!(
            "topic '{}' holds the map of an earlier job ({records}): delete it, or give the job another name than '{job}'",
            cast.map
        )));
    }
    if let Some(records) = first_held(cast, &cast.migration.to)? {
        return Err(Error::Unsuitable(format!(
            "the target '{}' is not empty ({records}): a job begins on an empty topic. Name another one, or delete it \
             if nobody needs its records",
            cast.migration.to
        )));
    }
    Ok(())
}

/// Says where a topic holds something, committed or not.
fn first_held(cast: &Cast, topic: &str) -> Result<Option<String>, Error> {
    let consumer = cast.observer(Side::Target)?;
    for partition in partitions_of(&consumer, topic)?.unwrap_or_default() {
        let (start, end) = extent(&consumer, topic, partition)?;
        if start < end {
            return Ok(Some(format!("partition {partition} has the offsets from {start} up to {end}")));
        }
    }
    Ok(None)
}

/// Refuses topics of the job that lose what it writes, or have too few partitions for its lanes.
pub(super) fn check_own(cast: &Cast, lanes: i32, found: &BTreeMap<String, Topic>) -> Result<(), Error> {
    for (name, least) in [(&cast.map, lanes), (&cast.state, lanes + 1)] {
        let Some(topic) = found.get(name) else { continue };
        let policy = topic.settings.get("cleanup.policy").map_or("compact", |setting| setting.value.as_str());
        if policy != "compact" {
            return Err(Error::Unsuitable(format!(
                "topic '{name}' has cleanup.policy={policy}, by which brokers delete what the job needs; it must be 'compact': \
                 kafka-configs.sh {} --alter --entity-type topics --entity-name {name} --add-config cleanup.policy=compact",
                tool_options(cast.kafka(Side::Target))
            )));
        }
        if topic.partitions < least {
            return Err(Error::Unsuitable(format!(
                "topic '{name}' has {} partitions, and {lanes} lanes need {least}: delete it before the job begins, or take fewer \
                 lanes (--lanes)",
                topic.partitions
            )));
        }
    }
    Ok(())
}
