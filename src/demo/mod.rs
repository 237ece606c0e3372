//! `sluice demo`: a broker, a registry, producers, a gate and a reader in one process, with nothing to install.
//!
//! ```text
//!  produce ──> orders.raw ──> gate ──┬──> orders ─────────────┬──┐
//!     │         (cluster)      │     │     up │ ^ down        │  │
//!     │                     registry ├──> orders-v3 ──────────┤  verify
//!     │                              └──> orders.dead-letter ─┘  │
//!     └──── enter ─────────────> ledger <───── strike out ───────┘
//! ```
//!
//! The gate sends orders that the old readers can read to `orders`, and those of an incompatible version to `orders-v3`; a
//! pair of converters makes both topics complete, each in the version of its readers. They are the real ones, in a
//! `Service` as `sluice run` has it, started from a configuration text as an operator would write it, and so is the
//! registry, whose log is in the broker; that one is small. Nothing that the demo says of records comes from the service
//! alone: `verify` reads the output topics as any consumer would, and `ledger` compares each record with what was sent, and
//! each converted one with what the demo itself encodes in the other version. `traffic` makes good records and `damage`
//! spoils some; `counts` holds what the service has counted, `table` shows the work and `summary` its result.

pub(crate) mod cluster;
mod counts;
pub(crate) mod damage;
mod ledger;
pub(crate) mod orders;
mod produce;
pub(crate) mod registry;
pub(crate) mod summary;
pub(crate) mod table;
mod traffic;
mod verify;

#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::error::KafkaError;

use self::cluster::{Cluster, PARTITIONS};
use self::counts::Counts;
use self::ledger::Books;
use self::produce::Producers;
use self::registry::Registry;
use self::summary::Report;
use self::table::View;
use self::traffic::Traffic;
use self::verify::Reader;
use crate::config::{self, Config, Environment, LOG_TOPIC, Syntax};
use crate::gate::verdict::Route;
use crate::service::{self, Service};
use crate::telemetry::{Health, Metrics};

/// The gate's source.
const SOURCE: &str = "orders.raw";

/// A topic in which records come out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Output {
    /// That of the readers who know v2.
    Old,
    /// That of the readers who know v3.
    New,
    /// That of the dead letters.
    DeadLetters,
}

/// How many outputs there are.
const OUTPUTS: usize = 3;

impl Output {
    const ALL: [Self; OUTPUTS] = [Self::Old, Self::New, Self::DeadLetters];

    fn topic(self) -> &'static str {
        match self {
            Self::Old => "orders",
            Self::New => "orders-v3",
            Self::DeadLetters => "orders.dead-letter",
        }
    }

    /// Returns where the gate sends what it routes so.
    fn of(route: Route) -> Option<Self> {
        match route {
            Route::Validated => Some(Self::Old),
            Route::Converter => Some(Self::New),
            Route::DeadLetter => Some(Self::DeadLetters),
            Route::None | Route::Converted | Route::Skipped => None,
        }
    }

    /// Returns where a converter takes what lies here.
    fn other(self) -> Option<Self> {
        match self {
            Self::Old => Some(Self::New),
            Self::New => Some(Self::Old),
            Self::DeadLetters => None,
        }
    }
}

/// The header that carries a record's number.
const NUMBER: &str = "demo.number";

/// The names of the gate and of the converters.
const GATE: &str = "orders";
const UP: &str = "up";
const DOWN: &str = "down";

/// How many pipelines there are.
const PIPELINES: usize = 3;

/// The configuration of gate and converters; addresses are filled in as an operator would, by `${env:…}`.
const CONFIG: &str = include_str!("config.yaml");

/// Where the admin server listens if the port is free, as by default; else the system chooses one.
const ADMIN: &str = "127.0.0.1:8090";
const ANY_PORT: &str = "127.0.0.1:0";

/// How long gate and converters may take to get their partitions. It takes a second; a machine under load may need some more.
const START_LIMIT: Duration = Duration::from_secs(60);

/// How long the gate may take for what is under way when producers have stopped: the last unknown schema holds its
/// partition for two seconds; the machine may stand still.
pub(crate) const DRAIN_LIMIT: Duration = Duration::from_secs(60);

/// Time between two looks at something that is waited for.
const PAUSE: Duration = Duration::from_millis(20);

