//! What a migration rule costs per record, beside the plain check and the way through a value without a rule.
//!
//! The rule is the usual one: a field gets another name, all else is kept. Once with numbers that JSON holds, once with an
//! ID beyond 2^53, which is carried around the expression. Compare within one run only.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use serde_json::json;

use sluice::convert::rules::{Chain, Versioned};
use sluice::convert::{Codec, Plan, Scratch, Value};
use sluice::schema::{Format, SchemaText, Version};

/// The schema of an order whose customer stands in the field `name`.
fn order(name: &str) -> Arc<Codec> {
    let fields = |fields: &[(&str, serde_json::Value)]| -> Vec<_> {
        fields.iter().map(|(name, of)| json!({ "name": name, "type": of })).collect()
    };
    let line = json!({ "type": "record", "name": "Line", "fields": fields(&[("sku", json!("string")), ("count", json!("int"))]) });
    let of = fields(&[
        ("id", json!("long")),
        (name, json!("string")),
        ("state", json!("string")),
        ("coupon", json!(["null", "string"])),
        ("price", json!("double")),
        ("lines", json!({ "type": "array", "items": line })),
    ]);
    let text = json!({ "type": "record", "name": "Order", "fields": of }).to_string();
    let text = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
    Arc::new(Codec::compile(&text).expect("a schema"))
}

fn datum(codec: &Codec, id: i64) -> Vec<u8> {
    let text = |text: &str| Value::String(text.into());
    let line = Value::Record(vec![text("sku-000000000001"), Value::Int(3)]);
    let coupon = Value::Union(1, Box::new(text("TEN-PERCENT")));
    let customer = text("Ada Lovelace, Countess");
    let lines = Value::Array(vec![line; 5]);
    let order = Value::Record(vec![Value::Long(id), customer, text("OPEN"), coupon, Value::Double(12.5), lines]);
    let mut datum = Vec::new();
    codec.encode(&order, &mut datum).expect("an order");
    datum
}

fn rules(c: &mut Criterion) {
    let (writer, target) = (order("name"), order("customer"));
    let expr = "$merge([$sift($, function($v, $k) { $k != 'name' }), {'customer': name}])";
    let rule = json!({ "name": "rename", "mode": "UPGRADE", "type": "JSONATA", "expr": expr });
    let set = serde_json::from_value(json!({ "migrationRules": [rule] })).expect("a rule set");
    let versions = [Versioned { version: Version(2), rules: Some(&set) }];
    let chain = Chain::compile(Version(1), Version(2), &versions).expect("rules that run").expect("a rule");
    let plan = Plan::follow(chain, Arc::clone(&writer), target);
    for (name, id) in [("order", 7), ("id_beyond_2^53", i64::MAX)] {
        let datum = datum(&writer, id);
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        let mut group = c.benchmark_group(format!("rules/{name}"));
        group.throughput(Throughput::Bytes(datum.len() as u64));
        group.bench_function("check", |b| b.iter(|| writer.schema().check(black_box(&datum))));
        group.bench_function("value", |b| {
            b.iter(|| {
                out.clear();
                let value = writer.decode(black_box(&datum)).expect("an order");
                writer.encode(&value, &mut out).expect("an order");
            });
        });
        group.bench_function("rule", |b| {
            b.iter(|| {
                out.clear();
                plan.convert(black_box(&datum), &mut scratch, &mut out).expect("an order");
            });
        });
        group.finish();
    }
}

criterion_group!(benches, rules);
criterion_main!(benches);
