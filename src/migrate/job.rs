//! Opening a job: its topics, its state, and where it begins and ends; then the lanes, to their end.

use std::cell::RefCell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::cast::{Cast, Side};
use super::convert::Conversions;
use super::error::Error;
use super::identity::{self, Clusters, Ids};
use super::lane::{Gauge, Lane, Terms};
use super::layout::{Layout, extents};
use super::plan::Plan;
use super::schemas::{Order, Schemas};
use super::state::{Job, State, VERSION};
use super::{fixed, fresh, store, watch, writing};
use crate::pipeline::Stop;
use crate::pipeline::failpoint::{self, Point};
use crate::pipeline::watchdog::Told;

/// Lanes where nobody says how many.
pub(super) const LANES: i32 = 4;

/// The most lanes: each has clients and a thread of its own.
pub const MOST_LANES: i32 = 64;

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
            failpoint::fault(Point::BeforeJob);
            writing::write(&cast, (&job, before.job.as_ref()), layout.sizes, &stop)?;
            writing::wait_until_shown(&cast, &job)?;
        }
        before.job = Some(job.clone());
        #[expect(clippy::cast_sign_loss, reason = "there is one lane at least")]
        let rate = asked.rate.map(|rate| (rate / job.lanes.max(1) as u32).max(1));
        let (conversions, letters) = (conversions.map(Arc::new), layout.letters);
        let (sizes, codec, hung) = (layout.sizes, layout.codec, Told::default());
        let terms = Terms { rate, sizes, codec, stop, conversions, schemas, letters, hung };
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
                let seen = watch::watch(&self.clusters, cast, job, &self.terms.stop, is_over);
                seen.inspect(|_| self.terms.stop.stop())
            });
            let ended = self.run_lanes();
            let closed = self.terms.schemas.as_ref().map_or(Ok(()), |schemas| schemas.close());
            let ended = ended.and_then(|ended| closed.map(|()| ended));
            is_over.store(true, Ordering::Relaxed);
            (ended, watch.join())
        });
        let seen = seen.map_err(|_| Error::Panicked)?;
        match (ended, seen) {
            // What has changed is why lanes fail, and who abandons a job may remove its topics.
            (Err(abandoned @ Error::Abandoned(_)), _) | (_, Some(abandoned)) => Err(abandoned),
            // A copy of other topics than before is not done.
            (Ok(true), None) => match self.clusters.difference(cast, job)? {
                Some(difference) => Err(Error::Changed(identity::refusal(cast, &difference))),
                None => Ok(true),
            },
            (ended, None) => ended,
        }
    }

    fn run_lanes(&self) -> Result<bool, Error> {
        thread::scope(|scope| {
            let lanes: Vec<_> = (0..self.job.lanes)
                .map(|number| {
                    let (cast, terms, gauge, lanes) = (&self.cast, &self.terms, &self.gauge, self.job.lanes);
                    let lane = Lane {
                        cast,
                        number,
                        lanes,
                        terms,
                        gauge,
                        refused: RefCell::default(),
                        fences: RefCell::default(),
                    };
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
    fixed::check(cast, job)?;
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

/// Goes on with a job that has begun; one that is at its end gets a new one.
fn resume(cast: &Cast, job: &Job, before: &State, (layout, asked): (&Layout, &Asked)) -> Result<Job, Error> {
    if let Some(lanes) = asked.lanes.filter(|lanes| *lanes != job.lanes) {
        return Err(other(cast, "so many lanes:", job.lanes, lanes));
    }
    if let Some(plan) = &asked.plan {
        plan.check_begun(cast, job)?;
    }
    let ends = match (asked.follow, job.ends.is_some() && (asked.plan.is_some() || !before.is_done())) {
        (true, _) => None,
        (false, true) => job.ends.clone(),
        (false, false) => Some(extents(cast, layout)?.1),
    };
    let ids = if job.ids == Ids::default() { layout.ids.clone() } else { job.ids.clone() };
    let mut conversion = job.conversion.clone();
    if let Some(conversion) = &mut conversion {
        conversion.mappings.get_or_insert_with(|| cast.migration.mappings.clone());
    }
    Ok(Job { ends, ids, conversion, ..job.clone() })
}

/// How long between two looks at how far the lanes are.
pub const LOOK: Duration = Duration::from_millis(200);
