//! What a job would do, before it does it: the source looked at, sampled or whole, and what the job is fixed to.
//!
//! A plan is a JSON file. `run` can be held to it: the job then begins with the plan's lanes and at its offsets, and ends where the
//! plan has found the end; where the topics are not as they were when it was made, it does not begin.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::cast::{Cast, Side};
use super::convert::{Conversions, Outcome};
use super::error::Error;
use super::identity::{Clusters, Ids};
use super::job::Asked;
use super::layout::{Layout, extents};
use super::offsets::Offsets;
use super::relay::Relay;
use super::schemas::{Carried, Lacking, Order, Schemas};
use super::state::{Conversion, Job};
use super::ways::Ways;
use super::{groups, scan, store};
use crate::kafka::ffi;
use crate::kafka::ffi::Message;
use crate::pipeline::Stop;
use crate::record::Part;
use crate::wire::{self, WireFormat};

/// The form that this version writes, and the only one that it reads.
const VERSION: u32 = 1;

/// What a job would do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The form of the file.
    pub version: u32,
    /// `{application}.{name}`.
    pub job: String,
    /// The topic that would be copied.
    pub source: String,
    /// Where to.
    pub to: String,
    /// The number of lanes.
    pub lanes: i32,
    /// The first offset of each partition.
    pub starts: BTreeMap<i32, i64>,
    /// The offset at which the copy of each ends.
    pub ends: BTreeMap<i32, i64>,
    /// The number of partitions of the target.
    pub targets: i32,
    /// The IDs of clusters and topics.
    #[serde(default)]
    pub ids: Ids,
    /// Topics that the job would make.
    pub makes: Vec<String>,
    /// What was seen of the source.
    pub seen: Seen,
    /// Consumer groups of the configuration: offsets between what they have committed and the end.
    pub groups: BTreeMap<String, Group>,
    /// What its conversion would do with what was seen; none where records are copied as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Ways>,
    /// The schemas that would be copied to the target's registry, and those that are there; none where records keep their IDs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schemas: Option<Vec<Carried>>,
    /// Why schemas cannot be copied.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub refused: BTreeSet<String>,
    /// How long the copy takes if it writes as fast as the source was read and converted; more where the target is slower.
    pub seconds: f64,
}

/// What was seen of the source.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Whether all of it was read, and not the first records of each partition only.
    pub whole: bool,
    /// Records read.
    pub records: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records without a key.
    pub null_keys: u64,
    /// Records without a value.
    pub tombstones: u64,
    /// The largest record, in bytes of key and value.
    pub largest: u64,
    /// Records that are larger than the target takes, before they are compressed.
    pub over_limit: u64,
    /// Records by the schema that their values name.
    pub schemas: BTreeMap<String, u64>,
    /// Values that name none.
    pub without_schema: u64,
    /// Records read per second.
    pub per_second: f64,
}

/// A group as it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// Members now.
    pub members: usize,
    /// Its lag; none where it has committed nothing.
    pub lag: Option<i64>,
}

impl Plan {
    /// Looks at the source: the first `sample` records of each partition, or all. `look` is told how many offsets are behind, and of how many.
    ///
    /// # Errors
    /// Topics that do not fit; a job that has begun; a cluster that does not answer.
    pub fn make(cast: &Cast, lanes: Option<i32>, sample: Option<u32>, look: &dyn Fn(u64, u64)) -> Result<Self, Error> {
        if store::state(cast, Some(&[0]))?.job.is_some() {
            return Err(Error::Unsuitable(format!(
                "job '{}' has begun: `sluice migrate status` says how far it is",
                cast.group
            )));
        }
        let asked = Asked { lanes, ..Asked::default() };
        let layout = Layout::see(cast, &Clusters::connect(cast)?, (&asked, None, false))?;
        let (starts, ends) = extents(cast, &layout)?;
        let until = |(&partition, &end): (&i32, &i64)| {
            let last = sample.map_or(i64::MAX, |sample| starts[&partition].saturating_add(i64::from(sample)));
            (partition, end.min(last))
        };
        let until: BTreeMap<i32, i64> = ends.iter().map(until).collect();
        let of: i64 = until.iter().map(|(partition, end)| end - starts[partition]).sum();
        let mut conversions = Conversions::new(cast)?;
        let (mut ways, stop) = (None, Stop::default());
        if let Some(conversions) = &mut conversions {
            let fixed = conversions.fix(cast, &stop)?;
            conversions.hold_to(&fixed);
            ways = Some(Ways::new(fixed));
        }
        let mut converter = conversions.as_ref().map(Conversions::converter);
        let schemas = Schemas::new(cast, Order::Look)?.map(Arc::new);
        let (mut relay, mut refused) = (schemas.as_ref().map(Relay::new), BTreeSet::new());
        let mut seen = Seen { whole: until == ends, ..Seen::default() };
        let began = Instant::now();
        scan::between(cast, (Side::Source, &layout.source.name), Some(&until), |message| {
            seen.add(message, layout.sizes.largest);
            let mut is_letter = false;
            if let (Some(converter), Some(ways)) = (&mut converter, &mut ways)
                && let Some(outcome) = converter.settle(message, &stop)
            {
                ways.add(message, &outcome, converter);
                is_letter = matches!(outcome, Outcome::Letter(_));
            }
            let converted = converter.as_mut().map(|converter| &mut converter.rewrite);
            if let Some(relay) = relay.as_mut().filter(|_| !is_letter)
                && let Some(Err(Lacking::Refused(problem))) = relay.settle(message, converted, &stop)
            {
                refused.insert(problem);
            }
            look(seen.records, of.unsigned_abs());
        })?;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let (records, total) = (seen.records as f64, ends.iter().map(|(p, end)| end - starts[p]).sum::<i64>() as f64);
        let waited = converter.map_or(Duration::ZERO, |converter| converter.waited);
        seen.per_second = records / began.elapsed().saturating_sub(waited).as_secs_f64().max(0.001);
        let seconds = if seen.per_second > 0.0 { total / seen.per_second } else { 0.0 };
        Ok(Self {
            version: VERSION,
            job: cast.group.clone(),
            source: layout.source.name.clone(),
            to: cast.migration.to.clone(),
            lanes: layout.lanes,
            groups: of_groups(cast, &starts, &ends)?,
            starts,
            ends,
            targets: layout.targets,
            ids: layout.ids,
            makes: layout.made,
            seen,
            conversion: ways,
            schemas: schemas.map(|schemas| schemas.carried()),
            refused,
            seconds,
        })
    }

