//! What was answered is there after a restart, whatever ended the node; logs of other registries are read.

use std::time::Duration;

use serde_json::{Value, json};

use crate::common::client::Content;
use crate::common::kafka;
use crate::common::{seed, unique};
use crate::hammer::{Hammer, schema};
use crate::node::Node;

#[test]
fn a_restart_keeps_all_that_was_answered() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let node = Node::start(cluster.bootstrap(), &topic);
    assert_eq!(cluster.topic_setting(&topic, "cleanup.policy").as_deref(), Some("compact"));
    assert_eq!(cluster.partitions(&topic), Some(1));
    node.done("PUT", "/config/a", &json!({ "compatibility": "NONE" }));
    let ids: Vec<i64> = (0..5).map(|n| node.registered("a", &schema(n)).id()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    node.deleted("/subjects/a/versions/2", &json!(2));
    // The highest ID goes for good, and is not given again.
    for permanent in ["false", "true"] {
        let path = format!("/subjects/a/versions/5?permanent={permanent}");
        node.deleted(&path, &json!(5));
    }
    let cluster_id = node.get("/v1/metadata/id").body["scope"]["clusters"]["kafka-cluster"].clone();
    assert!(cluster_id.as_str().is_some_and(|id| !id.is_empty()), "{cluster_id}");
    let before = node.dump();
    let (status, took) = node.stop();
    assert!(status.success() && took < Duration::from_secs(30), "{status} after {took:?}");

    let node = Node::start(cluster.bootstrap(), &topic);
    assert_eq!(node.dump(), before);
    assert_eq!(node.registered("a", &schema(9)).id(), 6, "5 was given before");
    assert_eq!(node.metric("sluice_registry_damaged_records_total"), 0.0);
}

#[test]
fn a_killed_node_has_all_that_was_answered() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let mut node = Node::start(cluster.bootstrap(), &topic);
    let mut registered: Vec<(i64, Value)> = Vec::new();
    for round in 0..3_u32 {
        let clients = Hammer::start(&[node.port], 3, seed());
        for n in 0..10 {
            let subject = format!("kept-{round}-{n}");
            let answer = node.registered(&subject, &schema(round * 10 + n));
            registered.push((answer.id(), answer.body));
        }
        node.kill();
        drop(clients.stop());
        node.restart();
        node.wait_ready();
        for (id, body) in &registered {
            let found = node.get(&format!("/schemas/ids/{id}"));
            assert_eq!((found.status, &found.body["schema"]), (200, &body["schema"]), "ID {id}");
        }
    }
}

fn record(key: &str, value: Option<&str>) -> Content {
    Content {
        key: Some(key.as_bytes().to_vec()),
        value: value.map(|value| value.as_bytes().to_vec()),
        headers: vec![("X-Registry-Version".to_owned(), Some(b"karapace-5".to_vec()))],
        timestamp: 1_700_000_000_000,
    }
}

#[test]
fn logs_of_other_registries_are_read() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    cluster.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let records = [
        record(r#"{"keytype":"NOOP","magic":0}"#, None),
        record(r#"{"keytype":"CONFIG","subject":null,"magic":0}"#, Some(r#"{"compatibilityLevel":"NONE"}"#)),
        record(
            r#"{"keytype":"SCHEMA","subject":"confluent7","version":1,"magic":1}"#,
            Some(r#"{"subject":"confluent7","version":1,"id":7,"schema":"\"int\"","deleted":false}"#),
        ),
        record(
            r#"{"subject":"karapace","version":1,"magic":1,"keytype":"SCHEMA"}"#,
            Some(r#"{"subject":"karapace","version":1,"id":8,"schema":"\"long\"","deleted":false}"#),
        ),
        record("no JSON at all", Some("nor this")),
        record(
            r#"{"keytype":"SCHEMA","subject":"confluent8","version":1,"magic":1}"#,
            Some(
                r#"{"subject":"confluent8","version":1,"id":9,"md5":"7ykkDRGjkGuYkwcfHlYZFw==","schemaType":"AVRO","references":[],"schema":"\"string\"","deleted":true,"ts":1}"#,
            ),
        ),
        record(
            r#"{"keytype":"ASSOC","tenant":"default","resourceName":"r","magic":0}"#,
            Some(r#"{"anything":"else"}"#),
        ),
        // Karapace deletes with an empty value.
        record(
            r#"{"keytype":"SCHEMA","subject":"gone","version":1,"magic":1}"#,
            Some(r#"{"subject":"gone","version":1,"id":10,"schema":"\"bytes\"","deleted":true}"#),
        ),
        record(r#"{"keytype":"SCHEMA","subject":"gone","version":1,"magic":1}"#, Some("")),
    ];
    cluster.writer().write(&topic, records.iter().map(|record| (0, record)), || {});
    let node = Node::start(cluster.bootstrap(), &topic);
    assert_eq!(node.get("/subjects").body, json!(["confluent7", "karapace"]));
    assert_eq!(node.get("/subjects?deleted=true").body, json!(["confluent7", "confluent8", "karapace"]));
    assert_eq!(node.get("/schemas/ids/9").body["schema"], json!("\"string\""));
    assert_eq!(node.get("/config").body["compatibilityLevel"], json!("NONE"));
    assert_eq!(node.metric("sluice_registry_damaged_records_total"), 1.0, "what is no JSON");
    assert_eq!(node.registered("new", "\"float\"").id(), 11, "10 was given before");
    assert_eq!(node.registered("again", "\"int\"").id(), 7);

    // What is written again has the key that is there, or compaction would keep both.
    node.deleted("/subjects/karapace/versions/1", &json!(1));
    let keys: Vec<_> = cluster.read(&[&topic]).into_iter().map(|read| read.content.key.unwrap()).collect();
    let key = br#"{"subject":"karapace","version":1,"magic":1,"keytype":"SCHEMA"}"#;
    assert_eq!(keys.iter().filter(|other| other.as_slice() == key).count(), 2);
}
