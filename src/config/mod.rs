//! The configuration: what an operator wrote, checked once, immutable from then on.
//!
//! ```text
//! file ─> raw::parse (tree, substitutions) ─> check (every rule) ─> Config
//! ```
//!
//! [`Config::load`] gives either a configuration that no part has to doubt, or all the mistakes at once, each with its key
//! path, what is allowed and the nearest spelling. The file is a contract with its operators: words that belong to it
//! and are not there yet are refused by name, so that nobody believes they work. What no file shows (topics, limits
//! of brokers, subjects) is asked of cluster and registry by `check-config`.
//!
//! Secrets never leave in a message, a log or a `Debug`: they are [`Secret`]s, and of a value that was substituted a
//! message prints the `${…}`.

mod bounds;
mod change;
mod check;
mod conflict;
mod error;
mod files;
mod fingerprint;
mod gate;
mod kafka;
mod kafka_properties;
pub mod limits;
mod maker;
mod migration;
mod otlp;
mod raw;
mod registry;
mod registry_server;
mod sample;
mod secret;
mod section;
mod server_tls;
mod template;
mod users;

pub use change::Changes;
pub use error::Error;
pub use gate::{Gate, Kind, Outputs, Oversize, Repartition, Sources, Start, UnusableSchema};
pub use kafka::{Kafka, SESSION_TIMEOUT, Scope, TRANSACTION_TIMEOUT};
pub use migration::{Keys, Mappings, Migration, TargetIds, TargetRegistry};
pub use otlp::Otlp;
pub use raw::{Environment, Syntax};
pub use registry::{Auth, Registry, Tls, UnknownSchema};
pub use registry_server::{Anonymous, LOG_TOPIC, RegistryServer};
pub use secret::Secret;
pub use server_tls::ServerTls;
pub use template::Template;
pub use users::{Grant, Right, User, Users};

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::convert::mapping::Steps;
use error::Mistakes;
use files::Files;
use raw::Node;

/// A configuration that has passed every check.
#[derive(Debug, Clone)]
pub struct Config {
    /// Prefix of every consumer group and transactional ID. Required: two deployments on one cluster need two.
    pub application: String,
    /// Name of this process among those of the application. Set: static group member and transactional IDs that survive
    /// a restart. Unset (the default): dynamic member, random IDs.
    pub instance: Option<String>,
    /// Whether missing output topics are made as their source is. Default no: many clusters give topics by request only.
    pub create_topics: bool,
    /// The guarantee. Default exactly once.
    pub delivery: Delivery,
    /// Time from the end of one transaction to the commit of the next. Default 250 ms: what readers wait at most,
    /// against four commits a second for the broker.
    pub commit_interval: Duration,
    /// Budget of all queues of the process, in bytes. Default 256 MiB.
    pub memory: u64,
    /// How the process logs.
    pub log: Log,
    /// The cluster.
    pub kafka: Kafka,
    /// The schema registry.
    pub registry: Registry,
    /// The admin HTTP server.
    pub admin: Admin,
    /// Where telemetry is sent by OTLP. Default nowhere.
    pub otlp: Option<Otlp>,
    /// The gates, sorted by name, then the converters. None where the process serves a registry and nothing else.
    pub gates: Vec<Gate>,
    /// The migration jobs, sorted by name.
    pub migrations: Vec<Migration>,
    /// The registry that this process serves, with `sluice registry serve`.
    pub registry_server: Option<RegistryServer>,
    kafka_files: Files,
    registry_files: Files,
    otlp_files: Files,
}

/// The guarantee for every record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// Outputs and input offsets in one Kafka transaction.
    ExactlyOnce,
    /// Idempotent producer, offsets committed after the outputs are acknowledged: for brokers without transactions.
    AtLeastOnce,
}

/// How the process logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// Lines for people or for machines. Default text.
    pub format: LogFormat,
    /// The least level that is printed. Default info.
    pub level: tracing::Level,
}

/// The form of log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// The admin HTTP server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens. Default 127.0.0.1:8090: reaching it from elsewhere is a decision.
    pub listen: SocketAddr,
    /// The file of those who may see the status page and `/status`. Default none: whoever can ask from this machine may, and
    /// beyond loopback nobody.
    pub users: Option<PathBuf>,
    /// What it shows to clients, where they speak TLS. Default none: they speak plain HTTP.
    pub tls: Option<ServerTls>,
}

