//! Compiles and resolves schemas, off the runtime's threads: a schema may have a megabyte, and the runtime
//! serves health checks too.

use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::Schemas;
use super::error::Error;
use crate::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use crate::schema::table::Reading;
use crate::schema::{Format, SchemaText};

/// A schema, as far as we can use it.
#[derive(Debug, Clone)]
pub(super) enum Known {
    Usable(Arc<Schema>),
    Unusable(Arc<str>),
    OtherFormat(Arc<str>),
}

impl Known {
    /// Tells whether asking again would give the same.
    pub(super) fn stays(&self) -> bool {
        !matches!(self, Self::Unusable(_))
    }
}

impl Schemas {
    /// Compiles a text once, whatever IDs it has.
    pub(super) async fn compile(&self, text: SchemaText) -> Result<Known, Error> {
        if text.format != Format::Avro {
            return Ok(Known::OtherFormat(text.format.name().into()));
        }
        let key = digest(&text);
        let compile = || async move {
            let compiled = tokio::task::spawn_blocking(move || Schema::compile(&text)).await;
            match compiled {
                Ok(Ok(schema)) => Ok(Known::Usable(Arc::new(schema))),
                Ok(Err(error)) => Ok(Known::Unusable(error.to_string().into())),
                Err(_) => Err(Error::Compiler),
            }
        };
        self.compiled.get_or_make(key, compile).await
    }
}

/// Tells how a reader sees a writer's records; the inner error is why that cannot be told.
pub(super) async fn resolve(writer: Arc<Schema>, reader: Arc<Schema>) -> Result<Result<Reading, Arc<str>>, Error> {
    let resolve = move || Resolution::between(WriterSchema(&writer), ReaderSchema(&reader));
    match tokio::task::spawn_blocking(resolve).await {
        Ok(Ok(Resolution::Always)) => Ok(Ok(Reading::Always)),
        Ok(Ok(Resolution::Depends(program))) => Ok(Ok(Reading::Depends(program))),
        Ok(Ok(Resolution::Never(mismatch))) => Ok(Ok(Reading::Never(mismatch))),
        Ok(Err(error)) => Ok(Err(error.to_string().into())),
        Err(_) => Err(Error::Compiler),
    }
}

/// Names a text with everything that it refers to.
fn digest(text: &SchemaText) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in text.references.iter().chain([&text.text]) {
        // The length keeps apart where one text ends and the next begins.
        hash.update(part.len().to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}
