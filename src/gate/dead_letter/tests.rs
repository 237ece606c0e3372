//! Headers of dead letters: what is written is read back, and nothing of it breaks a record.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::record::Value;
use crate::schema::Subject;
use crate::violation::Violation;

const GUID: SchemaGuid =
    SchemaGuid([0x12, 0x3e, 0x45, 0x67, 0xe8, 0x9b, 0x12, 0xd3, 0xa4, 0x56, 0x42, 0x66, 0x14, 0x17, 0x40, 0]);

fn letter() -> DeadLetter<'static> {
    DeadLetter {
        reason: ReasonCode::InvalidEnumSymbol,
        path: Some("order.lines[3].state"),
        detail: "index 7 of 3 symbols",
        part: Part::Value,
        source: Position { topic: "orders.raw", partition: Partition(2), offset: Offset(41) },
        timestamp: Some(1_700_000_000_123),
        schema: Some(SchemaRef::Id(SchemaId(17))),
        subject: Some("orders.raw-value"),
        version: Some(Version(3)),
        format: Some(Format::Avro),
        target: Some(Version(2)),
        gate: "orders",
        gate_version: env!("CARGO_PKG_VERSION"),
        attempt: 1,
    }
}

fn bare() -> DeadLetter<'static> {
    DeadLetter {
        path: None,
        timestamp: None,
        schema: None,
        subject: None,
        version: None,
        format: None,
        target: None,
        ..letter()
    }
}

fn finding() -> Finding {
    Finding {
        part: Part::Key,
        violation: Violation::new(ReasonCode::TrailingBytes, "2 bytes are left").at("id"),
        schema: Some(SchemaRef::Guid(GUID)),
        subject: Some(Subject(Arc::from("orders.raw-key"))),
        version: Some(Version(3)),
        format: Some(Format::Avro),
        target: Some(Version(4)),
    }
}

