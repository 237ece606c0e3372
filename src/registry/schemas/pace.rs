//! How hard the registry is asked: few questions at a time, so many a second, and none while it says that it cannot.
//!
//! IDs come from the data, so the data must not decide how much the registry has to do. All questions of the process
//! pass here. One that fails is its asker's to repeat; when questions fail in a row, or the registry names a time
//! (`Retry-After`), the next askers get the last error at once instead of a turn, until that time has passed.
//! A 404 is an answer and shows a healthy registry.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rand::Rng as _;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;

use super::calls::Calls;
use crate::registry::client::{Client, Error};
use crate::telemetry::RegistryState;
use crate::telemetry::events::{RegistryBack, RegistryUnavailable};

/// How many questions are put to the registry at once.
pub(super) const MAX_CONCURRENT: usize = 8;
/// How many questions a second it is asked over time: a registry answers thousands, several processes share it, and a
/// million unknown IDs are through in half an hour or so.
pub(super) const PER_SECOND: u32 = 500;
/// How many it may be asked at once after a quiet time: what a gate with many schemas asks at its start.
pub(super) const BURST: u32 = 500;
/// How many failures in a row stop the askers for a while: as many as may have been on their way together.
const FAILURES: u32 = 8;
/// The shortest and the longest such stop.
const STOP: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));
/// The longest `Retry-After` that is honoured: a registry that is well again is noticed within it.
const LONGEST_RETRY_AFTER: Duration = Duration::from_secs(60);
/// How many failures in a row are an outage where the registry does answer something; without a connection one is.
const TOLD_AFTER: u32 = 3;
/// Pause between the first questions of a process.
const GREETING_PAUSE: Duration = Duration::from_millis(500);

/// Questions failed, and none has been answered since.
#[derive(Debug, Clone)]
struct Trouble {
    since: Instant,
    failures: u32,
    /// Nobody is let through before.
    until: Instant,
    error: Arc<Error>,
    is_told: bool,
}

/// The turn of all questions to one registry.
#[derive(Debug)]
pub(super) struct Pace {
    permits: Semaphore,
    /// When the next question would be due if the burst were used up.
    due: Mutex<Instant>,
    trouble: Mutex<Option<Trouble>>,
    back: Notify,
    state: Arc<RegistryState>,
    pub(super) calls: Calls,
}

impl Pace {
    pub(super) fn new(state: Arc<RegistryState>) -> Self {
        Self {
            permits: Semaphore::new(MAX_CONCURRENT),
            due: Mutex::new(Instant::now()),
            trouble: Mutex::default(),
            back: Notify::new(),
            state,
            calls: Calls::default(),
        }
    }

    /// Puts one question to the registry, in turn.
    pub(super) async fn call<T>(&self, question: impl Future<Output = Result<T, Error>>) -> Result<T, Arc<Error>> {
        self.stopped()?;
        // The semaphore is never closed; if it were, the question would go through unbounded.
        let _permit = self.permits.acquire().await.ok();
        let wait = self.turn();
        tokio::time::sleep(wait).await;
        // Those before may have failed meanwhile.
        self.stopped()?;
        let outcome = question.await;
        self.calls.count(&outcome);
        let outcome = outcome.map_err(Arc::new);
        match &outcome {
            Err(error) if !error.is_answer() => self.failed(error),
            Ok(_) | Err(_) => self.answered(),
        }
        outcome
    }

    /// Asks until the registry answers and lets us in, and no more often than an outage needs to be told.
    pub(super) async fn greet(&self, client: &Client) {
        for _ in 0..TOLD_AFTER {
            if self.call(client.ping()).await.is_ok() {
                return;
            }
            tokio::time::sleep(GREETING_PAUSE).await;
        }
    }

    /// Asks at once, though nobody may be let through; an answer ends that. Tells whether there was one.
    pub(super) async fn look(&self, client: &Client) -> bool {
        let outcome = client.ping().await;
        self.calls.count(&outcome);
        let is_there = outcome.is_ok();
        if is_there {
            self.answered();
        }
        is_there
    }

    /// Waits until the registry answers again after an outage.
    pub(super) async fn back(&self) {
        self.back.notified().await;
    }

    /// Returns how long the next question has to wait for its turn, and takes the turn.
    fn turn(&self) -> Duration {
        let interval = Duration::from_secs(1) / PER_SECOND;
        let now = Instant::now();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        let earliest = now.checked_sub(interval * BURST).unwrap_or(now);
        *due = (*due).max(earliest) + interval;
        due.saturating_duration_since(now)
    }

    /// Passes unless the registry has asked to be left alone, or does not answer anybody.
    fn stopped(&self) -> Result<(), Arc<Error>> {
        match &*self.trouble() {
            Some(trouble) if Instant::now() < trouble.until => Err(Arc::clone(&trouble.error)),
            Some(_) | None => Ok(()),
        }
    }

    fn answered(&self) {
        let Some(trouble) = self.trouble().take() else { return };
        if trouble.is_told {
            RegistryBack { after: trouble.since.elapsed() }.emit(&self.state);
            self.back.notify_waiters();
        }
    }

    fn failed(&self, error: &Arc<Error>) {
        let now = Instant::now();
        let mut trouble = self.trouble();
        let trouble = trouble.get_or_insert_with(|| Trouble {
            since: now,
            failures: 0,
            until: now,
            error: Arc::clone(error),
            is_told: false,
        });
        trouble.failures = trouble.failures.saturating_add(1);
        trouble.error = Arc::clone(error);
        trouble.until = trouble.until.max(now + stop(trouble.failures, error.retry_after()));
        if !trouble.is_told && (error.is_unreachable() || trouble.failures >= TOLD_AFTER) {
            trouble.is_told = true;
            RegistryUnavailable { error: &error.to_string() }.emit(&self.state);
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<Trouble>> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns how long nobody asks after so many failures in a row.
fn stop(failures: u32, retry_after: Option<Duration>) -> Duration {
    // Gates that were stopped by the same outage must not come back in step.
    let jitter = rand::rng().random_range(0.75..1.25);
    let grown = failures.checked_sub(FAILURES).map_or(Duration::ZERO, |more| STOP.0.saturating_mul(1 << more.min(5)));
    let asked = retry_after.unwrap_or_default().min(LONGEST_RETRY_AFTER);
    grown.min(STOP.1).mul_f64(jitter).max(asked)
}
