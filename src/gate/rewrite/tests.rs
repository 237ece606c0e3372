//! Conversion in place, converters and pairs, by plain calls.

use std::sync::Arc;

use super::*;
use crate::convert::{Codec, NoPath, Plan};
use crate::gate::Gate;
use crate::gate::policy::{
    ConversionRule, Incompatible, Mode, Pairing, PartPolicy, Policy, SubjectRule, TargetRule, Tombstones,
};
use crate::gate::verdict::{Decision, Route, Verdict};
use crate::record::{Offset, Partition, Position};
use crate::schema::avro::{Mismatch, ReaderSchema, Resolution, Schema, WriterSchema};
use crate::schema::table::{Entry, Judgement, Need, Place, Reading, SchemaTable, Slot, Source};
use crate::schema::{Format, SchemaGuid, SchemaId, SchemaRef, SchemaText};
use crate::wire::WireFormat;

const SOURCE: Source = Source(0);
const WRITER: i32 = 1;
const TARGET: i32 = 2;
const NO_WAY: i32 = 3;
const WRITER_GUID: SchemaGuid = SchemaGuid([1; 16]);
const TARGET_GUID: SchemaGuid = SchemaGuid([2; 16]);

const INT: &str = r#""int""#;
const LONG: &str = r#""long""#;

fn text(text: &str) -> SchemaText {
    SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() }
}

fn place() -> Arc<Place> {
    let subject = Subject("orders-value".into());
    Arc::new(Place { subject, version: Version(2), id: SchemaId(TARGET), guid: Some(TARGET_GUID) })
}

/// A writer that resolves to the target; `all`: as a converter sees it.
fn judged(writer: &str, target: &str, all: bool) -> Judgement {
    let plan = Plan::resolve(&Codec::compile(&text(writer)).unwrap(), &Codec::compile(&text(target)).unwrap());
    let schema = Arc::new(Schema::compile(&text(writer)).unwrap());
    let reader = Schema::compile(&text(target)).unwrap();
    #[allow(clippy::wildcard_enum_match_arm, reason = "all others are one case")]
    let reading = match Resolution::between(WriterSchema(&schema), ReaderSchema(&reader)).unwrap() {
        Resolution::Always if all => Reading::Always,
        // What only a mapping or rules can bridge is built by them; here resolution stands in for their plans.
        _ => Reading::Never(Mismatch { path: String::new(), detail: "never".to_owned() }),
    };
    let pair = Pair { from: "orders-value/1".into(), to: "orders-value/2".into(), way: "resolution" };
    let to = place();
    let conversion = Conversion { all, to, plan: plan.map(Arc::new), pair: Arc::new(pair) };
    Judgement {
        schema,
        subject: Some(Subject("orders-value".into())),
        version: Some(Version(1)),
        target: Some(Version(2)),
        reading,
        conversion: Some(conversion),
    }
}

/// The writer by ID and GUID, the target, and a writer without a way, for either part.
fn table(writer: &str, target: &str, all: bool) -> SchemaTable {
    let mut table = SchemaTable::default();
    for part in [Part::Key, Part::Value] {
        let mut put = |schema, judgement| {
            table.insert(Need { slot: Slot { source: SOURCE, part }, schema }, Entry::Judged(Arc::new(judgement)));
        };
        put(SchemaRef::Id(SchemaId(WRITER)), judged(writer, target, all));
        put(SchemaRef::Guid(WRITER_GUID), judged(writer, target, all));
        let itself = Judgement { conversion: None, reading: Reading::Always, ..judged(target, target, all) };
        put(SchemaRef::Id(SchemaId(TARGET)), itself);
        let mut without = judged(writer, target, all);
        if let Some(conversion) = &mut without.conversion {
            conversion.plan = Err(NoPath { path: "order.price".into(), detail: "no rule leads there".into() });
        }
        put(SchemaRef::Id(SchemaId(NO_WAY)), without);
    }
    table
}

fn part(all: bool) -> Option<PartPolicy> {
    Some(PartPolicy {
        wire: WireFormat::ALL.into_iter().collect(),
        subject: SubjectRule::Topic,
        target: TargetRule::Version(Version(2)),
        conversion: Some(ConversionRule { all, mapping: None }),
    })
}

fn gate(all: bool, paired: bool) -> Gate {
    gate_of(all, if paired { Pairing::Pair } else { Pairing::None })
}

