//! Whether a schema goes with those that are registered; nothing is written.

use axum::body::Bytes;
use axum::extract::{Path, State};
use serde::Serialize;

use super::answer::Json;
use super::error::Answer;
use super::query::{self, Parameters, Read};
use super::{App, Shared, body};
use crate::registry::store::{Error, Wanted};

#[derive(Debug, Serialize)]
pub(super) struct Verdict {
    is_compatible: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    messages: Option<Vec<String>>,
}

pub(super) async fn beside_one(
    State(shared): App,
    Path((subject, version)): Path<(String, String)>,
    query: Parameters,
    body: Bytes,
) -> Answer<Json<Verdict>> {
    verdict(&shared, &subject, Some(query::wanted(&version)?), &query, &body).await
}

pub(super) async fn beside_all(
    State(shared): App,
    Path(subject): Path<String>,
    query: Parameters,
    body: Bytes,
) -> Answer<Json<Verdict>> {
    verdict(&shared, &subject, None, &query, &body).await
}

async fn verdict(
    shared: &Shared,
    subject: &str,
    beside: Option<Wanted>,
    query: &Parameters,
    body: &Bytes,
) -> Answer<Json<Verdict>> {
    let (draft, is_verbose) = (body::draft(body)?, query.flag("verbose"));
    let (subject, normalize) = (query::subject(subject), query.flag("normalize"));
    let asked = shared.node.ask(move |store| store.compatibility(&subject, &draft, normalize, beside));
    let messages = match asked.await? {
        Ok(messages) => messages,
        Err(error @ Error::InvalidSchema(_)) if is_verbose => vec![error.to_string()],
        Err(error) => return Err(error.into()),
    };
    Ok(Json(Verdict { is_compatible: messages.is_empty(), messages: is_verbose.then_some(messages) }))
}
