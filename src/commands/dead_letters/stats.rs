//! `sluice dead-letters stats`: how many of what, since when, and whose.

use std::io::Write;
use std::ops::ControlFlow;

use serde_json::{Value, json};

use super::super::misses::tell;
use super::super::remote::{Paint, print, print_json};
use super::super::{Exit, Failure};
use super::list::Gauge;
use super::{Meant, Plain, Time, find};
use crate::cli::{DeadLettersStats, Output};
use crate::dead_letters::{Group, Letter, State, Stats, Tally};
use crate::kafka::ffi;
use crate::kafka::reading::Met;
use crate::pipeline::consume::view;
use crate::schema::SchemaRef;
use crate::tail::Patience;

/// The longest bar of the histogram, in characters.
const BAR: u64 = 40;

/// Reads, counts and prints.
pub(super) fn run(asked: &DeadLettersStats, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let Meant { reading, spans, fates, mut choice } = find(&asked.chosen, Patience::Ends)?;
    let (mut stats, mut gauge) = (Stats::default(), Gauge::new(&spans, true));
    reading.read(&spans, false, |met| {
        if let Met::Record(message) = met {
            gauge.pass();
            let headers = ffi::headers(message);
            let (letter, record) = (Letter::read(&headers), view(message, &headers));
            if choice.takes(&record, &letter)? {
                let found = fates.state(message);
                let state = found.unwrap_or(State::Open);
                stats.states.pass(state);
                if asked.states.take(found) {
                    stats.add((&letter, state), record.timestamp, record.key);
                }
            }
        }
        Ok::<_, Failure>(ControlFlow::Continue(()))
    })?;
    drop(gauge);
    tell(choice.sieve());
    let mut topics: Vec<&str> = spans.iter().map(|span| span.topic.as_str()).collect();
    topics.dedup();
    match asked.output {
        Output::Text => print(out, &text(&stats, &topics, fates.are_known()))?,
        Output::Json => print_json(out, &document(&stats, &topics, fates.are_known()))?,
    }
    Ok(Exit::Done)
}

fn text(stats: &Stats, topics: &[&str], have_states: bool) -> String {
    let noun = if stats.count == 1 { "dead letter" } else { "dead letters" };
    let topics = if topics.is_empty() { String::new() } else { format!(" in {}", topics.join(", ")) };
    let mut text = format!("{} {noun}{topics}\n", stats.count);
    if have_states {
        let Tally { open, failed, redriven } = stats.states;
        text += &format!("open: {}, of them failed again: {failed}; redriven: {redriven}\n", open + failed);
    }
    let groups = stats.groups();
    if !groups.is_empty() {
        text += "\n";
        text += &if have_states { table_of_states(&groups) } else { table(&groups) };
        text += "\n";
        text += &hours(&groups);
    }
    for (count, what) in [
        (stats.others, "of further reasons and schemas, not counted one by one"),
        (stats.hours_left_out, "of further hours, not in the histogram"),
    ] {
        if count > 0 {
            text += &format!("\n{count} more {what}\n");
        }
    }
    text
}

fn name(group: &Group) -> &str {
    if group.reason.is_empty() { "(no headers)" } else { &group.reason }
}

fn schema(group: &Group) -> String {
    let subject = group.subject.as_ref().map(|(subject, version)| match version {
        Some(version) => format!(" ({} {version})", Plain(subject)),
        None => format!(" ({})", Plain(subject)),
    });
    group.schema.map_or("-".to_owned(), |schema| format!("{schema}{}", subject.unwrap_or_default()))
}

fn keys(group: &Group) -> String {
    let more = if group.keys.is_more { "+" } else { "" };
    let keyless = if group.keyless > 0 { format!(", {} without", group.keyless) } else { String::new() };
    format!("{}{more}{keyless}", group.keys.count())
}

fn row(group: &Group) -> [String; 6] {
    let (first, last) = (Time(group.first).to_string(), Time(group.last).to_string());
    [Plain(name(group)).to_string(), schema(group), group.count.to_string(), keys(group), first, last]
}

