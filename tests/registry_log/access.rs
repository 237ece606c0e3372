//! Users of a node, from the file to the answer; what each right is for is told by unit tests.

use serde_json::{Value, json};

use crate::common::kafka;
use crate::common::unique;
use crate::node::{Node, ask, ask_as};

/// SHA-256 of `secret-token`.
const TOKEN: &str = "930bbdc51b6aed5c2a5678fd6e28dee7a05e8a4b643cfc0b4427c3efb86c0d94";

#[test]
fn users_do_what_they_may() {
    let cluster = kafka::shared();
    let folder = tempfile::tempdir().unwrap();
    let users = folder.path().join("users.yaml");
    let write = |prefix: &str| {
        let grant = json!({ "rights": "write", "prefix": prefix });
        std::fs::write(&users, json!({ "users": { "ci": { "token": TOKEN, "grants": [grant] } } }).to_string())
            .unwrap();
    };
    write("orders-");
    let settings = json!({ "users": users });
    let mut node = Node::spawn_with(cluster.bootstrap(), &unique("_schemas"), &settings);
    node.wait_ready();
    let schema = json!({ "schema": "\"int\"" });
    let as_ci = |subject: &str| {
        let line = "Authorization: Bearer secret-token\r\n";
        ask_as(line, node.port, "POST", &format!("/subjects/{subject}/versions"), &schema).unwrap().status
    };
    assert_eq!(ask(node.port, "GET", "/schemas/ids/1", &Value::Null).unwrap().code(), 401);
    // The first write of a cluster waits for its coordinator of transactions to be made.
    crate::common::wait_for("the first write", crate::READY, || (as_ci("orders-value") == 200).then_some(()));
    assert_eq!(as_ci("bills-value"), 403);
    // The file changes: modification times may have no finer grain than a second.
    std::thread::sleep(std::time::Duration::from_millis(1_100));
    write("bills-");
    crate::common::wait_for("the users to be read again", crate::READY, || (as_ci("bills-value") == 200).then_some(()));
    assert_eq!(as_ci("orders-value"), 403);
}
