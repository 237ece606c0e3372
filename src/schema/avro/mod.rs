//! Avro.
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
