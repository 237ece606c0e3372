//! What the gate costs per record: the frame alone, then the whole decision.
//!
//! The record is small (an order of about 40 bytes and a string key), so that the fixed
//! costs of a hop show. `decide` covers wire::parse, the table and the check, for value
//! only and for key and value; a dead letter is there to show the price of a no.

use std::hint::black_box;
use std::sync::Arc;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::gate::Gate;
use sluice::gate::policy::{Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule, Tombstones};
use sluice::gate::rewrite::Rewrite;
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

fn table() -> SchemaTable {
    let mut table = SchemaTable::default();
    for (part, id, text) in [(Part::Key, 1, r#""string""#), (Part::Value, 2, ORDER)] {
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
    let headers = [Header { name: "traceparent", value: Some(b"00-4bf92f3577b34da6-00f067aa0ba902b7-01") }];
    let allowed = WireFormat::ALL.into_iter().collect();
    let table = table();
    let (value_only, both) = (gate(None), gate(Some(part())));
    let good = record(VALUE, &headers);
    let cut = record(&VALUE[..VALUE.len() - 1], &headers);

    let mut group = criterion.benchmark_group("gate");
    group.throughput(Throughput::Elements(1));
    group.bench_function("wire::parse", |b| {
        b.iter(|| wire::parse(Part::Value, black_box(VALUE), black_box(&headers), allowed));
    });
    let mut rewrite = Rewrite::default();
    group.bench_function("decide/value", |b| {
        b.iter(|| value_only.decide(black_box(&good), Source(0), &table, &mut rewrite))
    });
    group.bench_function("decide/key and value", |b| {
        b.iter(|| both.decide(black_box(&good), Source(0), &table, &mut rewrite))
    });
    group.bench_function("decide/dead letter", |b| {
        b.iter(|| value_only.decide(black_box(&cut), Source(0), &table, &mut rewrite))
    });
    group.finish();
}

criterion_group!(benches, bench);
criterion_main!(benches);
