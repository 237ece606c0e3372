//! Requests to our registry: each is answered in JSON with a status and a code that the table knows, and none is the
//! server's fault; what was registered is registered again as the same, and found.
//!
//! Input: a byte for the path, then the body; or, for one path, the path itself.

use axum::body::{Body, Bytes};
use axum::http::{Method, Request, StatusCode};
use futures::StreamExt;
use futures::executor::block_on;
use serde_json::Value;
use sluice::registry::api::{self, CODES, Style};
use sluice::registry::node::Node;
use sluice::registry::store::Store;
use std::sync::Arc;
use tower::ServiceExt;

use super::measured;

/// A schema that is there before: what comes is compared with it.
const BEFORE: &str = r#"{"schema":"{\"type\":\"record\",\"name\":\"R\",\"fields\":[{\"name\":\"f\",\"type\":[\"null\",\"int\"],\"default\":null}]}"}"#;

/// The paths that take bodies.
const PATHS: [(Method, &str); 7] = [
    (Method::POST, "/subjects/s/versions"),
    (Method::POST, "/subjects/s/versions?normalize=true"),
    (Method::POST, "/subjects/before"),
    (Method::POST, "/compatibility/subjects/before/versions/latest?verbose=true"),
    (Method::POST, "/subjects/before/versions/1/tags"),
    (Method::PUT, "/config/before"),
    (Method::PUT, "/mode/before"),
];

/// Checks the oracle, and returns the status.
pub(crate) fn judge(input: &[u8]) -> String {
    let Some((choice, body)) = input.split_first() else { return "empty".to_owned() };
    let router = api::router(Arc::new(Node::in_memory(Store::default())), Style::default());
    let ask = |method: &Method, path: &str, body: &[u8]| block_on(answer(&router, method, path, body));
    ask(&Method::POST, "/subjects/before/versions", BEFORE.as_bytes());
    if usize::from(*choice) % (PATHS.len() + 1) == PATHS.len() {
        return path(body, &ask);
    }
    let (method, path) = &PATHS[usize::from(*choice) % (PATHS.len() + 1)];
    let (status, answer) = measured(|| ask(method, path, body)).expect("the paths are well-formed");
    // Who asks for the next version by number gets another one each time, as from Confluent's.
    let is_numbered = answer["metadata"]["properties"].get("confluent:version").is_some();
    if status == 200 && path.starts_with("/subjects/s/versions") && !is_numbered {
        let again = ask(method, path, body).expect("as before");
        assert_eq!((again.0, &again.1["id"], &again.1["version"]), (200, &answer["id"], &answer["version"]), "again");
        let found = ask(&Method::GET, &format!("/schemas/ids/{}", answer["id"]), &[]).expect("a good path");
        assert_eq!((found.0, &found.1["schema"]), (200, &answer["schema"]), "by its ID");
        // What is stored is the form of what is stored.
        let stored = serde_json::json!({"schema": answer["schema"], "references": answer.get("references")});
        let stored = ask(method, path, stored.to_string().as_bytes()).expect("as before");
        assert!(answer.get("metadata").is_some() || stored.1["id"] == answer["id"], "{stored:?} is not {answer}");
    }
    status.to_string()
}

/// Reads at any path.
fn path(path: &[u8], ask: &impl Fn(&Method, &str, &[u8]) -> Option<(u16, Value)>) -> String {
    let Ok(path) = std::str::from_utf8(path) else { return "no_path".to_owned() };
    let answer = measured(|| ask(&Method::GET, &format!("/{path}"), &[]));
    answer.map_or_else(|| "no_path".to_owned(), |(status, _)| status.to_string())
}

/// Sends a request; `None` where its path cannot be sent at all.
async fn answer(router: &axum::Router, method: &Method, path: &str, body: &[u8]) -> Option<(u16, Value)> {
    let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
    let request = request.body(Body::from(Bytes::copy_from_slice(body))).ok()?;
    let response = router.clone().oneshot(request).await.expect("a router does not fail");
    let status = response.status();
    let mut parts = response.into_body().into_data_stream();
    let mut text = Vec::new();
    while let Some(part) = parts.next().await {
        text.extend_from_slice(&part.expect("the whole body is at hand"));
    }
    assert!(!status.is_server_error(), "{method} {path}: {status} {}", String::from_utf8_lossy(&text));
    let answer: Value = serde_json::from_slice(&text).unwrap_or(Value::Null);
    if status != StatusCode::OK && status != StatusCode::NOT_MODIFIED {
        let code = answer["error_code"].as_i64().expect("an error is JSON and has a code");
        assert!(CODES.iter().any(|(known, _)| i64::from(*known) == code), "{code} is not in the table");
        let first = code.to_string();
        assert!(first.starts_with(status.as_str()), "{code} with {status}");
    }
    Some((status.as_u16(), answer))
}
