//! Which rules run, in which order, and what follows; by rules that write down that they ran.

#![expect(clippy::wildcard_enum_match_arm, reason = "all else fails the test")]

use std::cell::Cell;
use std::time::Duration;

use serde_json::json;

use super::*;
use crate::convert::pace::{Overruns, Pace};
use crate::schema::{Format, SchemaText};

fn codec(schema: &serde_json::Value) -> Codec {
    let text = SchemaText { format: Format::Avro, text: schema.to_string().into(), references: Vec::new() };
    Codec::compile(&text).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

fn rule_set(set: serde_json::Value) -> RuleSet {
    serde_json::from_value(set).unwrap()
}

/// A record of one field `v`.
pub(super) fn record(of: &serde_json::Value) -> Codec {
    codec(&json!({ "type": "record", "name": "R", "fields": [{ "name": "v", "type": of }] }))
}

fn chain(from: i32, to: i32, versions: &[(i32, RuleSet)]) -> Result<Option<Chain>, Problem> {
    let versions: Vec<_> =
        versions.iter().map(|(version, rules)| Versioned { version: Version(*version), rules: Some(rules) }).collect();
    Chain::compile(Version(from), Version(to), &versions)
}

/// Rules that write down that they ran.
fn trace(name: &str, mode: &str) -> serde_json::Value {
    json!({ "name": name, "mode": mode, "type": "JSONATA", "expr": format!("$merge([$, {{'v': v & '{name} '}}])") })
}

/// Converts without a clock.
pub(super) fn apply(chain: &Chain, value: &Value, writer: &Codec, target: &Codec) -> Result<Value, Failure> {
    let (overruns, mut pace) = (Overruns::default(), Pace::default());
    chain.run(value, (writer, target), &mut Allowance::of(&overruns, &mut pace))
}

fn run(chain: &Chain, text: &str) -> Result<String, Failure> {
    let codec = record(&json!("string"));
    match apply(chain, &Value::Record(vec![Value::String(text.into())]), &codec, &codec)? {
        Value::Record(values) => match &values[..] {
            [Value::String(text)] => Ok(text.trim().to_owned()),
            other => panic!("{other:?}"),
        },
        other => panic!("{other:?}"),
    }
}

pub(super) fn single(rule: serde_json::Value) -> Chain {
    chain(1, 2, &[(2, rule_set(json!({ "migrationRules": [rule] })))]).unwrap().expect("a rule")
}

/// Five versions: one without rules, one with a rule of the other direction only, one for clients.
#[test]
fn rules_run_in_the_order_of_their_direction() {
    let up = |names: &[&str]| names.iter().map(|name| trace(name, "UPGRADE")).collect::<Vec<_>>();
    let down = |names: &[&str]| names.iter().map(|name| trace(name, "DOWNGRADE")).collect::<Vec<_>>();
    let set = |rules: Vec<Vec<serde_json::Value>>| rule_set(json!({ "migrationRules": rules.concat() }));
    let versions = [
        (5, set(vec![up(&["u5a"]), down(&["d5a", "d5b"]), up(&["u5b"]), vec![trace("b5", "UPDOWN")]])),
        (1, set(vec![up(&["u1"]), down(&["d1"])])),
        (3, rule_set(json!({ "migrationRules": up(&["u3"]), "enableAt": "CLIENT" }))),
        (2, set(vec![up(&["u2"]), down(&["d2"])])),
        (4, RuleSet::default()),
    ];
    let cases = [
        (1, 5, Some("u2 u5a u5b b5")),
        (5, 1, Some("b5 d5b d5a d2")),
        (2, 5, Some("u5a u5b b5")),
        (5, 2, Some("b5 d5b d5a")),
        (4, 1, Some("d2")),
        (1, 2, Some("u2")),
        (2, 4, None),
        (4, 2, None),
        (3, 3, None),
    ];
    for (from, to, expected) in cases {
        let compiled = chain(from, to, &versions).unwrap();
        let ran = compiled.as_ref().map(|chain| run(chain, "").unwrap());
        assert_eq!(ran.as_deref(), expected, "{from} to {to}");
    }
    let gone: Vec<_> = versions.into_iter().filter(|(version, _)| *version != 3).collect();
    for (from, to) in [(1, 5), (5, 1), (2, 5)] {
        let problem = chain(from, to, &gone).expect_err("version 3 is gone");
        assert_eq!(problem.to_string(), "version 3: it is deleted for good, so nobody knows its rules");
    }
    assert!(chain(2, 4, &gone).unwrap().is_none(), "no rule would have run");
    assert!(chain(3, 5, &gone).unwrap().is_some(), "what is gone is left, not entered");
    assert!(chain(4, 5, &gone).unwrap().is_some());
}

#[test]
fn rule_sets_run_where_they_are_enabled() {
    for (place, runs) in [
        (None, true),
        (Some("ALL"), true),
        (Some("GATEWAY"), true),
        (Some("CLIENT"), false),
        (Some("SERVER"), false),
        (Some("NONE"), false),
    ] {
        let set = rule_set(json!({ "migrationRules": [trace("a", "UPGRADE")], "enableAt": place }));
        assert_eq!(chain(1, 2, &[(2, set)]).unwrap().is_some(), runs, "{place:?}");
    }
    let mut disabled = trace("a", "UPGRADE");
    disabled["disabled"] = true.into();
    disabled["type"] = "UNKNOWN".into();
    let set = rule_set(json!({ "migrationRules": [disabled, trace("b", "UPGRADE")] }));
    assert_eq!(run(&chain(1, 2, &[(2, set)]).unwrap().unwrap(), "").unwrap(), "b");
}

/// What happens after a rule: kind, expression, actions, and what becomes of the text `in`.
#[test]
fn actions_follow_success_and_failure() {
    let fails = |detail: &str| Err(detail.to_owned());
    let cases = [
        ("TRANSFORM", "{'v': 'out'}", json!({}), Ok("out")),
        ("TRANSFORM", "missing", json!({}), Ok("in")),
        ("TRANSFORM", "null", json!({}), fails("the result is null")),
        ("TRANSFORM", "null", json!({ "onFailure": "NONE" }), Ok("in")),
        ("TRANSFORM", "v + 1", json!({}), fails("JSONata's error T2001")),
        ("TRANSFORM", "v + 1", json!({ "onFailure": "ERROR" }), fails("JSONata's error T2001")),
        ("TRANSFORM", "v + 1", json!({ "onFailure": "DLQ" }), fails("JSONata's error T2001")),
        ("TRANSFORM", "v + 1", json!({ "onFailure": "NONE" }), Ok("in")),
        ("TRANSFORM", "v + 1", json!({ "onFailure": "" }), fails("JSONata's error T2001")),
        ("TRANSFORM", "{'v': 'out'}", json!({ "onSuccess": "NONE" }), Ok("out")),
        ("TRANSFORM", "{'v': 'out'}", json!({ "onSuccess": "ERROR" }), fails("its onSuccess says so")),
        ("TRANSFORM", "{'v': 'out'}", json!({ "onSuccess": "DLQ" }), fails("its onSuccess says so")),
        ("CONDITION", "v = 'in'", json!({}), Ok("in")),
        ("CONDITION", "v = 'out'", json!({}), fails("the condition does not hold")),
        ("CONDITION", "v = 'out'", json!({ "onFailure": "NONE" }), Ok("in")),
        ("CONDITION", "missing", json!({}), Ok("in")),
        ("CONDITION", "null", json!({}), Ok("in")),
        ("CONDITION", "{}", json!({}), Ok("in")),
        ("CONDITION", "0", json!({}), fails("the condition does not hold")),
        ("CONDITION", "'false'", json!({}), fails("the condition does not hold")),
        ("CONDITION", "'no'", json!({}), Ok("in")),
        ("CONDITION", "v + 1", json!({}), fails("JSONata's error T2001")),
        ("TRANSFORM", "$error('in')", json!({}), fails("it says so itself, by $error or $assert")),
    ];
    for (kind, expr, actions, expected) in cases {
        let mut rule = json!({ "name": "r", "mode": "UPGRADE", "type": "JSONATA", "kind": kind, "expr": expr });
        rule.as_object_mut().unwrap().extend(actions.as_object().unwrap().clone());
        let got = run(&single(rule.clone()), "in").map_err(|failure| {
            assert_eq!((&*failure.step, &*failure.path), ("rule r", ""));
            failure.detail
        });
        assert_eq!(got, expected.map(str::to_owned), "{rule}");
    }
}

#[test]
fn a_rule_of_both_directions_has_two_actions() {
    let rule = json!({ "name": "r", "mode": "UPDOWN", "type": "JSONATA", "expr": "v + 1", "onFailure": "NONE,ERROR" });
    let set = [(2, rule_set(json!({ "migrationRules": [rule] })))];
    assert_eq!(run(&chain(1, 2, &set).unwrap().unwrap(), "in").unwrap(), "in");
    assert!(run(&chain(2, 1, &set).unwrap().unwrap(), "in").is_err());
}

#[test]
fn rules_that_cannot_run_are_told_when_they_are_compiled() {
    let rule = |name: &str, value: &str| {
        let mut rule = trace("r", "UPGRADE");
        rule[name] = value.into();
        chain(1, 2, &[(2, rule_set(json!({ "migrationRules": [rule] })))]).map(drop).expect_err(value).to_string()
    };
    let cases = [
        ("type", "CEL", "rule 'r' of version 2: type 'CEL' is not supported in migration rules, JSONATA is"),
        ("type", "ENCRYPT", "rule 'r' of version 2: type 'ENCRYPT' is not supported in migration rules, JSONATA is"),
        (
            "onFailure",
            "SMTP",
            "rule 'r' of version 2: unknown action 'SMTP' in onFailure; allowed are ERROR, NONE and DLQ",
        ),
        (
            "onSuccess",
            " NONE",
            "rule 'r' of version 2: unknown action ' NONE' in onSuccess; allowed are ERROR, NONE and DLQ",
        ),
        (
            "onFailure",
            "ERROR,NONE",
            "rule 'r' of version 2: unknown action 'ERROR,NONE' in onFailure; allowed are ERROR, NONE and DLQ",
        ),
        (
            "expr",
            "$now()",
            "rule 'r' of version 2: $now is not supported: a record that is read again must become the same",
        ),
        ("expr", "a[", "rule 'r' of version 2: S0207: Unexpected end of expression"),
    ];
    for (name, value, expected) in cases {
        assert_eq!(rule(name, value), expected);
    }
    let many: Vec<_> = (0..=limits::RULES).map(|number| trace(&format!("r{number}"), "UPGRADE")).collect();
    let problem = chain(1, 2, &[(2, rule_set(json!({ "migrationRules": many })))]).expect_err("too many");
    assert_eq!(problem.detail, "more than 1000 rules lie between");
}

thread_local! {
    static NOW: Cell<Duration> = const { Cell::new(Duration::ZERO) };
}

/// Each look at this clock takes so long: what an expression takes, is a look.
fn slow_clock() -> Duration {
    NOW.set(NOW.get() + Duration::from_millis(400));
    NOW.get()
}

/// The second of two rules has what the first one left, and where a rule has used up all, none goes on after it.
#[test]
fn rules_share_the_time_of_their_record() {
    let endless = "($f := function() { $f() }; $f())";
    let mut slow = trace("slow", "UPGRADE");
    slow["expr"] = endless.into();
    slow["onFailure"] = "NONE".into();
    let set = rule_set(json!({ "migrationRules": [slow, trace("after", "UPGRADE")] }));
    let chain = chain(1, 2, &[(2, set)]).unwrap().unwrap();
    let codec = record(&json!("string"));
    let value = Value::Record(vec![Value::String("in".into())]);
    let (overruns, mut pace) = (Overruns::default(), Pace::timed(slow_clock));
    let failed = chain.run(&value, (&codec, &codec), &mut Allowance::of(&overruns, &mut pace)).expect_err("no time");
    assert_eq!((&*failed.step, &*failed.detail), ("rule slow", "it took longer than 1000 ms, 2 times"));
    assert!(pace.take_long());
    assert_eq!(pace.take_overtime(), 1);
}

/// A record of many records repeats the names of their fields.
#[test]
fn messages_are_bounded() {
    let fields: Vec<_> =
        (0..100).map(|index| json!({ "name": format!("{}{index}", "n".repeat(1000)), "type": "null" })).collect();
    let item = json!({ "type": "record", "name": "I", "fields": fields });
    let of = json!({ "type": "array", "items": item });
    let codec = record(&of);
    let items = vec![Value::Record(vec![Value::Null; 100]); 4_000];
    let failed = apply(&single(trace("r", "UPGRADE")), &Value::Record(vec![Value::Array(items)]), &codec, &codec);
    assert_eq!(failed.expect_err("too large").detail, "the record is too large for an expression");
}