impl Config {
    /// Reads and checks a file, YAML or TOML by its ending, with the environment of this process.
    ///
    /// # Errors
    /// All mistakes in it, or the one reason why it cannot be read.
    pub fn load(path: &Path) -> Result<Self, Vec<Error>> {
        read(path, check::check)
    }

    /// Reads a file as [`load`](Self::load) does, and checks its section `registry` alone: it may have no other.
    ///
    /// # Errors
    /// All mistakes in the section, or the one reason why the file cannot be read.
    pub fn load_registry(path: &Path) -> Result<Registry, Vec<Error>> {
        read(path, check::check_registry)
    }

    /// The same for its section `kafka`.
    ///
    /// # Errors
    /// As [`load_registry`](Self::load_registry).
    pub fn load_kafka(path: &Path) -> Result<Kafka, Vec<Error>> {
        read(path, check::check_kafka)
    }

    /// Makes the properties of a cluster without TLS or passwords.
    ///
    /// # Errors
    /// What is wrong with the addresses.
    pub fn kafka_at(brokers: &str) -> Result<Kafka, Vec<Error>> {
        let text = serde_json::json!({ "kafka": { "bootstrap.servers": brokers } }).to_string();
        parse(&text, Syntax::Yaml, &Environment::process(), check::check_kafka)
    }

    /// Checks the text of a configuration.
    ///
    /// # Errors
    /// All mistakes in it; one with an empty key where the text is no YAML or TOML.
    pub fn parse(text: &str, syntax: Syntax, environment: &Environment<'_>) -> Result<Self, Vec<Error>> {
        parse(text, syntax, environment, check::check)
    }

    /// Checks a text that has the key `mapping` and nothing else: the steps of a mapping.
    ///
    /// # Errors
    /// As [`parse`](Self::parse).
    pub fn mapping(text: &str, syntax: Syntax, environment: &Environment<'_>) -> Result<Steps, Vec<Error>> {
        parse(text, syntax, environment, check::check_mapping)
    }

    /// Finds the conflicts of gates and converters over the topics that a cluster has: topics that two gates read, outputs
    /// that are a gate's source, and circles. What the names in the file show was refused before; this finds what patterns match.
    #[must_use]
    pub fn conflicts<'t>(&self, topics: impl Iterator<Item = &'t str>) -> Vec<Error> {
        conflict::conflicts(&self.gates, topics)
    }

    /// Returns the topic of the offset map that a converter keeps; none where it keeps none.
    #[must_use]
    pub fn map_topic(&self, gate: &Gate) -> Option<String> {
        gate.keeps_map().then(|| format!("{}.map", self.group(gate)))
    }

    /// Returns the consumer group of a gate.
    #[must_use]
    pub fn group(&self, gate: &Gate) -> String {
        format!("{}.{}", self.application, gate.name)
    }
}

/// What judges the tree of a file.
type Check<T> = fn(Node, Mistakes) -> Result<T, Vec<Error>>;

/// Reads a file, YAML or TOML by its ending.
fn read<T>(path: &Path, check: Check<T>) -> Result<T, Vec<Error>> {
    let file = path.display().to_string();
    let one = |problem: String| vec![Error::new(&file, problem)];
    let Some(syntax) = Syntax::of(path) else {
        return Err(one("is neither YAML nor TOML by its ending; allowed: .yaml, .yml, .toml".to_owned()));
    };
    let text = raw::read_file(path, limits::FILE_BYTES)
        .map_err(|error| one(format!("cannot be read: {}", error.to_string().to_lowercase())))?;
    let tell_file = |mut errors: Vec<Error>| {
        for error in errors.iter_mut().filter(|error| error.key.is_empty()) {
            error.key.clone_from(&file);
        }
        errors
    };
    parse(&text, syntax, &Environment::process(), check).map_err(tell_file)
}

fn parse<T>(text: &str, syntax: Syntax, environment: &Environment<'_>, check: Check<T>) -> Result<T, Vec<Error>> {
    let mistakes = Mistakes::default();
    let root = raw::parse(text, syntax, environment, &mistakes).map_err(|problem| vec![Error::new("", problem)])?;
    check(root, mistakes)
}
