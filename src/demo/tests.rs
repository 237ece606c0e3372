//! The demo's records before the real gate, and what the demo prints.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema_compatibility::SchemaCompatibility;
use apache_avro::writer::datum::GenericDatumWriter;
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use super::counts::Counts;
use super::damage::{Damage, framed};
use super::ledger::{Arrival, Entry, Ledger, Letter};
use super::orders::{Order, Writer};
use super::registry::{Ids, SCHEMAS, register};
use super::summary::Report;
use super::table::{History, View, redraw};
use super::traffic::{Expected, Traffic};
use super::{DOWN, GATE, Output, SOURCE, UP, configuration};
use crate::gate::Gate;
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::{Decision, Route};
use crate::record::{Offset, Part, Partition, Position, Record, Value};
use crate::registry::node::Node;
use crate::registry::store::Store;
use crate::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use crate::schema::table::{Entry as TableEntry, Judgement, Need, Reading, Refusal, SchemaTable, Slot, Source};
use crate::schema::{Format, SchemaId, SchemaRef, SchemaText, Version};
use crate::telemetry::metrics::OutcomeCount;
use crate::violation::{ReasonCode, Violation};

const NOW: i64 = 1_780_000_000_000;

/// The demo's gate with all that it would learn from the registry.
struct Judge {
    gate: Gate,
    table: SchemaTable,
    ids: Ids,
}

impl Judge {
    fn new() -> Self {
        let config = configuration("localhost:9092", "127.0.0.1:8081".parse().unwrap(), "127.0.0.1:0").unwrap();
        assert_eq!(config.gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>(), [GATE, DOWN, UP]);
        let ids = futures::executor::block_on(register(&Node::in_memory(Store::unchecked()))).unwrap();
        let mut table = SchemaTable::default();
        let mut insert = |id: SchemaId, entry| {
            let slot = Slot { source: Source(0), part: Part::Value };
            table.insert(Need { slot, schema: SchemaRef::Id(id) }, entry);
        };
        let schemas = [0, 1, 2].map(compiled);
        for (index, schema) in schemas.iter().enumerate() {
            let reading = match Resolution::between(WriterSchema(schema), ReaderSchema(&schemas[1])).unwrap() {
                Resolution::Always => Reading::Always,
                Resolution::Depends(program) => Reading::Depends(program),
                Resolution::Never(mismatch) => Reading::Never(mismatch),
            };
            let (schema, target) = (Arc::clone(schema), Some(Version(2)));
            let judgement = Judgement { schema, subject: None, version: None, target, reading, conversion: None };
            insert(ids.orders[index], TableEntry::Judged(Arc::new(judgement)));
        }
        for (id, code) in [(ids.payment, ReasonCode::SubjectMismatch), (ids.nobodys, ReasonCode::UnknownSchema)] {
            let refusal = Refusal { violation: Violation::new(code, "as the registry says"), subject: None };
            insert(id, TableEntry::Refused(Arc::new(refusal)));
        }
        Self { gate: Gate::new(config.gates[0].policy_for(SOURCE)), table, ids }
    }

    fn decide(&self, value: Option<&[u8]>) -> Expected {
        let position = Position { topic: SOURCE, partition: Partition(0), offset: Offset(0) };
        let value = value.map_or(Value::Tombstone, Value::Bytes);
        let record = Record { position, timestamp: Some(NOW), key: Some(b"key"), value, headers: &[] };
        match self.gate.decide(&record, Source(0), &self.table, &mut Rewrite::default()) {
            Decision::Route(route, verdict) => Expected { route, reason: verdict.reason() },
            Decision::NeedSchemas(needs) => panic!("the table lacks {needs:?}"),
        }
    }
}

fn compiled(index: usize) -> Arc<Schema> {
    let text = SchemaText { format: Format::Avro, text: SCHEMAS[index].1.into(), references: Vec::new() };
    Arc::new(Schema::compile(&text).unwrap())
}

#[test]
fn the_gate_finds_every_damage() {
    let (judge, mut random) = (Judge::new(), StdRng::seed_from_u64(1));
    for damage in Damage::ALL {
        for writer in [Writer::V1, Writer::V2] {
            for _ in 0..200 {
                let order = Order::random(&mut random, NOW);
                let found = judge.decide(Some(&damage.write(&order, writer, &judge.ids)));
                let expected = Expected { route: Route::DeadLetter, reason: Some(damage.reason()) };
                assert_eq!(found, expected, "{damage:?} in {writer:?} of {order:?}");
            }
        }
        assert_eq!(Damage::behind(damage.reason()), Some(damage), "one damage for one reason");
    }
}

