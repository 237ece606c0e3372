//! The JSON bodies of the registry's HTTP interface, as Confluent 8 writes them.
//!
//! The client reads them and our own registry writes them. Reading is lax, since older registries leave out
//! `guid`, and `schemaType` when it is AVRO, and newer ones add fields; writing is the shape of 8.x.

use serde::{Deserialize, Serialize};

use crate::schema::{Reference, Subject, Version};

/// The `schemaType` of a body that names none.
pub const DEFAULT_SCHEMA_TYPE: &str = "AVRO";

/// A reference from one schema to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceEntity {
    /// The name by which the text uses it.
    pub name: String,
    /// The subject that holds it.
    pub subject: String,
    /// Its version there.
    pub version: i32,
}

impl From<ReferenceEntity> for Reference {
    fn from(entity: ReferenceEntity) -> Self {
        Self { name: entity.name, subject: Subject(entity.subject.into()), version: Version(entity.version) }
    }
}

impl From<&Reference> for ReferenceEntity {
    fn from(reference: &Reference) -> Self {
        Self { name: reference.name.clone(), subject: reference.subject.0.to_string(), version: reference.version.0 }
    }
}

/// A schema by ID or GUID (Confluent: `SchemaString`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SchemaEntity {
    /// Its language; absent means AVRO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// Its text.
    pub schema: String,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<ReferenceEntity>>,
    /// Its 128-bit name; absent before 8.0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub guid: Option<String>,
}

/// A schema as a version of a subject (Confluent: `Schema`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionEntity {
    /// The subject.
    pub subject: String,
    /// The version there.
    pub version: i32,
    /// The schema's number.
    pub id: i32,
    /// The schema.
    #[serde(flatten)]
    pub schema: SchemaEntity,
}

/// What registering answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisteredEntity {
    /// The schema's number.
    pub id: i32,
    /// The version in the subject.
    pub version: i32,
    /// The schema.
    #[serde(flatten)]
    pub schema: SchemaEntity,
}

/// Where a schema is registered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubjectVersionEntity {
    /// The subject.
    pub subject: String,
    /// The version there.
    pub version: i32,
}

/// The number of a schema in one context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContextIdEntity {
    /// The context; `.` is the default one.
    pub context: String,
    /// The schema's number there.
    pub id: i32,
}

/// What is sent to register or to look up a schema.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterEntity {
    /// Its language; absent means AVRO.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema_type: Option<String>,
    /// Its text.
    #[serde(default)]
    pub schema: String,
    /// What it refers to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub references: Option<Vec<ReferenceEntity>>,
    /// Tags and properties of a data contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<serde_json::Value>,
    /// Rules of a data contract.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule_set: Option<serde_json::Value>,
}

/// The body of every error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorEntity {
    /// The registry's code: the HTTP status, or that times 100 plus a number.
    pub error_code: i32,
    /// For people.
    #[serde(default)]
    pub message: String,
}
