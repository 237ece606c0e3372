//! `POST /gates/{name}/resume`: lets a gate go on that its dead-letter limit holds.
//!
//! The one request here that changes something; who may send it is the guard's business.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State as Shared};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use serde_json::json;

use super::http::{State, refusal};

/// Answers with how many pipelines go on; the pipelines do so within a turn of their loops.
pub(super) async fn resume(Shared(state): Shared<Arc<State>>, Path(gate): Path<String>) -> Response {
    match state.health.resume(&gate) {
        None => refusal(StatusCode::NOT_FOUND, "no such gate in this process"),
        Some(0) => refusal(StatusCode::CONFLICT, "the gate is not held by its dead-letter limit in this process"),
        Some(pipelines) => Json(json!({ "gate": gate, "resumed_pipelines": pipelines })).into_response(),
    }
}

/// Answers other methods.
pub(super) async fn post_only() -> Response {
    refusal(StatusCode::METHOD_NOT_ALLOWED, "this path takes POST only")
}
