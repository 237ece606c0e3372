//! Opening a job: its topics, its state, and where it begins and ends; then the lanes, to their end.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::cast::{Cast, Side};
use super::convert::{self, Conversions};
use super::error::Error;
use super::identity::{self, Clusters, Ids};
use super::lane::{Gauge, Lane, Letters, Terms};
use super::offsets::Offsets;
use super::plan::Plan;
use super::schemas::{Order, Schemas};
use super::settle::SIZES;
use super::state::{GROUP, IMPORT, Import, JOB, Job, Moved, State, VERSION};
use super::trouble::Trouble;
use super::writer::Writer;
use super::{fresh, store};
use crate::config::{Migration, Outputs};
use crate::gate::policy::Mode;
use crate::kafka::clients::Sizes;
use crate::kafka::ffi::Outgoing;
use crate::kafka::topics::{self, MAX_MESSAGE_BYTES, Needs, NewTopic, Topic, tool_options};
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;
use crate::pipeline::watchdog::Told;

/// Lanes where nobody says how many.
const LANES: i32 = 4;

/// The most lanes: each has clients and a thread of its own.
pub const MOST_LANES: i32 = 64;

/// The number of a lane that there is never: its `transactional.id` writes what is open in the target's registry.
pub(super) const IMPORTS: i32 = MOST_LANES + 1;

/// How a run was asked for.
#[derive(Debug, Clone, Default)]
pub struct Asked {
    /// The number of lanes, for a job that begins.
    pub lanes: Option<i32>,
    /// Whether it goes on for ever.
    pub follow: bool,
    /// Records per second, of all lanes.
    pub rate: Option<u32>,
    /// What a job that begins is held to.
    pub plan: Option<Plan>,
}

/// A job that is ready to run.
#[allow(missing_debug_implementations, reason = "rdkafka's admin client has none")]
pub struct Open {
    /// Who takes part.
    pub cast: Cast,
    /// What it is.
    pub job: Job,
    /// How far it was.
    pub before: State,
    /// What it tells while it runs.
    pub gauge: Gauge,
    terms: Terms,
    clusters: Clusters,
}

impl Open {
    /// Sees to topics and state; a job that has not begun begins.
    ///
    /// # Errors
    /// Topics that do not fit, a state that is another one's, a cluster that does not answer.
    pub fn new(cast: Cast, asked: &Asked, stop: Stop) -> Result<Self, Error> {
        let mut conversions = Conversions::new(&cast)?;
        let schemas = Schemas::new(&cast, Order::Register)?.map(Arc::new);
        let clusters = Clusters::connect(&cast)?;
        // Before anything is made: what an ended job has removed stays away.
        let mut before = store::state(&cast, None)?;
        match &before.job {
            Some(job) => check_same(&cast, job, &clusters)?,
            None => fresh::check_empty(&cast, &before)?,
        }
        if let Some(schemas) = &schemas {
            schemas.prepare(before.job.is_some(), &stop)?;
        }
        let layout = Layout::see(&cast, &clusters, (asked, before.job.as_ref(), true))?;
        let job = match &before.job {
            Some(job) => resume(&cast, job, &before, (&layout, asked))?,
            None => begin(&cast, &layout, (asked, conversions.as_ref()), &stop)?,
        };
        if let (Some(conversions), Some(fixed)) = (&mut conversions, &job.conversion) {
            conversions.hold_to(fixed);
        }
        if before.job.as_ref() != Some(&job) {
            write(&cast, &job, layout.sizes, &stop)?;
            wait_until_shown(&cast, &job)?;
        }
        before.job = Some(job.clone());
        #[expect(clippy::cast_sign_loss, reason = "there is one lane at least")]
        let rate = asked.rate.map(|rate| (rate / job.lanes.max(1) as u32).max(1));
        let (conversions, letters) = (conversions.map(Arc::new), layout.letters);
        let terms = Terms { rate, sizes: layout.sizes, stop, conversions, schemas, letters, hung: Told::default() };
        Ok(Self { cast, job, before, gauge: Gauge::default(), terms, clusters })
    }

    /// Says which lane hangs in a call that does not come back, if one does.
    #[must_use]
    pub fn hung(&self) -> Option<&str> {
        self.terms.hung.get().map(String::as_str)
    }

    /// Returns how many offsets there are between where it was and its end; none where it has none.
    #[must_use]
    pub fn distance(&self) -> Option<i64> {
        let nexts = self.before.nexts();
        let ends = self.job.ends.as_ref()?;
        Some(ends.iter().map(|(partition, end)| (end - nexts.get(partition).copied().unwrap_or(0)).max(0)).sum())
    }

