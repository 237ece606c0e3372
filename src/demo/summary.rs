//! What the demo says at its end: whether every record is accounted for, why some are dead letters, what to try next.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::OUTPUTS;
use super::damage::Damage;
use super::ledger::{Ledger, Letter};
use super::table::{number, whole};
use crate::gate::verdict::Route;
use crate::telemetry::metrics::OutcomeCount;
use crate::violation::ReasonCode;

/// Dead letters that are shown whole.
const EXAMPLES: usize = 5;

/// Sent less than this part of what was asked for, the summary says why.
const FULL_RATE: f64 = 0.9;

/// The end of a demo; prints itself as the summary.
#[derive(Debug)]
pub(crate) struct Report {
    /// How long records were sent.
    time: Duration,
    /// Records per second that were asked for.
    rate: u32,
    /// Records that were sent.
    sent: u64,
    /// Records that a reader met, by outcome.
    arrived: [u64; Route::ALL.len()],
    reasons: BTreeMap<ReasonCode, u64>,
    letters: BTreeMap<ReasonCode, Letter>,
    /// What is wrong; nothing if every record is accounted for.
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// Closes the books, and compares them with what the gate has counted.
    pub(super) fn new(mut ledger: Ledger, counts: &[OutcomeCount], time: Duration, rate: u32) -> Self {
        let arrived = Route::ALL.map(|route| ledger.arrived(route));
        let mut counted = [0; Route::ALL.len()];
        counts.iter().for_each(|count| counted[count.route as usize] += count.records);
        for (route, (arrived, counted)) in Route::ALL.into_iter().zip(arrived.into_iter().zip(counted)) {
            if arrived != counted {
                let outcome = route.outcome();
                ledger.fault(format!(
                    "{arrived} records of outcome '{outcome}' came out, and the gate counted {counted}"
                ));
            }
        }
        let reasons = counts.iter().filter_map(|count| Some((count.reason?, count.records))).collect();
        let (sent, letters) = (ledger.sent(), ledger.letters().clone());
        Self { time, rate, sent, arrived, reasons, letters, faults: ledger.close() }
    }

    fn write_outputs(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (sent, seconds) = (number(self.sent), self.time.as_secs_f64());
        let reached = self.sent as f64 / seconds.max(0.001);
        writeln!(f, "{sent} records in {seconds:.1} s, {} per second", number(whole(reached)))?;
        if seconds >= 1.0 && reached < f64::from(self.rate) * FULL_RATE {
            let rate = number(self.rate.into());
            writeln!(
                f,
                "(not the {rate} asked for: producers wait for the gate, as the embedded broker keeps little)"
            )?;
        }
        for ((topic, route), what) in OUTPUTS.iter().zip([
            "good, and readers of v2 can read them",
            "good, but of v3, which readers of v2 cannot read",
            "at fault: bytes and headers as they came, and the reason in headers",
        ]) {
            writeln!(f, "  {:>9}  {topic:<18}  {what}", number(self.arrived[*route as usize]))?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.faults.is_empty() {
            writeln!(f, "\nNOT every record is accounted for ({} sent):", number(self.sent))?;
            return self.faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"));
        }
        let [validated, converter, dead] = OUTPUTS.map(|(_, route)| number(self.arrived[route as usize]));
        let sent = number(self.sent);
        writeln!(
            f,
            "\nevery record accounted for: {sent} sent = {validated} validated + {converter} converter + {dead} dead letters"
        )?;
        writeln!(f, "each was read back once: right topic and reason, same key, value, timestamp, partition and order")
    }

    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ndead letters by reason, and what the producer had done")?;
        self.reasons.iter().try_for_each(|(&reason, &records)| {
            let story = Damage::behind(reason).map_or("", Damage::story);
            writeln!(f, "  {:>9}  {:<24} {story}", number(records), reason.name())
        })
    }

    fn write_examples(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nsome of them, as their headers tell")?;
        // The latest stages know most: a path into the order.
        self.letters.iter().rev().take(EXAMPLES).try_for_each(|(reason, letter)| {
            let path = letter.path.as_ref().map(|path| format!(" at '{path}'")).unwrap_or_default();
            writeln!(f, "  {:<18} {reason}{path}: {}", letter.source, letter.detail)
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_outputs(f)?;
        self.write_verdict(f)?;
        self.write_reasons(f)?;
        self.write_examples(f)
    }
}
