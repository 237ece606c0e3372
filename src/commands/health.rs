//! `sluice health`: asks a process that runs, as probes without a shell or an HTTP client of their own do.
//!
//! The address is an argument and is not read from the configuration: a file that somebody is editing says nothing
//! about the process. Nothing secret is sent, so the certificate of an `https` address is not checked, as Kubernetes does not either.

use std::io::Write;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, StatusCode};

use super::remote::print;
use super::{Exit, Failure};
use crate::cli;

/// How long the answer may take: less than the time that probes are usually given.
const LIMIT: Duration = Duration::from_secs(3);

/// Prints the answer; the exit code is 1 where it is no.
///
/// # Errors
/// There is no answer, or one that is not of sluice.
pub(super) async fn run(asked: &cli::Health, out: &mut (dyn Write + Send)) -> Result<Exit, Failure> {
    let mut url = asked.admin.clone();
    url.set_path(if asked.ready { "/readyz" } else { "/livez" });
    let silent = |error: reqwest::Error| {
        let error = anyhow::Error::new(error.without_url()).context(format!("no answer from {url}"));
        Failure::fatal(error).hint("--admin, or SLUICE_ADMIN, is the address that 'admin.listen' has")
    };
    let builder = reqwest::Client::builder().timeout(LIMIT).redirect(Policy::none()).no_proxy();
    let client = with_tls(builder).build().map_err(silent)?;
    let answer = client.get(url.clone()).send().await.map_err(silent)?;
    let status = answer.status();
    let text = answer.text().await.map_err(silent)?;
    match status {
        StatusCode::OK | StatusCode::SERVICE_UNAVAILABLE => print(out, &(text + "\n"))?,
        other => {
            return Err(Failure::fatal(anyhow::anyhow!("{url} answers {other}: this is no admin address of sluice")));
        }
    }
    Ok(if status == StatusCode::OK { Exit::Done } else { Exit::Differences })
}

#[cfg(feature = "tls")]
fn with_tls(builder: ClientBuilder) -> ClientBuilder {
    // reqwest takes the process's provider.
    drop(rustls::crypto::ring::default_provider().install_default());
    builder.tls_danger_accept_invalid_certs(true)
}

#[cfg(not(feature = "tls"))]
fn with_tls(builder: ClientBuilder) -> ClientBuilder {
    builder
}
