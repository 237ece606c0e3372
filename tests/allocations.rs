//! The gate allocates nothing for a record that is good.
//!
//! A counting allocator needs a binary of its own: it is global. It counts per thread, so
//! that the harness's own threads do not disturb.

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::Arc;

use sluice::convert::{Codec, Plan, Scratch};
use sluice::dead_letters::{Filter, Letter, Line};
use sluice::gate::Gate;
use sluice::gate::policy::{Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule, Tombstones};
use sluice::gate::rewrite::Rewrite;
use sluice::gate::tally::{Counted, Tally};
use sluice::gate::verdict::{Decision, Route};
use sluice::record::{Header, Offset, Part, Partition, Position, Record, Value};
use sluice::schema::avro::{Mismatch, Schema};
use sluice::schema::table::{Conversion, Entry, Judgement, Need, Pair, Place, Reading, SchemaTable, Slot, Source};
use sluice::schema::{Format, SchemaGuid, SchemaId, SchemaRef, SchemaText, Subject, Version};
use sluice::wire::WireFormat;

thread_local! {
    static ALLOCATIONS: Cell<u64> = const { Cell::new(0) };
    static BYTES: Cell<isize> = const { Cell::new(0) };
}

struct Counting;

// SAFETY: every call goes unchanged to the system's allocator; counting touches a `Cell` without a destructor,
// which allocates nothing.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.set(ALLOCATIONS.get() + 1);
        BYTES.set(BYTES.get() + layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        BYTES.set(BYTES.get() - layout.size().cast_signed());
        // SAFETY: the caller keeps the contract of `dealloc`, and `at` came from `System`.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations<T>(run: impl FnOnce() -> T) -> (T, u64) {
    let before = ALLOCATIONS.get();
    let result = run();
    (result, ALLOCATIONS.get() - before)
}

fn part() -> Option<PartPolicy> {
    let wire = WireFormat::ALL.into_iter().collect();
    Some(PartPolicy { wire, subject: SubjectRule::Topic, target: TargetRule::Any, conversion: None })
}

