//! `Plan::convert`, by resolution, mapping and rules: never panics, is bounded, and what it writes is a datum of the target.
//!
//! Apache's library reads it with the target's schema, too, where that is generated. A failure leaves the output as it
//! was, and names its step. What is converted twice is the same both times. A mapping that is refused says why, and one
//! that is taken lists its losses within bounds.
//!
//! Input: two schema texts, each ended by 0xff, the steps of a mapping in YAML or an expression behind `=`, ended by 0xff
//! (empty: resolution), and a datum; or choices: the lengths of those that make the writer, the target and the steps, then
//! those that make the datum.

use std::io;
use std::sync::Arc;

use sluice::config::{Config, Environment, Syntax};
use sluice::convert::mapping::{Mapping, Side, Step, Steps};
use sluice::convert::rules::{Chain, Versioned};
use sluice::convert::{Codec, Plan, Scratch};
use sluice::registry::contract::RuleSet;
use sluice::schema::Version;
use sluice::schema::avro::limits;

use super::choices::Choices;
use super::{apache, generate, is_text, measured, split, text};

/// What stands in the output before: whoever converts appends to a frame.
const BEFORE: &[u8] = b"frame";

/// Checks the oracle, and returns `converted`, `failed`, or why there is no plan.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let (writer, schema, way, datum, generated) = if is_text(input) {
        let mut part = || String::from_utf8_lossy(split(&mut input)).into_owned();
        let (writer, target, way) = (part(), part(), part());
        (writer, target, way, input.to_vec(), false)
    } else {
        let (writer, target, way, datum) = made_of(input);
        (writer, target, way, datum, true)
    };
    let codec = |schema: &str| Codec::compile(&text(schema)).ok().map(Arc::new);
    let (Some(writer), Some(target)) = (codec(&writer), codec(&schema)) else { return "unusable_schema".to_owned() };
    // Nothing that a step could name: such a pair never has steps.
    if !way.is_empty() && (writer.schema().is_bytes() || target.schema().is_bytes()) {
        return "bare".to_owned();
    }
    let plan = match way.strip_prefix('=') {
        Some(expression) => measured(|| rule(expression, &writer, &target)),
        None if way.is_empty() => measured(|| Plan::resolve(&writer, &target).map_err(|_| "no_way")),
        None => {
            let Some(steps) = steps(&way) else { return "unreadable".to_owned() };
            measured(|| map(&steps, &writer, &target))
        }
    };
    let plan = match plan {
        Ok(plan) => plan,
        Err(why) => return why.to_owned(),
    };
    let losses = plan.losses();
    assert!(losses.len() <= limits::LOSSES, "{} losses", losses.len());
    assert!(losses.iter().all(|loss| loss.path.len() <= limits::LOSS_PATH + limits::NAME_BYTES + 3), "a long path");
    let Some(made) = convert(&plan, &writer, &target, &datum) else { return "failed".to_owned() };
    if generated {
        second_opinion(&schema, &made);
    }
    "converted".to_owned()
}

/// Converts twice; returns the datum, or none where the record fails.
fn convert(plan: &Plan, writer: &Codec, target: &Codec, datum: &[u8]) -> Option<Vec<u8>> {
    let (mut scratch, mut out) = (Scratch::default(), BEFORE.to_vec());
    if let Err(failure) = measured(|| plan.convert(datum, &mut scratch, &mut out)) {
        assert_eq!(out, BEFORE, "a failure leaves something behind");
        assert!(!failure.step.is_empty(), "a failure without its step");
        return None;
    }
    let is_datum = |codec: &Codec, bytes: &[u8]| codec.schema().is_bytes() || codec.schema().check(bytes);
    assert!(is_datum(writer, datum), "what the writer's schema refuses is converted");
    let made = out.strip_prefix(BEFORE).expect("what stood there stays");
    let why = || target.schema().explain(made);
    assert!(is_datum(target, made), "{made:02x?} is no datum of the target's schema: {:?}", why());
    let mut again = BEFORE.to_vec();
    assert_eq!(plan.convert(datum, &mut scratch, &mut again), Ok(()), "the second time");
    assert_eq!(again, out, "the second time is another");
    Some(made.to_vec())
}

fn second_opinion(schema: &str, made: &[u8]) {
    // Many items without bytes are many values.
    if made.len() > 512 || schema.len() > 8192 {
        return;
    }
    let Ok(parsed) = apache_avro::Schema::parse_str(schema) else {
        panic!("apache-avro refuses what is generated: {schema}")
    };
    assert_eq!(apache(&parsed, None, made), Some(0), "apache-avro refuses {made:02x?} of {schema}");
}

