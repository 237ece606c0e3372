//! Golden HTTP exchanges, in the shape that Confluent 8 answers.

use reqwest::Method;
use serde_json::{Value, json};

use super::MAX_BODY_BYTES;
use crate::registry::store::MAX_REFERENCES;
use crate::registry::tests::Server;

/// MD5 of the text `"int"`.
const INT_GUID: &str = "ef524ea1-b91e-7317-3d93-8ade36c1db32";

/// Sends a request; returns status, content type and body.
async fn send(server: &Server, method: Method, path: &str, body: Option<&str>) -> (u16, String, Value) {
    let url = server.url.join(path).unwrap();
    // Our client sets the TLS provider of the process, without which reqwest makes none.
    drop(server.client());
    let mut request = reqwest::Client::new().request(method, url);
    if let Some(body) = body {
        request = request.header("content-type", "application/vnd.schemaregistry.v1+json").body(body.to_owned());
    }
    let response = request.send().await.unwrap();
    let content_type = response.headers()["content-type"].to_str().unwrap().to_owned();
    (response.status().as_u16(), content_type, response.json().await.unwrap())
}

/// Exchanges in the shape of Confluent 8: each builds on those before it.
#[tokio::test]
async fn exchanges() {
    let int = json!({"schemaType": "AVRO", "schema": "\"int\"", "guid": INT_GUID});
    let with = |more: Value| {
        let mut body = int.clone();
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        body
    };
    let at = with(json!({"subject": "a/b", "version": 1, "id": 1}));
    let error = |code: i32, message: &str| json!({"error_code": code, "message": message});
    let (get, post, delete) = (Method::GET, Method::POST, Method::DELETE);
    let register = Some(r#"{"schema": "\"int\"", "unknown": 1}"#);
    let long = Some(r#"{"schemaType": "AVRO", "schema": "\"long\"", "references": []}"#);
    let exchanges = [
        (&get, "subjects", None, 200, json!([])),
        (&post, "subjects/a%2Fb/versions?normalize=false", register, 200, with(json!({"version": 1, "id": 1}))),
        (&post, "subjects/a%2Fb/versions", register, 200, with(json!({"version": 1, "id": 1}))),
        (&post, "subjects/a%2Fb?deleted=False", register, 200, at.clone()),
        (&post, "subjects/a%2Fb", long, 404, error(40403, "Schema not found")),
        (&post, "subjects/none", long, 404, error(40401, "Subject 'none' not found.")),
        (&get, "subjects", None, 200, json!(["a/b"])),
        (&get, "subjects/a%2Fb/versions", None, 200, json!([1])),
        (&get, "subjects/none/versions", None, 404, error(40401, "Subject 'none' not found.")),
        (&get, "subjects/a%2Fb/versions/1?deleted=true", None, 200, at.clone()),
        (&get, "subjects/a%2Fb/versions/latest", None, 200, at.clone()),
        (&get, "subjects/a%2Fb/versions/-1", None, 200, at.clone()),
        (&get, "subjects/a%2Fb/versions/2", None, 404, error(40402, "Version 2 not found.")),
        (
            &get,
            "subjects/a%2Fb/versions/zero",
            None,
            422,
            error(
                42202,
                "The specified version 'zero' is not a valid version id. Allowed values are between [1, 2^31-1] and the string \"latest\"",
            ),
        ),
        (&get, "schemas/ids/1?subject=a/b", None, 200, int.clone()),
        (&get, "schemas/ids/2", None, 404, error(40403, "Schema 2 not found")),
        (&get, "schemas/ids/1/versions?deleted=true", None, 200, json!([{"subject": "a/b", "version": 1}])),
        (&get, "schemas/ids/2/versions", None, 404, error(40403, "Schema 2 not found")),
        (&get, &format!("schemas/guids/{INT_GUID}"), None, 200, int.clone()),
        (&get, &format!("schemas/guids/{INT_GUID}/ids"), None, 200, json!([{"context": ".", "id": 1}])),
        (&get, "schemas/guids/x", None, 404, error(40403, "Schema x not found")),
        (&get, "config", None, 200, json!({"compatibilityLevel": "NONE"})),
        (&get, "associations/resources/-/orders?resourceType=topic", None, 404, error(404, "HTTP 404 Not Found")),
        (&delete, "subjects/a%2Fb/versions", None, 405, error(405, "HTTP 405 Method Not Allowed")),
        (&post, "subjects/s/versions", Some("{}"), 422, error(42201, "Empty schema")),
        (
            &post,
            "subjects/s/versions",
            Some(r#"{"schemaType":"THRIFT","schema":"x"}"#),
            422,
            error(42201, "Invalid schema type THRIFT"),
        ),
        (
            &post,
            "subjects/s/versions",
            Some(r#"{"schema":"\"int\"","ruleSet":{"domainRules":[]}}"#),
            422,
            error(42201, "Invalid schema, metadata and ruleSet are not supported by this registry yet"),
        ),
    ];
    let server = Server::start().await;
    for (method, path, body, status, expected) in exchanges {
        let answer = send(&server, method.clone(), path, body).await;
        assert_eq!(answer, (status, "application/vnd.schemaregistry.v1+json".to_owned(), expected), "{method} {path}");
    }
    let (status, _, body) = send(&server, Method::POST, "subjects/s/versions", Some("{")).await;
    assert_eq!((status, &body["error_code"]), (400, &json!(400)));
}

#[tokio::test]
async fn references_are_stored_and_answered() {
    let server = Server::start().await;
    server.register("r", r#"{"type":"enum","name":"R","symbols":["A"]}"#);
    let body = json!({"schema": "\"R\"", "references": [{"name": "R", "subject": "r", "version": 1}]}).to_string();
    let (status, _, answer) = send(&server, Method::POST, "subjects/s/versions", Some(&body)).await;
    assert_eq!((status, &answer["references"]), (200, &json!([{"name": "R", "subject": "r", "version": 1}])));
}

#[tokio::test]
async fn bodies_and_references_are_limited() {
    let server = Server::start().await;
    let text = |length: usize| json!({ "schema": "x".repeat(length) }).to_string();
    drop(server.client());
    let post = reqwest::Client::new().post(server.url.join("subjects/s/versions").unwrap());
    let post = post.header("content-type", "application/vnd.schemaregistry.v1+json").body(text(MAX_BODY_BYTES));
    assert_eq!(post.send().await.unwrap().status(), 413);

    let references = |count: usize| -> Vec<Value> {
        (0..count).map(|n| json!({"name": format!("R{n}"), "subject": format!("r{n}"), "version": 1})).collect()
    };
    for n in 0..=MAX_REFERENCES {
        server.register(&format!("r{n}"), &json!({"type": "fixed", "name": format!("R{n}"), "size": 1}).to_string());
    }
    for (count, expected) in [(MAX_REFERENCES, 200), (MAX_REFERENCES + 1, 422)] {
        let body = json!({"schema": "\"R0\"", "references": references(count)}).to_string();
        let (status, _, answer) = send(&server, Method::POST, "subjects/s/versions", Some(&body)).await;
        assert_eq!(status, expected, "{count} references: {answer}");
    }
}
