//! Headers of dead letters: never a panic; what is written reads back the same, cut where it is too long, all of it
//! UTF-8 and bounded; an earlier set is replaced and its attempt counts on; what is foreign stays.
//!
//! Input: headers (a byte that names one, a byte for the length, 255 for null, and the value), as many as there are;
//! a byte that names none ends them, and the rest becomes path and detail.

use sluice::gate::dead_letter::{DeadLetter, HEADERS, TEXT_LIMIT, WrittenHeader};
use sluice::gate::profile::Profile;
use sluice::gate::verdict::Finding;
use sluice::record::{Header, Offset, Part, Partition, Position, Record, Value};
use sluice::schema::{Format, SchemaId, SchemaRef, Subject, Version};
use sluice::violation::{ReasonCode, Violation};

use super::measured;

const FOREIGN: [&str; 5] = ["trace", "sluice.other", "__value_schema_id", "", "kafka_dlt-exception-message"];

/// Checks the oracle, and returns `read`, or what the reader says of the headers.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let mut headers = Vec::new();
    while let [name, length, rest @ ..] = input {
        let Some(name) = HEADERS.iter().chain(&FOREIGN).nth(usize::from(*name)) else { break };
        let (value, rest) = rest.split_at(usize::from(*length).min(rest.len()));
        headers.push(Header { name, value: (*length != 255).then_some(value) });
        input = if *length == 255 { &input[2..] } else { rest };
    }
    let outcome = measured(|| DeadLetter::read(&headers));
    round_trip(&headers, input);
    match outcome {
        Ok(letter) => {
            let written = letter.headers(&headers, &[]);
            let again = borrowed(&written);
            let again = DeadLetter::read(&again).expect("what is written can be read");
            same(&letter, &again);
            "read".to_owned()
        }
        Err(error) => {
            let text = error.to_string();
            assert!(!text.contains('\n') && text.len() < TEXT_LIMIT + 256, "{text}");
            text.split('\'').nth(2).map_or("other", outcome_of).to_owned()
        }
    }
}

fn outcome_of(rest: &str) -> &'static str {
    match rest.trim() {
        "is missing" => "missing",
        "is not UTF-8" => "not_utf8",
        _ => "invalid",
    }
}

fn borrowed<'a>(written: &'a [WrittenHeader<'a>]) -> Vec<Header<'a>> {
    written.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect()
}

/// A record with these headers becomes a dead letter: with any texts, and again after it was one.
fn round_trip(headers: &[Header<'_>], texts: &[u8]) {
    let text = String::from_utf8_lossy(texts);
    let path = text.get(..text.len() / 2).map(str::to_owned).filter(|path| !path.is_empty());
    let codes = ReasonCode::ALL;
    let mut violation = Violation::new(codes[texts.len() % codes.len()], text.clone().into_owned());
    if let Some(path) = path {
        violation = violation.at(path);
    }
    let finding = Finding {
        violation,
        part: if texts.len().is_multiple_of(2) { Part::Key } else { Part::Value },
        schema: Some(SchemaRef::Id(SchemaId(9))),
        subject: Some(Subject("orders.raw-value".into())),
        version: Some(Version(3)),
        format: Some(Format::Avro),
        target: None,
    };
    let position = Position { topic: "orders.raw", partition: Partition(1), offset: Offset(i64::MAX) };
    let record = Record { position, timestamp: Some(-1), key: None, value: Value::Tombstone, headers };
    let letter = DeadLetter::new(&finding, &record, "orders");
    let written = measured(|| letter.headers(headers, &Profile::ALL));
    let ours: usize = written.iter().filter(|(name, _)| HEADERS.contains(name)).count();
    assert!(ours <= HEADERS.len(), "a header of ours comes twice");
    let again = borrowed(&written);
    for header in again.iter().filter(|header| HEADERS.contains(&header.name)) {
        let value = header.value.expect("ours are not null");
        let value = std::str::from_utf8(value).expect("ours are UTF-8");
        assert!(value.len() <= TEXT_LIMIT && !value.contains('\n'), "{}: {value}", header.name);
    }
    let read = DeadLetter::read(&again).expect("what is written can be read");
    same(&letter, &read);
    let twice = Record { headers: &again, ..record };
    let twice = DeadLetter::new(&finding, &twice, "orders");
    assert_eq!(twice.attempt, letter.attempt.saturating_add(1), "the attempt does not count on");
    let rewritten = twice.headers(&again, &Profile::ALL);
    assert_eq!(rewritten.len(), written.len(), "a record grows with each redrive");
    let foreign = headers.iter().filter(|header| !HEADERS.contains(&header.name) && !header.name.starts_with("kafka_"));
    let kept = again.iter().filter(|header| FOREIGN[..4].contains(&header.name));
    assert!(foreign.eq(kept), "a foreign header is lost or changed");
}

fn same(written: &DeadLetter<'_>, read: &DeadLetter<'_>) {
    let plain = |letter: &DeadLetter<'_>| DeadLetter { path: None, detail: "", ..*letter }.reason;
    assert_eq!(plain(written), plain(read));
    assert_eq!(
        (written.part, written.source, written.timestamp, written.schema, written.version, written.format),
        (read.part, read.source, read.timestamp, read.schema, read.version, read.format)
    );
    assert_eq!(
        (written.subject, written.target, written.gate, written.gate_version, written.attempt),
        (read.subject, read.target, read.gate, read.gate_version, read.attempt)
    );
    let cut = |text: &str| {
        let text = &text[..text.floor_char_boundary(TEXT_LIMIT)];
        text.replace(|c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'), " ")
    };
    assert_eq!((cut(written.detail), written.path.map(cut)), (cut(read.detail), read.path.map(cut)));
}
