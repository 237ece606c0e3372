//! Rights and credentials: the ACLs that a gate needs, no more and no fewer, and passwords that change while it runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;
#[path = "migrate/job.rs"]
#[allow(dead_code, reason = "its own tests use the rest")]
mod job;
#[path = "security/jobs.rs"]
mod jobs;

use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use common::client::Content;
use common::fault::seen;
use common::gate::{Config, Gate, binary};
use common::http;
use common::java::Tools;
use common::kafka::{Cluster, Hold, PASSWORD, USER};
use common::scene::Scene;
use common::schemas::zigzag;
use common::secured::{self, NOBODY, NOBODYS_PASSWORD, Papers};
use common::traffic::{Class, Policy, by_id};
use common::wait_for;
use serde_json::{Value, json};

fn shared() -> &'static (Cluster, Papers) {
    static SECURED: OnceLock<(Cluster, Papers)> = OnceLock::new();
    SECURED.get_or_init(secured::start)
}

/// Returns the commands that `check-config` prints for this user to be granted what it needs.
fn commands(config: &Config) -> Vec<String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, config.0.to_string()).unwrap();
    let output =
        Command::new(binary()).args(["check-config", "--output", "json", "--config"]).arg(&file).output().unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    let unchecked = report["unchecked"].as_array().unwrap();
    let of_gate = unchecked.iter().find(|entry| entry["about"] == "orders").unwrap_or_else(|| panic!("{report:#}"));
    of_gate["commands"].as_array().unwrap().iter().map(|command| command.as_str().unwrap().to_owned()).collect()
}

/// A gate as the user that has nothing but what is granted to it.
struct Guest {
    scene: Scene,
    config: Config,
    commands: Vec<String>,
}

impl Guest {
    fn new(name: &str) -> Self {
        let (cluster, _) = shared();
        let mut scene = Scene::on(Hold::Shared(cluster), name);
        scene.add("orders", 2, Policy { target: true, ..Policy::default() }, json!({}));
        let config = secured::over_sasl(scene.config(), cluster, NOBODY, NOBODYS_PASSWORD);
        let commands = commands(&config);
        Self { scene, config, commands }
    }

    /// Returns the commands for the user that may everything.
    fn own_commands(&self) -> impl Iterator<Item = String> {
        let (cluster, _) = shared();
        let own = |command: &String| command.replace(&cluster.sasl_bootstrap(), cluster.bootstrap());
        self.commands.iter().map(move |command| own(command).replace(" --command-config client.properties", ""))
    }

    /// Takes back what was granted on one kind of resource.
    fn revoke(&self, tools: &Tools, resource: &str) {
        let granted: Vec<_> = self.own_commands().filter(|command| command.contains(resource)).collect();
        assert!(!granted.is_empty(), "nothing is granted on {resource}: {:?}", self.commands);
        for command in granted {
            tools.run(&command.replace(" --add ", " --remove --force "));
        }
    }

    /// Runs the commands, without an operation on one kind of resource.
    fn grant(&self, tools: &Tools, without: Option<(&str, &str)>) {
        for mut command in self.own_commands() {
            if let Some((resource, operation)) = without
                && command.contains(resource)
            {
                command = command.replace(&format!(" --operation {operation}"), "");
                if !command.contains("--operation") {
                    continue;
                }
            }
            tools.run(&command);
        }
    }
}

