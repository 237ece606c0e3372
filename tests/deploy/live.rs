//! What the stack runs, with a real Kafka and without containers: the schemas that it registers, its traffic by Kafka's own console
//! producer, its configuration, and the image's health check.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use super::common::gate::{Gate, binary};
use super::common::http;
use super::common::kafka::{Version, shared};
use super::common::process::{Process, free_port, run, tried};
use super::common::wait_for;
use super::image::Dockerfile;
use super::{path, read};

/// Records of the traffic: five rounds of it.
const RECORDS: usize = 200;
/// For each step, on a busy machine.
const LIMIT: Duration = Duration::from_secs(60);

/// Returns the health check of the image, for a process at this port; compose asks with further arguments.
fn health(admin: u16, more: &[&str]) -> Output {
    let command = Dockerfile::read().health();
    let mut health = Command::new(binary());
    health.args(&command[1..]).args(more).env("SLUICE_ADMIN", format!("http://127.0.0.1:{admin}")).output().unwrap()
}

/// Returns the configuration of the stack at other addresses.
fn configuration(bootstrap: &str, registry: u16) -> String {
    let text = read("deploy/sluice.yaml");
    let (before, rest) = text.split_once("admin:\n").unwrap();
    let (_, after) = rest.split_once("gates:\n").unwrap();
    format!("{before}gates:\n{after}")
        .replace("kafka:19092", bootstrap)
        .replace("registry:8081", &format!("127.0.0.1:{registry}"))
        .replace("0.0.0.0:8081", &format!("127.0.0.1:{registry}"))
}

fn start_registry(config: &str) -> (Process, u16) {
    let (folder, admin) = (tempfile::Builder::new().prefix("sluice-deploy-").tempdir().unwrap(), free_port());
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, format!("{config}\nadmin: {{ listen: 127.0.0.1:{admin} }}\n")).unwrap();
    let mut command = Command::new(binary());
    command.args(["registry", "serve", "--config"]).arg(&file).env("NO_COLOR", "1");
    (Process::start("registry", command, folder), admin)
}

/// Returns the first lines that the traffic writes, as the console producer reads them.
fn traffic() -> Vec<u8> {
    let script =
        read("deploy/traffic.sh").replace("/opt/kafka/bin/kafka-console-producer.sh --bootstrap-server", "cat #");
    let mut bash = Command::new("bash");
    let mut child = bash.args(["-c", &script, "traffic", "nobody"]).stdout(Stdio::piped()).spawn().unwrap();
    let (mut lines, mut reader) = (Vec::new(), BufReader::new(child.stdout.take().unwrap()));
    for _ in 0..RECORDS {
        assert!(reader.read_until(b'\n', &mut lines).unwrap() > 0, "the traffic ends");
    }
    drop(reader);
    child.wait().unwrap();
    lines
}

fn write(bootstrap: &str, lines: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("records");
    std::fs::write(&file, lines).unwrap();
    // Its own patience is 1.5 s, three times.
    let patience = ["--request-timeout-ms", "60000", "--message-send-max-retries", "1000"];
    let arguments = [&["--bootstrap-server", bootstrap, "--topic", "orders.raw"][..], &patience].concat();
    let mut producer = Version::V4_3.java("org.apache.kafka.tools.ConsoleProducer", &arguments);
    run(producer.stdin(std::fs::File::open(file).unwrap()), "it is Kafka's own");
}

#[test]
fn the_stack_converts_and_refuses_what_its_traffic_is_made_for() {
    let kafka = shared();
    let registry = free_port();
    let config = configuration(kafka.bootstrap(), registry);
    kafka.create_topic("orders.raw", 3, &[]);
    let (_server, admin) = start_registry(&config);
    wait_for("the registry", LIMIT, || health(admin, &["--ready"]).status.success().then_some(()));
    for file in ["order-v1.avsc", "order-v2.avsc"] {
        let mut register = Command::new(binary());
        register.args(["schema", "register"]).arg(path("deploy").join(file));
        register.args(["--subject", "orders.raw-value", "--registry", &format!("http://127.0.0.1:{registry}")]);
        // The first write to a new cluster takes long on a busy machine.
        wait_for("the schema to be registered", LIMIT, || {
            tried(&mut register).inspect_err(|why| eprintln!("{why}")).ok()
        });
    }
    let ids = http::get(registry, "/subjects/orders.raw-value/versions/2").unwrap().body;
    assert!(ids.contains("\"id\":2"), "the traffic names the schemas 1 and 2: {ids}");

    let gate = Gate::start_text(&config);
    for more in [&[][..], &["--ready"]] {
        let mut answers = (0..20).map(|_| health(gate.admin(), more).status);
        let status = answers.find(|status| status.code() != Some(3)).expect("an answer in time");
        assert!(status.success(), "{more:?}: {status}");
    }
    write(kafka.bootstrap(), &traffic());
    let counts = wait_for("all records", LIMIT, || {
        let counts = gate.records("orders");
        (counts.values().sum::<u64>() == RECORDS as u64).then_some(counts)
    });
    let rounds = RECORDS as u64 / 40;
    let expected = [
        (("converted", ""), 4 * rounds),
        (("dead_letter", "invalid_length"), rounds),
        (("dead_letter", "not_framed"), rounds),
        (("validated", ""), 34 * rounds),
    ];
    let found: Vec<_> = counts.iter().map(|((outcome, reason), count)| ((&**outcome, &**reason), *count)).collect();
    assert_eq!(found, expected);

    let port = gate.admin();
    gate.kill();
    assert!(!health(port, &[]).status.success(), "a dead process is not well");
}