/// Reads steps as a configuration has them.
fn steps(yaml: &str) -> Option<Vec<Step>> {
    let environment = Environment { variable: &|_| None, file: &|_| Err(io::ErrorKind::NotFound.into()) };
    match Config::mapping(&format!("mapping:\n{yaml}\n"), Syntax::Yaml, &environment) {
        Ok(Steps::Any(steps)) => Some(steps),
        Ok(Steps::ByVersion(_)) | Err(_) => None,
    }
}

fn map(steps: &[Step], writer: &Arc<Codec>, target: &Arc<Codec>) -> Result<Plan, &'static str> {
    let sides = [Side { tree: writer.tree(), name: "version 1" }, Side { tree: target.tree(), name: "version 2" }];
    match Mapping::compile(steps, sides[0], sides[1]) {
        Ok(mapping) => Ok(Plan::map(mapping, Arc::clone(writer), Arc::clone(target))),
        Err(mistakes) => {
            assert!(!mistakes.is_empty(), "refused without a mistake");
            assert!(mistakes.iter().all(|mistake| !mistake.problem.is_empty()), "a mistake without words");
            Err("refused")
        }
    }
}

fn rule(expression: &str, writer: &Arc<Codec>, target: &Arc<Codec>) -> Result<Plan, &'static str> {
    let rule = serde_json::json!({ "name": "r", "mode": "UPGRADE", "type": "JSONATA", "expr": expression });
    let set: RuleSet =
        serde_json::from_value(serde_json::json!({ "migrationRules": [rule] })).map_err(|_| "refused")?;
    let versions = [Versioned { version: Version(2), rules: Some(&set) }];
    match Chain::compile(Version(1), Version(2), &versions) {
        Ok(Some(chain)) => Ok(Plan::follow(chain, Arc::clone(writer), Arc::clone(target))),
        Ok(None) => panic!("a rule that is in use is passed over"),
        Err(problem) => {
            assert!(!problem.detail.is_empty(), "a problem without words");
            Err("refused")
        }
    }
}

/// Makes all of it from choices.
fn made_of(mut input: &[u8]) -> (String, String, String, Vec<u8>) {
    let mut parts = [&b""[..]; 3];
    for part in &mut parts {
        let (&length, rest) = input.split_first().unwrap_or((&0, input));
        (*part, input) = rest.split_at(usize::from(length).min(rest.len()));
    }
    let writer = generate::schema(&mut Choices(parts[0]));
    let target = generate::reader(&mut Choices(parts[1]), &writer);
    let way = way(&mut Choices(parts[2]));
    let choices = &mut Choices(input);
    let mut datum = generate::datum(choices, &writer);
    generate::damage(choices, &mut datum);
    (writer.to_string(), target.to_string(), way, datum)
}

const FIELDS: [&str; 8] = ["f0", "f1", "f2", "f3", "f0.f0", "f1.f0", "f0[]", "'f1{}'"];
const ACTIONS: [&str; 14] = [
    "cast: number",
    "cast: number, rounding: half-even",
    "cast: time, unit: millis",
    "cast: time",
    "cast: text",
    "cast: bytes",
    "constant: 7",
    "default: 7",
    "split: ','",
    "join: ','",
    "symbols: { S0: S1 }, other: S0",
    "wrap: array",
    "unwrap: union",
    "jsonata: '$'",
];
const EXPRESSIONS: [&str; 8] = [
    "=$",
    "=$merge([$, {'f0': f1}])",
    "=$merge([$, {'f0': $number(f1)}])",
    "=$merge([$, {'f0': $sum(f1)}])",
    "=$sift($, function($v, $k) { $k != 'f0' })",
    "=f0",
    "=$merge([$, {'f1': f0 * 3}])",
    "=$merge([$, {'f1': $string(f0)}])",
];

fn way(choices: &mut Choices<'_>) -> String {
    match choices.below(4) {
        0 => String::new(),
        1 => choices.pick(&EXPRESSIONS).to_owned(),
        _ => {
            let quoted = |field: &str| if field.contains('[') { format!("'{field}'") } else { field.to_owned() };
            let step = |choices: &mut Choices<'_>| {
                let to = quoted(choices.pick(&FIELDS));
                match choices.below(4) {
                    0 => format!("  - {{ drop: {to} }}\n"),
                    1 => format!("  - {{ from: {}, to: {to} }}\n", quoted(choices.pick(&FIELDS))),
                    2 => format!("  - {{ to: {to}, {} }}\n", choices.pick(&ACTIONS)),
                    _ => format!(
                        "  - {{ from: {}, to: {to}, {} }}\n",
                        quoted(choices.pick(&FIELDS)),
                        choices.pick(&ACTIONS)
                    ),
                }
            };
            (0..=choices.below(4)).map(|_| step(choices)).collect()
        }
    }
}
