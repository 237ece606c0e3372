//! What checking Avro data costs, beside libraries that decode them: ten shapes of records.
//!
//! Per shape: our check under the writer's schema, as the gate runs it, all limits on; the same for a pair whose reader
//! lacks a field and has one more, and for a pair of which each datum must be asked; serde_avro_fast with a visitor that
//! visits every value and keeps none, and with serde's `IgnoredAny`; apache-avro, which builds values.
//!
//! What is compared is not the same work. serde_avro_fast checks less than we do: it takes bytes after the datum, a
//! billion items that take no bytes, blocks whose stated size is not theirs (`IgnoredAny` skips by it), and `IgnoredAny`
//! also enum indexes out of range and strings that are not UTF-8; apache-avro takes some truncated data. Both are given
//! the schema without its logical types, since we check those as their base types: a decimal would cost them a number.
//!
//! `cargo bench --bench avro` measures each alone; `cargo bench --bench avro -- --table` all in turns, by CPU time, for
//! docs/performance.md. Compare within one run only. The data differ, for a datum that is read again and again teaches
//! the processor its branches.

use std::hint::black_box;

use apache_avro::Schema as Library;
use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;
use criterion::{Criterion, Throughput};
use rand::SeedableRng;
use rand::rngs::StdRng;
use serde::de::IgnoredAny;
use serde_avro_fast::from_datum_slice;
use serde_json::json;

use sluice::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use sluice::schema::{Format, SchemaText};

use shapes::Shape;
use visit::Visited;

#[path = "common/orders.rs"]
mod orders;
#[path = "avro/shapes.rs"]
mod shapes;
#[path = "avro/table.rs"]
mod table;
#[path = "avro/visit.rs"]
mod visit;

/// Data of one shape: enough that the processor cannot learn them by heart.
const DATA: usize = 512;

/// Their bytes at most, so that memory is not what is measured.
const BYTES: usize = 1 << 19;

type Run = Box<dyn Fn(&[Vec<u8>]) -> usize>;

/// One way to go through data. Returns how many are good.
struct Way {
    name: &'static str,
    run: Run,
}

impl Way {
    fn new(name: &'static str, good: impl Fn(&[u8]) -> bool + 'static) -> Self {
        Self { name, run: Box::new(move |data| data.iter().filter(|datum| good(black_box(datum))).count()) }
    }
}

/// One shape with all ways.
struct Case {
    name: &'static str,
    ways: Vec<Way>,
    /// Data that are good in all ways.
    data: Vec<Vec<u8>>,
}

impl Case {
    fn new(shape: &Shape) -> Self {
        let plain = without_logical_types(&shape.schema);
        let ways = vec![
            pair("check", &shape.schema, &shape.schema),
            pair("other reader", &shape.schema, &other_reader(&shape.schema)),
            pair("depends", &shape.schema, &lacking_reader(&shape.schema, shape.depends)),
            Way::new("serde_avro_fast, visited", decoder::<Visited>(&plain)),
            Way::new("serde_avro_fast, IgnoredAny", decoder::<IgnoredAny>(&plain)),
            apache(&plain),
        ];
        let data = data(shape, &plain);
        let data = data.into_iter().filter(|datum| (ways[2].run)(std::slice::from_ref(datum)) == 1).collect();
        let case = Self { name: shape.name, ways, data };
        for way in &case.ways {
            assert_eq!((way.run)(&case.data), case.data.len(), "{}: {}", case.name, way.name);
        }
        case
    }

    fn bytes(&self) -> usize {
        self.data.iter().map(Vec::len).sum()
    }
}

fn cases() -> Vec<Case> {
    shapes::shapes().iter().map(Case::new).collect()
}

