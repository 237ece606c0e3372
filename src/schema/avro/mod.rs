//! Avro.
use crate::schema::SchemaText;
/// The writer schema, compiled.
#[derive(Debug)]
pub struct Schema;
/// A check program.
#[derive(Debug)]
pub struct Program;
/// Why the target can read no record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// Field path.
    pub path: String,
    /// What differs.
    pub detail: String,
}
/// A schema that cannot be compiled.
#[derive(Debug, thiserror::Error)]
#[error("not compiled")]
pub struct Error;
/// The schema of the writer.
#[derive(Debug, Clone, Copy)]
pub struct WriterSchema<'a>(pub &'a Schema);
/// The schema of the reader.
#[derive(Debug, Clone, Copy)]
pub struct ReaderSchema<'a>(pub &'a Schema);
/// How a reader sees a writer's records.
#[derive(Debug)]
pub enum Resolution {
    /// All.
    Always,
    /// Some.
    Depends(Program),
    /// None.
    Never(Mismatch),
}
impl Schema {
    /// Compiles.
    ///
    /// # Errors
    /// None.
    pub fn compile(_: &SchemaText) -> Result<Self, Error> {
        Ok(Self)
    }
    /// Name.
    #[must_use]
    pub fn full_name(&self) -> Option<&str> {
        None
    }
}
impl Resolution {
    /// Resolves.
    ///
    /// # Errors
    /// None.
    pub fn between(_: WriterSchema<'_>, _: ReaderSchema<'_>) -> Result<Self, Error> {
        Ok(Self::Always)
    }
}
impl Schema {
    /// Plain bytes.
    #[must_use]
    pub fn is_bytes(&self) -> bool {
        false
    }
    /// Checks.
    #[must_use]
    pub fn check(&self, _: &[u8]) -> bool {
        true
    }
    /// Explains.
    #[must_use]
    pub fn explain(&self, _: &[u8]) -> Option<crate::violation::Violation> {
        None
    }
}
impl Program {
    /// Checks.
    #[must_use]
    pub fn check(&self, _: &[u8]) -> bool {
        true
    }
    /// Explains.
    #[must_use]
    pub fn explain(&self, _: &[u8]) -> Option<crate::violation::Violation> {
        None
    }
}
