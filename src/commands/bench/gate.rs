//! `sluice bench gate`: the cases in turn, and a table of medians beside those of the plain copy.

mod table;

use std::io::Write;
use std::time::Duration;

use self::table::{Head, Latency, Table, Throughput};
use crate::bench::gate::{Added, Bench, Case, Error, Pace, Registry, Shape, Turn};
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
    if asked.gates > asked.partitions {
        let mistake = "each gate needs a partition: ask for more --partitions or fewer --gates";
        return Err(Failure::usage(anyhow::anyhow!(mistake)));
    }
    let shape = Shape {
        records: asked.records(),
        partitions: asked.partitions,
        gates: asked.gates,
        schemas: asked.schemas,
        size: usize::try_from(asked.size).unwrap_or(usize::MAX),
        codec: asked.compression,
        damaged: asked.damaged,
    };
    let registry = tokio::select! {
        registry = register(shape.schemas) => registry.map_err(Failure::fatal)?,
        _ = signals.next() => return Ok(Exit::Done),
    };
    let mut bench = Bench::start(kafka, shape, registry).await.map_err(Failure::fatal)?;
    let processes = bench.brokers();
    let measured = tokio::select! {
        measured = measure(&mut bench, asked) => Some(measured),
        _ = signals.next() => None,
    };
    if let Some(left) = bench.clear().await {
        writeln!(std::io::stderr(), "{left}").ok();
    }
    let Some(measured) = measured else { return Ok(Exit::Done) };
    let (table, head) = (measured.map_err(Failure::fatal)?, Head { brokers, processes, shape, repeat: asked.repeat });
    match asked.output {
        Output::Json => print_json(out, &table.document(&head))?,
        Output::Text => print(out, &table.text(&head))?,
    }
    Ok(Exit::Done)
}

async fn register(schemas: u32) -> Result<Registry, Error> {
    let registering = Progress::new("schemas registered");
    Ok(Registry::start(schemas, |done| registering.show(count(done.into()), count(schemas.into()))).await?)
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

async fn measure(bench: &mut Bench, asked: &BenchGate) -> Result<Table, Error> {
    let cases = cases(&asked.intervals);
    match asked.rate {
        None => throughput(bench, &cases, asked).await.map(Table::Throughput),
        Some(rate) => {
            let pace = Pace { rate, time: asked.time };
            Ok(Table::Latency(pace, latency(bench, &cases, pace, asked.repeat).await?))
        }
    }
}

async fn throughput(bench: &mut Bench, cases: &[Case], asked: &BenchGate) -> Result<Vec<Throughput>, Error> {
    let of = count(asked.records());
    let filling = Progress::new("records written");
    bench.fill(move |done| filling.show(done, of)).await?;
    let measuring = Progress::new("records measured");
    let whole = of * cases.len() * count(asked.repeat.into());
    let mut measured: Vec<(Case, Vec<Turn>)> = cases.iter().map(|case| (*case, Vec::new())).collect();
    let mut before = 0;
    for _ in 0..asked.repeat {
        for (case, turns) in &mut measured {
            turns.push(bench.turn(*case, &|done| measuring.show(before + count(done).min(of), whole)).await?);
            before += of;
        }
    }
    Ok(Throughput::all(&measured))
}

async fn latency(bench: &mut Bench, cases: &[Case], pace: Pace, repeat: u32) -> Result<Vec<Latency>, Error> {
    let measuring = Progress::new("seconds measured");
    let whole = count(pace.time.as_secs()) * cases.len() * count(repeat.into());
    let mut measured: Vec<(Case, Vec<Added>)> = cases.iter().map(|case| (*case, Vec::new())).collect();
    let mut before = Duration::ZERO;
    for _ in 0..repeat {
        for (case, turns) in &mut measured {
            let show = |elapsed: Duration| measuring.show(count((before + elapsed).as_secs()).min(whole), whole);
            turns.push(bench.latency(*case, pace, &show).await?);
            before += pace.time;
        }
    }
    Ok(measured.into_iter().map(|(case, turns)| Latency::of(case, &turns)).collect())
}

fn count(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
