//! Moving consumer groups to the target, with exact offsets, and back.
//!
//! Where a group goes on is found from what it has committed and from the offset map, never from times. Nothing of the group's offsets
//! of the source is touched: they stay on the brokers, and in the job's state beside them. That nobody
//! overwrites a living group is the brokers' doing: they refuse the offsets of whoever is no member while there are
//! members.
//!
//! Records that were born on the target are read by a moved group: it goes on at the first of them at the latest. On the way back they
//! stand in the source where a converter that keeps an offset map has carried them there, or are its dead letters, as for every reader
//! of the source. Where neither is so, going back would lose them for the group; then it is refused, with their number. Records of the
//! source that came after the copy, and that nobody has carried to the target, the group has read nowhere: on its way back it goes on
//! at the first of them at the latest.
//!
//! The state says *moving* before offsets are set, and *moved* afterwards. A move that was killed between is found anew, as long as the
//! group has not read since on the side that it goes to; one that is done is not made again.

use std::collections::BTreeMap;

use serde::Serialize;

use super::born::Born;
use super::cast::{Cast, Side};
use super::error::Error;
use super::identity::{self, Clusters};
use super::left_out::LeftOut;
use super::offsets::{Map, Offsets, Place, lost, place};
use super::settle::{Settled, settle};
use super::state::{Job, Moved};
use super::{groups, now, store, writing};
use crate::pipeline::failpoint::{self, Point};

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
    /// Records before its place that stand on this side only: others have written them to the target, or, on the way back,
    /// nobody has carried them from the source. It goes on at the first of them.
    pub born: u64,
    /// Records that others have written to the target, and that it does not find when it goes back: the converter that carries
    /// them has made dead letters of them, or drops tombstones.
    pub left_out: u64,
    /// Whether it was moved, by this command or before.
    pub moved: bool,
    /// Whether it was moved before, so that nothing is left to do.
    pub already: bool,
    /// Its offsets on the side that it reaches, as they are before it is moved.
    #[serde(skip)]
    before: Offsets,
}

impl Move {
    fn offsets(&self) -> BTreeMap<i32, i64> {
        self.to.iter().map(|place| (place.partition, place.next)).collect()
    }
}

/// Everything that moves are found from.
#[derive(Debug)]
pub struct Basis {
    cast: Cast,
    job: Job,
    settled: Settled,
    /// The map as it reads from the target.
    reversed: Map,
    /// The first offsets of source and target.
    starts: (Offsets, Offsets),
}

impl Basis {
    /// Waits until what was copied is settled, and reads state and map.
    ///
    /// # Errors
    /// The job has not begun, or was abandoned; topics that are not what they were; a cluster that does not answer.
    pub fn read(cast: Cast) -> Result<Self, Error> {
        let job = store::state(&cast, Some(&[0]))?.job.ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
        if job.abandoned {
            return Err(Error::Abandoned(cast.group.clone()));
        }
        if let Some(difference) = Clusters::connect(&cast)?.difference(&cast, &job)? {
            return Err(Error::Unsuitable(identity::refusal(&cast, &difference)));
        }
        let settled = settle(&cast, &job)?;
        check_map(&cast, &settled)?;
        let starts = (groups::starts(&cast, Side::Source, &job.source)?, groups::starts(&cast, Side::Target, &job.to)?);
        Ok(Self { cast, job, reversed: settled.map.reversed(), settled, starts })
    }

    /// Finds where groups go on in the target.
    ///
    /// # Errors
    /// A group has read nothing of the source, or more than was copied; copies that it has not read are gone.
    pub fn forth(&self, groups: &[String]) -> Result<Vec<Move>, Error> {
        let nobody = Offsets::new();
        let mut moves: Vec<Move> = groups.iter().map(|group| self.away(group, &nobody)).collect::<Result<_, _>>()?;
        let born = Born::look(&self.cast, &self.reversed, &LeftOut::default(), &furthest(&moves))?;
        if born.count > 0 {
            moves = groups.iter().map(|group| self.away(group, &born.firsts)).collect::<Result<_, _>>()?;
            moves.iter_mut().for_each(|found| found.born = born.count);
        }
        Ok(moves)
    }