/// Why the demo could not be shown.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The broker.
    #[error("the embedded broker did not start")]
    Cluster(#[source] KafkaError),
    /// The registry, or a thread.
    #[error("the {0} did not start")]
    Io(&'static str, #[source] std::io::Error),
    /// The built-in configuration.
    #[error("the demo's configuration is not good: {}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Config(Vec<config::Error>),
    /// The gate.
    #[error(transparent)]
    Service(#[from] service::Error),
    /// The gate or a converter did not get its partitions.
    #[error("gate and converters did not get their partitions in {START_LIMIT:?}")]
    Unassigned,
}

/// A running demo.
pub(crate) struct Demo {
    producers: Option<Producers>,
    reader: Reader,
    service: Service,
    metrics: Arc<Metrics>,
    books: Books,
    registry: Registry,
    // Last: the broker outlives its clients.
    cluster: Cluster,
    rate: u32,
    began: Instant,
    /// How long records were sent, once producers have stopped.
    time: Duration,
}

impl Demo {
    /// Starts everything, and `rate` records per second.
    pub(crate) async fn start(rate: u32) -> Result<Self, Error> {
        let mut topics = Output::ALL.map(|output| (output.topic(), PARTITIONS)).to_vec();
        topics.extend([(SOURCE, PARTITIONS), (LOG_TOPIC, 1)]);
        let cluster = Cluster::start(&topics).map_err(Error::Cluster)?;
        let brokers = cluster.bootstrap_servers();
        let of_registry = |error| Error::Io("embedded registry", error);
        let listener = registry::listener().await.map_err(of_registry)?;
        let config = configuration(&brokers, listener.1, ADMIN)?;
        let registry = Registry::start(listener, config.kafka.clone()).await.map_err(of_registry)?;
        let mut service = match Service::start(config).await {
            Err(service::Error::Listen(_)) => {
                Service::start(configuration(&brokers, registry.address, ANY_PORT)?).await?
            }
            started => started?,
        };
        let health = Arc::clone(&service.health);
        tokio::select! {
            ready = assigned(&health) => ready?,
            error = service.failed() => return Err(error.into()),
        }
        let books = Books::default();
        let reader =
            Reader::start(&brokers, Arc::clone(&books)).map_err(|error| Error::Io("verifying reader", error))?;
        let producers = Producers::start(&brokers, rate, Traffic::new(registry.ids), Arc::clone(&books))
            .map_err(|error| Error::Io("producers", error))?;
        let metrics = Arc::clone(&service.metrics);
        let (began, time) = (Instant::now(), Duration::ZERO);
        Ok(Self { producers: Some(producers), reader, service, metrics, books, registry, cluster, rate, began, time })
    }

    /// Returns the addresses of broker, registry and admin server.
    pub(crate) fn addresses(&self) -> (String, SocketAddr, SocketAddr) {
        (self.cluster.bootstrap_servers(), self.registry.address, self.service.admin)
    }

    /// Waits until the gate ends by itself; pending for ever while it runs.
    pub(crate) async fn failed(&mut self) -> service::Error {
        self.service.failed().await
    }

    /// Looks at where everything is.
    pub(crate) fn view(&self) -> View {
        let sent = self.books.lock().unwrap_or_else(PoisonError::into_inner).sent();
        let held = self.service.health.pipelines().into_iter().flat_map(|pipeline| pipeline.board().partitions);
        let held = held.filter_map(|(_, partition)| partition.held).map(|held| held.cause.name()).collect();
        View::new(self.began.elapsed(), sent, counts(&self.metrics), held)
    }

    /// Sends no more.
    pub(crate) async fn stop_producers(&mut self) {
        if let Some(producers) = self.producers.take() {
            self.time = self.began.elapsed();
            blocking(|| producers.stop()).await;
        }
    }

    /// Tells whether every record sent has come out, and gate and converters have committed it: the broker shows it before.
    pub(crate) fn is_drained(&self) -> bool {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).under_way() == 0 && self.view().waiting() == 0
    }

    /// Stops gate and converters, reads their outputs to the end and closes the books.
    pub(crate) async fn finish(mut self) -> Report {
        self.stop_producers().await;
        let health = Arc::clone(&self.service.health);
        let unstopped = self.service.stop().await;
        let reader = self.reader;
        blocking(|| reader.finish()).await;
        self.registry.stop().await;
        let ledger = std::mem::take(&mut *self.books.lock().unwrap_or_else(PoisonError::into_inner));
        let mut report = Report::new(ledger, &counts(&self.metrics), self.time, self.rate);
        if unstopped > 0 {
            report.faults.push("gate and converters did not stop in time".to_owned());
        }
        if !report.faults.is_empty() {
            // The cause may be there: the broker shows readers what was aborted, too.
            let incidents = health.pipelines().into_iter().flat_map(|pipeline| pipeline.board().incidents);
            report.faults.extend(incidents.map(|incident| format!("it was reported: {}", incident.what)));
        }
        report
    }
}

fn counts(metrics: &Metrics) -> Counts {
    let [gate, up, down] = [GATE, UP, DOWN].map(|name| metrics.gate(name).outcomes());
    Counts::new(&gate, &up, &down)
}

fn configuration(brokers: &str, registry: SocketAddr, admin: &str) -> Result<Config, Error> {
    let variable = |name: &str| match name {
        "BROKERS" => Some(brokers.to_owned()),
        "REGISTRY" => Some(format!("http://{registry}")),
        "ADMIN" => Some(admin.to_owned()),
        _ => None,
    };
    let environment = Environment { variable: &variable, file: &|_| Err(std::io::ErrorKind::NotFound.into()) };
    Config::parse(CONFIG, Syntax::Yaml, &environment).map_err(Error::Config)
}

/// Waits until gate and converters have all partitions, so that rates do not begin with their start.
async fn assigned(health: &Health) -> Result<(), Error> {
    let began = Instant::now();
    let partitions = || health.pipelines().iter().map(|pipeline| pipeline.board().partitions.len()).sum::<usize>();
    while partitions() < PARTITIONS as usize * PIPELINES {
        if began.elapsed() > START_LIMIT {
            return Err(Error::Unassigned);
        }
        tokio::time::sleep(PAUSE).await;
    }
    Ok(())
}

/// Waits for a thread without holding up the others of the runtime.
async fn blocking(wait: impl FnOnce() + Send + 'static) {
    // A panic of the thread has been reported by itself.
    tokio::task::spawn_blocking(wait).await.ok();
}
