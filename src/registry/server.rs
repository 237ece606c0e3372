//! One process that serves a registry: its node, the listener of the clients, and the admin listener.
//!
//! ```text
//!  client ─> listener (connections, TLS, times, sizes) ─> guard (time, rates, users, counts) ─> api::router ─> Node
//!  scraper, probes ─> admin::http (/livez /readyz /metrics)
//! ```
//!
//! The listener is bound at once, so that an address that is taken shows at the start; until the log has been read, all
//! questions are answered 500 with 50001, on which clients ask again, and `/readyz` says no.

mod guard;
mod listener;
mod rates;
mod routes;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use self::listener::{CLOSE_GRACE, Entrance, MAX_CONNECTIONS};
use super::access::Access;
use super::api::Style;
use super::log;
use super::node::Node;
use crate::admin::jobs::Jobs;
use crate::admin::tls::{self, Certificates};
use crate::admin::{self, http};
use crate::config::{self, Config, RegistryServer};
use crate::telemetry::metrics::ServerFigures;
use crate::telemetry::otlp::{self, Exporter};
use crate::telemetry::{Health, Metrics};

/// Time between looks at the file of the users.
const FILES_INTERVAL: Duration = Duration::from_secs(2);

/// Why a registry cannot be served.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address is not to be had.
    #[error(transparent)]
    Listen(#[from] admin::listener::Refused),
    /// The users cannot be read.
    #[error("the users of 'registry_server.users' are wrong: {}", joined(.0))]
    Users(Vec<config::Error>),
    /// The users of the admin server cannot be read.
    #[error(transparent)]
    AdminUsers(#[from] admin::guard::WrongUsers),
    /// What clients are to be shown cannot be used.
    #[error(transparent)]
    Tls(#[from] tls::Error),
    /// Telemetry cannot be sent.
    #[error(transparent)]
    Otlp(#[from] otlp::Error),
    /// The log cannot be used.
    #[error(transparent)]
    Log(#[from] log::Error),
}

impl Error {
    /// Tells whether the operator has to change configuration or topic, which no restart does.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Listen(_) | Self::Users(_) | Self::AdminUsers(_) | Self::Tls(_) | Self::Otlp(_) => true,
            Self::Log(error) => error.is_configuration(),
        }
    }
}

fn joined(errors: &[config::Error]) -> String {
    errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// A running registry.
#[derive(Debug)]
pub struct Server {
    /// Where clients reach it.
    pub address: SocketAddr,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    threads: log::Threads,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
    exporter: Option<Exporter>,
}

impl Server {
    /// Starts everything; the log is read in the background.
    ///
    /// # Errors
    /// Whatever keeps it from starting; unreachable brokers do not.
    pub async fn start(config: &Config, settings: &RegistryServer) -> Result<Self, Error> {
        let access = Arc::new(Access::new(settings).map_err(Error::Users)?);
        let certificates = tls::certificates("registry_server.tls", settings.tls.as_ref())?;
        let shown = tls::certificates("admin.tls", config.admin.tls.as_ref())?;
        let (clients, address) = admin::listener::bind("registry_server.listen", settings.listen).await?;
        let (scrapers, admin) = admin::listener::bind("admin.listen", config.admin.listen).await?;
        let (node, threads) = Node::over_log(log::Settings::new(config.kafka.clone(), &settings.topic))?;
        let node = Arc::new(node);
        let metrics = Metrics::new();
        metrics.application(&config.application);
        let counted = Arc::clone(&node);
        let exporter = Exporter::start(config, &metrics)?;
        let requests = metrics.registry_server(move || figures(&counted));
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let state = http::State {
            application: config.application.clone(),
            configuration: Arc::default(),
            metrics,
            health: Health::of_registry(node.ready()),
            registry: Arc::default(),
            users: admin::guard::users(&config.admin)?,
            certificates: shown,
            jobs: Jobs::default(),
        };
        let mut stopped = closed.clone();
        tasks.spawn(async move {
            let shutdown = async { drop(stopped.wait_for(|closing| *closing).await) };
            if let Err(error) = http::serve(scrapers, Arc::new(state), shutdown).await {
                tracing::error!(%error, "the admin server ended");
            }
        });
        let style = Style { has_new_fields: settings.has_new_fields, incompatible: settings.incompatible_code };
        tasks.spawn(watch_files(Arc::clone(&access), certificates.clone(), closed.clone()));
        let router = guard::router(node, style, access, requests.clone(), settings.rate_limit);
        tracing::info!(%address, topic = settings.topic, tls = certificates.is_some(), "registry listens");
        let entrance = Entrance { router, certificates, requests, most: MAX_CONNECTIONS };
        tasks.spawn(listener::serve(clients, entrance, closed));
        Ok(Self { address, admin, threads, closing, tasks, exporter })
    }

    /// Waits until the log ends by itself; pending for ever while it is followed.
    pub async fn failed(&mut self) -> Error {
        self.threads.failed().await.into()
    }

    /// Ends within five seconds: requests under way are answered. The log comes last, since writes end by themselves as a
    /// rule; those that the brokers hold up have half of the time, and are then told what is known of them.
    pub async fn stop(mut self) {
        self.closing.send_replace(true);
        let mut ended = pin!(async { while self.tasks.join_next().await.is_some() {} });
        let is_over = tokio::time::timeout(CLOSE_GRACE / 2, ended.as_mut()).await.is_ok();
        self.threads.stop().await;
        let last_telemetry = async {
            if let Some(exporter) = self.exporter.take() {
                exporter.stop().await;
            }
        };
        let connections = async {
            if !is_over {
                ended.await;
            }
        };
        tokio::join!(last_telemetry, connections);
    }
}

fn figures(node: &Node) -> ServerFigures {
    let (subjects, schemas) = node.state().size();
    let Some(log) = node.figures() else { return ServerFigures { subjects, schemas, ..ServerFigures::default() } };
    ServerFigures {
        subjects,
        schemas,
        lag: log.lag,
        is_writer: log.role == log::Role::Writer,
        fences: log.fences,
        commits: log.commits,
        damaged: log.damaged,
    }
}

/// Reads users and certificates again whenever their files change.
async fn watch_files(access: Arc<Access>, certificates: Option<Arc<Certificates>>, mut closed: watch::Receiver<bool>) {
    tokio::select! {
        never = watch_users(&access) => match never {},
        never = tls::watch(certificates.as_deref()) => match never {},
        _ = closed.wait_for(|closing| *closing) => {}
    }
}

async fn watch_users(access: &Access) -> Infallible {
    loop {
        tokio::time::sleep(FILES_INTERVAL).await;
        match access.reload() {
            Ok(false) => {}
            Ok(true) => tracing::info!("the registry's users were read again"),
            Err(errors) => {
                tracing::error!(mistakes = joined(&errors), "the registry's users are wrong, and stay as they were");
            }
        }
    }
}

#[cfg(test)]
mod tests;
