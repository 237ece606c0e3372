//! All of a registry as lines of JSON, from one registry to another with IDs and versions kept.
//!
//! ```text
//!  registry ─export─> Archive ─write─> lines ─read─> Archive ─plan (what is there?)─> Plan ─import─> registry
//! ```
//!
//! The first line names the format, the last one counts the others, so that a file that was cut off is not taken for a
//! small registry. Between them each line is a schema, a configuration or a mode, what is referred to before those that
//! refer to it, in one order: two exports of the same registry are the same bytes.
//!
//! An import changes what is missing and nothing else. What contradicts the registry is named with its line before
//! anything is written.

mod archive;
mod export;
mod import;
mod plan;
mod same;

pub(crate) use archive::references;
pub use archive::{Archive, FORMAT, Fault, Schema, Setting};
pub use export::export;
pub use import::{Failure, Summary, import};
pub(crate) use plan::context_scope;
pub use plan::{Plan, State, plan, state};
pub(crate) use same::{contents, texts};

#[cfg(test)]
mod tests;
