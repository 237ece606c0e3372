//! A `sluice registry serve` as a child process, and what a client says to it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::READY;
use crate::common::process::{Held, Process, Usage, free_port};
use crate::common::{gate, http, wait_for};

/// How long a client waits for an answer: longer than any request may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// An answer with the time that it took.
#[derive(Debug, Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) body: Value,
    pub(crate) took: Duration,
}

impl Answer {
    /// Returns the error code of a refusal; 0 where there is none.
    pub(crate) fn code(&self) -> i64 {
        self.body["error_code"].as_i64().unwrap_or(0)
    }

    /// Returns the ID of a registered schema.
    pub(crate) fn id(&self) -> i64 {
        self.body["id"].as_i64().unwrap_or_else(|| panic!("no ID in {self:?}"))
    }
}

/// A node's process.
pub(crate) struct Node {
    process: Process,
    config: Value,
    pub(crate) port: u16,
    pub(crate) admin: u16,
}

impl Node {
    /// Starts a node and waits until it has read its log.
    pub(crate) fn start(bootstrap: &str, topic: &str) -> Self {
        let mut node = Self::spawn(bootstrap, topic);
        node.wait_ready();
        node
    }

    /// Starts a node without waiting.
    pub(crate) fn spawn(bootstrap: &str, topic: &str) -> Self {
        Self::spawn_with(bootstrap, topic, &json!({}))
    }

    /// Starts a node with further settings of `registry_server`, without waiting.
    pub(crate) fn spawn_with(bootstrap: &str, topic: &str, settings: &Value) -> Self {
        let (port, admin) = (free_port(), free_port());
        let mut config = json!({
            "kafka": { "bootstrap.servers": bootstrap },
            "registry_server": { "listen": format!("127.0.0.1:{port}"), "topic": topic },
            "admin": { "listen": format!("127.0.0.1:{admin}") },
        });
        let server = config["registry_server"].as_object_mut().unwrap();
        server.extend(settings.as_object().unwrap().clone());
        Self { process: spawn(&config), config, port, admin }
    }

    /// Kills it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait(Duration::from_secs(10));
    }

    /// Starts it again after its end, on its ports, without waiting.
    pub(crate) fn restart(&mut self) {
        self.process = spawn(&self.config);
    }

    /// Waits until it has read its log.
    pub(crate) fn wait_ready(&mut self) {
        let ready = || {
            assert!(self.process.exited().is_none(), "the node has ended:\n{}", self.process.log());
            http::get(self.admin, "/readyz").filter(|answer| answer.status == 200)
        };
        wait_for("the node to be ready", READY, ready);
    }

    /// Asks it to stop, and returns how it ended and how long it took.
    pub(crate) fn stop(mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.process.signal("TERM");
        let status = self.process.wait(Duration::from_secs(20));
        (status, began.elapsed())
    }

    /// Tells whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.exited().is_some()
    }

    /// Waits for it to end by itself; returns how, and what it printed.
    pub(crate) fn wait_exit(mut self) -> (ExitStatus, String) {
        let status = self.process.wait(READY);
        (status, self.process.log())
    }

    /// Returns what it has used so far, and what it holds now.
    pub(crate) fn usage(&self) -> (Usage, Held) {
        (self.process.usage(), self.process.held())
    }

    /// Returns what it has printed so far.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Reads one of its metrics; 0 where it has none.
    pub(crate) fn metric(&self, name: &str) -> f64 {
        let text = http::get(self.admin, "/metrics").map_or_else(String::new, |answer| answer.body);
        let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok());
        line.unwrap_or(0.0)
    }

    /// Sends a request that must be answered.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &Value) -> Answer {
        ask(self.port, method, path, body).expect("the node answers")
    }

    /// Reads a path.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &Value::Null)
    }

    /// Registers a schema.
    pub(crate) fn register(&self, subject: &str, schema: &str) -> Answer {
        self.ask("POST", &format!("/subjects/{subject}/versions"), &json!({ "schema": schema }))
    }

    /// Registers a schema that can be, however slow the machine: a write has a limit, and can be repeated. The first one of a
    /// cluster may wait for the coordinator of transactions to be made.
    pub(crate) fn registered(&self, subject: &str, schema: &str) -> Answer {
        self.done("POST", &format!("/subjects/{subject}/versions"), &json!({ "schema": schema }))
    }

    /// The same for any write that can be repeated.
    pub(crate) fn done(&self, method: &str, path: &str, body: &Value) -> Answer {
        let write = || Some(self.ask(method, path, body)).filter(|answer| answer.status == 200);
        wait_for("a write", READY, write)
    }

    /// Deletes what is there, which is answered like this. An answer that nobody knows may have come too late: only then it
    /// may be gone already.
    pub(crate) fn deleted(&self, path: &str, expected: &Value) {
        let mut is_doubtful = false;
        wait_for("a deletion", READY, || {
            let answer = self.ask("DELETE", path, &Value::Null);
            match answer.status {
                500 => is_doubtful = true,
                404 if is_doubtful => return Some(()),
                _ => {
                    assert_eq!(answer.body, *expected);
                    return Some(());
                }
            }
            None
        });
    }

    /// Returns all that a client can see, in one order.
    pub(crate) fn dump(&self) -> Value {
        let mut schemas = self.get("/schemas?subjectPrefix=:*:&deleted=true").body;
        // When a record was written is the log's to say, and the same for all.
        schemas
            .as_array_mut()
            .unwrap()
            .sort_by_key(|schema| format!("{}/{:09}", schema["subject"], schema["version"].as_i64().unwrap()));
        json!({
            "schemas": schemas,
            "subjects": self.get("/subjects?deleted=true").body,
            "live": self.get("/subjects").body,
            "config": self.get("/config").body,
            "mode": self.get("/mode").body,
            "contexts": self.get("/contexts").body,
        })
    }
}

fn spawn(config: &Value) -> Process {
    let folder = tempfile::Builder::new().prefix("sluice-registry-").tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, serde_json::to_string_pretty(config).unwrap()).unwrap();
    let mut command = Command::new(gate::binary());
    command.args(["registry", "serve", "--config"]).arg(&file).env("NO_COLOR", "1");
    Process::start("registry", command, folder)
}

/// Sends a request; `None` where no whole answer comes.
pub(crate) fn ask(port: u16, method: &str, path: &str, body: &Value) -> Option<Answer> {
    ask_as("", port, method, path, body)
}

/// The same with a further line in its head, such as `Authorization: …\r\n`.
pub(crate) fn ask_as(line: &str, port: u16, method: &str, path: &str, body: &Value) -> Option<Answer> {
    let began = Instant::now();
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n{line}\r\n{body}"
    )
    .ok()?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).ok()?;
    let answer = http::parse(&answer)?;
    let body = serde_json::from_str(&answer.body).ok()?;
    Some(Answer { status: answer.status, body, took: began.elapsed() })
}
