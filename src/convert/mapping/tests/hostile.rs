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

/// Each makes gigabytes of a record of some kilobytes, or would take hours.
#[test]
fn what_a_mapping_makes_is_bounded() {
    let begin = Instant::now();
    let long = "x,".repeat(200_000);
    let items = |count: usize| vec![1; count];
    let constant = "c".repeat(100_000);
    let cases: [(&str, &str, &[&str], Json); 6] = [
        (
            "{ a: string, items: [{ n: int }] }",
            "{ items: [{ n: int, a: string }] }",
            &["from: a, to: 'items[].a'"],
            serde_json::json!({"a": long, "items": items(5_000).iter().map(|n| serde_json::json!({"n": n})).collect::<Vec<_>>()}),
        ),
        (
            "{ items: [int] }",
            "{ items: [{ n: int, a: string }] }",
            &["from: 'items[]', to: 'items[].n'", &format!("to: 'items[].a', constant: {constant}")],
            serde_json::json!({"items": items(5_000)}),
        ),
        (
            "{ a: string, items: [int] }",
            "{ items: [{ n: int, a: [string] }] }",
            &["from: 'items[]', to: 'items[].n'", "from: a, to: 'items[].a', split: ','"],
            serde_json::json!({"a": long, "items": items(5_000)}),
        ),
        (
            "{ a: string, items: [int] }",
            "{ items: [{ n: int, a: string, b: string }] }",
            &["from: 'items[]', to: 'items[].n'", "from: a, to: ['items[].a', 'items[].b'], split: ','"],
            serde_json::json!({"a": long, "items": items(5_000)}),
        ),
        (
            "{ a: [string], items: [int] }",
            "{ items: [{ n: int, a: string }] }",
            &["from: 'items[]', to: 'items[].n'", "from: a, to: 'items[].a', join: ','"],
            serde_json::json!({"a": ["x".repeat(100_000), "y".repeat(100_000)], "items": items(5_000)}),
        ),
        (
            "{ a: string, b: string, items: [int] }",
            "{ items: [{ n: int, a: [string] }] }",
            &["from: 'items[]', to: 'items[].n'", "from: [a, b], to: 'items[].a', wrap: array"],
            serde_json::json!({"a": long, "b": long, "items": items(5_000)}),
        ),
    ];
    for (writer, target, steps, datum) in cases {
        let case = case(writer, target, steps);
        let made = case.json(&datum).unwrap_err();
        assert!(made.ends_with(": the mapping makes too much of a record of this size"), "{made}");
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

/// A record that is large itself may become as large, and some times larger.
#[test]
fn large_records_may_become_large_ones() {
    let case = case("{ a: string }", "{ a: string, b: string, c: string }", &["from: a, to: b", "from: a, to: c"]);
    let text = "x".repeat(MADE);
    let made = case.map(&Value::Record(vec![Value::String(text.clone())])).unwrap();
    assert_eq!(made, Value::Record(vec![Value::String(text); 3]));
}

/// Defaults of defaults multiply their texts.
#[test]
fn defaults_are_measured_before_they_are_made() {
    let begin = Instant::now();
    let text = "x".repeat(100_000);
    let items = vec!["{}"; 5_000].join(", ");
    let target = format!("{{ a: int, b: [{{ t: string = \"{text}\" }}] = [{items}] }}");
    let found = compile("{ a: int }", &target, &[]).err().unwrap();
    let expected = "mapping: `b` of version 2: has no source, and its default is none of its type: give a step for it";
    assert_eq!(found, [expected.to_owned()]);
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}

#[test]
fn losses_are_bounded() {
    let name = "n".repeat(400);
    let fields: Vec<String> = (0..2_000).map(|index| format!("f{index}: int")).collect();
    let writer = format!("{{ {name}1: {{ {name}2: {{ {name}3: int, ok: int }} }}, {} }}", fields.join(", "));
    let case = case(&writer, "{ ok: int }", &[&format!("from: {name}1.{name}2.ok, to: ok")]);
    let losses = case.losses();
    assert_eq!(losses.len(), crate::schema::avro::limits::LOSSES);
    assert!(losses[0].ends_with("…`") && losses[0].len() < 1_010, "{}", losses[0]);
    // What is dropped by name is not counted, be it beyond the bound.
    let drops: Vec<String> = (0..1_999).map(|index| format!("f{index}")).collect();
    let case = super::case(
        &writer,
        "{ ok: int }",
        &[&format!("from: {name}1.{name}2.ok, to: ok"), &format!("drop: [{}]", drops.join(", "))],
    );
    assert_eq!(case.losses().len(), 2);
}

/// Each record has as many symbols as it has bytes, and each symbol is one of many.
#[test]
fn symbols_are_looked_up() {
    let begin = Instant::now();
    let symbols: Vec<String> = (0..20_000).map(|index| format!("S{index}")).collect();
    let target = format!("{{ a: [enum E({})] }}", symbols.join(", "));
    let case = case("{ a: [string] }", &target, &["to: 'a[]', cast: text"]);
    let all = |value: Value| Value::Record(vec![Value::Array(vec![value; 50_000])]);
    assert_eq!(case.map(&all(Value::String("S19999".to_owned()))).unwrap(), all(Value::Enum(19_999)));
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
}
