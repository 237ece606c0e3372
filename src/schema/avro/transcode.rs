//! Transcoding: from data of one schema to data of another, by schema resolution, from bytes to bytes.
//!
//! ```text
//!  writer ─┐
//!          ├draw─> Shapes ─compile─> Code ─┬─check::transcode─> bytes of the target
//!  reader ─┘                               └─explain─> path and reason
//! ```
//!
//! It is the check, with one more thing to do: `draw` gives the shapes of the writer in which the target's differences
//! stand as well, the compiler makes instructions of these, and the same walk carries them out while it reads. What is
//! the same on both sides is copied in one piece, however many fields that is, so a good part of the cost is the check's.
//!
//! Nothing is lost in silence. A number is promoted if it keeps its value, bytes become a string if they are UTF-8, a
//! time or decimal becomes none of another unit or scale (`meaning`); what is dropped on purpose, a field that the target
//! lacks and a symbol for which the target has a default, is listed (`losses`). What must hold: a datum that the check
//! refuses is refused, and what is written passes the check under the target's schema.

mod constant;
mod draw;
mod losses;
mod meaning;

use std::fmt;
use std::sync::Arc;

pub use self::losses::{Loss, Lost};
use super::compile::compile_changes;
use super::program::Code;
use super::tree::Tree;
use super::{Mismatch, ReaderSchema, Resolution, Schema, WriterSchema, check, explain, limits, resolve};

/// A resolution of two schemas that converts.
pub struct Transcoder {
    writer: Arc<Code>,
    code: Code,
    copies: bool,
}

/// A schema as it was written, and as it is compiled.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// As it was written.
    pub tree: &'a Tree,
    /// As it is compiled.
    pub schema: &'a Schema,
}

/// Room that conversions use again and again. One per thread will do.
#[derive(Debug, Default)]
pub struct Scratch {
    pub(super) marks: Vec<usize>,
    pub(super) bytes: Vec<u8>,
}

impl Transcoder {
    /// Resolves two schemas; returns what is lost as well, in the writer's order.
    ///
    /// # Errors
    /// Where no datum could be converted, or where a type would change its meaning.
    pub fn between(writer: Side<'_>, reader: Side<'_>) -> Result<(Self, Vec<Loss>), Mismatch> {
        let beyond = || Mismatch { path: String::new(), detail: super::Error::TooManySteps.to_string() };
        let resolution = Resolution::between(WriterSchema(writer.schema), ReaderSchema(reader.schema));
        if let Resolution::Never(mismatch) = resolution.map_err(|_| beyond())? {
            return Err(mismatch);
        }
        let drawn = draw::draw(writer, reader).ok_or_else(beyond)?;
        let readable = drawn.shapes.readable();
        let losses = losses::find(&drawn, &readable)?;
        if !readable[0] {
            let (path, detail) = resolve::first_unreadable(&drawn.shapes, &readable);
            return Err(Mismatch { path, detail });
        }
        let changed = drawn.shapes.changed();
        let copies = !changed[0] && drawn.shapes.all_readable();
        let code = compile_changes(&drawn.shapes, changed, drawn.silent);
        Ok((Self { writer: Arc::clone(&writer.schema.code), code, copies }, losses))
    }

    /// Tells whether every good datum is a datum of the target as it is.
    #[must_use]
    pub fn copies(&self) -> bool {
        self.copies
    }

    /// Converts a datum and appends the target's. Allocates nothing but in `out` and `scratch`; after a no, `out` may
    /// end with a part.
    #[must_use]
    pub fn run(&self, datum: &[u8], scratch: &mut Scratch, out: &mut Vec<u8>) -> bool {
        check::transcode(&self.code, datum, &mut check::NoTrail, check::Target::new(datum, scratch, out)).is_ok()
    }

    /// Says where and why not; `None` exactly where [`run`](Self::run) is true. A datum that breaks its writer schema is
    /// explained by that.
    #[cold]
    #[must_use]
    pub fn explain(&self, datum: &[u8]) -> Option<(String, String)> {
        let found = explain::explain_transcoding(&self.code, datum)?;
        let damage = explain::explain(&self.writer, datum);
        Some(damage.map_or(found, |damage| (damage.path.unwrap_or_default(), damage.detail)))
    }
}

impl fmt::Debug for Transcoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transcoder").field("instructions", &self.code.ops.len()).field("copies", &self.copies).finish()
    }
}

/// The most bytes that may be written for a datum of so many: what promotions make of it, and room for defaults. Without
/// a bound, items of one byte each that lack a default of a megabyte would fill the memory.
pub(super) fn most_bytes(datum: usize) -> usize {
    datum.saturating_mul(8).saturating_add(limits::GROWTH)
}
