//! Schema resolution: from the writer's bytes to the target's, without a value in between.

use super::{Codec, Failure, Loss, NoPath, Scratch};

/// A resolution of two schemas.
#[derive(Debug)]
pub(super) struct Resolution {
    writer: std::sync::Arc<str>,
}

impl Resolution {
    pub(super) fn between(writer: &Codec, target: &Codec) -> Result<(Self, Vec<Loss>), NoPath> {
        let text = |codec: &Codec| codec.tree().normalized().resolved().unwrap_or_default();
        if text(writer) == text(target) {
            return Ok((Self { writer: text(writer).into() }, Vec::new()));
        }
        Err(NoPath { path: String::new(), detail: "the schemas differ".into() })
    }

    pub(super) fn copies(&self) -> bool {
        !self.writer.is_empty()
    }

    pub(super) fn convert(&self, datum: &[u8], _: &mut Scratch, out: &mut Vec<u8>) -> Result<(), Failure> {
        out.extend_from_slice(datum);
        Ok(())
    }
}
