//! `sluice check-config`: what the gates of a configuration would do on its cluster, and what stands against it.
//!
//! The file is checked first; then cluster and registry are asked by harmless probes, and everything found is printed at
//! once. No topic is written or created and no offset committed; the one trace left is a transactional ID of its
//! own, `{application}.{gate}-check-config`, which no pipeline uses and which the cluster forgets in time.
//!
//! A **fault** keeps a gate from starting or from serving all its records: exit code 2. A **note** is for the operator
//! to mean. What no probe can tell without reading or writing records is named with the commands that grant it.

mod acls;
mod cluster;
mod registry;
mod report;

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use self::report::Report;
use super::{Exit, Failure, load};
use crate::admin::tls;
use crate::cli::Output;
use crate::config::Config;
use crate::pipeline::watchdog;

/// Checks a configuration and prints what was found.
///
/// # Errors
/// Mistakes in the file when the output is text, and failures to print.
pub(super) async fn run(path: &Path, output: Output, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    // It holds the same secrets as a gate that runs.
    watchdog::no_core_dumps();
    let report = match (Config::load(path), output) {
        (Ok(config), _) => check(config).await?,
        (Err(mistakes), Output::Json) => Report::of_mistakes(&mistakes),
        (Err(_), Output::Text) => return load(path).map(|_| Exit::Usage),
    };
    let text = match output {
        Output::Text => report.to_string(),
        Output::Json => serde_json::to_string_pretty(&report).map_err(Failure::fatal)? + "\n",
    };
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(Failure::fatal)?;
    Ok(if report.faults.is_empty() { Exit::Done } else { Exit::Usage })
}

/// Asks cluster and registry. The Kafka client blocks, so it is asked on a thread that may.
async fn check(config: Config) -> Result<Report, Failure> {
    let config = Arc::new(config);
    let of_cluster = {
        let config = Arc::clone(&config);
        tokio::task::spawn_blocking(move || cluster::probe(&config)).await.map_err(Failure::fatal)?
    };
    let mut report = of_cluster;
    registry::probe(&config, &mut report).await;
    if let Err(error) = tls::certificates("admin.tls", config.admin.tls.as_ref()) {
        report.fault("admin.tls", error);
    }
    acls::unchecked(&config, &mut report);
    Ok(report)
}
