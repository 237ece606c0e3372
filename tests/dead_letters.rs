//! `sluice dead-letters` over what a gate has written: listed, filtered, counted and explained, and those of other tools.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::client::{Content, Read};
use common::gate::Gate;
use common::scene::Scene;
use common::seed;
use common::traffic::Class;
use serde_json::Value;
use sluice::config::{Environment, Syntax};
use sluice::dead_letters::State;
use sluice::dead_letters::state::{Entry, Fate, Key, RUNS, Run};
use sluice::kafka::dead_letters as states;
use sluice::kafka::reading::Reading;
use sluice::kafka::topics::{Cluster, PATIENCE};
use sluice::record::{Offset, Partition, Position};
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

    expressions(&config, &listed);

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

/// `--filter` takes what the expression says, asks the registry only where the expression names a part, and says what it
/// could not judge.
fn expressions(config: &Path, listed: &[Value]) {
    let reason = listed[0]["reason"].as_str().unwrap();
    let partition = &listed[0]["source"]["partition"];
    let expression =
        format!("reason == '{reason}' && source.partition == {partition} && headers['sluice.reason'] == reason");
    let same = |line: &&Value| line["reason"] == reason && line["source"]["partition"] == *partition;
    let wanted: Vec<_> = listed.iter().filter(same).cloned().collect();
    let sorted = |mut lines: Vec<Value>| {
        lines.sort_by_key(place);
        lines
    };
    // Nobody listens there.
    let mut settings: Value = serde_json::from_str(&std::fs::read_to_string(config).unwrap()).unwrap();
    settings["registry"]["url"] = "http://127.0.0.1:1".into();
    let alone = config.with_file_name("alone.yaml");
    std::fs::write(&alone, settings.to_string()).unwrap();
    assert_eq!(sorted(lines(&alone, &["list", "--filter", &expression])), sorted(wanted.clone()));
    assert_eq!(json(&alone, &["stats", "--filter", &expression])["count"], wanted.len());
    // Without the values nobody knows which they are: no answer is better than a wrong one.
    for command in ["list", "stats"] {
        let output = sluice(&alone, &[command, "--output", "json", "--filter", "value != null"]);
        let told = String::from_utf8(output.stderr).unwrap();
        assert_eq!((output.status.code(), output.stdout), (Some(3), Vec::new()), "{command}: {told}");
        assert!(told.contains("cannot be reached, asked for schema "), "{command}: {told}");
    }

    let output = sluice(config, &["list", "--output", "json", "--filter", "value != null"]);
    let told = String::from_utf8(output.stderr).unwrap();
    let taken = String::from_utf8(output.stdout).unwrap().lines().count();
    let count = |line: &str| line.strip_prefix("not taken by --filter: ")?.split(' ').next()?.parse::<usize>().ok();
    assert_eq!(taken + told.lines().filter_map(count).sum::<usize>(), listed.len(), "{told}");
    assert!(taken > 0 && told.contains(": value cannot be decoded: not_framed\n"), "{told}");

    let output = sluice(config, &["list", "--filter", "resaon == 'x'"]);
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("column 1: there is no variable 'resaon', did you mean 'reason'?"), "{told}");
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
    writer.flush(Duration::from_secs(300));
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

/// A dead letter as a gate writes it.
fn letter(offset: i64, reason: &str) -> Content {
    let told = [
        ("sluice.reason", reason.to_owned()),
        ("sluice.detail", "so it is".to_owned()),
        ("sluice.part", "value".to_owned()),
        ("sluice.source.topic", "orders.raw".to_owned()),
        ("sluice.source.partition", "1".to_owned()),
        ("sluice.source.offset", offset.to_string()),
        ("sluice.gate", "orders".to_owned()),
        ("sluice.gate.version", "0.1.0".to_owned()),
        ("sluice.attempt", "1".to_owned()),
    ];
    let headers = told.map(|(name, value)| (name.to_owned(), Some(value.into_bytes()))).to_vec();
    Content { key: None, value: Some(b"{}".to_vec()), headers, timestamp: 1_600_000_000_000 }
}

