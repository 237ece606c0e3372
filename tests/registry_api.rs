//! Golden exchanges with a registry: `registry_api/*.txt` has requests, each followed by its answer.
//!
//! A request is a line `METHOD PATH [header: value] BODY`, an answer `< STATUS BODY`, with the headers that matter for some
//! (`< 200 [allow: GET] …`). Each file begins with an empty registry. `UPDATE_EXCHANGES=1` writes the answers anew, to be read
//! before they are committed. `SLUICE_TEST_REGISTRY=http://…` sends the same requests to another registry, in a context of
//! their own so that IDs begin at 1, and lists what differs; settings of all subjects, and what is ours alone, are left out.

#![allow(clippy::panic, clippy::unwrap_used, reason = "a test panics where a program returns")]

mod common;

use std::path::PathBuf;
use std::sync::Arc;

use reqwest::{Client, Method, Response, Url};
use serde_json::Value;
use sluice::registry::api::{self, CODES, Style};
use sluice::registry::node::Node;
use sluice::registry::store::Store;

/// The files, each with the style that its answers have.
const FILES: [(&str, Style); 13] = [
    ("registering", NEW),
    ("references", NEW),
    ("reading", NEW),
    ("deleting", NEW),
    ("compatibility", NEW),
    ("config", NEW),
    ("rules", NEW),
    ("tags", NEW),
    ("mode", NEW),
    ("contexts", NEW),
    ("http", NEW),
    ("caching", NEW),
    ("answers-7", Style { has_new_fields: false, incompatible: 40901 }),
];

const NEW: Style = Style { has_new_fields: true, incompatible: 409 };

/// The headers that an answer shows where it has them.
const SHOWN: [&str; 3] = ["allow", "etag", "cache-control"];

/// The usual media type, which is not shown.
const USUAL: &str = "application/vnd.schemaregistry.v1+json";

#[derive(Debug, Clone)]
struct Request {
    method: Method,
    path: String,
    headers: Vec<(String, String)>,
    body: String,
}

/// Reads `METHOD PATH [header: value] BODY`.
fn request(line: &str) -> Request {
    let (method, rest) = line.split_once(' ').expect("a method and a path");
    let (path, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let (header, body) = match rest.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((header, body)) => (Some(header), body.trim_start()),
        None => (None, rest),
    };
    let pair = |header: &str| header.split_once(": ").map(|(name, value)| (name.to_owned(), value.to_owned()));
    Request {
        method: method.parse().expect("a method"),
        path: path.to_owned(),
        headers: header.and_then(pair).into_iter().collect(),
        body: body.to_owned(),
    }
}

async fn send(client: &Client, base: &Url, request: &Request) -> Response {
    let mut sent =
        client.request(request.method.clone(), format!("{}{}", base.as_str().trim_end_matches('/'), request.path));
    for (name, value) in &request.headers {
        sent = sent.header(name, value);
    }
    if !request.body.is_empty() && !request.headers.iter().any(|(name, _)| name == "content-type") {
        sent = sent.header("content-type", USUAL);
    }
    sent.body(request.body.clone()).send().await.expect("an answer")
}

/// Puts an answer on a line, without what chance decides.
async fn told(response: Response) -> String {
    let status = response.status().as_u16();
    let header = |name: &str| Some(format!("{name}: {}", response.headers().get(name)?.to_str().unwrap()));
    let mut headers: Vec<_> = SHOWN.iter().filter_map(|name| header(name)).collect();
    headers.extend(header("content-type").filter(|shown| !shown.ends_with(USUAL)));
    let headers = if headers.is_empty() { String::new() } else { format!(" [{}]", headers.join(", ")) };
    let text = response.text().await.expect("a text");
    let body = match serde_json::from_str::<Value>(&text) {
        Ok(mut body) => {
            timeless(&mut body);
            body.to_string()
        }
        Err(_) => text,
    };
    format!("< {status}{headers} {body}").trim_end().to_owned()
}

