//! A registry on a free port that a test can make slow, wrong or silent.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use tokio::task::JoinSet;
use url::Url;

use super::api::{Style, router};
use super::client::Client;
use super::contract::RuleSet;
use super::node::Node;
use super::store::{Command, Draft, Found, Outcome, Store};
use crate::config::Registry;
use crate::schema::{Reference, Subject, Version};

/// What the registry does instead of answering.
#[derive(Clone)]
pub(crate) enum Fault {
    /// Answers with this.
    Answer(StatusCode, &'static str),
    /// Answers 429 with this `Retry-After`.
    Busy(&'static str),
    /// Redirects there.
    Redirect(String),
    /// Says that it sends JSON and never ends.
    Endless,
    /// Accepts the request and is silent.
    Silent,
}

/// A fault and the paths that it concerns, by a part of them.
type Faults = Arc<Mutex<Vec<(&'static str, Fault)>>>;

#[derive(Clone, Default)]
struct Shared {
    faults: Faults,
    requests: Arc<Mutex<Vec<(String, HeaderMap)>>>,
}

/// A running registry; it stops when this is dropped.
pub(crate) struct Server {
    pub(crate) url: Url,
    pub(crate) node: Arc<Node>,
    shared: Shared,
    _task: JoinSet<()>,
}

impl Server {
    pub(crate) async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap()).parse().unwrap();
        let (node, shared) = (Arc::new(Node::in_memory(Store::unchecked())), Shared::default());
        let app = router(Arc::clone(&node), Style::default()).layer(from_fn_with_state(shared.clone(), interfere));
        let mut task = JoinSet::new();
        task.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, node, shared, _task: task }
    }

    /// Answers requests whose path contains this text with a fault, from now on.
    pub(crate) fn fail(&self, path: &'static str, fault: Fault) {
        self.shared.faults.lock().unwrap().push((path, fault));
    }

    pub(crate) fn heal(&self) {
        self.shared.faults.lock().unwrap().clear();
    }

    /// Returns the paths asked for so far, with their queries.
    pub(crate) fn requests(&self) -> Vec<String> {
        self.shared.requests.lock().unwrap().iter().map(|(path, _)| path.clone()).collect()
    }

    pub(crate) fn forget_requests(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// Returns a header of the last request.
    pub(crate) fn last_header(&self, name: &str) -> Option<String> {
        let requests = self.shared.requests.lock().unwrap();
        Some(requests.last()?.1.get(name)?.to_str().unwrap().to_owned())
    }

    /// Waits until so many requests have come in.
    pub(crate) async fn received(&self, count: usize) {
        while self.shared.requests.lock().unwrap().len() < count {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    pub(crate) fn register(&self, subject: &str, text: &str) -> Found {
        self.register_with(subject, text, &[])
    }

    pub(crate) fn register_with(&self, subject: &str, text: &str, references: &[(&str, &str, i32)]) -> Found {
        let references = references
            .iter()
            .map(|&(name, subject, version)| Reference {
                name: name.to_owned(),
                subject: Subject(subject.into()),
                version: Version(version),
            })
            .collect();
        self.register_draft(subject, Draft { text: text.to_owned(), references, ..Draft::default() })
    }

    pub(crate) fn register_rules(&self, subject: &str, text: &str, rules: RuleSet) -> Found {
        self.register_draft(subject, Draft { text: text.to_owned(), rule_set: Some(rules), ..Draft::default() })
    }

    fn register_draft(&self, subject: &str, draft: Draft) -> Found {
        let command = Command::Register { subject: Subject(subject.into()), draft, normalize: false };
        let outcome = futures::executor::block_on(self.node.write(&command)).unwrap();
        let Outcome::Registered(found) = outcome else { panic!("it is registered") };
        *found
    }

    pub(crate) fn client(&self) -> Client {
        Client::new(&settings(&[&self.url])).unwrap()
    }
}

pub(crate) fn settings(urls: &[&Url]) -> Registry {
    Registry {
        urls: urls.iter().map(|&url| url.clone()).collect(),
        auth: None,
        tls: None,
        refresh: Duration::from_secs(30),
        unknown_schema: crate::config::UnknownSchema {
            grace: Duration::from_secs(30),
            max_hold: Duration::from_secs(60),
        },
        cache_dir: None,
    }
}

async fn interfere(State(shared): State<Shared>, request: Request, next: Next) -> Response {
    let path = request.uri().path_and_query().unwrap().to_string();
    shared.requests.lock().unwrap().push((path.clone(), request.headers().clone()));
    let fault =
        shared.faults.lock().unwrap().iter().find(|(part, _)| path.contains(part)).map(|(_, fault)| fault.clone());
    match fault {
        None => next.run(request).await,
        Some(Fault::Answer(status, body)) => (status, body).into_response(),
        Some(Fault::Busy(time)) => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, time)], "").into_response(),
        Some(Fault::Redirect(to)) => (StatusCode::FOUND, [(header::LOCATION, to)]).into_response(),
        Some(Fault::Endless) => {
            let chunks = futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from_static(&[b' '; 1 << 16])));
            Body::from_stream(chunks).into_response()
        }
        Some(Fault::Silent) => std::future::pending().await,
    }
}
