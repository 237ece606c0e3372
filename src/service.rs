//! One process at work: metrics, health, admin server, the registry's schemas, and a thread per pipeline.
//!
//! What `sluice run` and `sluice demo` share. It starts everything, tells when a pipeline has
//! ended by itself, and stops everything within a bound. A pipeline is a plain thread, since
//! librdkafka's calls block; tokio serves what waits.

use std::net::SocketAddr;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use rand::Rng as _;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use crate::admin::jobs::Jobs;
use crate::admin::{guard, http, listener, tls};
use crate::config::{Config, Gate, Sources};
use crate::pipeline::{self, Settings, Stop};
use crate::registry::client::{self, Client};
use crate::registry::disk::{self, Disk, DiskCounts};
use crate::registry::schemas::Schemas;
use crate::telemetry::events::PipelineFailed;
use crate::telemetry::metrics::RegistryCounts;
use crate::telemetry::{Health, Metrics, Probe};

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
            Self::Listen(_) | Self::Users(_) | Self::Tls(_) | Self::Registry(_) | Self::Cache(_) => true,
            Self::Thread(_) => false,
            Self::Pipeline { source, .. } => matches!(source, pipeline::Error::Configuration { .. }),
        }
    }
}

type Ended = ((&'static str, String), Result<(), pipeline::Error>);

/// A running process.
#[derive(Debug)]
pub struct Service {
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How the pipelines are.
    pub health: Arc<Health>,
    /// Where the admin server listens.
    pub admin: SocketAddr,
    stop: Stop,
    running: usize,
    ended: mpsc::UnboundedReceiver<Ended>,
    close_admin: Option<oneshot::Sender<()>>,
    tasks: JoinSet<()>,
    /// Ends unanswered with the process.
    _first_question: JoinSet<()>,
}

impl Service {
    /// Starts everything.
    ///
    /// # Errors
    /// Whatever keeps it from starting; an unreachable broker or registry does not.
    pub async fn start(config: Config) -> Result<Self, Error> {
        let (listener, admin) = listener::bind("admin.listen", config.admin.listen).await?;
        let metrics = Metrics::new();
        let health = Health::new(config.kafka.transaction_timeout());
        metrics.application(&config.application);
        metrics.pipelines(Arc::clone(&health));
        let registry = &config.registry;
        let client = Client::new(registry)?;
        let disk = registry.cache_dir.as_deref().map(|path| Disk::open(path, &registry.urls)).transpose()?;
        let schemas = Schemas::new(client, registry.refresh, disk);
        let counted = Arc::clone(&schemas);
        metrics.registry_client(move || counts(&counted));
        let (sender, ended) = mpsc::unbounded_channel();
        let (close_admin, closed) = oneshot::channel();
        let state = http::State {
            application: config.application.clone(),
            kinds: config.gates.iter().map(|gate| (gate.name.clone(), gate.word())).collect(),
            metrics: Arc::clone(&metrics),
            health: Arc::clone(&health),
            registry: schemas.state(),
            users: guard::users(&config.admin)?,
            certificates: tls::certificates("admin.tls", config.admin.tls.as_ref())?,
            jobs: Jobs::new(&config),
        };
        let mut service = Self {
            metrics,
            health,
            admin,
            stop: Stop::default(),
            running: 0,
            ended,
            close_admin: Some(close_admin),
            tasks: JoinSet::new(),
            _first_question: first_question(&config, &schemas),
        };
        service.tasks.spawn(async move {
            // Dropping the sender closes the server as well.
            let served = http::serve(listener, Arc::new(state), async { drop(closed.await) }).await;
            if let Err(error) = served {
                tracing::error!(%error, "the admin server ended");
            }
        });
        service.start_pipelines(config, &schemas, &sender)?;
        Ok(service)
    }

    fn start_pipelines(
        &mut self,
        config: Config,
        schemas: &Arc<Schemas>,
        ended: &mpsc::UnboundedSender<Ended>,
    ) -> Result<(), Error> {
        let config = Arc::new(config);
        let random = format!("{:08x}", rand::rng().random::<u32>());
        let pipelines = config.gates.iter().flat_map(|gate| (0..gate.threads.get()).map(move |number| (gate, number)));
        for (gate, number) in pipelines {
            let settings = Settings {
                config: Arc::clone(&config),
                gate: Gate::clone(gate),
                number,
                random: random.clone(),
                schemas: Arc::clone(schemas),
                runtime: Handle::current(),
                probe: probe(&self.metrics, &self.health, gate, number),
                stop: self.stop.clone(),
            };
            let ended = ended.clone();
            let run = move || {
                // A panic is a bug of ours; it must end the process as loudly as any other failure.
                let result = panic::catch_unwind(AssertUnwindSafe(|| pipeline::run(&settings)))
                    .unwrap_or(Err(pipeline::Error::Panicked));
                if let Err(error) = &result {
                    // The command prints all of it; the log takes the line that says what is wrong.
                    let error = error.to_string();
                    PipelineFailed { error: error.lines().next().unwrap_or_default() }.emit(&settings.probe);
                }
                // Nobody listens any more once the process has given up waiting.
                ended.send(((settings.gate.word(), settings.gate.name.clone()), result)).ok();
            };
            thread::Builder::new().name(format!("{}-{number}", gate.name)).spawn(run).map_err(Error::Thread)?;
            self.running += 1;
        }
        Ok(())
    }

    /// Waits until a pipeline ends by itself; pending for ever while all run.
    pub async fn failed(&mut self) -> Error {
        loop {
            match self.ended.recv().await {
                Some(((kind, gate), Err(source))) => {
                    self.running -= 1;
                    return Error::Pipeline { kind, gate, source };
                }
                Some((_, Ok(()))) => self.running -= 1,
                None => std::future::pending().await,
            }
        }
    }

    /// Asks all pipelines to commit and leave, and waits for them; tells how many did not in time.
    pub async fn stop(mut self) -> usize {
        self.stop.stop();
        let all = async {
            while self.running > 0 && self.ended.recv().await.is_some() {
                self.running -= 1;
            }
        };
        let in_time = tokio::time::timeout(STOP_LIMIT, all).await;
        if in_time.is_err() {
            tracing::warn!(
                pipelines = self.running,
                "pipelines did not stop in time; what they had not committed is read again"
            );
        }
        drop(self.close_admin.take());
        while self.tasks.join_next().await.is_some() {}
        self.running
    }
}

/// Makes the probe of a pipeline; topics that are known by name are shown before any broker answers.
fn probe(metrics: &Metrics, health: &Health, gate: &Gate, number: usize) -> Probe {
    let probe = Probe::new(metrics, health, &gate.name, number);
    if let Sources::Topics(topics) = &gate.source {
        topics.iter().for_each(|topic| probe.metrics().source(topic));
    }
    probe
}

/// Asks the registry before any record needs it, so that a wrong address or password shows at the start. Nothing waits for
/// the answer: an outage holds records and keeps no process from starting.
fn first_question(config: &Config, schemas: &Arc<Schemas>) -> JoinSet<()> {
    let mut question = JoinSet::new();
    if !config.registry.urls.is_empty() {
        let schemas = Arc::clone(schemas);
        question.spawn(async move { schemas.greet().await });
    }
    question
}

fn counts(schemas: &Schemas) -> RegistryCounts {
    let calls = schemas.calls();
    let read = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let board = schemas.state().board();
    let files = schemas.disk_counts().map(|files| {
        let DiskCounts { loaded, written, ignored, failed } = files;
        vec![("loaded", read(loaded)), ("written", read(written)), ("ignored", read(ignored)), ("failed", read(failed))]
    });
    RegistryCounts {
        calls: vec![
            ("ok", read(&calls.ok)),
            ("not_found", read(&calls.not_found)),
            ("transient", read(&calls.transient)),
        ],
        cache_hits: read(&calls.hits),
        cache_misses: read(&calls.misses),
        known_schemas: schemas.known_schemas() as u64,
        is_up: board.outage.is_none(),
        changed_schemas: board.changed.len() as u64,
        files: files.unwrap_or_default(),
    }
}
