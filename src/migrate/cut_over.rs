//! Moving consumer groups to the target, with exact offsets, and back.
//!
//! Where a group goes on is found from what it has committed and from the offset map, never from times. Nothing of the group's offsets
//! of the source is touched: they stay on the brokers, and in the job's state beside them. That nobody
//! overwrites a living group is the brokers' doing: they refuse the offsets of whoever is no member while there are members.
//!
//! Back goes what has stayed the same: where records were born on the target since, the source lacks them, and going back
//! would lose them for the group; then it is refused, with their number.

use std::collections::BTreeMap;

use rdkafka::Message as _;
use serde::Serialize;

use super::cast::{Cast, Side};
use super::error::Error;
use super::offsets::{Map, Place, place};
use super::scan;
use super::state::{Moved, State};
use super::{groups, job, now, store};

/// What a group's move is, or would be.
#[derive(Debug, Clone, Serialize)]
pub struct Move {
    /// The group.
    pub group: String,
    /// Its members now; with any it cannot be moved.
    pub members: usize,
    /// Its *next* offsets on the side that it leaves.
    pub from: BTreeMap<i32, i64>,
    /// Where it goes on.
    pub to: Vec<Place>,
    /// Records that it reads twice.
    pub again: u64,
    /// Whether it was moved.
    pub moved: bool,
}

impl Move {
    fn new(group: &str, members: usize, from: BTreeMap<i32, i64>, to: Vec<Place>) -> Self {
        let again = to.iter().map(|place| place.again).sum();
        Self { group: group.to_owned(), members, from, to, again, moved: false }
    }

    fn offsets(&self) -> BTreeMap<i32, i64> {
        self.to.iter().map(|place| (place.partition, place.next)).collect()
    }
}

/// Everything that moves are found from.
#[derive(Debug)]
pub struct Basis {
    cast: Cast,
    state: State,
    map: Map,
    starts: BTreeMap<i32, i64>,
}

impl Basis {
    /// Reads state and map.
    ///
    /// # Errors
    /// The job has not begun, or was abandoned; a cluster that does not answer.
    pub fn read(cast: Cast) -> Result<Self, Error> {
        let state = store::state(&cast, None)?;
        let job = state.job.as_ref().ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
        if job.abandoned {
            return Err(Error::Abandoned(cast.group.clone()));
        }
        let (map, starts) = (store::map(&cast)?, groups::starts(&cast, Side::Target, &job.to)?);
        Ok(Self { cast, state, map, starts })
    }

    /// Finds where a group goes on in the target.
    ///
    /// # Errors
    /// The group has read nothing of the source, or more than was copied.
    pub fn forth(&self, group: &str) -> Result<Move, Error> {
        let topic = &self.cast.migration.source;
        let from = groups::committed(&self.cast, Side::Source, (group, topic))?;
        if from.is_empty() {
            return Err(Error::Unsuitable(format!(
                "group '{group}' has no offsets of '{topic}': it never read it, or they have expired"
            )));
        }
        let nexts = self.state.nexts();
        for (partition, offset) in &from {
            let copied = nexts.get(partition).copied().unwrap_or(0);
            if *offset > copied {
                return Err(Error::Unsuitable(format!(
                    "group '{group}' is at offset {offset} of partition {partition}, and the copy has come to {copied}: run the job first"
                )));
            }
        }
        let places = place(self.map.runs().iter().copied(), &from, &self.starts);
        Ok(Move::new(group, groups::members(&self.cast, Side::Source, group)?, from, places))
    }

    /// Finds where a group that was moved goes on in the source.
    ///
    /// # Errors
    /// It was not moved, or records were born on the target since.
    pub fn back(&self, group: &str) -> Result<Move, Error> {
        let Some(moved) = self.state.groups.get(group).filter(|moved| !moved.is_back) else {
            return Err(Error::Unsuitable(format!("group '{group}' was not moved by this job, or is back already")));
        };
        let (source, to) = (&self.cast.migration.source, &self.cast.migration.to);
        let mut from = moved.to.clone();
        from.extend(groups::committed(&self.cast, Side::Target, (group, to))?);
        let reversed = self.map.reversed();
        let (born, first) = self.born(&reversed)?;
        if let Some((partition, offset)) = first {
            return Err(Error::Unsuitable(format!(
                "{born} records were born on '{to}' (the first at partition {partition}, offset {offset}), and '{source}' lacks \
                 them: group '{group}' would never read them. Copy them back first, by a job or converter from '{to}' to '{source}'"
            )));
        }
        let starts = groups::starts(&self.cast, Side::Source, source)?;
        let places = place(reversed.runs().iter().copied(), &from, &starts);
        Ok(Move::new(group, groups::members(&self.cast, Side::Target, group)?, from, places))
    }

    /// Counts the records of the target that are no copies, and finds the first.
    fn born(&self, reversed: &Map) -> Result<(u64, Option<(i32, i64)>), Error> {
        let (mut born, mut first) = (0, None);
        scan::all(&self.cast, Side::Target, &self.cast.migration.to, |message| {
            let spot = (message.partition(), message.offset());
            if reversed.target(spot).is_none() {
                born += 1;
                first.get_or_insert(spot);
            }
        })?;
        Ok((born, first))
    }

    /// Moves a group to the target: first its old offsets are kept in the job's state, then it gets its new ones.
    ///
    /// # Errors
    /// It has members, or the brokers do not answer.
    pub fn carry_out(&self, found: &mut Move) -> Result<(), Error> {
        if found.members > 0 {
            return Err(groups::alive(&found.group));
        }
        let (from, to) = (found.from.clone(), found.offsets());
        self.keep(&found.group, &Moved { from, to: to.clone(), is_back: false, time: now() })?;
        groups::set(&self.cast, Side::Target, (&found.group, &self.cast.migration.to), &to)?;
        found.moved = true;
        Ok(())
    }

    /// Brings a group back to the source.
    ///
    /// # Errors
    /// It has members, or the brokers do not answer.
    pub fn bring_back(&self, found: &mut Move) -> Result<(), Error> {
        if found.members > 0 {
            return Err(groups::alive(&found.group));
        }
        let to = found.offsets();
        groups::set(&self.cast, Side::Source, (&found.group, &self.cast.migration.source), &to)?;
        self.keep(&found.group, &Moved { from: to, to: found.from.clone(), is_back: true, time: now() })?;
        found.moved = true;
        Ok(())
    }

    fn keep(&self, group: &str, moved: &Moved) -> Result<(), Error> {
        let lanes = self.state.job.as_ref().map_or(0, |job| job.lanes);
        job::put_group(&self.cast, lanes, group, moved)
    }
}
