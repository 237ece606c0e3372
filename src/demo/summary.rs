//! What the demo says at its end: whether every record is accounted for, why some are dead letters, what to try next.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::counts::Counts;
use super::damage::Damage;
use super::ledger::{Ledger, Letter};
use super::table::{number, whole};
use super::{OUTPUTS, Output};
use crate::gate::verdict::Route;
use crate::violation::ReasonCode;

/// One in so many reasons is shown with an example: some of every stage.
const EXAMPLES: usize = 2;

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
    /// Records that a reader met, by topic: as they came, and from a converter.
    arrived: [[u64; 2]; OUTPUTS],
    counts: Counts,
    letters: BTreeMap<ReasonCode, Letter>,
    /// What is wrong; nothing if every record is accounted for.
    pub(crate) faults: Vec<String>,
}

impl Report {
    /// Closes the books, and compares them with what gate and converters have counted.
    pub(super) fn new(mut ledger: Ledger, counts: &Counts, time: Duration, rate: u32) -> Self {
        let arrived = Output::ALL.map(|output| ledger.arrived(output));
        let [old, new, dead] = arrived;
        let [up, down] = counts.skipped();
        for (what, came, counted) in [
            ("validated", old[0], counts.gate(Route::Validated)),
            ("for the converter", new[0], counts.gate(Route::Converter)),
            ("dead letters", dead[0] + dead[1], counts.gate(Route::DeadLetter) + counts.not_converted()),
            ("converted up", new[1], counts.written_up()),
            ("converted down", old[1], counts.written_down()),
            ("to be skipped by the converter up", old[1], up),
            ("to be skipped by the converter down", new[1], down),
        ] {
            if came != counted {
                ledger.fault(format!("{came} records came out {what}, and {counted} were counted"));
            }
        }
        let (sent, letters) = (ledger.sent(), ledger.letters().clone());
        Self { time, rate, sent, arrived, counts: counts.clone(), letters, faults: ledger.close() }
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
        for (output, what) in Output::ALL.into_iter().zip([
            "the old topic: every good record, for readers of v2",
            "the new topic: every good record, for readers of v3, which v2 cannot read",
            "at fault: bytes and headers as they came, and the reason in headers",
        ]) {
            let records = self.arrived[output as usize].iter().sum();
            writeln!(f, "  {:>9}  {:<18}  {what}", number(records), output.topic())?;
        }
        Ok(())
    }

    fn write_verdict(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.faults.is_empty() {
            writeln!(f, "\nNOT every record is accounted for ({} sent):", number(self.sent))?;
            return self.faults.iter().try_for_each(|fault| writeln!(f, "  {fault}"));
        }
        let [validated, converter, dead] = self.arrived.map(|[as_sent, _]| number(as_sent));
        let sent = number(self.sent);
        writeln!(
            f,
            "\nevery record accounted for: {sent} sent = {validated} validated + {converter} converter + {dead} dead letters"
        )?;
        self.write_complete(f)?;
        writeln!(
            f,
            "each was read back once from each of its topics: \
             right version, value, key, timestamp, reason, partition and order"
        )
    }

    /// Says of what the two topics are made up.
    fn write_complete(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [old, new, _] = self.arrived;
        let deleted = number(self.counts.passed_up());
        let rest = [
            format!("{} converted down", number(self.counts.converted_down())),
            format!("{} converted up + {deleted} deletions", number(self.counts.converted_up())),
        ];
        let topics = [("both topics are complete:", Output::Old, old), ("", Output::New, new)];
        for ((title, output, [as_sent, converted]), rest) in topics.into_iter().zip(rest) {
            let (topic, all) = (output.topic(), number(as_sent + converted));
            writeln!(f, "{title:<27} {topic:<9} {all} = {} as sent + {rest}", number(as_sent))?;
        }
        let (title, skipped) = ("skipped by the pair:", number(self.counts.skipped().iter().sum()));
        writeln!(f, "{title:<27} {skipped}, all that one converter wrote and the other met: nothing goes round")
    }

    fn write_reasons(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\ndead letters by reason, and what the producer had done")?;
        self.counts.reasons.iter().try_for_each(|&(reason, records)| {
            let story = Damage::behind(reason).map_or("", Damage::story);
            writeln!(f, "  {:>9}  {:<24} {story}", number(records), reason.name())
        })
    }

    fn write_examples(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nsome of them, as their headers tell")?;
        self.letters.iter().step_by(EXAMPLES).try_for_each(|(reason, letter)| {
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
