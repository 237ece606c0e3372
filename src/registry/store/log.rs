//! The records of Confluent's `_schemas` topic: what each says, and how we write it.
//!
//! Keys are compared byte by byte when Kafka compacts, so their fields have one order and no spaces; values are read by
//! name. Keys that other registries have written in another form mean the same, and are written again in theirs
//! ([`Key`] is the meaning, the record has the bytes). Keys of types that we do not know are kept in the log and passed
//! over.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use super::content::Content;
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::entities::{DEFAULT_SCHEMA_TYPE, ReferenceEntity};
use crate::registry::settings::{Config, Mode};
use crate::schema::{Format, Reference, SchemaGuid, SchemaId, Subject, Version};

/// The one tenant.
const TENANT: &str = "default";

/// One record of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// The key: what the value is about.
    pub key: Vec<u8>,
    /// The value; `None` is a tombstone.
    pub value: Option<Vec<u8>>,
    /// When it was written, in milliseconds since 1970; 0 where nobody says.
    pub timestamp: i64,
}

/// What a record is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Key {
    /// A version of a subject.
    Schema { subject: Subject, version: Version },
    /// The configuration of a scope.
    Config(Option<Subject>),
    /// The mode of a scope.
    Mode(Option<Subject>),
    /// A soft deletion of a subject.
    DeleteSubject(Subject),
    /// The end of what is soft-deleted in a scope.
    ClearSubject(Subject),
    /// A context that has been used.
    Context(String),
    /// A record that leaders write to see the end of the log; ours remembers the highest IDs in it.
    Noop,
}

/// What a record changes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    /// A version of a subject is there.
    Put { subject: Subject, version: Version, id: SchemaId, content: Content, deleted: bool },
    /// A version of a subject is there in a language that we do not know.
    Unknown { subject: Subject, version: Version, id: SchemaId },
    /// A version of a subject is gone for good.
    Remove { subject: Subject, version: Version },
    /// All versions of a subject up to this one are soft-deleted.
    DeleteUpTo { subject: Subject, version: Version },
    /// What is soft-deleted in a scope is gone for good.
    Clear(Subject),
    /// The configuration of a scope; `None` where it has none any more.
    Config(Option<Subject>, Option<Config>),
    /// The mode of a scope.
    Mode(Option<Subject>, Option<Mode>),
    /// A context has been used, or is gone.
    Context(String, bool),
    /// The highest IDs that were given, by context.
    Highest(BTreeMap<String, i32>),
    /// Something that this store does not keep.
    Nothing,
}

/// A key of any type, as it is read.
#[derive(Deserialize)]
struct AnyKey {
    keytype: String,
    subject: Option<String>,
    version: Option<i32>,
    context: Option<String>,
}

/// The keys as they are written: the order of the fields is that of the bytes.
#[derive(Serialize)]
#[serde(untagged)]
enum WrittenKey<'a> {
    Schema {
        keytype: &'static str,
        subject: &'a str,
        version: i32,
        magic: u8,
    },
    OfScope {
        keytype: &'static str,
        #[serde(skip_serializing_if = "Option::is_none")]
        subject: Option<&'a str>,
        magic: u8,
    },
    Context {
        keytype: &'static str,
        tenant: &'static str,
        context: &'a str,
        magic: u8,
    },
}

impl Key {
    /// Reads a key; `None` is one of a type that we do not know.
    pub(super) fn read(bytes: &[u8]) -> Result<Option<Self>, serde_json::Error> {
        let AnyKey { keytype, subject, version, context } = serde_json::from_slice(bytes)?;
        // Names of subjects may come with the default context, and without.
        let subject = subject.map(|name| super::names::normalised(&name));
        Ok(match (keytype.as_str(), subject) {
            ("SCHEMA", Some(subject)) => version.map(|version| Self::Schema { subject, version: Version(version) }),
            ("CONFIG", subject) => Some(Self::Config(subject.filter(|subject| !subject.0.is_empty()))),
            ("MODE", subject) => Some(Self::Mode(subject.filter(|subject| !subject.0.is_empty()))),
            ("DELETE_SUBJECT", Some(subject)) => Some(Self::DeleteSubject(subject)),
            ("CLEAR_SUBJECT", Some(subject)) => Some(Self::ClearSubject(subject)),
            ("CONTEXT", _) => context.map(Self::Context),
            ("NOOP", _) => Some(Self::Noop),
            _ => None,
        })
    }