/// Takes out when schemas were written, which must be there and a time.
fn timeless(body: &mut Value) {
    match body {
        Value::Array(values) => values.iter_mut().for_each(timeless),
        Value::Object(fields) => {
            if let Some(time) = fields.shift_remove("ts") {
                assert!(time.as_i64().is_some_and(|time| time > 1_700_000_000_000), "no time: {time}");
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/registry_api").join(format!("{name}.txt"))
}

fn client() -> Client {
    // Without it reqwest has no TLS, and refuses to be made.
    drop(rustls::crypto::ring::default_provider().install_default());
    Client::new()
}

/// A registry to send requests to, and the context that they are sent in.
struct Target {
    base: Url,
    context: Option<String>,
}

impl Target {
    /// Sends the requests of a file; returns it with the answers that came.
    async fn answers(&self, client: &Client, text: &str) -> String {
        let mut found = String::new();
        for line in text.lines().filter(|line| !line.starts_with('<')) {
            found.push_str(line);
            found.push('\n');
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let mut request = request(line);
            if let Some(context) = &self.context {
                request.path = format!("/contexts/{context}{}", request.path);
            }
            let told = told(send(client, &self.base, &request).await).await;
            let told = self.context.iter().fold(told, |told, context| {
                told.replace(&format!(":{context}:"), "").replace(&format!("context {context}"), "context .")
            });
            found.push_str(&told);
            found.push('\n');
        }
        found
    }
}

/// Returns where two texts first differ.
fn difference<'t>(found: &'t str, expected: &'t str) -> Option<(&'t str, &'t str)> {
    found.lines().zip(expected.lines()).find(|(found, expected)| found != expected)
}

#[tokio::test]
async fn every_route_answers_as_confluents_does() {
    let (client, mut differences) = (client(), Vec::new());
    for (name, style) in FILES {
        let (base, _server) = serve(style).await;
        let text = std::fs::read_to_string(file(name)).unwrap();
        let found = Target { base, context: None }.answers(&client, &text).await;
        if std::env::var_os("UPDATE_EXCHANGES").is_some() {
            std::fs::write(file(name), &found).unwrap();
        } else if let Some(difference) = difference(&found, &text) {
            differences.push(format!("{name}: {difference:#?}"));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Files whose requests concern one context only.
const OF_ONE_CONTEXT: [&str; 6] = ["registering", "references", "reading", "deleting", "compatibility", "rules"];

#[tokio::test]
async fn another_registry_answers_alike() {
    let Some(base) = std::env::var("SLUICE_TEST_REGISTRY").ok() else {
        println!("not run: SLUICE_TEST_REGISTRY names no other registry");
        return;
    };
    let (client, base, mut differences) = (client(), base.parse::<Url>().unwrap(), Vec::new());
    for name in OF_ONE_CONTEXT {
        let context = Some(format!(".sluice-{name}-{}", std::process::id()));
        let text = std::fs::read_to_string(file(name)).unwrap();
        let found = Target { base: base.clone(), context }.answers(&client, &text).await;
        let lines = found.lines().zip(text.lines()).filter(|(found, expected)| found != expected);
        differences.extend(lines.map(|(found, expected)| format!("{name}\n theirs {found}\n ours   {expected}")));
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Serves an empty registry until the tasks are dropped.
async fn serve(style: Style) -> (Url, tokio::task::JoinSet<std::io::Result<()>>) {
    let node = Arc::new(Node::in_memory(Store::default()));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, api::router(node, style)).await });
    (base, server)
}

/// The field's client for Python finds all that it knows of a registry.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn confluent_kafka_python_finds_what_it_knows() {
    let (base, _server) = serve(NEW).await;
    let script = format!("{}/registry.py", common::python::SCRIPTS);
    let mut command = std::process::Command::new(common::python::interpreter());
    let output = command.args([&script, base.as_str().trim_end_matches('/'), "orders"]).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Codes that need more than a request: `registry/api/tests.rs` and `registry_log` show them.
const SHOWN_ELSEWHERE: [i32; 7] = [401, 413, 429, 40301, 42209, 50001, 50002];

#[test]
fn every_code_is_in_the_table_and_shown() {
    let texts: String = FILES.iter().map(|(name, _)| std::fs::read_to_string(file(name)).unwrap()).collect();
    let code = |line: &str| {
        let (_, code) = line.split_once(r#"{"error_code":"#)?;
        code.split_once(',')?.0.parse::<i32>().ok()
    };
    let mut shown: Vec<_> = texts.lines().filter_map(code).chain(SHOWN_ELSEWHERE).collect();
    shown.sort_unstable();
    shown.dedup();
    let mut known: Vec<_> = CODES.iter().map(|(code, _)| *code).collect();
    known.sort_unstable();
    assert_eq!(shown, known);
}

#[test]
fn every_route_and_method_is_shown() {
    let source = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/registry/api.rs")).unwrap();
    let routes = source.lines().filter_map(|line| line.trim().strip_prefix(".route(\"")?.split_once("\", "));
    let texts: String = FILES.iter().map(|(name, _)| std::fs::read_to_string(file(name)).unwrap()).collect();
    let requests: Vec<_> = texts.lines().filter(|line| !line.starts_with(['#', '<'])).map(request).collect();
    for (path, methods) in routes {
        let shape: Vec<_> = path.split('/').collect();
        let has_shape = |sent: &str| {
            let sent: Vec<_> = sent.split('?').next().unwrap_or_default().split('/').collect();
            let is_alike = |(wanted, sent): (&&str, &&str)| wanted.starts_with('{') || wanted == sent;
            sent.len() == shape.len() && shape.iter().zip(&sent).all(is_alike)
        };
        for method in ["get", "post", "put", "delete"].iter().filter(|method| methods.contains(&format!("{method}("))) {
            let is_shown = |sent: &Request| sent.method.as_str().eq_ignore_ascii_case(method) && has_shape(&sent.path);
            assert!(requests.iter().any(is_shown), "nothing shows {method} {path}");
        }
    }
}
