//! What was measured, for people and pipes: medians of the turns, with the least and the most.
//!
//! Machines change their speed from one minute to the next. So a ratio is one of two turns of the same round, and what is told
//! is the median of those, not the ratio of two medians.

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use crate::bench::gate::{Added, Case, Pace, Shape, Turn};
use crate::commands::bench::shown;

/// What stands above the figures.
pub(super) struct Head {
    pub(super) brokers: String,
    /// Their processes, where they are to be seen.
    pub(super) processes: Option<String>,
    pub(super) shape: Shape,
    pub(super) repeat: u32,
}

/// All figures of a run.
pub(super) enum Table {
    Throughput(Vec<Throughput>),
    Latency(Pace, Vec<Latency>),
}

/// What a case did as fast as it could.
pub(super) struct Throughput {
    case: Case,
    rate: Figure,
    bytes: Figure,
    cpu: Figure,
    brokers_cpu: Option<Figure>,
    peak: Figure,
    /// Records per second ÷ those of the copy.
    rate_of_copy: Figure,
    /// CPU per record ÷ that of the copy.
    cpu_of_copy: Figure,
    /// Records per second ÷ those of at-least-once; of exactly-once only.
    rate_of_at_least_once: Option<Figure>,
}

/// How much later records of a case came, in microseconds.
pub(super) struct Latency {
    case: Case,
    /// By the share of the records that came within it.
    within: [Figure; SHARES.len()],
}

/// The shares of records that are told, and what they are called.
const SHARES: [(f64, &str, &str); 4] =
    [(0.5, "p50", "p50_us"), (0.99, "p99", "p99_us"), (0.999, "p99.9", "p999_us"), (1.0, "most", "most_us")];

