//! The state of a registry: what its log says, and what registering would add to the log.
//!
//! PURE. The log is the truth: [`Store::apply`] takes one record after the other and is the only way in which
//! the state changes; [`Store::register`] decides and returns the records to append, so that whoever owns the
//! log appends first and applies what was read back. Records are those of Confluent's `_schemas` topic.
//!
//! IDs count from 1 in each context and are never given twice while the process lives; the same content has the
//! same ID under every subject of its context. A subject `:.ctx:name` is in context `.ctx`, all others in `.`.
//! Compatibility is not checked here.

mod content;
mod context;
mod log;
mod strict;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use content::Content;
pub use log::LogRecord;
#[cfg(test)]
pub(crate) use strict::MAX_REFERENCES;

use self::context::{Context, Stored};
use self::log::Change;
use crate::schema::{Format, Reference, SchemaGuid, SchemaId, Subject, Version};

/// The context of subjects that name none.
pub const DEFAULT_CONTEXT: &str = ".";
/// Names that Confluent keeps for itself.
const RESERVED_SUBJECTS: [&str; 2] = ["__GLOBAL", "__EMPTY"];

/// Why a question has no answer, or a record no effect. The words of the first group are Confluent's, for clients.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// No such subject, or all its versions are deleted.
    #[error("Subject '{0}' not found.")]
    SubjectNotFound(Subject),
    /// The subject lacks this version.
    #[error("Version {0} not found.")]
    VersionNotFound(Version),
    /// No schema of this ID or GUID.
    #[error("Schema {0} not found")]
    SchemaNotFound(String),
    /// The subject has no version with this content.
    #[error("Schema not found")]
    ContentNotFound,
    /// The text is no schema, or it refers to what is not there.
    #[error("{0}")]
    InvalidSchema(String),
    /// The name cannot be a subject.
    #[error("The specified subject '{0}' is not a valid.")]
    InvalidSubject(String),
    /// A record of the log cannot be read.
    #[error("the log record is not the JSON of a registry: {0}")]
    LogRecord(serde_json::Error),
    /// A record of the log gives an ID a second meaning.
    #[error(
        "the log record gives ID {id} of context '{context}' to another schema, registered as version {version} of subject '{subject}'"
    )]
    IdTaken {
        /// The ID.
        id: SchemaId,
        /// Its context.
        context: String,
        /// The subject of the record.
        subject: Subject,
        /// Its version.
        version: Version,
    },
}

/// A schema to be registered or looked up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The subject.
    pub subject: Subject,
    /// The language.
    pub format: Format,
    /// The text.
    pub text: String,
    /// What it refers to.
    pub references: Vec<Reference>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The subject.
    pub subject: Subject,
    /// The version.
    pub version: Version,
    /// The schema's ID.
    pub id: SchemaId,
    /// The schema.
    pub content: Arc<Content>,
}

/// What registering comes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What to append to the log; nothing where the subject has the schema already.
    pub records: Vec<LogRecord>,
    /// The version as it is once these are applied.
    pub found: Found,
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest that is not deleted.
    Latest,
    /// This one.
    Version(Version),
}

/// The state of a registry.
#[derive(Debug, Default)]
pub struct Store {
    contexts: BTreeMap<String, Context>,
}

impl Store {
    /// Takes one record of the log.
    ///
    /// # Errors
    /// [`Error::LogRecord`] and [`Error::IdTaken`]; the state stays as it was, and the next record can be taken.
    pub fn apply(&mut self, record: &LogRecord) -> Result<(), Error> {
        match record.change()? {
            Change::Nothing => Ok(()),
            Change::Put { subject, version, id, content, deleted } => {
                let name = context_of(&subject);
                let context = self.contexts.entry(name.to_owned()).or_default();
                if context.contents.get(&id).is_some_and(|known| known.text != content.text) {
                    return Err(Error::IdTaken { id, context: name.to_owned(), subject, version });
                }
                context.put(subject, version, Stored { id, deleted }, content);
                Ok(())
            }
            Change::Remove { subject, version } => {
                if let Some(context) = self.contexts.get_mut(context_of(&subject)) {
                    context.remove(&subject, version);
                }
                Ok(())
            }
            Change::DeleteUpTo { subject, version } => {
                let context = self.contexts.get_mut(context_of(&subject));
                let versions = context.and_then(|context| context.subjects.get_mut(&subject));
                for (_, stored) in versions.into_iter().flat_map(|versions| versions.range_mut(..=version)) {
                    stored.deleted = true;
                }
                Ok(())
            }
        }
    }