#[test]
fn the_gate_decides_about_traffic_as_expected() {
    let judge = Judge::new();
    let mut traffic = Traffic::new(judge.ids);
    let mut counts: BTreeMap<_, u32> = BTreeMap::new();
    for _ in 0..20_000 {
        let outgoing = traffic.next(NOW);
        assert_eq!(judge.decide(outgoing.value.as_deref()), outgoing.expected);
        *counts.entry(outgoing.expected.route.outcome()).or_default() += 1;
        *counts.entry(if outgoing.value.is_none() { "deleted" } else { "valued" }).or_default() += 1;
    }
    for (outcome, per_mille) in
        [("validated", 840..880), ("converter", 85..115), ("dead_letter", 30..50), ("deleted", 5..15)]
    {
        assert!(per_mille.contains(&(counts[outcome] / 20)), "{outcome}: {counts:?}");
    }
}

#[test]
fn orders_are_avro_to_other_readers_too() {
    let (judge, mut random) = (Judge::new(), StdRng::seed_from_u64(2));
    let target = apache_avro::Schema::parse_str(SCHEMAS[1].1).unwrap();
    for (index, writer) in [Writer::V1, Writer::V2, Writer::V3].into_iter().enumerate() {
        let schema = apache_avro::Schema::parse_str(SCHEMAS[index].1).unwrap();
        let is_readable = SchemaCompatibility::can_read(&schema, &target).is_ok();
        assert_eq!(is_readable, writer != Writer::V3, "{writer:?} by readers of v2");
        for _ in 0..100 {
            let datum = Order::random(&mut random, NOW).encode(writer);
            let reader = GenericDatumReader::builder(&schema).build().unwrap();
            let value = reader.read_value(&mut datum.bytes.as_slice()).unwrap();
            let written = GenericDatumWriter::builder(&schema).build().unwrap().write_value_to_vec(value).unwrap();
            assert_eq!(written, datum.bytes, "{writer:?}");
            let found = judge.decide(Some(&framed(judge.ids.orders[index], &datum.bytes)));
            assert_eq!(found.route, if is_readable { Route::Validated } else { Route::Converter });
        }
    }
    let payment = Order::random(&mut random, NOW).encode_payment();
    assert!(compiled(3).check(&payment.bytes));
}

#[test]
fn two_runs_send_the_same() {
    let ids = futures::executor::block_on(register(&Node::in_memory(Store::unchecked()))).unwrap();
    let (mut one, mut other) = (Traffic::new(ids), Traffic::new(ids));
    for _ in 0..1000 {
        let (one, other) = (one.next(NOW), other.next(NOW));
        assert_eq!((one.key, one.value, one.partition), (other.key, other.value, other.partition));
    }
}

fn outcomes(counts: &[(Route, u64)]) -> Vec<OutcomeCount> {
    counts.iter().map(|&(route, records)| OutcomeCount { route, reason: None, records }).collect()
}

fn counts(scale: u64) -> Counts {
    let mut gate = outcomes(&[(Route::Validated, 860 * scale), (Route::Converter, 100 * scale)]);
    gate.extend(
        [
            (ReasonCode::Truncated, 20 * scale),
            (ReasonCode::InvalidUtf8, 12 * scale),
            (ReasonCode::WireFormatNotAllowed, 8 * scale),
        ]
        .map(|(reason, records)| OutcomeCount { route: Route::DeadLetter, reason: Some(reason), records }),
    );
    let up = [(Route::Converted, 840 * scale), (Route::Validated, 10 * scale), (Route::Skipped, 95 * scale)];
    let down = [(Route::Converted, 95 * scale), (Route::Skipped, 840 * scale)];
    Counts::new(&gate, &outcomes(&up), &outcomes(&down))
}

fn history() -> History {
    let mut history = History::default();
    for second in 1..=12 {
        let held = (second == 12).then_some("unknown_schema").into_iter().collect();
        history.add(View::new(Duration::from_secs(second), 1030 * second, counts(second), held));
    }
    history
}

#[test]
fn the_table_is_as_written() {
    let table = history().table(Some(Duration::from_secs(20)), false);
    let expected = "\
orders.raw ─> gate 'orders' ─> orders, orders-v3, orders.dead-letter
orders ─> converter 'up' ─> orders-v3 ─> converter 'down' ─> orders
  12 s of 20 s       records   per second     share
  sent                12,360        1,030
  validated           10,320          860    86.0 %  ██████████████████████████
  converter            1,200          100    10.0 %  ███
  dead letters           480           40     4.0 %  ██
  converted up        10,080          840
  converted down       1,140           95
  skipped             11,220          935
  waiting                660  held back: unknown_schema

  dead letters by reason
  truncated                  240  20/s  invalid_utf8               144  12/s
  wire_format_not_allowed     96   8/s";
    assert_eq!(table, expected);
    assert!(table.lines().all(|line| line.chars().count() <= 80), "fits a terminal of 80 columns");
    let endless = history().table(None, true);
    assert!(endless.contains("12 s, until Ctrl-C") && endless.contains("\x1b[32m█"), "{endless}");
    let first = History::default().table(None, true);
    assert_eq!(first, "", "nothing to show yet");
}

