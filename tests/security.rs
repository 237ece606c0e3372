//! Rights and credentials: the ACLs that a gate needs, no more and no fewer, and passwords that change while it runs.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]
#![cfg(feature = "tls")]

mod common;

use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use common::gate::{Config, Gate, binary};
use common::java::Tools;
use common::kafka::{Cluster, Hold};
use common::scene::Scene;
use common::secured::{self, NOBODY, NOBODYS_PASSWORD, Papers};
use common::traffic::{Class, Policy};
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

    /// Runs the commands, without an operation on one kind of resource.
    fn grant(&self, tools: &Tools, without: Option<(&str, &str)>) {
        let (cluster, _) = shared();
        for command in &self.commands {
            let mut command = command.replace(cluster.sasl_bootstrap(), cluster.bootstrap());
            command = command.replace(" --command-config client.properties", "");
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

#[test]
fn dump_acls() {
    let tools = Tools::start();
    let cases = [
        ("all", None),
        ("no-read", Some((".raw", "Read"))),
        ("no-configs", Some(("--topic", "DescribeConfigs"))),
        ("no-write", Some((".dead-letter", "Write"))),
        ("no-group", Some(("--group", "Read"))),
        ("no-id", Some(("--transactional-id", "Write"))),
        ("no-describe", Some(("", "Describe"))),
    ];
    let running: Vec<_> = cases
        .into_iter()
        .map(|(name, without)| {
            let guest = Guest::new(name);
            if name == "all" {
                println!("{:#?}", guest.commands);
            }
            let line = guest.scene.line();
            guest.scene.send(line, line.traffic(1).mixed(100, &Class::usual()));
            guest.grant(&tools, without);
            let gate = Gate::spawn(&guest.config);
            (name, guest, gate)
        })
        .collect();
    std::thread::sleep(Duration::from_secs(15));
    for (name, guest, mut gate) in running {
        let line = guest.scene.line();
        println!(
            "=== {name} {:?} committed {:?}\n{}",
            gate.exited(),
            guest.scene.kafka.committed(&guest.scene.group(line), &[&line.source]),
            gate.log()
        );
    }
}
