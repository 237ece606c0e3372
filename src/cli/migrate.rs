//! What a user can say of migration jobs: `sluice migrate`.

use clap::{Args, Subcommand};

use super::{ConfigFile, Output};

/// `sluice migrate`.
#[derive(Debug, Subcommand)]
pub enum MigrateCommand {
    /// Copy the topic up to its present end, or for ever; goes on where it was after any interruption
    Run(MigrateRun),
    /// Move consumer groups to the target with exact offsets, or back; their old offsets are kept
    CutOver(MigrateCutOver),
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
}