/// A configuration whose one gate has these dead letters, as the commands and the crate read it.
fn configured(scene: &Scene, dead_letters: &str, folder: &Path) -> (PathBuf, impl Fn(bool) -> sluice::config::Config) {
    let gates = serde_json::json!({ "orders": { "source": "a", "validated": "b", "dead_letter": dead_letters } });
    let text = common::gate::Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    let file = folder.join("sluice.yaml");
    std::fs::write(&file, text.0.to_string()).unwrap();
    let parsed = move |creates: bool| {
        let text = text.clone().set("/create_topics", creates).0.to_string();
        sluice::config::Config::parse(&text, Syntax::Yaml, &Environment::process()).unwrap()
    };
    (file, parsed)
}

/// The state topic is made as the dead letters need it, and says which of them are open.
#[test]
fn what_was_redriven_is_closed() {
    let scene = Scene::empty("states");
    let times = ("message.timestamp.type", "LogAppendTime");
    let settings = [("retention.ms", "86400000"), ("segment.ms", "3600000"), times];
    let topic = scene.kafka.topic("states.dead-letter", 2, &settings);
    let folder = tempfile::tempdir().unwrap();
    let (config, parsed) = configured(&scene, &topic, folder.path());
    let writer = scene.kafka.writer();
    (0..6).for_each(|number| {
        let reason = if number < 4 { "truncated" } else { "invalid_utf8" };
        writer.send(&topic, number % 2, &letter(i64::from(number), reason), 0);
    });
    writer.flush(Duration::from_secs(60));
    assert!(!text(&config, &["list"]).contains("STATE"), "no state topic, no states");
    assert_eq!(lines(&config, &["list", "--closed"]).len(), 0);
    assert_eq!(json(&config, &["stats"]).get("states"), None);

    // It is not made unless the configuration says so, and then as the dead letters need it.
    let cluster = Cluster::connect(&parsed(false).kafka, PATIENCE).unwrap();
    let refused = states::prepare(&cluster, &parsed(false), &topic).unwrap_err();
    let command = format!(
        "--create --topic {topic}.state --partitions 2 --replication-factor 1 --config cleanup.policy=compact,delete"
    );
    assert!(refused.is_usage() && refused.to_string().contains(&command), "{refused}");
    let prepared = states::prepare(&cluster, &parsed(true), &topic).unwrap();
    let setting = |name| scene.kafka.topic_setting(&prepared.state, name);
    assert_eq!(setting("cleanup.policy").as_deref(), Some("compact,delete"));
    assert_eq!(
        setting("retention.ms").as_deref(),
        Some("176400000"),
        "a day, an hour's segment, and a day for the brokers"
    );
    assert_eq!(states::prepare(&cluster, &parsed(false), &topic).unwrap(), prepared, "once it is there it serves");

    // The first is redriven, the second has failed again.
    let id = prepared.id.clone().unwrap();
    let put = |partition: i32, key: Key<'_>, value: Vec<u8>| {
        let (key, timestamp) = (Some(key.to_string().into_bytes()), 1_600_000_000_000);
        writer.send(
            &prepared.state,
            partition,
            &Content { key, value: Some(value), headers: Vec::new(), timestamp },
            0,
        );
    };
    let source = |offset| Position { topic: "orders.raw", partition: Partition(1), offset: Offset(offset) };
    let entry = |offset, fate| Entry {
        topic: &id,
        fate,
        time: 1_600_000_000_000,
        run: "r1",
        attempt: 2,
        source: Some(source(offset)),
        hash: "ab",
    };
    let redriven = Fate::Redriven { topic: "orders", partition: 1 };
    let failed = Fate::Failed { reason: "invalid_boolean", path: Some("gift".into()) };
    put(0, Key::Letter { partition: 0, offset: 0 }, entry(0, redriven.clone()).encode());
    put(1, Key::Letter { partition: 1, offset: 0 }, entry(1, failed).encode());
    let other = Entry { topic: "somebody", ..entry(3, redriven) };
    put(1, Key::Letter { partition: 1, offset: 1 }, other.encode());
    let run = Run {
        topic: id.clone(),
        user: Some("ada".to_owned()),
        begun: 5,
        to: "validated".to_owned(),
        read: 6,
        redriven: 1,
        ..Run::default()
    };
    put(RUNS, Key::Run("r1"), run.encode());
    writer.flush(Duration::from_secs(60));

    assert_open_and_closed(&config, &topic);
    let reading = Reading::open(&parsed(false), "test").unwrap();
    let ledger = states::read(&reading, &prepared).unwrap();
    assert_eq!((ledger.state(0, 0), ledger.state(1, 1)), (State::Redriven, State::Open));
    assert!(ledger.bars(source(0), "ab", "orders") && !ledger.bars(source(3), "ab", "orders"));

    // What cannot be read is told to those who look, and refused to those who redrive.
    put(1, Key::Letter { partition: 1, offset: 2 }, b"{\"version\":2}".to_vec());
    writer.flush(Duration::from_secs(60));
    let output = sluice(&config, &["list", "--output", "json"]);
    let warned = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && warned.contains("letter/1/2"), "{warned}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 5);
    let refused = states::read(&reading, &prepared).unwrap_err();
    assert!(refused.is_usage() && refused.to_string().contains("letter/1/2"), "{refused}");
}

