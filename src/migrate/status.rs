//! How far a job is, from its state topic and the ends of its source: from any machine that reaches the cluster.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cast::{Cast, Side};
use super::error::Error;
use super::state::{Checkpoint, Job, Moved};
use super::{now, store};

/// What can be said of a job.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The job, as it began.
    pub job: Job,
    /// Whether all is copied up to its end.
    pub done: bool,
    /// Records copied.
    pub copied: u64,
    /// Those of them that were converted.
    pub converted: u64,
    /// Records that became dead letters.
    pub dead_letters: u64,
    /// The same by reason.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub reasons: BTreeMap<String, u64>,
    /// Bytes of their keys and values.
    pub bytes: u64,
    /// How long ago the last checkpoint was written, in seconds; none where nothing was copied.
    pub quiet_seconds: Option<u64>,
    /// Each partition of the source.
    pub partitions: BTreeMap<i32, Partition>,
    /// The groups that were moved.
    pub groups: BTreeMap<String, Moved>,
}

/// How far one partition is; all offsets are those of *next* records.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Partition {
    /// Which lane copies it.
    pub lane: i32,
    /// Up to where it is copied.
    pub next: i64,
    /// Where the job ends, if it does.
    pub end: Option<i64>,
    /// Where the source begins now.
    pub source_start: i64,
    /// Where it ends now.
    pub source_end: i64,
}

/// Asks.
///
/// # Errors
/// The job has not begun; a cluster that does not answer.
pub fn status(cast: &Cast) -> Result<Status, Error> {
    look(cast)?.ok_or_else(|| Error::NotBegun(cast.group.clone()))
}

/// Asks of a job that may not have begun.
///
/// # Errors
/// A cluster that does not answer.
pub fn look(cast: &Cast) -> Result<Option<Status>, Error> {
    let state = store::state(cast, None)?;
    let Some(job) = state.job.clone() else { return Ok(None) };
    let consumer = cast.consumer(Side::Source, 1)?;
    let mut partitions = BTreeMap::new();
    for (&partition, &next) in &state.nexts() {
        let (source_start, source_end) = store::extent(&consumer, &job.source, partition)?;
        let (lane, end) = (partition % job.lanes, job.end(partition));
        partitions.insert(partition, Partition { lane, next, end, source_start, source_end });
    }
    let Checkpoint { copied, converted, dead_letters, reasons, bytes, .. } = state.sums();
    let last = state.lanes.values().map(|lane| lane.time).max();
    let quiet_seconds = last.map(|last| u64::try_from((now() - last) / 1000).unwrap_or(0));
    Ok(Some(Status {
        done: state.is_done(),
        copied,
        converted,
        dead_letters,
        reasons,
        bytes,
        quiet_seconds,
        partitions,
        groups: state.groups,
        job,
    }))
}
