//! `sluice schema`: schemas for terminals and build pipelines, against any Confluent-compatible registry.
//!
//! Exit code 1 says that a command found what it looks for: a finding, an incompatibility, a difference, a schema that the
//! registry refuses.

mod check;
mod compatibility;
mod diff;
mod read;
mod register;
mod source;

use std::io::Write;

use super::{Exit, Failure};
use crate::cli::SchemaCommand;

/// Does what is asked for.
///
/// # Errors
/// A file or a registry that cannot be read, or a command line that names what is not there.
pub(super) async fn run(command: SchemaCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match command {
        SchemaCommand::Check(asked) => check::run(asked, out).await,
        SchemaCommand::Compatibility(asked) => compatibility::run(asked, out).await,
        SchemaCommand::Register(asked) => register::run(asked, out).await,
        SchemaCommand::Diff(asked) => diff::run(asked, out).await,
        SchemaCommand::Get(asked) => read::get(asked, out).await,
        SchemaCommand::List(asked) => read::list(asked, out).await,
    }
}
