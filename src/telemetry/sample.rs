//! Which bad records are logged: at most one per gate and reason in ten seconds.
//!
//! A topic of nothing but damage must not turn into a log of the same size. Lock-free,
//! since the pipelines of a gate share one sampler and ask it per bad record.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::violation::ReasonCode;

/// Time between two samples of the same reason.
const INTERVAL: Duration = Duration::from_secs(10);

/// Instants as numbers count from here; the first sample is never suppressed, since 0 means "none yet".
static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

#[derive(Debug, Default)]
struct Slot {
    /// Milliseconds after the epoch, plus one, until which the reason is suppressed.
    until: AtomicU64,
    suppressed: AtomicU64,
}

/// Per reason: when the last sample was taken and how many have been suppressed since.
#[derive(Debug)]
pub(super) struct Sampler {
    slots: Vec<Slot>,
}

impl Default for Sampler {
    fn default() -> Self {
        LazyLock::force(&EPOCH);
        Self { slots: ReasonCode::ALL.iter().map(|_| Slot::default()).collect() }
    }
}

impl Sampler {
    /// Says whether to log this one: then returns how many of the reason were suppressed since the last.
    pub(super) fn take(&self, code: ReasonCode, now: Instant) -> Option<u64> {
        let slot = &self.slots[code as usize];
        let now = now.saturating_duration_since(*EPOCH);
        let until = slot.until.load(Ordering::Relaxed);
        let next = millis(now + INTERVAL);
        let due = until == 0 || millis(now) >= until;
        if due && slot.until.compare_exchange(until, next, Ordering::Relaxed, Ordering::Relaxed).is_ok() {
            return Some(slot.suppressed.swap(0, Ordering::Relaxed));
        }
        slot.suppressed.fetch_add(1, Ordering::Relaxed);
        None
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn takes_one_per_reason_and_interval_and_says_how_many_it_left_out() {
        let sampler = Sampler::default();
        let start = Instant::now();
        let ask = |code, seconds| sampler.take(code, start + Duration::from_secs(seconds));
        assert_eq!(ask(ReasonCode::Truncated, 0), Some(0));
        assert_eq!(ask(ReasonCode::Truncated, 1), None);
        assert_eq!(ask(ReasonCode::Truncated, 9), None);
        assert_eq!(ask(ReasonCode::NotFramed, 9), Some(0), "reasons do not suppress each other");
        assert_eq!(ask(ReasonCode::Truncated, 10), Some(2));
        assert_eq!(ask(ReasonCode::Truncated, 11), None);
        assert_eq!(ask(ReasonCode::Truncated, 100), Some(1));
    }
}
