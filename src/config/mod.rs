//! The configuration: checked, resolved and immutable.

mod gate;
mod kafka;
mod registry;
mod secret;
mod template;

pub use gate::{Gate, Outputs, Sources, Start, UnusableSchema};
pub use kafka::{Kafka, SESSION_TIMEOUT, Scope, TRANSACTION_TIMEOUT};
pub use registry::{Auth, Registry, Tls, UnknownSchema};
pub use secret::Secret;
pub use template::Template;

use std::net::SocketAddr;
use std::time::Duration;

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
    /// The gates, sorted by name.
    pub gates: Vec<Gate>,
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
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admin {
    /// Where it listens. Default 127.0.0.1:8090: reaching it from elsewhere is a decision.
    pub listen: SocketAddr,
}

impl Config {
    /// Returns the consumer group of a gate.
    #[must_use]
    pub fn group(&self, gate: &Gate) -> String {
        format!("{}.{}", self.application, gate.name)
    }
}
