//! Every outcome and every reason code, end to end: from a real topic through the `sluice` binary to real topics.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::check::Seen;
use common::client::{Content, Read};
use common::gate::Gate;
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Expected, Planned, Policy, counts, give_keys};
use common::{seed, wait_for};
use serde_json::json;
use sluice::gate::policy::{Incompatible, Tombstones};
use sluice::gate::verdict::Route;
use sluice::violation::{ReasonCode, Stage};

/// A gate that refuses whatever can be refused, beside one that lets pass whatever can pass.
fn strict_and_lenient(scene: &mut Scene) -> [Line; 2] {
    let strict = Policy {
        incompatible: Incompatible::DeadLetter,
        tombstones: Tombstones::DeadLetter,
        guids: false,
        ..Policy::default()
    };
    let settings = json!({
        "incompatible": "dead-letter",
        "tombstones": "dead-letter",
        "unusable_schema": "dead-letter",
        "key": { "required": true },
        "value": { "wire": ["confluent-id", "confluent-header"] },
    });
    let strict = scene.add("strict", 3, strict, settings);
    let lenient = Policy { target: false, tombstones: Tombstones::Drop, ..Policy::default() };
    let lenient = scene.add("lenient", 3, lenient, json!({ "tombstones": "drop", "value": { "target": "any" } }));
    [strict, lenient]
}