    /// Decides what registering a schema adds to the log; changes nothing.
    ///
    /// # Errors
    /// [`Error::InvalidSubject`] and [`Error::InvalidSchema`].
    pub fn register(&self, draft: &Draft) -> Result<Registration, Error> {
        let subject = &draft.subject;
        if subject.0.is_empty() || subject.0.chars().any(char::is_control) || RESERVED_SUBJECTS.contains(&&*subject.0) {
            return Err(Error::InvalidSubject(subject.0.to_string()));
        }
        let content = self.content(draft)?;
        let context = self.contexts.get(context_of(subject));
        if let Some(found) = context.and_then(|context| context.find(subject, content.guid)) {
            return Ok(Registration { records: Vec::new(), found });
        }
        if content.format == Format::Avro {
            strict::check(self, &content)?;
        }
        let version = context.map_or(1, |context| context.next_version(subject));
        let id = context.map_or(SchemaId(1), |context| context.id_for(content.guid));
        let mut records = Vec::new();
        if context.is_none() && context_of(subject) != DEFAULT_CONTEXT {
            records.push(LogRecord::context(context_of(subject)).map_err(Error::LogRecord)?);
        }
        let version = Version(version);
        records.push(LogRecord::schema(subject, version, id, &content).map_err(Error::LogRecord)?);
        let found = Found { subject: subject.clone(), version, id, content: Arc::new(content) };
        Ok(Registration { records, found })
    }

    /// Finds a schema in its subject.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::ContentNotFound`], [`Error::InvalidSchema`].
    pub fn lookup(&self, draft: &Draft) -> Result<Found, Error> {
        self.live(&draft.subject)?;
        let content = self.content(draft)?;
        let context = self.contexts.get(context_of(&draft.subject));
        context.and_then(|context| context.find(&draft.subject, content.guid)).ok_or(Error::ContentNotFound)
    }

