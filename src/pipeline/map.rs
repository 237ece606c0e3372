//! The offset map of a converter: where each record that it has published stands, in a topic of its own, written in the
//! transaction of the records.
//!
//! It is the map of migration jobs ([`crate::migrate::offsets`]), and is read by `sluice migrate cut-over --back`. Offsets come with the
//! delivery reports, so before a commit there is one more wait for the brokers: who keeps no map has neither. A
//! record whose place no broker has told must not commit, since the map would lack it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;

use super::commit::{Open, Step, broken_open};
use super::deliveries::Context;
use super::discover;
use super::room::make_room;
use super::staged::Origin;
use super::{Error, Fault, Settings};
use crate::config::Sources;
use crate::kafka::ffi::Outgoing;
use crate::kafka::topics::{Cluster, NewTopic, Refusal, tool_options};
use crate::migrate::offsets::{MapRecord, Piece, Topics};

/// What a record of the map has in the place of a time: librdkafka takes now.
const NOW: i64 = 0;

/// Where the map is written, and what it has to tell of.
#[derive(Debug)]
pub(super) struct Map {
    topic: String,
    partitions: i32,
    /// Which topics it tells of, where brokers give them IDs.
    topics: Option<Topics>,
    /// The tags of the records of the running transaction that it tells of.
    tags: Vec<usize>,
}

impl Map {
    /// Finds the map's topic, and makes it where it is not there: compacted, with as many partitions as the source.
    /// Returns none where no map is kept.
    pub(super) fn prepare(settings: &Settings, cluster: &Cluster) -> Result<Option<Self>, Fault> {
        let Some(topic) = settings.config.map_topic(&settings.gate) else { return Ok(None) };
        let Sources::Topics(sources) = &settings.gate.source else { return Ok(None) };
        let names: BTreeSet<String> = sources.iter().cloned().chain([topic.clone()]).collect();
        let mut found = cluster.describe(&names).map_err(discover::asking)?;
        if !found.contains_key(&topic) {
            let Some(source) = sources.first().and_then(|source| found.get(source)) else {
                return Err(Fault::Abort("the source of the converter is not there".to_owned()));
            };
            let missing = [NewTopic::compacted(&topic, source.partitions, source)];
            cluster.create(&missing, &tool_options(&settings.config.kafka)).map_err(discover::asking)?;
            found = cluster.describe(&names).map_err(discover::asking)?;
        }
        let Some(found) = found.get(&topic) else {
            return Err(Fault::Abort(format!("topic '{topic}' cannot be seen yet")));
        };
        if let Some(refusal) = Refusal::of_map(found) {
            return Err(Fault::Fatal(Error::Configuration { reason: refusal.to_string() }));
        }
        let topics = topics(settings, sources, cluster)?;
        Ok(Some(Self { topic, partitions: found.partitions.max(1), topics, tags: Vec::new() }))
    }

    /// Forgets the transaction before.
    pub(super) fn begin(&mut self, context: &Context) {
        self.tags.clear();
        drop(context.take_places());
    }

    /// Notes a record that was staged for the converter's output.
    pub(super) fn note(&mut self, tag: usize) {
        self.tags.push(tag);
    }

    /// Waits until the brokers have told where the records stand, and writes that.
    pub(super) fn write(&mut self, open: Open, staged: &[Origin]) -> Step<Open> {
        if self.tags.is_empty() {
            return Ok(open);
        }
        let mut open = open.settle()?;
        match self.stage(&mut open, staged) {
            Ok(()) => Ok(open),
            Err(fault) => Err(broken_open(open, fault)),
        }
    }

    fn stage(&self, open: &mut Open, staged: &[Origin]) -> Result<(), Fault> {
        let places = open.producer().client().context().take_places();
        let mut pieces: BTreeMap<i32, Piece> = BTreeMap::new();
        for &tag in &self.tags {
            let (Some(origin), Some(Some(place))) = (staged.get(tag), places.get(tag)) else {
                return Err(Fault::Abort("a broker did not tell the offset of a record that it took".to_owned()));
            };
            let piece = pieces.entry(origin.partition.0).or_insert_with(|| Piece::of(self.topics));
            piece.push((origin.partition.0, origin.offset.0), *place);
        }
        let client = |error: rdkafka::error::KafkaError| {
            Fault::Fatal(Error::Client { what: "the topic of the offset map", reason: error.to_string() })
        };
        let topic = open.producer_mut().topic(&self.topic).map_err(client)?;
        let mut tag = staged.len();
        for (partition, piece) in pieces {
            for (key, value) in piece.records() {
                let place = (topic, partition.rem_euclid(self.partitions));
                stage_one(open, place, &(key, value), tag)?;
                tag += 1;
            }
        }
        Ok(())
    }
}

/// Finds which topics the records of a converter come from and go to.
fn topics(settings: &Settings, sources: &[String], cluster: &Cluster) -> Result<Option<Topics>, Fault> {
    let Some(source) = sources.first() else { return Ok(None) };
    let Some(outputs) = settings.gate.outputs(source) else { return Ok(None) };
    let found = cluster.look(&BTreeSet::from([source.clone(), outputs.validated.clone()])).map_err(discover::asking)?;
    let id = |topic: &String| found.get(topic).and_then(|found| found.id.as_deref());
    Ok(id(source).zip(id(&outputs.validated)).map(|(from, to)| Topics::of(from, to)))
}

fn stage_one(
    open: &Open,
    (topic, partition): (crate::kafka::ffi::TopicHandle, i32),
    (key, value): &MapRecord,
    tag: usize,
) -> Result<(), Fault> {
    let mut full = None;
    loop {
        let (key, value) = (Some(key.as_slice()), Some(value.as_slice()));
        let outgoing = Outgoing { topic, partition, key, value, timestamp: NOW, headers: None, tag };
        match open.producer().produce(outgoing) {
            Ok(()) => return Ok(()),
            Err(RDKafkaErrorCode::QueueFull) => make_room(open, *full.get_or_insert_with(Instant::now))?,
            Err(code) => return Err(Fault::Abort(format!("the offset map could not be written: {code}"))),
        }
    }
}
