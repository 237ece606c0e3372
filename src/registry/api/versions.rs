//! The versions of a subject: lists, single ones, registration, deletion.

use axum::body::Bytes;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::answer::{Json, SchemaAnswer};
use super::error::{Answer, Error};
use super::query::{self, Parameters, Read};
use super::{App, Shared, body, schemas};
use crate::registry::store::{Command, Deleted, Found, Outcome};

/// A subject and a version of it, as they stand in a path.
type Place = Path<(String, String)>;

#[derive(Debug, Serialize)]
struct IdAnswer {
    id: i32,
}

pub(super) async fn list(State(shared): App, Path(subject): Path<String>, query: Parameters) -> Answer<Json<Vec<i32>>> {
    let (store, subject) = (shared.store(), query::subject(&subject));
    let is_marked = query.flag("deletedAsNegative");
    let deleted = if is_marked { Deleted::With } else { query.deleted() };
    let numbers = store.history(&subject, deleted);
    if numbers.is_empty() {
        store.versions(&subject, deleted)?;
    }
    let number = |found: &Found| if is_marked && found.deleted { -found.version.0 } else { found.version.0 };
    query.page(numbers.iter().map(number), query::NAMES).map(Json)
}

pub(super) async fn get(State(shared): App, Path((subject, version)): Place, query: Parameters) -> Answer<Response> {
    let store = shared.store();
    let wanted = query::wanted(&version)?;
    let found = store.version_anywhere(&query::subject(&subject), wanted, query.deleted())?;
    let mut answer = SchemaAnswer::placed(&found, shared.style);
    answer.schema = schemas::rendered(&shared, &found, &query).await?;
    schemas::qualify(&mut answer.references, &found, &query);
    answer.schema_tags = schemas::tags(&shared, &found, &query).await?;
    Ok(Json(answer).into_response())
}

pub(super) async fn text(State(shared): App, Path((subject, version)): Place, query: Parameters) -> Answer<Response> {
    let store = shared.store();
    let wanted = query::wanted(&version)?;
    let found = store.version_anywhere(&query::subject(&subject), wanted, query.deleted())?;
    schemas::text(&shared, &found, &query).await
}

pub(super) async fn referenced_by(
    State(shared): App,
    Path((subject, version)): Place,
    query: Parameters,
) -> Answer<Json<Vec<i32>>> {
    let store = shared.store();
    let wanted = query::wanted(&version)?;
    let found = store.version_anywhere(&query::subject(&subject), wanted, Deleted::With)?;
    let ids = store.referenced_by(&found.subject, found.version, query.deleted());
    query.page(ids.into_iter().map(|id| id.0), query::NAMES).map(Json)
}

pub(super) async fn register(
    State(shared): App,
    Path(subject): Path<String>,
    query: Parameters,
    body: Bytes,
) -> Answer<Response> {
    let draft = body::draft(&body)?;
    let command = Command::Register { subject: query::subject(&subject), draft, normalize: query.flag("normalize") };
    registered(&shared, &command).await
}

pub(super) async fn tag(State(shared): App, Path((subject, version)): Place, body: Bytes) -> Answer<Response> {
    let (subject, wanted) = (query::subject(&subject), query::wanted(&version)?);
    registered(&shared, &Command::Retag { subject, wanted, change: body::retag(&body)? }).await
}

async fn registered(shared: &Shared, command: &Command) -> Answer<Response> {
    let outcome = shared.node.write(command).await;
    match outcome.map_err(|error| Error::from(error).with_incompatible(shared.style.incompatible))? {
        Outcome::Registered(found) if shared.style.has_new_fields => {
            let mut answer = SchemaAnswer::placed(&found, shared.style);
            answer.subject = None;
            Ok(Json(answer).into_response())
        }
        Outcome::Registered(found) => Ok(Json(IdAnswer { id: found.id.0 }).into_response()),
        Outcome::Versions(_) | Outcome::Config(_) | Outcome::Mode(_) | Outcome::Done => Err(Error::no_such_path()),
    }
}

pub(super) async fn delete(State(shared): App, Path((subject, version)): Place, query: Parameters) -> Answer<Response> {
    let wanted = query::wanted(&version)?;
    let command =
        Command::DeleteVersion { subject: query::subject(&subject), wanted, permanent: query.flag("permanent") };
    match shared.node.write(&command).await? {
        Outcome::Versions(versions) => Ok(Json(versions.first().map(|version| version.0)).into_response()),
        Outcome::Registered(_) | Outcome::Config(_) | Outcome::Mode(_) | Outcome::Done => Err(Error::no_such_path()),
    }
}
