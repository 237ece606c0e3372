//! `sluice dead-letters show`: one dead letter explained.

mod fate;
mod report;

use std::collections::BTreeMap;
use std::io::Write;
use std::ops::ControlFlow;

use self::fate::Fate;
use self::report::Report;
use super::super::remote::{print, print_json};
use super::super::{Exit, Failure};
use super::{PURPOSE, open};
use crate::cli::{DeadLettersShow, Output};
use crate::config::Config;
use crate::dead_letters::{Examined, Letter, Schemas, examine, framed};
use crate::kafka::ffi;
use crate::kafka::ffi::Message;
use crate::kafka::reading::{Error, Met, Reading, Span, Start};
use crate::record::{Header, Part};
use crate::registry::client::{self, Client};
use crate::schema::avro::Schema;
use crate::schema::avro::tree::{Declared, Tree};
use crate::schema::{Format, SchemaText, Subject, Version};

/// A record, copied.
#[derive(Debug)]
struct Kept {
    timestamp: Option<i64>,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(String, Option<Vec<u8>>)>,
}

impl Kept {
    fn new(message: Message<'_>) -> Self {
        let headers = ffi::headers(message);
        Self {
            timestamp: message.timestamp(),
            key: message.key().map(<[u8]>::to_vec),
            value: message.value().map(<[u8]>::to_vec),
            headers: headers.iter().map(|header| (header.name.to_owned(), header.value.map(<[u8]>::to_vec))).collect(),
        }
    }

    fn headers(&self) -> Vec<Header<'_>> {
        self.headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect()
    }

    fn part(&self, part: Part) -> Option<&[u8]> {
        match part {
            Part::Key => self.key.as_deref(),
            Part::Value => self.value.as_deref(),
        }
    }
}

/// What the registry says today.
#[derive(Debug, Default)]
struct Today {
    examined: Examined,
    field: Option<Declared>,
    /// Why nobody knows.
    unknown: Option<String>,
}

/// Finds the record, asks the registry, and prints.
pub(super) async fn run(asked: DeadLettersShow, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let (config, kept, fate) = tokio::task::block_in_place(|| {
        let (config, reading) = open(&asked.file, PURPOSE)?;
        let known = reading.topics()?;
        let kept = find(&reading, &asked, &known)?;
        let fate = Fate::find(&reading, &config, &asked, &known)?;
        Ok::<_, Failure>((config, kept, fate))
    })?;
    let headers = kept.headers();
    let letter = Letter::read(&headers);
    let part = letter.part.unwrap_or(Part::Value);
    let today = judge(&config, &kept, &letter, part).await;
    let report = Report { asked: &asked, kept: &kept, letter: &letter, part, today: &today, fate: fate.as_ref() };
    match asked.output {
        Output::Text => print(out, &report.text())?,
        Output::Json => print_json(out, &report.document())?,
    }
    Ok(Exit::Done)
}

fn find(reading: &Reading, asked: &DeadLettersShow, known: &BTreeMap<String, Vec<i32>>) -> Result<Kept, Failure> {
    let DeadLettersShow { topic, partition, offset, .. } = asked;
    let partitions = known.get(topic).ok_or_else(|| Error::NoTopic(topic.clone()))?;
    if !partitions.contains(partition) {
        let last = partitions.last().copied().unwrap_or(-1);
        return Err(Error::NoPartition { topic: topic.clone(), partition: *partition, last }.into());
    }
    let spans = reading.spans(topic, &[*partition], Start::Offset(*offset))?;
    let mut found = None;
    reading.read(&spans, false, |met| {
        let Met::Record(message) = met else { return Ok(ControlFlow::Continue(())) };
        found = Some((message.offset(), Kept::new(message)));
        Ok::<_, Failure>(ControlFlow::Break(()))
    })?;
    match found {
        Some((at, kept)) if at == *offset => Ok(kept),
        next => Err(absent(asked, &spans, next.map(|(at, _)| at))),
    }
}

fn absent(asked: &DeadLettersShow, spans: &[Span], next: Option<i64>) -> Failure {
    let DeadLettersShow { topic, partition, offset, .. } = asked;
    let end = spans.first().map_or(0, |span| span.to);
    let problem = match next {
        _ if *offset >= end => format!("{topic}-{partition} ends before offset {offset}: its end is {end}"),
        Some(next) => format!("{topic}-{partition} has no record at offset {offset}; the next one is at {next}"),
        None => format!("{topic}-{partition} has no record at offset {offset}, nor behind it"),
    };
    Failure::usage(anyhow::anyhow!(problem))
        .hint("'sluice dead-letters list' prints positions; markers of transactions take offsets, too")
}

/// Judges the part at fault by the registry's schemas of today.
async fn judge(config: &Config, kept: &Kept, letter: &Letter<'_>, part: Part) -> Today {
    let headers = kept.headers();
    let Some(bytes) = kept.part(part) else { return Today::default() };
    let without = |unknown: Option<String>| Today {
        examined: examine((part, bytes), &headers, letter.code, None),
        field: None,
        unknown,
    };
    let Ok(framed) = framed(part, bytes, &headers) else { return without(None) };
    let fetched = async {
        let client = Client::new(&config.registry)?;
        let text = client.schema(framed.schema).await?;
        let reader = match (letter.subject, letter.target) {
            (Some(subject), Some(version)) => {
                client.version(&Subject(subject.into()), Version(version)).await.ok().map(|found| found.text)
            }
            _ => None,
        };
        Ok::<_, client::Error>((text, reader))
    };
    let (text, reader) = match fetched.await {
        Ok(fetched) => fetched,
        Err(error) => return without(Some(error.to_string())),
    };
    let schema = match Schema::compile(&text) {
        Ok(schema) => schema,
        Err(error) => return without(Some(format!("schema {} cannot be compiled: {error}", framed.schema))),
    };
    let reader = reader.and_then(|text| Schema::compile(&text).ok());
    let schemas = Schemas { writer: &schema, reader: reader.as_ref() };
    let examined = examine((part, bytes), &headers, letter.code, Some(schemas));
    let now = examined.violation.as_ref().and_then(|violation| violation.path.as_deref());
    let field = letter.path.or(now).and_then(|path| declared(&text, path));
    Today { examined, field, unknown: None }
}

fn declared(text: &SchemaText, path: &str) -> Option<Declared> {
    if text.format != Format::Avro {
        return None;
    }
    let tree = Tree::read(&text.text, text.references.iter().map(|reference| &**reference)).ok()?;
    tree.declared(path)
}