    fn away(&self, group: &str, born: &Offsets) -> Result<Move, Error> {
        let (source, to) = (&self.job.source, &self.job.to);
        let from = groups::committed(&self.cast, Side::Source, (group, source))?;
        let before = groups::committed(&self.cast, Side::Target, (group, to))?;
        let members = groups::members(&self.cast, Side::Source, group)?;
        let known = self.settled.state.groups.get(group);
        if known.is_some_and(|moved| moved.is_back && moved.is_moving) {
            return Err(Error::Unsuitable(format!(
                "group '{group}' was being brought back when the command was killed: finish that first, by `cut-over --back`"
            )));
        }
        if let Some(moved) = known.filter(|moved| !moved.is_back)
            && self.is_there(group, moved, (&from, &before))?
        {
            let place = |(&partition, &next): (&i32, &i64)| Place { partition, next, again: 0, unread: 0 };
            let to = before.iter().map(place).collect();
            return Ok(Move { already: true, moved: true, ..found((group, members), (from, before), to) });
        }
        if from.is_empty() {
            return Err(Error::Unsuitable(format!(
                "group '{group}' has no offsets of '{source}': it never read it, or they have expired"
            )));
        }
        let nexts = self.settled.state.nexts();
        for (partition, offset) in &from {
            let copied = nexts.get(partition).copied().unwrap_or(0);
            if *offset > copied {
                return Err(Error::Unsuitable(format!(
                    "group '{group}' is at offset {offset} of partition {partition}, and the copy has come to {copied}: run the job first"
                )));
            }
        }
        let runs = || self.settled.map.runs().iter().copied();
        self.check_lost((group, to), lost(runs(), &from, (&self.starts.0, &self.starts.1)))?;
        let places = place(runs(), &from, (&self.starts.1, born));
        let is_late = |place: &&Place| self.settled.ends.get(&place.partition).is_none_or(|end| place.next > *end);
        if let Some(Place { partition, .. }) = places.iter().find(is_late) {
            return Err(Error::Kafka {
                what: format!("group '{group}' has just read what is being copied to partition {partition} of '{to}'"),
                reason: "its consumers run, or have only stopped: try again".to_owned(),
            });
        }
        Ok(found((group, members), (from, before), places))
    }

    /// Tells whether a group that the state knows is on the target, so that moving it again would throw it back.
    fn is_there(&self, group: &str, moved: &Moved, (from, now): (&Offsets, &Offsets)) -> Result<bool, Error> {
        let (source, to) = (&self.job.source, &self.job.to);
        let has_read = *now != moved.to && (!moved.is_moving || *now != moved.before);
        match (moved.is_moving, has_read, !has_moved(from, &moved.from)) {
            // Killed before or after its offsets were set: it is moved as if nothing had happened.
            (true, false, _) => Ok(false),
            (false, _, true) => Ok(true),
            (true, true, _) => Err(Error::Unsuitable(format!(
                "group '{group}' was being moved when the command was killed, and has read '{to}' since, maybe from elsewhere: delete \
                 its offsets of '{to}' (kafka-consumer-groups.sh --delete-offsets), then try again"
            ))),
            (false, _, false) => Err(Error::Unsuitable(format!(
                "group '{group}' was moved to '{to}', and has read '{source}' since: its consumers there still ran. Bring it back \
                 first (--back), or let it be where it is"
            ))),
        }
    }

    fn check_lost(&self, (group, topic): (&str, &str), lost: u64) -> Result<(), Error> {
        if lost == 0 {
            return Ok(());
        }
        Err(Error::Unsuitable(format!(
            "{lost} records that group '{group}' has not read are gone from '{topic}', by its retention (retention.ms) or deleted, \
             and are still where the group is: let it read them there, or keep them longer and begin a new job"
        )))
    }

    /// Finds where groups that were moved go on in the source.
    ///
    /// # Errors
    /// One was not moved, or records were born on the target since.
    pub fn back(&self, groups: &[String]) -> Result<Vec<Move>, Error> {
        for group in groups {
            let state = self.settled.state.groups.get(group);
            if state.is_none_or(|moved| moved.is_back != moved.is_moving) {
                return Err(Error::Unsuitable(match state {
                    Some(moved) if !moved.is_back => format!(
                        "group '{group}' was being moved when the command was killed: finish that first, by `cut-over` without --back"
                    ),
                    _ => format!("group '{group}' was not moved by this job, or is back already"),
                }));
            }
        }
        let reversed = store::way_back(&self.cast, &self.reversed, &self.job.ids)?;
        let born = Born::look(&self.cast, &reversed, &LeftOut::read(&self.cast)?, &self.settled.ends)?;
        if born.count > 0 {
            return Err(Error::Unsuitable(self.born_refusal(&born, groups)));
        }
        let home = |born: &Offsets| -> Result<Vec<Move>, Error> {
            groups.iter().map(|group| self.home(group, &reversed, born)).collect()
        };
        let mut moves = home(&Offsets::new())?;
        let span = (&self.settled.state.nexts(), &furthest(&moves));
        let unread = Born::look_back(&self.cast, &reversed.reversed(), span)?;
        if unread.count > 0 {
            moves = home(&unread.firsts)?;
        }
        for found in &mut moves {
            (found.born, found.left_out) = (unread.count, born.left_out);
        }
        Ok(moves)
    }

    fn born_refusal(&self, born: &Born, groups: &[String]) -> String {
        let (source, to, count, groups) = (&self.job.source, &self.job.to, born.count, groups.join(", "));
        let (partition, offset) = born.first().unwrap_or_default();
        let ways: Vec<_> =
            self.cast.ways.iter().filter(|way| way.is_back).map(|way| format!("'{}'", way.name)).collect();
        let advice = if ways.is_empty() {
            format!("Copy them back first, by a converter from '{to}' to '{source}' with `offset_map: true`")
        } else {
            format!(
                "Neither the offset map nor the dead letters of converter {} tell of them: let it come that far, then try again. What was \
                 there before its `start`, and dead letters that are gone, it tells nothing of: see to those, then set the groups' \
                 offsets of '{source}' by hand (kafka-consumer-groups.sh --reset-offsets)",
                ways.join(", ")
            )
        };
        format!(
            "{count} records were born on '{to}' (the first at partition {partition}, offset {offset}), and '{source}' lacks \
             them: {groups} would never read them. {advice}"
        )
    }

