//! The steady part of a turn: from the first commit that is seen to the last one before the final one.
//!
//! ```text
//!  joins the group   1st ──────── 2nd ──────── 3rd ──────── 4th ──── final: it has waited for its interval,
//!                     └──────── what is measured ────────────┘              though nothing was left to read
//! ```
//! A copy has no commits: each time that it tells how far it is counts as one. Of several gates all have committed before a
//! window begins, and it ends before the final commit of any. Schemas are met before it begins, too. Looks are close together
//! where it begins and ends, and rare between, since each of them costs what is measured a little.

use std::time::{Duration, Instant};

use super::watch::Progress;

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

/// How long before the final commit a window ends, in hundredths of an interval: the one before is seen a little late at times.
const FINAL: u32 = 80;

/// Records for each schema that are through when a window begins: by then all have been asked for.
const MET: u64 = 10;

/// Commits that a window needs, behind the one that it begins with.
const COMMITS: usize = 2;

/// What a look has seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    pub(super) at: Instant,
    pub(super) progress: Progress,
    /// What the process has spent.
    pub(super) cpu: Duration,
    /// What the brokers have, where that is known.
    pub(super) brokers: Option<Duration>,
}

/// What happened in a window.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Steady {
    pub(super) records: u64,
    pub(super) time: Duration,
    pub(super) cpu: Duration,
    pub(super) brokers: Option<Duration>,
}

/// What a turn goes through, and how.
#[derive(Debug, Clone, Copy)]
pub(super) struct Work {
    pub(super) records: u64,
    pub(super) schemas: u32,
    pub(super) gates: usize,
    /// The commit interval.
    pub(super) interval: Duration,
}

/// The looks at a turn of which each saw more than the one before.
pub(super) struct Window {
    work: Work,
    looks: Vec<Look>,
    /// Where the window begins.
    first: Option<usize>,
}

impl Window {
    pub(super) fn new(work: Work) -> Self {
        Self { work, looks: Vec::new(), first: None }
    }

    /// Takes a look, and tells whether something has moved.
    pub(super) fn take(&mut self, look: Look) -> bool {
        let Progress { done, gates } = look.progress;
        let has_moved = done > self.looks.last().map_or(0, |last| last.progress.done);
        if has_moved {
            let is_steady = gates >= self.work.gates && done >= MET * u64::from(self.work.schemas);
            self.first = self.first.or_else(|| is_steady.then_some(self.looks.len()));
            self.looks.push(look);
        }
        has_moved
    }

    /// Returns the time until the next look: half of that until the end begins, since guesses are bad at first.
    pub(super) fn pause(&self, now: Instant) -> Duration {
        let end = (self.work.interval * END).max(SHORTEST_END);
        let look = (self.work.interval / LOOKS).clamp(LOOK, LONGEST_LOOK);
        match self.left(now) {
            _ if self.first.is_none() => look,
            None => (self.work.interval / 2).clamp(look, REST),
            Some(left) => (left.saturating_sub(end) / 2).clamp(look, REST),
        }
    }

    /// Returns how long the rest takes if it goes on as it has.
    fn left(&self, now: Instant) -> Option<Duration> {
        let (first, last) = (self.looks.get(self.first?)?, self.looks.last()?);
        let (done, took) = (last.progress.done - first.progress.done, last.at - first.at);
        let left = self.work.records.saturating_sub(last.progress.done) as f64 * took.as_secs_f64() / done as f64;
        Some(Duration::try_from_secs_f64(left).ok()?.saturating_sub(now - last.at))
    }

    /// Returns what happened between the first commit and the last one before the final one; none where that is too little.
    pub(super) fn steady(&self) -> Option<Steady> {
        let [first, within @ .., end] = self.looks.get(self.first?..)? else { return None };
        let over = end.at - self.work.interval * FINAL / 100;
        let within = &within[..within.partition_point(|look| look.at <= over)];
        let last = within.last()?;
        let records = last.progress.done - first.progress.done;
        let is_enough = within.len() >= COMMITS && records >= self.work.records / 2;
        is_enough.then(|| Steady {
            records,
            time: last.at - first.at,
            cpu: last.cpu.saturating_sub(first.cpu),
            brokers: last.brokers.zip(first.brokers).map(|(last, first)| last.saturating_sub(first)),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn look(began: Instant, time: u64, done: u64, gates: usize) -> Look {
        let time = Duration::from_millis(time);
        Look { at: began + time, progress: Progress { done, gates }, cpu: time / 2, brokers: Some(time * 2) }
    }

    /// A turn with these commits: when, in milliseconds, and how many records were through.
    fn window(records: u64, interval: u64, commits: &[(u64, u64)]) -> (Window, Instant) {
        let began = Instant::now();
        let interval = Duration::from_millis(interval);
        let mut window = Window::new(Work { records, schemas: 1, gates: 1, interval });
        for (time, done) in commits {
            assert!(window.take(look(began, *time, *done, 1)));
        }
        (window, began)
    }

    #[test]
    fn neither_the_start_nor_the_wait_of_the_final_commit_counts() {
        let (mut window, began) = window(1_000, 250, &[(3_000, 100), (3_250, 350), (3_500, 600), (3_750, 850)]);
        assert!(!window.take(look(began, 3_900, 850, 1)));
        assert!(window.take(look(began, 4_000, 1_000, 1)));
        let (time, cpu) = (Duration::from_millis(750), Duration::from_millis(375));
        assert_eq!(window.steady(), Some(Steady { records: 750, time, cpu, brokers: Some(time * 2) }));
    }

    #[test]
    fn all_gates_and_schemas_are_there_before_a_window_begins_and_the_end_of_none_is_in_it() {
        let began = Instant::now();
        let interval = Duration::from_millis(100);
        let mut window = Window::new(Work { records: 10_000, schemas: 20, gates: 2, interval });
        let commits = [(10, 50, 1), (110, 150, 2), (210, 1_000, 2), (310, 4_000, 2), (360, 7_000, 2), (400, 8_000, 2)];
        for (time, done, gates) in commits {
            window.take(look(began, time, done, gates));
        }
        window.take(look(began, 450, 10_000, 2));
        let steady = window.steady().unwrap();
        assert_eq!((steady.records, steady.time.as_millis()), (6_000, 150), "from 210 to 360");
    }

    #[test]
    fn too_little_is_no_window() {
        let steady = |commits: &[(u64, u64)]| window(1_000, 500, commits).0.steady();
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
