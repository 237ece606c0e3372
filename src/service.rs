//! One process at work: metrics, health, admin server, the registry's schemas, and a thread per pipeline.
//!
//! What `sluice run` and `sluice demo` share. It starts everything, tells when a pipeline has
//! ended by itself, takes over another configuration, and stops everything within a bound. A pipeline is a plain thread, since
//! librdkafka's calls block; tokio serves what waits.

mod gates;
mod registry;
pub mod reload;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rand::Rng as _;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::gates::{Begin, Gates, Reports};
use self::registry::Registry;
use self::reload::{Present, Reload};
use crate::admin::jobs::Jobs;
use crate::admin::{guard, http, listener, tls};
use crate::config::{self, Changes, Config};
use crate::pipeline;
use crate::registry::client;
use crate::registry::disk;
use crate::telemetry::current::Current;
use crate::telemetry::events::{ConfigurationReloaded, ReloadRefused};
use crate::telemetry::otlp::spans::Span;
use crate::telemetry::otlp::{self, Exporter};
use crate::telemetry::{ConfigurationState, Health, Metrics};

/// How long pipelines may take to commit and leave their groups. Kubernetes kills after 30 s; a broker that does not
/// answer within this will not answer then either, and what was not committed is read again.
const STOP_LIMIT: Duration = Duration::from_secs(8);