fn record<'a>(headers: &'a [Header<'a>]) -> Record<'a> {
    let position = Position { topic: "orders.raw", partition: Partition(2), offset: Offset(41) };
    Record { position, timestamp: Some(-1), key: None, value: Value::Tombstone, headers }
}

fn header<'a>(name: &'a str, value: &'a str) -> Header<'a> {
    Header { name, value: Some(value.as_bytes()) }
}

/// Borrows written headers as those of the next record.
fn as_read<'h>(written: &'h [WrittenHeader<'h>]) -> Vec<Header<'h>> {
    written.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect()
}

fn lines(written: &[WrittenHeader<'_>]) -> Vec<String> {
    let value = |value: &Option<Cow<'_, [u8]>>| match value {
        Some(value) => String::from_utf8_lossy(value).into_owned(),
        None => "null".to_owned(),
    };
    written.iter().map(|(name, bytes)| format!("{name}={}", value(bytes))).collect()
}

#[test]
fn writes_every_header_of_the_contract() {
    let written = letter();
    assert_eq!(
        lines(&written.headers(&[], &[])),
        [
            "sluice.reason=invalid_enum_symbol",
            "sluice.path=order.lines[3].state",
            "sluice.detail=index 7 of 3 symbols",
            "sluice.part=value",
            "sluice.source.topic=orders.raw",
            "sluice.source.partition=2",
            "sluice.source.offset=41",
            "sluice.source.timestamp=1700000000123",
            "sluice.schema.id=17",
            "sluice.schema.subject=orders.raw-value",
            "sluice.schema.version=3",
            "sluice.schema.format=avro",
            "sluice.target.version=2",
            "sluice.gate=orders",
            concat!("sluice.gate.version=", env!("CARGO_PKG_VERSION")),
            "sluice.attempt=1",
        ]
    );
}

#[test]
fn leaves_out_what_is_not_known() {
    let names: Vec<_> = bare().headers(&[], &[]).iter().map(|(name, _)| (*name).to_owned()).collect();
    let always = [REASON, DETAIL, PART, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET, GATE, GATE_VERSION, ATTEMPT];
    assert_eq!(names, always);
}

#[test]
fn is_made_of_finding_and_record() {
    let finding = finding();
    let made = DeadLetter::new(&finding, &record(&[]), "orders");
    let expected = DeadLetter {
        reason: ReasonCode::TrailingBytes,
        path: Some("id"),
        detail: "2 bytes are left",
        part: Part::Key,
        timestamp: Some(-1),
        schema: Some(SchemaRef::Guid(GUID)),
        subject: Some("orders.raw-key"),
        target: Some(Version(4)),
        ..letter()
    };
    assert_eq!(made, expected);
    let written = made.headers(&[], &[]);
    assert!(lines(&written).contains(&format!("{SCHEMA_GUID}=123e4567-e89b-12d3-a456-426614174000")));
}

#[test]
fn attempts_count_on_where_they_can_be_read() {
    let finding = finding();
    let cases: [(&str, Vec<Header<'_>>, u32); 7] = [
        ("first", vec![], 1),
        ("second", vec![header(ATTEMPT, "1")], 2),
        ("last counts", vec![header(ATTEMPT, "1"), header(ATTEMPT, "7")], 8),
        ("null is skipped", vec![header(ATTEMPT, "4"), Header { name: ATTEMPT, value: None }], 5),
        ("no number", vec![header(ATTEMPT, "many")], 1),
        ("not UTF-8", vec![Header { name: ATTEMPT, value: Some(b"\xff") }], 1),
        ("largest", vec![header(ATTEMPT, "4294967295")], u32::MAX),
    ];
    for (name, headers, attempt) in cases {
        assert_eq!(DeadLetter::new(&finding, &record(&headers), "orders").attempt, attempt, "{name}");
    }
}

#[test]
fn keeps_the_records_headers_and_replaces_its_own() {
    let original = [
        header("trace", "b"),
        header(REASON, "not_framed"),
        Header { name: "trace", value: None },
        header("sluice.converted.from", "orders/orders-value/2"),
        header(SCHEMA_GUID, "old"),
        header("trace", "a"),
        header(ATTEMPT, "1"),
        Header { name: "", value: Some(b"") },
    ];
    let letter = bare();
    let written = letter.headers(&original, &[]);
    let front = ["trace=b", "trace=null", "sluice.converted.from=orders/orders-value/2", "trace=a", "="];
    assert_eq!(lines(&written)[..5], front);
    assert_eq!(written[5..], letter.headers(&[], &[]));
}

#[test]
fn a_second_dead_letter_is_as_large_as_the_first() {
    let profiles = Profile::ALL;
    let first = letter();
    let once = first.headers(&[header("trace", "a")], &profiles);
    let again = as_read(&once);
    assert_eq!(first.headers(&again, &profiles), once);
}

#[test]
fn texts_are_one_line_and_bounded() {
    let long = "ü".repeat(TEXT_LIMIT);
    let cases: [(&str, String); 4] = [
        ("a\r\nb\tc\u{7f}d\u{85}e\u{2028}f", "a  b c d e f".to_owned()),
        ("", String::new()),
        (&long, "ü".repeat(TEXT_LIMIT / 2)),
        (&long[2..TEXT_LIMIT + 2], "ü".repeat(TEXT_LIMIT / 2)),
    ];
    for (text, expected) in cases {
        let letter = DeadLetter { detail: text, path: Some(text), ..bare() };
        let written = letter.headers(&[], &[]);
        let read = DeadLetter::read(&as_read(&written)).unwrap();
        assert_eq!((read.detail, read.path), (&*expected, Some(&*expected)));
    }
    assert_eq!(one_line(&format!("x{long}")).len(), TEXT_LIMIT - 1, "cut before the character that crosses the limit");
}

#[test]
fn names_the_header_that_is_missing_or_damaged() {
    let letter = letter();
    let good = letter.headers(&[], &[]);
    let good = as_read(&good);
    for name in [REASON, PART, SOURCE_TOPIC, SOURCE_PARTITION, SOURCE_OFFSET, ATTEMPT] {
        let without: Vec<_> = good.iter().copied().filter(|header| header.name != name).collect();
        assert_eq!(DeadLetter::read(&without), Err(Error::Missing { header: name }));
        let mut null = good.clone();
        null.iter_mut().filter(|header| header.name == name).for_each(|header| header.value = None);
        assert_eq!(DeadLetter::read(&null), Err(Error::Missing { header: name }));
    }
    let number = "a decimal number in range";
    let damaged = [
        (REASON, "no_such_reason", "a reason code of this version"),
        (PART, "header", "key or value"),
        (SOURCE_PARTITION, "2147483648", number),
        (SOURCE_OFFSET, "", number),
        (SOURCE_TIMESTAMP, "today", number),
        (SCHEMA_ID, "0x11", "a schema ID"),
        (SCHEMA_GUID, "123e4567", "a GUID in hexadecimal"),
        (SCHEMA_GUID, "123e4567-e89b-12d3-a456-42661417400g", "a GUID in hexadecimal"),
        (SCHEMA_VERSION, "latest", number),
        (SCHEMA_FORMAT, "AVRO", "avro, json or protobuf"),
        (TARGET_VERSION, "1.0", number),
        (ATTEMPT, "-1", number),
    ];
    for (name, value, expected) in damaged {
        let headers = [good.clone(), vec![header(name, value)]].concat();
        let error = Error::Invalid { header: name, value: value.to_owned(), expected };
        assert_eq!(DeadLetter::read(&headers), Err(error));
        let headers = [good.clone(), vec![Header { name, value: Some(b"\xff") }]].concat();
        assert_eq!(DeadLetter::read(&headers), Err(Error::NotUtf8 { header: name }));
    }
}

#[test]
fn errors_say_which_header() {
    let text = DeadLetter::read(&[]).unwrap_err().to_string();
    assert_eq!(text, "dead-letter header 'sluice.reason' is missing");
    let error = DeadLetter::read(&[header(SCHEMA_ID, "x\ny")]).unwrap_err();
    assert_eq!(error.to_string(), "dead-letter header 'sluice.schema.id' is 'x y', expected a schema ID");
}

fn any_schema() -> impl Strategy<Value = Option<SchemaRef>> {
    prop::option::of(prop_oneof![
        any::<i32>().prop_map(|id| SchemaRef::Id(SchemaId(id))),
        any::<[u8; 16]>().prop_map(|guid| SchemaRef::Guid(SchemaGuid(guid))),
    ])
}

prop_compose! {
    fn any_finding()(
        part in prop::sample::select(vec![Part::Key, Part::Value]),
        code in prop::sample::select(ReasonCode::ALL.to_vec()),
        path in prop::option::of(".{1,12}"),
        detail in any::<String>(),
        schema in any_schema(),
        subject in prop::option::of(any::<String>()),
        version in prop::option::of(any::<i32>().prop_map(Version)),
        format in prop::option::of(prop::sample::select(vec![Format::Avro, Format::Json, Format::Protobuf])),
        target in prop::option::of(any::<i32>().prop_map(Version)),
    ) -> Finding {
        let violation = Violation { code, path, detail };
        Finding { part, violation, schema, subject: subject.map(|name| Subject(name.into())), version, format, target }
    }
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        finding in any_finding(),
        (topic, partition, offset) in any::<(String, i32, i64)>(),
        timestamp in any::<Option<i64>>(),
        earlier in prop::collection::vec(
            (prop::sample::select(HEADERS.to_vec()), prop::option::of(prop::collection::vec(any::<u8>(), 0..8))), 0..6),
        gate in any::<String>(),
        profiles in prop::sample::subsequence(Profile::ALL.to_vec(), 0..=4),
    ) {
        let headers: Vec<_> =
            earlier.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        let position = Position { topic: &topic, partition: Partition(partition), offset: Offset(offset) };
        let record = Record { position, timestamp, key: None, value: Value::Tombstone, headers: &headers };
        let letter = DeadLetter::new(&finding, &record, &gate);
        let written = letter.headers(&headers, &profiles);
        let headers = as_read(&written);
        let read = DeadLetter::read(&headers).unwrap();
        let (path, detail) = (letter.path.map(one_line), one_line(letter.detail));
        prop_assert_eq!(read, DeadLetter { path: path.as_deref(), detail: &detail, ..letter });
        for name in HEADERS {
            prop_assert!(headers.iter().filter(|header| header.name == name).count() <= 1);
        }
    }

    #[test]
    fn no_headers_make_the_reader_panic(
        headers in prop::collection::vec(
            (prop::sample::select(HEADERS.to_vec()), prop::option::of(prop::collection::vec(any::<u8>(), 0..40))), 0..30),
    ) {
        let headers: Vec<_> = headers.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
        let complete = [REASON, DETAIL, PART, GATE].into_iter().all(|name| headers.iter().any(|h| h.name == name));
        prop_assert!(DeadLetter::read(&headers).is_err() || complete);
    }
}
