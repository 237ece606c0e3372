//! The last ten minutes of each gate: how many records had which outcome, and how far it was behind.
//!
//! Counters alone say how much, not how much *now*. The admin server looks at them every five seconds, whether anybody
//! watches or not, so that whoever opens the page in the night sees since when. It is for people: alerts and longer times
//! are Prometheus' business.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::gate::verdict::Route;
use crate::telemetry::metrics::OutcomeCount;
use crate::telemetry::{Health, Metrics};

/// Time between two looks.
pub(super) const INTERVAL: Duration = Duration::from_secs(5);

/// What is kept.
pub(super) const SPAN: Duration = Duration::from_secs(600);

/// Over which rates are taken: long enough to be calm, short enough to be now.
const RATE_WINDOW: Duration = Duration::from_secs(10);

/// Rates are of this time at least, else a first commit looks like a flood.
const LEAST_WINDOW: f64 = 1.0;

/// Records by outcome, since the process started.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Totals([u64; Route::ALL.len()]);

impl Totals {
    /// Sums over the reasons.
    pub(super) fn of(counts: &[OutcomeCount]) -> Self {
        let mut totals = Self::default();
        for count in counts {
            totals.0[count.route as usize] += count.records;
        }
        totals
    }

    fn since(self, before: Self) -> Self {
        Self(std::array::from_fn(|index| self.0[index].saturating_sub(before.0[index])))
    }

    /// Returns all records.
    pub(super) fn records(self) -> u64 {
        self.0.iter().sum()
    }

    /// Returns those of an outcome.
    pub(super) fn get(self, route: Route) -> u64 {
        self.0[route as usize]
    }
}

/// Records per second.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Rates {
    /// All records.
    pub records: f64,
    /// By outcome.
    pub outcomes: BTreeMap<&'static str, f64>,
}

#[derive(Debug, Clone, Copy)]
struct Sample {
    at: Instant,
    totals: Totals,
    lag: i64,
}

/// What the page draws: a value per interval, the last one at the end.
#[derive(Debug, Serialize)]
pub(super) struct Chart {
    /// Records with a good end: validated, converted, or left alone by policy.
    good: Vec<u64>,
    /// Records for the converter.
    diverted: Vec<u64>,
    /// Dead letters.
    bad: Vec<u64>,
    /// Records not committed yet.
    lag: Vec<i64>,
}

/// The last minutes of all gates.
#[derive(Debug, Default)]
pub(super) struct History(Mutex<BTreeMap<String, VecDeque<Sample>>>);

impl History {
    /// Looks at all gates.
    pub(super) fn look(&self, metrics: &Metrics, health: &Health, now: Instant) {
        let mut lags: BTreeMap<String, i64> = BTreeMap::new();
        for pipeline in health.pipelines() {
            let board = pipeline.board();
            *lags.entry(pipeline.gate().to_owned()).or_default() +=
                board.partitions.values().filter_map(|partition| partition.lag).sum::<i64>();
        }
        for (gate, lag) in lags {
            // One that has gone meanwhile must not come back by being looked at.
            let Some(of_gate) = metrics.find(&gate) else { continue };
            self.add(gate, Sample { at: now, totals: Totals::of(&of_gate.outcomes()), lag });
        }
        self.lock().retain(|gate, _| metrics.find(gate).is_some());
    }

    fn add(&self, gate: String, sample: Sample) {
        let mut gates = self.lock();
        let samples = gates.entry(gate).or_default();
        samples.push_back(sample);
        while samples.front().is_some_and(|first| sample.at.duration_since(first.at) > SPAN) {
            samples.pop_front();
        }
    }