    /// Finds a schema by ID; soft-deleted ones are still there.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn by_id(&self, context: &str, id: SchemaId) -> Result<&Content, Error> {
        let content = self.contexts.get(context).and_then(|context| context.contents.get(&id));
        content.map(Arc::as_ref).ok_or_else(|| Error::SchemaNotFound(id.to_string()))
    }

    /// Finds a schema by GUID, in any context.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn by_guid(&self, guid: SchemaGuid) -> Result<&Content, Error> {
        let (context, id) = *self.ids(guid)?.first().ok_or_else(|| Error::SchemaNotFound(guid.to_string()))?;
        self.by_id(context, id)
    }

    /// Lists the IDs of a GUID with their contexts; at least one.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn ids(&self, guid: SchemaGuid) -> Result<Vec<(&str, SchemaId)>, Error> {
        let id_in = |(name, context): (_, &Context)| Some((name, *context.ids.get(&guid)?));
        let ids: Vec<_> =
            self.contexts.iter().map(|(name, context)| (name.as_str(), context)).filter_map(id_in).collect();
        if ids.is_empty() { Err(Error::SchemaNotFound(guid.to_string())) } else { Ok(ids) }
    }

    /// Lists where a schema is registered, by subject and version.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn places(&self, context: &str, id: SchemaId, deleted: bool) -> Result<Vec<(&Subject, Version)>, Error> {
        self.by_id(context, id)?;
        let subjects = self.contexts.get(context).into_iter().flat_map(|context| &context.subjects);
        let versions = subjects.flat_map(|(subject, versions)| versions.iter().map(move |entry| (subject, entry)));
        Ok(versions
            .filter(|(_, (_, stored))| stored.id == id && (deleted || !stored.deleted))
            .map(|(subject, (version, _))| (subject, *version))
            .collect())
    }

    /// Lists the subjects of all contexts.
    pub fn subjects(&self, deleted: bool) -> impl Iterator<Item = &Subject> {
        let subjects = self.contexts.values().flat_map(|context| &context.subjects);
        subjects
            .filter(move |(_, versions)| versions.values().any(|stored| deleted || !stored.deleted))
            .map(|(subject, _)| subject)
    }

    /// Lists the versions of a subject, oldest first.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`].
    pub fn versions(&self, subject: &Subject, deleted: bool) -> Result<Vec<Version>, Error> {
        let versions = if deleted { self.all(subject)? } else { self.live(subject)? };
        Ok(versions.iter().filter(|(_, stored)| deleted || !stored.deleted).map(|(version, _)| *version).collect())
    }

    /// Finds a version of a subject.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] and [`Error::VersionNotFound`].
    pub fn version(&self, subject: &Subject, wanted: Wanted, deleted: bool) -> Result<Found, Error> {
        let version = match wanted {
            Wanted::Version(version) => version,
            Wanted::Latest => {
                let live = self.versions(subject, false)?;
                *live.last().ok_or_else(|| Error::SubjectNotFound(subject.clone()))?
            }
        };
        let versions = if deleted { self.all(subject)? } else { self.live(subject)? };
        let stored = versions.get(&version).filter(|stored| deleted || !stored.deleted);
        let stored = stored.ok_or(Error::VersionNotFound(version))?;
        let content = self.contexts.get(context_of(subject)).and_then(|context| context.contents.get(&stored.id));
        let content = Arc::clone(content.ok_or_else(|| Error::SchemaNotFound(stored.id.to_string()))?);
        Ok(Found { subject: subject.clone(), version, id: stored.id, content })
    }

    /// Brings a draft into the form in which schemas are compared.
    fn content(&self, draft: &Draft) -> Result<Content, Error> {
        let text = content::canonical(draft.format, &draft.text)?;
        let references = draft.references.iter().map(|reference| self.resolve(reference)).collect::<Result<_, _>>()?;
        Ok(Content::new(draft.format, text, references))
    }

    /// Checks that a reference leads to a schema; version -1 becomes the latest.
    fn resolve(&self, reference: &Reference) -> Result<Reference, Error> {
        let (wanted, deleted) = match reference.version {
            Version(-1) => (Wanted::Latest, false),
            version => (Wanted::Version(version), true),
        };
        let found = self.version(&reference.subject, wanted, deleted).map_err(|error| {
            let Reference { name, subject, version } = reference;
            Error::InvalidSchema(format!("Invalid schema, its reference '{name}' to version {version} of subject '{subject}' leads nowhere: {error}"))
        })?;
        Ok(Reference { version: found.version, ..reference.clone() })
    }

    fn all(&self, subject: &Subject) -> Result<&BTreeMap<Version, Stored>, Error> {
        let versions = self.contexts.get(context_of(subject)).and_then(|context| context.subjects.get(subject));
        versions.ok_or_else(|| Error::SubjectNotFound(subject.clone()))
    }

    fn live(&self, subject: &Subject) -> Result<&BTreeMap<Version, Stored>, Error> {
        let versions = self.all(subject)?;
        let live = versions.values().any(|stored| !stored.deleted);
        live.then_some(versions).ok_or_else(|| Error::SubjectNotFound(subject.clone()))
    }
}

/// Returns the context that a subject's name says it is in.
#[must_use]
pub fn context_of(subject: &Subject) -> &str {
    let qualified = subject.0.strip_prefix(':').and_then(|rest| rest.split_once(':'));
    qualified.map(|(context, _)| context).filter(|context| context.starts_with('.')).unwrap_or(DEFAULT_CONTEXT)
}

#[cfg(test)]
mod tests;
