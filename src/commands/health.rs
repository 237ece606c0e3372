//! `sluice health`: asks a process that runs, as probes without a shell or an HTTP client of their own do.
//!
//! The address is an argument and is not read from the configuration: a file that somebody is editing says nothing
//! about the process. Nothing secret is sent, so the certificate of an `https` address is not checked, as Kubernetes does not either.

use std::io::Write;
#[cfg(feature = "tls")]
use std::path::Path;
use std::time::Duration;

#[cfg(feature = "tls")]
use anyhow::Context as _;
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, StatusCode};

use super::remote::print;
use super::{Exit, Failure};
use crate::cli;
#[cfg(feature = "tls")]
use crate::https;

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
    let client = with_tls(builder, asked).map_err(Failure::usage)?.build().map_err(silent)?;
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
fn with_tls(builder: ClientBuilder, asked: &cli::Health) -> anyhow::Result<ClientBuilder> {
    let builder =
        https::configure(builder, "", None).map_err(anyhow::Error::msg)?.tls_danger_accept_invalid_certs(true);
    let (Some(certificate), Some(key)) = (&asked.certificate, &asked.key) else { return Ok(builder) };
    let read = |file: &Path| std::fs::read(file).with_context(|| format!("'{}' cannot be read", file.display()));
    let pem = [read(certificate)?, b"\n".to_vec(), read(key)?].concat();
    let wrong = || format!("'{}' and '{}' are no certificate and its key", certificate.display(), key.display());
    Ok(builder.identity(reqwest::Identity::from_pem(&pem).with_context(wrong)?))
}

#[cfg(not(feature = "tls"))]
fn with_tls(builder: ClientBuilder, asked: &cli::Health) -> anyhow::Result<ClientBuilder> {
    let is_shown = asked.certificate.is_some();
    if is_shown { Err(anyhow::anyhow!("this build has no TLS, and so no certificate to show")) } else { Ok(builder) }
}
