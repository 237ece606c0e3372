//! How fast records may be written: so many per second, where a rate was given.

use std::time::{Duration, Instant};

/// What somebody who had nothing to write may catch up on: afterwards it is not faster for longer.
const CREDIT: Duration = Duration::from_secs(1);

/// The pace of one writer.
#[derive(Debug)]
pub(crate) struct Pace {
    /// Time for one record; none where as fast as it goes.
    each: Option<Duration>,
    /// When the next record may be written.
    due: Instant,
}

impl Pace {
    /// Allows this many records per second.
    pub(crate) fn new(rate: Option<u32>, now: Instant) -> Self {
        Self { each: rate.map(|rate| Duration::from_secs(1) / rate.max(1)), due: now }
    }

    /// Tells whether more was written than the rate allows.
    pub(crate) fn is_ahead(&self) -> bool {
        self.each.is_some() && self.is_ahead_at(Instant::now())
    }

    /// Notes that a record was written.
    pub(crate) fn note(&mut self) {
        if self.each.is_some() {
            self.note_at(Instant::now());
        }
    }

    fn is_ahead_at(&self, now: Instant) -> bool {
        now < self.due
    }

    fn note_at(&mut self, now: Instant) {
        let earliest = now.checked_sub(CREDIT).unwrap_or(now);
        self.due = self.due.max(earliest) + self.each.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Copies all that is allowed, a look each millisecond, and counts.
    fn copied(pace: &mut Pace, from: Instant, time: Duration) -> u32 {
        let mut count = 0;
        for millis in 0..time.as_millis() {
            let now = from + Duration::from_millis(u64::try_from(millis).unwrap());
            while !pace.is_ahead_at(now) {
                pace.note_at(now);
                count += 1;
            }
        }
        count
    }

    #[test]
    fn a_rate_is_kept_and_a_quiet_time_is_not_caught_up_on() {
        let (start, minute) = (Instant::now(), Duration::from_secs(60));
        for rate in [1, 3, 250, 4_000] {
            let mut pace = Pace::new(Some(rate), start);
            let first = copied(&mut pace, start, minute);
            assert!(first.abs_diff(rate * 60) <= rate / 100 + 1, "{rate}: {first}");
            let second = copied(&mut pace, start + minute * 60, minute);
            assert!(second.abs_diff(rate * 61) <= rate / 100 + 2, "{rate}: {second} after an hour of nothing");
        }
        assert!(!Pace::new(None, start).is_ahead());
    }
}
