//! Clients of the field around a gate: kcat, Kafka's own console tools and Java clients over TLS and SCRAM, and readers of
//! dead letters as Kafka Connect, Kafka Streams and Spring write them. Python has a file of its own.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use common::client::Read;
use common::fault::not_run;
use common::gate::Gate;
use common::java::{clients, java};
use common::kafka::{Cluster, Hold, PASSWORD, USER};
use common::process::run;
use common::scene::{Line, Scene};
use common::secured::{self, Papers};
use common::traffic::{Class, Policy};
use common::wait_for;
use serde_json::json;
use tempfile::TempDir;

fn shared() -> &'static (Cluster, Papers) {
    static SECURED: OnceLock<(Cluster, Papers)> = OnceLock::new();
    SECURED.get_or_init(secured::start)
}

fn scene(name: &str, settings: serde_json::Value) -> Scene {
    let mut scene = Scene::on(Hold::Shared(&shared().0), name);
    scene.add("orders", 2, Policy::default(), settings);
    scene
}

/// Returns a header of ours as text.
fn header<'r>(record: &'r Read, name: &str) -> &'r str {
    let found = record.content.headers.iter().find(|(found, _)| found == name);
    std::str::from_utf8(found.and_then(|(_, value)| value.as_deref()).unwrap_or_else(|| panic!("no {name}"))).unwrap()
}

/// Writes the settings of a Java client into a file, as its users do.
fn properties(folder: &Path, name: &str, text: &str) -> String {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file.to_str().unwrap().to_owned()
}

/// The settings of Java clients for the two listeners that check who comes.
struct Ways {
    folder: TempDir,
    scram: String,
    tls: String,
}

fn ways() -> Ways {
    let (cluster, papers) = shared();
    let folder = tempfile::tempdir().unwrap();
    let scram = format!(
        "bootstrap.servers={}\nsecurity.protocol=SASL_PLAINTEXT\nsasl.mechanism=SCRAM-SHA-512\n\
         sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required \
         username=\"{USER}\" password=\"{PASSWORD}\";\n",
        cluster.sasl_bootstrap()
    );
    let tls = format!(
        "bootstrap.servers=127.0.0.1:{}\nsecurity.protocol=SSL\nssl.truststore.type=PEM\nssl.truststore.location={}\n\
         ssl.keystore.type=PEM\nssl.keystore.location={}\n",
        cluster.port("TLS"),
        papers.authority.file().display(),
        papers.gate.both.display()
    );
    let (scram, tls) =
        (properties(folder.path(), "scram.properties", &scram), properties(folder.path(), "tls.properties", &tls));
    Ways { folder, scram, tls }
}

/// Java producers and consumers with Apache Avro over both ways, before and behind a gate that comes over TLS itself.
#[test]
fn java_clients_on_both_sides() {
    let (cluster, papers) = shared();
    let scene = scene("java", json!({ "value": { "target": "any" } }));
    let line = scene.line();
    let ways = ways();
    let text = r#"{"type":"record","name":"Placed","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"}]}"#;
    let schema = properties(ways.folder.path(), "order.avsc", text);
    let id = scene.registry.register(&format!("{}-value", line.source), text).to_string();
    let gate = Gate::start(&secured::over_tls(scene.config(), cluster, papers));
    let mut written = clients(&["write", &ways.scram, &line.source, &id, &schema, "100"]);
    written.extend(clients(&["write", &ways.tls, &line.source, &id, &schema, "100"]));
    let mut read = clients(&["read", &ways.tls, &line.outputs.validated, &schema, "180"]);
    written.retain(|line| line.starts_with("good "));
    written.sort();
    read.sort();
    assert_eq!(read, written);
    let letters = wait_for("the dead letters", Duration::from_secs(60), || {
        let letters = scene.kafka.read(&[&line.outputs.dead_letter]);
        (letters.len() >= 20).then_some(letters)
    });
    assert_eq!(letters.len(), 20);
    assert!(letters.iter().all(|letter| header(letter, "sluice.path") == "customer"), "the field that was cut");
    let (status, log) = gate.stop(Duration::from_secs(60));
    assert!(status.success(), "{log}");
}

/// The console tools as docs/quick-start.md shows them: text from the one is a dead letter that the other shows with its reason.
#[test]
fn console_tools_write_and_show_dead_letters() {
    let (cluster, papers) = shared();
    let scene = scene("console", json!({}));
    let line = scene.line();
    let ways = ways();
    let gate = Gate::start(&secured::over_sasl_tls(scene.config(), cluster, "SASLTLS", papers));
    let at = |way: &str| -> String {
        let text = std::fs::read_to_string(way).unwrap();
        text.lines().find_map(|line| line.strip_prefix("bootstrap.servers=")).unwrap().to_owned()
    };
    let mut producer = java(&[]);
    producer.args([
        "org.apache.kafka.tools.ConsoleProducer",
        "--bootstrap-server",
        &at(&ways.scram),
        "--topic",
        &line.source,
    ]);
    producer.args(["--command-config", &ways.scram, "--request-timeout-ms", "60000"]);
    producer.args(["--message-send-max-retries", "1000"]);
    let mut child = producer.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
    child.stdin.take().unwrap().write_all("hello\nworld\n".as_bytes()).unwrap();
    assert!(child.wait().unwrap().success());
    let mut consumer = java(&[]);
    consumer.args(["org.apache.kafka.tools.consumer.ConsoleConsumer", "--bootstrap-server", &at(&ways.tls)]);
    consumer.args(["--command-config", &ways.tls, "--topic", &line.outputs.dead_letter, "--from-beginning"]);
    consumer.args(["--isolation-level", "read_committed", "--formatter-property", "print.headers=true"]);
    consumer.args(["--formatter-property", "headers.separator=\n", "--max-messages", "2", "--timeout-ms", "180000"]);
    let shown = run(&mut consumer, "see its error");
    for (text, times) in [
        ("sluice.reason:not_framed", 2),
        (&*format!("sluice.source.topic:{}", line.source), 2),
        ("sluice.attempt:1", 2),
        ("hello", 1),
        ("world", 1),
    ] {
        assert_eq!(shown.matches(text).count(), times, "{text}:\n{shown}");
    }
    drop(gate);
}

