//! What the demo says at its end: whether every record is accounted for, why some are dead letters, what to try next.

use std::collections::BTreeMap;
use std::fmt::Write as _;
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

/// The end of a demo.
#[derive(Debug)]
pub(crate) struct Report {
    /// Records that the broker took.
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
    pub(super) fn new(mut ledger: Ledger, counts: &[OutcomeCount]) -> Self {
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
        Self { sent, arrived, reasons, letters, faults: ledger.close() }
    }

    /// Returns the summary of a demo that sent records for `time`, asked to send `rate` per second.
    pub(crate) fn text(&self, time: Duration, rate: u32) -> String {
        let mut text = String::new();
        self.write(&mut text, time, rate).expect("writing to a string cannot fail");
        text
    }

    fn write(&self, text: &mut String, time: Duration, rate: u32) -> std::fmt::Result {
        let reached = self.sent as f64 / time.as_secs_f64().max(0.001);
        writeln!(
            text,
            "{} records in {:.1} s, {} per second",
            number(self.sent),
            time.as_secs_f64(),
            number(whole(reached))
        )?;
        if reached < f64::from(rate) * FULL_RATE {
            let rate = number(rate.into());
            writeln!(
                text,
                "(not the {rate} asked for: producers wait for the gate, since the embedded broker keeps little)"
            )?;
        }
        for ((topic, route), what) in OUTPUTS.iter().zip([
            "read under the registry's schema; readers of v2 can read them",
            "good, but of v3, which readers of v2 cannot read",
            "at fault; bytes and headers as they came, and the reason in headers",
        ]) {
            writeln!(text, "  {:>9}  {topic:<20} {what}", number(self.arrived[*route as usize]))?;
        }
        self.write_verdict(text)?;
        self.write_reasons(text)?;
        self.write_examples(text)
    }

    fn write_verdict(&self, text: &mut String) -> std::fmt::Result {
        if !self.faults.is_empty() {
            writeln!(text, "\nNOT every record is accounted for ({} sent):", number(self.sent))?;
            return self.faults.iter().try_for_each(|fault| writeln!(text, "  {fault}"));
        }
        let [validated, converter, dead] = OUTPUTS.map(|(_, route)| number(self.arrived[route as usize]));
        let sent = number(self.sent);
        writeln!(
            text,
            "\nevery record accounted for: {sent} sent = {validated} validated + {converter} converter + {dead} dead letters"
        )?;
        writeln!(
            text,
            "each was read back once: right topic and reason, same key, value, timestamp, partition and order"
        )
    }

    fn write_reasons(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\ndead letters by reason, and what the producer had done")?;
        self.reasons.iter().try_for_each(|(&reason, &records)| {
            let story = Damage::behind(reason).map_or("", Damage::story);
            writeln!(text, "  {:>9}  {:<24} {story}", number(records), reason.name())
        })
    }

    fn write_examples(&self, text: &mut String) -> std::fmt::Result {
        writeln!(text, "\nsome of them, as their headers tell")?;
        // The latest stages know most: a path into the order.
        self.letters.iter().rev().take(EXAMPLES).try_for_each(|(reason, letter)| {
            let path = letter.path.as_ref().map(|path| format!(" at '{path}'")).unwrap_or_default();
            writeln!(text, "  {:<18} {reason}{path}: {}", letter.source, letter.detail)
        })
    }
}
