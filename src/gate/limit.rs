//! The limit on dead letters: when nearly everything is bad, the fault is hardly the records'.
//!
//! A wrong subject, a registry restored with other IDs or a producer with a new format turn a
//! whole topic into dead letters within minutes. [`Breaker`] counts the share of dead letters
//! in a sliding window and opens when it reaches the limit; what then stands still, and who
//! closes it, is the pipeline's business. Nothing here costs a good record anything: the
//! share can only rise with a dead letter, so only these ask.
//!
//! The window is cut into slots, so it moves in steps of a sixtieth. Times are spans since a
//! moment of the caller's choice: there is no clock here.

use std::time::Duration;

/// Records in the window below which no share counts: one bad record of one is no sign, a hundred are. A gate that
/// begins with bad records only has written one less than these when it stops.
pub const MIN_RECORDS: u64 = 100;

/// Parts of the window.
const SLOTS: usize = 60;

/// The limit that an operator sets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Limit {
    /// The share of dead letters, above 0 and up to 1, that opens the breaker.
    pub ratio: f64,
    /// The time over which it is counted.
    pub window: Duration,
}

/// How many of some records were dead letters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Share {
    /// The dead letters.
    pub dead_letters: u64,
    /// All records, these included.
    pub records: u64,
}

impl Share {
    fn plus(self, other: Self) -> Self {
        Self { dead_letters: self.dead_letters + other.dead_letters, records: self.records + other.records }
    }
}

/// Counts dead letters and opens when there are too many.
#[derive(Debug)]
pub struct Breaker {
    limit: Limit,
    is_open: bool,
    /// A ring; the slot of a time is its number modulo the length.
    slots: [Share; SLOTS],
    /// The number of the newest slot.
    newest: u128,
}

impl Breaker {
    /// Creates a closed breaker with an empty window.
    #[must_use]
    pub fn new(limit: Limit) -> Self {
        Self { limit, is_open: false, slots: [Share::default(); SLOTS], newest: 0 }
    }

    /// Returns the limit.
    #[must_use]
    pub fn limit(&self) -> Limit {
        self.limit
    }

    /// Tells whether it is open.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.is_open
    }

    /// Counts a committed transaction.
    pub fn add(&mut self, committed: Share, at: Duration) {
        let slot = self.advance(at);
        self.slots[slot] = self.slots[slot].plus(committed);
    }

    /// Opens if one more dead letter, beside what is staged and not committed, would reach the limit; returns the share
    /// that it would be.
    pub fn trip(&mut self, staged: Share, at: Duration) -> Option<Share> {
        self.advance(at);
        let one = Share { dead_letters: 1, records: 1 };
        let all = self.slots.iter().copied().fold(staged.plus(one), Share::plus);
        // Counts of one window are far below the integers that a float cannot hold.
        let is_over = all.dead_letters as f64 >= self.limit.ratio * all.records as f64;
        self.is_open |= is_over && all.records >= MIN_RECORDS;
        self.is_open.then_some(all)
    }

    /// Opens without counting, where another breaker of the same gate was open.
    pub fn open(&mut self) {
        self.is_open = true;
    }

    /// Closes, with an empty window: what opened it must not open it again.
    pub fn close(&mut self) {
        self.is_open = false;
        self.slots = [Share::default(); SLOTS];
    }

    /// Empties the slots between the newest one and that of a time, which it returns.
    fn advance(&mut self, at: Duration) -> usize {
        let width = (self.limit.window.as_nanos() / SLOTS as u128).max(1);
        // A time before the newest belongs to the newest: the caller's clock never goes back, only rounding does.
        let now = (at.as_nanos() / width).max(self.newest);
        let passed = (now - self.newest).min(SLOTS as u128);
        for number in (now + 1 - passed)..=now {
            self.slots[index(number)] = Share::default();
        }
        self.newest = now;
        index(now)
    }
}

