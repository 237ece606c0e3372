//! Giving a job up: nothing is copied from then on, by whatever process, and what the job made goes.
//!
//! First the job is marked in its state, then the lanes are taken, one after the other. Whoever runs them is fenced by that, and
//! looks into the state before it copies again; so once the last lane is taken nothing is under way. Then
//! the topics go: those that the job made, its state last. The source is never touched.

use std::collections::BTreeSet;

use super::cast::{Cast, Side};
use super::error::Error;
use super::state::Job;
use super::writer::Writer;
use super::{job, store};
use crate::kafka::clients::Sizes;
use crate::kafka::topics::{self, Cluster, MAX_MESSAGE_BYTES};
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;

/// Gives the job up and returns the topics that were removed. With `keep`, all topics stay.
///
/// # Errors
/// The job has not begun; groups were moved to the target; a cluster that does not answer.
pub fn abandon(cast: &Cast, keep: bool) -> Result<Vec<String>, Error> {
    let state = store::state(cast, None)?;
    let job = state.job.ok_or_else(|| Error::NotBegun(cast.group.clone()))?;
    let moved: Vec<_> =
        state.groups.iter().filter(|(_, moved)| !moved.is_back).map(|(group, _)| group.as_str()).collect();
    if !keep && !moved.is_empty() {
        return Err(Error::Unsuitable(format!(
            "groups were moved to '{}': {}; bring them back with `cut-over --back`, or keep all topics with --keep-topics",
            job.to,
            moved.join(", ")
        )));
    }
    let sizes = Sizes { largest: MAX_MESSAGE_BYTES, smallest: MAX_MESSAGE_BYTES, is_known: true };
    let stop = Stop::default();
    job::write(cast, &Job { abandoned: true, ..job.clone() }, sizes, &stop)?;
    for lane in 0..job.lanes {
        let doubts = Doubts::new(cast.timeout());
        let (config, id) = (cast.producer(lane, job.lanes, sizes), cast.lane_id(lane));
        let taken = Writer::take(&config, (&id, cast.timeout(), doubts.backoff()), &stop);
        taken.map_err(|trouble| Error::Kafka { what: format!("lane {lane} cannot be ended"), reason: trouble.why })?;
    }
    if keep {
        return Ok(Vec::new());
    }
    let cluster = Cluster::connect(cast.kafka(Side::Target), topics::PATIENCE)?;
    let there: BTreeSet<String> = cluster.list()?;
    let state = std::iter::once(&cast.state);
    let made = job.made.iter().filter(|topic| **topic != cast.state && **topic != job.source);
    let gone: Vec<String> = made.chain(state).filter(|topic| there.contains(*topic)).cloned().collect();
    for topic in &gone {
        cluster.delete(topic)?;
    }
    Ok(gone)
}
