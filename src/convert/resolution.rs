//! Schema resolution as a way to convert: the transcoder, for data as they stand in records.
//!
//! A schema that is plain `bytes` is written raw by Confluent's serializers, without Avro's length: here the length comes
//! and goes.

use super::{Codec, Failure, Loss, NoPath, Scratch};
use crate::schema::avro::transcode::{Side, Transcoder};
use crate::schema::avro::varint;

/// A resolution of two schemas.
#[derive(Debug)]
pub(super) struct Resolution {
    transcoder: Transcoder,
    /// Whether the writer's data have no length.
    raw: bool,
    /// Whether the target's data have none.
    to_raw: bool,
}

impl Resolution {
    /// Resolves two schemas; returns what is lost as well.
    pub(super) fn between(writer: &Codec, target: &Codec) -> Result<(Self, Vec<Loss>), NoPath> {
        let (transcoder, losses) = Transcoder::between(side(writer), side(target))
            .map_err(|mismatch| NoPath { path: mismatch.path, detail: mismatch.detail })?;
        Ok((Self { transcoder, raw: writer.schema().is_bytes(), to_raw: target.schema().is_bytes() }, losses))
    }

    /// Tells whether every good datum is a datum of the target as it is.
    pub(super) fn copies(&self) -> bool {
        self.transcoder.copies() && self.raw == self.to_raw
    }

    /// Converts a datum and appends the target's; after a failure, `out` may end with a part.
    pub(super) fn convert(&self, datum: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Failure> {
        match (self.raw, self.to_raw) {
            (false, false) => self.transcode(datum, scratch, out),
            (true, true) => {
                out.extend_from_slice(datum);
                Ok(())
            }
            (true, false) => {
                let mut counted = Vec::with_capacity(datum.len() + 9);
                varint::write(i64::try_from(datum.len()).unwrap_or(i64::MAX), &mut counted);
                counted.extend_from_slice(datum);
                self.transcode(&counted, scratch, out)
            }
            (false, true) => {
                let start = out.len();
                self.transcode(datum, scratch, out)?;
                let length = varint::read(&out[start..], true).map_or(0, |(_, bytes)| bytes);
                out.drain(start..start + length);
                Ok(())
            }
        }
    }

    fn transcode(&self, datum: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Failure> {
        if self.transcoder.run(datum, &mut scratch.transcoder, out) { Ok(()) } else { Err(self.explain(datum)) }
    }

    #[cold]
    fn explain(&self, datum: &[u8]) -> Failure {
        let (path, detail) = self.transcoder.explain(datum).unwrap_or_default();
        Failure { step: "resolution".into(), path, detail }
    }
}

fn side(codec: &Codec) -> Side<'_> {
    Side { tree: codec.tree(), schema: codec.schema() }
}