    fn home(&self, group: &str, reversed: &Map, born: &Offsets) -> Result<Move, Error> {
        let (source, to) = (&self.job.source, &self.job.to);
        let moved = &self.settled.state.groups[group];
        let before = groups::committed(&self.cast, Side::Source, (group, source))?;
        if moved.is_moving && before != moved.before && before != moved.from {
            return Err(Error::Unsuitable(format!(
                "group '{group}' was being brought back when the command was killed, and has read '{source}' since, maybe from \
                 elsewhere: set its offsets of '{source}' by hand (kafka-consumer-groups.sh --reset-offsets)"
            )));
        }
        let mut from = moved.to.clone();
        from.extend(groups::committed(&self.cast, Side::Target, (group, to))?);
        let runs = || reversed.runs().iter().copied();
        self.check_lost((group, source), lost(runs(), &from, (&self.starts.1, &self.starts.0)))?;
        let places = place(runs(), &from, (&self.starts.0, born));
        let members = groups::members(&self.cast, Side::Target, group)?;
        Ok(found((group, members), (from, before), places))
    }

    /// Moves a group to the target. Before its offsets are set the state says so; its old ones are kept there.
    ///
    /// # Errors
    /// It has members, or the brokers do not answer.
    pub fn carry_out(&self, found: &mut Move) -> Result<(), Error> {
        let (from, to, before) = (found.from.clone(), found.offsets(), found.before.clone());
        let moved = Moved { from, to: to.clone(), before, is_back: false, is_moving: true, time: now() };
        self.set(found, moved, (Side::Target, &self.job.to), &to)
    }

    /// Brings a group back to the source.
    ///
    /// # Errors
    /// It has members, or the brokers do not answer.
    pub fn bring_back(&self, found: &mut Move) -> Result<(), Error> {
        let (from, to, before) = (found.offsets(), found.from.clone(), found.before.clone());
        let moved = Moved { from: from.clone(), to, before, is_back: true, is_moving: true, time: now() };
        self.set(found, moved, (Side::Source, &self.job.source), &from)
    }

    fn set(&self, found: &mut Move, moved: Moved, (side, topic): (Side, &str), offsets: &Offsets) -> Result<(), Error> {
        if found.already {
            return Ok(());
        }
        if found.members > 0 {
            return Err(groups::alive(&found.group));
        }
        let group = &found.group;
        writing::put_group(&self.cast, self.job.lanes, group, &moved)?;
        failpoint::fault(Point::BeforeOffsets);
        groups::set(&self.cast, side, (group, topic), offsets)?;
        failpoint::fault(Point::AfterOffsets);
        writing::put_group(&self.cast, self.job.lanes, group, &Moved { is_moving: false, time: now(), ..moved })?;
        found.moved = true;
        Ok(())
    }
}

/// Tells whether a group has offsets that it had not then. One that has expired since says nothing.
fn has_moved(now: &Offsets, then: &Offsets) -> bool {
    now.iter().any(|(partition, next)| then.get(partition) != Some(next))
}

/// Returns the furthest place that is reached in each partition.
fn furthest(moves: &[Move]) -> Offsets {
    let mut furthest = Offsets::new();
    for place in moves.iter().filter(|found| !found.already).flat_map(|found| &found.to) {
        let last = furthest.entry(place.partition).or_default();
        *last = place.next.max(*last);
    }
    furthest
}

/// Tells whether the map has all that was copied: no group can be placed by what is left of one.
fn check_map(cast: &Cast, settled: &Settled) -> Result<(), Error> {
    let copied = settled.state.sums().copied;
    let told = settled.map.records();
    if told >= copied {
        return Ok(());
    }
    Err(Error::Unsuitable(format!(
        "the offset map tells of {told} records, and {copied} were copied: topic '{}' has lost records. No group can be placed by \
         it; abandon the job and begin anew",
        cast.map
    )))
}

fn found((group, members): (&str, usize), (from, before): (Offsets, Offsets), to: Vec<Place>) -> Move {
    let again = to.iter().map(|place| place.again).sum();
    let group = group.to_owned();
    Move { group, members, from, to, again, born: 0, left_out: 0, moved: false, already: false, before }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn offsets_that_have_expired_tell_of_no_reading() {
        let then = Offsets::from([(0, 5), (1, 7)]);
        for (now, expected) in [
            (vec![(0, 5), (1, 7)], false),
            (vec![(1, 7)], false),
            (vec![], false),
            (vec![(0, 6)], true),
            (vec![(2, 0)], true),
        ] {
            assert_eq!(has_moved(&now.iter().copied().collect(), &then), expected, "{now:?}");
        }
    }
}
