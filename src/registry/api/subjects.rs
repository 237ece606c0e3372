//! Subjects: lists, look-ups by schema and by metadata, deletion.

use std::collections::BTreeMap;

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};

use super::answer::Json;
use super::error::Answer;
use super::query::{self, Parameters, Read};
use super::{App, body, schemas};
use crate::registry::store::{Command, Outcome};

pub(super) async fn list(State(shared): App, query: Parameters) -> Answer<Json<Vec<String>>> {
    let (store, prefix) = (shared.store(), query.prefix(":*:"));
    let mut names: Vec<_> = store.subjects(&prefix, query.deleted()).map(|subject| subject.0.to_string()).collect();
    names.sort_unstable();
    query.page(names.into_iter(), query::NAMES).map(Json)
}

pub(super) async fn lookup(
    State(shared): App,
    Path(subject): Path<String>,
    query: Parameters,
    body: Bytes,
) -> Answer<Response> {
    let (subject, draft) = (query::subject(&subject), body::draft(&body)?);
    let (normalize, deleted) = (query.flag("normalize"), query.deleted());
    let found = shared.node.ask(move |store| store.lookup_anywhere(&subject, &draft, normalize, deleted)).await??;
    schemas::placed(&shared, &found, &query).await
}

pub(super) async fn by_metadata(
    State(shared): App,
    Path(subject): Path<String>,
    query: Parameters,
) -> Answer<Response> {
    let store = shared.store();
    let (keys, values) = (query::all(&query, "key"), query::all(&query, "value"));
    let wanted: BTreeMap<_, _> = keys.into_iter().zip(values).collect();
    let found = store.with_metadata(&query::subject(&subject), &wanted, query.deleted())?;
    schemas::placed(&shared, &found, &query).await
}

pub(super) async fn delete(State(shared): App, Path(subject): Path<String>, query: Parameters) -> Answer<Response> {
    let command = Command::DeleteSubject { subject: query::subject(&subject), permanent: query.flag("permanent") };
    let versions = match shared.node.write(&command).await? {
        Outcome::Versions(versions) => versions.into_iter().map(|version| version.0).collect(),
        Outcome::Registered(_) | Outcome::Config(_) | Outcome::Mode(_) | Outcome::Done => Vec::new(),
    };
    Ok(Json(versions).into_response())
}
