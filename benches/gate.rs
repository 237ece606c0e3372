//! What the gate costs per record: the frame alone, the whole decision, the headers of a dead letter.
//!
//! `decide` covers wire::parse, the table and the check, for value only and for key and value; a dead letter is there to
//! show the price of a no. The first shape is small (an order of about 40 bytes and a string key), so that the fixed costs of a
//! hop show. What the check costs for which schema is for `avro` and `convert`.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::gate::Gate;
use sluice::gate::dead_letter::DeadLetter;
use sluice::gate::policy::{Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule, Tombstones};
use sluice::gate::profile::Profile;
use sluice::gate::rewrite::Rewrite;
use sluice::gate::verdict::{Decision, Route, Verdict};
use sluice::record::{Header, Offset, Part, Partition, Position, Record, Value};
use sluice::schema::avro::Schema;
use sluice::schema::table::{Entry, Judgement, Need, Reading, SchemaTable, Slot, Source};
use sluice::schema::{Format, SchemaId, SchemaRef, SchemaText};
use sluice::wire::{self, WireFormat};

const ORDER: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"id","type":"string"},{"name":"customer","type":"string"},
    {"name":"quantity","type":"int"},{"name":"price","type":"double"},
    {"name":"note","type":["null","string"]}]}"#;

/// id, customer, quantity, price, no note.
const VALUE: &[u8] = b"\0\0\0\0\x02\x10order-17\x18customer-123\x04\0\0\0\0\0\0\x29\x40\0";
/// A wide record: forty optional texts.
fn wide() -> String {
    let field = |number: usize| format!(r#"{{"name":"field_{number}","type":["null","string"]}}"#);
    let fields: Vec<_> = (0..40).map(field).collect();
    format!(r#"{{"type":"record","name":"Wide","fields":[{}]}}"#, fields.join(","))
}

/// Every other field of it is there.
fn wide_value() -> Vec<u8> {
    [&b"\0\0\0\0\x02"[..], &b"\0\x02\x10order-17".repeat(20)].concat()
}

/// A nested record: a customer and ten lines.
const NESTED: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},
    {"name":"customer","type":{"type":"record","name":"Customer","fields":[{"name":"name","type":"string"},{"name":"since","type":"long"}]}},
    {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
        {"name":"sku","type":"string"},{"name":"quantity","type":"int"},{"name":"price","type":"double"}]}}}]}"#;

fn nested_value() -> Vec<u8> {
    let line = b"\x10order-17\x04\0\0\0\0\0\0\x29\x40".repeat(10);
    [&b"\0\0\0\0\x02\x22\x18customer-123\x80\x01\x14"[..], &line, b"\0"].concat()
}

const KEY: &[u8] = b"\0\0\0\0\x01\x10order-17";

fn part() -> PartPolicy {
    PartPolicy {
        wire: WireFormat::ALL.into_iter().collect(),
        subject: SubjectRule::Topic,
        target: TargetRule::Any,
        conversion: None,
    }
}

fn gate(key: Option<PartPolicy>) -> Gate {
    Gate::new(Policy {
        key,
        value: Some(part()),
        key_required: false,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Divert,
        mode: Mode::Enforce,
        pairing: Pairing::None,
    })
}

fn table(value: &str) -> SchemaTable {
    let mut table = SchemaTable::default();
    for (part, id, text) in [(Part::Key, 1, r#""string""#), (Part::Value, 2, value)] {
        let text = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
        let schema = Arc::new(Schema::compile(&text).expect("the schemas of this bench are good"));
        let judgement = Judgement {
            schema,
            subject: None,
            version: None,
            target: None,
            reading: Reading::Always,
            conversion: None,
        };
        let need = Need { slot: Slot { source: Source(0), part }, schema: SchemaRef::Id(SchemaId(id)) };
        table.insert(need, Entry::Judged(Arc::new(judgement)));
    }
    table
}

fn record<'a>(value: &'a [u8], headers: &'a [Header<'a>]) -> Record<'a> {
    let position = Position { topic: "orders.raw", partition: Partition(0), offset: Offset(0) };
    Record { position, timestamp: Some(0), key: Some(KEY), value: Value::Bytes(value), headers }
}

fn bench(criterion: &mut Criterion) {
    wire(criterion);
    headers(criterion);
    let headers = [Header { name: "traceparent", value: Some(b"00-4bf92f3577b34da6-00f067aa0ba902b7-01") }];
    let (value_only, both) = (gate(None), gate(Some(part())));
    let mut rewrite = Rewrite::default();
    let (wide_schema, wide_value, nested_value) = (wide(), wide_value(), nested_value());
    for (shape, schema, value) in
        [("small", ORDER, VALUE), ("nested", NESTED, &nested_value), ("wide", &wide_schema, &wide_value)]
    {
        let (table, good) = (table(schema), record(value, &headers));
        let cut = record(&value[..value.len() - 1], &headers);
        assert_eq!(route(&value_only, &good, &table), Some(Route::Validated), "{shape}");
        assert_eq!(route(&value_only, &cut, &table), Some(Route::DeadLetter), "{shape}");
        let mut group = criterion.benchmark_group(format!("decide/{shape}"));
        group.throughput(Throughput::Elements(1));
        for (name, gate, record) in
            [("value", &value_only, &good), ("key and value", &both, &good), ("dead letter", &value_only, &cut)]
        {
            group.bench_function(name, |b| {
                b.iter(|| gate.decide(black_box(record), Source(0), &table, &mut rewrite));
            });
        }
        group.finish();
    }
}

fn route(gate: &Gate, record: &Record<'_>, table: &SchemaTable) -> Option<Route> {
    match gate.decide(record, Source(0), table, &mut Rewrite::default()) {
        Decision::Route(route, _) => Some(route),
        Decision::NeedSchemas(_) => None,
    }
}

/// The frame, in each of its forms.
fn wire(criterion: &mut Criterion) {
    let allowed = WireFormat::ALL.into_iter().collect();
    let id = VALUE[..5].to_vec();
    let guid = [&[1][..], &[7; 16], &VALUE[5..]].concat();
    let named = [Header { name: "__value_schema_id", value: Some(&id) }];
    let mut group = criterion.benchmark_group("wire");
    for (format, bytes, headers) in [
        (WireFormat::ConfluentId, VALUE, &[][..]),
        (WireFormat::ConfluentGuid, &guid, &[]),
        (WireFormat::ConfluentHeader, &VALUE[5..], &named),
    ] {
        wire::parse(Part::Value, bytes, headers, allowed).expect("the frames of this bench are good");
        group.bench_function(format.name(), |b| {
            b.iter(|| wire::parse(Part::Value, black_box(bytes), black_box(headers), allowed));
        });
    }
    group.finish();
}

/// The headers of a dead letter, ours alone and with those of all other tools.
fn headers(criterion: &mut Criterion) {
    let original = [Header { name: "traceparent", value: Some(b"00-4bf92f3577b34da6-00f067aa0ba902b7-01") }];
    let (table, cut) = (table(ORDER), record(&VALUE[..VALUE.len() - 1], &original));
    let Decision::Route(_, Verdict::Invalid(finding)) =
        gate(None).decide(&cut, Source(0), &table, &mut Rewrite::default())
    else {
        unreachable!("it is cut")
    };
    let mut group = criterion.benchmark_group("dead letter headers");
    for (name, profiles) in [("sluice", &[][..]), ("all profiles", &Profile::ALL)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                let letter = DeadLetter::new(black_box(&finding), &cut, "orders");
                letter.headers(&original, profiles).len()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