/// With all header profiles on, each framework's own constants and encodings read where a dead letter came from, and why.
#[test]
fn frameworks_read_dead_letters_by_their_own_names() {
    let (cluster, papers) = shared();
    let topic = common::unique("profiles.dead-letter");
    let scene = scene(
        "profiles",
        json!({ "dead_letter": { "topic": topic.clone(), "headers": ["connect", "streams", "spring"] } }),
    );
    scene.kafka.create_topic(&topic, 2, &[("message.timestamp.type", "LogAppendTime")]);
    let line = scene.line();
    let gate = Gate::start(&secured::over_tls(scene.config(), cluster, papers));
    let sent = scene.send(line, line.traffic(common::seed()).mixed(200, &Class::usual()));
    scene.wait_committed(line, &sent);
    let letters = scene.kafka.read(&[&topic]);
    assert!(letters.len() > 20, "only {} dead letters", letters.len());
    let mut expected: Vec<String> = letters.iter().flat_map(of_frameworks).collect();
    let mut read = clients(&["letters", &ways().tls, &topic, &letters.len().to_string()]);
    expected.sort();
    read.sort();
    assert_eq!(read, expected);
    drop(gate);
}

/// What the frameworks must read, from our own headers.
fn of_frameworks(letter: &Read) -> [String; 3] {
    let of = |name: &str| header(letter, name).to_owned();
    let place = [of("sluice.source.topic"), of("sluice.source.partition"), of("sluice.source.offset")].join("\t");
    let reason = of("sluice.reason");
    let stage = if reason.starts_with("target_") { "TRANSFORMATION" } else { "VALUE_CONVERTER" };
    let reason = format!("sluice.{reason}");
    [
        format!("connect\t{place}\t{stage}\t{reason}\torders\t0"),
        format!("streams\t{place}\t{reason}"),
        format!("spring\t{place}\t{}\t{reason}", of("sluice.source.timestamp")),
    ]
}

/// Returns kcat, or says why there is none.
fn kcat() -> Option<PathBuf> {
    let found = Command::new("kcat").arg("-V").output().is_ok_and(|output| output.status.success());
    if !found {
        not_run("kcat", "kcat is not installed: apt-get install -y kcat");
    }
    found.then(|| PathBuf::from("kcat"))
}

/// kcat before and behind the gate: files as records, and dead letters with their headers as docs/quick-start.md shows.
#[test]
fn kcat_writes_and_shows_dead_letters() {
    let Some(kcat) = kcat() else { return };
    let scene = scene("kcat", json!({ "value": { "target": "any" } }));
    let line = scene.line();
    let gate = Gate::start(&scene.config());
    let kafka = scene.kafka.bootstrap();
    let framed = scene_record(&scene, line);
    let folder = tempfile::tempdir().unwrap();
    let good = folder.path().join("good");
    std::fs::write(&good, &framed).unwrap();
    let text = folder.path().join("text");
    std::fs::write(&text, "plain text").unwrap();
    let mut command = Command::new(&kcat);
    command.args(["-P", "-b", kafka, "-t", &line.source, "-k", "key", "-H", "from=kcat"]);
    run(command.args([&good, &text]), "see its error");
    let consume = |topic: &str, format: &str| {
        let mut command = Command::new(&kcat);
        command.args([
            "-C",
            "-q",
            "-e",
            "-b",
            kafka,
            "-t",
            topic,
            "-o",
            "beginning",
            "-X",
            "isolation.level=read_committed",
        ]);
        run(command.args(["-f", format]), "see its error")
    };
    wait_for("both records behind the gate", Duration::from_secs(30), || {
        (scene.kafka.read(&[&line.outputs.validated, &line.outputs.dead_letter]).len() == 2).then_some(())
    });
    assert_eq!(consume(&line.outputs.validated, "%k %S %h\n"), format!("key {} from=kcat\n", framed.len()));
    let shown = consume(&line.outputs.dead_letter, "%k: %s\n%h\n\n").replace(',', "\n");
    for text in ["key: plain text", "from=kcat", "sluice.reason=not_framed", "sluice.attempt=1"] {
        assert!(shown.lines().any(|line| line == text), "{text}:\n{shown}");
    }
    drop(gate);
}

/// Returns the bytes of a good record.
fn scene_record(scene: &Scene, line: &Line) -> Vec<u8> {
    let text = r#"{"type":"record","name":"Kcat","fields":[{"name":"id","type":"long"}]}"#;
    let id = scene.registry.register(&format!("{}-value", line.source), text);
    common::traffic::by_id(id, &[2])
}
