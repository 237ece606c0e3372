//! `sluice bench gate`: the cases in turn, and a table of medians beside those of the plain copy.

use std::io::Write;
use std::time::Duration;

use indicatif::{HumanBytes, HumanCount};
use serde_json::{Value, json};

use crate::bench::gate::{Bench, Case, Error, Shape, Turn};
use crate::cli::{BenchCluster, BenchGate, Output};
use crate::commands::progress::Progress;
use crate::commands::remote::{print, print_json};
use crate::commands::run::Signals;
use crate::commands::{Exit, Failure, mistakes};
use crate::config::{Config, Kafka};

/// Measures the cases in turn.
///
/// # Errors
/// The brokers do not answer, or what is measured ends or stands still.
pub(super) async fn run(asked: &BenchGate, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let kafka = cluster(&asked.cluster)?;
    let brokers = kafka.get("bootstrap.servers").unwrap_or_default().to_owned();
    let shape = Shape {
        records: asked.records,
        partitions: asked.partitions.into(),
        size: usize::try_from(asked.size).unwrap_or(usize::MAX),
        codec: asked.compression,
        damaged: asked.damaged,
    };
    let mut bench = Bench::start(kafka, shape).await.map_err(Failure::fatal)?;
    let cases = cases(&asked.intervals);
    let measured = tokio::select! {
        measured = measure(&mut bench, &cases, shape, asked.repeat) => Some(measured),
        _ = signals.next() => None,
    };
    if let Some(left) = bench.clear().await {
        writeln!(std::io::stderr(), "{left}").ok();
    }
    let Some(measured) = measured else { return Ok(Exit::Done) };
    let rows: Vec<_> = measured.map_err(Failure::fatal)?.iter().map(|(case, turns)| Row::of(*case, turns)).collect();
    match asked.output {
        Output::Json => print_json(out, &document(&brokers, shape, asked.repeat, &rows))?,
        Output::Text => print(out, &text(&brokers, shape, asked.repeat, &rows))?,
    }
    Ok(Exit::Done)
}

fn cluster(asked: &BenchCluster) -> Result<Kafka, Failure> {
    match (&asked.config, &asked.brokers) {
        (Some(file), _) => Config::load_kafka(file).map_err(|errors| mistakes(file, &errors)),
        (None, brokers) => {
            let brokers = brokers.as_deref().unwrap_or_default();
            Config::kafka_at(brokers).map_err(|errors| mistakes("--brokers".as_ref(), &errors))
        }
    }
}

/// Returns what is measured: the copy, the first interval in all its forms, and the further intervals.
fn cases(intervals: &[Duration]) -> Vec<Case> {
    let first = intervals.first().copied().unwrap_or(Duration::from_millis(250));
    let mut cases = vec![Case::Copy, Case::Unchecked(first), Case::AtLeastOnce(first)];
    cases.extend(intervals.iter().map(|interval| Case::ExactlyOnce(*interval)));
    cases
}

async fn measure(
    bench: &mut Bench,
    cases: &[Case],
    shape: Shape,
    repeat: u32,
) -> Result<Vec<(Case, Vec<Turn>)>, Error> {
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let of = count(shape.records);
    let filling = Progress::new("records written");
    bench.fill(move |done| filling.show(count(done), of)).await?;
    let measuring = Progress::new("records measured");
    let whole = of * cases.len() * usize::try_from(repeat).unwrap_or(usize::MAX);
    let mut measured: Vec<_> = cases.iter().map(|case| (*case, Vec::new())).collect();
    let mut before = 0;
    for _ in 0..repeat {
        for (case, turns) in &mut measured {
            turns.push(bench.turn(*case, &|done| measuring.show(before + count(done).min(of), whole)).await?);
            before += of;
        }
    }
    Ok(measured)
}

/// The median of something, and its least and most.
#[derive(Debug, Clone, Copy)]
struct Figure {
    median: f64,
    least: f64,
    most: f64,
}

impl Figure {
    fn of(turns: &[Turn], value: impl Fn(&Turn) -> f64) -> Self {
        let mut values: Vec<_> = turns.iter().map(value).collect();
        values.sort_by(f64::total_cmp);
        let at = |index: usize| values.get(index).copied().unwrap_or(f64::NAN);
        let (low, high) = (at(values.len().saturating_sub(1) / 2), at(values.len() / 2));
        Self { median: f64::midpoint(low, high), least: at(0), most: at(values.len().saturating_sub(1)) }
    }

    fn json(self) -> Value {
        json!({ "median": rounded(self.median), "least": rounded(self.least), "most": rounded(self.most) })
    }
}

fn rounded(value: f64) -> f64 {
    (value * 1e3).round() / 1e3
}

/// What was measured of one case.
#[derive(Debug, Clone)]
struct Row {
    case: Case,
    rate: Figure,
    bytes: Figure,
    cpu: Figure,
    peak: Figure,
}

impl Row {
    fn of(case: Case, turns: &[Turn]) -> Self {
        Self {
            case,
            rate: Figure::of(turns, |turn| turn.per_second),
            bytes: Figure::of(turns, |turn| turn.bytes_per_second),
            cpu: Figure::of(turns, |turn| turn.cpu),
            peak: Figure::of(turns, |turn| turn.peak as f64),
        }
    }
}

fn text(brokers: &str, shape: Shape, repeat: u32, rows: &[Row]) -> String {
    let Shape { records, partitions, size, codec, damaged } = shape;
    let mut text = format!(
        "{} orders of {size} bytes, {} of 100 damaged, compression {}, {partitions} partitions on {brokers}; medians of {repeat}\n\n\
         {:<22} {:>10} {:>8} {:>6} {:>18} {:>6} {:>10}\n",
        HumanCount(records),
        rounded(damaged * 100.0),
        codec.name(),
        "",
        "records/s",
        "MB/s",
        "÷ copy",
        "CPU µs/record",
        "÷ copy",
        "memory",
    );
    let Some(copy) = rows.first() else { return text };
    for row in rows {
        let Row { case, rate, bytes, cpu, peak } = row;
        text += &format!(
            "{:<22} {:>10} {:>8.1} {:>6.2} {:>6.2} ({:.2}–{:.2}) {:>6.2} {:>10}\n",
            case.to_string(),
            HumanCount(whole(rate.median)).to_string(),
            bytes.median / 1e6,
            rate.median / copy.rate.median,
            cpu.median,
            cpu.least,
            cpu.most,
            cpu.median / copy.cpu.median,
            HumanBytes(whole(peak.median)).to_string(),
        );
    }
    text + "\nCPU is that of the process alone, on all processors. The brokers took theirs of the same machine unless they were\n\
            elsewhere. The copy is a consumer and an idempotent producer without a check, an offset or a transaction.\n"
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "counts and bytes")]
fn whole(value: f64) -> u64 {
    value.round() as u64
}

fn document(brokers: &str, shape: Shape, repeat: u32, rows: &[Row]) -> Value {
    let row = |row: &Row| {
        json!({
            "case": row.case.to_string(),
            "records_per_second": row.rate.json(),
            "bytes_per_second": row.bytes.json(),
            "cpu_us": row.cpu.json(),
            "peak_bytes": row.peak.json(),
        })
    };
    json!({
        "brokers": brokers,
        "records": shape.records,
        "size": shape.size,
        "compression": shape.codec.name(),
        "damaged": shape.damaged,
        "partitions": shape.partitions,
        "repeat": repeat,
        "measured": rows.iter().map(row).collect::<Vec<_>>(),
    })
}