/// Why a process could not start, or ended by itself.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The admin address is not to be had.
    #[error(transparent)]
    Listen(#[from] listener::Refused),
    /// The users of the admin server cannot be read.
    #[error(transparent)]
    Users(#[from] guard::WrongUsers),
    /// What clients of the admin server are to be shown cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// The registry's client could not be made.
    #[error(transparent)]
    Registry(#[from] client::Error),
    /// The folder of the cache cannot be used.
    #[error(transparent)]
    Cache(#[from] disk::Error),
    /// Telemetry cannot be sent.
    #[error(transparent)]
    Otlp(#[from] otlp::Error),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A pipeline cannot go on.
    #[error("{kind} '{gate}'")]
    Pipeline {
        /// `gate` or `converter`.
        kind: &'static str,
        /// Its name.
        gate: String,
        /// Why.
        source: pipeline::Error,
    },
}

impl Error {
    /// Tells whether the operator has to change configuration or topics, which no restart does.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Listen(_) | Self::Users(_) | Self::Tls(_) | Self::Registry(_) | Self::Cache(_) | Self::Otlp(_) => {
                true
            }
            Self::Thread(_) => false,
            Self::Pipeline { source, .. } => matches!(source, pipeline::Error::Configuration { .. }),
        }
    }
}

/// A running process.
#[derive(Debug)]
pub struct Service {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How the pipelines are.
    pub health: Arc<Health>,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    config: Arc<Config>,
    registry: Registry,
    state: Arc<http::State>,
    gates: Gates,
    close_admin: Option<oneshot::Sender<()>>,
    exporter: Option<Exporter>,
    tasks: JoinSet<()>,
}

impl Service {
    /// Starts everything.
    ///
    /// # Errors
    /// Whatever keeps it from starting; an unreachable broker or registry does not.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let began = Instant::now();
        let (listener, admin) = listener::bind("admin.listen", config.admin.listen).await?;
        let config = Arc::new(config);
        let metrics = Metrics::new();
        let health = Health::new(config.kafka.transaction_timeout());
        let configuration = Arc::new(ConfigurationState::default());
        metrics.application(&config.application);
        let exporter = Exporter::start(&config, &metrics)?;
        metrics.pipelines(Arc::clone(&health));
        metrics.configuration(Arc::clone(&configuration));
        let registry = Registry::start(&config, &metrics)?;
        let state = Arc::new(http::State {
            application: config.application.clone(),
            configuration: Arc::clone(&configuration),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            registry: Current::new(registry.state()),
            users: guard::users(&config.admin)?,
            certificates: tls::certificates("admin.tls", config.admin.tls.as_ref())?,
            jobs: Jobs::new(&config),
        });
        let (close_admin, closed) = oneshot::channel();
        let mut tasks = JoinSet::new();
        let served = Arc::clone(&state);
        tasks.spawn(async move {
            // Dropping the sender closes the server as well.
            let served = http::serve(listener, served, async { drop(closed.await) }).await;
            if let Err(error) = served {
                tracing::error!(%error, "the admin server ended");
            }
        });
        let reports = Reports { metrics: Arc::clone(&metrics), health: Arc::clone(&health), configuration };
        let random = format!("{:08x}", rand::rng().random::<u32>());
        let mut gates = Gates::new(reports, random, Arc::clone(&config));
        for gate in &config.gates {
            let schemas = registry.schemas_for(gate);
            let (gate, config) = (gate.clone(), Arc::clone(&config));
            gates.begin(Begin { gate, config, schemas, by_reload: false })?;
        }
        let close_admin = Some(close_admin);
        let (pipelines, took) = (gates.running() as u64, began.elapsed());
        metrics.spans().record(|| [Span::ended("start", took).with("sluice.pipelines", pipelines)]);
        Ok(Self { metrics, health, admin, config, registry, state, gates, close_admin, exporter, tasks })
    }

    /// Waits until a pipeline ends in a way that the process cannot go on with; pending for ever while there is none.
    /// Gates that leave by a reload are followed by what comes after them while this is waited for, and not otherwise.
    pub async fn failed(&mut self) -> Error {
        self.gates.failed().await
    }

    /// Returns what a configuration that is read again is compared with.
    #[must_use]
    pub fn present(&self) -> Present {
        let spans = self.metrics.spans().clone();
        Present { config: Arc::clone(&self.config), standing: self.gates.standing(), spans }
    }

    /// Ends what has gone, begins what is new, and both for what has changed; all others go on. A file that was refused
    /// changes nothing. Waits for nobody: [`failed`](Self::failed) goes on with it.
    ///
    /// # Errors
    /// Never: what a reload brings cannot keep the process from running.
    pub fn take_over(&mut self, read: Result<Reload, Vec<config::Error>>) -> Result<(), Error> {
        let Reload { config, changes, registry } = match read {
            Ok(reload) => reload,
            Err(mistakes) => {
                ReloadRefused { mistakes: &mistakes }.emit(&self.state.configuration);
                let why = mistakes.first().map(ToString::to_string).unwrap_or_default();
                self.metrics.spans().record(|| [Span::ended("reload", Duration::ZERO).failed(&why)]);
                return Ok(());
            }
        };
        if let Some((client, disk)) = registry {
            self.state.registry.set(self.registry.replace(client, config.registry.refresh, disk));
        }
        ConfigurationReloaded { changes: &changes }.emit(&self.state.configuration);
        self.metrics.spans().record(|| [reloaded(&changes)]);
        self.health.allow(config.kafka.transaction_timeout());
        self.state.jobs.replace(&config);
        self.config = Arc::new(config);
        self.gates.know(Arc::clone(&self.config));
        for gate in &changes.removed {
            self.gates.end(gate)?;
        }
        for gate in self.config.gates.iter().filter(|gate| changes.begins(&gate.name)) {
            let schemas = self.registry.schemas_for(gate);
            let (gate, config) = (gate.clone(), Arc::clone(&self.config));
            self.gates.begin(Begin { gate, config, schemas, by_reload: true })?;
        }
        Ok(())
    }

    /// Asks all pipelines to commit and leave, and waits for them; tells how many did not in time.
    pub async fn stop(mut self) -> usize {
        self.gates.stop();
        if tokio::time::timeout(STOP_LIMIT, self.gates.ended()).await.is_err() {
            tracing::warn!(
                pipelines = self.gates.running(),
                "pipelines did not stop in time; what they had not committed is read again"
            );
        }
        drop(self.close_admin.take());
        let last_telemetry = async {
            if let Some(exporter) = self.exporter.take() {
                exporter.stop().await;
            }
        };
        let connections = async { while self.tasks.join_next().await.is_some() {} };
        tokio::join!(last_telemetry, connections);
        self.gates.running()
    }
}

/// Makes the span of a configuration that was taken over; the gates that come and go have their rebalances.
fn reloaded(changes: &Changes) -> Span {
    let span = Span::ended("reload", Duration::ZERO).with("sluice.added", changes.added.len() as u64);
    span.with("sluice.changed", changes.changed.len() as u64).with("sluice.removed", changes.removed.len() as u64)
}

#[cfg(test)]
mod tests;
