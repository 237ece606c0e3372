//! What the demo shows while it runs: a table that is drawn anew in place, or a line every two seconds.
//!
//! The text is made by pure functions of the last [`View`]s. Colours are left out where `NO_COLOR` is set, and the table where the output is no terminal.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use indicatif::HumanCount;

use super::counts::Counts;
use super::{DOWN, GATE, Output, SOURCE, UP};
use crate::gate::verdict::Route;
use crate::violation::ReasonCode;

/// Rates are those of the last two seconds: commits come four times in one, and shorter spans flicker.
const WINDOW: Duration = Duration::from_secs(2);

/// Characters of the bar of 100 %.
const BAR: f64 = 30.0;

/// The outcomes of the gate's records, by the words of the display.
const OUTCOMES: [(&str, Route); 3] =
    [("validated", Route::Validated), ("converter", Route::Converter), ("dead letters", Route::DeadLetter)];

/// The words of the table and of a line, and what they count.
type Converted = (&'static str, &'static str, fn(&View) -> u64);

/// What the pair of converters has done, by the words of the table and of a line.
const CONVERTED: [Converted; 3] = [
    ("converted up", "up", |view| view.counts.converted_up()),
    ("converted down", "down", |view| view.counts.converted_down()),
    ("skipped", "skipped", |view| view.counts.skipped().iter().sum()),
];

/// Counters at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct View {
    /// Time since the first record.
    pub(crate) elapsed: Duration,
    sent: u64,
    counts: Counts,
    held: BTreeSet<&'static str>,
}

impl View {
    pub(super) fn new(elapsed: Duration, sent: u64, counts: Counts, held: BTreeSet<&'static str>) -> Self {
        Self { elapsed, sent, counts, held }
    }

    /// Returns which part of all records that the gate has decided this is.
    fn share(&self, route: Route) -> f64 {
        self.counts.gate(route) as f64 / self.counts.decided().max(1) as f64
    }

    /// Returns why partitions are held back, if any are.
    fn held(&self) -> String {
        let causes: Vec<_> = self.held.iter().copied().collect();
        if causes.is_empty() { String::new() } else { format!("held back: {}", causes.join(", ")) }
    }

    /// Returns the records that gate and converters have not decided about, or not committed.
    pub(super) fn waiting(&self) -> u64 {
        self.counts.waiting(self.sent)
    }

    fn reason(&self, wanted: ReasonCode) -> u64 {
        self.counts.reasons.iter().find(|(reason, _)| *reason == wanted).map_or(0, |(_, records)| *records)
    }
}

/// The views of the last moments, for rates.
#[derive(Debug, Default)]
pub(crate) struct History(VecDeque<View>);

impl History {
    /// Adds the newest view; those that are too old for a rate go.
    pub(crate) fn add(&mut self, view: View) {
        let oldest = view.elapsed.saturating_sub(WINDOW);
        while self.0.get(1).is_some_and(|second| second.elapsed <= oldest) {
            self.0.pop_front();
        }
        self.0.push_back(view);
    }

    fn rate(&self, count: impl Fn(&View) -> u64) -> u64 {
        let (Some(first), Some(last)) = (self.0.front(), self.0.back()) else { return 0 };
        let time = last.elapsed.saturating_sub(first.elapsed).as_secs_f64();
        let records = count(last).saturating_sub(count(first)) as f64;
        if time > 0.0 { whole(records / time) } else { 0 }
    }

    /// Returns the table; `until` is how long traffic is made, `None`: until interrupted.
    pub(crate) fn table(&self, until: Option<Duration>, colours: bool) -> String {
        let Some(view) = self.0.back() else { return String::new() };
        let paint =
            |code: &str, text: &str| if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() };
        let counts =
            |count: &dyn Fn(&View) -> u64| format!("{:>12}{:>13}", number(count(view)), number(self.rate(count)));
        let time = time(view.elapsed, until);
        let mut lines = vec![
            paint("1", &way()),
            paint("1", &pair()),
            paint("2", &format!("  {time:<19}{:>7}{:>13}{:>10}", "records", "per second", "share")),
            format!("  {:<14}{}", "sent", counts(&|view| view.sent)),
        ];
        for ((name, route), colour) in OUTCOMES.into_iter().zip(["32", "36", "31"]) {
            let share = view.share(route);
            let bar = "█".repeat(usize::try_from(whole((share * BAR).ceil())).unwrap_or_default());
            let counts = counts(&|view| view.counts.gate(route));
            lines.push(format!("  {name:<14}{counts}{:>8.1} %  {}", share * 100.0, paint(colour, &bar)));
        }
        lines.extend(CONVERTED.map(|(name, _, count)| format!("  {name:<14}{}", counts(&count))));
        lines.push(format!("  {:<14}{:>12}  {}", "waiting", number(view.waiting()), paint("33", &view.held())));
        lines.push(String::new());
        lines.push(paint("2", "  dead letters by reason"));
        lines.extend(view.counts.reasons.chunks(2).map(|pair| pair.iter().map(|reason| self.reason(reason)).collect()));
        lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
    }

    fn reason(&self, (reason, records): &(ReasonCode, u64)) -> String {
        let rate = self.rate(|view| view.reason(*reason));
        format!("  {:<23}{:>7}{rate:>4}/s", reason.name(), number(*records))
    }

    /// Returns one line of counts.
    pub(crate) fn line(&self) -> String {
        let Some(view) = self.0.back() else { return String::new() };
        let count = |name, count| format!(" {:>7} {name}", number(count));
        let counts = OUTCOMES.map(|(name, route)| count(name, view.counts.gate(route))).concat();
        let counts = counts + &CONVERTED.map(|(_, name, of)| count(name, of(view))).concat();
        let (time, sent, waiting) = (view.elapsed.as_secs_f64(), number(view.sent), number(view.waiting()));
        format!("{time:>4.0} s {sent:>7} sent{counts} {waiting:>6} waiting  {}", view.held()).trim_end().to_owned()
    }
}

/// Returns what a terminal has to be sent to show a table over the last one, whose height is kept in `height`.
/// Lines that are too long are cut by the terminal, so that the height is right however narrow it is.
pub(crate) fn redraw(table: &str, height: &mut usize) -> String {
    let up = if *height == 0 { String::new() } else { format!("\x1b[{height}A") };
    let lines: String = table.lines().map(|line| format!("{line}\x1b[K\n")).collect();
    *height = table.lines().count();
    format!("\r{up}\x1b[?7l{lines}\x1b[?7h\x1b[J")
}

/// Returns the way of the records through the gate, in words.
fn way() -> String {
    let outputs = Output::ALL.map(Output::topic).join(", ");
    format!("{SOURCE} ─> gate '{GATE}' ─> {outputs}")
}

/// Returns their ways through the converters.
fn pair() -> String {
    let [old, new] = [Output::Old, Output::New].map(Output::topic);
    format!("{old} ─> converter '{UP}' ─> {new} ─> converter '{DOWN}' ─> {old}")
}

fn time(elapsed: Duration, until: Option<Duration>) -> String {
    match until {
        Some(until) => format!("{} s of {} s", elapsed.min(until).as_secs(), until.as_secs()),
        None => format!("{} s, until Ctrl-C", elapsed.as_secs()),
    }
}

/// Writes a number with its thousands apart.
pub(super) fn number(number: u64) -> String {
    HumanCount(number).to_string()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "rates and shares are small and not negative"
)]
pub(super) fn whole(number: f64) -> u64 {
    number.round() as u64
}
