//! The HTTP face of the store, as Confluent 8 speaks: the registry inside `sluice demo`, and the stub of the tests.
//!
//! It has what serializers and gates ask for: register, look up, schemas by ID and GUID, versions. What it does not
//! keep it refuses (data contracts), and what it does not know is a JSON 404, on which newer clients fall back. State
//! lives in memory: records that registering yields are applied at once instead of going through a log.
//! Compatibility is not checked, and `/config` says so.

mod error;

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde::Serialize;

use self::error::Error;
use super::entities::{
    ContextIdEntity, DEFAULT_SCHEMA_TYPE, ReferenceEntity, RegisterEntity, RegisteredEntity, SchemaEntity,
    SubjectVersionEntity, VersionEntity,
};
use super::store::names::Prefix;
use super::store::{self, Command, Content, Deleted, Draft, Found, Outcome, Store, Wanted};
use crate::schema::{Format, Reference, SchemaGuid, SchemaId, Subject, Version};

/// The largest body: twice the largest schema text, since JSON within JSON is escaped.
pub const MAX_BODY_BYTES: usize = 2 << 20;

/// The content type of every answer.
const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";

/// The state that all requests share.
pub type SharedStore = Arc<RwLock<Store>>;

type Answer<T> = Result<Json<T>, Error>;
type Parameters = Query<HashMap<String, String>>;

