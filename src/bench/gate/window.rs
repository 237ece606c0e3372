//! The steady part of a turn: from the first commit that is seen to the last one before the final one.
//!
//! ```text
//!  joins the group   1st ──────── 2nd ──────── 3rd ──────── 4th ──── final: it has waited for its interval,
//!                     └──────── what is measured ────────────┘              though nothing was left to read
//! ```
//! A copy has no commits: each time that it tells how far it is counts as one. Looks are close together where the window
//! begins and ends, and rare between, since each of them costs what is measured a little.

use std::time::{Duration, Instant};

/// Time between two looks where the window begins or ends; of a commit interval this share, within limits.
const LOOKS: u32 = 20;
const LOOK: Duration = Duration::from_millis(20);
const LONGEST_LOOK: Duration = Duration::from_millis(50);

/// The longest time between two looks elsewhere.
const REST: Duration = Duration::from_millis(500);

/// Intervals at the end where looks are close together, and how long at least: one has the commit before the final one, the
/// rest is for bad guesses.
const END: u32 = 2;
const SHORTEST_END: Duration = Duration::from_millis(200);

/// Commits that a window needs, behind the one that it begins with.
const COMMITS: usize = 2;

/// What a look has seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) at: Instant,
    /// Records that are through.
    pub(super) done: u64,
    /// What the process has spent.
    pub(super) cpu: Duration,
}

/// What happened in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steady {
    pub(super) records: u64,
    pub(super) time: Duration,
    pub(super) cpu: Duration,
}

/// The looks at a turn of which each saw more than the one before.
pub(super) struct Window {
    of: u64,
    interval: Duration,
    looks: Vec<Look>,
}

impl Window {
    /// Begins a turn of so many records, which commits at this interval.
    pub(super) fn new(of: u64, interval: Duration) -> Self {
        Self { of, interval, looks: Vec::new() }
    }

    /// Takes a look, and tells whether something has moved.
    pub(super) fn take(&mut self, look: Look) -> bool {
        let has_moved = look.done > self.looks.last().map_or(0, |last| last.done);
        if has_moved {
            self.looks.push(look);
        }
        has_moved
    }

    /// Returns the time until the next look: half of that until the end begins, since guesses are bad at first.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let end = (self.interval * END).max(SHORTEST_END);
        let look = (self.interval / LOOKS).clamp(LOOK, LONGEST_LOOK);
        match self.left(now) {
            _ if self.looks.is_empty() => look,
            None => (self.interval / 2).clamp(look, REST),
            Some(left) => (left.saturating_sub(end) / 2).clamp(look, REST),
        }
    }

    /// Returns how long the rest takes if it goes on as it has.
    fn left(&self, now: Instant) -> Option<Duration> {
        let (first, last) = (self.looks.first()?, self.looks.last()?);
        let (done, took) = (last.done - first.done, last.at - first.at);
        let left = self.of.saturating_sub(last.done) as f64 * took.as_secs_f64() / done as f64;
        Some(Duration::try_from_secs_f64(left).ok()?.saturating_sub(now - last.at))
    }

    /// Returns what happened between the first commit and the last one before the final one; none where that is too little.
    pub(super) fn steady(&self) -> Option<Steady> {
        let [first, within @ .., _final] = self.looks.as_slice() else { return None };
        let last = within.last()?;
        let records = last.done - first.done;
        let is_enough = within.len() >= COMMITS && records >= self.of / 2;
        is_enough.then(|| Steady { records, time: last.at - first.at, cpu: last.cpu.saturating_sub(first.cpu) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A turn with these commits: when, in milliseconds, and how many records were through.
    fn window(of: u64, interval: u64, commits: &[(u64, u64)]) -> (Window, Instant) {
        let began = Instant::now();
        let mut window = Window::new(of, Duration::from_millis(interval));
        for (time, done) in commits {
            let time = Duration::from_millis(*time);
            assert!(window.take(Look { at: began + time, done: *done, cpu: time / 2 }));
        }
        (window, began)
    }

    #[test]
    fn neither_the_start_nor_the_wait_of_the_final_commit_counts() {
        let (mut window, began) = window(1_000, 250, &[(3_000, 100), (3_250, 350), (3_500, 600), (3_750, 850)]);
        let nothing_new = Look { at: began + Duration::from_millis(3_900), done: 850, cpu: Duration::from_secs(9) };
        assert!(!window.take(nothing_new));
        assert!(window.take(Look { at: began + Duration::from_millis(4_000), done: 1_000, ..nothing_new }));
        let (time, cpu) = (Duration::from_millis(750), Duration::from_millis(375));
        assert_eq!(window.steady(), Some(Steady { records: 750, time, cpu }));
    }

    #[test]
    fn too_little_is_no_window() {
        let steady = |commits: &[(u64, u64)]| window(1_000, 1_000, commits).0.steady();
        assert_eq!(steady(&[]), None);
        assert_eq!(steady(&[(1_000, 1_000)]), None);
        assert_eq!(steady(&[(1_000, 900), (2_000, 1_000)]), None, "one commit, and the wait for the rest");
        assert_eq!(steady(&[(1_000, 100), (2_000, 900), (3_000, 1_000)]), None, "one commit in the window");
        assert_eq!(steady(&[(1_000, 300), (2_000, 600), (2_500, 799), (3_000, 1_000)]), None, "less than half");
        assert!(steady(&[(1_000, 300), (2_000, 600), (2_500, 800), (3_000, 1_000)]).is_some());
    }

    #[test]
    fn looks_are_close_where_a_window_begins_and_ends() {
        let pause = |commits: &[(u64, u64)], now: u64| {
            let (window, began) = window(10_000, 1_000, commits);
            window.pause(began + Duration::from_millis(now)).as_millis()
        };
        assert_eq!(pause(&[], 5_000), 50, "the first commit is to come");
        assert_eq!(pause(&[(1_000, 1_000)], 1_000), 500);
        assert_eq!(pause(&[(1_000, 1_000), (2_000, 2_000)], 2_000), 500, "eight seconds are left");
        assert_eq!(pause(&[(1_000, 1_000), (7_000, 7_000)], 7_700), 150, "the end begins in 300 ms");
        assert_eq!(pause(&[(1_000, 1_000), (8_000, 8_000)], 8_000), 50);
        let (copy, began) = window(10_000, 0, &[(1_000, 1_000), (1_020, 1_050)]);
        assert_eq!(copy.pause(began + Duration::from_millis(1_020)).as_millis(), 500);
    }
}
