//! What converting one Avro datum by schema resolution costs, beside the plain check of the same datum, the explanation of one
//! that is cut, and the making of the plan, which is once for each pair of schemas.
//!
//! Pairs of schemas as topics see them: a field comes or goes, fields change places, numbers widen, items of a list
//! change, one of sixty optional fields goes. The data differ from call to call, for a datum that is read again and again
//! teaches the processor its branches. At the end stand the ratios and their geometric mean; compare within one run only.

#![expect(
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    reason = "a benchmark prints, and looks at few kinds of JSON"
)]

use std::hint::black_box;
use std::time::Instant;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use serde_json::{Value as Json, json};

use sluice::convert::{Codec, Plan, Scratch, Value};
use sluice::schema::{Format, SchemaText};

#[path = "common/orders.rs"]
mod orders;

use orders::{optional, record};

/// Data of one pair: enough that the processor cannot learn them by heart.
const DATA: usize = 512;

fn small() -> Json {
    let state = json!({"type": "enum", "name": "State", "symbols": ["NEW", "PAID", "SENT"]});
    record(
        "Payment",
        &[
            ("id", json!("string")),
            ("customer", json!("long")),
            ("cents", json!("long")),
            ("at", json!("long")),
            ("weight", json!("double")),
            ("express", json!("boolean")),
            ("note", optional(json!("string"))),
            ("state", state),
        ],
    )
}

fn wide() -> Json {
    let sorts = ["long", "string", "double", "int", "boolean"];
    let fields: Vec<_> = (0..60).map(|i| (format!("f{i}"), json!(["null", sorts[i % sorts.len()]]))).collect();
    let fields: Vec<_> = fields.iter().map(|(name, ty)| (&**name, ty.clone())).collect();
    record("Wide", &fields)
}

/// Changes the fields of a record: `change` gets them as a list.
fn changed(mut schema: Json, change: impl FnOnce(&mut Vec<Json>)) -> Json {
    change(schema["fields"].as_array_mut().expect("a record"));
    schema
}

fn added() -> Json {
    json!({"name": "currency", "type": "string", "default": "EUR"})
}

/// The pairs: writer and target.
fn pairs() -> Vec<(&'static str, Json, Json)> {
    let longs = || {
        let names: Vec<_> = (0..16).map(|i| format!("n{i}")).collect();
        names.iter().map(|name| (name.clone(), json!("long"))).collect::<Vec<_>>()
    };
    let numbers = |of: &str| {
        let fields: Vec<_> = longs().into_iter().map(|(name, _)| (name, json!(of))).collect();
        record("Numbers", &fields.iter().map(|(name, ty)| (&**name, ty.clone())).collect::<Vec<_>>())
    };
    let lines = |change: fn(&mut Vec<Json>)| {
        changed(orders::schema(), |fields| {
            let line = &mut fields[2]["type"]["items"];
            *line = changed(line.take(), change);
        })
    };
    vec![
        ("same", orders::schema(), orders::schema()),
        ("small, a field more", small(), changed(small(), |fields| fields.insert(4, added()))),
        ("small, a field less", small(), changed(small(), |fields| drop(fields.remove(6)))),
        ("small, other order", small(), changed(small(), |fields| fields.rotate_left(3))),
        ("nested, a field more", orders::schema(), changed(orders::schema(), |fields| fields.push(added()))),
        ("nested, lines with a field more", orders::schema(), lines(|fields| fields.insert(2, added()))),
        ("nested, lines with a field less", orders::schema(), lines(|fields| drop(fields.remove(3)))),
        ("wide, a field less", wide(), changed(wide(), |fields| drop(fields.remove(30)))),
        ("wide, other order", wide(), changed(wide(), |fields| fields.rotate_left(20))),
        ("numbers, all widened", numbers("int"), numbers("double")),
    ]
}

fn compile(schema: &Json) -> Codec {
    let text = schema.to_string().into();
    Codec::compile(&SchemaText { format: Format::Avro, text, references: Vec::new() }).expect("the schema is good")
}

