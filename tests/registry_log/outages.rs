//! Brokers that do not answer: reads go on, writes end within their limit, and nothing is made up.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::common::http;
use crate::common::kafka::Cluster;
use crate::common::{unique, wait_for};
use crate::hammer::schema;
use crate::node::{Answer, Node};

/// The limit of a write, 4.5 s, on a machine that stands still now and then.
const WRITE: Duration = Duration::from_secs(45);

/// What does not wait for the brokers is answered before a write's limit.
const READ: Duration = Duration::from_secs(3);

/// Asks what does not wait for the brokers; a machine that stands still makes an answer slow, and not all of them.
fn soon(what: &str, ask: impl Fn() -> Answer) {
    wait_for(what, Duration::from_secs(20), || {
        let answer = ask();
        assert_eq!(answer.status, 200, "{what}: {answer:?}");
        (answer.took < READ).then_some(())
    });
}

#[test]
fn reads_go_on_and_writes_end_while_the_brokers_stand_still() {
    let cluster = Cluster::start();
    let topic = unique("_schemas");
    let node = Node::start(cluster.bootstrap(), &topic);
    let id = node.registered("a", &schema(0)).id();

    cluster.halt();
    for (n, code) in [(1, 50002), (2, 50001)] {
        let began = Instant::now();
        let answer = node.register(&format!("away-{n}"), &schema(n));
        assert_eq!(answer.status, 500, "{answer:?}");
        assert!([50001, 50002].contains(&answer.code()), "{answer:?}");
        assert!(began.elapsed() < WRITE, "{answer:?}");
        println!("write {n}: {} after {:?} ({code} expected): {}", answer.code(), answer.took, answer.body["message"]);
        soon("a read that does not wait", || node.get(&format!("/schemas/ids/{id}")));
        soon("a write of what is known already", || node.register("a", &schema(0)));
    }
    let refused = node.ask("DELETE", "/subjects/none", &Value::Null);
    assert_eq!(refused.status, 500, "nobody knows whether it is there: {refused:?}");
    assert_eq!(node.ask("GET", "/subjects", &Value::Null).status, 200);

    cluster.go_on();
    let began = Instant::now();
    let again = loop {
        let answer = node.register("away-1", &schema(1));
        if answer.status == 200 {
            break answer;
        }
        assert!(began.elapsed() < Duration::from_secs(60), "{answer:?}");
    };
    println!("written again {:?} after the brokers went on", began.elapsed());
    assert_eq!(again.id(), 2, "a retry gets the ID that the first attempt got, if it was written");

    cluster.halt();
    let mut write = under_way(&node);
    let (status, took) = node.stop();
    assert!(status.success(), "{status}");
    assert!(took < WRITE, "{took:?}");
    let mut answer = Vec::new();
    write.read_to_end(&mut answer).unwrap();
    let answer = http::parse(&answer).expect("who waits for a write when the node stops is answered");
    let code = serde_json::from_str::<Value>(&answer.body).unwrap()["error_code"].as_i64().unwrap();
    assert!(answer.status == 500 && [50001, 50002].contains(&code), "{answer:?}");
    cluster.go_on();
}

/// Sends a request that registers a schema, and returns once the node is at it.
fn under_way(node: &Node) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", node.port)).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let body = serde_json::json!({ "schema": schema(3) }).to_string();
    let length = body.len();
    write!(
        stream,
        "POST /subjects/late/versions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Expect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    // It is told to go on when somebody waits for the body.
    let mut told = [0; 25];
    stream.read_exact(&mut told).unwrap();
    assert!(told.starts_with(b"HTTP/1.1 100 ") && told.ends_with(b"\r\n\r\n"), "{}", String::from_utf8_lossy(&told));
    stream.write_all(body.as_bytes()).unwrap();
    stream
}

#[test]
fn a_node_waits_for_brokers_that_are_away_at_its_start() {
    let cluster = Cluster::start();
    let topic = unique("_schemas");
    let first = Node::start(cluster.bootstrap(), &topic);
    let id = first.registered("a", &schema(0)).id();
    drop(first);
    cluster.halt();
    let mut node = Node::spawn(cluster.bootstrap(), &topic);
    let early = wait_for("the listener", Duration::from_secs(20), || {
        crate::node::ask(node.port, "GET", &format!("/schemas/ids/{id}"), &Value::Null)
    });
    assert_eq!((early.status, early.code()), (500, 50001), "what it has not read it does not deny");
    cluster.go_on();
    node.wait_ready();
    assert_eq!(node.get(&format!("/schemas/ids/{id}")).status, 200);
}
