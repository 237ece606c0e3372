//! What a registry may list: beyond that its answer is none, whoever stands behind it.

use axum::http::StatusCode;
use serde_json::json;

use super::by_id;
use crate::registry::client::{Kind, MAX_CONTEXTS, MAX_REGISTRATIONS};
use crate::registry::tests::{Fault, Server};
use crate::schema::{SchemaGuid, SchemaRef};

/// Answers requests whose path has this text.
fn answer(server: &Server, path: &'static str, body: &serde_json::Value) {
    server.fail(path, Fault::Answer(StatusCode::OK, body.to_string().leak()));
}

#[tokio::test]
async fn a_schema_may_be_registered_in_so_many_places() {
    let places =
        |count: usize| (0..count).map(|n| json!({ "subject": format!("s{n}"), "version": 1 })).collect::<Vec<_>>();
    let server = Server::start().await;
    answer(&server, "schemas/ids/1/", &json!(places(MAX_REGISTRATIONS)));
    assert_eq!(server.client().versions(by_id(1)).await.unwrap().len(), MAX_REGISTRATIONS);
    server.heal();
    answer(&server, "schemas/ids/1/", &json!(places(MAX_REGISTRATIONS + 1)));
    let error = server.client().versions(by_id(1)).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unusable);
    assert!(error.to_string().contains("more than 10000 subjects and versions"), "{error}");
}

/// Each context costs a question, and the places of all of them count together.
#[tokio::test]
async fn a_guid_may_stand_for_so_many_contexts() {
    let guid = SchemaRef::Guid(SchemaGuid([7; 16]));
    let contexts =
        |count: usize| (0..count).map(|n| json!({ "context": format!(".c{n}"), "id": 1 })).collect::<Vec<_>>();
    let server = Server::start().await;
    answer(&server, "schemas/guids/", &json!(contexts(MAX_CONTEXTS + 1)));
    let error = server.client().versions(guid).await.unwrap_err();
    assert_eq!(error.kind(), Kind::Unusable);
    assert!(error.to_string().contains("more than 100 contexts"), "{error}");
    assert_eq!(server.requests().len(), 1, "no context is asked for");
    server.heal();
    answer(&server, "schemas/guids/", &json!(contexts(MAX_CONTEXTS)));
    answer(&server, "schemas/ids/", &json!(vec![json!({ "subject": "s", "version": 1 }); 101]));
    let error = server.client().versions(guid).await.unwrap_err();
    assert!(error.to_string().contains("subjects and versions"), "100 contexts of 101 places: {error}");
    assert!(server.requests().len() > 90, "{}", server.requests().len());
}
