//! A configuration that is read again while the process runs: everything that can be known is asked before anything stops.
//!
//! ```text
//!  file ─> Config::load ─> Changes::between ─> registry, brokers ─> Reload ─> Service::take_over
//!             └──────────────────┴──────────────────┴─> mistakes: nothing has changed
//! ```
//! Brokers or a registry that do not answer keep a reload from nothing, as they keep no process from starting, but where their
//! own settings have changed: then it is more likely that these are wrong, and what works goes on.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;

use crate::config::{Changes, Config, Error};
use crate::pipeline::preflight::{self, Found};
use crate::registry::client::Client;
use crate::registry::disk::Disk;
use crate::registry::survey;
use crate::telemetry::otlp::spans::Spans;

/// How long the brokers may be asked: beyond it a reload that waits is worse than one that was not checked in full.
const BROKERS_LIMIT: Duration = Duration::from_secs(30);

/// How long a registry whose settings have changed has for one answer.
const REGISTRY_LIMIT: Duration = Duration::from_secs(10);

/// What runs when a reload begins.
#[derive(Debug)]
pub struct Present {
    pub(super) config: Arc<Config>,
    /// Gates that a reload has begun and that could not work: they are tried again.
    pub(super) standing: BTreeSet<String>,
    /// Where the requests of another registry's client are traced.
    pub(super) spans: Spans,
}

/// A configuration that can be taken over.
#[derive(Debug)]
pub struct Reload {
    pub(super) config: Config,
    pub(super) changes: Changes,
    /// Where another registry is asked from now on.
    pub(super) registry: Option<(Client, Option<Disk>)>,
}

/// Reads a file and finds out whether it can be taken over; changes nothing.
///
/// # Errors
/// Every mistake that keeps it from that.
pub async fn read(path: PathBuf, present: Present) -> Result<Reload, Vec<Error>> {
    let config = aside(move || Config::load(&path)).await.unwrap_or_else(|| Err(vec![lost("the file")]))?;
    if config.gates.is_empty() {
        return Err(vec![Error::new(
            "gates",
            "none are in the file, and there would be nothing to run; stop the process",
        )]);
    }
    let mut changes = Changes::between(&present.config, &config)?;
    present.standing.iter().for_each(|gate| changes.retry(gate));
    let mut mistakes = Vec::new();
    let registry = if changes.registry {
        other_registry(&config, present.spans.clone()).await.map_err(|error| mistakes.push(error)).ok()
    } else {
        None
    };
    let mut beginning = config.clone();
    beginning.gates.retain(|gate| changes.begins(&gate.name));
    mistakes.extend(survey::mistakes(&beginning).await);
    mistakes.extend(of_brokers(&present, &config, &changes).await);
    if mistakes.is_empty() { Ok(Reload { config, changes, registry }) } else { Err(mistakes) }
}

/// Makes the client of another registry, which has to answer: what is known of the one before is lost with it.
async fn other_registry(config: &Config, spans: Spans) -> Result<(Client, Option<Disk>), Error> {
    let registry = &config.registry;
    let client = Client::traced(registry, spans).map_err(|error| Error::new("registry", error.to_string()))?;
    let disk = registry.cache_dir.as_deref().map(|path| Disk::open(path, &registry.urls)).transpose();
    let disk = disk.map_err(|error| Error::new("registry.cache_dir", error.to_string()))?;
    if registry.urls.is_empty() {
        return Ok((client, disk));
    }
    let refused = |why: &str| {
        Error::new("registry", format!("its settings have changed, and with them it does not answer: {why}"))
    };
    match tokio::time::timeout(REGISTRY_LIMIT, client.ping()).await {
        Ok(Ok(())) => Ok((client, disk)),
        Ok(Err(error)) => Err(refused(&error.to_string())),
        Err(_) => Err(refused("nothing came in time")),
    }
}

/// Asks the brokers what stands against the gates that begin.
async fn of_brokers(present: &Present, config: &Config, changes: &Changes) -> Vec<Error> {
    let are_others = !config.same_brokers(&present.config);
    let begins: BTreeSet<String> = changes.added.union(&changes.changed).cloned().collect();
    let (before, whole) = (Arc::clone(&present.config), config.clone());
    let found = tokio::time::timeout(BROKERS_LIMIT, aside(move || preflight::look(&before, &whole, &begins))).await;
    let silent = match found {
        Ok(Some(Found::Mistakes(mistakes))) => return mistakes,
        Ok(Some(Found::Silent(why))) => why,
        Ok(None) | Err(_) => "nothing came in time".to_owned(),
    };
    if are_others {
        let why = format!("its settings have changed, and with them the brokers do not answer: {silent}");
        return vec![Error::new("kafka", why)];
    }
    tracing::warn!(why = silent, "reloading without a look at the topics: the brokers do not answer");
    Vec::new()
}

/// Works on a thread of its own, which the end of the process does not wait for; `None` where it broke off.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Option<T> {
    let (sender, answer) = oneshot::channel();
    let work = move || {
        // Nobody waits any more when the process ends.
        sender.send(work()).ok();
    };
    std::thread::Builder::new().name("reload".to_owned()).spawn(work).ok()?;
    answer.await.ok()
}

fn lost(what: &str) -> Error {
    Error::new("", format!("{what} could not be looked at: the thread for it has broken off"))
}
