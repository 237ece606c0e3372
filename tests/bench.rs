//! `sluice bench`: its figures, over the embedded broker and a real cluster, and what it leaves there.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod common;

use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use common::client::Content;
use common::gate::binary;
use common::kafka::{self, Cluster};
use common::wait_for;
use serde_json::{Value, json};

/// What the command has in a cluster.
const TOPIC: &str = "sluice.bench.registry";

const KINDS: [&str; 4] = ["get_by_id", "get_latest", "post_known", "post_new"];

fn bench(args: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command.args(["bench", "registry", "--schemas", "50", "--connections", "4"]).args(args);
    command.env_remove("SLUICE_CONFIG").stdin(Stdio::null());
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// All figures of a run that went well.
fn figures(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let measured = found["measured"].as_array().unwrap();
    assert_eq!(measured.iter().map(|one| one["request"].as_str().unwrap()).collect::<Vec<_>>(), KINDS);
    for one in measured {
        for name in ["requests", "per_second", "p50_us", "p99_us", "cpu_us"] {
            assert!(one[name].as_f64().unwrap() > 0.0, "{name} in {found:#}");
        }
        assert_eq!(one["refused"], json!(0), "{found:#}");
        assert!(one["p50_us"].as_f64() <= one["p99_us"].as_f64(), "{found:#}");
    }
    found
}

/// Tells whether writes took longer than the node's limit for them, which depends on the machine: it stood still.
fn is_late(output: &Output) -> bool {
    output.status.code() == Some(1) || text(&output.stderr).contains("\"error_code\":5000")
}

/// Runs it until no write is late.
fn in_time(run: impl Fn() -> Output) -> Output {
    wait_for("a run whose writes are in time", Duration::from_secs(120), || {
        Some(run()).filter(|output| !is_late(output))
    })
}

#[test]
fn all_kinds_are_measured_with_nothing_needed() {
    let found = figures(&in_time(|| bench(&["--for", "1s", "--output", "json"]).output().unwrap()));
    assert_eq!((&found["log"], &found["schemas"]), (&json!("the embedded broker"), &json!(50)));
    let output = in_time(|| bench(&["--for", "100ms"]).output().unwrap());
    let table = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{table}{}", text(&output.stderr));
    assert!(table.starts_with("a node of the registry, its log in the embedded broker\n50 schemas of "), "{table}");
    let titles = ["GET by ID", "GET latest version", "POST what is there", "POST a new schema"];
    assert!(titles.iter().all(|title| table.lines().any(|line| line.starts_with(title))), "{table}");
}

fn is_there(cluster: &Cluster) -> bool {
    cluster.partitions(TOPIC).is_some()
}

fn gone(cluster: &Cluster) {
    wait_for("the topic to go", Duration::from_secs(30), || (!is_there(cluster)).then_some(()));
}

fn interrupted(cluster: &Cluster, config: &Path) {
    let mut child = bench(&["--for", "10m", "--config"]).arg(config).spawn().unwrap();
    wait_for("the topic to come", Duration::from_secs(60), || is_there(cluster).then_some(()));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = wait_for("the end", Duration::from_secs(60), || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    gone(cluster);
}

/// One test, since there is one topic.
#[test]
fn a_real_cluster_is_left_as_it_was() {
    let cluster = kafka::shared();
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("sluice.yaml");
    let server = json!({ "topic": "somebody-elses" });
    let text_of = json!({ "kafka": { "bootstrap.servers": cluster.bootstrap() }, "registry_server": server });
    std::fs::write(&config, text_of.to_string()).unwrap();
    let run = |time: &str| bench(&["--for", time, "--output", "json", "--config"]).arg(&config).output().unwrap();

    let found = figures(&in_time(|| run("1s")));
    let log = format!("topic '{TOPIC}' of {}", cluster.bootstrap());
    assert_eq!(found["log"], json!(log));
    gone(&cluster);
    interrupted(&cluster, &config);

    cluster.create_topic(TOPIC, 1, &[("cleanup.policy", "compact")]);
    let output = run("200ms");
    assert!(output.status.success() || is_late(&output), "an empty one will do: {}", text(&output.stderr));
    let stays = format!("topic '{TOPIC}' was there before and stays; to delete it: kafka-topics.sh");
    assert!(text(&output.stderr).contains(&stays), "{}", text(&output.stderr));
    let records = cluster.read(&[TOPIC]).len();
    assert!(records > if is_late(&output) { 0 } else { 50 }, "{records}");

    let foreign = Content { key: Some(b"{}".to_vec()), value: Some(b"{}".to_vec()), headers: Vec::new(), timestamp: 1 };
    cluster.writer().write(TOPIC, [(0, &foreign)], || {});
    let output = run("200ms");
    let told = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{told}");
    assert!(told.contains("has records") && told.contains(&format!("--delete --topic {TOPIC}")), "{told}");
    assert_eq!(cluster.read(&[TOPIC]).len(), records + 1, "nothing is written where others write");
    assert!(cluster.partitions("somebody-elses").is_none(), "the registry's own topic is not touched");
}

/// Runs it with more and more records until they are enough, which depends on the machine: the faster, the fewer commits.
/// Where it stands still, records may come twice at least once; not each time.
fn enough(run: impl Fn(u64) -> Output) -> (u64, Output) {
    let (mut records, mut doubled) = (200_000, 0);
    loop {
        let output = run(records);
        if doubled < 2 && is_doubled(&text(&output.stderr)) {
            doubled += 1;
            continue;
        }
        let is_told = text(&output.stderr).contains(&format!("{records} records are too few"));
        if !is_told || records > 10_000_000 {
            return (records, output);
        }
        records *= 2;
    }
}

fn is_doubled(told: &str) -> bool {
    told.lines().any(|line| line.contains("at-least-once") && line.contains("records came out of"))
}

/// A copy and gates of every kind, each record counted, and nothing of it left.
#[test]
fn a_gate_is_measured_beside_a_copy() {
    let cluster = kafka::shared();
    let bench = |records: u64, args: &[&str]| {
        let mut command = Command::new(binary());
        command.args(["bench", "gate", "--brokers", cluster.bootstrap(), "--records", &records.to_string()]).args(args);
        command.env_remove("SLUICE_CONFIG").stdin(Stdio::null());
        command
    };
    let figures = |args: &[&str], of: &str, names: &[&str]| {
        let args = [args, &["--repeat", "1", "--commit-interval", "20ms", "--output", "json"]].concat();
        let (records, output) = enough(|records| bench(records, &args).output().unwrap());
        assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let measured = found[of].as_array().unwrap();
        let cases: Vec<_> = measured.iter().map(|one| one["case"].as_str().unwrap()).collect();
        assert_eq!(cases, ["plain copy", "unchecked, 20ms", "at-least-once, 20ms", "exactly-once, 20ms"]);
        for one in measured {
            for name in names {
                assert!(one[name]["median"].as_f64().unwrap() > 0.0, "{name} in {found:#}");
            }
        }
        left_alone(&cluster);
        (found, records)
    };
    let rates = [
        "records_per_second",
        "records_per_second_of_copy",
        "bytes_per_second",
        "cpu_us",
        "cpu_of_copy",
        "brokers_cpu_us",
        "peak_bytes",
    ];
    let args = ["--damaged", "0.1", "--compression", "lz4", "--gates", "2", "--schemas", "10"];
    let (found, records) = figures(&args, "measured", &rates);
    assert_eq!((&found["records"], &found["compression"]), (&json!(records), &json!("lz4")));
    assert_eq!((&found["gates"], &found["schemas"]), (&json!(2), &json!(10)));
    assert!(found["measured"][3]["records_per_second_of_at_least_once"]["median"].as_f64().unwrap() > 0.0, "{found:#}");
    let (found, _) = figures(&["--rate", "500", "--for", "1s"], "added", &["p50_us", "p99_us", "p999_us", "most_us"]);
    assert_eq!((&found["rate"], &found["seconds"]), (&json!(500), &json!(1.0)));

    // So many that no turn ends before its time.
    let mut child = bench(4 * records, &["--repeat", "100", "--commit-interval", "20ms"]).spawn().unwrap();
    let has_begun = || cluster.topics().iter().any(|name| is_of_bench(name) && name.ends_with(".out"));
    wait_for("the first turn", Duration::from_secs(60), || has_begun().then_some(()));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let status = wait_for("the end", Duration::from_secs(60), || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    left_alone(&cluster);
}

fn is_of_bench(name: &str) -> bool {
    name.starts_with("sluice.bench.") && name != TOPIC
}

/// Neither topics nor groups of a measurement are left.
fn left_alone(cluster: &Cluster) {
    let none = |names: &[String]| !names.iter().any(|name| is_of_bench(name));
    wait_for("the topics and groups to go", Duration::from_secs(30), || {
        (none(&cluster.topics()) && none(&cluster.groups())).then_some(())
    });
}
