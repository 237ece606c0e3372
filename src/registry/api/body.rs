//! The bodies of requests. Properties that we do not know are passed over, as Confluent's clients expect.

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::{Answer, Error};
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity};
use crate::registry::store::Draft;
use crate::schema::{Format, Reference, SchemaId, Version};

/// A schema to be registered, looked up or compared (Confluent: `RegisterSchemaRequest`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaBody {
    schema: Option<String>,
    schema_type: Option<String>,
    references: Option<Vec<ReferenceEntity>>,
    metadata: Option<Metadata>,
    rule_set: Option<RuleSet>,
    id: Option<i32>,
    version: Option<i32>,
}

/// A mode to be set.
#[derive(Debug, Deserialize)]
pub(super) struct ModeBody {
    #[serde(default)]
    pub(super) mode: String,
}

/// Reads a body.
pub(super) fn read<T: DeserializeOwned>(body: &Bytes) -> Answer<T> {
    let is_null = body.trim_ascii().is_empty() || body.trim_ascii() == b"null";
    if is_null {
        return Err(Error::http(StatusCode::UNPROCESSABLE_ENTITY, "the request's body must not be null"));
    }
    serde_json::from_slice(body).map_err(|error| Error::http(StatusCode::BAD_REQUEST, error.to_string()))
}

/// Reads a schema.
pub(super) fn draft(body: &Bytes) -> Answer<Draft> {
    let body: SchemaBody = read(body)?;
    let name = body.schema_type.as_deref().filter(|name| !name.is_empty()).unwrap_or(DEFAULT_SCHEMA_TYPE);
    let format = Format::from_schema_type(name).ok_or_else(|| Error::schema_type(name))?;
    Ok(Draft {
        format: Some(format),
        text: body.schema.unwrap_or_default(),
        references: body.references.unwrap_or_default().into_iter().map(Reference::from).collect(),
        metadata: body.metadata,
        rule_set: body.rule_set,
        // Clients send what they have: nothing is asked for by a number that is none.
        id: body.id.filter(|id| *id >= 0).map(SchemaId),
        version: body.version.filter(|version| *version > 0).map(Version),
    })
}
