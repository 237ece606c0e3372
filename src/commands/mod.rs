//! One file per command: wiring and printing only.
//!
//! A command writes results to the writer that it is given, which is standard output, and
//! ends with an [`Exit`] or a [`Failure`]. Logs and failures go to standard error. No
//! command ends the process itself, so all of them can be called from tests.

mod bench;
mod check_config;
mod completions;
mod dead_letters;
mod demo;
mod health;
mod migrate;
mod misses;
mod progress;
mod registry;
mod remote;
mod run;
mod schema;
mod tail;

use std::fmt;
use std::io::Write;
use std::path::Path;
use std::process::{ExitCode, Termination};

use crate::cli::{Command, Later};
use crate::config::{Config, Error};

/// How a command ended; the numbers are a contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Done = 0,
    /// Done, and differences were found.
    Differences = 1,
    /// The command line or the configuration is wrong.
    Usage = 2,
    /// Something broke at run time that we cannot repair.
    Fatal = 3,
}

impl Termination for Exit {
    fn report(self) -> ExitCode {
        ExitCode::from(self as u8)
    }
}

/// Why a command could not do its work: one line that says so and, where there is one, a line that says what to do.
#[derive(Debug)]
pub struct Failure {
    /// [`Exit::Usage`] or [`Exit::Fatal`].
    pub exit: Exit,
    /// What went wrong; causes are printed behind it.
    pub error: anyhow::Error,
    /// What to do.
    pub hint: Option<String>,
}

impl Failure {
    /// The command line or the configuration is wrong.
    pub fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Usage, error: error.into(), hint: None }
    }

    /// Something broke at run time.
    pub fn fatal(error: impl Into<anyhow::Error>) -> Self {
        Self { exit: Exit::Fatal, error: error.into(), hint: None }
    }

    /// Adds what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// Returns whether the reader of our output went away, as `head` does: no failure of ours.
    #[must_use]
    pub fn is_broken_pipe(&self) -> bool {
        let io = self.error.chain().find_map(|cause| cause.downcast_ref::<std::io::Error>());
        io.is_some_and(|error| error.kind() == std::io::ErrorKind::BrokenPipe)
    }
}

impl From<Later> for Failure {
    fn from(Later { name, purpose }: Later) -> Self {
        let version = env!("CARGO_PKG_VERSION");
        Self::usage(anyhow::anyhow!("'sluice {name}' is not there yet in version {version}: it will {purpose}"))
            .hint("'sluice --help' lists the commands of this version")
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error: {:#}", self.error)?;
        match &self.hint {
            Some(hint) => write!(f, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

/// Does what the user said.
///
/// # Errors
/// When it cannot be done; see [`Failure`].
pub async fn dispatch(command: Command, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match command {
        Command::Completions(asked) => completions::run(asked.target, out),
        Command::Run(asked) => run::run(&asked.file.config).await,
        Command::CheckConfig(asked) => check_config::run(&asked.file.config, asked.output, out).await,
        Command::Demo(asked) => demo::run(asked, out).await,
        Command::Registry(asked) => registry::run(asked, out).await,
        Command::Schema(asked) => schema::run(asked, out).await,
        Command::Migrate(asked) => migrate::run(asked, out).await,
        Command::DeadLetters(asked) => dead_letters::run(asked, out).await,
        Command::Tail(asked) => tail::run(&asked, out).await,
        Command::Health(asked) => health::run(&asked, out).await,
        Command::Bench(asked) => bench::run(asked, out).await,
    }
}

/// Reads a configuration; every mistake in it is told at once.
fn load(path: &Path) -> Result<Config, Failure> {
    Config::load(path).map_err(|errors| mistakes(path, &errors))
}

/// Tells all mistakes in a configuration.
fn mistakes(path: &Path, errors: &[Error]) -> Failure {
    let lines: Vec<_> = errors.iter().map(|error| format!("  {error}")).collect();
    let count = lines.len();
    let noun = if count == 1 { "mistake" } else { "mistakes" };
    Failure::usage(anyhow::anyhow!("{count} {noun} in '{}'\n{}", path.display(), lines.join("\n")))
}
