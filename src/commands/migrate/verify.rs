//! `sluice migrate verify`: source and target compared.

use std::cell::{Cell, RefCell};
use std::io::Write;

use serde_json::json;

use super::super::progress::Progress;
use super::super::remote::{Paint, exit, print, print_json};
use super::super::{Exit, Failure};
use super::figures::Figures;
use super::{aside, cast};
use crate::cli::{MigrateVerify, Output};
use crate::migrate::verify::{Difference, Report, verify};
use crate::telemetry::metrics::{JobFigures, VerifyFigures};

/// Compares, and says what differs.
pub(super) async fn run(asked: MigrateVerify, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let cast = cast(&asked.at)?;
    let mut figures = Figures::new(asked.metrics.clone(), &cast);
    figures.write(&JobFigures::Verify(VerifyFigures::default()))?;
    let (sample, figures) = (asked.sample, RefCell::new(figures));
    let report = aside(move || {
        let progress = Progress::new("records");
        let number = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
        let read = Cell::new(0);
        let report = verify(&cast, sample, &|count| {
            read.set(count);
            if count % 10_000 == 0 {
                progress.show(number(count), number(count));
                let found = VerifyFigures { read: count, differences: None };
                figures.borrow_mut().refresh(|| JobFigures::Verify(found));
            }
        });
        report.map(|report| (report, figures.into_inner(), read.get()))
    });
    let (report, mut figures, read) = report.await?;
    let differences = Some(report.counts.values().sum());
    figures.write(&JobFigures::Verify(VerifyFigures { read, differences }))?;
    if asked.at.output == Output::Json {
        print_json(out, &json!(report))?;
    } else {
        tell(&report, out)?;
    }
    Ok(exit(!report.is_same()))
}

fn tell(report: &Report, out: &mut (dyn Write + Send)) -> Result<(), Failure> {
    let spot = |spot: Option<(i32, i64)>| {
        spot.map_or("none".to_owned(), |(partition, offset)| format!("{partition}@{offset}"))
    };
    for Difference { kind, source, target } in &report.differences {
        let kind = serde_json::to_value(kind).map_err(Failure::fatal)?;
        let kind = kind.as_str().unwrap_or_default();
        print(out, &format!("{kind}: source {}, target {}\n", spot(*source), spot(*target)))?;
    }
    let all: u64 = report.counts.values().sum();
    let word = if report.is_same() { Paint::new().green("the same") } else { Paint::new().red("different") };
    let Report { compared, converted, dead_letters, redriven, resolved, target, lost, left_out, untimed, .. } = report;
    let again = if *redriven > 0 { format!(", {redriven} redriven since") } else { String::new() };
    let anew = if *converted + *dead_letters > 0 {
        format!(
            "; {converted} converted anew ({resolved} with other bytes and the same value), {dead_letters} dead letters{again}"
        )
    } else {
        String::new()
    };
    print(
        out,
        &format!(
            "{word}: {compared} records compared with {target} of the target, {all} differences; {left_out} left out by the \
             sample, {lost} copies whose original is gone, {untimed} whose time the brokers have set{anew}\n"
        ),
    )
}
