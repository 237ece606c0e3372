//! The schemas that records name, from the registry, each asked for once.

use std::collections::HashMap;

use crate::convert::Codec;
use crate::convert::value::Value;
use crate::record::{Header, Part};
use crate::registry::client::{Client, Kind};
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

/// The codecs of the schemas that were met, and what the registry said instead.
#[derive(Debug)]
pub struct Codecs {
    client: Client,
    known: HashMap<SchemaRef, Result<Codec, (&'static str, String)>>,
}

impl Codecs {
    /// Begins without any.
    #[must_use]
    pub fn new(client: Client) -> Self {
        Self { client, known: HashMap::new() }
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
            let codec = match self.client.schema(schema).await {
                Ok(text) => Codec::compile(&text).map_err(|error| ("unusable_schema", error.to_string())),
                Err(error) if error.kind() == Kind::NotFound => Err(("unknown_schema", error.to_string())),
                // It may answer the next time.
                Err(error) => return Err(without("registry", error.to_string())),
            };
            self.known.insert(schema, codec);
        }
        let codec = match self.known.get(&schema) {
            Some(Ok(codec)) => codec,
            Some(Err((reason, detail))) => return Err(without(reason, detail.clone())),
            None => return Err(without("registry", String::new())),
        };
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