    /// Returns the rates of a gate that has counted so much by now.
    pub(super) fn rates(&self, gate: &str, totals: Totals, now: Instant) -> Rates {
        let before = self.before(gate, now, RATE_WINDOW);
        let seconds = before.map_or(0.0, |before| now.duration_since(before.at).as_secs_f64()).max(LEAST_WINDOW);
        let counted = before.map_or(Totals::default(), |before| totals.since(before.totals));
        let rate = |records: u64| (records as f64 / seconds * 10.0).round() / 10.0;
        let outcomes = Route::ALL.map(|route| (route.outcome(), rate(counted.get(route))));
        Rates { records: rate(counted.records()), outcomes: outcomes.into() }
    }

    /// Returns what a gate that has counted so much by now has counted in this time, or since the first look where that
    /// was later.
    pub(super) fn counted(&self, gate: &str, totals: Totals, now: Instant, span: Duration) -> Totals {
        self.before(gate, now, span).map_or(Totals::default(), |before| totals.since(before.totals))
    }

    /// Returns how far a gate was behind this time ago; `None` where that was before the first look.
    pub(super) fn lag(&self, gate: &str, now: Instant, ago: Duration) -> Option<i64> {
        self.before(gate, now, ago).filter(|sample| now.duration_since(sample.at) >= ago).map(|sample| sample.lag)
    }

    /// Returns the charts of all gates.
    pub(super) fn charts(&self) -> BTreeMap<String, Chart> {
        self.lock().iter().map(|(gate, samples)| (gate.clone(), Chart::of(samples))).collect()
    }

    /// Finds the last look of at least so long ago, else the first.
    fn before(&self, gate: &str, now: Instant, ago: Duration) -> Option<Sample> {
        let gates = self.lock();
        let samples = gates.get(gate)?;
        let old = samples.iter().rev().find(|sample| now.saturating_duration_since(sample.at) >= ago);
        old.or(samples.front()).copied()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, VecDeque<Sample>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chart {
    fn of(samples: &VecDeque<Sample>) -> Self {
        let mut chart = Self { good: Vec::new(), diverted: Vec::new(), bad: Vec::new(), lag: Vec::new() };
        for (before, sample) in samples.iter().zip(samples.iter().skip(1)) {
            let counted = sample.totals.since(before.totals);
            let (diverted, bad) = (counted.get(Route::Converter), counted.get(Route::DeadLetter));
            chart.good.push(counted.records() - diverted - bad);
            chart.diverted.push(diverted);
            chart.bad.push(bad);
            chart.lag.push(sample.lag);
        }
        chart
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn totals(validated: u64, dead_letters: u64) -> Totals {
        let count = |route, records| OutcomeCount { route, reason: None, records };
        Totals::of(&[count(Route::Validated, validated), count(Route::DeadLetter, dead_letters)])
    }

    #[test]
    fn tells_what_is_now_from_what_was() {
        let (history, start) = (History::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(history.rates("orders", totals(9, 0), at(0)).records, 0.0, "nothing is known before the first look");
        for look in 0..=200 {
            let bad = if look > 190 { (look - 190) * 10 } else { 0 };
            let sample = Sample { at: at(look * 5), totals: totals(look * 500, bad), lag: look as i64 };
            history.add("orders".to_owned(), sample);
        }
        let rates = history.rates("orders", totals(100_400, 100), at(1004));
        // The look of at least ten seconds ago is that of 990.
        assert_eq!(rates.outcomes["validated"], (1400.0_f64 / 14.0 * 10.0).round() / 10.0);
        assert_eq!(rates.outcomes["dead_letter"], (20.0_f64 / 14.0 * 10.0).round() / 10.0);
        let five_minutes = Duration::from_secs(300);
        assert_eq!(history.counted("orders", totals(100_000, 100), at(1000), five_minutes), totals(30_000, 100));
        assert_eq!(history.lag("orders", at(1000), Duration::from_secs(300)), Some(140));
        assert_eq!(history.lag("orders", at(1000), SPAN * 2), None);
        let chart = &history.charts()["orders"];
        assert_eq!(chart.good.len(), 120, "ten minutes are kept");
        assert_eq!((chart.good[119], chart.bad[119], chart.bad[100]), (500, 10, 0));
    }
}
