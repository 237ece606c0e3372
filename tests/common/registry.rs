//! The project's own registry behind a layer of faults: slow, wrong, silent, down, or hiding a schema for a while.
//!
//! The answers are those of the real thing (`sluice::registry::api`); the layer in front only delays, replaces or
//! withholds them and keeps a list of requests. While it is down nobody listens on its port; the same port comes back.

use std::collections::HashSet;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sluice::registry::api;
use sluice::registry::node::Node;
use sluice::registry::store::{LogRecord, Store};
use tokio::runtime::Runtime;

use super::http;
use super::schemas::Version;
use super::traffic::Ids;

/// What the registry does instead of its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Answers this status.
    Status(u16),
    /// Answers as it should, this much later.
    Slow(Duration),
    /// Takes the request and never answers.
    Silent,
    /// Answers 200 with a page that is no JSON, as a proxy in between does.
    Page,
    /// Answers 200 with this body, as JSON.
    Body(&'static str),
    /// Answers 200 with 100 MB of JSON.
    Large,
    /// Answers 429 and asks to be left alone for a second.
    Busy,
    /// Answers two of three requests with 500 and 503.
    Flapping,
}

#[derive(Default)]
struct Faults {
    all: Option<Fault>,
    /// IDs that the registry does not know yet.
    hidden: HashSet<i32>,
    /// Paths whose answer is replaced, by their begin.
    replaced: Vec<(String, Value)>,
    /// Requests that are never answered, by the begin of method and path.
    silent: Vec<String>,
    /// Methods and paths of all requests.
    requests: Vec<String>,
    /// When each came.
    times: Vec<Instant>,
    under_way: usize,
    most_under_way: usize,
}

/// Counts a request as under way; a request whose connection is cut is dropped like any other.
struct UnderWay(Arc<Mutex<Faults>>);

impl UnderWay {
    fn new(faults: &Arc<Mutex<Faults>>) -> Self {
        let mut counted = faults.lock().unwrap();
        counted.under_way += 1;
        counted.most_under_way = counted.most_under_way.max(counted.under_way);
        Self(Arc::clone(faults))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.lock().unwrap().under_way -= 1;
    }
}

/// A registry in the test's process.
pub(crate) struct Registry {
    node: Arc<Node>,
    faults: Arc<Mutex<Faults>>,
    address: SocketAddr,
    server: Mutex<Option<Runtime>>,
}

impl Registry {
    /// Starts an empty registry.
    pub(crate) fn start() -> Self {
        Self::of(Store::unchecked())
    }

    /// Starts a registry whose log has these schemas as the versions of a subject, with IDs from 1 on. Registered one by
    /// one each would wait for those before it.
    pub(crate) fn with_versions(subject: &str, texts: impl Iterator<Item = String>) -> Self {
        let mut store = Store::unchecked();
        for (text, number) in texts.zip(1..) {
            let key = json!({ "keytype": "SCHEMA", "subject": subject, "version": number, "magic": 1 });
            let value =
                json!({ "subject": subject, "version": number, "id": number, "schema": text, "deleted": false });
            let (key, value) = (key.to_string().into_bytes(), Some(value.to_string().into_bytes()));
            store.apply(&LogRecord { key, value, timestamp: 0 }).unwrap();
        }
        Self::of(store)
    }