fn gate_of(all: bool, pairing: Pairing) -> Gate {
    let policy = Policy {
        key: None,
        value: part(all),
        key_required: false,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Convert,
        mode: Mode::Enforce,
        pairing,
    };
    Gate::writing(policy, "orders-v2")
}

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> Record<'a> {
    let position = Position { topic: "orders", partition: Partition(0), offset: Offset(5) };
    Record { position, timestamp: None, key, value: value.map_or(Value::Tombstone, Value::Bytes), headers }
}

fn framed(id: i32, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], datum].concat()
}

fn route(decision: &Decision) -> (Route, &Verdict) {
    match decision {
        Decision::Route(route, verdict) => (*route, verdict),
        Decision::NeedSchemas(_) => panic!("a schema is missing"),
    }
}

fn headers(rewrite: &Rewrite) -> Vec<(&'static str, String)> {
    let text = |value: &[u8]| String::from_utf8(value.to_vec()).unwrap_or_else(|_| format!("{value:?}"));
    rewrite.headers().map(|(name, value)| (name, text(value))).collect()
}

#[test]
fn a_record_leaves_in_the_wire_format_in_which_it_came() {
    let table = table(INT, LONG, false);
    let by_guid = [&[1], &WRITER_GUID.0[..], b"\x04"].concat();
    let (id_header, guid_header) = (framed(WRITER, b""), &by_guid[..17]);
    let of = |value| [Header { name: "__value_schema_id", value: Some(value) }];
    let (of_id, of_guid) = (of(&id_header), of(guid_header));
    let target_guid = [&[1], &TARGET_GUID.0[..]].concat();
    let (named_id, named_guid) = (framed(TARGET, b""), target_guid.clone());
    type Case<'a> = (&'a str, Vec<u8>, &'a [Header<'a>], Vec<u8>, Option<Vec<u8>>);
    let cases: [Case<'_>; 4] = [
        ("ID", framed(WRITER, b"\x04"), &[], framed(TARGET, b"\x04"), None),
        ("GUID", by_guid.clone(), &[], [&target_guid[..], b"\x04"].concat(), None),
        ("ID in a header", b"\x04".to_vec(), &of_id, b"\x04".to_vec(), Some(named_id)),
        ("GUID in a header", b"\x04".to_vec(), &of_guid, b"\x04".to_vec(), Some(named_guid)),
    ];
    let mut rewrite = Rewrite::default();
    for (name, value, headers, expected, header) in cases {
        let record = record(Some(b"k"), Some(&value), headers);
        let decision = gate(false, false).decide(&record, SOURCE, &table, &mut rewrite);
        assert_eq!(route(&decision), (Route::Converted, &Verdict::Converted), "{name}");
        assert_eq!((rewrite.part(Part::Key), rewrite.part(Part::Value)), (None, Some(&*expected)), "{name}");
        let first = rewrite.headers().next().unwrap();
        assert_eq!((first.0 == "__value_schema_id").then(|| first.1.to_vec()), header, "{name}");
    }
}

#[test]
fn a_converted_record_says_so() {
    let mut rewrite = Rewrite::default();
    let value = framed(WRITER, b"\x04");
    drop(gate(false, false).decide(
        &record(Some(b"k"), Some(&value), &[]),
        SOURCE,
        &table(INT, LONG, false),
        &mut rewrite,
    ));
    // printf '\0\0\0\1k\0\0\0\6\0\0\0\0\2\4' | sha256sum
    let hash = "74e4a1ed2841db5d7ea52864f31009b01973abc4fa5e4a7e66cb75fcc990d049";
    assert_eq!(
        headers(&rewrite),
        [
            ("sluice.converted.from", "orders/orders-value/1".to_owned()),
            ("sluice.converted.to", "orders-v2/orders-value/2".to_owned()),
            ("sluice.converted.hash", hash.to_owned())
        ]
    );
    assert_eq!(rewrite.pair().unwrap().way, "resolution");
}

