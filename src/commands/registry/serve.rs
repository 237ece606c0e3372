//! `sluice registry serve`: a node of the registry, until a signal.

use std::path::Path;

use super::super::run::Signals;
use super::super::{Exit, Failure, load};
use crate::pipeline::watchdog;
use crate::registry::server::{Error, Server};
use crate::telemetry::events::Stopping;
use crate::telemetry::logging;

/// Serves until SIGTERM or SIGINT; a second signal ends the process at once, by which nothing is lost either.
///
/// # Errors
/// The configuration is wrong, or the node cannot go on.
pub(super) async fn run(path: &Path) -> Result<Exit, Failure> {
    let config = load(path)?;
    let Some(settings) = config.registry_server.clone() else {
        let problem = anyhow::anyhow!("registry_server: is required in '{}' to serve a registry", path.display());
        return Err(Failure::usage(problem).hint("an empty section is enough: registry_server: {}"));
    };
    logging::init(config.log).map_err(Failure::fatal)?;
    watchdog::no_core_dumps();
    let mut signals = Signals::listen().map_err(Failure::fatal)?;
    let mut server = Server::start(&config, &settings).await.map_err(failure)?;
    let failed = tokio::select! {
        name = signals.next() => {
            Stopping { why: name }.emit();
            None
        }
        error = server.failed() => {
            Stopping { why: "the registry's log failed" }.emit();
            Some(error)
        }
    };
    tokio::select! {
        () = server.stop() => {}
        name = signals.next() => return Err(Failure::fatal(anyhow::anyhow!("ended at once by a second {name}"))),
    }
    failed.map_or(Ok(Exit::Done), |error| Err(failure(error)))
}

fn failure(error: Error) -> Failure {
    if error.is_configuration() { Failure::usage(error) } else { Failure::fatal(error) }
}
