//! The limits of requests. What all routes answer is in `tests/registry_api`.

use serde_json::{Value, json};

use super::MAX_BODY_BYTES;
use crate::registry::store::MAX_REFERENCES;
use crate::registry::tests::Server;
use crate::schema::avro::limits::TEXT_BYTES;

/// Tries to register a schema; returns status and answer.
async fn register(server: &Server, body: String) -> (u16, Value) {
    // Our client sets the TLS provider of the process, without which reqwest makes none.
    drop(server.client());
    let post = reqwest::Client::new().post(server.url.join("subjects/s/versions").unwrap());
    let response = post.header("content-type", "application/json").body(body).send().await.unwrap();
    (response.status().as_u16(), response.json().await.unwrap())
}

#[tokio::test]
async fn bodies_and_references_are_limited() {
    let server = Server::start().await;
    let text = |length: usize| json!({ "schema": "x".repeat(length) }).to_string();
    let (status, answer) = register(&server, text(MAX_BODY_BYTES)).await;
    assert_eq!((status, answer["error_code"].as_i64()), (413, Some(413)), "{answer}");
    let (status, answer) = register(&server, text(TEXT_BYTES + 1)).await;
    assert_eq!((status, answer["error_code"].as_i64()), (422, Some(42209)), "{answer}");

    let references = |count: usize| -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("R{n}"), "subject": format!("r{n}"), "version": 1})).collect()
    };
    for n in 0..=MAX_REFERENCES {
        server.register(&format!("r{n}"), &json!({"type": "fixed", "name": format!("R{n}"), "size": 1}).to_string());
    }
    for (count, expected) in [(MAX_REFERENCES, 200), (MAX_REFERENCES + 1, 422)] {
        let body = json!({"schema": "\"R0\"", "references": references(count)}).to_string();
        let (status, answer) = register(&server, body).await;
        assert_eq!(status, expected, "{count} references: {answer}");
    }
}
