//! The server over real sockets: answers, refusals, and clients that misbehave.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use super::*;
use crate::admin::listener::{CONNECTION_LIFE, HEADER_TIMEOUT};
use crate::admin::live::{MAX_STREAMS, STREAM_LIFE};
use crate::gate::limit::{Limit, Share};
use crate::gate::tally::{Counted, Tally};
use crate::gate::verdict::Route;
use crate::record::{Offset, Partition};
use crate::schema::SchemaId;
use crate::schema::table::SchemaTable;
use crate::telemetry::events::{
    DeadLetterLimitReached, DeadLetterLimitReset, PartitionHeld, PartitionsAssigned, RegistryUnavailable,
    SchemaChanged, TransactionAborted,
};
use crate::telemetry::state::Topics;
use crate::telemetry::{HoldCause, Probe};
use crate::violation::ReasonCode;

struct Server {
    address: SocketAddr,
    state: Arc<State>,
    stop: oneshot::Sender<()>,
    task: JoinSet<std::io::Result<()>>,
}

impl Server {
    async fn start(listen: &str) -> Self {
        Self::start_for(listen, None).await
    }

    async fn start_for(listen: &str, users: Option<Identities>) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let address = listener.local_addr().unwrap();
        let health = Health::new(Duration::from_secs(15));
        let state = Arc::new(State {
            application: "shop".into(),
            configuration: {
                let configuration = ConfigurationState::default();
                configuration.serve("orders", "converter");
                Arc::new(configuration)
            },
            metrics: Metrics::new(),
            health,
            registry: Arc::default(),
            users,
            certificates: None,
            jobs: Jobs::default(),
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let mut task = JoinSet::new();
        task.spawn(serve(listener, Arc::clone(&state), async { stopped.await.unwrap() }));
        Self { address, state, stop, task }
    }

    fn probe(&self, number: usize) -> Probe {
        Probe::new(&self.state.metrics, &self.state.health, "orders", number)
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect((std::net::Ipv4Addr::LOCALHOST, self.address.port())).await.unwrap()
    }

    async fn send(&self, request: &str) -> (u16, String, String) {
        let mut stream = self.connect().await;
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let code = head.split(' ').nth(1).unwrap().parse().unwrap();
        (code, head.to_lowercase(), body.to_owned())
    }

    async fn get(&self, path: &str) -> (u16, String, String) {
        self.send(&format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")).await
    }

    async fn json(&self, path: &str) -> (u16, Value) {
        let (code, head, body) = self.get(path).await;
        assert!(head.contains("content-type: application/json"), "{head}");
        (code, serde_json::from_str(&body).unwrap())
    }
}

#[tokio::test]
async fn tells_alive_from_ready() {
    let server = Server::start("127.0.0.1:0").await;
    assert_eq!(server.json("/livez").await, (200, json!({ "alive": true, "reasons": [] })));
    let reasons = ["no pipeline has been started yet"];
    assert_eq!(server.json("/readyz").await, (503, json!({ "ready": false, "reasons": reasons, "degraded": {} })));
    let probe = server.probe(0);
    assert_eq!(server.json("/readyz").await.0, 503);
    assert_eq!(server.json("/livez").await.0, 200);
    probe.joined();
    assert_eq!(server.json("/readyz").await, (200, json!({ "ready": true, "reasons": [], "degraded": {} })));
}

#[tokio::test]
async fn shows_what_pipelines_report() {
    let server = Server::start("127.0.0.1:0").await;
    let probes = [server.probe(0), server.probe(1)];
    let outputs = vec![("validated", "orders".to_owned())];
    probes[0].topics(Topics { sources: vec!["raw".into()], outputs });
    PartitionsAssigned { partitions: &[("raw", Partition(10)), ("raw", Partition(0))] }.emit(&probes[0]);
    PartitionsAssigned { partitions: &[("raw", Partition(2))] }.emit(&probes[1]);
    probes[1].position("raw", Partition(2), Offset(40), Some(2));
    let cause = HoldCause::RegistryUnavailable;
    PartitionHeld { topic: "raw", partition: Partition(0), next: Offset(7), cause, detail: "no answer" }
        .emit(&probes[0]);
    TransactionAborted { why: "rebalance", records: 3, after: Duration::ZERO }.emit(&probes[1]);
    let mut tally = Tally::default();
    for (route, reason) in [(Route::Validated, None), (Route::DeadLetter, Some(ReasonCode::NotFramed))] {
        tally.add(&Counted::new("raw", route, reason), &SchemaTable::default());
    }
    probes[0].committed(&tally, Duration::from_millis(250), Duration::from_millis(20));

    let (code, mut status) = server.json("/status").await;
    let gate = &mut status["gates"][0];
    let incidents: Vec<_> = gate["incidents"].as_array().unwrap().iter().map(|event| event["what"].clone()).collect();
    gate.as_object_mut().unwrap().remove("incidents");
    assert_eq!(code, 200);
    let held = "raw-0 held at 7, registry_unavailable: no answer";
    assert_eq!(incidents, [held, "transaction of 3 records aborted: rebalance"]);
    let partition = |partition: i32, committed: Option<i64>, lag: Option<i64>| {
        json!({
            "topic": "raw", "partition": partition, "committed": committed, "lag": lag,
            "held": null, "held_since": null, "held_until": null, "held_detail": null,
        })
    };
    let partitions = gate["partitions"].as_array_mut().unwrap();
    let held = partitions.remove(0);
    assert_eq!((&held["held"], &held["held_detail"]), (&json!("registry_unavailable"), &json!("no answer")));
    assert!(held["held_since"].is_string() && held["held_until"].is_null());
    assert_eq!(gate["rates"]["outcomes"]["validated"], 0.0, "nothing is known of the time before the first look");
    let reasons = gate["reasons"].as_array_mut().unwrap();
    assert!(reasons[0]["since"].is_string() && reasons[0]["since"] == reasons[0]["last"]);
    assert_eq!((&reasons[0]["reason"], &reasons[0]["records"]), (&json!("not_framed"), &json!(1)));
    for volatile in ["rates", "reasons"] {
        gate.as_object_mut().unwrap().remove(volatile);
    }
    let problems = status["problems"].as_array().unwrap();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0]["title"], "A partition waits: the registry does not answer");
    assert_eq!((&problems[0]["gate"], &problems[0]["places"]), (&json!("orders"), &json!(["raw-0"])));
    let configuration = status["configuration"].as_object_mut().unwrap();
    assert!(configuration.remove("since").unwrap().is_string());
    for volatile in ["problems", "now"] {
        status.as_object_mut().unwrap().remove(volatile);
    }
    assert_eq!(
        status,
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "application": "shop",
            "uptime_seconds": 0,
            "migrations": [],
            "configuration":
                { "reload": "none", "reloaded": null, "changes": null, "mistakes": [], "more_mistakes": 0 },
            "registry": { "state": "ok", "since": null, "error": null, "changed_ids": [], "gone_ids": [] },
            "gates": [{
                "name": "orders",
                "kind": "converter",
                "state": "degraded",
                "causes": ["registry_unavailable"],
                "sources": ["raw"],
                "outputs": [{ "outcome": "validated", "topic": "orders" }],
                "pipelines": [
                    { "number": 0, "state": "degraded", "last_turn_ms": null, "dead_letter_limit": null },
                    { "number": 1, "state": "running", "last_turn_ms": null, "dead_letter_limit": null },
                ],
                "partitions": [
                    partition(2, Some(40), Some(2)),
                    partition(10, None, None),
                ],
                "assigned_partitions": 3,
                "held_partitions": 1,
                "lag": 2,
                "schemas": [],
                "held_topics": [],
                "outcomes": [
                    { "outcome": "validated", "reason": null, "records": 1 },
                    { "outcome": "dead_letter", "reason": "not_framed", "records": 1 },
                ],
            }],
        })
    );
    RegistryUnavailable { error: "no answer" }.emit(&server.state.registry.get());
    SchemaChanged { id: SchemaId(7), advice: "look" }.emit(&server.state.registry.get());
    let status = server.json("/status").await.1;
    assert_eq!(
        (&status["registry"]["state"], &status["registry"]["changed_ids"]),
        (&json!("unavailable"), &json!([7]))
    );
    let (code, head, body) = server.get("/metrics").await;
    assert_eq!(code, 200);
    assert!(head.contains("content-type: text/plain; version=0.0.4"), "{head}");
    assert!(body.contains(r#"sluice_lag_records{gate="orders",partition="2",topic="raw"} 2"#), "{body}");
}

#[tokio::test]
async fn refuses_in_json() {
    let server = Server::start("127.0.0.1:0").await;
    let (code, answer) = server.json("/nothing?x=1").await;
    assert_eq!(code, 404);
    assert_eq!(
        answer["error"],
        "no such path '/nothing': there are /, /livez, /readyz, /metrics, /status and /gates/NAME/resume"
    );
    let post = "POST /status HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let (code, head, body) = server.send(post).await;
    assert_eq!((code, body.as_str()), (405, r#"{"error":"this path takes GET only"}"#));
    assert!(head.contains("allow: get,head"), "{head}");
    let long = format!("GET /livez HTTP/1.1\r\nhost: x\r\ncookie: {}\r\n\r\n", "x".repeat(MAX_HEAD));
    assert_eq!(server.send(&long).await.0, 431);
    let body = "GET /livez HTTP/1.1\r\nhost: x\r\ncontent-length: 1000000000\r\n\r\n";
    let (code, head, _) = server.send(body).await;
    assert_eq!(code, 413);
    assert!(head.contains("connection: close"), "{head}");
}

#[tokio::test]
async fn resumes_a_gate_that_its_limit_holds() {
    let server = Server::start("127.0.0.1:0").await;
    let probes = [server.probe(0), server.probe(1)];
    let post = async |gate: &str, more: &str| {
        let request =
            format!("POST /gates/{gate}/resume HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n{more}\r\n");
        let (code, _, body) = server.send(&request).await;
        (code, serde_json::from_str::<Value>(&body).unwrap())
    };
    assert_eq!(post("payments", "").await, (404, json!({ "error": "no such gate in this process" })));
    assert_eq!(post("orders", "").await.0, 409);
    probes.iter().for_each(Probe::joined);
    let limit = Limit { ratio: 0.5, window: Duration::from_secs(60) };
    DeadLetterLimitReached { share: Share { dead_letters: 90, records: 120 }, limit }.emit(&probes[1]);
    let degraded = json!({ "ready": true, "reasons": [], "degraded": { "orders": ["dead_letter_limit"] } });
    assert_eq!(server.json("/readyz").await, (200, degraded));
    let (_, status) = server.json("/status").await;
    let gate = &status["gates"][0];
    assert_eq!((&gate["state"], &gate["causes"][0]), (&json!("degraded"), &json!("dead_letter_limit")));
    assert_eq!(gate["pipelines"][1]["dead_letter_limit"]["dead_letters"], 90);

    for refused in ["origin: http://evil.example\r\n", "sec-fetch-site: cross-site\r\n"] {
        assert_eq!(post("orders", refused).await.0, 403, "{refused}");
    }
    assert_eq!(post("orders", "content-length: 1\r\n\r\n1").await.0, 413);
    let (code, answer) = server.json("/gates/orders/resume").await;
    assert_eq!((code, &answer["error"]), (405, &json!("this path takes POST only")));
    assert!(!probes[1].state().is_resume_asked());
    assert_eq!(post("orders", "").await, (200, json!({ "gate": "orders", "resumed_pipelines": 1 })));
    assert!(probes[1].state().is_resume_asked() && !probes[0].state().is_resume_asked());
    DeadLetterLimitReset.emit(&probes[1]);
    assert!(!probes[1].state().is_resume_asked());
    assert_eq!(post("orders", "").await.0, 409);
}

#[tokio::test]
async fn keeps_resuming_to_loopback() {
    let server = Server::start("0.0.0.0:0").await;
    let post = "POST /gates/orders/resume HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
    let (code, _, body) = server.send(post).await;
    assert_eq!(code, 403);
    assert!(body.contains("resume are open on loopback only"), "{body}");
}

/// With users it counts who asks, not from where; health and metrics stay open.
#[tokio::test]
async fn shows_status_to_users() {
    use base64::Engine as _;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("users.yaml");
    let hash = bcrypt::hash("hunter2", 4).unwrap();
    let token: String =
        <sha2::Sha256 as sha2::Digest>::digest("secret-token").iter().map(|b| format!("{b:02x}")).collect();
    let text = format!(
        "users:\n  alice: {{ password: '{hash}', grants: [{{ rights: read }}] }}\n  \
         bob: {{ password: '{hash}', grants: [{{ rights: read, prefix: orders- }}] }}\n  \
         ci: {{ token: '{token}', grants: [{{ rights: admin }}] }}\n"
    );
    std::fs::write(&file, text).unwrap();
    for listen in ["127.0.0.1:0", "0.0.0.0:0"] {
        let server = Server::start_for(listen, Some(Identities::load(file.clone(), 1).unwrap())).await;
        server.probe(0).joined();
        let send = async |line: &str, more: &str| {
            let request = format!("{line} HTTP/1.1\r\nhost: gates.example\r\nconnection: close\r\n{more}\r\n");
            server.send(&request).await
        };
        let basic =
            |who: &str| format!("authorization: Basic {}\r\n", base64::engine::general_purpose::STANDARD.encode(who));
        let (alice, bob) = (basic("alice:hunter2"), basic("bob:hunter2"));
        let ci = "authorization: Bearer secret-token\r\n".to_owned();
        for path in ["/", "/page/main.js", "/status", "/status/stream"] {
            let (code, head, _) = send(&format!("GET {path}"), "").await;
            assert_eq!(code, 401, "{path}");
            assert!(head.contains("www-authenticate: basic realm=\"sluice\""), "{head}");
        }
        for (line, who, code) in [
            ("GET /", &alice, 200),
            ("GET /status", &alice, 200),
            ("HEAD /status", &alice, 200),
            ("GET /status", &basic("alice:hunter3"), 401),
            ("GET /status", &bob, 403),
            ("GET /status", &ci, 200),
            ("POST /gates/orders/resume", &alice, 403),
            ("POST /gates/orders/resume", &ci, 409),
        ] {
            assert_eq!(send(line, who).await.0, code, "{line} {who}");
        }
        // A page of others in a user's browser, which sends the password along.
        let of_others = format!("{alice}sec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\n");
        assert_eq!(send("GET /status", &of_others).await.0, 403);
        let of_others = format!("{ci}origin: https://evil.example\r\n");
        assert_eq!(send("POST /gates/orders/resume", &of_others).await.0, 403);
        for path in ["/livez", "/readyz", "/metrics"] {
            assert_eq!(send(&format!("GET {path}"), "").await.0, 200, "{path} is open");
        }
    }
}

#[tokio::test]
async fn keeps_status_to_loopback() {
    let server = Server::start("0.0.0.0:0").await;
    for path in ["/status", "/status/stream", "/", "/page/main.js"] {
        let (code, answer) = server.json(path).await;
        assert_eq!(code, 403, "{path}");
        assert!(answer["error"].as_str().unwrap().contains("are open on loopback only"), "{answer}");
    }
    for path in ["/livez", "/metrics"] {
        assert_eq!(server.get(path).await.0, 200, "{path} is open");
    }
}

/// A page whose server has bound its name to our address must not read topics and errors.
#[tokio::test]
async fn keeps_status_from_pages_of_others() {
    let server = Server::start("127.0.0.1:0").await;
    for (head, code) in [
        ("host: localhost:8090", 200),
        ("host: [::1]:8090", 200),
        ("host: evil.example:8090", 403),
        ("host: localhost\r\norigin: https://evil.example", 403),
        ("host: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: no-cors\r\nsec-fetch-dest: script", 403),
        // A link in somebody's chat.
        ("host: localhost\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document", 200),
        (
            "host: evil.example\r\nsec-fetch-site: cross-site\r\nsec-fetch-mode: navigate\r\nsec-fetch-dest: document",
            403,
        ),
    ] {
        let request = |path: &str| format!("GET {path} HTTP/1.1\r\n{head}\r\nconnection: close\r\n\r\n");
        for path in ["/status", "/", "/page/main.js"] {
            assert_eq!(server.send(&request(path)).await.0, code, "{path} {head}");
        }
        assert_eq!(server.send(&request("/metrics")).await.0, 200, "metrics name no errors: {head}");
    }
}

#[tokio::test]
async fn serves_a_page_that_may_do_nothing_but_ask() {
    let server = Server::start("127.0.0.1:0").await;
    let (code, head, index) = server.get("/").await;
    assert_eq!(code, 200);
    for line in [
        "content-type: text/html; charset=utf-8",
        "content-security-policy: default-src 'none'; script-src 'self';",
        "frame-ancestors 'none'",
        "x-content-type-options: nosniff",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(head.contains(line), "'{line}' is in {head}");
    }
    assert!(!head.contains("unsafe") && !index.contains("http://") && !index.contains("https://"), "{head}");
    for file in index.split('"').filter(|file| file.starts_with("page/")) {
        assert_eq!(server.get(&format!("/{file}")).await.0, 200, "{file}");
    }
    assert_eq!(server.get("/page/../http.rs").await.0, 404);
    assert_eq!(server.get("/page/nothing").await.0, 404);
}

/// Reads from a stream until it has this.
async fn read_until(stream: &mut TcpStream, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let mut bytes = [0; 4096];
        let read = tokio::time::timeout(Duration::from_secs(60), stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(read > 0, "the stream has ended: {text}");
        text.push_str(&String::from_utf8_lossy(&bytes[..read]));
    }
    text
}

const FOLLOW: &[u8] = b"GET /status/stream HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test]
async fn streams_what_happens() {
    let mut server = Server::start("127.0.0.1:0").await;
    let probe = server.probe(0);
    let mut stream = server.connect().await;
    stream.write_all(FOLLOW).await.unwrap();
    let head = read_until(&mut stream, "event: status").await;
    assert!(head.contains("content-type: text/event-stream") && head.contains("event: history"), "{head}");
    PartitionsAssigned { partitions: &[("raw", Partition(0))] }.emit(&probe);
    let (topic, partition, cause) = ("raw", Partition(0), HoldCause::Oversize);
    PartitionHeld { topic, partition, next: Offset(7), cause, detail: "too large" }.emit(&probe);
    read_until(&mut stream, r#""kind":"oversize""#).await;
    // A stream does not keep the server from its end.
    server.stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), server.task.join_next()).await;
    ended.expect("ends in time").unwrap().unwrap().unwrap();
}

/// Many who watch leave room for probes and scrapers, and who has gone leaves his place.
#[tokio::test]
async fn takes_no_more_streams_than_the_limit() {
    let server = Server::start("127.0.0.1:0").await;
    let mut all = Vec::new();
    for _ in 0..MAX_STREAMS {
        let mut stream = server.connect().await;
        stream.write_all(FOLLOW).await.unwrap();
        read_until(&mut stream, "event: status").await;
        all.push(stream);
    }
    let (code, head, body) = server.get("/status/stream").await;
    assert_eq!((code, body.as_str()), (503, r#"{"error":"too many watch already; /status answers"}"#));
    assert!(head.contains("retry-after: 5"), "{head}");
    assert_eq!(server.get("/status").await.0, 200);
    drop(all);
    let again = async {
        let mut stream = server.connect().await;
        stream.write_all(FOLLOW).await.unwrap();
        while !read_until(&mut stream, "\r\n\r\n").await.contains(" 200 ") {
            stream = server.connect().await;
            stream.write_all(FOLLOW).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("places are free again");
}

/// Who watches without reading keeps one place, and that not for ever.
#[tokio::test]
async fn ends_streams_after_their_time() {
    let server = Server::start("127.0.0.1:0").await;
    let mut stream = server.connect().await;
    stream.write_all(FOLLOW).await.unwrap();
    read_until(&mut stream, "event: status").await;
    tokio::time::pause();
    tokio::time::advance(STREAM_LIFE + Duration::from_secs(1)).await;
    tokio::time::resume();
    read_until(&mut stream, "0\r\n\r\n").await;
}

#[tokio::test]
async fn takes_no_more_connections_than_the_limit() {
    let server = Server::start("127.0.0.1:0").await;
    let mut idle = Vec::new();
    for _ in 0..MAX_CONNECTIONS {
        idle.push(server.connect().await);
    }
    let mut refused = server.connect().await;
    assert_eq!(refused.read(&mut [0; 1]).await.unwrap_or(0), 0, "closed without an answer");
    idle.clear();
    let again = async {
        let mut answer = String::new();
        while !answer.contains(" 200 ") {
            let mut stream = server.connect().await;
            // Refused, it is closed, or even reset.
            drop(stream.write_all(b"GET /livez HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").await);
            drop(stream.read_to_string(&mut answer).await);
        }
    };
    tokio::time::timeout(Duration::from_secs(60), again).await.expect("places are free again");
}

#[tokio::test]
async fn closes_connections_whose_request_does_not_arrive() {
    let server = Server::start("127.0.0.1:0").await;
    let (mut silent, mut slow) = (server.connect().await, server.connect().await);
    slow.write_all(b"GET /livez HTTP/1.1\r\nhost: ").await.unwrap();
    // One that came later is answered, so these two are served.
    assert_eq!(server.get("/livez").await.0, 200);
    tokio::time::pause();
    tokio::time::advance(HEADER_TIMEOUT + Duration::from_secs(1)).await;
    tokio::time::resume();
    for (name, stream) in [("silent", &mut silent), ("slow", &mut slow)] {
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        assert!(read.is_ok(), "the {name} connection is still open");
    }
}

/// Who asks and asks without reading blocks one connection, and that not for ever.
#[tokio::test]
async fn closes_connections_whose_answers_are_not_read() {
    let server = Server::start("127.0.0.1:0").await;
    let mut stream = server.connect().await;
    let requests = b"GET /metrics HTTP/1.1\r\nhost: x\r\n\r\n".repeat(1_000);
    let full = Duration::from_millis(500);
    while tokio::time::timeout(full, stream.write_all(&requests)).await.is_ok() {}
    tokio::time::pause();
    tokio::time::advance(CONNECTION_LIFE + Duration::from_millis(100)).await;
    tokio::time::advance(CLOSE_GRACE + Duration::from_millis(100)).await;
    tokio::time::resume();
    let refused = async { while stream.write_all(&requests).await.is_ok() {} };
    let refused = tokio::time::timeout(Duration::from_secs(10), refused).await;
    assert!(refused.is_ok(), "the connection is still open");
}

#[tokio::test]
async fn stops_while_clients_hang_on() {
    let mut server = Server::start("127.0.0.1:0").await;
    let mut slow = server.connect().await;
    slow.write_all(b"GET /livez HTTP/1.1\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    server.stop.send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(60), server.task.join_next()).await;
    ended.expect("ends in time").unwrap().unwrap().unwrap();
}
