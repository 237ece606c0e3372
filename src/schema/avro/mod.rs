//! Avro: schemas compiled once, data checked without building values.
//!
//! ```text
//!  SchemaText ─read─> Tree ─> Types ─┐
//!                                    ├resolve─> Shapes ─compile─> Code ─┬─check───> bool
//!  (reader)   ─read─> Tree ─> Types ─┘                                  └─explain─> Violation
//! ```
//!
//! `tree` reads schema text as leniently as Java does what is stored; `resolve` draws what a datum must
//! look like and where a reader cannot follow, by the rules of the specification;
//! `compile` makes that a `program`, a flat list of instructions; `check` walks it over borrowed bytes
//! and answers yes or no, and `explain` makes the same walk again to say why not. Logical
//! types are checked as their base types; `transcode` is the same walk, which writes data of another schema as it goes. Schemas and data are both untrusted: `limits`
//! bounds what either may cost.
//!
//! What must hold: [`Schema::check`] and [`Program::check`] allocate nothing, never
//! panic, and refuse exactly what `explain` explains.

#![expect(clippy::wildcard_enum_match_arm, reason = "a rule of the specification names the few types that it concerns")]

mod check;
pub mod compatibility;
mod compile;
mod default;
pub mod difference;
mod error;
mod explain;
mod json;
pub mod limits;
pub mod lint;
mod pointer;
mod program;
mod resolve;
mod shape;
pub mod transcode;
pub mod tree;
mod types;
pub(crate) mod varint;

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

pub use error::Error;

use self::program::Code;
use self::tree::Tree;
use self::types::{Type, Types};
use super::{Format, SchemaText};
use crate::violation::Violation;

/// A schema, parsed and compiled once.
pub struct Schema {
    types: Types,
    code: Arc<Code>,
}

/// The schema that data is written with.
#[derive(Debug, Clone, Copy)]
pub struct WriterSchema<'a>(pub &'a Schema);

/// The schema that readers read with: the target.
#[derive(Debug, Clone, Copy)]
pub struct ReaderSchema<'a>(pub &'a Schema);

/// How readers of one schema see data written with another.
#[derive(Debug)]
pub enum Resolution {
    /// They can read all of it.
    Always,
    /// It depends on the datum; the program checks writer and reader in one pass.
    Depends(Program),
    /// They can read none of it.
    Never(Mismatch),
}

/// A check under a writer schema and a reader schema at once.
#[derive(Debug)]
pub struct Program {
    writer: Arc<Code>,
    both: Code,
}

/// Why readers of the target can read no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// The writer's field, such as `order.price`; empty where the root is meant.
    pub path: String,
    /// What differs there.
    pub detail: String,
}

impl Schema {
    /// Parses and compiles a schema with its references.
    ///
    /// # Errors
    /// Where the text is no Avro schema that Java's lenient parser takes, or is beyond [`limits`].
    pub fn compile(text: &SchemaText) -> Result<Self, Error> {
        if text.format != Format::Avro {
            return Err(Error::Format(text.format.name()));
        }
        Self::of(&Tree::read(&text.text, text.references.iter().map(|reference| &**reference))?)
    }

    /// Compiles a schema that was read.
    ///
    /// # Errors
    /// Where it is beyond [`limits`].
    pub fn of(tree: &Tree) -> Result<Self, Error> {
        let types = Types::of(tree);
        let code = Arc::new(compile::compile(&resolve::shapes(&types, None)?));
        Ok(Self { types, code })
    }

    /// Returns the full name of a root record, enum or fixed: what `RecordNameStrategy` makes a subject of.
    #[must_use]
    pub fn full_name(&self) -> Option<&str> {
        Some(&self.root().names()?.full)
    }

    /// Tells whether the root is `bytes`: Confluent's Java serializer writes such data raw, without its length.
    #[must_use]
    pub fn is_bytes(&self) -> bool {
        matches!(self.root(), Type::Bytes)
    }

    /// Tells whether `datum` is exactly one value of this schema.
    #[must_use]
    pub fn check(&self, datum: &[u8]) -> bool {
        check::walk(&self.code, datum, &mut check::NoTrail).is_ok()
    }

    /// Says why not; `None` exactly where [`check`](Self::check) is true.
    #[cold]
    #[must_use]
    pub fn explain(&self, datum: &[u8]) -> Option<Violation> {
        explain::explain(&self.code, datum)
    }

    /// Returns the offset of the byte for which [`check`](Self::check) refuses the datum: its length where bytes are
    /// missing, the first byte too many where there are.
    #[cold]
    #[must_use]
    pub fn place(&self, datum: &[u8]) -> Option<usize> {
        explain::place(&self.code, datum)
    }

    fn root(&self) -> &Type {
        self.types.get(self.types.root())
    }
}

impl fmt::Debug for Schema {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = self.root().describe();
        f.debug_struct("Schema").field("root", &root).field("instructions", &self.code.ops.len()).finish()
    }
}

impl Resolution {
    /// Resolves two schemas.
    ///
    /// # Errors
    /// Where that takes more than [`limits::RESOLUTION_STEPS`].
    pub fn between(writer: WriterSchema<'_>, reader: ReaderSchema<'_>) -> Result<Self, Error> {
        let shapes = resolve::shapes(&writer.0.types, Some(&reader.0.types))?;
        if shapes.all_readable() {
            return Ok(Self::Always);
        }
        let readable = shapes.readable();
        if !readable[0] {
            let (path, detail) = resolve::first_unreadable(&shapes, &readable);
            return Ok(Self::Never(Mismatch { path, detail }));
        }
        Ok(Self::Depends(Program { writer: Arc::clone(&writer.0.code), both: compile::compile(&shapes) }))
    }
}

impl Program {
    /// Tells whether `datum` is exactly one value of the writer schema, and one that readers can read.
    #[must_use]
    pub fn check(&self, datum: &[u8]) -> bool {
        check::walk(&self.both, datum, &mut check::NoTrail).is_ok()
    }

    /// Says why not; `None` exactly where [`check`](Self::check) is true. A datum that breaks its writer
    /// schema is explained by that, wherever the reader would have stopped.
    #[cold]
    #[must_use]
    pub fn explain(&self, datum: &[u8]) -> Option<Violation> {
        let both = explain::explain(&self.both, datum)?;
        Some(explain::explain(&self.writer, datum).unwrap_or(both))
    }

    /// Returns the offset of the byte for which [`check`](Self::check) refuses the datum, as [`Schema::place`] does.
    #[cold]
    #[must_use]
    pub fn place(&self, datum: &[u8]) -> Option<usize> {
        explain::place(&self.writer, datum).or_else(|| explain::place(&self.both, datum))
    }
}
