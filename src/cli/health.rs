//! `sluice health`, as it is written on the command line.

use clap::Args;
use url::Url;

/// `sluice health`.
#[derive(Debug, Args)]
pub struct Health {
    /// The admin address of the process
    #[arg(long, value_name = "URL", env = "SLUICE_ADMIN", default_value = "http://127.0.0.1:8090")]
    pub admin: Url,
    /// Ask whether it is ready, and not only whether it is alive: an outage of brokers or registry can say no to this
    #[arg(long)]
    pub ready: bool,
}