/// Makes the routes of a registry over this store.
pub fn router(store: SharedStore) -> Router {
    Router::new()
        .route("/schemas/ids/{id}", get(schema_by_id))
        .route("/schemas/ids/{id}/versions", get(places_of_id))
        .route("/schemas/guids/{guid}", get(schema_by_guid))
        .route("/schemas/guids/{guid}/ids", get(ids_of_guid))
        .route("/subjects", get(subjects))
        .route("/subjects/{subject}", post(lookup))
        .route("/subjects/{subject}/versions", get(versions).post(register))
        .route("/subjects/{subject}/versions/{version}", get(version))
        .route("/config", get(config))
        .fallback(async || Error::no_such_path())
        .method_not_allowed_fallback(async || {
            Error::http(StatusCode::METHOD_NOT_ALLOWED, "HTTP 405 Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(store)
}

async fn schema_by_id(
    State(store): State<SharedStore>,
    Path(id): Path<String>,
    query: Parameters,
) -> Answer<SchemaEntity> {
    let store = read(&store);
    Ok(Json(schema_entity(&store.by_id(subject_of(&query), schema_id(&id)?)?.content)))
}

async fn places_of_id(
    State(store): State<SharedStore>,
    Path(id): Path<String>,
    query: Parameters,
) -> Answer<Vec<SubjectVersionEntity>> {
    let store = read(&store);
    let places = store.places(subject_of(&query), schema_id(&id)?, deleted(&query))?;
    let entity = |(subject, version): (Subject, Version)| SubjectVersionEntity {
        subject: subject.0.to_string(),
        version: version.0,
    };
    Ok(Json(places.into_iter().map(entity).collect()))
}

async fn schema_by_guid(State(store): State<SharedStore>, Path(guid): Path<String>) -> Answer<SchemaEntity> {
    let store = read(&store);
    let content = store.by_guid(schema_guid(&guid)?)?;
    Ok(Json(schema_entity(&content)))
}

async fn ids_of_guid(State(store): State<SharedStore>, Path(guid): Path<String>) -> Answer<Vec<ContextIdEntity>> {
    let store = read(&store);
    let ids = store.ids(schema_guid(&guid)?)?;
    let entity = |(context, id): (&str, SchemaId)| ContextIdEntity { context: context.to_owned(), id: id.0 };
    Ok(Json(ids.into_iter().map(entity).collect()))
}

async fn subjects(State(store): State<SharedStore>, query: Parameters) -> Json<Vec<String>> {
    let prefix = Prefix::new(query.get("subjectPrefix").map_or(":*:", String::as_str));
    Json(read(&store).subjects(&prefix, deleted(&query)).map(|subject| subject.0.to_string()).collect())
}

async fn versions(
    State(store): State<SharedStore>,
    Path(subject): Path<String>,
    query: Parameters,
) -> Answer<Vec<i32>> {
    let versions = read(&store).versions(&Subject(subject.into()), deleted(&query))?;
    Ok(Json(versions.into_iter().map(|version| version.0).collect()))
}

async fn version(
    State(store): State<SharedStore>,
    Path((subject, version)): Path<(String, String)>,
    query: Parameters,
) -> Answer<VersionEntity> {
    let wanted = wanted(&version)?;
    Ok(Json(version_entity(&read(&store).version(&Subject(subject.into()), wanted, deleted(&query))?)))
}

async fn lookup(State(store): State<SharedStore>, Path(subject): Path<String>, body: Bytes) -> Answer<VersionEntity> {
    let draft = draft(&body)?;
    Ok(Json(version_entity(&read(&store).lookup(&Subject(subject.into()), &draft, false, Deleted::Without)?)))
}

async fn register(
    State(store): State<SharedStore>,
    Path(subject): Path<String>,
    body: Bytes,
) -> Answer<RegisteredEntity> {
    let command = Command::Register { subject: Subject(subject.into()), draft: draft(&body)?, normalize: false };
    let mut store = store.write().unwrap_or_else(PoisonError::into_inner);
    let decision = store.decide(&command)?;
    for record in &decision.records {
        store.apply(record)?;
    }
    let Outcome::Registered(found) = decision.outcome else { return Err(Error::no_such_path()) };
    let VersionEntity { version, id, schema, .. } = version_entity(&found);
    Ok(Json(RegisteredEntity { version, id, schema }))
}

async fn config() -> Json<serde_json::Value> {
    Json(serde_json::json!({ "compatibilityLevel": "NONE" }))
}

fn read(store: &SharedStore) -> RwLockReadGuard<'_, Store> {
    store.read().unwrap_or_else(PoisonError::into_inner)
}

fn draft(body: &[u8]) -> Result<Draft, Error> {
    let entity: RegisterEntity =
        serde_json::from_slice(body).map_err(|error| Error::http(StatusCode::BAD_REQUEST, error.to_string()))?;
    if entity.metadata.is_some() || entity.rule_set.is_some() {
        return Err(Error::unsupported(
            "Invalid schema, metadata and ruleSet are not supported by this registry yet".into(),
        ));
    }
    let schema_type = entity.schema_type.as_deref().unwrap_or(DEFAULT_SCHEMA_TYPE);
    let Some(format) = Format::from_schema_type(schema_type) else {
        return Err(Error::unsupported(format!("Invalid schema type {schema_type}")));
    };
    let references = entity.references.unwrap_or_default().into_iter().map(Reference::from).collect();
    Ok(Draft { format: Some(format), text: entity.schema, references, ..Draft::default() })
}

fn schema_id(text: &str) -> Result<SchemaId, Error> {
    // Confluent answers a path that is no number as one that does not exist.
    text.parse().map(SchemaId).map_err(|_| Error::no_such_path())
}

fn schema_guid(text: &str) -> Result<SchemaGuid, Error> {
    let digits = text.replace('-', "");
    let well_formed = digits.len() == 32 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    match u128::from_str_radix(&digits, 16) {
        Ok(guid) if well_formed => Ok(SchemaGuid(guid.to_be_bytes())),
        Ok(_) | Err(_) => Err(store::Error::SchemaNotFound(text.to_owned()).into()),
    }
}

/// Reads a version as Confluent does: `latest` in any case, -1 for the same, or a number from 1 up.
fn wanted(text: &str) -> Result<Wanted, Error> {
    if text.eq_ignore_ascii_case("latest") {
        return Ok(Wanted::Latest);
    }
    match text.parse() {
        Ok(-1) => Ok(Wanted::Latest),
        Ok(version) if version > 0 => Ok(Wanted::Version(Version(version))),
        Ok(_) | Err(_) => Err(Error::version(text)),
    }
}

fn deleted(query: &Parameters) -> Deleted {
    let is_asked = query.get("deleted").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if is_asked { Deleted::With } else { Deleted::Without }
}

/// Returns the subject in whose context an ID is meant.
fn subject_of(query: &Parameters) -> Option<&str> {
    query.get("subject").map(String::as_str)
}

fn schema_entity(content: &Content) -> SchemaEntity {
    let references: Vec<_> = content.references.iter().map(ReferenceEntity::from).collect();
    SchemaEntity {
        schema_type: Some(content.format.schema_type().to_owned()),
        schema: content.text.to_string(),
        references: (!references.is_empty()).then_some(references),
        guid: Some(content.guid.to_string()),
    }
}

fn version_entity(found: &Found) -> VersionEntity {
    VersionEntity {
        subject: found.subject.0.to_string(),
        version: found.version.0,
        id: found.id.0,
        schema: schema_entity(&found.content),
    }
}

/// A JSON body with the registry's content type.
#[derive(Debug)]
struct Json<T>(T);

impl<T: Serialize> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        match serde_json::to_vec(&self.0) {
            Ok(body) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
            Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        }
    }
}

#[cfg(test)]
mod tests;
