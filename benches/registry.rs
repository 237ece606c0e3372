//! What a registry does per record of its log, per question and per command, without HTTP.

#![allow(clippy::unwrap_used, missing_docs, reason = "a benchmark panics where a program returns")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use serde_json::json;
use sluice::registry::store::{Command, Deleted, Draft, LogRecord, Store, Wanted};
use sluice::schema::{SchemaId, Subject};

/// A record of some 2 KB whose one field has this name.
fn text(name: &str) -> String {
    let fields: Vec<_> = (0..30)
        .map(|n| json!({"name": format!("{name}_{n}"), "type": ["null", "string"], "default": null, "doc": "a field"}))
        .collect();
    json!({"type": "record", "name": "Order", "namespace": "shop", "fields": fields}).to_string()
}

fn record(n: i32) -> LogRecord {
    let subject = format!("subject-{}-value", n / 10);
    let (version, id) = (n % 10 + 1, n + 1);
    let key = format!(r#"{{"keytype":"SCHEMA","subject":"{subject}","version":{version},"magic":1}}"#);
    let value =
        json!({"subject": subject, "version": version, "id": id, "schema": text(&format!("f{n}")), "deleted": false});
    LogRecord { key: key.into_bytes(), value: Some(value.to_string().into_bytes()), timestamp: 1 }
}

fn registry(criterion: &mut Criterion) {
    let records: Vec<_> = (0..10_000).map(record).collect();
    let mut store = Store::unchecked();
    for record in &records {
        store.apply(record).unwrap();
    }
    let mut group = criterion.benchmark_group("registry");
    group.sample_size(20);
    group.bench_function("apply_10000", |bencher| {
        bencher.iter(|| {
            let mut store = Store::default();
            records.iter().for_each(|record| store.apply(record).unwrap());
            store
        });
    });
    group.bench_function("apply_one_beside_readers", |bencher| {
        let next = record(10_001);
        bencher.iter(|| {
            let mut state = store.clone();
            state.apply(black_box(&next)).unwrap();
            state
        });
    });
    group.bench_function("by_id", |bencher| bencher.iter(|| store.by_id(None, black_box(SchemaId(5_000))).unwrap()));
    let subject = Subject("subject-500-value".into());
    group.bench_function("latest", |bencher| {
        bencher.iter(|| store.version(black_box(&subject), Wanted::Latest, Deleted::Without).unwrap());
    });
    let register = |name: &str| Command::Register {
        subject: subject.clone(),
        draft: Draft { text: text(name), ..Draft::default() },
        normalize: false,
    };
    let (known, new) = (register("f5003"), register("new"));
    assert!(store.decide(&known).unwrap().records.is_empty());
    group.bench_function("register_known", |bencher| bencher.iter(|| store.decide(black_box(&known)).unwrap()));
    group.bench_function("register_new", |bencher| bencher.iter(|| store.decide(black_box(&new)).unwrap()));
    group.finish();
}

criterion_group!(benches, registry);
criterion_main!(benches);
