//! `sluice dead-letters` over what a gate has written: listed, filtered, counted and explained, and those of other tools.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use common::client::{Content, Read};
use common::gate::Gate;
use common::scene::Scene;
use common::seed;
use common::traffic::Class;
use serde_json::Value;
use sluice::violation::{ReasonCode, Stage};

fn sluice(config: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
    command.arg("dead-letters").args(args).arg("--config").arg(config).env("NO_COLOR", "1").output().unwrap()
}

fn text(config: &Path, args: &[&str]) -> String {
    let output = sluice(config, args);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{args:?}: {errors}");
    String::from_utf8(output.stdout).unwrap()
}

fn json(config: &Path, args: &[&str]) -> Value {
    serde_json::from_str(&text(config, &[args, &["--output", "json"]].concat())).unwrap()
}

fn lines(config: &Path, args: &[&str]) -> Vec<Value> {
    let text = text(config, &[args, &["--output", "json"]].concat());
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn header(record: &Read, name: &str) -> String {
    let value = record.content.headers.iter().find(|(found, _)| found == name).and_then(|(_, value)| value.clone());
    String::from_utf8(value.unwrap_or_default()).unwrap()
}

fn place(line: &Value) -> (String, i64, i64) {
    let number = |key: &str| line[key].as_i64().unwrap();
    (line["topic"].as_str().unwrap().to_owned(), number("partition"), number("offset"))
}

#[test]
fn what_a_gate_has_refused_is_listed_counted_and_explained() {
    let scene = Scene::new("letters", 2);
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    let sent = scene.send(line, line.traffic(seed()).mixed(600, &Class::usual()));
    scene.wait_committed(line, &sent);
    drop(gate);
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.yaml");
    std::fs::write(&config, scene.config().0.to_string()).unwrap();
    let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
    assert!(letters.len() > 50, "only {} dead letters", letters.len());

    // All, each once, as their headers say.
    let listed = lines(&config, &["list"]);
    let mut expected: Vec<_> = letters
        .iter()
        .map(|letter| {
            ((letter.topic.clone(), i64::from(letter.partition), letter.offset), header(letter, "sluice.reason"))
        })
        .collect();
    let mut found: Vec<_> =
        listed.iter().map(|line| (place(line), line["reason"].as_str().unwrap().to_owned())).collect();
    expected.sort();
    found.sort();
    assert_eq!(found, expected);
    assert_eq!(lines(&config, &["list", "--follow", "--count", "5"]).len(), 5);

    // Filters take what they name and nothing else.
    let reason = expected[0].1.clone();
    let by_reason = lines(&config, &["list", "--reason", &reason, "--source", &line.source, "--gate", "orders"]);
    assert_eq!(by_reason.len(), expected.iter().filter(|(_, found)| *found == reason).count());
    assert_eq!(lines(&config, &["list", "--until", "1h"]), Vec::<Value>::new());
    assert_eq!(lines(&config, &["list", "--since", "1h"]).len(), listed.len());

    // A table for people has the same rows.
    let table = text(&config, &["list"]);
    assert!(table.starts_with("DEAD LETTER "), "{table}");
    assert_eq!(table.lines().count(), listed.len() + 1);

    // Counts are those of the list.
    let stats = json(&config, &["stats"]);
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for group in stats["groups"].as_array().unwrap() {
        let hours: i64 = group["hours"].as_array().unwrap().iter().map(|hour| hour["count"].as_i64().unwrap()).sum();
        assert_eq!(group["count"], hours, "{group}");
        *counts.entry(group["reason"].as_str().unwrap()).or_default() += hours;
    }
    let mut wanted: BTreeMap<&str, i64> = BTreeMap::new();
    expected.iter().for_each(|(_, reason)| *wanted.entry(reason).or_default() += 1);
    assert_eq!((counts, &stats["count"]), (wanted, &Value::from(listed.len())));

    explained(&config, &listed);
}

/// One of each reason is judged again by the registry's schemas, with the same result and a byte for it.
fn explained(config: &Path, listed: &[Value]) {
    let of_each: BTreeMap<&str, &Value> = listed.iter().map(|line| (line["reason"].as_str().unwrap(), line)).collect();
    for (reason, line) in of_each {
        let (topic, partition, offset) = place(line);
        let (partition, offset) = (partition.to_string(), offset.to_string());
        let shown = json(config, &["show", &topic, &partition, &offset]);
        let code = ReasonCode::from_name(reason).unwrap();
        if code.stage() == Stage::Datum {
            assert_eq!(shown["today"]["reason"], reason, "{shown:#}");
            assert_eq!(shown["today"]["path"], line.get("path").cloned().unwrap_or_default(), "{shown:#}");
            assert!(shown["today"]["fault_at_byte"].as_u64() <= shown["value_bytes"].as_u64(), "{shown:#}");
        }
        if matches!(code.stage(), Stage::Datum | Stage::Frame) && code != ReasonCode::WireFormatNotAllowed {
            assert!(shown["today"]["fault_at_byte"].is_u64(), "{shown:#}");
        }
        assert_eq!((shown.get("value_hex"), &shown["reason"]), (None, &line["reason"]), "values are asked for");
        let told = text(config, &["show", &topic, &partition, &offset]);
        assert!(told.contains(code.meaning()) && told.contains("sluice.reason: "), "{told}");
    }
    let (topic, ..) = place(&listed[0]);
    let values = json(config, &["show", &topic, "0", "0", "--values"]);
    let hex = values["value_hex"].as_str().unwrap();
    assert_eq!(Some(hex.len() as u64), values["value_bytes"].as_u64().map(|bytes| 2 * bytes));

    for (args, expected) in [
        (["show", &topic, "0", "99999999"], "ends before offset 99999999"),
        (["show", &topic, "7", "0"], "has no partition 7; it has 0 to 1"),
        (["show", "nowhere", "0", "0"], "topic 'nowhere' is not on the cluster"),
    ] {
        let output = sluice(config, &args);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {errors}");
        assert!(errors.contains(expected), "{args:?}: {errors}");
    }
}

#[test]
fn dead_letters_of_other_tools_are_read_too() {
    let scene = Scene::empty("foreign");
    let topic = scene.kafka.topic("connect.dead-letter", 1, &[]);
    let header = |name: &str, value: &[u8]| (name.to_owned(), Some(value.to_vec()));
    let content = |headers| Content { key: None, value: Some(b"{}".to_vec()), headers, timestamp: 1_600_000_000_000 };
    let writer = scene.kafka.writer();
    let connect = content(vec![
        header("__connect.errors.topic", b"orders"),
        header("__connect.errors.partition", b"3"),
        header("__connect.errors.offset", b"17"),
        header("__connect.errors.exception.class.name", b"org.apache.kafka.connect.errors.DataException"),
        header("__connect.errors.exception.message", b"bad value 'Zoe'"),
    ]);
    let spring = content(vec![
        header("kafka_dlt-original-topic", b"payments"),
        header("kafka_dlt-original-partition", &2_i32.to_be_bytes()),
        header("kafka_dlt-original-offset", &9_i64.to_be_bytes()),
        header("kafka_dlt-exception-fqcn", b"java.lang.IllegalStateException"),
    ]);
    for (number, content) in [connect, spring, content(Vec::new())].iter().enumerate() {
        writer.send(&topic, 0, content, number);
    }
    writer.flush(Duration::from_secs(20));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.yaml");
    let gates = serde_json::json!({ "orders": { "source": "a", "validated": "b" } });
    let settings = common::gate::Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    std::fs::write(&config, settings.0.to_string()).unwrap();

    let listed = lines(&config, &["list", &topic]);
    let told: Vec<_> = listed
        .iter()
        .map(|line| {
            (line["headers"].as_str().unwrap(), line["source"]["topic"].as_str(), line["source"]["offset"].as_i64())
        })
        .collect();
    assert_eq!(
        told,
        [("connect", Some("orders"), Some(17)), ("spring", Some("payments"), Some(9)), ("unknown", None, None)]
    );
    assert_eq!(lines(&config, &["list", &topic, "--reason", "DataException"]).len(), 1);
    assert_eq!(lines(&config, &["list", &topic, "--until", "2020-09-13T12:26:40Z"]).len(), 0);
    let shown = text(&config, &["show", &topic, "0", "0"]);
    assert!(shown.contains("DataException") && !shown.contains("Zoe"), "other tools' words may quote values: {shown}");
    assert!(text(&config, &["show", &topic, "0", "0", "--values"]).contains("bad value 'Zoe'"));
    assert_eq!(json(&config, &["stats", &topic])["count"], 3);
    // Topics of the configuration that are not there are no dead letters.
    assert_eq!(lines(&config, &["list"]), Vec::<Value>::new());
}

/// `sluice tail` prints what the registry's schemas say, and what they do not say with its reason.
#[test]
fn tail_decodes_what_can_be_decoded() {
    let scene = Scene::empty("tail");
    let topic = scene.kafka.topic("tail", 2, &[]);
    let schema = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"name","type":["null","string"]}]}"#;
    let id = scene.registry.register(&format!("{topic}-value"), schema);
    // 2^53 + 1 as a zig-zag varint, then the branch `string`, then "Zoe".
    let big = [0x82, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x20, 2, 6, b'Z', b'o', b'e'];
    let value = |datum: &[u8]| Some(common::traffic::by_id(id, datum));
    let content = |key: Option<&[u8]>, value| Content {
        key: key.map(<[u8]>::to_vec),
        value,
        headers: vec![("trace".to_owned(), Some(b"1".to_vec()))],
        timestamp: 1_600_000_000_000,
    };
    let writer = scene.kafka.writer();
    writer.send(&topic, 0, &content(Some(b"a"), value(&big)), 0);
    writer.send(&topic, 0, &content(None, value(&big[..9])), 1);
    writer.send(&topic, 0, &content(Some(&[0xff]), None), 2);
    writer.send(&topic, 1, &content(Some(b"b"), Some(b"plain".to_vec())), 3);
    writer.flush(Duration::from_secs(20));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.yaml");
    let gates = serde_json::json!({ "orders": { "source": "a", "validated": "b" } });
    let settings = common::gate::Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    std::fs::write(&config, settings.0.to_string()).unwrap();
    let tail = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        let output = command.args(["tail", &topic]).args(args).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let told = tail(&["--from", "earliest", "--exit", "--partition", "0"]);
    let lines: Vec<_> = told.lines().collect();
    assert_eq!(
        lines[0],
        format!(
            r#"{{"topic":"{topic}","partition":0,"offset":0,"timestamp":1600000000000,"key":"a","value":{{"id":9007199254740993,"name":{{"string":"Zoe"}}}},"value_schema":"{id}","headers":[{{"name":"trace","value":"1"}}]}}"#
        )
    );
    let line = |number: usize| serde_json::from_str::<Value>(lines[number]).unwrap();
    assert_eq!((&line(1)["key"], &line(1)["value_error"]["reason"]), (&Value::Null, &"truncated".into()), "{told}");
    assert_eq!((&line(2)["value"], &line(2)["key_error"]["hex"]), (&Value::Null, &"ff".into()), "{told}");
    assert_eq!(lines.len(), 3);
    // Following ends at the count; -1 is the last of each partition, and text has the same in columns.
    assert_eq!(tail(&["--from", "-1", "--count", "2"]).lines().count(), 2);
    assert_eq!(tail(&["--from", "2020-09-13T12:26:41Z", "--exit"]), "");
    let row = tail(&["--from", "0", "-p", "1", "-e", "--output", "text"]);
    assert!(row.starts_with(&format!("{topic}-1@0  2020-09-13T12:26:40.000Z  \"b\"  <not_framed: ")), "{row}");
}
