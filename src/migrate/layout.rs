//! The topics of a job: those that are there, those that it makes, and where they begin and end.

use std::collections::{BTreeMap, BTreeSet};

use super::cast::{Cast, Side};
use super::error::Error;
use super::identity::{Clusters, Ids};
use super::job::{Asked, LANES, MOST_LANES};
use super::lane::Letters;
use super::offsets::Offsets;
use super::state::Job;
use super::{fresh, store};
use crate::config::{Migration, Outputs};
use crate::gate::policy::Mode;
use crate::kafka::clients::Sizes;
use crate::kafka::compression::Compression;
use crate::kafka::topics::{self, MAX_MESSAGE_BYTES, Needs, NewTopic, Topic, tool_options};

/// The topics of a job as they are, with what was missing made.
pub(super) struct Layout {
    pub(super) source: Topic,
    pub(super) targets: i32,
    /// The number of lanes of a job that begins now.
    pub(super) lanes: i32,
    pub(super) made: Vec<String>,
    pub(super) sizes: Sizes,
    /// The codec of the target, where it has its own.
    pub(super) codec: Option<&'static str>,
    /// Where dead letters go; none where there can be none.
    pub(super) letters: Option<Letters>,
    pub(super) ids: Ids,
}

impl Layout {
    pub(super) fn see(
        cast: &Cast,
        clusters: &Clusters,
        (asked, begun, makes): (&Asked, Option<&Job>, bool),
    ) -> Result<Self, Error> {
        let Migration { source, to, .. } = &cast.migration;
        let (here, there) = (&clusters.here, &clusters.there);
        let found = here.describe(&BTreeSet::from([source.clone()]))?;
        let Some(source) = found.get(source).cloned() else {
            return Err(Error::Unsuitable(format!(
                "source topic '{source}' does not exist, or this user may not see it"
            )));
        };
        let dead_letter = cast.dead_letter();
        let names = [Some(to.clone()), dead_letter.clone(), Some(cast.map.clone()), Some(cast.state.clone())];
        let names: BTreeSet<String> = names.into_iter().flatten().collect();
        let mut found = there.describe(&names)?;
        let planned = asked.plan.as_ref().map(|plan| plan.lanes);
        let lanes = planned.or(asked.lanes).unwrap_or(LANES).clamp(1, source.partitions.clamp(1, MOST_LANES));
        let mut missing = missing(cast, (&source, lanes), &found)?;
        let made: Vec<String> = missing.iter().map(|topic| topic.name.clone()).collect();
        fresh::check_own(cast, begun.map_or(lanes, |job| job.lanes), &found)?;
        let is_vital = |topic: &&String| begun.is_some() && dead_letter.as_ref() != Some(*topic);
        if let Some(lost) = made.iter().find(is_vital) {
            let reason = "a topic of a job that has begun is not made anew".to_owned();
            return Err(Error::Kafka { what: format!("topic '{lost}' does not show on all brokers"), reason });
        }
        if makes && !missing.is_empty() {
            // Another cluster may be smaller.
            let brokers = i32::try_from(there.brokers()?.max(1)).unwrap_or(i32::MAX);
            missing.iter_mut().for_each(|topic| topic.replication = topic.replication.min(brokers));
            there.create(&missing, &tool_options(cast.kafka(Side::Target)))?;
            found = there.describe(&names)?;
        }
        let limit = |topic: &Topic| topic.settings.get("max.message.bytes").and_then(|found| found.value.parse().ok());
        let limits: Vec<u64> = found.values().map(|topic| limit(topic).unwrap_or(MAX_MESSAGE_BYTES)).collect();
        let outputs = std::iter::once(to).chain(&dead_letter);
        let largest = outputs.filter_map(|topic| limit(found.get(topic)?)).max().unwrap_or(MAX_MESSAGE_BYTES);
        let smallest = limits.into_iter().min().unwrap_or(MAX_MESSAGE_BYTES);
        let planned = missing.iter().find(|topic| topic.name == *to).map_or(0, |topic| topic.partitions);
        let targets = found.get(to).map_or(planned, |topic| topic.partitions);
        let compression = Compression::of(cast.kafka(Side::Target));
        let codec = |topic: &str| found.get(topic).and_then(|topic| compression.codec(topic));
        let letters = dead_letter.map(|topic| {
            let partitions = found.get(&topic).map_or(source.partitions, |topic| topic.partitions);
            Letters { limit: found.get(&topic).and_then(limit), partitions, codec: codec(&topic), topic }
        });
        let sizes = Sizes { largest, smallest, is_known: true };
        let codec = codec(to);
        Ok(Self { source, targets, lanes, made, sizes, codec, ids: clusters.look(cast)?.ids, letters })
    }
}

/// Returns the topics to make. Those of the job itself are always made; the target where `create_topics` is set.
fn missing(
    cast: &Cast,
    (source, lanes): (&Topic, i32),
    found: &BTreeMap<String, Topic>,
) -> Result<Vec<NewTopic>, Error> {
    let Migration { to, partitions, repartition, .. } = &cast.migration;
    let dead_letter = cast.dead_letter();
    // Where no record becomes a dead letter the mode writes the one output, and no topic is taken for theirs.
    let mode = if dead_letter.is_some() { Mode::Enforce } else { Mode::PassAll };
    let outputs = Outputs { validated: to.clone(), converter: None, dead_letter: dead_letter.unwrap_or_default() };
    let needs = Needs { mode, repartition: *repartition };
    let mut known = found.clone();
    // On another cluster the target may have the source's name.
    let is_namesake = source.name == *to;
    let source = &if is_namesake { Topic { name: format!("{to} (source)"), ..source.clone() } } else { source.clone() };
    known.insert(source.name.clone(), source.clone());
    let plan = topics::Plan::new(std::iter::once((source.name.as_str(), outputs)), needs, &known);
    if let Some(refusal) = plan.refusals.first() {
        return Err(Error::Unsuitable(refusal.to_string()));
    }
    let mut missing = plan.missing;
    if let (Some(topic), Some(partitions)) = (missing.iter_mut().find(|topic| topic.name == *to), partitions) {
        topic.partitions = *partitions;
    }
    if let Some(topic) = missing.first().filter(|_| !cast.config().create_topics) {
        let command = topic.command(&tool_options(cast.kafka(Side::Target)));
        return Err(Error::Unsuitable(format!(
            "topic '{}' does not exist; set 'create_topics: true', or create it with: {command}",
            topic.name
        )));
    }
    if !found.contains_key(&cast.map) {
        missing.push(NewTopic::compacted(&cast.map, lanes, source));
    }
    // Each checkpoint takes the place of the one before.
    if !found.contains_key(&cast.state) {
        missing.push(NewTopic::compacted(&cast.state, lanes + 1, source).in_small_segments());
    }
    Ok(missing)
}

/// Returns the first offset of each partition, and the one after its last committed record.
pub(super) fn extents(cast: &Cast, layout: &Layout) -> Result<(Offsets, Offsets), Error> {
    let consumer = cast.consumer(Side::Source, 1)?;
    let (mut starts, mut ends) = (BTreeMap::new(), BTreeMap::new());
    for partition in 0..layout.source.partitions {
        let (low, high) = store::extent(&consumer, &layout.source.name, partition)?;
        starts.insert(partition, low);
        ends.insert(partition, high);
    }
    Ok((starts, ends))
}
