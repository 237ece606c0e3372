//! What a user can say of migration jobs: `sluice migrate`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{ConfigFile, Output};

/// `sluice migrate`.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Look at the source and show what a job would do; change nothing
    Plan(MigratePlan),
    /// Copy the topic up to its present end, or for ever; goes on where it was after any interruption
    Run(MigrateRun),
    /// Move consumer groups to the target with exact offsets, or back; their old offsets are kept
    CutOver(MigrateCutOver),
    /// Compare source and target record by record; exit code 1 where anything differs
    Verify(MigrateVerify),
    /// Show how far a job is, from Kafka alone
    Status(JobAt),
    /// Give a job up: stop it wherever it runs, and delete the topics that it made
    Abandon(MigrateAbandon),
}

/// Which job.
#[derive(Debug, Args)]
pub struct JobAt {
    /// The job's name in the section migrations; not needed where there is one only
    #[arg(value_name = "JOB")]
    pub job: Option<String>,
    /// Where the configuration is.
    #[command(flatten)]
    pub file: ConfigFile,
    /// How results are printed
    #[arg(long, value_name = "FORM", value_enum, default_value_t = Output::Text)]
    pub output: Output,
}

/// `sluice migrate plan`.
#[derive(Debug, Args)]
pub struct MigratePlan {
    /// Which job.
    #[command(flatten)]
    pub at: JobAt,
    /// Read the first N offsets of each partition
    #[arg(long, value_name = "N", default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Read all of the source
    #[arg(long, conflicts_with = "sample")]
    pub whole: bool,
    /// How many lanes copy side by side [default: 4, or the source's partitions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=64))]
    pub lanes: Option<i32>,
    /// Write the plan to a file that `run --plan` can be held to
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
}

/// `sluice migrate run`.
#[derive(Debug, Args)]
pub struct MigrateRun {
    /// Which job.
    #[command(flatten)]
    pub at: JobAt,
    /// Go on with what is written to the source, until interrupted
    #[arg(long)]
    pub follow: bool,
    /// Copy no more records per second than this
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub rate: Option<u32>,
    /// How many lanes copy side by side; chosen once, when the job begins [default: 4, or the source's partitions]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(i32).range(1..=64))]
    pub lanes: Option<i32>,
    /// Begin as this plan says, or not at all
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lanes", "follow"])]
    pub plan: Option<PathBuf>,
    /// Write how far it is to this file, in Prometheus' text format, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `sluice migrate cut-over`.
#[derive(Debug, Args)]
pub struct MigrateCutOver {
    /// Which job.
    #[command(flatten)]
    pub at: JobAt,
    /// A group to move, again for each; none: those that the configuration names
    #[arg(long = "group", value_name = "GROUP")]
    pub groups: Vec<String>,
    /// Show where the groups would go on, and change nothing
    #[arg(long)]
    pub dry_run: bool,
    /// Bring groups back to the source
    #[arg(long)]
    pub back: bool,
    /// Write which groups were moved to this file, in Prometheus' text format, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `sluice migrate verify`.
#[derive(Debug, Args)]
pub struct MigrateVerify {
    /// Which job.
    #[command(flatten)]
    pub at: JobAt,
    /// Compare the records of one key in N only
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Write what was found to this file, in Prometheus' text format, for node_exporter's textfile collector
    #[arg(long, value_name = "FILE")]
    pub metrics: Option<PathBuf>,
}

/// `sluice migrate abandon`.
#[derive(Debug, Args)]
pub struct MigrateAbandon {
    /// Which job.
    #[command(flatten)]
    pub at: JobAt,
    /// Delete no topic
    #[arg(long)]
    pub keep_topics: bool,
    /// Delete the target also where others have written to it
    #[arg(long, conflicts_with = "keep_topics")]
    pub delete_born: bool,
}
