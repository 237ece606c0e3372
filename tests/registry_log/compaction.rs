//! What compaction takes away is not missed.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::kafka::{Cluster, Setup};
use crate::common::{unique, wait_for};
use crate::hammer::schema;
use crate::node::Node;

/// Settings by which a topic is compacted as soon as a segment ends, and its tombstones go with it.
const EAGER: [(&str, &str); 5] = [
    ("cleanup.policy", "compact"),
    ("segment.ms", "100"),
    ("min.cleanable.dirty.ratio", "0.0"),
    ("delete.retention.ms", "0"),
    ("min.compaction.lag.ms", "0"),
];

/// Returns the versions of `a` of which the log has a record.
fn versions(cluster: &Cluster, topic: &str) -> BTreeSet<i64> {
    let read = cluster.read(&[topic]);
    let key = |record: &[u8]| serde_json::from_slice::<Value>(record).unwrap();
    let keys = read.iter().filter_map(|read| read.content.key.as_deref()).map(key);
    keys.filter(|key| key["subject"] == "a").filter_map(|key| key["version"].as_i64()).collect()
}

#[test]
fn an_id_is_not_given_again_after_its_records_were_compacted_away() {
    let cluster = Setup::new(1).property("log.cleaner.backoff.ms", "200").start();
    let topic = unique("_schemas");
    cluster.create_topic(&topic, 1, &EAGER);
    let mut node = Node::start(cluster.bootstrap(), &topic);
    node.done("PUT", "/config", &json!({ "compatibility": "NONE" }));
    let ids: Vec<_> = (0..5).map(|n| node.registered("a", &schema(n)).id()).collect();
    assert_eq!(ids, [1, 2, 3, 4, 5]);
    for permanent in ["false", "true"] {
        let path = format!("/subjects/a/versions/5?permanent={permanent}");
        node.deleted(&path, &json!(5));
    }
    assert!(versions(&cluster, &topic).contains(&5));
    // Each write ends a segment; the cleaner takes those before it.
    let mut levels = ["FULL", "NONE"].iter().cycle();
    wait_for("the records of version 5 to be gone", Duration::from_secs(120), || {
        let level = json!({ "compatibility": levels.next() });
        node.done("PUT", "/config/b", &level);
        (versions(&cluster, &topic) == (1..=4).collect()).then_some(())
    });
    let before = node.dump();
    node.kill();
    node.restart();
    node.wait_ready();
    assert_eq!(node.dump(), before);
    assert_eq!(node.registered("a", &schema(9)).id(), 6, "5 was given before");
}