    /// Writes the key as Confluent does.
    pub(super) fn bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        let of_scope = |keytype, subject| WrittenKey::OfScope { keytype, subject, magic: 0 };
        let name = |subject: &'_ Option<Subject>| subject.as_ref().map(|subject| subject.0.to_string());
        serde_json::to_vec(&match self {
            Self::Schema { subject, version } => {
                WrittenKey::Schema { keytype: "SCHEMA", subject: &subject.0, version: version.0, magic: 1 }
            }
            Self::Config(subject) => return serde_json::to_vec(&of_scope("CONFIG", name(subject).as_deref())),
            Self::Mode(subject) => return serde_json::to_vec(&of_scope("MODE", name(subject).as_deref())),
            Self::DeleteSubject(subject) => of_scope("DELETE_SUBJECT", Some(&subject.0)),
            Self::ClearSubject(subject) => of_scope("CLEAR_SUBJECT", Some(&subject.0)),
            Self::Context(context) => WrittenKey::Context { keytype: "CONTEXT", tenant: TENANT, context, magic: 0 },
            Self::Noop => of_scope("NOOP", None),
        })
    }
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct SchemaValue {
    subject: String,
    version: i32,
    id: i32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    md5: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    schema_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    references: Option<Vec<ReferenceEntity>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    metadata: Option<Metadata>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    rule_set: Option<RuleSet>,
    schema: String,
    #[serde(default)]
    deleted: bool,
}

#[derive(Serialize, Deserialize)]
struct DeleteSubjectValue {
    subject: String,
    version: i32,
}

#[derive(Serialize)]
struct SubjectValue<'a> {
    subject: &'a str,
}

#[derive(Serialize)]
struct ConfigValue<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(flatten)]
    config: &'a Config,
}

#[derive(Serialize)]
struct ModeValue<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    mode: Mode,
}

#[derive(Deserialize)]
struct AnyMode {
    mode: String,
}

#[derive(Serialize)]
struct ContextValue<'a> {
    tenant: &'static str,
    context: &'a str,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct NoopValue {
    #[serde(default)]
    highest_ids: BTreeMap<String, i32>,
}

impl Change {
    /// Reads what a record changes.
    pub(super) fn read(key: Key, value: Option<&[u8]>) -> Result<Self, serde_json::Error> {
        // Karapace deletes with an empty value.
        let value = value.filter(|value| !value.is_empty());
        Ok(match (key, value) {
            (Key::Schema { subject, version }, None) => Self::Remove { subject, version },
            (Key::Schema { subject, version }, Some(value)) => put(subject, version, value)?,
            (Key::Config(scope), value) => Self::Config(scope, value.map(serde_json::from_slice).transpose()?),
            (Key::Mode(scope), value) => {
                let mode: Option<AnyMode> = value.map(serde_json::from_slice).transpose()?;
                Self::Mode(scope, mode.and_then(|value| Mode::from_name(&value.mode)))
            }
            (Key::DeleteSubject(subject), Some(value)) => {
                let value: DeleteSubjectValue = serde_json::from_slice(value)?;
                Self::DeleteUpTo { subject, version: Version(value.version) }
            }
            (Key::ClearSubject(subject), Some(_)) => Self::Clear(subject),
            (Key::Context(context), value) => Self::Context(context, value.is_some()),
            (Key::Noop, Some(value)) => Self::Highest(serde_json::from_slice::<NoopValue>(value)?.highest_ids),
            (Key::DeleteSubject(_) | Key::ClearSubject(_) | Key::Noop, None) => Self::Nothing,
        })
    }