/// The median of the turns, and their least and most.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    fn of<T>(turns: &[T], value: impl Fn(&T) -> f64) -> Self {
        let mut values: Vec<_> = turns.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let last = values.len().saturating_sub(1);
        Self { median: f64::midpoint(at(last / 2), at(values.len() / 2)), least: at(0), most: at(last) }
    }

    /// Returns the ratios of what was measured in the same rounds.
    fn ratio<T>(turns: &[T], others: &[T], value: impl Fn(&T) -> f64) -> Self {
        let ratios: Vec<_> = turns.iter().zip(others).map(|(turn, other)| value(turn) / value(other)).collect();
        Self::of(&ratios, |ratio| *ratio)
    }

    fn with_spread(self) -> String {
        format!("{:.2} ({:.2}–{:.2})", self.median, self.least, self.most)
    }

    fn json(self) -> Value {
        json!({ "median": rounded(self.median), "least": rounded(self.least), "most": rounded(self.most) })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Throughput {
    /// Returns the rows of all cases, each with its turns, one of each round.
    pub(super) fn all(measured: &[(Case, Vec<Turn>)]) -> Vec<Self> {
        let turns_of = |is_it: fn(Case) -> bool| {
            measured.iter().find(|(case, _)| is_it(*case)).map_or(&[][..], |(_, turns)| turns.as_slice())
        };
        let copy = turns_of(|case| case == Case::Copy);
        let at_least_once = turns_of(|case| matches!(case, Case::AtLeastOnce(_)));
        measured.iter().map(|(case, turns)| Self::of(*case, turns, copy, at_least_once)).collect()
    }

    fn of(case: Case, turns: &[Turn], copy: &[Turn], at_least_once: &[Turn]) -> Self {
        let rate = |turn: &Turn| turn.per_second;
        Self {
            case,
            rate: Figure::of(turns, rate),
            bytes: Figure::of(turns, |turn| turn.bytes_per_second),
            cpu: Figure::of(turns, |turn| turn.cpu),
            brokers_cpu: turns
                .iter()
                .all(|turn| turn.brokers_cpu.is_some())
                .then(|| Figure::of(turns, |turn| turn.brokers_cpu.unwrap_or(f64::NAN))),
            peak: Figure::of(turns, |turn| turn.peak as f64),
            rate_of_copy: Figure::ratio(turns, copy, rate),
            cpu_of_copy: Figure::ratio(turns, copy, |turn| turn.cpu),
            rate_of_at_least_once: matches!(case, Case::ExactlyOnce(_))
                .then(|| Figure::ratio(turns, at_least_once, rate)),
        }
    }

    fn line(&self) -> String {
        format!(
            "{:<22} {:>10} {:>8.1} {:>17} {:>17} {:>13.2} {:>17} {:>8} {:>10}\n",
            self.case.to_string(),
            HumanCount(whole(self.rate.median)).to_string(),
            self.bytes.median / 1e6,
            self.rate_of_copy.with_spread(),
            self.rate_of_at_least_once.map_or_else(|| "–".to_owned(), Figure::with_spread),
            self.cpu.median,
            self.cpu_of_copy.with_spread(),
            self.brokers_cpu.map_or_else(|| "–".to_owned(), |cpu| format!("{:.2}", cpu.median)),
            HumanBytes(whole(self.peak.median)).to_string(),
        )
    }

    fn json(&self) -> Value {
        json!({
            "case": self.case.to_string(),
            "records_per_second": self.rate.json(),
            "records_per_second_of_copy": self.rate_of_copy.json(),
            "records_per_second_of_at_least_once": self.rate_of_at_least_once.map(Figure::json),
            "bytes_per_second": self.bytes.json(),
            "cpu_us": self.cpu.json(),
            "cpu_of_copy": self.cpu_of_copy.json(),
            "brokers_cpu_us": self.brokers_cpu.map(Figure::json),
            "peak_bytes": self.peak.json(),
        })
    }
}

impl Latency {
    pub(super) fn of(case: Case, turns: &[Added]) -> Self {
        let within = |share| Figure::of(turns, |turn: &Added| turn.percentile(share).as_secs_f64() * 1e6);
        Self { case, within: SHARES.map(|(share, _, _)| within(share)) }
    }

    fn line(&self) -> String {
        let time = |figure: &Figure| {
            let time = std::time::Duration::from_secs_f64(figure.median / 1e6);
            format!(" {:>10}", shown(time))
        };
        format!("{:<22}{}\n", self.case.to_string(), self.within.iter().map(time).collect::<String>())
    }

    fn json(&self) -> Value {
        let mut document = json!({ "case": self.case.to_string() });
        for ((_, _, name), figure) in SHARES.iter().zip(self.within) {
            document[*name] = figure.json();
        }
        document
    }
}

impl Table {
    pub(super) fn text(&self, head: &Head) -> String {
        let Head { brokers, processes, shape, repeat } = head;
        let Shape { records, partitions, gates, schemas, size, codec, damaged } = shape;
        let of = format!(
            "orders of {size} bytes, {} of 100 damaged, compression {}, {}, {} in {} on {brokers}; medians of {repeat}",
            rounded(damaged * 100.0),
            codec.name(),
            number_of(u64::from(*schemas), "schema"),
            number_of(u64::from(*partitions), "partition"),
            number_of(u64::from(*gates), "gate"),
        );
        match self {
            Self::Throughput(rows) => {
                let [rate, bytes, of_copy, of_at_least_once, cpu, cpu_of_copy, brokers, peak] =
                    ["records/s", "MB/s", "÷ copy", "÷ at-least-once", "CPU µs/record", "÷ copy", "brokers'", "memory"];
                let title = format!(
                    "{:<22} {rate:>10} {bytes:>8} {of_copy:>17} {of_at_least_once:>17} {cpu:>13} {cpu_of_copy:>17} {brokers:>8} {peak:>10}\n",
                    ""
                );
                let lines: String = rows.iter().map(Throughput::line).collect();
                format!("{} {of}\n\n{title}{lines}\n{RATIOS}{CPU}{}", HumanCount(*records), told(processes.as_deref()))
            }
            Self::Latency(pace, rows) => {
                let titles: String = SHARES.iter().map(|(_, title, _)| format!(" {title:>10}")).collect();
                let lines: String = rows.iter().map(Latency::line).collect();
                let rate = HumanCount(pace.rate.into());
                format!("{rate} a second, {of}\n\n{:<22}{titles}\n{lines}\n{LATER}", "")
            }
        }
    }

    pub(super) fn document(&self, head: &Head) -> Value {
        let Head { brokers, processes, shape, repeat } = head;
        let mut document = json!({
            "brokers": brokers,
            "size": shape.size,
            "compression": shape.codec.name(),
            "damaged": shape.damaged,
            "partitions": shape.partitions,
            "gates": shape.gates,
            "schemas": shape.schemas,
            "repeat": repeat,
        });
        match self {
            Self::Throughput(rows) => {
                document["records"] = shape.records.into();
                document["broker_processes"] = processes.as_deref().into();
                document["measured"] = rows.iter().map(Throughput::json).collect();
            }
            Self::Latency(pace, rows) => {
                document["rate"] = pace.rate.into();
                document["seconds"] = pace.time.as_secs_f64().into();
                document["added"] = rows.iter().map(Latency::json).collect();
            }
        }
        document
    }
}

const RATIOS: &str = "Ratios are those of each round by itself: their median, the least and the most. From the first commit to the one before\n\
                      the last: neither joining the group nor the last commit's wait counts.\n";

const CPU: &str = "CPU is that of the process alone, on all processors. The copy is a consumer and an idempotent producer without a check, an\n\
                   offset or a transaction. ";

/// Tells whose CPU that of the brokers is.
fn told(processes: Option<&str>) -> String {
    match processes {
        Some(processes) => format!("The brokers' is for each record, too: of process {processes}.\n"),
        None => "The brokers' processes are not to be seen from here.\n".to_owned(),
    }
}

fn number_of(number: u64, what: &str) -> String {
    format!("{} {what}{}", HumanCount(number), if number == 1 { "" } else { "s" })
}

const LATER: &str = "How much later a record can be read in the output than in its source. The brokers, the producer and both readers\n\
                     took their part of the same machine unless they were elsewhere.\n";

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and bytes")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_between_two() {
        let of = |values: &[f64]| Figure::of(values, |value| *value);
        assert_eq!(of(&[3.0, 1.0, 2.0]), Figure { median: 2.0, least: 1.0, most: 3.0 });
        assert_eq!(of(&[4.0, 1.0]), Figure { median: 2.5, least: 1.0, most: 4.0 });
    }

    #[test]
    fn a_ratio_is_of_two_turns_of_a_round() {
        let turns = |rates: [f64; 3]| {
            rates.map(|rate| Turn { per_second: rate, bytes_per_second: rate, cpu: rate, brokers_cpu: None, peak: 1 })
        };
        let interval = std::time::Duration::from_secs(1);
        let measured = [
            (Case::Copy, turns([100.0, 50.0, 200.0]).to_vec()),
            (Case::AtLeastOnce(interval), turns([90.0, 50.0, 150.0]).to_vec()),
            (Case::ExactlyOnce(interval), turns([90.0, 40.0, 120.0]).to_vec()),
        ];
        let rows = Throughput::all(&measured);
        let [copy, at_least_once, exactly_once] = rows.as_slice() else { panic!("three rows") };
        assert_eq!(copy.rate_of_copy, Figure { median: 1.0, least: 1.0, most: 1.0 });
        assert_eq!(exactly_once.rate_of_copy, Figure { median: 0.8, least: 0.6, most: 0.9 });
        assert_eq!(exactly_once.rate_of_at_least_once, Some(Figure { median: 0.8, least: 0.8, most: 1.0 }));
        assert_eq!(at_least_once.rate_of_at_least_once, None);
    }
}
