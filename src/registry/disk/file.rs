//! One file of the cache: its name, its JSON, its checksum.
//!
//! The checksum is over the content's JSON without spaces, so that a file may be indented for people. It finds what a
//! disk or an editor has damaged. It is no signature: who can write the folder can change what a gate believes, which
//! is why the folder is its owner's alone.

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::registry::client::{Registered, Registration, VersionRules};
use crate::registry::contract::RuleSet;
use crate::schema::{Format, SchemaGuid, SchemaId, SchemaRef, SchemaText, Subject, Version};

/// The form of the files; a file of another one is passed over.
const FORM: u32 = 1;
/// How much of a subject a file's name shows; its hash tells subjects apart.
const SUBJECT_SHOWN: usize = 80;
/// What the name of a file begins with.
const PREFIXES: [&str; 4] = ["schema-", "subjects-", "target-", "rules-"];

/// What a file is about.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Key {
    /// A schema.
    Schema(SchemaRef),
    /// Where a schema is registered.
    Subjects(SchemaRef),
    /// A version of a subject that is a target; `None` is the latest.
    Target(Subject, Option<Version>),
    /// The rules of the versions of a subject from one to another.
    Rules(Subject, (Version, Version)),
}

/// What a file says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Content {
    /// A schema.
    Schema {
        /// Its number or GUID.
        schema: String,
        /// It.
        #[serde(flatten)]
        text: Text,
    },
    /// Where a schema is registered.
    Subjects {
        /// Its number or GUID.
        schema: String,
        /// The subjects and versions.
        registrations: Vec<Place>,
    },
    /// A version of a subject that is a target.
    Target {
        /// The subject.
        subject: String,
        /// `latest`, or the version.
        wanted: String,
        /// The version found.
        version: i32,
        /// The schema's number.
        id: i32,
        /// The schema's GUID, where the registry has one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        guid: Option<String>,
        /// The schema.
        #[serde(flatten)]
        text: Text,
    },
    /// The rules of the versions of a subject from one to another.
    Rules {
        /// The subject.
        subject: String,
        /// The first version and the last.
        range: (i32, i32),
        /// Each version that there is, with its rules if it has any.
        versions: Vec<(i32, Option<RuleSet>)>,
    },
    /// The registry that a folder belongs to.
    Registry {
        /// Its addresses.
        urls: Vec<String>,
    },
}

/// A schema with what it refers to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text {
    /// The registry's `schemaType`.
    schema_type: String,
    /// The text.
    text: String,
    /// The texts of its references, in the order of compiling.
    references: Vec<String>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The subject.
    subject: String,
    /// The version.
    version: i32,
}

#[derive(Serialize, Deserialize)]
struct Envelope<T> {
    sluice_cache: u32,
    sha256: String,
    content: T,
}

impl Key {
    /// Returns the name of the file.
    #[must_use]
    pub fn file_name(&self) -> String {
        match self {
            Self::Schema(schema) => format!("schema-{schema}.json"),
            Self::Subjects(schema) => format!("subjects-{schema}.json"),
            Self::Target(subject, wanted) => {
                format!("target-{}-{}.json", subject_name(subject), wanted_name(*wanted))
            }
            Self::Rules(subject, (from, to)) => format!("rules-{}-{from}-{to}.json", subject_name(subject)),
        }
    }

    /// Tells whether a content is what this key stands for: files can be copied and renamed.
    fn fits(&self, content: &Content) -> bool {
        match (self, content) {
            (Self::Schema(key), Content::Schema { schema, .. })
            | (Self::Subjects(key), Content::Subjects { schema, .. }) => key.to_string() == *schema,
            (Self::Target(key, version), Content::Target { subject, wanted, .. }) => {
                *key.0 == **subject && wanted_name(*version) == *wanted
            }
            (Self::Rules(key, (from, to)), Content::Rules { subject, range, .. }) => {
                *key.0 == **subject && (from.0, to.0) == *range
            }
            _ => false,
        }
    }
}

impl Content {
    /// Makes the content of a schema.
    #[must_use]
    pub fn schema(schema: SchemaRef, text: &SchemaText) -> Self {
        Self::Schema { schema: schema.to_string(), text: text.into() }
    }

    /// Makes the content of a list of subjects.
    #[must_use]
    pub fn subjects(schema: SchemaRef, registrations: &[Registration]) -> Self {
        let place = |found: &Registration| Place { subject: found.subject.to_string(), version: found.version.0 };
        Self::Subjects { schema: schema.to_string(), registrations: registrations.iter().map(place).collect() }
    }

