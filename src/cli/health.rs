//! `sluice health`, as it is written on the command line.

use std::path::PathBuf;

use clap::Args;
use url::Url;

/// `sluice health`.
#[derive(Debug, Args)]
pub struct Health {
    /// The admin address of the process
    #[arg(long, value_name = "URL", env = "SLUICE_ADMIN", default_value = "http://127.0.0.1:8090")]
    pub admin: Url,
    /// The certificate to show, in PEM form, where `admin.tls.client_ca` asks for one
    #[arg(long, value_name = "FILE", env = "SLUICE_ADMIN_CERTIFICATE", requires = "key")]
    pub certificate: Option<PathBuf>,
    /// The key of the certificate
    #[arg(long, value_name = "FILE", env = "SLUICE_ADMIN_KEY", requires = "certificate")]
    pub key: Option<PathBuf>,
    /// Ask whether it is ready, and not only whether it is alive: an outage of brokers or registry can say no to this
    #[arg(long)]
    pub ready: bool,
}
