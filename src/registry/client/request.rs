//! What can be asked of a registry: one value that is both the path of the URL and the words of a message.

use std::fmt;

use crate::schema::{SchemaGuid, SchemaId, SchemaRef, Subject, Version};

/// One question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Request {
    /// A schema's text.
    Schema(SchemaRef),
    /// The numbers of a GUID, one for each context that has it.
    Ids(SchemaGuid),
    /// The subjects and versions of a schema in a context.
    Versions {
        /// The schema's number.
        id: SchemaId,
        /// The context, unless it is the default one.
        context: Option<String>,
    },
    /// The numbers of all versions of a subject.
    VersionNumbers(Subject),
    /// The numbers of the versions that are not deleted.
    LiveVersionNumbers(Subject),
    /// The newest version of a subject.
    Latest(Subject),
    /// One version of a subject.
    Version(Subject, Version),
    /// What people and pipelines ask and order, and gates never do.
    Other(Box<Ask>),
}

/// A request by its parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// What is asked for, in words.
    pub words: String,
    /// The segments of the path, not yet percent-encoded.
    pub segments: Vec<String>,
    /// The query.
    pub query: Vec<(&'static str, String)>,
}

impl Request {
    /// Returns the segments of the path, not yet percent-encoded.
    pub(super) fn segments(&self) -> Vec<String> {
        let segments = |words: &[&str]| words.iter().map(|&word| word.to_owned()).collect();
        match self {
            Self::Schema(SchemaRef::Id(id)) => segments(&["schemas", "ids", &id.to_string()]),
            Self::Schema(SchemaRef::Guid(guid)) => segments(&["schemas", "guids", &guid.to_string()]),
            Self::Ids(guid) => segments(&["schemas", "guids", &guid.to_string(), "ids"]),
            Self::Versions { id, .. } => segments(&["schemas", "ids", &id.to_string(), "versions"]),
            Self::VersionNumbers(subject) | Self::LiveVersionNumbers(subject) => {
                segments(&["subjects", &subject.0, "versions"])
            }
            Self::Latest(subject) => segments(&["subjects", &subject.0, "versions", "latest"]),
            Self::Version(subject, version) => segments(&["subjects", &subject.0, "versions", &version.to_string()]),
            Self::Other(ask) => ask.segments.clone(),
        }
    }

    /// Returns the query. Soft-deleted versions are asked for: their records are still in the topics.
    pub(super) fn query(&self) -> Vec<(&'static str, String)> {
        let deleted = ("deleted", "true".to_owned());
        match self {
            Self::Schema(_) | Self::Ids(_) | Self::Latest(_) | Self::LiveVersionNumbers(_) => Vec::new(),
            Self::Other(ask) => ask.query.clone(),
            Self::Version(..) | Self::VersionNumbers(_) | Self::Versions { context: None, .. } => vec![deleted],
            Self::Versions { context: Some(context), .. } => vec![deleted, ("subject", format!(":{context}:"))],
        }
    }
}

impl fmt::Display for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Schema(schema) => write!(f, "schema {schema}"),
            Self::Ids(guid) => write!(f, "the IDs of schema {guid}"),
            Self::Versions { id, .. } => write!(f, "the subjects of schema {id}"),
            Self::VersionNumbers(subject) | Self::LiveVersionNumbers(subject) => {
                write!(f, "the versions of subject '{subject}'")
            }
            Self::Latest(subject) => write!(f, "the latest version of subject '{subject}'"),
            Self::Version(subject, version) => write!(f, "version {version} of subject '{subject}'"),
            Self::Other(ask) => f.write_str(&ask.words),
        }
    }
}
