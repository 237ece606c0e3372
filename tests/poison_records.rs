//! Poison records: every kept case of `tests/hostile` that is a record, through a real gate (fault 26).
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::fs;
use std::path::Path;
use std::time::Duration;

use common::client::Content;
use common::fault::{Fault, endure};
use common::gate::Gate;
use common::scene::Scene;
use common::seed;
use common::traffic::{Class, Expected, Planned, Policy, by_id};
use serde_json::json;
use sluice::gate::verdict::Route;
use sluice::violation::ReasonCode;

/// IDs from here up name the schemas of the cases: all of one length, since the stub tells paths by their begin.
const FIRST_ID: i32 = 10_001;

/// Ends the schema in a case.
const END: u8 = 0xff;

/// What a gate must make of a case: its outcome is a reason code, or it is good.
fn expected(outcome: &str) -> Expected {
    match ReasonCode::from_name(outcome) {
        Some(reason) => Expected { route: Route::DeadLetter, reason: Some(reason) },
        None => Expected { route: Route::Validated, reason: None },
    }
}

/// The kept cases of a target: their outcomes and inputs, in the order of their names.
fn cases(target: &str) -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(target);
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let case = |path: &Path| (path.extension().unwrap().to_str().unwrap().to_owned(), fs::read(path).unwrap());
    paths.iter().map(|path| case(path)).collect()
}

/// The values of the cases, with what must become of them; the registry knows their schemas.
fn poison(scene: &Scene) -> Vec<(Vec<u8>, Expected)> {
    let mut values = Vec::new();
    let mut schemas: Vec<Vec<u8>> = Vec::new();
    for (outcome, input) in cases("check") {
        // A case that is no text is choices for a generator.
        let Some(at) = input.iter().position(|&byte| byte == END).filter(|_| matches!(input[0], b'{' | b'[' | b'"'))
        else {
            continue;
        };
        let (schema, datum) = (input[..at].to_vec(), &input[at + 1..]);
        let known = schemas.iter().position(|known| *known == schema);
        let place = known.unwrap_or_else(|| {
            schemas.push(schema);
            schemas.len() - 1
        });
        // Plain bytes are written raw, without Avro's length: whatever they are, they are good.
        let outcome = if schemas[place] == br#""bytes""# { "good" } else { &outcome };
        values.push((by_id(FIRST_ID + i32::try_from(place).unwrap(), datum), expected(outcome)));
    }
    for (outcome, input) in cases("schema") {
        // With references it would be several answers; and what the stub could not say as JSON is no text.
        let text = String::from_utf8(input).ok().filter(|text| text.len() < 1 << 20);
        if let Some(text) = text.filter(|_| outcome != "compiles" && outcome != "too_long") {
            schemas.push(text.into_bytes());
            let id = FIRST_ID + i32::try_from(schemas.len() - 1).unwrap();
            values.push((by_id(id, b"\x02"), expected("unusable_schema")));
        }
    }
    for (outcome, input) in cases("wire") {
        // All formats are allowed and no header is there: what the gate would meet.
        if input.first() == Some(&7) && matches!(expected(&outcome).route, Route::DeadLetter) {
            values.push((input[1..].to_vec(), expected(&outcome)));
        }
    }
    for (id, schema) in (FIRST_ID..).zip(schemas) {
        let text = String::from_utf8(schema).unwrap();
        scene.registry.replace(&format!("/schemas/ids/{id}"), json!({ "schema": text }));
    }
    values
}

/// Fault: every poison record of the corpus (data that lie about lengths, counts and depth, frames that are none,
/// schemas that nobody can compile) amid good orders, in two partitions, while another gate of the process has a load.
/// Expected: each in the dead letters with its code, each good one validated, no panic, and the load never stands.
/// Bound: 60 s.
#[test]
fn fault_26_poison_records() {
    let mut scene = Scene::new("poison-records", 2);
    let settings = json!({ "value": { "subject": "any" }, "unusable_schema": "dead-letter" });
    let poisoned = scene.add("poison", 2, Policy::ANY_TARGET, settings);
    let values = poison(&scene);
    assert!(values.len() > 150, "only {} poison records", values.len());
    let mut orders = poisoned.traffic(seed());
    let mut planned = Vec::new();
    for (number, (value, expected)) in (0_i32..).zip(values) {
        planned.extend(orders.mixed(2, &[Class::GuidOrder, Class::HeaderOrder]));
        let content = Content {
            key: None,
            value: Some(value),
            headers: Vec::new(),
            timestamp: 1_700_000_000_000 + i64::from(number),
        };
        planned.push(Planned { partition: number % 2, content, class: Class::NotFramed, expected });
    }
    let gate = Gate::start(&scene.config());
    let mut sent = Vec::new();
    let fault = Fault { number: "26", what: "poison records amid good ones", bound: Duration::from_secs(60) };
    endure(&scene, scene.line(), fault, || {
        sent = scene.send(&poisoned, planned);
        scene.wait_committed(&poisoned, &sent);
    });
    scene.verify(&poisoned, &sent, None);
    gate.stop(Duration::from_secs(20));
}
