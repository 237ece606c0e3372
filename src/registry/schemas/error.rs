//! Why there is no answer about a schema yet. All of it is transient: the caller holds and asks again.

use std::sync::Arc;
use std::time::Duration;

use crate::registry::client;
use crate::schema::{SchemaRef, Subject};

/// There is no answer yet.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The registry or the way to it is at fault.
    #[error(transparent)]
    Registry(Arc<client::Error>),
    /// The registry does not know the schema, or not under the subject, and the grace time is not over.
    #[error("{}; a producer may register it just now, asked again in {} ms", missing(*schema, subject.as_ref()), retry_after.as_millis())]
    NotYet {
        /// The schema.
        schema: SchemaRef,
        /// The subject in which it is missing; `None`: the registry does not know it at all.
        subject: Option<Subject>,
        /// When to ask again.
        retry_after: Duration,
    },
    /// The registry has another schema under an ID that is known.
    #[error("the registry has another schema under ID {0} than before; see the alarm in the log")]
    Changed(SchemaRef),
    /// The target cannot be had: the configuration names what the registry lacks, or what we cannot compile.
    #[error("{0}")]
    Target(Arc<str>),
    /// Compiling died; the schema may be at fault, or we.
    #[error("the schema's compiler stopped; please report the schema")]
    Compiler,
}

impl From<Arc<client::Error>> for Error {
    fn from(error: Arc<client::Error>) -> Self {
        Self::Registry(error)
    }
}

fn missing(schema: SchemaRef, subject: Option<&Subject>) -> String {
    match subject {
        Some(subject) => format!("schema {schema} is not registered under subject '{subject}'"),
        None => format!("schema {schema} is not in the registry"),
    }
}
