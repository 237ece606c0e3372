//! What others do to the topic: a producer that leaves its transaction open, batches that nobody can read, a limit that is
//! lowered, a topic that is made again.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::{Value, json};

use crate::READY;
use crate::batch::{Poison, poison, segment};
use crate::check::{Record, VISIBLE_MS, check};
use crate::common::client::Content;
use crate::common::kafka::{self, Cluster, Setup};
use crate::common::{unique, wait_for};
use crate::hammer::schema;
use crate::node::Node;

/// For one call of a producer, on a busy machine.
const CALL: Duration = Duration::from_secs(30);

/// Opens a transaction of a producer that knows nothing of us, with a record in it.
fn open_transaction(cluster: &Cluster, topic: &str) -> BaseProducer {
    let mut client = cluster.client();
    client.set("transactional.id", unique("foreign")).set("transaction.timeout.ms", "300000");
    let producer: BaseProducer = client.create().unwrap();
    producer.init_transactions(CALL).unwrap();
    producer.begin_transaction().unwrap();
    let key = r#"{"keytype":"ASSOC","tenant":"default","magic":0}"#;
    producer.send(BaseRecord::to(topic).partition(0).key(key).payload("{}")).unwrap();
    producer.flush(CALL).unwrap();
    producer
}

/// A node with one schema, whose writer has its role.
fn started(cluster: &Cluster, topic: &str) -> Node {
    let node = Node::start(cluster.bootstrap(), topic);
    let set = || node.ask("PUT", "/config", &json!({ "compatibility": "NONE" })).status == 200;
    wait_for("the first write", Duration::from_secs(60), || set().then_some(()));
    assert_eq!(node.registered("a", &schema(0)).id(), 1);
    node
}

#[test]
fn nothing_is_decided_twice_behind_a_foreign_transaction() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let node = started(&cluster, &topic);
    let foreign = open_transaction(&cluster, &topic);
    for (subject, number) in [("b", 1), ("c", 2)] {
        let answer = node.register(subject, &schema(number));
        // Whether the time is up between two attempts or within one is chance.
        let is_told = answer.status == 500 && [50001, 50002].contains(&answer.code());
        assert!(is_told, "it cannot be seen, so nothing is decided: {answer:?}");
        println!("{}", answer.body["message"]);
    }
    #[expect(clippy::disallowed_methods, reason = "a test that has flushed")]
    foreign.commit_transaction(CALL).unwrap();
    for (subject, number, id) in [("b", 1, 2), ("c", 2, 3)] {
        let answer = wait_for("the write", Duration::from_secs(60), || {
            Some(node.register(subject, &schema(number))).filter(|answer| answer.status == 200)
        });
        assert_eq!(answer.id(), id);
    }
    let log: Vec<Record> = cluster.read(&[&topic]).iter().map(Record::from).collect();
    assert_eq!(check(&log, &[], VISIBLE_MS), Vec::<String>::new());
    let puts = |subject| log.iter().filter(|record| record.key["subject"] == subject).count();
    assert_eq!((puts("b"), puts("c")), (1, 1));
}

/// A cluster whose files the tests know.
fn spoilt() -> (&'static Cluster, &'static Path) {
    static CLUSTER: OnceLock<(Cluster, PathBuf)> = OnceLock::new();
    let (cluster, data) = CLUSTER.get_or_init(|| {
        // The folder goes with the node's own.
        let data = tempfile::Builder::new().prefix("sluice-spoilt-").tempdir().unwrap().keep();
        (Setup::new(1).data(1, data.clone()).property("log.cleaner.enable", "false").start(), data)
    });
    (cluster, data)
}

fn put(subject: &str, id: i64) -> Content {
    let value = json!({"subject": subject, "version": 1, "id": id, "schema": schema(id.try_into().unwrap())});
    Content {
        key: Some(json!({"keytype": "SCHEMA", "subject": subject, "version": 1, "magic": 1}).to_string().into_bytes()),
        value: Some(value.to_string().into_bytes()),
        headers: Vec::new(),
        timestamp: 1_700_000_000_000,
    }
}

