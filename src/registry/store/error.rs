//! Why a registry refuses: each reason with its code and its words, which are Confluent's, for clients know them.

use crate::registry::contract;
use crate::schema::{SchemaId, Subject, Version};

/// Why a question has no answer, a command no effect, or a record of the log cannot be taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
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
    /// The subject is soft-deleted already.
    #[error("Subject '{0}' was soft deleted.Set permanent=true to delete permanently")]
    SubjectSoftDeleted(Subject),
    /// The subject is to go for good, and is not soft-deleted yet.
    #[error("Subject '{0}' was not deleted first before being permanently deleted")]
    SubjectNotSoftDeleted(Subject),
    /// The version is soft-deleted already.
    #[error("Subject '{0}' Version {1} was soft deleted.Set permanent=true to delete permanently")]
    VersionSoftDeleted(Subject, Version),
    /// The version is to go for good, and is not soft-deleted yet.
    #[error("Subject '{0}' Version {1} was not deleted first before being permanently deleted")]
    VersionNotSoftDeleted(Subject, Version),
    /// The subject has no configuration of its own.
    #[error("Subject '{0}' does not have subject-level compatibility configured")]
    NoConfig(Subject),
    /// The subject has no mode of its own.
    #[error("Subject '{0}' does not have subject-level mode configured")]
    NoMode(Subject),
    /// Readers and writers of the versions would not understand each other.
    #[error("Schema being registered is incompatible with an earlier schema for subject \"{subject}\", details: [{}]", messages.join(", "))]
    Incompatible {
        /// The subject.
        subject: Subject,
        /// What keeps them from it.
        messages: Vec<String>,
    },
    /// The text is no schema, or it refers to what is not there.
    #[error("{0}")]
    InvalidSchema(String),
    /// A word that is no compatibility level.
    #[error(
        "Invalid compatibility level. Valid values are none, backward, forward, full, backward_transitive, forward_transitive, and full_transitive"
    )]
    InvalidCompatibility,
    /// A word that is no mode.
    #[error("Invalid mode. Valid values are READWRITE, READONLY, IMPORT and FORWARD.")]
    InvalidMode,
    /// The mode does not allow it.
    #[error("{0}")]
    NotPermitted(String),
    /// The schema is there, under another ID than the one that it must have.
    #[error("Schema already registered with id {found} instead of input id {given}")]
    IdMismatch {
        /// The ID that it has.
        found: SchemaId,
        /// The ID that it was to have.
        given: SchemaId,
    },
    /// Other schemas refer to it.
    #[error(
        "One or more references exist to the schema {{magic=1,keytype=SCHEMA,subject={subject},version={version}}}."
    )]
    Referenced {
        /// Its subject.
        subject: Subject,
        /// Its version.
        version: Version,
    },
    /// The name cannot be a subject.
    #[error("The specified subject '{0}' is not a valid.")]
    InvalidSubject(String),
    /// The schema is too large.
    #[error("Schema is too large: {found} bytes, and the limit is {limit}")]
    TooLarge {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A rule is at fault.
    #[error("{0}")]
    InvalidRules(contract::Error),
    /// The context has subjects.
    #[error("The specified context '{0}' is not empty.")]
    ContextNotEmpty(String),
    /// A record of the log cannot be read.
    #[error("the log record is not the JSON of a registry: {0}")]
    LogRecord(String),
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
    /// No IDs or versions are left.
    #[error("no {0} are left")]
    Exhausted(&'static str),
}

impl Error {
    /// Returns Confluent's code. Its first three digits are the status of HTTP.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::SubjectNotFound(_) => 40401,
            Self::VersionNotFound(_) => 40402,
            Self::SchemaNotFound(_) | Self::ContentNotFound => 40403,
            Self::SubjectSoftDeleted(_) => 40404,
            Self::SubjectNotSoftDeleted(_) => 40405,
            Self::VersionSoftDeleted(..) => 40406,
            Self::VersionNotSoftDeleted(..) => 40407,
            Self::NoConfig(_) => 40408,
            Self::NoMode(_) => 40409,
            Self::Incompatible { .. } => 409,
            Self::InvalidSchema(_) => 42201,
            Self::InvalidCompatibility => 42203,
            Self::InvalidMode => 42204,
            Self::NotPermitted(_) => 42205,
            Self::Referenced { .. } => 42206,
            Self::IdMismatch { .. } => 42207,
            Self::InvalidSubject(_) => 42208,
            Self::TooLarge { .. } => 42209,
            Self::InvalidRules(_) => 42210,
            Self::ContextNotEmpty(_) => 42211,
            Self::LogRecord(_) | Self::IdTaken { .. } | Self::Exhausted(_) => 50001,
        }
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Self::LogRecord(error.to_string())
    }
}
