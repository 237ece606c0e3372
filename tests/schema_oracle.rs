//! Schemas as a registry sees them against Apache Avro for Java: the text that is stored, what is refused of a new
//! schema, and why readers of one cannot read another. `SLUICE_SEED` replays a run, `SLUICE_ROUNDS` makes it longer.

#![expect(clippy::panic, reason = "a test: it panics")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rand::rngs::StdRng;
use rand::seq::IndexedRandom;
use rand::{Rng, SeedableRng};
use serde_json::{Map, Value, json};

use sluice::schema::avro::compatibility::obstacles;
use sluice::schema::avro::tree::Tree;

use generate::Generator;

#[path = "avro_oracle/generate.rs"]
#[expect(dead_code, reason = "it makes data, too")]
mod generate;
#[path = "avro_oracle/java.rs"]
mod java;

const ROUNDS: u64 = 3_000;
const SEED: u64 = 20_261_121;

fn seeds() -> impl Iterator<Item = u64> {
    let number = |name: &str, default| std::env::var(name).map_or(default, |value| value.parse().expect(name));
    let (seed, rounds) = (number("SLUICE_SEED", SEED), number("SLUICE_ROUNDS", ROUNDS));
    (0..rounds).map(move |round| seed.wrapping_add(round))
}

/// Makes a schema with docs, attributes, orders, aliases and namespaces.
fn decorated(seed: u64) -> String {
    let mut value = serde_json::from_str(&Generator::new(seed).schema().json()).expect("it is JSON");
    decorate(&mut StdRng::seed_from_u64(seed), &mut value);
    value.to_string()
}

