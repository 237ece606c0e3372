//! Clients of the field find in a node what they know of a registry.

use std::process::Command;

use serde_json::json;

use crate::common::certificates::Authority;
use crate::common::python::{SCRIPTS, interpreter};
use crate::common::{kafka, process, unique};
use crate::node::Node;

#[test]
fn confluent_kafka_python_finds_what_it_knows() {
    let Some(python) = interpreter("confluent-kafka-python") else { return };
    let cluster = kafka::shared();
    let node = Node::start(cluster.bootstrap(), &unique("_schemas"));
    let mut command = Command::new(python);
    command.args([format!("{SCRIPTS}/registry.py"), format!("http://127.0.0.1:{}", node.port), "orders".to_owned()]);
    process::run(&mut command, "see its error");
    assert_eq!(node.metric("sluice_registry_damaged_records_total"), 0.0);
}

/// With an authority of its own, a user who may write and one who may read.
#[test]
fn confluent_kafka_python_over_tls_with_users() {
    let Some(python) = interpreter("confluent-kafka-python") else { return };
    let cluster = kafka::shared();
    let (authority, folder) = (Authority::new("ours"), tempfile::tempdir().unwrap());
    let shown = authority.sign("server", &["localhost"]);
    let users = folder.path().join("users.yaml");
    let user = |password: &str, right: &str| {
        let hash = bcrypt::hash(password, 4).unwrap();
        json!({ "password": hash, "grants": [{ "rights": right, "prefix": "orders-" }] })
    };
    let file = json!({ "users": { "ci": user("writes", "write"), "app": user("reads", "read") } });
    std::fs::write(&users, file.to_string()).unwrap();
    let tls = json!({ "certificate": shown.certificate, "key": shown.key });
    let settings = json!({ "users": users, "tls": tls });
    let mut node = Node::spawn_with(cluster.bootstrap(), &unique("_schemas"), &settings);
    node.wait_ready();
    let mut command = Command::new(python);
    command.args([format!("{SCRIPTS}/secured.py"), format!("https://localhost:{}", node.port)]);
    process::run(command.arg(authority.file()).args(["ci:writes", "app:reads"]), "see its error");
    assert!(!node.log().contains("writes") && !node.log().contains("reads"), "no password is logged: {}", node.log());
}