fn assert_open_and_closed(config: &Path, topic: &str) {
    let states = |args: &[&str]| -> Vec<(i64, i64, String)> {
        let place = |line: &Value| (line["partition"].as_i64().unwrap(), line["offset"].as_i64().unwrap());
        let lines = lines(config, &[&["list"], args].concat());
        let mut found: Vec<_> = lines
            .iter()
            .map(|line| (place(line).0, place(line).1, line["state"].as_str().unwrap().to_owned()))
            .collect();
        found.sort();
        found
    };
    let one = |partition, offset, state: &str| (partition, offset, state.to_owned());
    let closed = [one(0, 0, "redriven")];
    let open = [(0, 1, "open"), (0, 2, "open"), (1, 0, "failed"), (1, 1, "open"), (1, 2, "open")];
    let open = open.map(|(partition, offset, state)| one(partition, offset, state));
    assert_eq!(states(&[]), open);
    assert_eq!(states(&["--closed"]), closed);
    assert_eq!(states(&["--all"]), [&closed[..], &open[..]].concat());
    assert_eq!(states(&["--follow", "--count", "5"]), open);
    let again = lines(config, &["list", "--source-offsets", "1"]);
    assert_eq!(again[0]["failed_again"]["reason"], "invalid_boolean", "{again:?}");
    let table = text(config, &["list", "--all"]);
    assert!(table.lines().any(|row| row.contains("redriven  orders.raw-1@0")), "{table}");

    let stats = json(config, &["stats"]);
    assert_eq!(stats["count"], 5);
    assert_eq!(stats["states"], serde_json::json!({ "open": 4, "failed": 1, "redriven": 1 }));
    assert_eq!(json(config, &["stats", "--all", "--reason", "truncated"])["groups"][0]["states"]["redriven"], 1);
    let told = text(config, &["stats"]);
    assert!(told.contains("open: 5, of them failed again: 1; redriven: 1"), "{told}");

    let told = text(config, &["show", topic, "0", "0"]);
    let expected = "redriven to orders-1, 2020-09-13T12:26:40.000Z, by run r1 of ada, attempt 2";
    assert!(told.contains(expected), "{told}");
    let told = text(config, &["show", topic, "1", "0"]);
    assert!(told.contains("open: failed again, invalid_boolean at 'gift', 2020-09-13"), "{told}");
    assert!(text(config, &["show", topic, "1", "1"]).contains("state    open"), "of another topic of that name");
    let shown = json(config, &["show", topic, "0", "0"]);
    assert_eq!((&shown["state"], &shown["redriven"]["who"]), (&"redriven".into(), &"ada".into()), "{shown:#}");
    let runs = json(config, &["runs", topic]);
    assert_eq!((&runs["runs"][0]["run"], &runs["runs"][0]["audit"]["redriven"]), (&"r1".into(), &1.into()), "{runs:#}");
    assert!(text(config, &["runs", topic]).contains(" ada "), "who it was");
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
    writer.flush(Duration::from_secs(300));
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.yaml");
    let gates = serde_json::json!({ "orders": { "source": "a", "validated": "b" } });
    let settings = common::gate::Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    std::fs::write(&config, settings.0.to_string()).unwrap();
    let both = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        let output = command.args(["tail", &topic]).args(args).arg("--config").arg(&config).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let tail = |args: &[&str]| both(args).0;
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
    // A filter sees what is printed, and says at the end what it could not judge.
    let filtered = |filter: &str| both(&["--from", "earliest", "--exit", "--filter", filter]);
    let (taken, told) = filtered("value.id > 9007199254740992 && value.name == 'Zoe' && headers.trace == '1'");
    assert_eq!(taken, lines[0].to_owned() + "\n");
    let wanted = [
        "1 record: '.' does not take (null_type, string)",
        "1 record: value cannot be decoded: not_framed",
        "1 record: value cannot be decoded: truncated",
    ];
    let mut reasons: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("not taken by --filter: ")).collect();
    reasons.sort_unstable();
    assert_eq!(reasons, wanted, "{told}");
    assert_eq!(filtered("key == 'b' || partition == 0 && offset == 2").0.lines().count(), 2);
    // With an end a registry that is away ends it; while tail follows, it waits.
    let away = |args: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_sluice"));
        command.args(["tail", &topic, "--from", "earliest", "--filter", "value.id > 0"]).args(args);
        command.arg("--config").arg(&config).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    scene.registry.down();
    let output = away(&["--exit"]).wait_with_output().unwrap();
    let told = String::from_utf8(output.stderr).unwrap();
    assert_eq!((output.status.code(), output.stdout), (Some(3), Vec::new()), "{told}");
    assert!(told.contains("cannot be reached"), "{told}");
    let mut follows = away(&["--count", "1"]);
    let mut told = BufReader::new(follows.stderr.take().unwrap()).lines().map(Result::unwrap);
    assert!(told.any(|line| line.starts_with("registry: ") && line.contains("cannot be reached")));
    scene.registry.up();
    // What came while the registry was away is not met again.
    for number in 4.. {
        writer.send(&topic, 1, &content(Some(b"c"), value(&big)), number);
        writer.flush(Duration::from_secs(300));
        if follows.try_wait().unwrap().is_some() {
            break;
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    let mut taken = String::new();
    follows.stdout.take().unwrap().read_to_string(&mut taken).unwrap();
    assert_eq!((follows.wait().unwrap().code(), taken.lines().count()), (Some(0), 1), "{taken}");
    assert!(told.any(|line| line.starts_with("registry: the registry answers again after ")));
    // Following ends at the count; -1 is the last of each partition, and text has the same in columns.
    assert_eq!(tail(&["--from", "-1", "--count", "2"]).lines().count(), 2);
    assert_eq!(tail(&["--from", "2020-09-13T12:26:41Z", "--exit"]), "");
    let row = tail(&["--from", "0", "-p", "1", "-e", "--output", "text"]);
    assert!(row.starts_with(&format!("{topic}-1@0  2020-09-13T12:26:40.000Z  \"b\"  <not_framed: ")), "{row}");
}
