//! How long expressions may take: one budget for all of a record, and a small one where a plan has lately used up several.
//!
//! A record that loops is nothing special, a topic of them is: each would take the whole budget, and a batch of them
//! outlast its transaction. So a plan that has overrun [`OVERRUNS`] times within [`LATELY`] is hurried until that is over.
//! Time comes from whoever converts ([`Pace::timed`]): this part has no clock.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use super::rules::limits::{HURRIED_MS, TIME_MS, TRIES};

/// Overruns of a plan after which it is hurried.
pub const OVERRUNS: usize = 3;

/// How long an overrun counts.
pub const LATELY: Duration = Duration::from_secs(60);

/// A conversion that takes longer is told: whoever has a transaction open may want to end it.
pub const LONG: Duration = Duration::from_millis(10);

/// Bytes in memory beyond which a conversion counts as long without a look at the clock.
pub const LARGE: usize = 1 << 20;

/// What stands in the detail of a record that has used up its time.
const TOO_LONG: &str = "it took longer than";

/// Tells from the detail of a failed conversion whether its time was used up: on another machine it may not be.
#[must_use]
pub fn is_of_time(detail: &str) -> bool {
    detail.contains(TOO_LONG)
}

/// Tells the time since some moment that stays the same for the whole process.
pub type Clock = fn() -> Duration;

/// What a thread's conversions have taken, since that was last asked.
#[derive(Debug, Default)]
pub struct Pace {
    clock: Option<Clock>,
    is_long: bool,
    overtime: u64,
}

impl Pace {
    /// Makes a pace that knows the time. Without, each expression has the whole budget, and no plan is hurried.
    #[must_use]
    pub fn timed(clock: Clock) -> Self {
        Self { clock: Some(clock), is_long: false, overtime: 0 }
    }

    fn now(&self) -> Duration {
        self.clock.map_or(Duration::ZERO, |clock| clock())
    }

    /// Tells whether a conversion took long since this was last asked.
    pub fn take_long(&mut self) -> bool {
        std::mem::take(&mut self.is_long)
    }

    /// Returns how many records have used up the time of their expressions since this was last asked.
    pub fn take_overtime(&mut self) -> u64 {
        std::mem::take(&mut self.overtime)
    }

    /// Notes how much memory a conversion has made.
    pub(super) fn made(&mut self, bytes: usize) {
        self.is_long |= bytes > LARGE;
    }
}

/// The last overruns of one plan, on whatever thread.
#[derive(Debug, Default)]
pub(super) struct Overruns {
    /// When they were, in milliseconds and one.
    times: [AtomicU64; OVERRUNS],
    next: AtomicUsize,
}

impl Overruns {
    fn note(&self, now: Duration) {
        let at = self.next.fetch_add(1, Ordering::Relaxed) % OVERRUNS;
        self.times[at].store(millis(now).saturating_add(1), Ordering::Relaxed);
    }

    /// Tells whether all of the last were lately.
    fn are_many(&self, now: Duration) -> bool {
        let is_lately = |time: &AtomicU64| {
            let time = time.load(Ordering::Relaxed);
            time > 0 && millis(now).saturating_sub(time - 1) < millis(LATELY)
        };
        self.times.iter().all(is_lately)
    }
}

/// The time of one record's expressions.
#[derive(Debug)]
pub(super) struct Allowance<'p> {
    pace: &'p mut Pace,
    overruns: &'p Overruns,
    begin: Duration,
    /// When the running try began.
    began: Duration,
    budget: Duration,
    tries: usize,
    is_used_up: bool,
}

impl<'p> Allowance<'p> {
    pub(super) fn of(overruns: &'p Overruns, pace: &'p mut Pace) -> Self {
        let now = pace.now();
        let budget = Duration::from_millis(if overruns.are_many(now) { HURRIED_MS } else { TIME_MS });
        Self { pace, overruns, begin: now, began: now, budget, tries: TRIES, is_used_up: false }
    }

    /// Returns what is left, in milliseconds, of which there is one at least.
    pub(super) fn left(&self) -> u64 {
        let used = self.pace.now().saturating_sub(self.began);
        millis(self.budget.saturating_sub(used)).max(1)
    }

    /// Grants the time anew after it was used up, where that may have been the machine: it may have stood still.
    pub(super) fn again(&mut self) -> bool {
        self.tries -= 1;
        self.began = self.pace.now();
        if self.tries > 0 {
            return true;
        }
        self.is_used_up = true;
        self.pace.overtime += 1;
        if self.pace.clock.is_some() {
            self.overruns.note(self.began);
        }
        false
    }

    /// Tells whether the record has used up its time: nothing more is run.
    pub(super) fn is_used_up(&self) -> bool {
        self.is_used_up
    }

    /// Says what was used up.
    pub(super) fn words(&self) -> String {
        match millis(self.budget) {
            HURRIED_MS => {
                format!("{TOO_LONG} {HURRIED_MS} ms, {TRIES} times, after others had taken too long")
            }
            budget => format!("{TOO_LONG} {budget} ms, {TRIES} times"),
        }
    }
}

impl Drop for Allowance<'_> {
    fn drop(&mut self) {
        let took = self.pace.now().saturating_sub(self.begin);
        self.pace.is_long |= took > LONG || self.is_used_up;
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;

    thread_local! {
        static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
    }

    fn pass(millis: u64) {
        NOW.set(NOW.get() + Duration::from_millis(millis));
    }

    /// A record whose expressions use up all that they get; returns how long that was.
    fn overrun(overruns: &Overruns, pace: &mut Pace) -> u64 {
        let begin = NOW.get();
        let mut allowance = Allowance::of(overruns, pace);
        loop {
            pass(allowance.left());
            if !allowance.again() {
                break;
            }
        }
        millis(NOW.get() - begin)
    }

    #[test]
    fn a_plan_that_overruns_is_hurried_until_a_minute_is_over() {
        let (overruns, mut pace) = (Overruns::default(), Pace::timed(|| NOW.get()));
        for _ in 0..OVERRUNS {
            assert_eq!(overrun(&overruns, &mut pace), TIME_MS * TRIES as u64);
        }
        for _ in 0..100 {
            assert_eq!(overrun(&overruns, &mut pace), HURRIED_MS * TRIES as u64);
        }
        assert_eq!((pace.take_overtime(), pace.take_overtime()), (103, 0));
        assert!(pace.take_long() && !pace.take_long());
        assert_eq!(Allowance::of(&overruns, &mut pace).left(), HURRIED_MS);
        assert!(is_of_time(&format!("rule slow: {}", Allowance::of(&overruns, &mut pace).words())));
        pass(millis(LATELY));
        assert_eq!(Allowance::of(&overruns, &mut pace).left(), TIME_MS);
        assert!(is_of_time(&format!("rule slow: {}", Allowance::of(&overruns, &mut pace).words())));
        assert_eq!(overrun(&overruns, &mut pace), TIME_MS * TRIES as u64);
    }

    #[test]
    fn the_rules_of_a_record_share_its_time() {
        let (overruns, mut pace) = (Overruns::default(), Pace::timed(|| NOW.get()));
        let allowance = Allowance::of(&overruns, &mut pace);
        pass(400);
        assert_eq!(allowance.left(), TIME_MS - 400);
        pass(10_000);
        assert_eq!(allowance.left(), 1);
        drop(allowance);
        assert!(pace.take_long());
        drop(Allowance::of(&overruns, &mut pace));
        assert!(!pace.take_long(), "one that is quick is not told");
        assert_eq!(pace.take_overtime(), 0, "what was slow and ended is no overrun");
    }
}
