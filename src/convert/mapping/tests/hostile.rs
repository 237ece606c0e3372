//! What is beyond the limits, and what would cost more than it says.

use std::time::{Duration, Instant};

use super::*;
use crate::convert::mapping::number::Number;

fn read(yaml: &str) -> Result<Steps, Vec<String>> {
    let environment = Environment { variable: &|_| None, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    let steps = Config::mapping(yaml, Syntax::Yaml, &environment);
    steps.map_err(|errors| errors.iter().map(ToString::to_string).collect())
}

/// Far more than it takes on a busy machine without optimisation, far less than a blow-up.
const PATIENCE: Duration = Duration::from_secs(30);

#[test]
fn mappings_are_limited() {
    let step = "  - { to: a, constant: 1 }\n";
    assert!(read(&format!("mapping:\n{}", step.repeat(STEPS))).is_ok());
    let found = read(&format!("mapping:\n{}", step.repeat(STEPS + 1))).unwrap_err();
    assert_eq!(found, [format!("mapping: has {} steps, more than {STEPS}", STEPS + 1)]);
    let path = |steps: usize| vec!["a"; steps].join(".");
    assert!(read(&format!("mapping: [{{ to: {}, constant: 1 }}]", path(PATH_DEPTH))).is_ok());
    let found = read(&format!("mapping: [{{ to: {}, constant: 1 }}]", path(PATH_DEPTH + 1))).unwrap_err();
    assert!(found[0].contains("has more than 64 steps"), "{found:?}");
    let found = read(&format!("mapping: [{{ to: 'a{}', constant: 1 }}]", "[]".repeat(100_000))).unwrap_err();
    assert!(found[0].len() < 300_000 && found[0].contains("has more than 64 steps"), "{}", found.len());
}

#[test]
fn numbers_are_limited() {
    let digits = |count: usize| "9".repeat(count);
    assert!(Number::parse(&digits(NUMBER_DIGITS)).is_ok());
    assert!(Number::parse(&digits(NUMBER_DIGITS + 1)).is_err());
    for text in ["1e1001", "1e-1001", "1e9223372036854775807", "1e9223372036854775808", "1e-9223372036854775808"] {
        assert!(Number::parse(text).is_err(), "{text}");
    }
    let begin = Instant::now();
    let case = case("string", "decimal(1000,1000)", &["to: ., cast: number"]);
    assert!(case.map(&Value::String(format!("0.{}", digits(990)))).is_ok());
    assert!(case.map(&Value::String("1e1000".to_owned())).is_err());
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    let found = compile("string", "decimal(1001,0)", &lines(&["to: ., cast: number"]));
    let expected = "mapping[0].to: `.` of version 2: a decimal has more digits than a cast takes";
    assert_eq!(found.err(), Some(vec![expected.to_owned()]));
}

/// Two chains of types whose members meet in every combination.
#[test]
fn schemas_that_unfold_are_limited() {
    let begin = Instant::now();
    let record = |name: String, next: String| {
        format!(
            r#"{{"type":"record","name":"{name}","fields":[{{"name":"v","type":"int"}},{{"name":"next","type":{next}}}]}}"#
        )
    };
    // Each of 40 types has two fields of the next one: 2^40 paths.
    let mut wide =
        r#"{"type":"record","name":"L0","fields":[{"name":"v","type":"int"},{"name":"w","type":"int"}]}"#.to_owned();
    for level in 1..40 {
        let (before, name) = (format!("L{}", level - 1), format!("L{level}"));
        wide = format!(
            r#"{{"type":"record","name":"{name}","fields":[{{"name":"a","type":{wide}}},{{"name":"b","type":"{before}"}}]}}"#
        );
    }
    let narrow = wide.replace(r#",{"name":"w","type":"int"}"#, "");
    let trees = [&wide, &narrow].map(|text| Tree::read(text, []).unwrap());
    let sides = [Side { tree: &trees[0], name: "version 1" }, Side { tree: &trees[1], name: "version 2" }];
    let found = Mapping::compile(&[], sides[0], sides[1]).map(|_| ()).unwrap_err();
    assert_eq!(found[0].to_string(), format!("mapping: the schemas unfold to more than {EXPANSION} fields"));
    // A cycle of one length and a cycle of another meet in every pair, and no deeper than they are.
    let cycle = |length: usize| {
        let chain = (1..length)
            .rev()
            .fold("\"C0\"".to_owned(), |next, index| record(format!("C{index}"), format!("[\"null\",{next}]")));
        record("C0".to_owned(), format!("[\"null\",{chain}]"))
    };
    let trees = [cycle(31), cycle(29)].map(|text| Tree::read(&text, []).unwrap());
    let sides = [Side { tree: &trees[0], name: "version 1" }, Side { tree: &trees[1], name: "version 2" }];
    let found = Mapping::compile(&[], sides[0], sides[1]).map(|_| ()).unwrap_err();
    assert!(found[0].to_string().contains("types nest deeper than 200"), "{}", found[0]);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

/// Nearest spellings are looked for among so many paths only, and a long path is compared with none.
#[test]
fn misspelt_paths_cost_little() {
    let begin = Instant::now();
    let fields: Vec<String> = (0..3_000).map(|index| format!("f{index}: int")).collect();
    let writer = format!("{{ {} }}", fields.join(", "));
    let steps: Vec<String> = (0..200).map(|index| format!("from: g{index}, to: a{index}")).collect();
    let target: Vec<String> = (0..200).map(|index| format!("a{index}: int")).collect();
    let steps: Vec<&str> = steps.iter().map(String::as_str).collect();
    let found = compile(&writer, &format!("{{ {} }}", target.join(", ")), &lines(&steps)).err().unwrap();
    assert_eq!(found.len(), 200);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}