/// Gives the registry one schema that no compiler takes and one of another format, both under the gate's subject, and
/// returns a record of each.
fn strange_schemas(scene: &Scene, line: &Line) -> [Planned; 2] {
    let schemas = [
        (700_001, "AVRO", r#"{"type":"record","name":"Order","fields":[{"name":"a","type":"nothing"}]}"#),
        (700_002, "JSON", r#"{"type":"object"}"#),
    ];
    let reasons = [ReasonCode::UnusableSchema, ReasonCode::FormatMismatch];
    let mut traffic = line.traffic(5);
    let mut strange = schemas.into_iter().zip(reasons).map(|((id, schema_type, schema), reason)| {
        let place = json!([{ "subject": format!("{}-value", line.source), "version": 9 }]);
        scene.registry.replace(&format!("/schemas/ids/{id}/versions"), place);
        let body = json!({ "schema": schema, "schemaType": schema_type });
        scene.registry.replace(&format!("/schemas/ids/{id}"), body);
        let mut record = traffic.record(Class::Order(Version::V2));
        record.content.timestamp -= 1_000_000;
        record.content.key = Some(b"strange".to_vec());
        record.content.value.as_mut().unwrap()[1..5].copy_from_slice(&i32::to_be_bytes(id));
        record.expected = Expected { route: Route::DeadLetter, reason: Some(reason) };
        record
    });
    [strange.next().unwrap(), strange.next().unwrap()]
}

/// All outcomes and all reason codes of a gate, in one process with two gates of opposite policies.
fn every_outcome(delivery: &str) {
    let seed = seed();
    let mut scene = Scene::empty(delivery);
    let [strict, lenient] = strict_and_lenient(&mut scene);
    let gate = Gate::start(&scene.config().patient().set("/delivery", delivery));

    let mut classes = Class::usual();
    classes.push(Class::UnknownSchema);
    let all_sent = [&strict, &lenient].map(|line| {
        let mut traffic = line.traffic(seed);
        let mut planned: Vec<_> = classes.iter().map(|&class| traffic.record(class)).collect();
        planned.extend(traffic.mixed(1_500, &classes));
        if line.gate == "strict" {
            planned.push(traffic.record(Class::NoKey));
            planned.extend(strange_schemas(&scene, line));
            give_keys(&mut planned);
        }
        scene.send(line, planned)
    });
    for (line, sent) in [&strict, &lenient].into_iter().zip(&all_sent) {
        scene.verify(line, sent, Some(&gate));
    }

    let met: BTreeSet<_> = all_sent.iter().flatten().filter_map(|sent| sent.expected.reason).collect();
    let later = |code: &ReasonCode| {
        // JSON Schema, rules and conversion come later; a broker refuses a record only in races that tests of the
        // pipeline inject; records that are too large have a test of their own.
        matches!(code.stage(), Stage::Rules)
            || [ReasonCode::InvalidJson, ReasonCode::SchemaViolation, ReasonCode::ConversionFailed].contains(code)
            || [ReasonCode::TooLarge, ReasonCode::BrokerRejected].contains(code)
    };
    let missed: Vec<_> = ReasonCode::ALL.iter().filter(|code| !later(code) && !met.contains(code)).collect();
    assert!(missed.is_empty(), "no record met {missed:?}");
    let routes: BTreeSet<_> = all_sent.iter().flatten().map(|sent| sent.expected.route.outcome()).collect();
    assert_eq!(routes.len(), 3, "validated, dead letters, dropped; the converter has its own test: {routes:?}");
}

#[test]
fn every_outcome_exactly_once() {
    every_outcome("exactly-once");
}

#[test]
fn every_outcome_at_least_once() {
    every_outcome("at-least-once");
}

/// A good record that the validated topic does not take, and the dead-letter topic does, is a dead letter; what stands
/// before and after it in its transaction comes through.
#[test]
fn too_large_for_the_validated_topic() {
    let seed = seed();
    let scene = Scene::new("large", 2);
    let line = scene.line();
    scene.kafka.set_topic(&line.outputs.validated, "max.message.bytes", "30000");
    let gate = Gate::start(&scene.config());
    let mut traffic = line.traffic(seed);
    let mut planned = traffic.mixed(200, &Class::usual());
    let large = Expected { route: Route::DeadLetter, reason: Some(ReasonCode::TooLarge) };
    planned.extend((0..3).map(|_| Planned { expected: large, ..traffic.record(Class::Padded(60_000)) }));
    planned.extend(traffic.mixed(200, &Class::usual()));
    let sent = scene.send(line, planned);
    scene.verify(line, &sent, Some(&gate));
}

/// The default policy: incompatible versions go to the converter topic, where they are damaged to the dead letters.
#[test]
fn incompatible_versions_are_diverted() {
    let seed = seed();
    let scene = Scene::new("divert", 4);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    let sent = scene.send(line, line.traffic(seed).mixed(3_000, &Class::usual()));
    assert!(sent.iter().any(|record| record.expected.route == Route::Converter));
    scene.verify(line, &sent, Some(&gate));
}

/// `pass-all` writes everything to the validated topic and counts what it would have done; `dry-run` writes nothing,
/// commits nothing, and counts the same.
#[test]
fn modes_that_only_watch() {
    let seed = seed();
    let mut scene = Scene::empty("modes");
    let pass = Policy { pass_all: true, ..Policy::default() };
    let pass = scene.add("pass", 2, pass, json!({ "mode": "pass-all" }));
    let dry = scene.add("dry", 2, Policy::default(), json!({ "mode": "dry-run" }));
    let gate = Gate::start(&scene.config());

    let sent = scene.send(&pass, pass.traffic(seed).mixed(600, &Class::usual()));
    scene.verify(&pass, &sent, Some(&gate));

    let sent = scene.send(&dry, dry.traffic(seed).mixed(600, &Class::usual()));
    let expected = counts(&sent);
    wait_for("the dry run to count all", Duration::from_secs(20), || {
        (gate.records("dry").values().sum::<u64>() == sent.len() as u64).then_some(())
    });
    assert_eq!(gate.records("dry"), expected);
    let seen = Seen::observe(&scene.kafka, &dry.routes(), &scene.group(&dry));
    assert!(seen.read.is_empty(), "a dry run wrote {} records", seen.read.len());
    assert!(seen.committed.is_empty(), "a dry run committed {:?}", seen.committed);
}

/// Keys checked like values: a bad key condemns a record whose value is good, and the dead letter says which part.
#[test]
fn keys_are_checked() {
    let mut scene = Scene::empty("keys");
    let key = json!({ "key": { "format": "avro", "subject": "topic", "target": "any", "required": true } });
    let line = scene.add("orders", 2, Policy::default(), key);
    let id = scene.registry.register(&format!("{}-key", line.source), r#""string""#);
    let framed = |datum: &[u8]| Some(common::traffic::by_id(id, datum));
    let bad = |code| Expected { route: Route::DeadLetter, reason: Some(code) };
    let good = Expected { route: Route::Validated, reason: None };
    let cases = [
        (framed(b"\x04ab"), good),
        (framed(b"\x06ab"), bad(ReasonCode::InvalidLength)),
        (framed(b"\x04abc"), bad(ReasonCode::TrailingBytes)),
        (framed(b"\x04\xc3\x28"), bad(ReasonCode::InvalidUtf8)),
        (Some(b"plain".to_vec()), bad(ReasonCode::NotFramed)),
        (None, bad(ReasonCode::MissingKey)),
    ];
    let mut traffic = line.traffic(1);
    let record = |(key, expected)| {
        let mut record = traffic.record(Class::Order(Version::V2));
        record.content.key = key;
        record.expected = expected;
        record
    };
    let gate = Gate::start(&scene.config());
    let sent = scene.send(&line, cases.into_iter().map(record).collect());
    scene.verify(&line, &sent, Some(&gate));
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    assert_eq!(letters.len(), 5);
    for letter in letters {
        assert_eq!(header(&letter, "sluice.part").as_deref(), Some("key"), "{letter:?}");
    }
}

fn header(letter: &Read, name: &str) -> Option<String> {
    let (_, value) = letter.content.headers.iter().find(|(found, _)| found == name)?;
    Some(String::from_utf8(value.clone()?).unwrap())
}

/// What a dead letter says of the fault: field, schema, subject, versions; and what it must not say: the value.
#[test]
fn dead_letters_explain() {
    let scene = Scene::new("explain", 1);
    let line = scene.line();
    let cases = [
        (Class::Damaged(ReasonCode::InvalidBoolean), Some("express")),
        (Class::Damaged(ReasonCode::InvalidEnumSymbol), Some("status")),
        (Class::LegacyStatus, Some("status")),
        (Class::LongNote, Some("note")),
        (Class::NotFramed, None),
    ];
    let mut traffic = line.traffic(2);
    let gate = Gate::start(&scene.config());
    let sent = scene.send(line, cases.map(|(class, _)| traffic.record(class)).into());
    scene.verify(line, &sent, Some(&gate));
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    for ((class, path), (record, letter)) in cases.iter().zip(sent.iter().zip(&letters)) {
        let says = |name: &str| header(letter, name);
        assert_eq!(says("sluice.path").as_deref(), *path, "{class:?}");
        assert_eq!(says("sluice.part").as_deref(), Some("value"), "{class:?}");
        let detail = says("sluice.detail").unwrap();
        assert!(!detail.contains("Zoë"), "{class:?}: the detail shows a value: {detail}");
        if path.is_none() {
            assert_eq!(says("sluice.schema.id"), None, "{class:?} names no schema");
            continue;
        }
        let id = i32::from_be_bytes(record.content.value.as_ref().unwrap()[1..5].try_into().unwrap());
        let version = 1 + line.ids.orders.iter().position(|&found| found == id).unwrap();
        assert_eq!(says("sluice.schema.id"), Some(id.to_string()), "{class:?}");
        assert_eq!(says("sluice.schema.subject"), Some(format!("{}-value", line.source)), "{class:?}");
        assert_eq!(says("sluice.schema.version"), Some(version.to_string()), "{class:?}");
        assert_eq!(says("sluice.schema.format").as_deref(), Some("avro"), "{class:?}");
        assert_eq!(says("sluice.target.version").as_deref(), Some("2"), "{class:?}");
    }
}

/// `target: latest` follows the registry: what was good becomes incompatible when somebody registers a version that
/// cannot read it. The change is an event, so the log has it.
#[test]
fn latest_follows_the_registry() {
    let mut scene = Scene::empty("latest");
    let line = scene.add("orders", 1, Policy::default(), json!({ "value": { "target": "latest" } }));
    let mut traffic = line.traffic(3);
    let mut record = |version, route| {
        let mut record = traffic.record(Class::Order(version));
        record.expected = Expected { route, reason: None };
        record
    };
    let gate = Gate::start(&scene.config());
    // The latest version is 3 now; version 4 is the text of version 2 with a documentation.
    let first = vec![record(Version::V3, Route::Validated), record(Version::V2, Route::Converter)];
    let mut sent = scene.send(&line, first);
    scene.wait_committed(&line, &sent);
    let text = Version::V2.text().replacen("\"fields\"", "\"doc\":\"the fourth\",\"fields\"", 1);
    scene.registry.register(&format!("{}-value", line.source), &text);
    wait_for("the log to tell of the new version", Duration::from_secs(30), || {
        gate.log().contains("target version changed").then_some(())
    });
    let second = vec![record(Version::V2, Route::Validated), record(Version::V3, Route::Converter)];
    sent.extend(scene.send(&line, second));
    scene.verify(&line, &sent, Some(&gate));
}

/// Records that need nothing from a schema: an empty key, an empty value, a null header value, a header that looks like
/// ours, all leave as they came.
#[test]
fn unchecked_values_pass_as_they_are() {
    let mut scene = Scene::empty("unchecked");
    let policy = Policy { target: false, ..Policy::default() };
    let line = scene.add("bytes", 2, policy, json!({ "value": { "format": "any", "subject": null } }));
    let contents = [
        (None, Some(Vec::new()), vec![]),
        (Some(Vec::new()), Some(b"anything".to_vec()), vec![("none".to_owned(), None)]),
        (Some(b"k".to_vec()), None, vec![("sluice.like".to_owned(), Some(b"theirs".to_vec()))]),
    ];
    let plan = |((key, value, headers), timestamp)| Planned {
        partition: 1,
        content: Content { key, value, headers, timestamp },
        class: Class::NotFramed,
        expected: Expected { route: Route::Validated, reason: None },
    };
    let gate = Gate::start(&scene.config());
    let sent = scene.send(&line, contents.into_iter().zip(1_600_000_000_000..).map(plan).collect());
    scene.verify(&line, &sent, Some(&gate));
}
