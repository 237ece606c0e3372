//! Whether who fences this redrive goes on in its place.
//!
//! A fence alone does not say so: a coordinator ends a transaction that stood still for too long, and a newcomer may look
//! and go. So the redrive begins anew once, after a look whether another one has begun. Fenced again soon, it leaves the role to
//! whoever takes it: two that take it from each other would never end.

use std::time::{Duration, Instant};

/// Fenced again within this many transaction timeouts, somebody else is at it.
const TIMEOUTS: u32 = 10;

/// When this redrive was fenced.
#[derive(Debug, Default)]
pub(super) struct Fences {
    last: Option<Instant>,
}

impl Fences {
    /// Notes a fence; tells whether it is the second one in short time.
    pub(super) fn note(&mut self, now: Instant, timeout: Duration) -> bool {
        let before = self.last.replace(now);
        before.is_some_and(|before| now.duration_since(before) < timeout * TIMEOUTS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_second_fence_in_short_time_is_one_too_many() {
        let (mut fences, timeout, now) = (Fences::default(), Duration::from_secs(15), Instant::now());
        for (after, is_second) in [(0, false), (150, false), (299, true), (300, true), (450, false)] {
            assert_eq!(fences.note(now + Duration::from_secs(after), timeout), is_second, "{after} s");
        }
    }
}
