//! The project's own registry behind a layer of faults: slow, wrong, silent, down, or hiding a schema for a while.
//!
//! The answers are those of the real thing (`sluice::registry::api`); the layer in front only delays, replaces or
//! withholds them and keeps a list of requests. While it is down nobody listens on its port; the same port comes back.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, RwLock};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};
use sluice::registry::api;
use sluice::registry::store::Store;
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
}

#[derive(Default)]
struct Faults {
    all: Option<Fault>,
    /// IDs that the registry does not know yet.
    hidden: HashSet<i32>,
    /// Paths whose answer is replaced, by their begin.
    replaced: Vec<(String, Value)>,
    /// Methods and paths of all requests.
    requests: Vec<String>,
}

/// A registry in the test's process.
pub(crate) struct Registry {
    store: Arc<RwLock<Store>>,
    faults: Arc<Mutex<Faults>>,
    address: SocketAddr,
    server: Mutex<Option<Runtime>>,
}

impl Registry {
    /// Starts an empty registry.
    pub(crate) fn start() -> Self {
        let address = SocketAddr::from(([127, 0, 0, 1], super::process::free_port()));
        let registry = Self { store: Arc::default(), faults: Arc::default(), address, server: Mutex::default() };
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
        let router = api::router(Arc::clone(&self.store)).layer(layer);
        let listener = server.block_on(tokio::net::TcpListener::bind(self.address)).unwrap();
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

    /// Counts the requests so far whose method and path begin so.
    pub(crate) fn requests(&self, begin: &str) -> usize {
        self.faults.lock().unwrap().requests.iter().filter(|request| request.starts_with(begin)).count()
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
    let (fault, hidden, replaced) = {
        let mut faults = faults.lock().unwrap();
        faults.requests.push(format!("{} {path}", request.method()));
        let hidden = schema_id(&path).is_some_and(|id| faults.hidden.contains(&id));
        let replaced = faults.replaced.iter().find(|(begin, _)| path.starts_with(begin)).map(|(_, body)| body.clone());
        (faults.all, hidden, replaced)
    };
    match fault {
        Some(Fault::Status(status)) => {
            let status = StatusCode::from_u16(status).unwrap();
            return answer(status, &json!({ "error_code": status.as_u16(), "message": "a fault of the test" }));
        }
        Some(Fault::Slow(delay)) => tokio::time::sleep(delay).await,
        Some(Fault::Silent) => std::future::pending().await,
        Some(Fault::Page) => return (StatusCode::OK, "<html>please log in</html>").into_response(),
        None => {}
    }
    match replaced {
        _ if hidden => answer(StatusCode::NOT_FOUND, &json!({ "error_code": 40403, "message": "Schema not found" })),
        Some(body) => answer(StatusCode::OK, &body),
        None => next.run(request).await,
    }
}

/// Returns the ID that a path asks for.
fn schema_id(path: &str) -> Option<i32> {
    path.strip_prefix("/schemas/ids/")?.split('/').next()?.parse().ok()
}

fn answer(status: StatusCode, body: &Value) -> Response {
    (status, [(header::CONTENT_TYPE, "application/vnd.schemaregistry.v1+json")], body.to_string()).into_response()
}