fn table() -> SchemaTable {
    let mut table = SchemaTable::default();
    let guid = SchemaRef::Guid(SchemaGuid([7; 16]));
    for part in [Part::Key, Part::Value] {
        for (schema, reading) in [
            (SchemaRef::Id(SchemaId(1)), Reading::Always),
            (guid, Reading::Always),
            (SchemaRef::Id(SchemaId(2)), Reading::Never(Mismatch { path: String::new(), detail: "never".to_owned() })),
        ] {
            let text = SchemaText { format: Format::Avro, text: r#""string""#.into(), references: Vec::new() };
            let writer = Arc::new(Schema::compile(&text).expect("a string is a schema"));
            let judgement =
                Judgement { schema: writer, subject: None, version: None, target: None, reading, conversion: None };
            let need = Need { slot: Slot { source: Source(0), part }, schema };
            table.insert(need, Entry::Judged(Arc::new(judgement)));
        }
    }
    table
}

#[test]
fn good_records_are_decided_without_allocation() {
    let policy = Policy {
        key: part(),
        value: part(),
        key_required: true,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Divert,
        mode: Mode::Enforce,
        pairing: Pairing::None,
    };
    let gate = Gate::new(policy);
    let table = table();
    let by_guid = [&[1], &[7; 16][..], b"\x04ab"].concat();
    let headers = [Header { name: "__value_schema_id", value: Some(&by_guid[..17]) }];
    let one: &[u8] = b"\0\0\0\0\x01\x04ab";
    let two: &[u8] = b"\0\0\0\0\x02\x04ab";
    type Case<'a> = (&'a str, Value<'a>, &'a [Header<'a>], Option<Route>, bool);
    let cases: [Case<'_>; 7] = [
        ("by ID", Value::Bytes(one), &[], Some(Route::Validated), true),
        ("by GUID", Value::Bytes(&by_guid), &[], Some(Route::Validated), true),
        ("by header", Value::Bytes(b"\x04ab"), &headers, Some(Route::Validated), true),
        ("tombstone", Value::Tombstone, &[], Some(Route::Validated), true),
        ("incompatible", Value::Bytes(two), &[], Some(Route::Converter), true),
        ("missing schema", Value::Bytes(b"\0\0\0\0\x09"), &[], None, true),
        ("at fault", Value::Bytes(b"\0\0\0\0\x01\x04abc"), &[], Some(Route::DeadLetter), false),
    ];
    let (mut rewrite, mut tally) = (Rewrite::default(), Tally::default());
    for (name, value, headers, expected, free) in cases {
        let position = Position { topic: "orders", partition: Partition(0), offset: Offset(0) };
        let record = Record { position, timestamp: None, key: Some(one), value, headers };
        let (decision, count) = allocations(|| gate.decide(&record, Source(0), &table, &mut rewrite));
        let route = match decision {
            Decision::Route(route, _) => Some(route),
            Decision::NeedSchemas(_) => None,
        };
        assert_eq!(route, expected, "{name}");
        assert_eq!(count == 0, free, "{name}: {count} allocations");
        let Some(route) = route else { continue };
        let counted = Counted { schema: rewrite.schema(), ..Counted::new("orders", route, None) };
        tally.add(&counted, &table);
        let ((), count) = allocations(|| tally.add(&counted, &table));
        assert_eq!(count, 0, "{name}: counted");
    }
    tally.clear();
    let schema = Some((Part::Value, SchemaRef::Id(SchemaId(1))));
    let counted = Counted { schema, ..Counted::new("orders", Route::Validated, None) };
    let ((), count) = allocations(|| tally.add(&counted, &table));
    assert_eq!(count, 0, "the room stays from transaction to transaction");
}

/// A record that is converted by resolution leaves through buffers that are there from the last one, its check included.
#[test]
fn converted_records_are_decided_without_allocation() {
    let text = |of: &str| SchemaText {
        format: Format::Avro,
        text: format!(
            r#"{{"type":"record","name":"R","fields":[{{"name":"n","type":"{of}"}},{{"name":"s","type":"string"}}]}}"#
        )
        .into(),
        references: Vec::new(),
    };
    let codec = |of: &str| Codec::compile(&text(of)).unwrap();
    let plan = Plan::resolve(&codec("int"), &codec("long")).unwrap();
    let subject = Subject("orders-value".into());
    let to = Place { subject: subject.clone(), version: Version(2), id: SchemaId(2), guid: None };
    let pair = Pair { from: "orders-value/1".into(), to: "orders-value/2".into(), way: "resolution" };
    let judgement = Judgement {
        schema: Arc::new(Schema::compile(&text("int")).unwrap()),
        subject: Some(subject),
        version: Some(Version(1)),
        target: Some(Version(2)),
        reading: Reading::Always,
        conversion: Some(Conversion { all: true, to: Arc::new(to), plan: Ok(Arc::new(plan)), pair: Arc::new(pair) }),
    };
    let mut table = SchemaTable::default();
    let need = Need { slot: Slot { source: Source(0), part: Part::Value }, schema: SchemaRef::Id(SchemaId(1)) };
    table.insert(need, Entry::Judged(Arc::new(judgement)));
    let policy = Policy {
        key: None,
        value: part(),
        key_required: false,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Convert,
        mode: Mode::Enforce,
        pairing: Pairing::None,
    };
    let gate = Gate::writing(policy, "orders-v2");
    let mut rewrite = Rewrite::default();
    for round in 0..3 {
        let position = Position { topic: "orders", partition: Partition(0), offset: Offset(round) };
        let value = Value::Bytes(b"\0\0\0\0\x01\x02\x04ab");
        let record = Record { position, timestamp: None, key: None, value, headers: &[] };
        let (decision, count) = allocations(|| gate.decide(&record, Source(0), &table, &mut rewrite));
        assert!(matches!(decision, Decision::Route(Route::Converted, _)), "{decision:?}");
        assert_eq!(rewrite.part(Part::Value), Some(&b"\0\0\0\0\x02\x02\x04ab"[..]));
        assert!(round == 0 || count == 0, "{count} allocations");
    }
}

/// What a compiled schema takes for as long as the process lives: the documents give this figure.
#[test]
fn ten_thousand_schemas_take_some_kilobytes_each() {
    let text = |number: usize| {
        SchemaText {
        format: Format::Avro,
        text: format!(
            r#"{{"type":"record","name":"Order{number}","fields":[{{"name":"id","type":"long"}},
            {{"name":"customer","type":"string"}},{{"name":"note","type":["null","string"],"default":null}},
            {{"name":"status","type":{{"type":"enum","name":"Status","symbols":["NEW","PAID","SENT"]}}}},
            {{"name":"lines","type":{{"type":"array","items":{{"type":"record","name":"Line","fields":[
                {{"name":"sku","type":"string"}},{{"name":"count","type":"int"}},{{"name":"price","type":"double"}}]}}}}}}]}}"#
        )
        .into(),
        references: Vec::new(),
    }
    };
    let before = BYTES.get();
    let compiled: Vec<_> = (0..10_000).map(|number| Schema::compile(&text(number)).unwrap()).collect();
    let each = (BYTES.get() - before) / compiled.len().cast_signed();
    println!("memory: a compiled schema whose text has {} bytes takes {each} bytes", text(0).text.len());
    assert!((1..10_000).contains(&each), "{each} bytes each");
}

