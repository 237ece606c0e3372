//! `Schema::check` and `Schema::explain`: never panic, agree, and judge as Apache's library does.
//!
//! Apache's library is asked where it is a sound oracle: not where we refuse a datum for what it does not look at
//! (block sizes, numbers beyond their range), nor where its own work would have no bound (counts, depth), nor where
//! the input ends too early: it takes a missing boolean, string or union for null.
//!
//! Input: a schema text ended by 0xff, and a datum; or choices: the length of those that make the schema, then those
//! that make the datum and its damage.

use sluice::schema::avro::Schema;
use sluice::violation::{ReasonCode, Violation};

use super::choices::Choices;
use super::{apache, compile, generate, is_text, measured, split};

/// Checks the oracle, and returns `good`, the reason code, or that the schema is unusable.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let (schema, datum, generated) = if is_text(input) {
        let schema = String::from_utf8_lossy(split(&mut input)).into_owned();
        (schema, input.to_vec(), false)
    } else {
        let (&length, rest) = input.split_first().unwrap_or((&0, input));
        let (head, rest) = rest.split_at(usize::from(length).min(rest.len()));
        let schema = generate::schema(&mut Choices(head));
        let choices = &mut Choices(rest);
        let mut datum = generate::datum(choices, &schema);
        let compiled = compile(&schema.to_string()).expect("what is generated compiles");
        assert_eq!(compiled.explain(&datum), None, "a good datum is refused: {schema} {datum:02x?}");
        generate::damage(choices, &mut datum);
        (schema.to_string(), datum, true)
    };
    let Some(compiled) = compile(&schema) else { return "unusable_schema".to_owned() };
    let found = agree(&compiled, &datum);
    if generated || !schema.contains("logicalType") {
        second_opinion(&schema, &datum, found.as_ref());
    }
    found.map_or("good", |found| found.code.name()).to_owned()
}

/// Asks both passes.
fn agree(schema: &Schema, datum: &[u8]) -> Option<Violation> {
    let (checked, found) = measured(|| (schema.check(datum), schema.explain(datum)));
    assert_eq!(checked, found.is_none(), "check and explain disagree: {found:?}");
    found
}

fn second_opinion(schema: &str, datum: &[u8], found: Option<&Violation>) {
    let sound = match found.map(|found| found.code) {
        None
        | Some(
            ReasonCode::TrailingBytes
            | ReasonCode::InvalidUtf8
            | ReasonCode::InvalidBoolean
            | ReasonCode::InvalidUnionBranch
            | ReasonCode::InvalidEnumSymbol,
        ) => true,
        Some(_) => false,
    };
    // A long datum may nest deep where it is not looked at, and many items without bytes are many values.
    if !sound || datum.len() > 512 || schema.len() > 8192 {
        return;
    }
    let Ok(parsed) = apache_avro::Schema::parse_str(schema) else { return };
    let theirs = apache(&parsed, None, datum);
    match found.map(|found| found.code) {
        None => assert_eq!(theirs, Some(0), "apache-avro refuses {datum:02x?} of {schema}"),
        Some(ReasonCode::TrailingBytes) => {
            assert!(theirs.is_some_and(|left| left > 0), "apache-avro leaves {theirs:?} of {datum:02x?} of {schema}");
        }
        Some(code) => assert_eq!(theirs, None, "apache-avro takes {datum:02x?} of {schema}, we say {code}"),
    }
}
