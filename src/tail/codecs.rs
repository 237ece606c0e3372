//! The schemas that records name, from the registry, each asked for once.

use std::collections::HashMap;

use super::asking::{Asking, Patience};
use crate::config::Registry;
use crate::convert::Codec;
use crate::convert::value::Value;
use crate::record::{Header, Part};
use crate::registry::client::{Client, Error};
use crate::schema::SchemaRef;
use crate::wire::{self, WireFormat, WireFormats};

/// Why a part could not be decoded: a reason code or another word, the field, and one line without a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Undecoded {
    /// The schema that the part names, if it names one.
    pub schema: Option<SchemaRef>,
    /// The reason.
    pub reason: String,
    /// The field.
    pub path: Option<String>,
    /// What is wrong.
    pub detail: String,
}

/// The codecs of the schemas that were met.
#[derive(Debug)]
pub struct Codecs {
    asking: Asking,
    known: HashMap<SchemaRef, Codec>,
}

impl Codecs {
    /// Begins without any.
    ///
    /// # Errors
    /// As [`Client::new`].
    pub fn new(registry: &Registry, patience: Patience) -> Result<Self, Error> {
        let asking = Asking::new(Client::new(registry)?, patience, registry.refresh);
        Ok(Self { asking, known: HashMap::new() })
    }

    /// Returns why the reading cannot go on, if that is so: the registry did not answer.
    pub fn failure(&mut self) -> Option<Error> {
        self.asking.failure()
    }

    /// Returns what is to be told of the registry and was not told yet.
    pub fn news(&mut self) -> Vec<String> {
        self.asking.news()
    }

    /// Decodes a part; the registry is asked where it names a schema for the first time.
    ///
    /// # Errors
    /// The part names no schema, the registry does not have it or does not answer, or the datum is none of it.
    pub async fn decode(
        &mut self,
        (part, bytes): (Part, &[u8]),
        headers: &[Header<'_>],
    ) -> Result<(SchemaRef, Value, &Codec), Undecoded> {
        let framed =
            wire::parse(part, bytes, headers, WireFormats::from_iter(WireFormat::ALL)).map_err(|violation| {
                Undecoded {
                    schema: None,
                    reason: violation.code.name().to_owned(),
                    path: None,
                    detail: violation.detail,
                }
            })?;
        let schema = framed.schema;
        let without = |reason: &str, detail: String| Undecoded {
            schema: Some(schema),
            reason: reason.to_owned(),
            path: None,
            detail,
        };
        if !self.known.contains_key(&schema) {
            let codec = self.asking.codec(schema).await.map_err(|(reason, detail)| without(reason, detail))?;
            self.known.insert(schema, codec);
        }
        let Some(codec) = self.known.get(&schema) else { return Err(without("registry", String::new())) };
        match codec.decode(framed.datum) {
            Ok(value) => Ok((schema, value, codec)),
            Err(mistake) => {
                let violation = codec.schema().explain(framed.datum);
                let reason = violation.map_or("undecodable", |violation| violation.code.name());
                let path = Some(mistake.path).filter(|path| !path.is_empty());
                Err(Undecoded { path, ..without(reason, mistake.detail) })
            }
        }
    }
}
