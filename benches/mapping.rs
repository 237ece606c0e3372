//! What the mapping way costs: a typical mapping from bytes to bytes, beside the plain check of the same data and
//! beside resolution of what resolution can do.
//!
//! The data differ from call to call, as in `avro`. Compare within one run only.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::json;

use sluice::config::{Config, Environment, Syntax};
use sluice::convert::mapping::{Mapping, Side, Steps};
use sluice::convert::{Codec, Plan, Scratch, Value};
use sluice::schema::{Format, SchemaText, Version};

/// Data: enough that the processor cannot learn them by heart.
const DATA: usize = 512;

const STEPS: &str = r#"
mapping:
  - { from: customer, to: buyer.name }
  - { to: currency, constant: EUR }
  - { to: total, cast: number }
  - { to: created, cast: time }
  - { from: "lines[].cost", to: "items[].price" }
  - { to: state, symbols: { NEW: OPEN } }
  - { drop: coupon }
"#;

fn writer() -> serde_json::Value {
    json!({"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "string"}, {"name": "customer", "type": "string"}, {"name": "total", "type": "string"},
        {"name": "created", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "note", "type": ["null", "string"]}, {"name": "coupon", "type": ["null", "string"]},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]}},
        {"name": "lines", "type": {"type": "array", "items": {"type": "record", "name": "Line", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "int"}, {"name": "cost", "type": "double"}]}}}]})
}

fn target() -> serde_json::Value {
    json!({"type": "record", "name": "Order", "fields": [
        {"name": "id", "type": "string"}, {"name": "currency", "type": "string"},
        {"name": "buyer", "type": {"type": "record", "name": "Buyer", "fields": [{"name": "name", "type": "string"}]}},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 18, "scale": 2}},
        {"name": "created", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "note", "type": ["null", "string"], "default": null},
        {"name": "state", "type": {"type": "enum", "name": "State", "symbols": ["OPEN", "PAID", "SENT"]}},
        {"name": "items", "type": {"type": "array", "items": {"type": "record", "name": "Item", "fields": [
            {"name": "sku", "type": "string"}, {"name": "count", "type": "long"}, {"name": "price", "type": "double"}]}}}]})
}

/// What resolution alone can do with the same data: fewer fields, and one that is wider.
fn narrower() -> serde_json::Value {
    let mut schema = writer();
    if let Some(fields) = schema["fields"].as_array_mut() {
        fields.retain(|field| field["name"] != "coupon");
        fields.push(json!({"name": "currency", "type": "string", "default": "EUR"}));
    }
    schema
}

fn codec(schema: &serde_json::Value) -> Codec {
    let text = schema.to_string().into();
    Codec::compile(&SchemaText { format: Format::Avro, text, references: Vec::new() }).expect("the schema is good")
}

fn text(rng: &mut StdRng, least: usize, most: usize) -> Value {
    let letters = 0..rng.random_range(least..most);
    Value::String(letters.map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect())
}

fn order(rng: &mut StdRng) -> Value {
    let maybe = |value: Option<Value>| match value {
        Some(value) => Value::Union(1, Box::new(value)),
        None => Value::Union(0, Box::new(Value::Null)),
    };
    let note = rng.random::<bool>().then(|| text(rng, 4, 20));
    let coupon = rng.random_ratio(1, 4).then(|| text(rng, 6, 8));
    let lines = 0..rng.random_range(1..6);
    let line = |rng: &mut StdRng| {
        let cost = Value::Double(f64::from(rng.random_range(1..50_000)) / 100.0);
        Value::Record(vec![text(rng, 8, 12), Value::Int(rng.random_range(1..9)), cost])
    };
    Value::Record(vec![
        text(rng, 16, 24),
        text(rng, 8, 24),
        Value::String(format!("{}.{:02}", rng.random_range(1..5_000), rng.random_range(0..100))),
        Value::Long(1_790_000_000_000 + rng.random_range(0..1_000_000)),
        maybe(note),
        maybe(coupon),
        Value::Enum(rng.random_range(0..3)),
        Value::Array(lines.map(|_| line(rng)).collect()),
    ])
}

fn convert(c: &mut Criterion) {
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let steps: Steps = Config::mapping(STEPS, Syntax::Yaml, &environment).expect("the steps are good");
    let steps = steps.of(Some(Version(1))).expect("they are for all versions");
    let ours = codec(&writer());
    let mut rng = StdRng::seed_from_u64(1);
    let data: Vec<Vec<u8>> = (0..DATA)
        .map(|_| {
            let mut datum = Vec::new();
            ours.encode(&order(&mut rng), &mut datum).expect("the value fits");
            datum
        })
        .collect();
    let (from, to) = (Arc::new(codec(&writer())), Arc::new(codec(&target())));
    let side = |codec, name| Side { tree: Codec::tree(codec), name };
    let mapping = Mapping::compile(steps, side(&from, "version 1"), side(&to, "version 2"));
    let mapping = Plan::map(mapping.expect("the mapping is good"), from, to);
    let resolution = Plan::resolve(&ours, &codec(&narrower())).expect("the schemas resolve");
    let mut group = c.benchmark_group("convert/order");
    group.throughput(Throughput::Bytes((data.iter().map(Vec::len).sum::<usize>() / DATA) as u64));
    let mut next = data.iter().cycle();
    let mut datum = || black_box(next.next().expect("a cycle has no end"));
    group.bench_function("check", |b| b.iter(|| ours.schema().check(datum())));
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    for (name, plan) in [("resolution", &resolution), ("mapping", &mapping)] {
        group.bench_function(name, |b| {
            b.iter(|| {
                out.clear();
                plan.convert(datum(), &mut scratch, &mut out).expect("the datum is good");
                black_box(out.len())
            });
        });
    }
    group.finish();
}

criterion_group!(benches, convert);
criterion_main!(benches);
