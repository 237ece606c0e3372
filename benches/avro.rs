//! What checking one Avro datum costs, beside decoding it with apache-avro.
//!
//! Three records of the shapes that topics carry: a small one, a nested one with arrays
//! and a map, a wide one of forty optional fields. The data differ from call to call, for
//! a datum that is read again and again teaches the processor its branches. Compare within one
//! run only.

use std::hint::black_box;

use apache_avro::Schema as Library;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use sluice::schema::avro::{Program, ReaderSchema, Resolution, Schema, WriterSchema};
use sluice::schema::{Format, SchemaText};

/// Data of one shape: enough that the processor cannot learn them by heart.
const DATA: usize = 512;

struct Shape {
    name: &'static str,
    schema: serde_json::Value,
    datum: fn(&mut StdRng) -> serde_json::Value,
}

fn shapes() -> Vec<Shape> {
    vec![
        Shape { name: "small", schema: small(), datum: small_datum },
        Shape { name: "nested", schema: nested(), datum: nested_datum },
        Shape { name: "wide", schema: wide(), datum: wide_datum },
    ]
}

fn small() -> serde_json::Value {
    json!({"type": "record", "name": "Payment", "fields": [
        {"name": "id", "type": "string"}, {"name": "customer", "type": "long"}, {"name": "cents", "type": "long"},
        {"name": "at", "type": {"type": "long", "logicalType": "timestamp-millis"}}, {"name": "weight", "type": "double"},
        {"name": "express", "type": "boolean"}, {"name": "note", "type": ["null", "string"]},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}}]})
}

fn small_datum(rng: &mut StdRng) -> serde_json::Value {
    let note = rng.random::<bool>().then(|| text(rng, 4, 20));
    let state = ["NEW", "PAID", "SENT"][rng.random_range(0..3)];
    json!({"id": text(rng, 16, 24), "customer": rng.random_range(0..1_000_000_i64), "cents": rng.random_range(0..90_000_i64),
        "at": 1_790_000_000_000_i64 + rng.random_range(0..1_000_000_i64), "weight": rng.random::<f64>(),
        "express": rng.random::<bool>(), "note": note, "state": state})
}

fn nested() -> serde_json::Value {
    json!({"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "string"},
        {"name": "customer", "type": {"type": "record", "name": "Customer", "fields": [
            {"name": "id", "type": "long"}, {"name": "name", "type": "string"}, {"name": "mail", "type": ["null", "string"]},
            {"name": "address", "type": {"type": "record", "name": "Address", "fields": [
                {"name": "street", "type": "string"}, {"name": "city", "type": "string"},
                {"name": "code", "type": ["null", "string"]}, {"name": "country", "type": "string"}]}}]}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "int"}, {"name": "cents", "type": "long"},
            {"name": "discount", "type": ["null", "double"]}, {"name": "tags", "type": {"type": "array", "items": "string"}}]}}},
        {"name": "attributes", "type": {"type": "map", "values": "string"}}, {"name": "at", "type": "long"}]})
}

fn nested_datum(rng: &mut StdRng) -> serde_json::Value {
    let lines: Vec<_> = (0..rng.random_range(5..10)).map(|_| line(rng)).collect();
    let attributes: serde_json::Map<_, _> =
        (0..rng.random_range(2..6)).map(|i| (format!("attribute{i}"), json!(text(rng, 3, 12)))).collect();
    let mail = rng.random::<bool>().then(|| text(rng, 10, 20));
    let code = rng.random::<bool>().then(|| text(rng, 5, 6));
    json!({"id": text(rng, 16, 24), "lines": lines, "attributes": attributes, "at": 1_790_000_000_000_i64,
        "customer": {"id": rng.random_range(0..100_000_i64), "name": text(rng, 6, 20), "mail": mail,
            "address": {"street": text(rng, 8, 24), "city": text(rng, 4, 12), "code": code, "country": "DE"}}})
}

