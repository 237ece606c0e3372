//! Contexts, and what a registry says of itself.

use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::App;
use super::answer::Json;
use super::error::Answer;
use super::query::{self, Parameters, Read};
use crate::registry::store::Command;

pub(super) async fn list(State(shared): App, query: Parameters) -> Answer<Json<Vec<String>>> {
    let store = shared.store();
    let prefix = query.text("contextPrefix").unwrap_or_default();
    let names = store.contexts().filter(|name| name.starts_with(prefix)).map(str::to_owned);
    query.page(names, query::NAMES).map(Json)
}

pub(super) async fn delete(State(shared): App, Path(name): Path<String>) -> Answer<StatusCode> {
    let command = Command::DeleteContext { name: query::context(&name)? };
    shared.node.write(&command).await?;
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn root() -> Json<Value> {
    Json(json!({}))
}

pub(super) async fn cluster(State(shared): App) -> Json<Value> {
    let clusters =
        json!({ "kafka-cluster": shared.node.kafka_cluster(), "schema-registry-cluster": "schema-registry" });
    Json(json!({ "id": "", "scope": { "path": [], "clusters": clusters } }))
}

pub(super) async fn version() -> Json<Value> {
    Json(json!({ "version": env!("CARGO_PKG_VERSION"), "commitId": "" }))
}

pub(super) async fn deployment() -> Json<Value> {
    Json(json!({ "attributes": [] }))
}
