//! The records of Confluent's `_schemas` topic, as far as they carry schemas.
//!
//! Keys are compared byte by byte when Kafka compacts, so their fields have one order and no spaces; values are
//! read by name. Keys of other types, and fields that we do not know, are passed over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::Error;
use super::content::Content;
use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity};
use crate::schema::{Format, Reference, SchemaGuid, SchemaId, Subject, Version};

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The key: what the value is about.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
}

/// What a record changes.
#[derive(Debug)]
pub(super) enum Change {
    /// A version of a subject is there.
    Put { subject: Subject, version: Version, id: SchemaId, content: Content, deleted: bool },
    /// A version of a subject is gone for good.
    Remove { subject: Subject, version: Version },
    /// All versions of a subject up to this one are soft-deleted.
    DeleteUpTo { subject: Subject, version: Version },
    /// Something that this store does not keep.
    Nothing,
}

/// A key of any type.
#[derive(Deserialize)]
struct AnyKey {
    keytype: String,
    subject: Option<String>,
    version: Option<i32>,
}

/// The key of a schema. The order of the fields is the order of the bytes.
#[derive(Serialize)]
struct SchemaKey<'a> {
    keytype: &'static str,
    subject: &'a str,
    version: i32,
    magic: u8,
}

/// The key of a context, and with the first and last field left out its value.
#[derive(Serialize)]
struct ContextKey<'a> {
    keytype: &'static str,
    tenant: &'static str,
    context: &'a str,
    magic: u8,
}

#[derive(Serialize)]
struct ContextValue<'a> {
    tenant: &'static str,
    context: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaValue {
    subject: String,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default)]
    schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    references: Option<Vec<ReferenceEntity>>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

#[derive(Deserialize)]
struct DeleteSubjectValue {
    version: i32,
}

impl LogRecord {
    /// Writes a version of a subject.
    pub(super) fn schema(
        subject: &Subject,
        version: Version,
        id: SchemaId,
        content: &Content,
    ) -> Result<Self, serde_json::Error> {
        let key = SchemaKey { keytype: "SCHEMA", subject: &subject.0, version: version.0, magic: 1 };
        let references: Vec<_> = content.references.iter().map(ReferenceEntity::from).collect();
        let value = SchemaValue {
            subject: subject.0.to_string(),
            version: version.0,
            id: id.0,
            md5: Some(STANDARD.encode(content.guid.0)),
            schema_type: Some(content.format.schema_type().to_owned()),
            references: (!references.is_empty()).then_some(references),
            schema: content.text.to_string(),
            deleted: false,
        };
        Ok(Self { key: serde_json::to_vec(&key)?, value: Some(serde_json::to_vec(&value)?) })
    }

    /// Writes the first use of a context.
    pub(super) fn context(context: &str) -> Result<Self, serde_json::Error> {
        let key = ContextKey { keytype: "CONTEXT", tenant: "default", context, magic: 0 };
        let value = ContextValue { tenant: "default", context };
        Ok(Self { key: serde_json::to_vec(&key)?, value: Some(serde_json::to_vec(&value)?) })
    }

    /// Reads what the record changes.
    pub(super) fn change(&self) -> Result<Change, Error> {
        let key: AnyKey = serde_json::from_slice(&self.key).map_err(Error::LogRecord)?;
        // Karapace deletes with an empty value.
        let value = self.value.as_deref().filter(|value| !value.is_empty());
        let subject = key.subject.map(|subject| Subject(subject.into()));
        Ok(match (key.keytype.as_str(), subject, key.version.map(Version), value) {
            ("SCHEMA", Some(subject), Some(version), None) => Change::Remove { subject, version },
            ("SCHEMA", Some(subject), Some(version), Some(value)) => put(subject, version, value)?,
            ("DELETE_SUBJECT", Some(subject), _, Some(value)) => {
                let value: DeleteSubjectValue = serde_json::from_slice(value).map_err(Error::LogRecord)?;
                Change::DeleteUpTo { subject, version: Version(value.version) }
            }
            _ => Change::Nothing,
        })
    }
}

fn put(subject: Subject, version: Version, value: &[u8]) -> Result<Change, Error> {
    let value: SchemaValue = serde_json::from_slice(value).map_err(Error::LogRecord)?;
    let schema_type = value.schema_type.as_deref().unwrap_or(DEFAULT_SCHEMA_TYPE);
    let Some(format) = Format::from_schema_type(schema_type) else { return Ok(Change::Nothing) };
    let references: Vec<Reference> = value.references.unwrap_or_default().into_iter().map(Reference::from).collect();
    let mut content = Content::new(format, value.schema.into(), references);
    // The hash of a data contract covers its metadata and rules, which this store does not keep.
    if let Some(guid) = value.md5.and_then(|md5| STANDARD.decode(md5).ok()?.try_into().ok()) {
        content.guid = SchemaGuid(guid);
    }
    Ok(Change::Put { subject, version, id: SchemaId(value.id), content, deleted: value.deleted })
}