/// Draws data and writes them.
fn data(shape: &Shape, plain: &serde_json::Value) -> Vec<Vec<u8>> {
    let library = Library::parse(plain).expect("the schema is good");
    let writer = GenericDatumWriter::builder(&library).build().expect("the schema is good");
    let (mut rng, mut bytes) = (StdRng::seed_from_u64(1), 0);
    let mut data = Vec::with_capacity(DATA);
    while data.len() < DATA && bytes < BYTES {
        let value = Value::try_from((shape.datum)(&mut rng)).and_then(|value| value.resolve(&library));
        let datum = writer.write_value_to_vec(value.expect("the datum fits")).expect("the datum fits");
        bytes += datum.len();
        data.push(datum);
    }
    data
}

fn compile(schema: &serde_json::Value) -> Schema {
    let text = schema.to_string().into();
    Schema::compile(&SchemaText { format: Format::Avro, text, references: Vec::new() }).expect("the schema is good")
}

/// What the gate runs for a pair of schemas.
fn pair(name: &'static str, writer: &serde_json::Value, reader: &serde_json::Value) -> Way {
    let (writer, reader) = (compile(writer), compile(reader));
    match Resolution::between(WriterSchema(&writer), ReaderSchema(&reader)).expect("within limits") {
        Resolution::Always => Way::new(name, move |datum| writer.check(datum)),
        Resolution::Depends(program) => Way::new(name, move |datum| program.check(datum)),
        Resolution::Never(mismatch) => unreachable!("{mismatch:?}"),
    }
}

/// A reader that lacks the first field, and has a default for one more.
fn other_reader(schema: &serde_json::Value) -> serde_json::Value {
    let mut reader = schema.clone();
    let fields = reader["fields"].as_array_mut().expect("the shapes are records");
    fields.remove(0);
    fields.push(json!({"name": "added", "type": "string", "default": "none"}));
    reader
}

/// A reader that cannot take null in a field, or not the last symbol of an enum.
fn lacking_reader(schema: &serde_json::Value, name: &str) -> serde_json::Value {
    let mut reader = schema.clone();
    let fields = reader["fields"].as_array_mut().expect("the shapes are records");
    let field = fields.iter_mut().find(|field| field["name"] == name).expect("the shape has the field");
    if let Some(symbols) = field["type"].get_mut("symbols").and_then(serde_json::Value::as_array_mut) {
        symbols.pop();
    } else {
        field["type"] = field["type"][1].take();
        field.as_object_mut().expect("a field is an object").remove("default");
    }
    reader
}

fn decoder<T: serde::de::DeserializeOwned>(schema: &serde_json::Value) -> impl Fn(&[u8]) -> bool + 'static {
    let schema: serde_avro_fast::Schema = schema.to_string().parse().expect("the schema is good");
    move |datum| from_datum_slice::<T>(datum, &schema).is_ok()
}

fn apache(schema: &serde_json::Value) -> Way {
    // The reader borrows its schema, and both last as long as the benchmark.
    let schema: &'static Library = Box::leak(Box::new(Library::parse(schema).expect("the schema is good")));
    let reader = GenericDatumReader::builder(schema).build().expect("the schema is good");
    Way::new("apache-avro", move |datum| reader.read_value(&mut &*datum).is_ok())
}

fn without_logical_types(schema: &serde_json::Value) -> serde_json::Value {
    if let Some(parts) = schema.as_array() {
        return parts.iter().map(without_logical_types).collect();
    }
    let Some(parts) = schema.as_object() else { return schema.clone() };
    let parts = parts.iter().filter(|(key, _)| *key != "logicalType");
    parts.map(|(key, part)| (key.clone(), without_logical_types(part))).collect()
}

/// Measures each way alone.
fn each(criterion: &mut Criterion) {
    for case in cases() {
        let mut group = criterion.benchmark_group(format!("avro/{}", case.name));
        group.throughput(Throughput::ElementsAndBytes { elements: case.data.len() as u64, bytes: case.bytes() as u64 });
        for way in &case.ways {
            group.bench_function(way.name, |bencher| bencher.iter(|| (way.run)(black_box(&case.data))));
        }
        group.finish();
    }
}

fn main() {
    if std::env::args().any(|argument| argument == "--table") {
        table::print(&cases());
        return;
    }
    let mut criterion = Criterion::default().configure_from_args();
    each(&mut criterion);
    criterion.final_summary();
}
