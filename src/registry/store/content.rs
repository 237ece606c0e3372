//! What a schema is, apart from where it is registered: text and references, and the GUID made of them.

use std::sync::Arc;

use md5::{Digest as _, Md5};

use super::Error;
use crate::schema::{Format, Reference, SchemaGuid};

/// A schema without a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Its language.
    pub format: Format,
    /// Its text, in the form in which it is compared.
    pub text: Arc<str>,
    /// What it refers to.
    pub references: Vec<Reference>,
    /// Its 128-bit name.
    pub guid: SchemaGuid,
}

impl Content {
    pub(super) fn new(format: Format, text: Arc<str>, references: Vec<Reference>) -> Self {
        let guid = guid(&text, &references);
        Self { format, text, references, guid }
    }
}

/// Brings a text into the form in which it is compared: JSON without spaces, the order of keys kept.
pub(super) fn canonical(format: Format, text: &str) -> Result<Arc<str>, Error> {
    if text.trim().is_empty() {
        return Err(Error::InvalidSchema("Empty schema".to_owned()));
    }
    match format {
        Format::Protobuf => Ok(text.into()),
        Format::Avro | Format::Json => {
            let json: serde_json::Value = serde_json::from_str(text)
                .map_err(|error| Error::InvalidSchema(format!("Invalid schema, it is not JSON: {error}")))?;
            Ok(json.to_string().into())
        }
    }
}

/// Names text and references as Confluent does (`Schema.updateHash`): MD5, here no more than a name.
fn guid(text: &str, references: &[Reference]) -> SchemaGuid {
    let mut hash = Md5::new();
    hash.update(text);
    for reference in references {
        hash.update(&reference.name);
        hash.update(&*reference.subject.0);
        hash.update(reference.version.0.to_be_bytes());
    }
    SchemaGuid(hash.finalize().into())
}
