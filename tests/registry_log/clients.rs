//! Clients of the field find in a node what they know of a registry.

use std::process::Command;

use crate::common::python::{SCRIPTS, interpreter};
use crate::common::{kafka, process, unique};
use crate::node::Node;

#[test]
fn confluent_kafka_python_finds_what_it_knows() {
    let cluster = kafka::shared();
    let node = Node::start(cluster.bootstrap(), &unique("_schemas"));
    let mut command = Command::new(interpreter());
    command.args([format!("{SCRIPTS}/registry.py"), format!("http://127.0.0.1:{}", node.port), "orders".to_owned()]);
    process::run(&mut command, "see its error");
    assert_eq!(node.metric("sluice_registry_damaged_records_total"), 0.0);
}
