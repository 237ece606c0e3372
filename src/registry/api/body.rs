//! The bodies of requests. Properties that we do not know are passed over, as Confluent's clients expect.

use std::collections::BTreeSet;

use axum::body::Bytes;
use axum::http::StatusCode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::error::{Answer, Error};
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity};
use crate::registry::store::{Draft, Retag};
use crate::schema::avro::tree::{Tagged, Tags};
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
    schema_tags_to_add: Option<Vec<TagsBody>>,
    schema_tags_to_remove: Option<Vec<TagsBody>>,
    propagate_schema_tags: Option<bool>,
}

/// Tags of a record or a field (Confluent: `SchemaTags`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct TagsBody {
    schema_entity: EntityBody,
    #[serde(default)]
    tags: BTreeSet<String>,
}

/// A record or a field (Confluent: `SchemaEntity`).
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct EntityBody {
    entity_path: String,
    entity_type: EntityType,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
enum EntityType {
    #[serde(rename = "sr_record", alias = "SR_RECORD")]
    Record,
    #[serde(rename = "sr_field", alias = "SR_FIELD")]
    Field,
}

/// Tags and rules to be changed in a new version (Confluent: `TagSchemaRequest`).
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct TagBody {
    new_version: Option<i32>,
    tags_to_add: Option<Vec<TagsBody>>,
    tags_to_remove: Option<Vec<TagsBody>>,
    metadata: Option<Metadata>,
    rule_set: Option<RuleSet>,
    rules_to_merge: Option<RuleSet>,
    rules_to_remove: Option<Vec<String>>,
}

impl From<TagsBody> for Tags {
    fn from(body: TagsBody) -> Self {
        let EntityBody { entity_path: path, entity_type } = body.schema_entity;
        let of = match entity_type {
            EntityType::Record => Tagged::Record,
            EntityType::Field => Tagged::Field,
        };
        Self { of, path, tags: body.tags }
    }
}

impl From<Tags> for TagsBody {
    fn from(Tags { of, path, tags }: Tags) -> Self {
        let entity_type = match of {
            Tagged::Record => EntityType::Record,
            Tagged::Field => EntityType::Field,
        };
        Self { schema_entity: EntityBody { entity_path: path, entity_type }, tags }
    }
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
    let (to_add, to_remove) = (tags(body.schema_tags_to_add), tags(body.schema_tags_to_remove));
    Ok(Draft {
        format: Some(format),
        text: body.schema.unwrap_or_default(),
        references: body.references.unwrap_or_default().into_iter().map(Reference::from).collect(),
        metadata: body.metadata,
        rule_set: body.rule_set,
        // Clients send what they have: nothing is asked for by a number that is none.
        id: body.id.filter(|id| *id >= 0).map(SchemaId),
        // Whoever changes tags wants a new version.
        version: version(body.version.or((!to_add.is_empty() || !to_remove.is_empty()).then_some(-1))),
        tags_to_add: to_add,
        tags_to_remove: to_remove,
        keeps_tags: body.propagate_schema_tags.unwrap_or(false),
    })
}

/// Reads what is to be changed in a version.
pub(super) fn retag(body: &Bytes) -> Answer<Retag> {
    let body: TagBody = read(body)?;
    Ok(Retag {
        version: version(body.new_version),
        tags_to_add: tags(body.tags_to_add),
        tags_to_remove: tags(body.tags_to_remove),
        metadata: body.metadata,
        rule_set: body.rule_set,
        rules_to_merge: body.rules_to_merge,
        rules_to_remove: body.rules_to_remove,
    })
}

/// Reads a version: 0 is none, and what is below is the next one, whichever that is.
fn version(number: Option<i32>) -> Option<Version> {
    number.filter(|number| *number != 0).map(|number| Version(number.max(-1)))
}

fn tags(bodies: Option<Vec<TagsBody>>) -> Vec<Tags> {
    bodies.unwrap_or_default().into_iter().map(Tags::from).collect()
}
