//! Every outcome of the gate, by plain calls.

use std::sync::Arc;

use proptest::prelude::*;

use super::policy::{Pairing, SubjectRule, TargetRule};
use super::*;
use crate::record::{Header, Offset, Partition, Position};
use crate::schema::avro::Schema;
use crate::schema::{SchemaGuid, SchemaId, SchemaText, Subject, Version};
use crate::wire::WireFormat;

const SOURCE: Source = Source(1);

/// What the table holds, for either part.
const GOOD: i32 = 1;
const INCOMPATIBLE: i32 = 2;
const REFUSED: i32 = 3;
const BYTES: i32 = 4;
const INCOMPATIBLE_BYTES: i32 = 5;
const MISSING: i32 = 9;
const GUID: SchemaGuid = SchemaGuid([7; 16]);

/// A key or a value, or null.
type Bytes = Option<Vec<u8>>;

fn schema(text: &str) -> Arc<Schema> {
    let text = SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() };
    Arc::new(Schema::compile(&text).unwrap())
}

fn judged(text: &str, reading: Reading) -> Entry {
    let subject = Some(Subject("orders-value".into()));
    let (version, target) = (Some(Version(3)), Some(Version(2)));
    Entry::Judged(Arc::new(Judgement { schema: schema(text), subject, version, target, reading, conversion: None }))
}

fn mismatch() -> Mismatch {
    Mismatch { path: "order.price".to_owned(), detail: "the target's int cannot take string".to_owned() }
}

fn refusal() -> Entry {
    let violation = Violation::new(ReasonCode::SubjectMismatch, "registered under 'other-value' only");
    Entry::Refused(Arc::new(Refusal { violation, subject: Some(Subject("orders-value".into())) }))
}

fn need(part: Part, schema: SchemaRef) -> Need {
    Need { slot: Slot { source: SOURCE, part }, schema }
}

fn id(id: i32) -> SchemaRef {
    SchemaRef::Id(SchemaId(id))
}

