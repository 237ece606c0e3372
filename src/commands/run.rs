//! `sluice run`: all gates of one configuration, until a signal; at SIGHUP the configuration is read again.

use std::path::Path;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::{JoinError, JoinSet};

use super::{Exit, Failure, load, mistakes};
use crate::config;
use crate::pipeline::{failpoint, watchdog};
use crate::registry::survey;
use crate::service::{Error, Service, reload};
use crate::telemetry::events::Stopping;
use crate::telemetry::logging;

/// Runs until SIGTERM or SIGINT, or until a pipeline cannot go on. A second signal ends the process at once; what was
/// not committed is read again.
///
/// # Errors
/// The configuration is wrong, or a pipeline cannot go on.
pub(super) async fn run(path: &Path) -> Result<Exit, Failure> {
    // From the first moment on, or whoever reloads too early would end the process.
    let mut hangup = signal(SignalKind::hangup()).map_err(Failure::fatal)?;
    let config = load(path)?;
    if config.gates.is_empty() {
        let problem = anyhow::anyhow!("gates: none are in '{}', and there is nothing to run", path.display());
        return Err(Failure::usage(problem).hint("'sluice registry serve' runs the registry of this file"));
    }
    logging::init(config.log).map_err(Failure::fatal)?;
    watchdog::no_core_dumps();
    watchdog::start().map_err(Failure::fatal)?;
    failpoint::read().map_err(|error| Failure::usage(anyhow::anyhow!(error)))?;
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let found = tokio::select! {
        found = survey::mistakes(&config) => found,
        // Nothing runs yet.
        _ = signals.next() => return Ok(Exit::Done),
    };
    if !found.is_empty() {
        return Err(mistakes(path, &found));
    }
    let mut service = Service::start(config).await.map_err(Failure::usage)?;
    let failed = serve(&mut service, path, &mut signals, &mut hangup).await;
    tokio::select! {
        _ = service.stop() => {}
        name = signals.next() => return Err(Failure::fatal(anyhow::anyhow!("ended at once by a second {name}"))),
    }
    match failed {
        None => Ok(Exit::Done),
        Some(error) if error.is_configuration() => Err(Failure::usage(error)),
        Some(error) => Err(Failure::fatal(error)),
    }
}

/// Runs until a signal, or until a pipeline cannot go on, which is returned. At SIGHUP the configuration is read again: one
/// reading at a time, and one that comes meanwhile afterwards.
async fn serve(service: &mut Service, path: &Path, signals: &mut Signals, hangup: &mut Signal) -> Option<Error> {
    let mut reading = JoinSet::new();
    loop {
        tokio::select! {
            name = signals.next() => {
                Stopping { why: name }.emit();
                return None;
            }
            error = service.failed() => {
                Stopping { why: "a pipeline failed" }.emit();
                return Some(error);
            }
            _ = hangup.recv(), if reading.is_empty() => {
                tracing::info!("SIGHUP: the configuration is read again");
                reading.spawn(reload::read(path.to_owned(), service.present()));
            }
            Some(read) = reading.join_next() => {
                let broken = |error: JoinError| vec![config::Error::new("", format!("a bug of sluice: {error}"))];
                if let Err(error) = service.take_over(read.unwrap_or_else(|error| Err(broken(error)))) {
                    return Some(error);
                }
            }
        }
    }
}

/// The signals that end a process.
pub(super) struct Signals {
    term: Signal,
    int: Signal,
}

impl Signals {
    pub(super) fn listen() -> std::io::Result<Self> {
        Ok(Self { term: signal(SignalKind::terminate())?, int: signal(SignalKind::interrupt())? })
    }

    /// Waits for the next one and returns its name.
    pub(super) async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.term.recv() => "SIGTERM",
            _ = self.int.recv() => "SIGINT",
        }
    }
}
