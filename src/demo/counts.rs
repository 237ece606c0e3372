//! What the gate and the two converters have counted at one moment.
//!
//! Each counter moves when its transaction has committed. A record is waiting until the gate has decided about it, and
//! then until the converter that reads its topic has: what one of the two writes, the other one has to skip.

use crate::gate::verdict::Route;
use crate::telemetry::metrics::OutcomeCount;
use crate::violation::ReasonCode;

/// Counts of the gate or a converter, by route.
type Outcomes = [u64; Route::ALL.len()];

/// The counters of all three.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Counts {
    gate: Outcomes,
    up: Outcomes,
    down: Outcomes,
    /// The gate's dead letters.
    pub(super) reasons: Vec<(ReasonCode, u64)>,
}

impl Counts {
    /// Adds up what the gate, the converter up and the one down have counted.
    pub(super) fn new(gate: &[OutcomeCount], up: &[OutcomeCount], down: &[OutcomeCount]) -> Self {
        let reasons = gate.iter().filter_map(|count| Some((count.reason?, count.records))).collect();
        Self { gate: by_route(gate), up: by_route(up), down: by_route(down), reasons }
    }

    /// Returns the gate's records that went there.
    pub(super) fn gate(&self, route: Route) -> u64 {
        self.gate[route as usize]
    }

    /// Returns the records about which the gate has decided.
    pub(super) fn decided(&self) -> u64 {
        self.gate.iter().sum()
    }

    /// Returns the orders that were made ones of the newer version.
    pub(super) fn converted_up(&self) -> u64 {
        self.up[Route::Converted as usize]
    }

    /// Returns the orders that were made ones of the older version.
    pub(super) fn converted_down(&self) -> u64 {
        self.down[Route::Converted as usize]
    }

    /// Returns the deletions that passed the converter up: they have no version.
    pub(super) fn passed_up(&self) -> u64 {
        self.up[Route::Validated as usize]
    }

    /// Returns what the converter up has written.
    pub(super) fn written_up(&self) -> u64 {
        self.converted_up() + self.passed_up()
    }

    /// Returns what the converter down has written.
    pub(super) fn written_down(&self) -> u64 {
        self.converted_down() + self.down[Route::Validated as usize]
    }

    /// Returns the records that each converter has met as the other one's work, up and down.
    pub(super) fn skipped(&self) -> [u64; 2] {
        [&self.up, &self.down].map(|outcomes| outcomes[Route::Skipped as usize])
    }

    /// Returns the records that a converter could not convert: none, or something is wrong.
    pub(super) fn not_converted(&self) -> u64 {
        [&self.up, &self.down].into_iter().map(|outcomes| outcomes[Route::DeadLetter as usize]).sum()
    }

    /// Returns of so many records sent those that are still to be decided about, converted or skipped.
    pub(super) fn waiting(&self, sent: u64) -> u64 {
        let done = |outcomes: &Outcomes| outcomes.iter().sum();
        let old = self.gate(Route::Validated) + self.written_down();
        let new = self.gate(Route::Converter) + self.written_up();
        let left = [(sent, self.decided()), (old, done(&self.up)), (new, done(&self.down))];
        left.into_iter().map(|(there, done)| there.saturating_sub(done)).sum()
    }
}

fn by_route(counts: &[OutcomeCount]) -> Outcomes {
    let mut outcomes = Outcomes::default();
    counts.iter().for_each(|count| outcomes[count.route as usize] += count.records);
    outcomes
}
