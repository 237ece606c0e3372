//! What a job keeps in its state topic, as JSON: what it is, and how far each lane has come.
//!
//! Partition 0 has the job under the key `job`, under `group/NAME` what a cut-over has done to a group, and under `import/SUBJECT`
//! what is to be put back in the target's registry. Partition
//! n + 1 has the checkpoint of lane n under the key `lane`. All offsets are those of *next* records.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de};

pub use super::identity::Ids;
use crate::config::Mappings;

/// The key of the job.
pub const JOB: &str = "job";

/// The key of a lane's checkpoint.
pub const LANE: &str = "lane";

/// What the keys of groups begin with.
pub const GROUP: &str = "group/";

/// What the keys of open imports begin with.
pub const IMPORT: &str = "import/";

/// The form that this version writes, and the only one that it reads.
pub const VERSION: u32 = 1;

/// A job, as it was when it began.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// [`VERSION`].
    pub version: u32,
    /// The topic that is copied.
    pub source: String,
    /// Where to.
    pub to: String,
    /// The number of lanes.
    pub lanes: i32,
    /// The first offset of each partition of the source that is copied.
    pub starts: BTreeMap<i32, i64>,
    /// The offset of each partition at which the copy ends; none where it goes on for ever.
    pub ends: Option<BTreeMap<i32, i64>>,
    /// The number of partitions of the target.
    pub targets: i32,
    /// The topics that the job made, which `abandon` removes, but for dead letters.
    pub made: Vec<String>,
    /// The IDs of clusters and topics.
    #[serde(default)]
    pub ids: Ids,
    /// Whether somebody has given it up: then nothing is copied any more.
    #[serde(default)]
    pub abandoned: bool,
    /// What its records become; none where they are copied as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conversion: Option<Conversion>,
    /// Whether its records name schemas by the IDs of the target's registry.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub maps_ids: bool,
}

/// What the records of a job become: `latest` is looked up once, when the job begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conversion {
    /// The values' target.
    pub value: Target,
    /// The keys' target; none where keys pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<Target>,
    /// The topic of records at fault.
    pub dead_letter: String,
    /// The first offset of each of its partitions that is the job's.
    pub letters: BTreeMap<i32, i64>,
    /// The mappings; none where an earlier version has not kept them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mappings: Option<Mappings>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// The subject.
    pub subject: String,
    /// The version.
    pub version: i32,
}

impl std::fmt::Display for Target {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "version {} of '{}'", self.version, self.subject)
    }
}

/// How far a lane is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Checkpoint {
    /// The next offset of each of its partitions.
    pub next: BTreeMap<i32, i64>,
    /// Records copied so far.
    pub copied: u64,
    /// Those of them that were converted.
    #[serde(default)]
    pub converted: u64,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// The same by reason.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
    /// When it was written, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
}

/// What a cut-over has done to a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Moved {
    /// Its offsets of the source: as they were; brought back, as they are set.
    pub from: BTreeMap<i32, i64>,
    /// Its offsets of the target: as they are set; brought back, as they were.
    pub to: BTreeMap<i32, i64>,
    /// The offsets that it had before on the side where they are set.
    #[serde(default)]
    pub before: BTreeMap<i32, i64>,
    /// Whether it was brought back since.
    #[serde(default)]
    pub is_back: bool,
    /// Whether the offsets are still to be set, or just being set; a command that was killed leaves that.
    #[serde(default)]
    pub is_moving: bool,
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
}

impl Job {
    /// Returns the partitions of a lane.
    pub fn partitions(&self, lane: i32) -> impl Iterator<Item = i32> {
        self.starts.keys().copied().filter(move |partition| partition % self.lanes == lane)
    }

    /// Returns where the copy of a partition ends.
    #[must_use]
    pub fn end(&self, partition: i32) -> Option<i64> {
        self.ends.as_ref().map(|ends| ends.get(&partition).copied().unwrap_or(0))
    }
}

/// Everything in a state topic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct State {
    /// The job, where one has begun.
    pub job: Option<Job>,
    /// The checkpoints by lane.
    pub lanes: BTreeMap<i32, Checkpoint>,
    /// The groups that were moved.
    pub groups: BTreeMap<String, Moved>,
    /// What a process has not finished in the target's registry, by subject.
    pub imports: BTreeMap<String, Import>,
}

/// A subject of the target's registry while versions come there under their own IDs.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Import {
    /// Whether its mode is IMPORT because of the job.
    pub is_taken: bool,
    /// The mode that it had itself before.
    pub before: Option<String>,
    /// Versions to be marked as deleted, once they are there.
    pub deleted: Vec<i32>,
    /// Whether all of that is done.
    pub is_over: bool,
}

/// A record of the state topic that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error(
    "the state of the job cannot be read: partition {partition}, key '{key}'; it was written by another version of sluice, or by somebody else"
)]
pub struct Damaged {
    /// Its partition.
    pub partition: i32,
    /// Its key.
    pub key: String,
    /// Why.
    #[source]
    pub source: serde_json::Error,
}

