//! Reading what a job has written: its state and its map, from the begin of their topics to the end.

use std::collections::BTreeMap;

use super::cast::{Cast, Consumer, Side};
use super::error::Error;
use super::identity::Ids;
use super::offsets::{Map, Offsets, Topics};
pub(super) use super::reading::extent;
use super::reading::{partitions_of, up_to};
use super::state::State;
use crate::kafka::ffi::Message;

/// Reads these partitions of the state; all where none are named. A topic that is not there is an empty state.
pub fn state(cast: &Cast, wanted: Option<&[i32]>) -> Result<State, Error> {
    let consumer = cast.consumer(Side::Target, 1)?;
    let Some(there) = partitions_of(&consumer, &cast.state)? else { return Ok(State::default()) };
    let wanted = wanted.unwrap_or(&there);
    if let Some(lacking) = wanted.iter().find(|partition| !there.contains(partition)) {
        return Err(Error::Unsuitable(format!("topic '{}' has no partition {lacking}", cast.state)));
    }
    state_of(cast, &consumer, wanted)
}

fn state_of(cast: &Cast, consumer: &Consumer, partitions: &[i32]) -> Result<State, Error> {
    let (mut state, mut failed) = (State::default(), Ok(()));
    up_to(consumer, &cast.state, &whole(partitions), |message: Message<'_>| {
        if let (Ok(()), Some(value)) = (&failed, message.value()) {
            let key = message.key().unwrap_or_default();
            failed = state.add(message.partition(), key, value).map_err(Error::from);
        }
    })?;
    failed.map(|()| state)
}

/// Reads the offset map; one that is not there is an empty map.
pub fn map(cast: &Cast) -> Result<Map, Error> {
    map_of(cast, &cast.map, None)
}

/// Reads where the records of the target stand in the source: the job's copies, given in that direction, and what converters
/// between the two topics have carried, where they keep maps. What they have carried between topics that were there before under
/// the same names counts for nothing.
pub(super) fn way_back(cast: &Cast, copies: &Map, ids: &Ids) -> Result<Map, Error> {
    let mut back = copies.clone();
    for way in &cast.ways {
        let (from, to) = if way.is_back { (&ids.to, &ids.source) } else { (&ids.source, &ids.to) };
        let topics = from.as_deref().zip(to.as_deref()).map(|(from, to)| Topics::of(from, to));
        let map = map_of(cast, &way.map, topics)?;
        back.extend(&if way.is_back { map } else { map.reversed() });
    }
    back.sort();
    Ok(back)
}

fn map_of(cast: &Cast, topic: &str, topics: Option<Topics>) -> Result<Map, Error> {
    let consumer = cast.consumer(Side::Target, 1)?;
    let partitions = partitions_of(&consumer, topic)?.unwrap_or_default();
    // The last word on a key counts, compacted or not.
    let mut pieces = BTreeMap::new();
    up_to(&consumer, topic, &whole(&partitions), |message| {
        let value = message.value().map(<[u8]>::to_vec);
        pieces.insert(message.key().unwrap_or_default().to_vec(), value);
    })?;
    let mut map = Map::default();
    for (key, value) in pieces {
        value.map_or(Ok(()), |value| map.add(&key, &value, topics))?;
    }
    map.sort();
    Ok(map)
}

fn whole(partitions: &[i32]) -> Offsets {
    partitions.iter().map(|&partition| (partition, i64::MAX)).collect()
}
