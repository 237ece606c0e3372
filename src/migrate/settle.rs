//! What a job has copied, at a moment when nothing that counts is under way: what cut-overs and `abandon` rest on.
//!
//! The state, the map and the copies of one transaction show one after the other, since each partition gets its marker by itself; and
//! an open transaction of one lane hides what another has committed behind it. So, in this order: the ends of the target
//! are noted, as they are with what is not committed; then there is a wait until everything before them is
//! decided; then the same for map and state, which every transaction wrote to before it was committed; then
//! these are read. What they say is then all there is of copies before the noted ends, also while the job runs on.
//!
//! A transaction that stays open may be a killed lane's: all lanes are taken, which ends it. (A lane that runs begins
//! anew.) One that then still is open is somebody else's.

use std::ops::RangeInclusive;
use std::thread;
use std::time::{Duration, Instant};

use super::cast::{Cast, Consumer, Side};
use super::error::Error;
use super::offsets::{Map, Offsets};
use super::reading::{ends, extent};
use super::state::{Job, State};
use super::store;
use crate::kafka::clients::Sizes;
use crate::kafka::topics::MAX_MESSAGE_BYTES;
use crate::pipeline::Stop;
use crate::pipeline::end::Doubts;
use crate::transactions::Writer;

/// How long a running lane may take for a transaction beyond the commit interval, before the lanes are taken.
const LANE: Duration = Duration::from_secs(2);

/// How long a transaction may stay open after the lanes were taken.
const OTHERS: Duration = Duration::from_secs(5);

/// Pause between two looks.
const PAUSE: Duration = Duration::from_millis(50);

/// Sizes of a producer that writes the state only.
pub(super) const SIZES: Sizes = Sizes { largest: MAX_MESSAGE_BYTES, smallest: MAX_MESSAGE_BYTES, is_known: true };

/// What was copied.
#[derive(Debug)]
pub(super) struct Settled {
    pub(super) state: State,
    pub(super) map: Map,
    /// The ends of the target: all before them is decided, and copies before them are in the map.
    pub(super) ends: Offsets,
}

/// Waits until nothing that counts is under way, and reads.
///
/// # Errors
/// A transaction of somebody else that stays open; a cluster that does not answer.
pub(super) fn settle(cast: &Cast, job: &Job) -> Result<Settled, Error> {
    let (all, committed) = (cast.observer(Side::Target)?, cast.consumer(Side::Target, 1)?);
    let mut is_taken = false;
    let mut decide = |topic: &str| -> Result<Offsets, Error> {
        let ends = ends(&all, topic)?;
        let limit = cast.longest_interval() * 2 + LANE;
        if !is_taken && open(&committed, topic, &ends, limit)?.is_some() {
            take_lanes(cast, 0..=job.lanes - 1)?;
            is_taken = true;
        }
        match open(&committed, topic, &ends, OTHERS)? {
            Some((partition, offset)) => Err(Error::Kafka {
                what: format!(
                    "a transaction that is none of the job's is open on {topic}-{partition}, from offset {offset}"
                ),
                reason: "what is behind it cannot be judged; wait until it has ended, then try again".to_owned(),
            }),
            None => Ok(ends),
        }
    };
    let ends = decide(&job.to)?;
    decide(&cast.map)?;
    decide(&cast.state)?;
    let (state, map) = (store::state(cast, None)?, store::map(cast)?);
    Ok(Settled { state, map, ends })
}

/// Waits until all before these ends is decided, and returns where it is not when time is over.
fn open(committed: &Consumer, topic: &str, ends: &Offsets, limit: Duration) -> Result<Option<(i32, i64)>, Error> {
    let began = Instant::now();
    for (&partition, &end) in ends {
        loop {
            let (_, decided) = extent(committed, topic, partition)?;
            if decided >= end {
                break;
            }
            if began.elapsed() > limit {
                return Ok(Some((partition, decided)));
            }
            thread::sleep(PAUSE);
        }
    }
    Ok(None)
}

/// Takes the lanes, one after the other: what their owners have open is ended, and they are fenced.
pub(super) fn take_lanes(cast: &Cast, lanes: RangeInclusive<i32>) -> Result<(), Error> {
    for lane in lanes {
        let doubts = Doubts::new(cast.timeout());
        let (config, id) = (cast.producer(lane, 1, SIZES), cast.lane_id(lane));
        let taken = Writer::take(&config, (&id, cast.timeout(), doubts.backoff()), &Stop::default());
        taken.map_err(|trouble| Error::Kafka { what: format!("lane {lane} cannot be ended"), reason: trouble.why })?;
    }
    Ok(())
}