/// What a gate is without one of the rights that `check-config` names.
enum Without {
    /// It ends with exit code 2, and this in its log.
    Ends(&'static str),
    /// It serves its records.
    Serves,
}

/// The commands that `check-config` prints are enough, and each operation in them is needed but for `DescribeConfigs`.
#[test]
fn the_rights_that_check_config_prints_are_enough_and_needed() {
    let tools = Tools::start();
    let cases = [
        ("all", None, Without::Serves),
        ("no-configs", Some(("--topic", "DescribeConfigs")), Without::Serves),
        ("no-read", Some((".raw", "Read")), Without::Ends("does not exist, or this user may not see it")),
        ("no-group", Some(("--group", "Read")), Without::Ends("not authorised to read the offsets of the group")),
        ("no-id", Some(("--transactional-id", "Write")), Without::Ends("not authorised to initialise transactions")),
        ("no-write", Some((".dead-letter", "Write")), Without::Ends("or this user may not see them")),
    ];
    let running: Vec<_> = cases
        .into_iter()
        .map(|(name, without, then)| {
            let guest = Guest::new(name);
            let line = guest.scene.line();
            let sent = guest.scene.send(line, line.traffic(common::seed()).mixed(200, &Class::usual()));
            guest.grant(&tools, without);
            let gate = Gate::spawn(&guest.config);
            (name, guest, sent, gate, then)
        })
        .collect();
    for (name, guest, sent, mut gate, then) in running {
        let line = guest.scene.line();
        match then {
            Without::Serves => guest.scene.verify(line, &sent, Some(&gate)),
            Without::Ends(text) => {
                // Its clients end once a connection under way has ended, which has half a minute.
                let status = wait_for(name, Duration::from_secs(60), || gate.exited());
                assert_eq!(status.code(), Some(2), "{name}: {}", gate.log());
                let log = gate.log();
                assert!(log.contains(text) && log.contains("`sluice check-config`"), "{name}: {log}");
            }
        }
    }
}

/// The same for a converter that keeps a map of offsets, whose topic it makes.
#[test]
fn the_rights_that_check_config_prints_are_enough_for_an_offset_map() {
    let (cluster, _) = shared();
    let scene = Scene::on(Hold::Shared(cluster), "map-rights");
    let application = scene.application.clone();
    let topic = |end: &str| format!("{application}.{end}");
    for end in ["old", "new", "dead"] {
        cluster.create_topic(&topic(end), 1, &[]);
    }
    let number = r#"{"name":"id","type":"long"}"#;
    let channel = r#"{"name":"channel","type":"string","default":"web"}"#;
    let [old, _] = [number.to_owned(), format!("{number},{channel}")].map(|fields| {
        let schema = format!(r#"{{"type":"record","name":"Order","fields":[{fields}]}}"#);
        scene.registry.register(&topic("value"), &schema)
    });
    let orders = json!({
        "source": topic("old"), "to": topic("new"), "dead_letter": topic("dead"), "offset_map": true,
        "value": { "subject": topic("value"), "target": 2 },
    });
    let config = scene.config().without("", "gates").set("/converters", json!({ "orders": orders }));
    let config = secured::over_sasl(config, cluster, NOBODY, NOBODYS_PASSWORD);
    let guest = Guest { commands: commands(&config), config, scene };
    guest.grant(&Tools::start(), None);
    let content =
        Content { key: None, value: Some(by_id(old, &zigzag(1))), headers: Vec::new(), timestamp: 1_750_000_000_000 };
    cluster.writer().write(&topic("old"), [(0, &content)], || {});
    let gate = Gate::start(&guest.config);
    wait_for("the copy", Duration::from_secs(90), || (cluster.read(&[&topic("new")]).len() == 1).then_some(()));
    assert_eq!(cluster.read(&[&topic("orders.map")]).len(), 1, "{}", gate.log());
}

/// The right to read goes while the gate runs: it says so, and goes on when the right is back.
#[test]
fn a_right_that_goes_is_told_and_waited_for() {
    let (cluster, _) = shared();
    let tools = Tools::start();
    let guest = Guest::new("right-goes");
    guest.grant(&tools, None);
    let line = guest.scene.line();
    let mut traffic = line.traffic(common::seed());
    // A topic that a user may not see leaves the group; it is looked for again this often.
    let mut gate = Gate::start(&guest.config.clone().set("/kafka/topic.metadata.refresh.interval.ms", "2000"));
    let mut sent = guest.scene.send(line, traffic.mixed(100, &Class::usual()));
    guest.scene.wait_committed(line, &sent);
    let change = |change: &str| {
        let bootstrap = cluster.bootstrap();
        tools.run(&format!(
            "kafka-acls.sh --bootstrap-server {bootstrap} {change} --force --allow-principal User:{NOBODY} --operation Read --topic {}",
            line.source
        ));
    };
    change("--remove");
    sent.extend(guest.scene.send(line, traffic.mixed(100, &Class::usual())));
    wait_for("the log to say so", Duration::from_secs(30), || {
        gate.log().lines().any(|line| line.contains("may not read")).then_some(())
    });
    wait_for("the status to say so", Duration::from_secs(60), || {
        let held = gate.metrics().sum("sluice_held_partitions", &[("cause", "source_unavailable")]);
        let status = http::get(gate.admin(), "/status").unwrap().body;
        (held > 0.5 && status.contains("source_unavailable")).then_some(())
    });
    assert!(gate.exited().is_none(), "{}", gate.log());
    change("--add");
    guest.scene.verify(line, &sent, Some(&gate));
}

/// Fault 18: the right to the group or to the transactional.id goes while the gate runs. No waiting mends that: the process
/// ends, says which right it was and where the commands are that grant it; nothing is lost.
#[test]
fn fault_18_rights_to_group_or_transactions_lost() {
    let tools = Tools::start();
    for (name, resource) in [("group-goes", "--group"), ("id-goes", "--transactional-id")] {
        let guest = Guest::new(name);
        guest.grant(&tools, None);
        let line = guest.scene.line();
        let mut traffic = line.traffic(common::seed());
        let mut gate = Gate::start(&guest.config);
        let mut sent = guest.scene.send(line, traffic.mixed(100, &Class::usual()));
        guest.scene.wait_committed(line, &sent);
        guest.revoke(&tools, resource);
        sent.extend(guest.scene.send(line, traffic.mixed(100, &Class::usual())));
        let status = wait_for(name, Duration::from_secs(60), || gate.exited());
        let log = gate.log();
        assert_eq!(status.code(), Some(3), "{name}: {log}");
        assert!(log.contains("not authorised to") && log.contains("`sluice check-config`"), "{name}: {log}");
        guest.grant(&tools, None);
        let gate = Gate::start(&guest.config);
        guest.scene.verify(line, &sent, None);
        drop(gate);
    }
}

/// Fault 33: the password of the gate's user is changed while it runs. What is connected goes on; once the
/// connections are lost the gate waits, degraded, and says why; when the password is back, or a new process has the new one,
/// it goes on, and nothing is lost. Bound: 30 s after the password fits again.
#[test]
fn fault_33_a_password_changes_while_the_gate_runs() {
    let (cluster, _papers) = secured::start();
    let tools = Tools::start();
    let mut scene = Scene::on(Hold::Own(cluster), "password");
    scene.add("orders", 2, Policy::default(), json!({}));
    let line = scene.line();
    let mut traffic = line.traffic(common::seed());
    let folder = tempfile::tempdir().unwrap();
    let secret = folder.path().join("password");
    std::fs::write(&secret, PASSWORD).unwrap();
    let config = secured::over_sasl(scene.config(), &scene.kafka, USER, &format!("${{file:{}}}", secret.display()));
    let gate = Gate::start(&config);
    let mut sent = scene.send(line, traffic.mixed(200, &Class::usual()));
    scene.wait_committed(line, &sent);

    tools.run(&secured::set_password(&scene.kafka, USER, "another-secret"));
    sent.extend(scene.send(line, traffic.mixed(200, &Class::usual())));
    scene.wait_committed(line, &sent);
    let restart = || {
        scene.kafka.stop_node(1);
        scene.kafka.start_node(1);
    };
    restart();
    sent.extend(scene.send(line, traffic.mixed(200, &Class::usual())));
    let told = "the broker refused our credentials";
    wait_for("the log to say so", Duration::from_secs(40), || gate.log().contains(told).then_some(()));
    let log = gate.log();
    let line_of_it = log.lines().find(|line| line.contains(told)).unwrap();
    assert!(line_of_it.contains("check 'kafka.sasl.username' and 'kafka.sasl.password'"), "{line_of_it}");
    wait_for("the status to say degraded", Duration::from_secs(40), || {
        http::get(gate.admin(), "/status").filter(|answer| answer.body.contains("degraded")).map(drop)
    });
    assert_eq!(http::get(gate.admin(), "/livez").map(|answer| answer.status), Some(200));

    let start = Instant::now();
    tools.run(&secured::set_password(&scene.kafka, USER, PASSWORD));
    scene.verify(line, &sent, Some(&gate));
    seen("33", &format!("password set back: {:.1} s, 0 lost, 0 twice", start.elapsed().as_secs_f64()));

    // The other way: the file has the new secret, and the process is started again.
    tools.run(&secured::set_password(&scene.kafka, USER, "third-secret"));
    std::fs::write(&secret, "third-secret").unwrap();
    restart();
    let (status, log) = gate.stop(Duration::from_secs(15));
    assert!(status.success(), "{log}");
    assert!(![PASSWORD, "another-secret"].iter().any(|secret| log.contains(secret)), "a secret is never printed");
    let start = Instant::now();
    let gate = Gate::start(&config);
    sent.extend(scene.send(line, traffic.mixed(200, &Class::usual())));
    scene.verify(line, &sent, None);
    println!(
        "fault 33: a new process with the new password: ready in {:.1} s, 0 lost, 0 twice",
        start.elapsed().as_secs_f64()
    );
    drop(gate);
}

/// Brokers that want their clients to log in again (`connections.max.reauth.ms`): the gate does, without losing a
/// connection or a record.
#[test]
fn logging_in_again_and_again_disturbs_nothing() {
    let (cluster, papers) = secured::start_with("connections.max.reauth.ms", "3000");
    let mut scene = Scene::on(Hold::Own(cluster), "reauth");
    scene.add("orders", 2, Policy::default(), json!({}));
    let line = scene.line();
    let config = secured::over_sasl_tls(scene.config().patient(), &scene.kafka, "SASLTLS", &papers);
    let gate = Gate::start(&config);
    let (mut traffic, mut sent) = (line.traffic(common::seed()), Vec::new());
    // A client logs in again after 90 % of the time: on a machine that stands still it may be late once in a while, and
    // loses a connection. One that does not log in again loses each of them several times a round.
    let losses = || gate.log().matches(" WARN kafka client").count();
    let is_calm = (0..6).any(|_| {
        let before = losses();
        sent.extend(scene.send_paced(line, traffic.mixed(2000, &Class::usual()), 200));
        losses() == before
    });
    scene.verify(line, &sent, Some(&gate));
    let log = gate.log();
    assert!(is_calm && !log.contains(" ERROR "), "{log}");
    let aborted = gate.metrics().sum("sluice_transactions_total", &[("result", "aborted")]);
    assert_eq!(aborted, 0.0, "{log}");
}