impl State {
    /// Takes in a record of the topic; records come in the order of their offsets.
    ///
    /// # Errors
    /// It is none of ours.
    pub fn add(&mut self, partition: i32, key: &[u8], value: &[u8]) -> Result<(), Damaged> {
        let key = String::from_utf8_lossy(key).into_owned();
        let damaged = |source| Damaged { partition, key: key.clone(), source };
        if partition > 0 {
            let checkpoint = serde_json::from_slice(value).map_err(damaged)?;
            self.lanes.insert(partition - 1, checkpoint);
        } else if let Some(group) = key.strip_prefix(GROUP) {
            let moved = serde_json::from_slice(value).map_err(damaged)?;
            self.groups.insert(group.to_owned(), moved);
        } else if let Some(subject) = key.strip_prefix(IMPORT) {
            let import: Import = serde_json::from_slice(value).map_err(damaged)?;
            self.imports.remove(subject);
            if !import.is_over {
                self.imports.insert(subject.to_owned(), import);
            }
        } else {
            let job: Job = serde_json::from_slice(value).map_err(damaged)?;
            if job.version != VERSION {
                return Err(damaged(de::Error::custom(format!("it is of form {}", job.version))));
            }
            self.job = Some(job);
        }
        Ok(())
    }

    /// Returns the next offset of each partition of the source: all before it has been copied, or is a dead letter.
    #[must_use]
    pub fn nexts(&self) -> BTreeMap<i32, i64> {
        let mut nexts = self.job.as_ref().map(|job| job.starts.clone()).unwrap_or_default();
        nexts
            .extend(self.lanes.values().flat_map(|lane| lane.next.iter().map(|(&partition, &next)| (partition, next))));
        nexts
    }

    /// Tells whether all has been copied up to the job's end.
    #[must_use]
    pub fn is_done(&self) -> bool {
        let nexts = self.nexts();
        let ends = self.job.as_ref().and_then(|job| job.ends.as_ref());
        ends.is_some_and(|ends| {
            ends.iter().all(|(partition, end)| nexts.get(partition).is_some_and(|next| next >= end))
        })
    }

    /// Sums up what the lanes have done, as one checkpoint that is nowhere.
    #[must_use]
    pub fn sums(&self) -> Checkpoint {
        let mut sum = Checkpoint::default();
        for lane in self.lanes.values() {
            sum.copied += lane.copied;
            sum.converted += lane.converted;
            sum.bytes += lane.bytes;
            sum.dead_letters += lane.dead_letters;
            for (reason, count) in &lane.reasons {
                *sum.reasons.entry(reason.clone()).or_default() += count;
            }
            sum.time = sum.time.max(lane.time);
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let offsets = |offset| (0..3).map(|partition| (partition, offset)).collect();
        let (source, to) = ("a".to_owned(), "b".to_owned());
        Job {
            version: VERSION,
            source,
            to,
            lanes: 2,
            starts: offsets(5),
            ends: Some(offsets(9)),
            targets: 3,
            made: Vec::new(),
            ids: Ids::default(),
            abandoned: false,
            conversion: None,
            maps_ids: false,
        }
    }

    #[test]
    fn what_is_written_reads_back() {
        let mut state = State::default();
        state.add(0, JOB.as_bytes(), &serde_json::to_vec(&job()).unwrap()).unwrap();
        assert_eq!(state.job, Some(job()));
        assert_eq!(state.nexts(), BTreeMap::from([(0, 5), (1, 5), (2, 5)]), "nothing was copied");
        let lane = Checkpoint { next: BTreeMap::from([(0, 9), (2, 9)]), copied: 8, ..Checkpoint::default() };
        state.add(1, LANE.as_bytes(), &serde_json::to_vec(&lane).unwrap()).unwrap();
        assert!(!state.is_done(), "partition 1 is in the other lane");
        let other = Checkpoint { next: BTreeMap::from([(1, 9)]), copied: 3, ..Checkpoint::default() };
        state.add(2, LANE.as_bytes(), &serde_json::to_vec(&other).unwrap()).unwrap();
        assert!(state.is_done());
        assert_eq!(state.sums().copied, 11);
        let damaged = state.add(2, LANE.as_bytes(), b"{").unwrap_err().to_string();
        assert!(damaged.contains("partition 2, key 'lane'"), "{damaged}");
        // What a later version writes, this one would write back without what it does not know.
        let later = Job { version: VERSION + 1, ..job() };
        let damaged = State::default().add(0, JOB.as_bytes(), &serde_json::to_vec(&later).unwrap()).unwrap_err();
        assert!(damaged.to_string().contains("another version of sluice"), "{damaged}");
    }

    #[test]
    fn every_partition_is_in_one_lane() {
        let job = job();
        let lanes: Vec<Vec<i32>> = (0..2).map(|lane| job.partitions(lane).collect()).collect();
        assert_eq!(lanes, [vec![0, 2], vec![1]]);
    }
}