/// A node reads a log with a batch that it cannot read, and what stands around it, and writes.
fn damaged(kind: Poison, behind: &[Content], subjects: &Value) {
    let (cluster, data) = spoilt();
    let topic = unique("_schemas");
    cluster.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let before = put("before", 1);
    cluster.writer().write(&topic, [(0, &before)], || {});
    let bad = [put("bad1", 2), put("bad2", 3), put("bad3", 4)];
    let offset = cluster.writer().write(&topic, bad.iter().map(|record| (0, record)), || {})[0];
    cluster.writer().write(&topic, behind.iter().map(|record| (0, record)), || {});
    poison(&segment(data, &topic, 0), offset, kind);
    let node = Node::start(cluster.bootstrap(), &topic);
    let mut seen = node.get("/subjects").body;
    // Where the three were not one batch, the rest of them is well.
    seen.as_array_mut().unwrap().retain(|subject| subject != "bad2" && subject != "bad3");
    assert_eq!(seen, *subjects, "{kind:?}");
    assert_eq!(node.metric("sluice_registry_damaged_records_total"), 1.0, "{kind:?}: counted once");
    wait_for("a write", Duration::from_secs(60), || (node.register("new", &schema(9)).status == 200).then_some(()));
}

#[test]
fn damaged_batches_are_passed_over() {
    damaged(Poison::Garbage, &[put("behind", 5)], &json!(["before", "behind"]));
    damaged(Poison::Checksum, &[put("behind", 5)], &json!(["before", "behind"]));
    // Nothing stands behind it, so nothing else moves the reader on.
    damaged(Poison::Checksum, &[], &json!(["before"]));
}

#[test]
fn a_record_that_the_topic_refuses_stops_nobody() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    cluster.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    let node = started(&cluster, &topic);
    // Changed behind the back of the node, which has asked at its start. What is not named returns to its default.
    cluster.set_topic(&topic, "max.message.bytes", "5000");
    let large = |number: u32| {
        let symbols: Vec<String> = (0..1_000).map(|symbol| format!("SYMBOL_{number}_{symbol}")).collect();
        json!({"type": "enum", "name": "E", "symbols": symbols}).to_string()
    };
    let mut numbers = 0..;
    wait_for("the limit to hold", Duration::from_secs(30), || {
        (node.register("early", &large(numbers.next()?)).code() == 42209).then_some(())
    });
    std::thread::scope(|scope| {
        let node = &node;
        let refused = scope.spawn(move || node.register("large", &large(u32::MAX)));
        // On a busy machine the first attempt may be late.
        let write = move |n| (node.register(&format!("s{n}"), &schema(n)).status == 200).then_some(());
        let register = |n| scope.spawn(move || wait_for("the others", READY, || write(n)));
        let taken: Vec<_> = (1..9).map(register).collect();
        assert_eq!(refused.join().unwrap().code(), 42209);
        taken.into_iter().for_each(|taken| taken.join().unwrap());
    });
}

#[test]
fn a_topic_that_is_made_again_ends_the_node() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let mut node = started(&cluster, &topic);
    cluster.delete_topic(&topic);
    cluster.create_topic(&topic, 1, &[("cleanup.policy", "compact")]);
    wait_for("the node to end", READY, || {
        if node.has_ended() {
            return Some(());
        }
        // The node may end meanwhile.
        let body = json!({ "schema": schema(1) });
        let answer = crate::node::ask(node.port, "POST", "/subjects/b/versions", &body);
        assert!(answer.as_ref().is_none_or(|answer| answer.status == 500), "decided on another log: {answer:?}");
        None
    });
    let (status, log) = node.wait_exit();
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("it was deleted or cut"), "{log}");
    assert!(cluster.read(&[&topic]).is_empty(), "nothing was written into the new one");
}