fn index(number: u128) -> usize {
    usize::try_from(number % SLOTS as u128).expect("less than the number of slots")
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Limit = Limit { ratio: 0.5, window: Duration::from_secs(60) };

    fn share(dead_letters: u64, records: u64) -> Share {
        Share { dead_letters, records }
    }

    fn seconds(at: u64) -> Duration {
        Duration::from_secs(at)
    }

    #[test]
    fn opens_at_the_limit_and_not_before() {
        for (committed, staged, expected) in [
            ((0, 0), (0, 0), None),
            ((0, 0), (98, 98), None),
            ((0, 0), (99, 99), Some((100, 100))),
            ((99, 99), (0, 0), Some((100, 100))),
            ((50, 60), (40, 40), Some((91, 101))),
            ((49, 100), (0, 99), None),
            ((49, 99), (0, 0), Some((50, 100))),
            ((48, 99), (0, 0), None),
            ((0, 1_000_000), (999_998, 999_998), None),
            ((0, 1_000_000), (999_999, 999_999), Some((1_000_000, 2_000_000))),
        ] {
            let mut breaker = Breaker::new(MINUTE);
            breaker.add(share(committed.0, committed.1), seconds(1));
            let tripped = breaker.trip(share(staged.0, staged.1), seconds(2));
            let expected = expected.map(|(dead_letters, records)| share(dead_letters, records));
            assert_eq!(tripped, expected, "{committed:?} committed, {staged:?} staged");
            assert_eq!(breaker.is_open(), expected.is_some());
        }
    }

    #[test]
    fn a_ratio_of_one_wants_nothing_but_dead_letters() {
        let limit = Limit { ratio: 1.0, ..MINUTE };
        assert!(Breaker::new(limit).trip(share(998, 999), seconds(0)).is_none());
        assert!(Breaker::new(limit).trip(share(999, 999), seconds(0)).is_some());
    }

    #[test]
    fn forgets_what_is_older_than_the_window() {
        for (at, is_open) in [(1, true), (58, true), (59, true), (60, false), (61, false), (1_000_000, false)] {
            let mut breaker = Breaker::new(MINUTE);
            breaker.add(share(500, 500), seconds(0));
            assert_eq!(breaker.trip(Share::default(), seconds(at)).is_some(), is_open, "after {at} s");
        }
        let mut breaker = Breaker::new(MINUTE);
        for second in 0..600 {
            breaker.add(share(1, 3), seconds(second));
        }
        assert_eq!(breaker.slots.iter().copied().fold(Share::default(), Share::plus), share(60, 180));
    }

    #[test]
    fn good_records_that_leave_the_window_let_it_open() {
        let mut breaker = Breaker::new(MINUTE);
        breaker.add(share(0, 10_000), seconds(0));
        breaker.add(share(300, 300), seconds(30));
        assert!(breaker.trip(Share::default(), seconds(40)).is_none());
        assert_eq!(breaker.trip(Share::default(), seconds(70)), Some(share(301, 301)));
    }

    #[test]
    fn stays_open_until_closed_and_then_counts_anew() {
        let mut breaker = Breaker::new(MINUTE);
        breaker.add(share(200, 200), seconds(0));
        assert!(breaker.trip(Share::default(), seconds(1)).is_some());
        assert!(breaker.trip(Share::default(), seconds(1_000)).is_some(), "time does not close it");
        breaker.close();
        assert!(!breaker.is_open());
        assert!(breaker.trip(Share::default(), seconds(1_000)).is_none());
        breaker.add(share(99, 99), seconds(1_001));
        assert!(breaker.trip(Share::default(), seconds(1_001)).is_some(), "and it opens again");
    }

    #[test]
    fn takes_any_window() {
        for window in [Duration::from_nanos(1), Duration::from_millis(7), Duration::MAX] {
            let mut breaker = Breaker::new(Limit { ratio: 0.5, window });
            breaker.add(share(500, 500), seconds(7));
            breaker.add(share(500, 500), seconds(6));
            assert!(breaker.trip(Share::default(), seconds(7)).is_some(), "{window:?}");
        }
    }
}
