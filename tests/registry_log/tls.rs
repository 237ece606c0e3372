//! A node that speaks TLS: its certificate, those of its clients, and files that change under it.

use reqwest::Client;
use serde_json::json;

use crate::READY;
use crate::common::certificates::{self, Authority};
use crate::common::https::{client, runtime};
use crate::common::{kafka, unique, wait_for};
use crate::node::Node;

fn tls(identity: &certificates::Identity, client_ca: &Authority) -> serde_json::Value {
    json!({ "tls": { "certificate": identity.certificate, "key": identity.key, "client_ca": client_ca.file() } })
}

#[test]
fn a_node_speaks_tls_and_takes_a_new_certificate() {
    let cluster = kafka::shared();
    let (authority, next) = (Authority::new("ours"), Authority::new("the next"));
    let shown = authority.sign("server", &["localhost"]);
    let known = authority.sign("client", &[]);
    let mut node = Node::spawn_with(cluster.bootstrap(), &unique("_schemas"), &tls(&shown, &authority));
    node.wait_ready();
    let runtime = runtime();
    let url = |scheme: &str| format!("{scheme}://localhost:{}/subjects/a/versions", node.port);
    let kept = client(&authority, Some(&known));
    let register = |client: &Client, url: String| {
        let request = client.post(url).json(&json!({ "schema": "\"int\"" }));
        runtime.block_on(async { request.send().await.map(|answer| answer.status().as_u16()) })
    };
    // A write has a limit, and can be repeated.
    let registered = |client: &Client| {
        wait_for("a write", READY, || Some(register(client, url("https")).unwrap()).filter(|status| *status != 500))
    };
    assert_eq!(registered(&kept), 200);
    assert!(register(&client(&authority, None), url("https")).is_err(), "a client without a certificate");
    assert!(register(&kept, url("http")).is_err(), "plain HTTP");

    let wrong = next.sign("wrong", &[]);
    std::fs::copy(&wrong.key, &shown.key).unwrap();
    let told = format!("the file '{}' of 'registry_server.tls.key' cannot be used", shown.key.display());
    wait_for("the log to tell of the wrong key", READY, || node.log().contains(&told).then_some(()));
    assert_eq!(registered(&client(&authority, Some(&known))), 200, "with the old one");

    let renewed = next.sign("renewed", &["localhost"]);
    std::fs::copy(&renewed.certificate, &shown.certificate).unwrap();
    std::fs::copy(&renewed.key, &shown.key).unwrap();
    wait_for("the new certificate to be shown", READY, || {
        register(&client(&next, Some(&known)), url("https")).is_ok_and(|status| status == 200).then_some(())
    });
    assert_eq!(registered(&kept), 200, "a connection under way");
    assert_eq!(node.log().matches(&told).count(), 1, "told once: {}", node.log());
}

#[test]
fn files_of_no_use_end_the_start() {
    let authority = Authority::new("ours");
    let (one, two) = (authority.sign("one", &["localhost"]), authority.sign("two", &["localhost"]));
    let mixed = certificates::Identity { key: two.key.clone(), ..one.clone() };
    let missing = certificates::Identity { certificate: "/nowhere/server.pem".into(), ..one };
    for (identity, key, file) in [(&mixed, "key", "two.key"), (&missing, "certificate", "/nowhere/server.pem")] {
        let node = Node::spawn_with("127.0.0.1:1", &unique("_schemas"), &tls(identity, &authority));
        let (status, log) = node.wait_exit();
        assert_eq!(status.code(), Some(2), "{log}");
        assert!(log.contains(&format!("'registry_server.tls.{key}'")) && log.contains(file), "{log}");
    }
}