    /// Writes the record that makes the change.
    pub(super) fn write(&self) -> Result<(Key, Option<Vec<u8>>), serde_json::Error> {
        let name = |scope: &'_ Option<Subject>| scope.as_ref().map(|scope| scope.0.to_string());
        Ok(match self {
            Self::Put { subject, version, id, content, deleted } => {
                let value = SchemaValue::of(subject, *version, *id, content, *deleted);
                let key = Key::Schema { subject: subject.clone(), version: *version };
                (key, Some(serde_json::to_vec(&value)?))
            }
            Self::Remove { subject, version } => (Key::Schema { subject: subject.clone(), version: *version }, None),
            Self::DeleteUpTo { subject, version } => {
                let value = DeleteSubjectValue { subject: subject.0.to_string(), version: version.0 };
                (Key::DeleteSubject(subject.clone()), Some(serde_json::to_vec(&value)?))
            }
            Self::Clear(subject) => {
                let value = SubjectValue { subject: &subject.0 };
                (Key::ClearSubject(subject.clone()), Some(serde_json::to_vec(&value)?))
            }
            Self::Config(scope, config) => {
                let subject = name(scope);
                let value = |config| serde_json::to_vec(&ConfigValue { subject: subject.as_deref(), config });
                (Key::Config(scope.clone()), config.as_ref().map(value).transpose()?)
            }
            Self::Mode(scope, mode) => {
                let subject = name(scope);
                let value = |mode| serde_json::to_vec(&ModeValue { subject: subject.as_deref(), mode });
                (Key::Mode(scope.clone()), mode.map(value).transpose()?)
            }
            Self::Context(context, is_there) => {
                let value = is_there.then(|| serde_json::to_vec(&ContextValue { tenant: TENANT, context }));
                (Key::Context(context.clone()), value.transpose()?)
            }
            Self::Highest(highest_ids) => {
                let value = NoopValue { highest_ids: highest_ids.clone() };
                (Key::Noop, Some(serde_json::to_vec(&value)?))
            }
            Self::Unknown { .. } | Self::Nothing => (Key::Noop, None),
        })
    }
}

impl SchemaValue {
    fn of(subject: &Subject, version: Version, id: SchemaId, content: &Content, deleted: bool) -> Self {
        let references: Vec<_> = content.references.iter().map(ReferenceEntity::from).collect();
        Self {
            subject: subject.0.to_string(),
            version: version.0,
            id: id.0,
            md5: Some(STANDARD.encode(content.guid.0)),
            schema_type: Some(content.format.schema_type().to_owned()),
            references: (!references.is_empty()).then_some(references),
            metadata: content.metadata.clone(),
            rule_set: content.rule_set.clone(),
            schema: content.text.to_string(),
            deleted,
        }
    }
}

fn put(subject: Subject, version: Version, value: &[u8]) -> Result<Change, serde_json::Error> {
    let value: SchemaValue = serde_json::from_slice(value)?;
    let schema_type = value.schema_type.as_deref().unwrap_or(DEFAULT_SCHEMA_TYPE);
    let id = SchemaId(value.id);
    let Some(format) = Format::from_schema_type(schema_type) else {
        return Ok(Change::Unknown { subject, version, id });
    };
    let references: Vec<Reference> = value.references.unwrap_or_default().into_iter().map(Reference::from).collect();
    let mut content = Content::new(format, value.schema.into(), references, value.metadata, value.rule_set);
    // What was given out under one name keeps it, should we count otherwise.
    if let Some(guid) = value.md5.and_then(|md5| STANDARD.decode(md5).ok()?.try_into().ok()) {
        content.guid = SchemaGuid(guid);
    }
    Ok(Change::Put { subject, version, id, content, deleted: value.deleted })
}

/// Returns the ID in the value of a schema that cannot be read otherwise.
pub(super) fn id_in(value: &[u8]) -> Option<SchemaId> {
    #[derive(Deserialize)]
    struct AnyValue {
        id: i32,
    }
    serde_json::from_slice(value).ok().map(|AnyValue { id }| SchemaId(id))
}