#[test]
fn what_is_not_converted_leaves_as_it_came() {
    let table = table(INT, LONG, false);
    let mut rewrite = Rewrite::default();
    let cases = [
        ("the target's", Some(framed(TARGET, b"\x04")), Route::Validated),
        ("a tombstone", None, Route::Validated),
        ("damaged", Some(framed(WRITER, b"\x80")), Route::DeadLetter),
        ("without a way", Some(framed(NO_WAY, b"\x04")), Route::DeadLetter),
    ];
    for (name, value, expected) in cases {
        let converted = framed(WRITER, b"\x04");
        drop(gate(false, false).decide(&record(None, Some(&converted), &[]), SOURCE, &table, &mut rewrite));
        assert!(rewrite.is_active());
        let decision = gate(false, false).decide(&record(None, value.as_deref(), &[]), SOURCE, &table, &mut rewrite);
        assert_eq!(route(&decision).0, expected, "{name}");
        assert!(!rewrite.is_active() && rewrite.pair().is_none(), "{name}");
    }
}

#[test]
fn a_failure_names_step_and_path() {
    let of = |symbols: &str| format!(r#"{{"type":"enum","name":"Status","symbols":[{symbols}]}}"#);
    let (writer, target) = (of(r#""NEW","OLD""#), of(r#""NEW""#));
    let table = table(&writer, &target, true);
    let mut rewrite = Rewrite::default();
    for (datum, expected) in [(b"\x00", None), (b"\x02", Some(ReasonCode::ConversionFailed))] {
        let value = framed(WRITER, datum);
        let decision = gate(true, false).decide(&record(None, Some(&value), &[]), SOURCE, &table, &mut rewrite);
        let (_, verdict) = route(&decision);
        assert_eq!(verdict.reason(), expected);
        if let Verdict::Invalid(finding) = verdict {
            assert!(finding.violation.detail.starts_with("resolution: "), "{finding:?}");
            assert_eq!((finding.version, finding.target), (Some(Version(1)), Some(Version(2))));
        }
        assert_eq!(rewrite.is_active(), expected.is_none());
    }
    let decision =
        gate(true, false).decide(&record(None, Some(&framed(NO_WAY, b"\0")), &[]), SOURCE, &table, &mut rewrite);
    let Verdict::Invalid(finding) = route(&decision).1 else { panic!("{decision:?}") };
    assert_eq!(
        (finding.violation.code, &*finding.violation.detail),
        (ReasonCode::NoConversionPath, "no rule leads there")
    );
    assert_eq!(finding.violation.path.as_deref(), Some("order.price"));
}

/// The conversion is the check: what it trips over is the fault of the datum first, by its own reason.
#[test]
fn damage_that_a_conversion_meets_has_the_reason_of_the_check() {
    let writer = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"s","type":"string"}]}"#;
    let target = r#"{"type":"record","name":"R","fields":[{"name":"a","type":"long"}]}"#;
    let (table, gate, mut rewrite) = (table(writer, target, true), gate(true, false), Rewrite::default());
    let schema = Schema::compile(&text(writer)).unwrap();
    for (datum, is_good) in [
        (&b"\x02\x04ab"[..], true),
        (b"\x02\x04abc", false),
        (b"\x02\x04a", false),
        (b"\x02\x04\xc3\x28", false),
        (b"\xff\xff\xff\xff\xff\xff\x04ab", false),
    ] {
        let damage = schema.explain(datum);
        assert_eq!(damage.is_none(), is_good, "{datum:?}");
        let value = framed(WRITER, datum);
        let decision = gate.decide(&record(None, Some(&value), &[]), SOURCE, &table, &mut rewrite);
        match route(&decision) {
            (Route::Converted, Verdict::Converted) => assert!(is_good && rewrite.is_active(), "{datum:?}"),
            (Route::DeadLetter, Verdict::Invalid(finding)) => {
                assert_eq!((Some(&finding.violation), rewrite.is_active()), (damage.as_ref(), false), "{datum:?}");
            }
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn a_converter_converts_what_its_readers_could_read() {
    let mut rewrite = Rewrite::default();
    let value = framed(WRITER, b"\x04");
    let decision =
        gate(true, false).decide(&record(None, Some(&value), &[]), SOURCE, &table(INT, LONG, true), &mut rewrite);
    assert_eq!(route(&decision).0, Route::Converted);
    assert_eq!(rewrite.part(Part::Value), Some(&*framed(TARGET, b"\x04")));
}

/// Confluent's serializer writes data of a plain `bytes` schema bare, and a text with its length.
#[test]
fn plain_bytes_stand_bare_on_either_side() {
    let long = vec![b'x'; 200];
    let cases = [
        (r#""bytes""#, r#""string""#, b"abc".to_vec(), b"\x06abc".to_vec()),
        (r#""string""#, r#""bytes""#, b"\x06abc".to_vec(), b"abc".to_vec()),
        (r#""string""#, r#""bytes""#, [b"\x90\x03", &long[..]].concat(), long.clone()),
        (r#""bytes""#, r#""string""#, long.clone(), [b"\x90\x03", &long[..]].concat()),
        (r#""bytes""#, r#""string""#, Vec::new(), b"\0".to_vec()),
    ];
    let mut rewrite = Rewrite::default();
    for (writer, target, datum, expected) in cases {
        let value = framed(WRITER, &datum);
        let table = table(writer, target, true);
        drop(gate(true, false).decide(&record(None, Some(&value), &[]), SOURCE, &table, &mut rewrite));
        assert_eq!(rewrite.part(Part::Value), Some(&*framed(TARGET, &expected)), "{writer} to {target}");
    }
}

/// What the converter of the other direction writes into `orders`: out of `orders-v2`, with this key and value.
fn written_back(key: Option<&[u8]>, value: Option<&[u8]>) -> [String; 3] {
    let mut hash = String::new();
    write_hex(&digest(key, value), &mut hash);
    ["orders-v2/orders-value/2".to_owned(), "orders/orders-value/1".to_owned(), hash]
}

#[test]
fn a_pair_skips_exactly_what_it_has_written_itself() {
    let table = table(INT, LONG, true);
    let good = framed(WRITER, b"\x04");
    let skipped = |key: Option<&[u8]>, value: Option<&[u8]>, [from, to, hash]: [String; 3], paired| {
        let headers = [
            Header { name: FROM, value: Some(from.as_bytes()) },
            Header { name: TO, value: Some(to.as_bytes()) },
            Header { name: HASH, value: Some(hash.as_bytes()) },
        ];
        let mut rewrite = Rewrite::default();
        let decision = gate(true, paired).decide(&record(key, value, &headers), SOURCE, &table, &mut rewrite);
        route(&decision).0 == Route::Skipped
    };
    let (key, value) = (Some(&b"k"[..]), Some(&good[..]));
    let of = |key, value| written_back(key, value);
    assert!(skipped(key, value, of(key, value), true));
    assert!(skipped(None, value, of(None, value), true));
    assert!(skipped(key, None, of(key, None), true), "a tombstone");
    assert!(!skipped(key, value, of(key, value), false), "no pair is declared");
    assert!(!skipped(key, value, of(None, value), true), "another key");
    assert!(!skipped(key, value, of(Some(b""), value), true), "an empty key is not a null one");
    assert!(!skipped(key, value, of(key, Some(b"other")), true), "headers copied to new data");
    let [from, to, hash] = of(key, value);
    let other = |text: &str| text.replacen("orders", "bills", 1);
    assert!(!skipped(key, value, [other(&from), to.clone(), hash.clone()], true), "out of another topic");
    assert!(!skipped(key, value, [from.clone(), other(&to), hash.clone()], true), "copied into another topic");
    let longer = from.replacen("orders-v2", "orders-v22", 1);
    assert!(!skipped(key, value, [longer, to, hash], true), "a topic whose name begins so");
}

/// Tombstones and records of the target's schema would go round else.
#[test]
fn a_pair_marks_what_it_passes() {
    let table = table(INT, LONG, true);
    let mut rewrite = Rewrite::default();
    for value in [None, Some(framed(TARGET, b"\x04"))] {
        let record = record(Some(b"k"), value.as_deref(), &[]);
        let decision = gate(true, true).decide(&record, SOURCE, &table, &mut rewrite);
        assert_eq!(route(&decision).0, Route::Validated);
        let hash = written_back(Some(b"k"), value.as_deref())[2].clone();
        let expected = [(FROM, "orders//".to_owned()), (TO, "orders-v2//".to_owned()), (HASH, hash)];
        assert_eq!(headers(&rewrite), expected);
        assert_eq!((rewrite.part(Part::Key), rewrite.part(Part::Value)), (None, None));
        assert!(rewrite.pair().is_none());
        // A job marks the same, for a pair that comes after it.
        drop(gate_of(true, Pairing::Marks).decide(&record, SOURCE, &table, &mut rewrite));
        assert_eq!(headers(&rewrite), expected);
        drop(gate(true, false).decide(&record, SOURCE, &table, &mut rewrite));
        assert!(!rewrite.is_active(), "without a pair it leaves as it came");
    }
}