#[test]
fn the_line_is_as_written() {
    let expected = "  12 s  12,360 sent  10,320 validated   1,200 converter     480 dead letters  10,080 up   \
                    1,140 down  11,220 skipped    660 waiting  held back: unknown_schema";
    assert_eq!(history().line(), expected);
}

#[test]
fn redraws_over_the_last_table() {
    let mut height = 0;
    assert_eq!(redraw("a\nb", &mut height), "\r\x1b[?7la\x1b[K\nb\x1b[K\n\x1b[?7h\x1b[J");
    assert_eq!((height, redraw("c", &mut height).starts_with("\r\x1b[2A")), (2, true));
}

/// A ledger of one record of each outcome; `lost`: the dead letter never came out.
fn ledger(lost: bool) -> Ledger {
    let mut ledger = Ledger::default();
    let dead = Some(ReasonCode::InvalidUtf8);
    let outcomes = [
        (Route::Validated, None, vec![Output::Old, Output::New]),
        (Route::Converter, None, vec![Output::Old, Output::New]),
        (Route::DeadLetter, dead, vec![Output::DeadLetters]),
    ];
    for (route, reason, outputs) in outcomes {
        let due = Output::ALL.map(|output| outputs.contains(&output).then_some(0));
        let number = ledger.enter(Entry { partition: 0, expected: Expected { route, reason }, due, size: 1 });
        for output in outputs.into_iter().filter(|output| !(lost && *output == Output::DeadLetters)) {
            let is_converted = Output::of(route) != Some(output);
            let number = Some(number);
            ledger.strike_out(Arrival { output, partition: 0, number, fingerprint: 0, reason, is_converted });
        }
    }
    ledger.keep(ReasonCode::InvalidUtf8, || Letter {
        source: "orders.raw-3@81".to_owned(),
        path: Some("customer.name".to_owned()),
        detail: "a string is not valid UTF-8".to_owned(),
    });
    ledger
}

fn counted() -> Counts {
    let mut gate = outcomes(&[(Route::Validated, 1), (Route::Converter, 1)]);
    gate.push(OutcomeCount { route: Route::DeadLetter, reason: Some(ReasonCode::InvalidUtf8), records: 1 });
    let one = outcomes(&[(Route::Converted, 1), (Route::Skipped, 1)]);
    Counts::new(&gate, &one, &one)
}

#[test]
fn the_summary_is_as_written() {
    let report = Report::new(ledger(false), &counted(), Duration::from_secs(1), 3);
    let expected = "\
3 records in 1.0 s, 3 per second
          2  orders              the old topic: every good record, for readers of v2
          2  orders-v3           the new topic: every good record, for readers of v3, which v2 cannot read
          1  orders.dead-letter  at fault: bytes and headers as they came, and the reason in headers

every record accounted for: 3 sent = 1 validated + 1 converter + 1 dead letters
both topics are complete:   orders    2 = 1 as sent + 1 converted down
                            orders-v3 2 = 1 as sent + 1 converted up + 0 deletions
skipped by the pair:        2, all that one converter wrote and the other met: nothing goes round
each was read back once from each of its topics: right version, value, key, timestamp, reason, partition and order

dead letters by reason, and what the producer had done
          1  invalid_utf8             a name in Latin-1

some of them, as their headers tell
  orders.raw-3@81    invalid_utf8 at 'customer.name': a string is not valid UTF-8
";
    assert_eq!(report.to_string(), expected);
    assert!(report.faults.is_empty());
}

#[test]
fn the_summary_says_when_something_is_wrong() {
    let up = outcomes(&[(Route::Converted, 2), (Route::Skipped, 1)]);
    let down = outcomes(&[(Route::Converted, 1)]);
    let mut gate = outcomes(&[(Route::Validated, 1), (Route::Converter, 1)]);
    gate.push(OutcomeCount { route: Route::DeadLetter, reason: Some(ReasonCode::InvalidUtf8), records: 1 });
    let counts = Counts::new(&gate, &up, &down);
    let report = Report::new(ledger(true), &counts, Duration::from_secs(1), 100);
    let text = report.to_string();
    for line in [
        "(not the 100 asked for: producers wait for the gate, as the embedded broker keeps little)",
        "NOT every record is accounted for (3 sent):",
        "  0 records came out dead letters, and 1 were counted",
        "  1 records came out converted up, and 2 were counted",
        "  1 records came out to be skipped by the converter down, and 0 were counted",
        "  1 records never came to a topic of theirs, the first of them number 3",
    ] {
        assert!(text.lines().any(|found| found == line), "'{line}' is missing in\n{text}");
    }
    assert_eq!(report.faults.len(), 4);
}
