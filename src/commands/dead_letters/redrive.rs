//! `sluice dead-letters redrive`: dead letters judged again, and what would become of them.

use std::io::Write;

use serde_json::{Value, json};
use tokio::runtime::Handle;

use super::super::progress::Progress;
use super::super::remote::{Paint, print, print_json};
use super::super::{Exit, Failure, load};
use super::Plain;
use super::stats::aligned;
use crate::cli::{self, DeadLettersRedrive, Output};
use crate::redrive::report::{Example, Fault, Found, Report};
use crate::redrive::{Error, Order, To, dry};
use crate::schema::SchemaRef;
use crate::telemetry::logging;

/// Dead letters between two looks at the clock.
const STEP: usize = 1024;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::fatal(error) }
    }
}

/// Judges, and prints what was found.
pub(super) async fn run(asked: DeadLettersRedrive, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let config = load(&asked.file.config)?;
    logging::init(config.log).map_err(Failure::fatal)?;
    let order = order(&asked);
    let report = tokio::task::block_in_place(|| {
        let progress = Progress::new("dead letters");
        let show = |done: usize, of: usize| {
            if done.is_multiple_of(STEP) {
                progress.show(done, of.max(done));
            }
        };
        dry::run(&config, &order, &Handle::current(), &show)
    })?;
    match asked.output {
        Output::Text => print(out, &text(&order, &report))?,
        Output::Json => print_json(out, &document(&order, &report))?,
    }
    Ok(Exit::Done)
}

fn order(asked: &DeadLettersRedrive) -> Order {
    let to = match asked.to {
        cli::To::Validated => To::Validated,
        cli::To::Source => To::Source,
    };
    let DeadLettersRedrive { topic, filters, by, max_attempts, .. } = asked;
    Order { topic: topic.clone(), filter: filters.filter(), by: by.clone(), to, max_attempts: *max_attempts }
}

fn text(order: &Order, report: &Report) -> String {
    let noun = if report.read == 1 { "dead letter" } else { "dead letters" };
    let (passed, failed, over) = (report.all_passed(), report.all_failed(), report.all_over());
    let paint = Paint::new();
    let mut text = format!(
        "{} {noun} in {}: {} would pass now, {} would fail still, {over} passed over\n",
        report.read,
        order.topic,
        paint.green(&passed.to_string()),
        paint.yellow(&failed.to_string()),
    );
    if passed > 0 {
        text += "\nwould go to\n";
        text += &indented(report.passed.iter().map(|(topic, count)| [topic.clone(), count.to_string()]));
    }
    if failed > 0 {
        text += "\nwould fail still\n";
        text += &table(report);
    }
    if over > 0 {
        text += "\npassed over\n";
        text += &indented(report.over.iter().map(|(why, count)| [count.to_string(), why.words().to_owned()]));
    }
    text + "\nnothing was written: this was a dry run\n"
}

fn indented(rows: impl Iterator<Item = [String; 2]>) -> String {
    aligned(&rows.collect::<Vec<_>>()).lines().map(|line| format!("  {line}\n")).collect()
}

fn table(report: &Report) -> String {
    let head = ["REASON", "SCHEMA", "COUNT", "AS"].map(str::to_owned);
    let row = |(fault, found): (&Fault, &Found)| {
        let examples: Vec<_> = found.examples.iter().map(example).collect();
        [fault.reason.to_owned(), schema(fault), found.count.to_string(), examples.join(", ")]
    };
    let mut text = aligned(&[vec![head], report.failed.iter().map(row).collect()].concat());
    if report.others > 0 {
        text += &format!("{} more of further reasons and schemas\n", report.others);
    }
    text
}

fn schema(fault: &Fault) -> String {
    let subject = fault.subject.as_ref().map(|subject| match fault.version {
        Some(version) => format!(" ({} {version})", Plain(&subject.0)),
        None => format!(" ({})", Plain(&subject.0)),
    });
    fault.schema.map_or("-".to_owned(), |schema| format!("{schema}{}", subject.unwrap_or_default()))
}

fn example(Example { partition, offset, path }: &Example) -> String {
    let path = path.as_ref().map(|path| format!(" {}", Plain(path)));
    format!("{partition}@{offset}{}", path.unwrap_or_default())
}

fn document(order: &Order, report: &Report) -> Value {
    let fault = |(fault, found): (&Fault, &Found)| {
        let (id, guid) = match fault.schema {
            Some(SchemaRef::Id(id)) => (Some(id.0), None),
            Some(SchemaRef::Guid(guid)) => (None, Some(guid.to_string())),
            None => (None, None),
        };
        json!({
            "reason": fault.reason, "schema_id": id, "schema_guid": guid,
            "subject": fault.subject.as_ref().map(|subject| &*subject.0),
            "version": fault.version.map(|version| version.0),
            "count": found.count, "examples": found.examples,
        })
    };
    json!({
        "topic": order.topic, "dry_run": true, "read": report.read,
        "passed": report.all_passed(), "failed": report.all_failed(), "passed_over": report.all_over(),
        "to": report.passed, "faults": report.failed.iter().map(fault).collect::<Vec<_>>(),
        "not_in_faults": report.others, "over": report.over,
    })
}
