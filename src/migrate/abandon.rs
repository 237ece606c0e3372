//! Giving a job up: nothing is copied from then on, by whatever process, and what the job made goes.
//!
//! First the job is marked in its state, in the name of the lane after the last, which nobody takes back meanwhile; that one is
//! taken once more, by which what it wrote shows to all; then the lanes are taken, one after the other. Whoever runs them is
//! fenced by that, and looks into the state before it copies again; so once the last lane is taken nothing is under way. Then
//! the topics go: those that the job made, its state last. The source is never touched, nor dead letters, nor a target that
//! others use, or that somebody has made anew.

use std::collections::BTreeSet;

use super::born::Born;
use super::cast::{Cast, Side};
use super::error::Error;
use super::identity::Clusters;
use super::left_out::LeftOut;
use super::schemas::{Order, Schemas};
use super::settle::{settle, take_lanes};
use super::state::{Job, State};
use super::{groups, store, writing};
use crate::pipeline::Stop;

/// What happens to topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Topics {
    /// None is deleted.
    Keep,
    /// Those that the job made are deleted, unless others have written to the target.
    Delete,
    /// The same, whatever others have written.
    DeleteAll,
}

/// Gives the job up and returns the topics that were removed.
///
/// # Errors
/// The job has not begun; groups or records of others are on a target that would be deleted; a cluster that does not answer.
pub fn abandon(cast: &Cast, topics: Topics) -> Result<Vec<String>, Error> {
    let state = store::state(cast, None)?;
    let job = state.job.clone().ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
    let clusters = Clusters::connect(cast)?;
    let found = clusters.look(cast)?;
    // One that was made anew is not the job's.
    let has_target = job.made.contains(&job.to) && found.has_target() && found.ids.to == job.ids.to;
    if topics != Topics::Keep && has_target {
        check_unused(cast, &state, &job)?;
        if topics == Topics::Delete {
            check_born(cast, &job)?;
        }
    }
    give_up(cast, &job)?;
    // Whatever becomes of the copies, nobody could register in a subject that stays in import mode.
    if let Some(schemas) = Schemas::new(cast, Order::Look)? {
        schemas.take_over(&Stop::default())?;
    }
    if topics == Topics::Keep {
        return Ok(Vec::new());
    }
    let there: BTreeSet<String> = clusters.there.list()?;
    // Dead letters outlive what made them, and gates and converters may write theirs to the same topic.
    let letters = job.conversion.as_ref().map(|conversion| &conversion.dead_letter);
    let is_ours =
        |topic: &&String| **topic != cast.state && letters != Some(*topic) && (**topic != job.to || has_target);
    let made = job.made.iter().filter(is_ours);
    let gone: Vec<String> = made.chain([&cast.state]).filter(|topic| there.contains(*topic)).cloned().collect();
    for topic in &gone {
        clusters.there.delete(topic)?;
    }
    Ok(gone)
}

/// Marks the job and ends its lanes. A run that had looked at the state before may have written the job after the mark; one that
/// takes its first lane after us sees the mark.
fn give_up(cast: &Cast, job: &Job) -> Result<(), Error> {
    let is_given_up = || Ok::<_, Error>(store::state(cast, Some(&[0]))?.job.is_none_or(|job| job.abandoned));
    loop {
        writing::write_aside(cast, &Job { abandoned: true, ..job.clone() })?;
        take_lanes(cast, job.lanes..=job.lanes)?;
        take_lanes(cast, 0..=job.lanes - 1)?;
        if is_given_up()? {
            return Ok(());
        }
    }
}

/// Refuses while groups are on the target: moved ones, those of the configuration, and whoever reads it now.
fn check_unused(cast: &Cast, state: &State, job: &Job) -> Result<(), Error> {
    let mut moved = Vec::new();
    for (group, found) in state.groups.iter().filter(|(_, found)| !found.is_back || found.is_moving) {
        // A move that was refused or killed before it was made.
        let is_unmade = || Ok::<_, Error>(groups::committed(cast, Side::Target, (group, &job.to))? == found.before);
        if found.is_back || !found.is_moving || !is_unmade()? {
            moved.push(group.clone());
        }
    }
    if !moved.is_empty() {
        return Err(Error::Unsuitable(format!(
            "groups were moved to '{}': {}; bring them back with `cut-over --back`, or keep all topics with --keep-topics",
            job.to,
            moved.join(", ")
        )));
    }
    let mut users: BTreeSet<String> = groups::readers(cast, Side::Target, &job.to)?;
    for group in cast.migration.groups.iter().filter(|group| !state.groups.contains_key(*group)) {
        if !groups::committed(cast, Side::Target, (group, &job.to))?.is_empty() {
            users.insert(group.clone());
        }
    }
    if users.is_empty() {
        return Ok(());
    }
    Err(Error::Unsuitable(format!(
        "groups read '{}', which would be deleted: {}; stop them, or keep all topics with --keep-topics",
        job.to,
        users.into_iter().collect::<Vec<_>>().join(", ")
    )))
}

/// Refuses where others have written to the target.
fn check_born(cast: &Cast, job: &Job) -> Result<(), Error> {
    let settled = settle(cast, job)?;
    let born = Born::look(cast, &settled.map.reversed(), &LeftOut::default(), &settled.ends)?;
    let Some((partition, offset)) = born.first() else { return Ok(()) };
    Err(Error::Unsuitable(format!(
        "{} records were born on '{}' (the first at partition {partition}, offset {offset}), which would be deleted with it: keep all \
         topics with --keep-topics, or delete them too with --delete-born",
        born.count, job.to
    )))
}
