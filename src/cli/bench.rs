//! What a user can say of measurements: `sluice bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};

use super::Output;

/// `sluice bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure a node of the registry: requests per second, how long they take and what they cost
    Registry(BenchRegistry),
}

/// `sluice bench registry`.
#[derive(Debug, Args)]
pub struct BenchRegistry {
    /// A configuration whose cluster has the node's log, in a topic of its own: sluice.bench.registry, deleted
    /// afterwards; without it the log is in the broker of the demo, inside this process
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// How long each kind of request is measured
    #[arg(long = "for", value_name = "TIME", default_value = "5s", value_parser = humantime::parse_duration)]
    pub time: Duration,
    /// Connections, each with one request at a time
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub connections: u16,
    /// Schemas of 2 KB that are registered before
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub schemas: u32,
    /// How the figures are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}