fn decorate(random: &mut StdRng, schema: &mut Value) {
    match schema {
        Value::Array(branches) => branches.iter_mut().for_each(|branch| decorate(random, branch)),
        Value::Object(object) => {
            for key in ["items", "values"] {
                if let Some(part) = object.get_mut(key) {
                    decorate(random, part);
                }
            }
            for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                let Value::Object(field) = field else { panic!("a field is an object") };
                if let Some(of) = field.get_mut("type") {
                    decorate(random, of);
                }
                if random.random_ratio(1, 4) {
                    let order = ["ascending", "descending", "ignore"].choose(random).copied();
                    field.insert("order".into(), json!(order));
                }
                ornaments(random, field);
            }
            ornaments(random, object);
            shuffle(random, object);
        }
        Value::String(name) if random.random_ratio(1, 6) && name.chars().all(char::is_lowercase) => {
            let mut object = Map::from_iter([("type".to_owned(), json!(name))]);
            ornaments(random, &mut object);
            *schema = Value::Object(object);
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn ornaments(random: &mut StdRng, object: &mut Map<String, Value>) {
    let texts = ["", "plain", "quote \" back \\ slash / tab \t line \n é 漢 \u{1f600} \u{1} \u{7f} <&>", "two  spaces"];
    if random.random_ratio(1, 3) {
        object.insert("doc".into(), json!(texts.choose(random)));
    }
    let values = [
        json!(1),
        json!(-9_223_372_036_854_775_808_i64),
        json!(0.1),
        json!(-0.0),
        json!(1e7),
        json!(123_456.789e-9),
        json!(1.5e300),
        json!(100.0),
        json!(null),
        json!(true),
        json!(["a", { "z": 1, "a": [] }]),
        json!({ "b": {}, "a": "x" }),
        json!("text"),
    ];
    for key in ["owner", "logicalType", "zeta", "alpha", "java-class"] {
        if random.random_ratio(1, 6) {
            object.insert(key.into(), values.choose(random).cloned().unwrap_or_default());
        }
    }
}

/// Puts the attributes into another order.
fn shuffle(random: &mut StdRng, object: &mut Map<String, Value>) {
    let mut members: Vec<_> = std::mem::take(object).into_iter().collect();
    for at in (1..members.len()).rev() {
        members.swap(at, random.random_range(0..=at));
    }
    object.extend(members);
}

fn ask(questions: impl Iterator<Item = String>) -> Vec<String> {
    let questions: Vec<_> = questions.collect();
    let answers: Vec<_> = java::ask(&java::AVRO, questions.concat()).lines().map(str::to_owned).collect();
    assert_eq!(answers.len(), questions.len(), "one answer for each");
    answers
}

fn decoded(text: &str) -> String {
    String::from_utf8(STANDARD.decode(text).expect("base64")).expect("UTF-8")
}

fn judge(mut faults: Vec<String>, count: usize) {
    faults.sort_by_key(String::len);
    let shortest = faults[..faults.len().min(3)].join("\n\n");
    assert!(faults.is_empty(), "{} of {count} differ, the shortest:\n{shortest}", faults.len());
}

#[test]
fn texts_are_those_of_java() {
    let texts: Vec<_> = seeds().map(decorated).collect();
    let answers = ask(texts.iter().map(|text| format!("T {}\n", STANDARD.encode(text))));
    let mut faults = Vec::new();
    for (text, answer) in texts.iter().zip(answers) {
        let java = answer.strip_prefix("ok ").map(decoded).unwrap_or(answer.clone());
        let ours = Tree::read(text, []).and_then(|tree| tree.canonical()).unwrap_or_else(|error| error.to_string());
        if ours != java {
            faults.push(format!("text {text}\nours {ours}\njava {java}"));
            continue;
        }
        let again = Tree::read(&ours, []).and_then(|tree| tree.canonical());
        assert_eq!(again.ok().as_ref(), Some(&ours), "what is written can be read, and is written the same");
    }
    judge(faults, texts.len());
}

#[test]
fn obstacles_are_those_of_java() {
    let pair = |seed| {
        let mut generator = Generator::new(seed);
        let schema = generator.schema();
        let reader = generator.reader(&schema).json();
        [(schema.json(), reader.clone()), (reader, schema.json())]
    };
    let pairs: Vec<_> = seeds().flat_map(pair).collect();
    let question =
        |(reader, writer): &(String, String)| format!("C {} {}\n", STANDARD.encode(reader), STANDARD.encode(writer));
    let answers = ask(pairs.iter().map(question));
    let (mut faults, mut incompatible) = (Vec::new(), 0);
    for ((reader, writer), answer) in pairs.iter().zip(answers) {
        let tree = |text| Tree::read(text, []).unwrap_or_else(|error| panic!("{error}: {text}"));
        let ours = match obstacles(&tree(reader), &tree(writer)) {
            Ok(found) => {
                let line = |one: &sluice::schema::avro::compatibility::Obstacle| {
                    format!("{}|{}|{}", one.kind.name(), one.path, one.detail)
                };
                found.iter().map(line).collect()
            }
            Err(failure) => vec![failure.to_string()],
        };
        let java: Vec<_> = match answer.strip_prefix("throws ") {
            Some(why) => vec![why.to_owned()],
            None => answer.split(' ').skip(1).map(decoded).collect(),
        };
        incompatible += usize::from(!java.is_empty());
        if ours != java {
            faults.push(format!("reader {reader}\nwriter {writer}\nours {ours:#?}\njava {java:#?}"));
        }
    }
    println!("{incompatible} of {} pairs are incompatible", pairs.len());
    judge(faults, pairs.len());
}

/// Gives fields defaults that may not fit, and names and symbols that may be none.
fn spoil(random: &mut StdRng, schema: &mut Value) {
    let names = ["a", "_b1", "1a", "a-b", "", "é", "a.b", "A"];
    let defaults = [
        json!(null),
        json!(0),
        json!(2_147_483_648_i64),
        json!(1.0),
        json!("x"),
        json!(true),
        json!([]),
        json!([1]),
        json!({}),
        json!({ "a": 1 }),
    ];
    match schema {
        Value::Array(branches) => branches.iter_mut().for_each(|branch| spoil(random, branch)),
        Value::Object(object) => {
            for key in ["items", "values"] {
                if let Some(part) = object.get_mut(key) {
                    spoil(random, part);
                }
            }
            for field in object.get_mut("fields").and_then(Value::as_array_mut).into_iter().flatten() {
                let Value::Object(field) = field else { panic!("a field is an object") };
                if let Some(of) = field.get_mut("type") {
                    spoil(random, of);
                }
                if random.random_ratio(1, 3) {
                    field.insert("default".into(), defaults.choose(random).cloned().unwrap_or_default());
                }
                if random.random_ratio(1, 40) {
                    field.insert("name".into(), json!(names.choose(random)));
                }
                if random.random_ratio(1, 40) {
                    field.insert("aliases".into(), json!([names.choose(random)]));
                }
            }
            for symbol in object.get_mut("symbols").and_then(Value::as_array_mut).into_iter().flatten() {
                if random.random_ratio(1, 40) {
                    *symbol = json!(names.choose(random));
                }
            }
            if object.contains_key("name") && random.random_ratio(1, 30) {
                let key = ["name", "namespace", "aliases"].choose(random).copied().unwrap_or_default();
                let name = names.choose(random);
                object.insert(key.into(), if key == "aliases" { json!([name]) } else { json!(name) });
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn new_schemas_are_refused_as_by_java() {
    let spoilt = |seed| {
        let mut value = serde_json::from_str(&Generator::new(seed).schema().json()).expect("it is JSON");
        spoil(&mut StdRng::seed_from_u64(seed), &mut value);
        value.to_string()
    };
    let texts: Vec<_> = seeds().map(spoilt).collect();
    let answers = ask(texts.iter().map(|text| format!("N {}\n", STANDARD.encode(text))));
    let (mut faults, mut good) = (Vec::new(), 0);
    for (text, java) in texts.iter().zip(answers) {
        let ours = Tree::read(text, []).and_then(|tree| tree.check_strictly());
        good += usize::from(java == "ok");
        if ours.is_ok() != (java == "ok") {
            faults.push(format!("text {text}\nours {ours:?}\njava {java}"));
        }
    }
    println!("{good} of {} schemas are good", texts.len());
    judge(faults, texts.len());
}

/// References and a text that uses what they define.
#[test]
fn references_are_those_of_java() {
    let address = r#"{"type":"record","name":"Address","namespace":"shop","fields":[{"name":"kind","type":{"type":"enum","name":"Kind","symbols":["HOME"]}}]}"#;
    let plain = r#"{"type":"fixed","name":"Hash","size":16}"#;
    let texts = [
        r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"to","type":"Address"},{"name":"h","type":"Hash"}]}"#,
        r#"{"type":"record","name":"Order","namespace":"other","fields":[{"name":"to","type":["null","shop.Address"]},{"name":"kind","type":"shop.Kind"}]}"#,
        r#""shop.Address""#,
        r#"["null","shop.Address",{"type":"array","items":"Hash"}]"#,
        r#"{"type":"record","name":"Order","fields":[{"name":"h","type":{"type":"fixed","name":"Hash","size":16}}]}"#,
        r#"{"type":"record","name":"Order","fields":[{"name":"h","type":{"type":"fixed","name":"Hash","size":17}}]}"#,
        r#"{"type":"record","name":"Order","fields":[{"name":"h","type":"Nobody"}]}"#,
    ];
    let references = [address, plain];
    let [first, second] = references.map(|text| STANDARD.encode(text));
    let answers = ask(texts.iter().map(|text| format!("T {} {first} {second}\n", STANDARD.encode(text))));
    for (text, java) in texts.iter().zip(answers) {
        let ours = Tree::read(text, references).and_then(|tree| tree.canonical());
        match java.strip_prefix("ok ") {
            Some(java) => assert_eq!(ours.unwrap_or_else(|error| panic!("{error}: {text}")), decoded(java)),
            None => assert!(ours.is_err(), "{text}: ours {ours:?}, Java's {java}"),
        }
    }
}
