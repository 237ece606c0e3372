//! What was measured, for people and pipes: medians of the turns, with the least and the most.

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use crate::bench::gate::{Added, Case, Pace, Shape, Turn};
use crate::commands::bench::shown;

/// What stands above the figures.
pub(super) struct Head {
    pub(super) brokers: String,
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
    peak: Figure,
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

    fn json(self) -> Value {
        json!({ "median": rounded(self.median), "least": rounded(self.least), "most": rounded(self.most) })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

impl Throughput {
    pub(super) fn of(case: Case, turns: &[Turn]) -> Self {
        Self {
            case,
            rate: Figure::of(turns, |turn| turn.per_second),
            bytes: Figure::of(turns, |turn| turn.bytes_per_second),
            cpu: Figure::of(turns, |turn| turn.cpu),
            peak: Figure::of(turns, |turn| turn.peak as f64),
        }
    }

    fn line(&self, copy: &Self) -> String {
        let Self { case, rate, bytes, cpu, peak } = self;
        format!(
            "{:<22} {:>10} {:>8.1} {:>6.2} {:>18} {:>6.2} {:>10}\n",
            case.to_string(),
            HumanCount(whole(rate.median)).to_string(),
            bytes.median / 1e6,
            rate.median / copy.rate.median,
            format!("{:.2} ({:.2}–{:.2})", cpu.median, cpu.least, cpu.most),
            cpu.median / copy.cpu.median,
            HumanBytes(whole(peak.median)).to_string(),
        )
    }

    fn json(&self) -> Value {
        json!({
            "case": self.case.to_string(),
            "records_per_second": self.rate.json(),
            "bytes_per_second": self.bytes.json(),
            "cpu_us": self.cpu.json(),
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
        let Head { brokers, shape: Shape { records, partitions, size, codec, damaged }, repeat } = head;
        let of = format!(
            "orders of {size} bytes, {} of 100 damaged, compression {}, {partitions} partitions on {brokers}; medians of {repeat}",
            rounded(damaged * 100.0),
            codec.name(),
        );
        match self {
            Self::Throughput(rows) => {
                let titles = ["records/s", "MB/s", "÷ copy", "CPU µs/record", "÷ copy", "memory"];
                let [rate, bytes, ratio, cpu, ratio_of_cpu, peak] = titles;
                let title =
                    format!("{:<22} {rate:>10} {bytes:>8} {ratio:>6} {cpu:>18} {ratio_of_cpu:>6} {peak:>10}\n", "");
                let lines = rows.iter().zip(rows.iter().take(1).cycle()).map(|(row, copy)| row.line(copy));
                format!("{} {of}\n\n{title}{}\n{CPU}", HumanCount(*records), lines.collect::<String>())
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
        let Head { brokers, shape, repeat } = head;
        let mut document = json!({
            "brokers": brokers,
            "size": shape.size,
            "compression": shape.codec.name(),
            "damaged": shape.damaged,
            "partitions": shape.partitions,
            "repeat": repeat,
        });
        match self {
            Self::Throughput(rows) => {
                document["records"] = shape.records.into();
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

const CPU: &str = "CPU is that of the process alone, on all processors. The brokers took theirs of the same machine unless they were\n\
                   elsewhere. The copy is a consumer and an idempotent producer without a check, an offset or a transaction.\n";

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
}