fn text(rng: &mut StdRng) -> String {
    (0..rng.random_range(4..24)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

fn value(schema: &Json, rng: &mut StdRng) -> Value {
    match schema {
        Json::Array(branches) => {
            let branch = usize::from(!rng.random_ratio(1, 4));
            Value::Union(branch, Box::new(value(&branches[branch], rng)))
        }
        Json::Object(object) => match object["type"].as_str().unwrap_or_default() {
            "record" => {
                let fields = object["fields"].as_array().expect("fields");
                Value::Record(fields.iter().map(|field| value(&field["type"], rng)).collect())
            }
            "array" => Value::Array((0..rng.random_range(3..8)).map(|_| value(&object["items"], rng)).collect()),
            "map" => {
                Value::Map((0..rng.random_range(2..6)).map(|_| (text(rng), value(&object["values"], rng))).collect())
            }
            _ => Value::Enum(rng.random_range(0..3)),
        },
        name => match name.as_str().unwrap_or_default() {
            "null" => Value::Null,
            "boolean" => Value::Boolean(rng.random()),
            "int" => Value::Int(rng.random_range(-10_000..1_000_000)),
            "long" => Value::Long(rng.random_range(0..1_000_000_000_000)),
            "double" => Value::Double(rng.random()),
            _ => Value::String(text(rng)),
        },
    }
}

fn convert(c: &mut Criterion) {
    let mut ratios = Vec::new();
    for (name, writer, target) in pairs() {
        let (from, to) = (compile(&writer), compile(&target));
        let plan = Plan::resolve(&from, &to).expect("a way");
        let mut rng = StdRng::seed_from_u64(1);
        let data: Vec<Vec<u8>> = (0..DATA)
            .map(|_| {
                let mut datum = Vec::new();
                from.encode(&value(&writer, &mut rng), &mut datum).expect("the value fits");
                datum
            })
            .collect();
        let (mut scratch, mut out) = (Scratch::default(), Vec::new());
        let mut group = c.benchmark_group(format!("convert/{name}"));
        group.throughput(Throughput::Bytes((data.iter().map(Vec::len).sum::<usize>() / DATA) as u64));
        let mut next = data.iter().cycle();
        group.bench_function("check", |b| {
            b.iter(|| from.schema().check(black_box(next.next().expect("a cycle has no end"))));
        });
        group.bench_function("convert", |b| {
            b.iter(|| {
                out.clear();
                plan.convert(black_box(next.next().expect("a cycle has no end")), &mut scratch, &mut out).expect("good")
            });
        });
        let mut next = data.iter().cycle();
        group.bench_function("explain", |b| {
            b.iter(|| {
                let datum = next.next().expect("a cycle has no end");
                from.schema().explain(black_box(&datum[..datum.len() - 1]))
            });
        });
        group.finish();
        c.bench_function(&format!("resolve/{name}"), |b| b.iter(|| Plan::resolve(black_box(&from), black_box(&to))));
        ratios.push((name, ratio(&from, &plan, &data)));
    }
    for (name, ratio) in &ratios {
        println!("{ratio:.2} times the check: {name}");
    }
    #[expect(clippy::cast_precision_loss, reason = "ten pairs")]
    let mean = (ratios.iter().map(|(_, ratio)| ratio.ln()).sum::<f64>() / ratios.len() as f64).exp();
    println!("{mean:.2} times the check: the geometric mean");
}

/// Measures both in turns, so that whatever else the machine does hits them alike; returns the ratio of the least times.
fn ratio(from: &Codec, plan: &Plan, data: &[Vec<u8>]) -> f64 {
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    let (mut check, mut convert) = (f64::INFINITY, f64::INFINITY);
    for _ in 0..400 {
        let start = Instant::now();
        data.iter().for_each(|datum| assert!(from.schema().check(black_box(datum))));
        check = check.min(start.elapsed().as_secs_f64());
        let start = Instant::now();
        for datum in data {
            out.clear();
            plan.convert(black_box(datum), &mut scratch, &mut out).expect("good");
        }
        convert = convert.min(start.elapsed().as_secs_f64());
    }
    convert / check
}

criterion_group!(benches, convert);
criterion_main!(benches);
