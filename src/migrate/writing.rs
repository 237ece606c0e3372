//! Writing what a job keeps in partition 0 of its state: the job itself, what cut-overs did to groups, and what is open in
//! the target's registry.

use std::collections::BTreeMap;
use std::thread;
use std::time::{Duration, Instant};

use super::cast::Cast;
use super::error::Error;
use super::job::MOST_LANES;
use super::lane::Stopped;
use super::settle::SIZES;
use super::state::{GROUP, IMPORT, Import, JOB, Job, Moved};
use super::store;
use crate::kafka::clients::Sizes;
use crate::kafka::ffi::Outgoing;
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;
use crate::transactions::Writer;

/// The number of a lane that there is never: its `transactional.id` writes what is open in the target's registry.
pub(super) const IMPORTS: i32 = MOST_LANES + 1;

/// Writes the job in the name of its first lane, which ends whatever another process has under way there; unless that has
/// written it meanwhile: what a run begins with must not be what another one has begun with, nor has given up.
pub(super) fn write(cast: &Cast, (job, before): (&Job, Option<&Job>), sizes: Sizes, stop: &Stop) -> Result<(), Error> {
    let value = serde_json::to_vec(job).map_err(|error| Error::Unsuitable(error.to_string()))?;
    let records = [(JOB.to_owned(), value)];
    let check = || match store::state(cast, Some(&[0]))?.job {
        // Ours, where its commit had no answer.
        found if found.as_ref() == before || found.as_ref() == Some(job) => Ok(()),
        Some(found) if found.abandoned => Err(Error::Abandoned(cast.group.clone())),
        _ => Err(Error::Changed(format!(
            "another process has begun job '{}', or gone on with it, just now: stop one of the two, then run again",
            cast.group
        ))),
    };
    let began = Instant::now();
    loop {
        match put_if(cast, 0, &records, (sizes, stop), check) {
            // A lane that runs takes its role back, and may be sooner.
            Err(Stopped::Trouble(trouble)) if trouble.is_fenced => {
                if began.elapsed() > cast.timeout() {
                    return Err(Error::Fenced(cast.lane_id(0)));
                }
            }
            ended => return ended.map_err(failed),
        }
    }
}

/// Waits until readers see the job that was written: a commit is answered before. A lane that reads the job before finds none, or
/// the one with its earlier ends; only the first lane would wait, whose ID it was written with.
pub(super) fn wait_until_shown(cast: &Cast, job: &Job) -> Result<(), Error> {
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
fn put(cast: &Cast, lane: i32, records: &[(String, Vec<u8>)], terms: (Sizes, &Stop)) -> Result<(), Error> {
    put_if(cast, lane, records, terms, || Ok(())).map_err(failed)
}

fn failed(stopped: Stopped) -> Error {
    match stopped {
        Stopped::Error(error) => error,
        Stopped::Trouble(trouble) => {
            Error::Kafka { what: "the job's state cannot be written".to_owned(), reason: trouble.why }
        }
    }
}

/// The same, if that is right once nobody else writes in the name of the lane.
fn put_if(
    cast: &Cast,
    lane: i32,
    records: &[(String, Vec<u8>)],
    (sizes, stop): (Sizes, &Stop),
    check: impl FnOnce() -> Result<(), Error>,
) -> Result<(), Stopped> {
    let doubts = Doubts::new(cast.timeout());
    let (config, id) = (cast.producer(lane, 1, sizes), cast.lane_id(lane));
    let mut writer = Writer::take(&config, (&id, cast.timeout(), doubts.backoff()), stop)?;
    check()?;
    let topic = writer.topic(&cast.state)?;
    writer.begin()?;
    for (tag, (key, value)) in records.iter().enumerate() {
        let (key, value) = (Some(key.as_bytes()), Some(value.as_slice()));
        let record = || Outgoing { topic, partition: 0, key, value, timestamp: 0, headers: None, tag };
        writer.stage(record)?;
    }
    writer.drain().and_then(|()| writer.commit())?;
    Ok(())
}
