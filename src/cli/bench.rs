//! What a user can say of measurements: `sluice bench`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};

use super::Output;

/// `sluice bench`.
#[derive(Debug, Subcommand)]
pub enum BenchCommand {
    /// Measure a node of the registry: requests per second, how long they take and what they cost
    Registry(BenchRegistry),
    /// Measure a gate beside a plain copy: records per second, what they cost, and memory
    Gate(BenchGate),
    /// The plain copy that a gate is measured beside
    #[command(hide = true)]
    Copy(BenchCopy),
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

/// `sluice bench gate`.
#[derive(Debug, Args)]
pub struct BenchGate {
    /// Where
    #[command(flatten)]
    pub cluster: BenchCluster,
    /// Records that are written before, and go through each time: enough for some commits of the longest interval. Without
    /// it 5,000,000, which are for a second at 1,000,000 records/s, or fewer where those were more than 3 GB
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1_000..))]
    pub records: Option<u64>,
    /// Bytes of a record's value, about: nested orders in Avro
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub size: u32,
    /// How the records are compressed, those that are read and those that are written
    #[arg(long, value_name = "CODEC", value_enum, default_value_t = Codec::None)]
    pub compression: Codec,
    /// Partitions of what is read, of all gates together
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=10_000))]
    pub partitions: u16,
    /// Gates in the one process, each with a source and outputs of its own; the partitions are dealt out among them
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1_000))]
    pub gates: u16,
    /// Versions of the schema, each with an ID of its own; in each partition every record has another one than the one before
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub schemas: u32,
    /// The share of records that are damaged, from 0 to 1
    #[arg(long, value_name = "SHARE", default_value_t = 0.0, value_parser = share)]
    pub damaged: f64,
    /// Commit intervals of exactly-once gates; the first is that of the others, too
    #[arg(long = "commit-interval", value_name = "TIME", value_delimiter = ',', default_value = "250ms,100ms,1s",
          value_parser = humantime::parse_duration)]
    pub intervals: Vec<Duration>,
    /// Measure how much later records come instead, while so many are written each second
    // Damaged records do not come out, and would be waited for.
    #[arg(long, value_name = "N", conflicts_with = "damaged", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: Option<u32>,
    /// For how long each is measured then
    #[arg(long = "for", value_name = "TIME", default_value = "20s", requires = "rate", value_parser = humantime::parse_duration)]
    pub time: Duration,
    /// How many times each is measured; medians are told, and the least and the most ratios
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub repeat: u32,
    /// How the figures are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How batches of records are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it, and a doc would be printed as help")]
pub enum Codec {
    None,
    Gzip,
    Snappy,
    Lz4,
    Zstd,
}

impl Codec {
    /// Returns Kafka's name of it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Gzip => "gzip",
            Self::Snappy => "snappy",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }
}

impl BenchGate {
    /// Records where the user does not say how many, and the most bytes of their values.
    const RECORDS: u64 = 5_000_000;
    const BYTES: u64 = 3_000_000_000;

    /// Returns how many records are written.
    #[must_use]
    pub fn records(&self) -> u64 {
        self.records.unwrap_or_else(|| Self::RECORDS.min(Self::BYTES / u64::from(self.size)))
    }
}

/// The cluster that is measured on.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub struct BenchCluster {
    /// Brokers to measure on, without TLS or passwords
    #[arg(long, value_name = "HOST:PORT,…")]
    pub brokers: Option<String>,
    /// A configuration whose cluster is measured on; nothing else of it is used
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
}

/// `sluice bench copy`.
#[derive(Debug, Args)]
pub struct BenchCopy {
    /// A configuration of the cluster
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
    /// A topic that is read; can be given again
    #[arg(long, value_name = "TOPIC")]
    pub from: Vec<String>,
    /// The topic that is written with what the one of the same place has
    #[arg(long, value_name = "TOPIC")]
    pub to: Vec<String>,
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "a number from 0 to 1 is needed".to_owned())
}
