//! Why a schema cannot be compiled.
//!
//! Never the record's fault: whoever gets one of these holds the records and raises an
//! alarm, since the schema may be good and the limit or the parser ours.

use super::limits;

/// A schema, or a pair of them, that cannot be compiled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The registry says that it is of another format.
    #[error("schema is of format '{0}', not 'avro'")]
    Format(&'static str),
    /// A text, or all of them together, is too long.
    #[error("schema text has {found} bytes, more than the limit of {limit}")]
    TooLong {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// A name is too long.
    #[error("schema has a name of {found} bytes, more than the limit of {limit}")]
    LongName {
        /// Bytes found.
        found: usize,
        /// Bytes allowed.
        limit: usize,
    },
    /// The text is not JSON, or nests too deep.
    #[error("schema text is not JSON of at most {} levels", limits::TEXT_NESTING)]
    Json(#[source] serde_json::Error),
    /// JSON that is no Avro schema.
    #[error("schema {at}: {problem}")]
    Malformed {
        /// The type or field concerned, such as `record 'shop.Order'`.
        at: String,
        /// What is wrong with it.
        problem: String,
    },
    /// A name that is defined neither in the text nor in its references.
    #[error("schema names the type '{0}', which neither it nor its references define")]
    UnknownType(String),
    /// Two different definitions of one name.
    #[error("schema defines the type '{0}' twice, differently")]
    Redefined(String),
    /// Too many types.
    #[error("schema has more than {limit} {what}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// How many are allowed.
        limit: usize,
    },
    /// Writer and reader schema meet in too many combinations.
    #[error("writer and reader schema take more than {} steps to resolve", limits::RESOLUTION_STEPS)]
    TooManySteps,
}
