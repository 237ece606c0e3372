//! A large log: how long a node takes to read it, and how large the node is then.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::common::client::Content;
use crate::common::kafka::{self, Cluster};
use crate::common::{long, unique};
use crate::node::Node;

/// Bytes of a schema's text, within a few.
const TEXT_BYTES: usize = 2_000;

/// Schemas of one subject.
const VERSIONS: usize = 10;

/// How much memory is allowed beyond that of a node without schemas, of the texts: what is kept, and what comes and goes.
const FACTOR: u64 = 3;

/// librdkafka's queue, and what an allocator has not given back: of no weight beside a large log.
const BESIDE: u64 = 64 << 20;

/// How long a node may take for a large log, in a release build on a machine of its own.
const START_LIMIT: Duration = Duration::from_secs(10);

fn text(n: usize) -> String {
    let fields: Vec<_> = (0..)
        .map(|field| json!({"name": format!("f{n}_{field}"), "type": ["null", "string"], "default": null}))
        .take(TEXT_BYTES / 60)
        .collect();
    json!({"type": "record", "name": "Order", "namespace": "shop", "fields": fields}).to_string()
}

/// Writes a log as Confluent's registry does; returns the bytes of all texts.
fn fill(cluster: &Cluster, topic: &str, schemas: usize) -> u64 {
    cluster.create_topic(topic, 1, &[("cleanup.policy", "compact")]);
    let writer = cluster.writer();
    let mut bytes = 0;
    for n in 0..schemas {
        let (subject, version, text) = (format!("topic-{}-value", n / VERSIONS), n % VERSIONS + 1, text(n));
        bytes += text.len() as u64;
        let key = format!(r#"{{"keytype":"SCHEMA","subject":"{subject}","version":{version},"magic":1}}"#);
        let value = json!({
            "subject": subject, "version": version, "id": n + 1, "schema": text, "deleted": false
        });
        let (key, value) = (Some(key.into_bytes()), Some(value.to_string().into_bytes()));
        writer.send(topic, 0, &Content { key, value, headers: Vec::new(), timestamp: 1_700_000_000_000 }, n);
    }
    writer.flush(Duration::from_secs(300));
    assert_eq!(writer.take_acks().len(), schemas);
    bytes
}

/// Has the node answer with each schema by its ID, over one connection: its JSON is kept from then on, which a list does not do.
fn read_all(node: &Node, schemas: usize) {
    let mut connection = BufReader::new(TcpStream::connect(("127.0.0.1", node.port)).unwrap());
    let mut line = String::new();
    for id in 1..=schemas {
        let request = format!("GET /schemas/ids/{id} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n");
        connection.get_mut().write_all(request.as_bytes()).unwrap();
        let (mut status, mut length) = (String::new(), 0);
        while line != "\r\n" {
            line.clear();
            assert!(connection.read_line(&mut line).unwrap() > 0, "the connection was closed");
            if status.is_empty() {
                status.clone_from(&line);
            }
            length = line.to_lowercase().strip_prefix("content-length: ").map_or(length, |n| n.trim().parse().unwrap());
        }
        line.clear();
        let mut body = vec![0; length];
        connection.read_exact(&mut body).unwrap();
        assert!(status.contains(" 200 ") && length > 1_000, "schema {id}: {status}, {length} bytes");
    }
}

#[test]
fn a_large_log_is_read_soon_and_held_in_little_memory() {
    let cluster = kafka::shared();
    let schemas = if long() { 100_000 } else { 5_000 };
    let empty = Node::start(cluster.bootstrap(), &unique("_schemas"));
    let base = empty.usage().1.resident_kib << 10;
    drop(empty);
    let topic = unique("_schemas");
    let bytes = fill(&cluster, &topic, schemas);
    let began = Instant::now();
    // One client asks for all of them.
    let mut node = Node::spawn_with(cluster.bootstrap(), &topic, &json!({ "rate_limit": 1_000_000 }));
    node.wait_ready();
    let took = began.elapsed();
    assert_eq!(node.metric("sluice_registry_schemas"), schemas as f64);
    let (used, held) = node.usage();
    read_all(&node, schemas);
    let (used_after, held_after) = node.usage();
    let mib = |kib: u64| kib >> 10;
    println!(
        "{schemas} schemas, {} MiB of text: ready after {took:.1?} and {:.1?} of CPU; {} MiB, at most {}; \
         {} MiB when all were read, at most {}; without schemas {} MiB",
        bytes >> 20,
        used.cpu,
        mib(held.resident_kib),
        mib(used.peak_kib),
        mib(held_after.resident_kib),
        mib(used_after.peak_kib),
        base >> 20,
    );
    let beside = if long() { 0 } else { base + BESIDE };
    let most = FACTOR * bytes + beside;
    assert!(used_after.peak_kib << 10 < most, "more than {} MiB", most >> 20);
    let is_release = std::env::var_os("SLUICE_TEST_BINARY").is_some();
    assert!(!(long() && is_release) || took < START_LIMIT, "it took {took:?}");
}
