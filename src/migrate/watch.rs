//! What ends a job from outside while it runs: topics that are not what they were, and somebody who gives it up.
//!
//! A lane that copies sees both by itself: it is fenced, or writes to nothing. One that is held, or has nothing to copy, asks the
//! brokers for nothing; so there is a look beside the lanes, at the topics every few seconds and at the job's record in the state all the time.

use std::thread;
use std::time::{Duration, Instant};

use rdkafka::{Offset, TopicPartitionList};

use super::cast::{Cast, Consumer, Side};
use super::error::Error;
use super::identity::{self, Clusters};
use super::state::{Job, State};
use crate::kafka::intake::{Intake, Met};
use crate::pipeline::Stop;

/// How long between two looks at the topics.
const INTERVAL: Duration = Duration::from_secs(5);

/// How long between two looks whether the lanes have ended, or the job was given up.
const PAUSE: Duration = Duration::from_millis(50);

/// Looks until the lanes are over, and says why the job cannot go on as soon as it is seen. Clusters that do not answer are the
/// lanes' affair.
pub(super) fn watch(
    clusters: &Clusters,
    cast: &Cast,
    job: &Job,
    stop: &Stop,
    is_over: impl Fn() -> bool,
) -> Option<Error> {
    let unseen = |error: Error| tracing::debug!(why = %error, "the job cannot be looked at");
    let consumer = cast.consumer(Side::Target, 1).map_err(unseen).ok();
    let mut state = consumer.as_ref().and_then(|consumer| state_of(cast, consumer).map_err(unseen).ok());
    let mut last = Instant::now();
    while !is_over() && !stop.is_asked() {
        thread::sleep(PAUSE);
        if state.as_mut().is_some_and(is_abandoned) {
            return Some(Error::Abandoned(cast.group.clone()));
        }
        if last.elapsed() < INTERVAL {
            continue;
        }
        match clusters.difference(cast, job) {
            Ok(Some(difference)) => return Some(Error::Changed(identity::refusal(cast, &difference))),
            Ok(None) => {}
            Err(error) => unseen(error),
        }
        last = Instant::now();
    }
    None
}

/// Begins to read what the state says of the job, from its begin.
fn state_of<'c>(cast: &Cast, consumer: &'c Consumer) -> Result<Intake<'c>, Error> {
    let failed = |error| Error::asking("read the job's state", &error);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&cast.state, 0, Offset::Beginning).map_err(failed)?;
    Intake::assign(consumer, &list).map_err(failed)
}

/// Tells whether what has come since says that the job is given up.
fn is_abandoned(intake: &mut Intake<'_>) -> bool {
    let mut state = State::default();
    loop {
        match intake.next(Duration::ZERO) {
            Ok(Met::Record(message)) => {
                let message = message.get();
                let (key, value) = (message.key().unwrap_or_default(), message.value().unwrap_or_default());
                // What cannot be read the lanes tell.
                state.add(0, key, value).ok();
            }
            Ok(Met::End(_)) => {}
            Ok(Met::Nothing) => return state.job.is_some_and(|job| job.abandoned),
            Err(error) => {
                tracing::debug!(%error, "the job's state cannot be read");
                return false;
            }
        }
    }
}
