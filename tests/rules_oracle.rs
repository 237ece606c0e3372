//! JSONata expressions beside Java: what Confluent's rule executor makes of them (JSONata4Java), and the port of the reference.
//!
//! `src/convert/rules/jsonata/expressions.txt` has each expression with our outcome, which the unit tests hold, and with those of
//! the two libraries where they say another thing; here Java is asked. docs/migration-rules.md tells what that means.

#![expect(clippy::panic, reason = "a test")]

use serde_json::Value;

#[path = "avro_oracle/java.rs"]
#[allow(dead_code, reason = "the other oracles use all of it")]
mod java;

const RULES: java::Oracle = java::Oracle { folder: "rules_oracle", jars: "rules", jar: "jsonata-0.9.10.jar" };
const CASES: &str = include_str!("../src/convert/rules/jsonata/expressions.txt");

/// The same but for how a number is written.
fn plain(outcome: &str) -> String {
    fn number(value: Value) -> Value {
        match value {
            Value::Number(number) => number.as_f64().into(),
            Value::Array(items) => items.into_iter().map(number).collect(),
            Value::Object(fields) => {
                let mut fields: Vec<_> = fields.into_iter().map(|(name, value)| (name, number(value))).collect();
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                Value::Object(fields.into_iter().collect())
            }
            other @ (Value::Null | Value::Bool(_) | Value::String(_)) => other,
        }
    }
    match serde_json::from_str(outcome) {
        Ok(value) => number(value).to_string(),
        Err(_) => outcome.split(' ').next().unwrap_or_default().to_owned(),
    }
}

#[test]
fn expressions_are_those_of_java() {
    let (message, cases) = CASES.split_once('\n').expect("a message");
    let cases: Vec<(&str, Vec<&str>)> = cases
        .split("\n\n")
        .map(|case| case.trim().split_once('\n').unwrap_or_else(|| panic!("no outcome: {case}")))
        .map(|(expression, outcomes)| (expression, outcomes.lines().collect()))
        .collect();
    let questions = cases.iter().fold(format!("{message}\n"), |text, (expression, _)| text + expression + "\n");
    let answers = java::ask(&RULES, questions);
    let mut answers = answers.lines();
    let mut faults = Vec::new();
    for (expression, outcomes) in &cases {
        for library in ["confluent", "dashjoin"] {
            let of = |name: &str| outcomes.iter().find_map(|line| line.trim().strip_prefix(name)?.strip_prefix(": "));
            let expected = of(library).or_else(|| of("sluice")).unwrap_or_else(|| panic!("no outcome: {expression}"));
            let found = answers.next().expect("two answers for each");
            if plain(found) != plain(expected) {
                faults.push(format!("{expression}\n  {library}: {found}\n  expected: {expected}"));
            }
        }
    }
    assert!(faults.is_empty(), "{} differ:\n{}", faults.len(), faults.join("\n"));
    assert!(cases.len() > 200, "only {}", cases.len());
}
