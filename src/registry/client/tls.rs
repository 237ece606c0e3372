//! HTTPS towards the registry. Without the feature `tls` an `https` address is an error that says so, not a connection that
//! fails.

use reqwest::ClientBuilder;

use super::error::Error;
use crate::config::Registry;
use crate::https;

/// Adds the certificates of the settings.
pub(super) fn configure(builder: ClientBuilder, settings: &Registry) -> Result<ClientBuilder, Error> {
    let needs_tls = settings.urls.iter().find(|url| url.scheme() == "https");
    match needs_tls.filter(|_| cfg!(not(feature = "tls"))) {
        None => https::configure(builder, "registry", settings.tls.as_ref()).map_err(Error::Settings),
        Some(url) => Err(Error::Settings(format!(
            "the registry address '{}' needs HTTPS, and this build has none; build with the cargo feature 'tls'",
            url.host_str().unwrap_or_default()
        ))),
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