    /// Makes the content of a target.
    #[must_use]
    pub fn target(subject: &Subject, wanted: Option<Version>, found: &Registered) -> Self {
        let (version, id, text) = (found.version.0, found.id.0, (&found.text).into());
        let guid = found.guid.map(|guid| guid.to_string());
        Self::Target { subject: subject.to_string(), wanted: wanted_name(wanted), version, id, guid, text }
    }

    /// Makes the content of the rules of some versions.
    #[must_use]
    pub fn rules(subject: &Subject, (from, to): (Version, Version), versions: &[VersionRules]) -> Self {
        let versions = versions.iter().map(|(version, rules)| (version.0, rules.clone())).collect();
        Self::Rules { subject: subject.to_string(), range: (from.0, to.0), versions }
    }

    /// Returns the rules that a file of rules says.
    #[must_use]
    pub fn into_rules(self) -> Option<Vec<VersionRules>> {
        let Self::Rules { versions, .. } = self else { return None };
        Some(versions.into_iter().map(|(version, rules)| (Version(version), rules)).collect())
    }

    /// Returns the schema that a file of a schema says.
    #[must_use]
    pub fn into_schema(self) -> Option<SchemaText> {
        if let Self::Schema { text, .. } = self { text.into_text() } else { None }
    }

    /// Returns the list that a file of subjects says.
    #[must_use]
    pub fn into_subjects(self) -> Option<Vec<Registration>> {
        let Self::Subjects { registrations, .. } = self else { return None };
        let registration =
            |place: Place| Registration { subject: Subject(place.subject.into()), version: Version(place.version) };
        Some(registrations.into_iter().map(registration).collect())
    }

    /// Returns the version that a file of a target says.
    #[must_use]
    pub fn into_target(self) -> Option<Registered> {
        let Self::Target { version, id, guid, text, .. } = self else { return None };
        let guid = guid.as_deref().and_then(SchemaGuid::parse);
        Some(Registered { version: Version(version), id: SchemaId(id), guid, text: text.into_text()? })
    }
}

impl From<&SchemaText> for Text {
    fn from(text: &SchemaText) -> Self {
        Self {
            schema_type: text.format.schema_type().to_owned(),
            text: text.text.to_string(),
            references: text.references.iter().map(ToString::to_string).collect(),
        }
    }
}

impl Text {
    fn into_text(self) -> Option<SchemaText> {
        let format = Format::from_schema_type(&self.schema_type)?;
        let references = self.references.into_iter().map(Into::into).collect();
        Some(SchemaText { format, text: self.text.into(), references })
    }
}

/// Writes a file.
pub(super) fn encode(content: &Content) -> serde_json::Result<Vec<u8>> {
    let sha256 = checksum(&serde_json::to_vec(content)?);
    let mut bytes = serde_json::to_vec_pretty(&Envelope { sluice_cache: FORM, sha256, content })?;
    bytes.push(b'\n');
    Ok(bytes)
}

/// Reads a file of this key; the error says why it is passed over.
pub(super) fn decode(bytes: &[u8], key: &Key) -> Result<Content, String> {
    let content = decode_any(bytes)?;
    if key.fits(&content) { Ok(content) } else { Err("it is about something else than its name says".to_owned()) }
}

/// Reads a file of any kind.
pub(super) fn decode_any(bytes: &[u8]) -> Result<Content, String> {
    let envelope: Envelope<serde_json::Value> =
        serde_json::from_slice(bytes).map_err(|error| format!("it is damaged, or no file of the cache: {error}"))?;
    if envelope.sluice_cache != FORM {
        return Err(format!("it has form {}, and this version reads form {FORM}", envelope.sluice_cache));
    }
    let found = serde_json::to_vec(&envelope.content).map(|content| checksum(&content));
    if found.ok() != Some(envelope.sha256) {
        return Err("its checksum is not that of its content".to_owned());
    }
    serde_json::from_value(envelope.content).map_err(|error| format!("its content cannot be read: {error}"))
}

/// Tells whether a file's name is one that the cache gives.
pub(super) fn is_ours(name: &str) -> bool {
    name.ends_with(".json") && PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Writes a text as part of a file's name.
pub(super) fn shown(text: &str, limit: usize) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '_' };
    text.chars().take(limit).map(plain).collect()
}

/// Tells texts apart that show alike.
pub(super) fn short_hash(text: &str) -> String {
    checksum(text.as_bytes())[..12].to_owned()
}

fn subject_name(subject: &Subject) -> String {
    format!("{}-{}", shown(&subject.0, SUBJECT_SHOWN), short_hash(&subject.0))
}

fn wanted_name(version: Option<Version>) -> String {
    version.map_or_else(|| "latest".to_owned(), |version| version.to_string())
}

fn checksum(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
