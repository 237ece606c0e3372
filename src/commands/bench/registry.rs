//! `sluice bench registry`: starts what is measured, shows how far it is, and prints the figures.

use std::io::Write;
use std::time::Duration;

use indicatif::HumanCount;
use serde_json::{Value, json};

use super::shown;
use crate::bench::registry::{self, Bench, Kind, Measured, Place, Size};
use crate::cli::{BenchRegistry, Output};
use crate::commands::progress::Progress;
use crate::commands::remote::{exit, print, print_json};
use crate::commands::run::Signals;
use crate::commands::{Exit, Failure, load};

/// Measures until all is measured, or a signal comes; what was started and made for it goes either way. Exit code 1 where
/// some requests were refused.
///
/// # Errors
/// There is no place for the log, or the node does not answer.
pub(super) async fn run(asked: &BenchRegistry, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let place = place(asked).await?;
    let told = place.told();
    let size = Size { time: asked.time, connections: asked.connections.into(), schemas: asked.schemas.into() };
    let measured = tokio::select! {
        measured = measure(&place, size) => Some(measured),
        _ = signals.next() => None,
    };
    let left = tokio::task::spawn_blocking(|| place.clear()).await.map_err(Failure::fatal)?;
    if let Some(left) = left {
        writeln!(std::io::stderr(), "{left}").ok();
    }
    let Some(measured) = measured else { return Ok(Exit::Done) };
    let measured = measured.map_err(Failure::fatal)?;
    match asked.output {
        Output::Json => print_json(out, &document(&told, size, &measured))?,
        Output::Text => print(out, &text(&told, size, &measured))?,
    }
    Ok(exit(measured.iter().any(|one| one.failures > 0)))
}

async fn place(asked: &BenchRegistry) -> Result<Place, Failure> {
    let Some(file) = &asked.config else { return Place::embedded().map_err(Failure::fatal) };
    let kafka = load(file)?.kafka;
    let place = tokio::task::spawn_blocking(|| Place::of_cluster(kafka)).await.map_err(Failure::fatal)?;
    place.map_err(Failure::usage)
}

async fn measure(place: &Place, size: Size) -> Result<Vec<Measured>, registry::Error> {
    let bench = Bench::start(place, size).await?;
    let count = |number: u64| usize::try_from(number).unwrap_or(usize::MAX);
    let filling = Progress::new("schemas registered");
    bench.fill(&|done| filling.show(count(done), count(size.schemas))).await?;
    drop(filling);
    let measuring = Progress::new("seconds measured");
    let (mut all, mut before) = (Vec::new(), Duration::ZERO);
    let whole = count(size.time.as_secs()) * Kind::ALL.len();
    for kind in Kind::ALL {
        let show = |elapsed: Duration| measuring.show(count((before + elapsed).as_secs()).min(whole), whole);
        all.push(bench.measure(kind, &show).await?);
        before += size.time;
    }
    drop(measuring);
    // It takes its time to stop, and others have work to do.
    tokio::task::spawn_blocking(|| drop(bench)).await.ok();
    Ok(all)
}

fn text(place: &str, size: Size, measured: &[Measured]) -> String {
    let (bytes, versions) = registry::shape();
    let mut text = format!(
        "a node of the registry, its log in {place}\n\
         {} schemas of {} bytes, {versions} versions each subject, {} connections, {} for each kind of request\n\n\
         {:<20} {:>10} {:>11} {:>10} {:>10} {:>13}\n",
        HumanCount(size.schemas),
        HumanCount(bytes as u64),
        size.connections,
        humantime::format_duration(size.time),
        "",
        "requests",
        "per second",
        "p50",
        "p99",
        "node's CPU"
    );
    for one in measured {
        text += &format!(
            "{:<20} {:>10} {:>11.0} {:>10} {:>10} {:>13}\n",
            one.kind.title(),
            HumanCount(one.requests).to_string(),
            one.per_second,
            shown(one.p50),
            shown(one.p99),
            shown(one.cpu)
        );
    }
    for one in measured.iter().filter(|one| one.failures > 0) {
        let first = one.failure.as_deref().unwrap_or_default();
        text += &format!("{}: {} were refused, the first with {first}\n", one.kind.title(), HumanCount(one.failures));
    }
    text + "\nCPU is the node's alone, on all processors, for each request. Client and broker had the same machine unless\n\
            they were elsewhere, and took their part of it.\n"
}

fn document(place: &str, size: Size, measured: &[Measured]) -> Value {
    let microseconds = |time: Duration| (time.as_secs_f64() * 1e8).round() / 100.0;
    let of_kind = |one: &Measured| {
        json!({
            "request": one.kind.name(),
            "requests": one.requests,
            "refused": one.failures,
            "per_second": one.per_second.round(),
            "p50_us": microseconds(one.p50),
            "p99_us": microseconds(one.p99),
            "cpu_us": microseconds(one.cpu),
        })
    };
    json!({
        "log": place,
        "schemas": size.schemas,
        "schema_bytes": registry::shape().0,
        "connections": size.connections,
        "seconds": size.time.as_secs_f64(),
        "measured": measured.iter().map(of_kind).collect::<Vec<_>>(),
    })
}