fn line(rng: &mut StdRng) -> serde_json::Value {
    let tags: Vec<_> = (0..rng.random_range(0..4)).map(|_| text(rng, 3, 8)).collect();
    let discount = rng.random::<bool>().then(|| rng.random::<f64>());
    json!({"sku": text(rng, 8, 12), "count": rng.random_range(1..9), "cents": rng.random_range(1..50_000_i64),
        "discount": discount, "tags": tags})
}

const SORTS: [&str; 5] = ["long", "string", "double", "int", "boolean"];

fn wide() -> serde_json::Value {
    let field = |i: usize| json!({"name": format!("f{i}"), "type": ["null", SORTS[i % SORTS.len()]]});
    json!({"type": "record", "name": "Wide", "fields": (0..60).map(field).collect::<Vec<_>>()})
}

fn wide_datum(rng: &mut StdRng) -> serde_json::Value {
    let value = |i: usize, rng: &mut StdRng| match SORTS[i % SORTS.len()] {
        _ if rng.random_ratio(1, 4) => json!(null),
        "long" => json!(rng.random_range(0..1_000_000_000_i64)),
        "string" => json!(text(rng, 4, 24)),
        "double" => json!(rng.random::<f64>()),
        "int" => json!(rng.random_range(0..10_000)),
        _ => json!(rng.random::<bool>()),
    };
    (0..60).map(|i| (format!("f{i}"), value(i, rng))).collect::<serde_json::Map<_, _>>().into()
}

fn text(rng: &mut StdRng, least: usize, most: usize) -> String {
    (0..rng.random_range(least..most)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

fn compile(schema: &serde_json::Value) -> Schema {
    let text = schema.to_string().into();
    Schema::compile(&SchemaText { format: Format::Avro, text, references: Vec::new() }).expect("the schema is good")
}

/// A program for a reader that lacks the last field's other branch, so that each datum must be looked at.
fn depends(schema: &serde_json::Value, ours: &Schema) -> Option<Program> {
    let mut reader = schema.clone();
    let fields = reader["fields"].as_array_mut()?;
    let field = fields.iter_mut().find(|field| field["type"][0] == "null")?;
    field["type"] = json!([field["type"][1]]);
    match Resolution::between(WriterSchema(ours), ReaderSchema(&compile(&reader))).expect("within limits") {
        Resolution::Depends(program) => Some(program),
        Resolution::Always | Resolution::Never(_) => None,
    }
}

fn check(c: &mut Criterion) {
    for shape in shapes() {
        let library = Library::parse(&shape.schema).expect("the schema is good");
        let writer = GenericDatumWriter::builder(&library).build().expect("the schema is good");
        let reader = GenericDatumReader::builder(&library).build().expect("the schema is good");
        let ours = compile(&shape.schema);
        let mut rng = StdRng::seed_from_u64(1);
        let data: Vec<Vec<u8>> = (0..DATA)
            .map(|_| {
                let value = Value::try_from((shape.datum)(&mut rng)).and_then(|value| value.resolve(&library));
                writer.write_value_to_vec(value.expect("the datum fits")).expect("the datum fits")
            })
            .collect();
        assert!(data.iter().all(|datum| ours.check(datum)));
        let mut group = c.benchmark_group(format!("avro/{}", shape.name));
        let bytes = data.iter().map(Vec::len).sum::<usize>() / DATA;
        group.throughput(Throughput::Bytes(bytes as u64));
        let mut next = data.iter().cycle();
        group.bench_function("check", |b| b.iter(|| ours.check(black_box(next.next().expect("a cycle has no end")))));
        if let Some(program) = depends(&shape.schema, &ours) {
            let good: Vec<_> = data.iter().filter(|datum| program.check(datum)).collect();
            let mut next = good.iter().cycle();
            group.bench_function("check with reader", |b| {
                b.iter(|| program.check(black_box(next.next().expect("a cycle has no end"))));
            });
        }
        group.bench_function("apache-avro decode", |b| {
            b.iter(|| reader.read_value(&mut black_box(next.next().expect("a cycle has no end").as_slice())));
        });
        group.finish();
    }
}

criterion_group!(benches, check);
criterion_main!(benches);
