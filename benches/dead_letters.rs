//! What one dead letter costs in `sluice dead-letters`, from its headers on.

use std::hint::black_box;
use std::io::Write as _;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use sluice::dead_letters::{Filter, Letter, Line, State, Stats};
use sluice::filter::{Condition, Content, Scope, View};
use sluice::record::{Header, Offset, Partition, Position, Record, Value};

const HEADERS: &[(&str, &str)] = &[
    ("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
    ("sluice.reason", "invalid_utf8"),
    ("sluice.path", "customer.name"),
    ("sluice.detail", "a string is not valid UTF-8"),
    ("sluice.part", "value"),
    ("sluice.source.topic", "orders.raw"),
    ("sluice.source.partition", "3"),
    ("sluice.source.offset", "123456789"),
    ("sluice.source.timestamp", "1795255848819"),
    ("sluice.schema.id", "7"),
    ("sluice.schema.subject", "orders.raw-value"),
    ("sluice.schema.version", "2"),
    ("sluice.schema.format", "avro"),
    ("sluice.gate", "orders"),
    ("sluice.gate.version", "0.1.0"),
    ("sluice.attempt", "1"),
];

fn dead_letters(criterion: &mut Criterion) {
    let headers: Vec<_> = HEADERS.iter().map(|(name, value)| Header { name, value: Some(value.as_bytes()) }).collect();
    let position = Position { topic: "orders.dead-letter", partition: Partition(3), offset: Offset(123_456) };
    let other = Filter { reasons: vec!["truncated".to_owned()], ..Filter::default() };
    let mut group = criterion.benchmark_group("dead letters");
    group.throughput(Throughput::Elements(1));
    group.bench_function("read and refused by a filter", |bencher| {
        bencher.iter(|| other.matches(&Letter::read(black_box(&headers)), Some(5)));
    });
    let record = Record { position, timestamp: Some(5), key: None, value: Value::Tombstone, headers: &headers };
    for (name, expression) in [
        ("read and refused by an expression", "reason == 'truncated' && source.partition == 3"),
        ("read and refused by a regular expression", "reason.matches('^truncated.*')"),
        ("read and refused by an expression on headers", "headers['sluice.gate'] == 'payments'"),
    ] {
        let condition = Condition::compile(expression, Scope::DeadLetters).expect("it is a condition");
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let letter = Letter::read(black_box(&headers));
                let (key, value) = (Content::Unasked, Content::Unasked);
                condition.holds(&View { record: &record, letter: Some(&letter), key, value })
            });
        });
    }
    let (all, mut out) = (Filter::default(), Vec::new());
    group.bench_function("read and written as JSON", |bencher| {
        bencher.iter(|| {
            out.clear();
            let letter = Letter::read(black_box(&headers));
            if all.matches(&letter, Some(5)) {
                serde_json::to_writer(&mut out, &Line::new(&letter, position, Some(5))).expect("a vector takes it");
                out.write_all(b"\n").expect("a vector takes it");
            }
            out.len()
        });
    });
    let (mut stats, mut number) = (Stats::default(), 0_u64);
    group.bench_function("read and counted", |bencher| {
        bencher.iter(|| {
            number += 1;
            let letter = Letter::read(black_box(&headers));
            stats.add((&letter, State::Open), Some(5), Some(&number.to_be_bytes()));
        });
    });
    group.finish();
}

criterion_group!(benches, dead_letters);
criterion_main!(benches);
