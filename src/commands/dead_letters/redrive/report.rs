//! What is told of a redrive, for people and as JSON.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Plain;
use super::super::stats::aligned;
use crate::commands::remote::Paint;
use crate::redrive::Order;
use crate::redrive::report::{Example, Fault, Found, Report};
use crate::schema::SchemaRef;

/// What is told.
pub(super) struct Told<'t> {
    pub(super) order: &'t Order,
    pub(super) report: &'t Report,
    /// The ID of the run, and whether it has come to its end; none of a dry run.
    pub(super) run: Option<(&'t str, bool)>,
}

impl Told<'_> {
    pub(super) fn text(&self) -> String {
        let (report, paint) = (self.report, Paint::new());
        let noun = if report.read == 1 { "dead letter" } else { "dead letters" };
        let words = match self.run {
            None => ["would pass now", "would fail still", "would go to"],
            Some(_) => ["redriven", "fail still", "went to"],
        };
        let (passed, failed, over) = (report.all_passed(), report.all_failed(), report.all_over());
        let mut text = format!(
            "{} {noun} in {}: {} {}, {} {}, {over} passed over\n",
            report.read,
            self.order.topic,
            paint.green(&passed.to_string()),
            words[0],
            paint.yellow(&failed.to_string()),
            words[1],
        );
        if passed > 0 {
            text += &format!("\n{}\n", words[2]);
            text += &indented(report.passed.iter().map(|(topic, count)| [topic.clone(), count.to_string()]));
        }
        if failed > 0 {
            text += &format!("\n{}\n", words[1]);
            text += &table(report);
        }
        if over > 0 {
            text += "\npassed over\n";
            text += &indented(report.over.iter().map(|(why, count)| [count.to_string(), why.words().to_owned()]));
        }
        text + &match self.run {
            None => "\nnothing was written: this was a dry run, and --run does it\n".to_owned(),
            Some((run, true)) => format!("\ndone: run {run}\n"),
            Some((run, false)) => format!("\nstopped: run {run}\n"),
        }
    }

    pub(super) fn document(&self) -> Value {
        let report = self.report;
        let over: BTreeMap<_, _> = report.over.iter().map(|(why, count)| (why.name(), count)).collect();
        let mut document = json!({
            "topic": self.order.topic, "dry_run": self.run.is_none(), "read": report.read,
            "passed": report.all_passed(), "failed": report.all_failed(), "passed_over": report.all_over(),
            "to": report.passed, "faults": report.failed.iter().map(fault).collect::<Vec<_>>(),
            "not_in_faults": report.others, "over": over,
        });
        if let Some((run, is_done)) = self.run {
            document["run"] = run.into();
            document["done"] = is_done.into();
        }
        document
    }
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
    let rows: Vec<_> = std::iter::once(head).chain(report.failed.iter().map(row)).collect();
    let mut text: String = aligned(&rows).lines().map(|line| format!("  {line}\n")).collect();
    if report.others > 0 {
        text += &format!("  {} more of further reasons and schemas\n", report.others);
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

fn fault((fault, found): (&Fault, &Found)) -> Value {
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
}