    /// Runs the lanes until all are at their end, or asked to stop; tells which. What fails in one stops the others.
    /// (To ask the state would be too early: a commit is answered before readers see it.)
    ///
    /// # Errors
    /// That of the first lane that cannot go on, or topics that are not what they were.
    pub fn run(&self) -> Result<bool, Error> {
        let (cast, job, is_over) = (&self.cast, &self.job, AtomicBool::new(false));
        let (ended, seen) = thread::scope(|scope| {
            let watch = scope.spawn(|| {
                let is_over = || is_over.load(Ordering::Relaxed);
                let seen = identity::watch(&self.clusters, cast, job, &self.terms.stop, is_over);
                seen.inspect(|_| self.terms.stop.stop())
            });
            let ended = self.run_lanes();
            let closed = self.terms.schemas.as_ref().map_or(Ok(()), |schemas| schemas.close());
            let ended = ended.and_then(|ended| closed.map(|()| ended));
            is_over.store(true, Ordering::Relaxed);
            (ended, watch.join())
        });
        // What has changed is why lanes fail, and a copy of other topics than before is not done.
        let seen = seen.map_err(|_| Error::Panicked)?;
        let seen =
            if seen.is_none() && matches!(ended, Ok(true)) { self.clusters.difference(cast, job)? } else { seen };
        seen.map_or(ended, |difference| Err(Error::Changed(identity::refusal(cast, &difference))))
    }

    fn run_lanes(&self) -> Result<bool, Error> {
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.job.lanes)
                .map(|number| {
                    let (cast, terms, gauge, lanes) = (&self.cast, &self.terms, &self.gauge, self.job.lanes);
                    let lane = Lane { cast, number, lanes, terms, gauge, refused: RefCell::default() };
                    let stop = &self.terms.stop;
                    scope.spawn(move || lane.run().inspect_err(|_| stop.stop()))
                })
                .collect();
            let mut ended = lanes.into_iter().map(|lane| lane.join().unwrap_or(Err(Error::Panicked)));
            // What is not joined here is joined by the scope.
            ended.try_fold(true, |all, ended| Ok(ended? && all))
        })
    }
}

/// The topics of a job as they are, with what was missing made.
pub(super) struct Layout {
    pub(super) source: Topic,
    pub(super) targets: i32,
    /// The number of lanes of a job that begins now.
    pub(super) lanes: i32,
    pub(super) made: Vec<String>,
    pub(super) sizes: Sizes,
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
        let letters = dead_letter.map(|topic| {
            let partitions = found.get(&topic).map_or(source.partitions, |topic| topic.partitions);
            Letters { limit: found.get(&topic).and_then(limit), partitions, topic }
        });
        let sizes = Sizes { largest, smallest, is_known: true };
        Ok(Self { source, targets, lanes, made, sizes, ids: clusters.look(cast)?.ids, letters })
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
    for (name, partitions) in [(&cast.map, lanes), (&cast.state, lanes + 1)] {
        if !found.contains_key(name) {
            missing.push(NewTopic::compacted(name, partitions, source));
        }
    }
    Ok(missing)
}

