//! The command line: what a user can say, as types, and nothing else.
//!
//! Commands that design decided and this version lacks are not among the types: whoever
//! asks for one gets an answer that says so ([`Later`]), not a guess at a misspelling.

mod bench;
mod dead_letters;
mod health;
mod migrate;
mod moment;
mod schema;
mod tail;

use std::path::PathBuf;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use self::bench::{BenchCluster, BenchCommand, BenchCopy, BenchGate, BenchRegistry, Codec};
pub use self::dead_letters::{
    Chosen, DeadLettersCommand, DeadLettersList, DeadLettersRedrive, DeadLettersRuns, DeadLettersShow,
    DeadLettersStats, Filters, States, To,
};
pub use self::health::Health;
pub use self::migrate::{
    JobAt, MigrateAbandon, MigrateCommand, MigrateCutOver, MigratePlan, MigrateRun, MigrateVerify,
};
use self::moment::moment;
pub use self::schema::{
    Check, Compatibility, Diff, Export, Get, Import, List, NamedReference, Register, RegistryAt, RegistryCommand,
    SchemaCommand, SchemaType,
};
pub use self::tail::{Form, Tail};

/// A schema gate for Kafka: checks every record against its registry schema and routes it
#[derive(Debug, Parser)]
#[command(name = "sluice", version, subcommand_required = true, arg_required_else_help = true)]
#[command(disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = "Not there yet in this version: bench convert.")]
pub struct Cli {
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// The commands of this version.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the gates of a configuration, with health, metrics and status over HTTP
    Run(Run),
    /// Show all of it with nothing needed: a broker, a registry and sample traffic inside the process
    Demo(Demo),
    /// Read and check a configuration against cluster and registry; change nothing
    CheckConfig(CheckConfig),
    /// Serve a schema registry that keeps its state in Kafka, or move all of one as JSON lines
    #[command(subcommand)]
    Registry(RegistryCommand),
    /// Check, compare, register and read schemas, of any Confluent-compatible registry
    #[command(subcommand)]
    Schema(SchemaCommand),
    /// Move a topic to another topic, with its consumer groups and their exact offsets
    #[command(subcommand)]
    Migrate(MigrateCommand),
    /// List, explain and count dead letters
    #[command(subcommand)]
    DeadLetters(DeadLettersCommand),
    /// Print the records of a topic, decoded by the registry's schemas
    Tail(Tail),
    /// Ask a process that runs whether it is alive, or ready: for probes
    Health(Health),
    /// Measure throughput and cost on your own machines
    #[command(subcommand)]
    Bench(BenchCommand),
    /// Print completions for a shell, or the man pages
    Completions(Completions),
}

/// Where the configuration is.
#[derive(Debug, Args)]
pub struct ConfigFile {
    /// The configuration, YAML or TOML by its ending
    #[arg(long, value_name = "FILE", env = "SLUICE_CONFIG", default_value = "sluice.yaml")]
    pub config: PathBuf,
}

/// `sluice run`.
#[derive(Debug, Args)]
pub struct Run {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
}

/// `sluice demo`.
#[derive(Debug, Args)]
pub struct Demo {
    /// How long traffic is made before the summary
    #[arg(long = "for", value_name = "TIME", default_value = "20s", value_parser = humantime::parse_duration)]
    pub time: Duration,
    /// Records per second
    #[arg(long, value_name = "N", default_value_t = 2000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Go on until interrupted, so that broker, registry and admin port can be tried from outside
    #[arg(long, conflicts_with = "time")]
    pub keep_running: bool,
}

/// `sluice check-config`.
#[derive(Debug, Args)]
pub struct CheckConfig {
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// How the findings are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// Lines for people
    Text,
    /// One JSON document
    Json,
}

/// `sluice completions`.
#[derive(Debug, Args)]
pub struct Completions {
    /// For which shell; man: all man pages, one after the other
    #[arg(value_enum)]
    pub target: Target,
}

/// What completions are made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the names say it, and a doc would be printed as help")]
pub enum Target {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
    Man,
}

/// A command that design has and this version has not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Later {
    /// Its name.
    pub name: &'static str,
    /// What it will do.
    pub purpose: &'static str,
}

/// The commands to come.
pub const LATER: [Later; 1] =
    [Later { name: "bench convert", purpose: "measure what a converter does per second, and what that costs" }];

impl Later {
    /// Finds the command that a user asked for too early.
    #[must_use]
    pub fn from_error(error: &clap::Error) -> Option<Self> {
        if error.kind() != ErrorKind::InvalidSubcommand {
            return None;
        }
        let Some(ContextValue::String(asked)) = error.get(ContextKind::InvalidSubcommand) else { return None };
        // Of commands within commands clap knows the last word.
        LATER.into_iter().find(|later| later.name.rsplit(' ').next() == Some(asked))
    }
}