/// All entries that the tests use, in a fixed order.
fn entries() -> Vec<(Need, Entry)> {
    let of_part = |part| {
        [
            (need(part, id(GOOD)), judged(r#""string""#, Reading::Always)),
            (need(part, SchemaRef::Guid(GUID)), judged(r#""string""#, Reading::Always)),
            (need(part, id(INCOMPATIBLE)), judged(r#""string""#, Reading::Never(mismatch()))),
            (need(part, id(REFUSED)), refusal()),
            (need(part, id(BYTES)), judged(r#""bytes""#, Reading::Always)),
            (need(part, id(INCOMPATIBLE_BYTES)), judged(r#""bytes""#, Reading::Never(mismatch()))),
        ]
    };
    [Part::Key, Part::Value].into_iter().flat_map(of_part).collect()
}

fn table() -> SchemaTable {
    table_of(entries())
}

fn table_of(entries: impl IntoIterator<Item = (Need, Entry)>) -> SchemaTable {
    let mut table = SchemaTable::default();
    entries.into_iter().for_each(|(need, entry)| table.insert(need, entry));
    table
}

fn part_policy() -> PartPolicy {
    PartPolicy {
        wire: WireFormat::ALL.into_iter().collect(),
        subject: SubjectRule::Topic,
        target: TargetRule::Any,
        conversion: None,
    }
}

/// Checks both parts, requires no key, enforces.
fn policy() -> Policy {
    Policy {
        key: Some(part_policy()),
        value: Some(part_policy()),
        key_required: false,
        tombstones: Tombstones::Pass,
        incompatible: Incompatible::Divert,
        mode: Mode::Enforce,
        pairing: Pairing::None,
    }
}

fn framed(id: i32, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.to_be_bytes()[..], datum].concat()
}

/// A good string under a schema of the table.
fn string(id: i32) -> Bytes {
    Some(framed(id, b"\x04ab"))
}

fn record<'a>(key: Option<&'a [u8]>, value: Option<&'a [u8]>, headers: &'a [Header<'a>]) -> Record<'a> {
    let position = Position { topic: "orders.raw", partition: Partition(0), offset: Offset(5) };
    Record { position, timestamp: None, key, value: value.map_or(Value::Tombstone, Value::Bytes), headers }
}

fn decide(policy: &Policy, key: Option<&[u8]>, value: Option<&[u8]>, table: &SchemaTable) -> Decision {
    Gate::new(policy.clone()).decide(&record(key, value, &[]), SOURCE, table, &mut Rewrite::default())
}

/// One line for a decision: `route verdict`, or `needs` and what.
fn said(decision: &Decision) -> String {
    match decision {
        Decision::Route(route, Verdict::Invalid(finding)) => {
            format!("{} {} {}", route.outcome(), finding.part, finding.violation.code)
        }
        Decision::Route(route, verdict) => format!("{} {verdict:?}", route.outcome()),
        Decision::NeedSchemas(needs) => {
            let needs: Vec<_> = needs.iter().map(|need| format!("{} {}", need.slot.part, need.schema)).collect();
            format!("needs {}", needs.join(", "))
        }
    }
}

#[test]
fn judges_key_then_value() {
    let good = || string(GOOD);
    let trailing = || Some(framed(GOOD, b"\x04abc"));
    let cases: [(Bytes, Bytes, &str); 24] = [
        (good(), good(), "validated Valid"),
        (None, good(), "validated Valid"),
        (good(), None, "validated Tombstone"),
        (None, None, "validated Tombstone"),
        (Some(vec![]), good(), "dead_letter key truncated_frame"),
        (good(), Some(vec![]), "dead_letter value truncated_frame"),
        (Some(vec![2]), Some(vec![2]), "dead_letter key not_framed"),
        (good(), Some(vec![2]), "dead_letter value not_framed"),
        (good(), trailing(), "dead_letter value trailing_bytes"),
        (trailing(), good(), "dead_letter key trailing_bytes"),
        (trailing(), trailing(), "dead_letter key trailing_bytes"),
        (trailing(), None, "dead_letter key trailing_bytes"),
        (good(), string(REFUSED), "dead_letter value subject_mismatch"),
        (string(REFUSED), string(MISSING), "dead_letter key subject_mismatch"),
        (string(INCOMPATIBLE), good(), "converter Incompatible"),
        (good(), string(INCOMPATIBLE), "converter Incompatible"),
        (string(INCOMPATIBLE), string(INCOMPATIBLE), "converter Incompatible"),
        (string(INCOMPATIBLE), None, "converter Incompatible"),
        (string(INCOMPATIBLE), trailing(), "dead_letter value trailing_bytes"),
        (trailing(), string(INCOMPATIBLE), "dead_letter key trailing_bytes"),
        (good(), Some(framed(INCOMPATIBLE, b"\x04abc")), "dead_letter value trailing_bytes"),
        (good(), Some(framed(BYTES, b"\xff\xff")), "validated Valid"),
        (good(), Some(framed(BYTES, b"")), "validated Valid"),
        (good(), Some(framed(INCOMPATIBLE_BYTES, b"\xff")), "converter Incompatible"),
    ];
    for (key, value, expected) in cases {
        let decision = decide(&policy(), key.as_deref(), value.as_deref(), &table());
        assert_eq!(said(&decision), expected, "key {key:02x?}, value {value:02x?}");
    }
}

#[test]
fn asks_for_every_schema_that_counts() {
    let damaged = || Some(vec![2]);
    let cases: [(Bytes, Bytes, &str); 9] = [
        (string(MISSING), string(MISSING), "needs key 9, value 9"),
        (string(MISSING), string(GOOD), "needs key 9"),
        (string(MISSING), string(REFUSED), "needs key 9"),
        (string(MISSING), damaged(), "needs key 9"),
        (string(MISSING), None, "needs key 9"),
        (string(GOOD), string(MISSING), "needs value 9"),
        (string(INCOMPATIBLE), string(MISSING), "needs value 9"),
        (None, string(MISSING), "needs value 9"),
        (damaged(), string(MISSING), "dead_letter key not_framed"),
    ];
    for mode in [Mode::Enforce, Mode::DryRun] {
        for (key, value, expected) in &cases {
            let decision = decide(&Policy { mode, ..policy() }, key.as_deref(), value.as_deref(), &table());
            assert_eq!(said(&decision), *expected, "key {key:02x?}, value {value:02x?}");
        }
    }
}

#[test]
fn a_schema_of_another_source_does_not_count() {
    let value = string(GOOD);
    let decision =
        Gate::new(policy()).decide(&record(None, value.as_deref(), &[]), Source(0), &table(), &mut Rewrite::default());
    let slot = Slot { source: Source(0), part: Part::Value };
    assert_eq!(decision, Decision::NeedSchemas(smallvec![Need { slot, schema: id(GOOD) }]));
}

#[test]
fn parts_without_a_policy_pass_unchecked() {
    let junk: Option<&[u8]> = Some(b"\xff");
    let (no_key, no_value) = (Policy { key: None, ..policy() }, Policy { value: None, ..policy() });
    let neither = Policy { key: None, value: None, ..policy() };
    let cases = [
        (&no_key, "dead_letter value not_framed"),
        (&no_value, "dead_letter key not_framed"),
        (&neither, "validated Valid"),
    ];
    for (policy, expected) in cases {
        assert_eq!(said(&decide(policy, junk, junk, &table())), expected);
    }
    let value = string(GOOD);
    assert_eq!(said(&decide(&no_key, junk, value.as_deref(), &table())), "validated Valid");
}

#[test]
fn a_null_key_goes_by_policy() {
    let value = Some(b"\xff".as_slice());
    for key_checked in [true, false] {
        let key = key_checked.then(part_policy);
        let required = Policy { key, key_required: true, ..policy() };
        let Decision::Route(Route::DeadLetter, Verdict::Invalid(finding)) = decide(&required, None, value, &table())
        else {
            panic!("a required key was not missed");
        };
        assert_eq!((finding.part, finding.violation.code), (Part::Key, ReasonCode::MissingKey));
        assert_eq!(finding.format, key_checked.then_some(Format::Avro));
        assert_eq!(said(&decide(&required, None, None, &table())), "dead_letter key missing_key");
        let empty = decide(&Policy { key: None, ..required }, Some(b""), string(GOOD).as_deref(), &table());
        assert_eq!(said(&empty), "validated Valid", "the empty key is a key");
    }
}

#[test]
fn tombstones_go_by_policy_after_the_key() {
    let keys = [string(GOOD), string(INCOMPATIBLE), string(MISSING), Some(vec![2])];
    let cases = [
        (
            Tombstones::Pass,
            ["validated Tombstone", "converter Incompatible", "needs key 9", "dead_letter key not_framed"],
        ),
        (Tombstones::Drop, ["dropped Tombstone", "dropped Tombstone", "needs key 9", "dead_letter key not_framed"]),
        (
            Tombstones::DeadLetter,
            [
                "dead_letter value tombstone_not_allowed",
                "dead_letter value tombstone_not_allowed",
                "needs key 9",
                "dead_letter key not_framed",
            ],
        ),
    ];
    for (tombstones, expected) in cases {
        for (key, expected) in keys.iter().zip(expected) {
            let decision = decide(&Policy { tombstones, ..policy() }, key.as_deref(), None, &table());
            assert_eq!(said(&decision), expected, "{tombstones:?}");
        }
    }
}

#[test]
fn pass_all_keeps_the_verdict_and_sends_all_to_validated() {
    let cases: [(Bytes, &str); 6] = [
        (string(GOOD), "validated Valid"),
        (None, "validated Tombstone"),
        (string(INCOMPATIBLE), "validated Incompatible"),
        (string(REFUSED), "validated value subject_mismatch"),
        (Some(vec![]), "validated value truncated_frame"),
        (string(MISSING), "needs value 9"),
    ];
    let policy = Policy { mode: Mode::PassAll, tombstones: Tombstones::Drop, ..policy() };
    for (value, expected) in cases {
        assert_eq!(said(&decide(&policy, None, value.as_deref(), &table())), expected);
    }
}

#[test]
fn incompatible_as_a_dead_letter_says_what_the_target_cannot_read() {
    let policy = Policy { incompatible: Incompatible::DeadLetter, ..policy() };
    let expected = |part| Finding {
        part,
        violation: Violation::new(ReasonCode::NoConversionPath, mismatch().detail).at(mismatch().path),
        schema: Some(id(INCOMPATIBLE)),
        subject: Some(Subject("orders-value".into())),
        version: Some(Version(3)),
        format: Some(Format::Avro),
        target: Some(Version(2)),
    };
    let (good, other) = (string(GOOD), string(INCOMPATIBLE));
    for (key, value, part) in [(&good, &other, Part::Value), (&other, &good, Part::Key), (&other, &other, Part::Key)] {
        let decision = decide(&policy, key.as_deref(), value.as_deref(), &table());
        assert_eq!(decision, dead_letter(Box::new(expected(part))));
    }
}

#[test]
fn a_finding_tells_what_was_known_of_the_schema() {
    let bare = |code| Finding {
        part: Part::Value,
        violation: Violation::new(code, ""),
        schema: None,
        subject: None,
        version: None,
        format: Some(Format::Avro),
        target: None,
    };
    let subject = Some(Subject("orders-value".into()));
    let refused = Finding { schema: Some(id(REFUSED)), subject: subject.clone(), ..bare(ReasonCode::SubjectMismatch) };
    let (version, target) = (Some(Version(3)), Some(Version(2)));
    let judged = Finding { schema: Some(id(GOOD)), subject, version, target, ..bare(ReasonCode::TrailingBytes) };
    let cases = [
        (Some(vec![2]), bare(ReasonCode::NotFramed)),
        (None, bare(ReasonCode::TombstoneNotAllowed)),
        (string(REFUSED), refused),
        (Some(framed(GOOD, b"\x04abc")), judged),
    ];
    let policy = Policy { tombstones: Tombstones::DeadLetter, ..policy() };
    for (value, expected) in cases {
        let Decision::Route(_, Verdict::Invalid(mut finding)) = decide(&policy, None, value.as_deref(), &table())
        else {
            panic!("no finding for {value:02x?}");
        };
        assert!(!finding.violation.detail.is_empty(), "{finding:?}");
        finding.violation.detail.clear();
        assert_eq!(*finding, expected);
    }
}

#[test]
fn each_part_reads_its_own_header_and_wire_formats() {
    let guid = [&[1], &GUID.0[..]].concat();
    let headers = [Header { name: "__value_schema_id", value: Some(&guid) }];
    let gate = Gate::new(policy());
    let key = string(GOOD);
    let bare = record(key.as_deref(), Some(b"\x04ab"), &headers);
    assert_eq!(said(&gate.decide(&bare, SOURCE, &table(), &mut Rewrite::default())), "validated Valid");
    let by_id = Some(PartPolicy { wire: [WireFormat::ConfluentId].into_iter().collect(), ..part_policy() });
    let gate = Gate::new(Policy { value: by_id, ..policy() });
    let both = record(key.as_deref(), key.as_deref(), &headers);
    assert_eq!(
        said(&gate.decide(&both, SOURCE, &table(), &mut Rewrite::default())),
        "dead_letter value wire_format_not_allowed"
    );
}

#[test]
fn a_check_without_an_explanation_blames_the_schema() {
    assert_eq!(unexplained().code, ReasonCode::UnusableSchema);
}

fn any_part() -> impl Strategy<Value = Bytes> {
    let framed_string = prop::sample::select(vec![GOOD, INCOMPATIBLE, REFUSED, BYTES, MISSING]).prop_map(string);
    prop_oneof![
        3 => framed_string,
        1 => Just(None),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(Some),
        1 => prop::collection::vec(any::<u8>(), 0..12).prop_map(|datum| Some(framed(GOOD, &datum))),
    ]
}

prop_compose! {
    fn any_policy()(
        (key, value, key_required) in any::<(bool, bool, bool)>(),
        tombstones in prop::sample::select(vec![Tombstones::Pass, Tombstones::DeadLetter, Tombstones::Drop]),
        incompatible in prop::sample::select(vec![Incompatible::Divert, Incompatible::DeadLetter]),
        mode in prop::sample::select(vec![Mode::Enforce, Mode::PassAll, Mode::DryRun]),
    ) -> Policy {
        let (key, value) = (key.then(part_policy), value.then(part_policy));
        Policy { key, value, key_required, tombstones, incompatible, mode, pairing: Pairing::None }
    }
}

proptest! {
    /// However the table grows, a decision once made stays, and what is asked for is what is missing.
    #[test]
    fn a_decision_does_not_depend_on_what_the_table_happens_to_hold(
        policy in any_policy(),
        key in any_part(),
        value in any_part(),
        known in prop::collection::vec(any::<bool>(), entries().len()),
    ) {
        let rest = [Part::Key, Part::Value].map(|part| (need(part, id(MISSING)), refusal()));
        let all: Vec<_> = entries().into_iter().chain(rest).collect();
        let last = decide(&policy, key.as_deref(), value.as_deref(), &table_of(all.clone()));
        let some = all.iter().zip(known.iter().chain([&false, &false])).filter(|(_, known)| **known);
        let mut table = table_of(some.map(|(entry, _)| entry.clone()));
        let mut rounds = 0;
        let found = loop {
            match decide(&policy, key.as_deref(), value.as_deref(), &table) {
                Decision::NeedSchemas(needs) => {
                    rounds += 1;
                    for need in needs {
                        prop_assert!(table.get(need.slot, need.schema).is_none(), "asked for what is there");
                        // Bytes by chance name schemas that nobody knows: no table ever holds them.
                        match all.iter().find(|(known, _)| *known == need) {
                            Some((_, entry)) => table.insert(need, entry.clone()),
                            None => return Ok(()),
                        }
                    }
                }
                decision => break decision,
            }
        };
        prop_assert!(rounds <= 1, "all that is missing is asked for at once");
        prop_assert_eq!(found, last);
    }

    #[test]
    fn no_bytes_make_the_gate_panic(
        policy in any_policy(),
        key in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..40)),
        name in prop::sample::select(vec!["__key_schema_id", "__value_schema_id", "trace"]),
        header in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
    ) {
        let headers = [Header { name, value: header.as_deref() }];
        let enforced = Gate::new(Policy { mode: Mode::Enforce, ..policy.clone() });
        let record = record(key.as_deref(), value.as_deref(), &headers);
        let decision = enforced.decide(&record, SOURCE, &table(), &mut Rewrite::default());
        if let Decision::Route(route, verdict) = &decision {
            prop_assert_eq!(*route == Route::DeadLetter, verdict.reason().is_some());
        }
        let dry = Gate::new(Policy { mode: Mode::DryRun, ..policy });
        prop_assert_eq!(dry.decide(&record, SOURCE, &table(), &mut Rewrite::default()), decision);
    }
}
