//! `sluice registry serve`, and `export` and `import`: all of a registry as JSON lines.

mod export;
mod import;
mod serve;

use std::io::Write;
use std::path::{Path, PathBuf};

use super::{Exit, Failure};
use crate::cli::RegistryCommand;

/// Does what is asked for.
///
/// # Errors
/// A file or a registry that cannot be read or written.
pub(super) async fn run(command: RegistryCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match command {
        RegistryCommand::Serve(asked) => serve::run(&asked.config).await,
        RegistryCommand::Export(asked) => export::run(asked, out).await,
        RegistryCommand::Import(asked) => import::run(asked, out).await,
    }
}

/// Returns the file that is meant; nothing and `-` are the standard streams.
fn named(file: Option<&PathBuf>) -> Option<&Path> {
    file.map(PathBuf::as_path).filter(|path| *path != Path::new("-"))
}