/// Makes a job that begins now.
fn begin(
    cast: &Cast,
    layout: &Layout,
    (asked, conversions): (&Asked, Option<&Conversions>),
    stop: &Stop,
) -> Result<Job, Error> {
    let (starts, ends) = extents(cast, layout)?;
    let mut conversion = conversions.map(|conversions| conversions.fix(cast, stop)).transpose()?;
    if let (Some(conversion), Some(letters)) = (&mut conversion, &layout.letters) {
        let consumer = cast.consumer(Side::Target, 1)?;
        for partition in 0..letters.partitions {
            let (_, end) = store::extent(&consumer, &letters.topic, partition)?;
            conversion.letters.insert(partition, end);
        }
    }
    if let Some(plan) = &asked.plan {
        return plan.job(cast, (layout, &starts), conversion);
    }
    Ok(Job {
        version: VERSION,
        source: cast.migration.source.clone(),
        to: cast.migration.to.clone(),
        lanes: layout.lanes,
        starts,
        ends: (!asked.follow).then_some(ends),
        targets: layout.targets,
        made: layout.made.clone(),
        ids: layout.ids.clone(),
        abandoned: false,
        conversion,
        maps_ids: cast.maps_ids(),
    })
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

/// Tells whether a job that has begun is the one that is asked for, and its topics are what they were.
fn check_same(cast: &Cast, job: &Job, clusters: &Clusters) -> Result<(), Error> {
    if job.abandoned {
        return Err(Error::Abandoned(cast.group.clone()));
    }
    if (&job.source, &job.to) != (&cast.migration.source, &cast.migration.to) {
        let pair = |from: &str, to: &str| format!("'{from}' to '{to}'");
        let (had, has) = (pair(&job.source, &job.to), pair(&cast.migration.source, &cast.migration.to));
        return Err(other(cast, "the topics", had, has));
    }
    match clusters.difference(cast, job)? {
        Some(difference) => Err(Error::Unsuitable(identity::refusal(cast, &difference))),
        None => Ok(()),
    }
}

fn other<T: std::fmt::Display>(cast: &Cast, what: &str, had: T, has: T) -> Error {
    Error::Unsuitable(format!(
        "job '{}' began with {what} {had}, and now it is {has}; mend that, or abandon the job and begin anew",
        cast.group
    ))
}

/// Refuses to write one registry's IDs behind the other's.
pub(super) fn check_ids(cast: &Cast, job: &Job) -> Result<(), Error> {
    let words = |maps| if maps { "those of the target's registry" } else { "those of the source" };
    let now = cast.maps_ids();
    if job.maps_ids == now { Ok(()) } else { Err(other(cast, "the schema IDs", words(job.maps_ids), words(now))) }
}

/// Goes on with a job that has begun; one that is at its end gets a new one.
fn resume(cast: &Cast, job: &Job, before: &State, (layout, asked): (&Layout, &Asked)) -> Result<Job, Error> {
    if let Some(lanes) = asked.lanes.filter(|lanes| *lanes != job.lanes) {
        return Err(other(cast, "so many lanes:", job.lanes, lanes));
    }
    if let Some((had, has)) = convert::differs(job.conversion.as_ref(), cast) {
        return Err(other(cast, "the conversion:", had, has));
    }
    check_ids(cast, job)?;
    let ends = match (asked.follow, job.ends.is_some() && !before.is_done()) {
        (true, _) => None,
        (false, true) => job.ends.clone(),
        (false, false) => Some(extents(cast, layout)?.1),
    };
    let ids = if job.ids == Ids::default() { layout.ids.clone() } else { job.ids.clone() };
    Ok(Job { ends, ids, ..job.clone() })
}

/// Writes the job in the name of its first lane, which ends whatever another process has under way there.
pub(super) fn write(cast: &Cast, job: &Job, sizes: Sizes, stop: &Stop) -> Result<(), Error> {
    let value = serde_json::to_vec(job).map_err(|error| Error::Unsuitable(error.to_string()))?;
    put(cast, 0, &[(JOB.to_owned(), value)], (sizes, stop))
}

/// Waits until readers see the job that was written: a commit is answered before. A lane that reads the job before finds none, or
/// the one with its earlier ends; only the first lane would wait, whose ID it was written with.
fn wait_until_shown(cast: &Cast, job: &Job) -> Result<(), Error> {
    let began = Instant::now();
    while store::state(cast, Some(&[0]))?.job.as_ref() != Some(job) {
        if began.elapsed() > cast.timeout() {
            return Err(Error::Kafka {
                what: "the job's state does not show what was written to it".to_owned(),
                reason: "another process may run the same job".to_owned(),
            });
        }
        thread::sleep(Duration::from_millis(50));
    }
    Ok(())
}

/// Writes the job in the name of the lane after the last: it ends nobody's transaction.
pub(super) fn write_aside(cast: &Cast, job: &Job) -> Result<(), Error> {
    let value = serde_json::to_vec(job).map_err(|error| Error::Unsuitable(error.to_string()))?;
    put(cast, job.lanes, &[(JOB.to_owned(), value)], (SIZES, &Stop::default()))
}

/// Writes what a cut-over did to a group, in the name of the lane after the last: it must end nobody's transaction.
pub(super) fn put_group(cast: &Cast, lanes: i32, group: &str, moved: &Moved) -> Result<(), Error> {
    let value = serde_json::to_vec(moved).map_err(|error| Error::Unsuitable(error.to_string()))?;
    put(cast, lanes, &[(format!("{GROUP}{group}"), value)], (SIZES, &Stop::default()))
}

/// Writes what is open in subjects of the target's registry, in the name of a lane that there is never: it must fence nobody.
pub(super) fn put_imports(cast: &Cast, imports: &BTreeMap<String, Import>) -> Result<(), Error> {
    let records =
        imports.iter().map(|(subject, import)| Ok((format!("{IMPORT}{subject}"), serde_json::to_vec(import)?)));
    let records: Result<Vec<_>, serde_json::Error> = records.collect();
    let records = records.map_err(|error| Error::Unsuitable(error.to_string()))?;
    put(cast, IMPORTS, &records, (SIZES, &Stop::default()))
}

/// Writes records of partition 0 of the state, all or none.
fn put(cast: &Cast, lane: i32, records: &[(String, Vec<u8>)], (sizes, stop): (Sizes, &Stop)) -> Result<(), Error> {
    let what = "the job's state cannot be written";
    let failed = |trouble: Trouble| Error::Kafka { what: what.to_owned(), reason: trouble.why };
    let doubts = Doubts::new(cast.timeout());
    let (config, id) = (cast.producer(lane, 1, sizes), cast.lane_id(lane));
    let mut writer = Writer::take(&config, (&id, cast.timeout(), doubts.backoff()), stop).map_err(failed)?;
    let topic = writer.topic(&cast.state).map_err(failed)?;
    writer.begin().map_err(failed)?;
    for (tag, (key, value)) in records.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        let record = || Outgoing { topic, partition: 0, key, value, timestamp: 0, headers: None, tag };
        writer.stage(record).map_err(failed)?;
    }
    writer.drain().and_then(|()| writer.commit()).map_err(failed)?;
    Ok(())
}

/// How long between two looks at how far the lanes are.
pub const LOOK: Duration = Duration::from_millis(200);