    fn of(store: Store) -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], super::process::free_port()));
        let registry =
            Self { node: Arc::new(Node::in_memory(store)), faults: Arc::default(), address, server: Mutex::default() };
        registry.up();
        registry
    }

    /// Returns its port.
    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    /// Returns the address for configurations.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Stops listening and cuts all connections.
    pub(crate) fn down(&self) {
        if let Some(server) = self.server.lock().unwrap().take() {
            server.shutdown_timeout(Duration::from_secs(1));
        }
    }

    /// Listens again, with all that was registered.
    pub(crate) fn up(&self) {
        let server = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let layer = from_fn_with_state(Arc::clone(&self.faults), interfere);
        let router = api::router(Arc::clone(&self.node), api::Style::default()).layer(layer);
        // The server before may still be about to end.
        let bind = || server.block_on(tokio::net::TcpListener::bind(self.address)).ok();
        let listener = super::wait_for("the registry's port", Duration::from_secs(60), bind);
        #[allow(clippy::disallowed_methods, reason = "lives as long as its runtime")]
        server.spawn(async move { axum::serve(listener, router).await.unwrap() });
        *self.server.lock().unwrap() = Some(server);
    }

    /// Sets or heals a fault of all requests.
    pub(crate) fn fault(&self, fault: Option<Fault>) {
        self.faults.lock().unwrap().all = fault;
    }

    /// Denies that it knows these IDs: a producer that registers late, a follower that lags.
    pub(crate) fn hide(&self, id: i32) {
        self.faults.lock().unwrap().hidden.insert(id);
    }

    /// Knows an ID again.
    pub(crate) fn release(&self, id: i32) {
        self.faults.lock().unwrap().hidden.remove(&id);
    }

    /// Answers all paths that begin so with this body instead.
    pub(crate) fn replace(&self, path: &str, body: Value) {
        self.faults.lock().unwrap().replaced.push((path.to_owned(), body));
    }

    /// Takes requests whose method and path begin so, and never answers them.
    pub(crate) fn silence(&self, begin: &str) {
        self.faults.lock().unwrap().silent.push(begin.to_owned());
    }

    /// Counts the requests so far whose method and path begin so.
    pub(crate) fn requests(&self, begin: &str) -> usize {
        self.faults.lock().unwrap().requests.iter().filter(|request| request.starts_with(begin)).count()
    }

    /// Answers all paths as it should again.
    pub(crate) fn restore(&self) {
        let mut faults = self.faults.lock().unwrap();
        faults.replaced.clear();
        faults.silent.clear();
    }

    /// Returns how many requests were under way together at most.
    pub(crate) fn most_under_way(&self) -> usize {
        self.faults.lock().unwrap().most_under_way
    }

    /// Returns the most requests that came within any time so long.
    pub(crate) fn most_within(&self, span: Duration) -> usize {
        let times = &self.faults.lock().unwrap().times;
        let mut first = 0;
        let within = |(last, time): (usize, &Instant)| {
            while *time - times[first] > span {
                first += 1;
            }
            last + 1 - first
        };
        times.iter().enumerate().map(within).max().unwrap_or(0)
    }

    /// Registers an Avro schema; returns its ID.
    pub(crate) fn register(&self, subject: &str, text: &str) -> i32 {
        self.register_full(subject, text)["id"].as_i64().unwrap().try_into().unwrap()
    }

    fn register_full(&self, subject: &str, text: &str) -> Value {
        let body = json!({ "schema": text }).to_string();
        self.ask("POST", &format!("/subjects/{subject}/versions"), &body)
    }

    /// Registers the three versions of the order under a subject, and one schema under a subject that no gate asks for.
    pub(crate) fn register_orders(&self, subject: &str) -> Ids {
        // The registry of this version does not check compatibility: version 3 is accepted.
        let orders = Version::ALL.map(|version| self.register(subject, &version.text()));
        let schema = self.ask("GET", &format!("/schemas/ids/{}", orders[1]), "");
        let guid = schema["guid"].as_str().expect("a GUID, as registries have from 8.0 on").replace('-', "");
        Ids {
            orders,
            guid: u128::from_str_radix(&guid, 16).unwrap().to_be_bytes(),
            other: self.register("nobody-value", r#"{"type":"long"}"#),
            unknown: 1_000_000,
        }
    }

    /// Sends a request that must succeed; returns its JSON.
    pub(crate) fn ask(&self, method: &str, path: &str, body: &str) -> Value {
        let answer = http::request(method, self.address.port(), path, body).expect("the registry answers");
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.down();
    }
}

async fn interfere(State(faults): State<Arc<Mutex<Faults>>>, request: Request, next: Next) -> Response {
    let path = request.uri().path().to_owned();
    let _under_way = UnderWay::new(&faults);
    let (fault, hidden, replaced) = {
        let mut faults = faults.lock().unwrap();
        faults.requests.push(format!("{} {path}", request.method()));
        faults.times.push(Instant::now());
        let number = faults.requests.len();
        let hidden = schema_id(&path).is_some_and(|id| faults.hidden.contains(&id));
        let replaced = faults.replaced.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, body)| body.clone());
        let request = faults.requests.last().unwrap();
        let is_silent = faults.silent.iter().any(|begin| request.starts_with(begin));
        let fault = match faults.all {
            _ if is_silent => Some(Fault::Silent),
            Some(Fault::Flapping) => [None, Some(500), Some(503)][number % 3].map(Fault::Status),
            fault => fault,
        };
        (fault, hidden, replaced)
    };
    match fault {
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return answer(status, &json!({ "error_code": status.as_u16(), "message": "a fault of the test" }));
        }
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Body(body)) => return ([(header::CONTENT_TYPE, "application/json")], body).into_response(),
        Some(Fault::Large) => return large(),
        Some(Fault::Busy) => return (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response(),
        Some(Fault::Flapping) | None => {}
        Some(Fault::Page) => return (StatusCode::OK, "<html>please log in</html>").into_response(),
    }
    match replaced {
        _ if hidden => answer(StatusCode::NOT_FOUND, &json!({ "error_code": 40403, "message": "Schema not found" })),
        Some(body) => answer(StatusCode::OK, &body),
        None => next.run(request).await,
    }
}

/// Answers with the begin of a JSON text of 100 MB, whose length nobody has announced.
fn large() -> Response {
    let chunk = |number: u32| {
        let begin = if number == 0 { "{\"schema\":\"" } else { "" };
        Ok::<_, std::io::Error>(format!("{begin}{}", "x".repeat(1 << 20)))
    };
    Body::from_stream(futures::stream::iter((0..100).map(chunk))).into_response()
}

/// Returns the ID that a path asks for.
fn schema_id(path: &str) -> Option<i32> {
    path.strip_prefix("/schemas/ids/")?.split('/').next()?.parse().ok()
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")], body.to_string()).into_response()
}

/// Waits until the cache that a process has in this folder, of the only registry, has so many whole files, its own included.
pub(crate) fn wait_cached(base: &Path, count: usize) {
    let is_whole = |name: &OsString| !name.to_string_lossy().ends_with(".tmp");
    super::wait_for("files of the cache", Duration::from_secs(60), || {
        let folder = std::fs::read_dir(base).ok()?.next()?.ok()?;
        let names = std::fs::read_dir(folder.path()).ok()?.flatten().map(|file| file.file_name());
        (names.filter(is_whole).count() >= count).then_some(())
    });
}