    /// Makes the job of the plan, if the topics are as they were.
    ///
    /// # Errors
    /// They are not, and which.
    pub(super) fn job(
        &self,
        cast: &Cast,
        (layout, starts): (&Layout, &BTreeMap<i32, i64>),
        conversion: Option<Conversion>,
    ) -> Result<Job, Error> {
        let Self { source, to, lanes, ends, targets, .. } = self;
        let differs = |what: String| Err(does_not_hold(&what));
        self.check_meant(cast)?;
        if let Some(other) = self.ids.other(&layout.ids) {
            return differs(format!("{other} is another one than when it was made"));
        }
        if starts.keys().ne(self.starts.keys()) || *targets != layout.targets {
            let now = (starts.len(), layout.targets);
            return differs(format!(
                "source and target had {} and {targets} partitions, and have {now:?}",
                self.starts.len()
            ));
        }
        if let Some(change) = Ways::change(self.conversion.as_ref(), conversion.as_ref()) {
            return differs(change);
        }
        if let Some((partition, start)) = starts.iter().find(|(partition, start)| self.starts[partition] < **start) {
            let was = self.starts[partition];
            return differs(format!(
                "partition {partition} of '{source}' began at offset {was}, and begins at {start} now"
            ));
        }
        let (source, to, starts, ends) = (source.clone(), to.clone(), self.starts.clone(), Some(ends.clone()));
        let made = layout.made.clone();
        Ok(Job {
            version: super::state::VERSION,
            source,
            to,
            lanes: *lanes,
            starts,
            ends,
            targets: *targets,
            made,
            ids: layout.ids.clone(),
            abandoned: false,
            conversion,
            maps_ids: cast.maps_ids(),
        })
    }
}

impl Plan {
    /// Tells whether a job that has begun is the one of the plan, so that it can go on as planned.
    ///
    /// # Errors
    /// It is not, and what differs.
    pub(super) fn check_begun(&self, cast: &Cast, job: &Job) -> Result<(), Error> {
        self.check_meant(cast)?;
        let change = [
            (self.lanes != job.lanes, "it has other lanes"),
            (self.starts != job.starts, "it began at other offsets"),
            (Some(&self.ends) != job.ends.as_ref(), "it ends elsewhere"),
        ];
        let change = change.into_iter().find(|(differs, _)| *differs).map(|(_, what)| what.to_owned());
        match change.or_else(|| Ways::change(self.conversion.as_ref(), job.conversion.as_ref())) {
            None => Ok(()),
            Some(what) => Err(Error::Unsuitable(format!(
                "job '{}' has begun, and not as the plan says, or went on since: {what}; run it without --plan",
                cast.group
            ))),
        }
    }

    /// Refuses the plan of another job.
    fn check_meant(&self, cast: &Cast) -> Result<(), Error> {
        let Self { version, job, source, to, .. } = self;
        if *version == VERSION && (job, source, to) == (&cast.group, &cast.migration.source, &cast.migration.to) {
            return Ok(());
        }
        Err(does_not_hold(&format!("it is for job '{job}', from '{source}' to '{to}' (form {version})")))
    }
}

fn does_not_hold(what: &str) -> Error {
    Error::Unsuitable(format!("the plan does not hold any more: {what}; make a new one"))
}

impl Seen {
    fn add(&mut self, message: Message<'_>, limit: u64) {
        let size = super::cast::size(message) as u64;
        self.records += 1;
        self.bytes += size;
        self.largest = self.largest.max(size);
        self.over_limit += u64::from(size > limit);
        self.null_keys += u64::from(message.key().is_none());
        let Some(value) = message.value() else {
            self.tombstones += 1;
            return;
        };
        let allowed = WireFormat::ALL.into_iter().collect();
        match wire::parse(Part::Value, value, &ffi::headers(message), allowed) {
            Ok(framed) => *self.schemas.entry(framed.schema.to_string()).or_default() += 1,
            Err(_) => self.without_schema += 1,
        }
    }
}

/// Looks at the groups; a partition that one has never committed counts as unread, as cut-overs take it.
fn of_groups(cast: &Cast, starts: &Offsets, ends: &Offsets) -> Result<BTreeMap<String, Group>, Error> {
    let mut found = BTreeMap::new();
    for group in &cast.migration.groups {
        let committed = groups::committed(cast, Side::Source, (group, &cast.migration.source))?;
        let lag =
            |(partition, end): (&i32, &i64)| (end - committed.get(partition).unwrap_or(&starts[partition])).max(0);
        let lag = (!committed.is_empty()).then(|| ends.iter().map(lag).sum());
        found.insert(group.clone(), Group { members: groups::members(cast, Side::Source, group)?, lag });
    }
    Ok(found)
}