fn table(groups: &[&Group]) -> String {
    let head = ["REASON", "SCHEMA", "COUNT", "KEYS", "FIRST", "LAST"].map(str::to_owned);
    let rows: Vec<_> = std::iter::once(head).chain(groups.iter().map(|group| row(group))).collect();
    aligned(&rows)
}

fn table_of_states(groups: &[&Group]) -> String {
    let head = ["REASON", "SCHEMA", "COUNT", "FAILED AGAIN", "REDRIVEN", "KEYS", "FIRST", "LAST"].map(str::to_owned);
    let rows = groups.iter().map(|group| {
        let [reason, schema, count, keys, first, last] = row(group);
        let Tally { failed, redriven, .. } = group.states;
        [reason, schema, count, failed.to_string(), redriven.to_string(), keys, first, last]
    });
    aligned(&std::iter::once(head).chain(rows).collect::<Vec<_>>())
}

fn hours(groups: &[&Group]) -> String {
    let mut cells: Vec<(i64, &Group, u64)> =
        groups.iter().flat_map(|group| group.hours.iter().map(|(hour, count)| (*hour, *group, *count))).collect();
    cells.sort_by_key(|(hour, ..)| *hour);
    let most = cells.iter().map(|(.., count)| *count).max().unwrap_or(1).max(1);
    let bar = |count: u64| "#".repeat(usize::try_from((count * BAR).div_ceil(most)).unwrap_or(0));
    let bars = |(hour, group, count): &(i64, &Group, u64)| {
        let hour = Time(Some(*hour)).to_string();
        let hour = hour.get(..13).map_or(hour.clone(), |day| format!("{}:00Z", day.replace('T', " ")));
        let id = group.schema.map_or("-".to_owned(), |schema| schema.to_string());
        [hour, Plain(name(group)).to_string(), id, count.to_string(), Paint::new().yellow(&bar(*count))]
    };
    let head = ["HOUR", "REASON", "SCHEMA", "COUNT", ""].map(str::to_owned);
    aligned(&[vec![head], cells.iter().map(bars).collect()].concat())
}

/// Puts rows into columns.
pub(super) fn aligned<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in rows {
        let cells: Vec<_> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text += cells.join("  ").trim_end();
        text += "\n";
    }
    text
}

fn document(stats: &Stats, topics: &[&str], have_states: bool) -> Value {
    let group = |group: &&Group| {
        let (id, guid) = match group.schema {
            Some(SchemaRef::Id(id)) => (Some(id.0), None),
            Some(SchemaRef::Guid(guid)) => (None, Some(guid.to_string())),
            None => (None, None),
        };
        let subject = group.subject.as_ref();
        let hour = |(hour, count): (&i64, &u64)| json!({ "hour": Time(Some(*hour)).to_string(), "count": count });
        let mut document = json!({
            "reason": group.reason, "schema_id": id, "schema_guid": guid,
            "subject": subject.map(|(subject, _)| subject), "version": subject.and_then(|(_, version)| *version),
            "count": group.count,
            "first": group.first.map(|time| Time(Some(time)).to_string()),
            "last": group.last.map(|time| Time(Some(time)).to_string()),
            "distinct_keys": group.keys.count(), "distinct_keys_are_more": group.keys.is_more,
            "without_key": group.keyless,
            "hours": group.hours.iter().map(hour).collect::<Vec<_>>(),
        });
        put(&mut document, have_states.then_some(group.states));
        document
    };
    let groups: Vec<_> = stats.groups().iter().map(group).collect();
    let mut document = json!({
        "topics": topics, "count": stats.count, "groups": groups,
        "not_in_groups": stats.others, "not_in_hours": stats.hours_left_out,
    });
    put(&mut document, have_states.then_some(stats.states));
    document
}

/// Adds how many are in which state, where that is known.
fn put(document: &mut Value, states: Option<Tally>) {
    if let Some(Tally { open, failed, redriven }) = states {
        document["states"] = json!({ "open": open, "failed": failed, "redriven": redriven });
    }
}
