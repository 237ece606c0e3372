//! `sluice migrate`: a topic copied to another one, and its consumer groups moved.

mod abandon;
mod cut_over;
mod figures;
mod plan;
mod run;
mod status;
mod verify;

use std::io::Write;

use super::{Exit, Failure, load};
use crate::cli::{JobAt, MigrateCommand};
use crate::config::Config;
use crate::migrate::{Cast, Error};
use crate::telemetry::logging;

/// Does what was asked of a job.
///
/// # Errors
/// The configuration is wrong, or the job cannot go on.
pub(super) async fn run(asked: MigrateCommand, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    match asked {
        MigrateCommand::Plan(asked) => plan::run(asked, out).await,
        MigrateCommand::Run(asked) => run::run(asked, out).await,
        MigrateCommand::CutOver(asked) => cut_over::run(asked, out).await,
        MigrateCommand::Verify(asked) => verify::run(asked, out).await,
        MigrateCommand::Status(asked) => status::run(asked, out).await,
        MigrateCommand::Abandon(asked) => abandon::run(asked, out).await,
    }
}

/// Reads the configuration and finds the job that is meant.
fn cast(at: &JobAt) -> Result<Cast, Failure> {
    let config = load(&at.file.config)?;
    logging::init(config.log).map_err(Failure::fatal)?;
    let names: Vec<&str> = config.migrations.iter().map(|migration| migration.name.as_str()).collect();
    let file = at.file.config.display();
    let problem = match (&at.job, names.as_slice()) {
        (_, []) => format!("no migrations are in '{file}'"),
        (None, [only]) => return Ok(of_name(&config, only)),
        (Some(name), names) if names.contains(&name.as_str()) => return Ok(of_name(&config, name)),
        (None, names) => format!("several migrations are in '{file}', and none was named: {}", names.join(", ")),
        (Some(name), names) => format!("'{name}' is no migration of '{file}'; there are: {}", names.join(", ")),
    };
    Err(Failure::usage(anyhow::anyhow!(problem)).hint("sluice migrate COMMAND JOB --config FILE"))
}

fn of_name(config: &Config, name: &str) -> Cast {
    let migration = config.migrations.iter().find(|migration| migration.name == name);
    Cast::new(config, migration.expect("the name was taken from there"))
}

/// Does work that waits for brokers on a thread of its own.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Failure> {
    let ended = tokio::task::spawn_blocking(work).await;
    ended.unwrap_or(Err(Error::Panicked)).map_err(Failure::from)
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error.is_usage() { Self::usage(error) } else { Self::fatal(error) }
    }
}