/// A conversion by schema resolution writes into room that is there from the last one.
#[test]
fn conversions_allocate_nothing_but_their_output() {
    let codec = |fields: &str| {
        let text = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#).into();
        Codec::compile(&SchemaText { format: Format::Avro, text, references: Vec::new() }).unwrap()
    };
    let list = |of: &str| format!(r#"{{"name":"l","type":{{"type":"array","items":["null","{of}"]}}}}"#);
    let writer = codec(&format!(r#"{{"name":"a","type":"int"}},{{"name":"s","type":"string"}},{}"#, list("int")));
    let target = codec(&format!(
        r#"{},{{"name":"n","type":"string","default":"d"}},{{"name":"a","type":"double"}}"#,
        list("long")
    ));
    let plan = Plan::resolve(&writer, &target).unwrap();
    let datum = [2, 6, b'a', b'b', b'c', 4, 2, 4, 0, 0];
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    plan.convert(&datum, &mut scratch, &mut out).unwrap();
    let first = out.clone();
    out.clear();
    let (done, count) = allocations(|| plan.convert(&datum, &mut scratch, &mut out));
    assert_eq!((done, count), (Ok(()), 0));
    assert_eq!(out, first);
}

/// `sluice dead-letters list` reads, chooses and writes each line into room that it has already.
#[test]
fn a_dead_letter_is_listed_without_an_allocation() {
    let headers = [
        ("sluice.reason", "invalid_utf8"),
        ("sluice.path", "customer.name"),
        ("sluice.detail", "a string is not valid UTF-8"),
        ("sluice.part", "value"),
        ("sluice.source.topic", "orders.raw"),
        ("sluice.source.partition", "3"),
        ("sluice.source.offset", "12345"),
        ("sluice.schema.id", "7"),
        ("sluice.gate", "orders"),
        ("sluice.attempt", "1"),
    ]
    .map(|(name, value)| Header { name, value: Some(value.as_bytes()) });
    let position = Position { topic: "orders.dead-letter", partition: Partition(0), offset: Offset(9) };
    let filter = Filter { path: Some("customer".to_owned()), ..Filter::default() };
    let mut out = Vec::with_capacity(1024);
    let (is_listed, count) = allocations(|| {
        let letter = Letter::read(&headers);
        let is_listed = filter.matches(&letter, Some(1));
        serde_json::to_writer(&mut out, &Line::new(&letter, position, Some(1))).is_ok() && is_listed
    });
    assert_eq!((is_listed, count), (true, 0));
}
