//! HTTPS towards the registry: own authority and client certificate.
//!
//! It is rustls with ring, and compiled with the feature `tls` only. Without it an `https` address is an
//! error that says so, not a connection that fails.

use reqwest::ClientBuilder;

use super::error::Error;
use crate::config::Registry;

/// Adds the certificates of the settings.
#[cfg(feature = "tls")]
pub(super) fn configure(builder: ClientBuilder, settings: &Registry) -> Result<ClientBuilder, Error> {
    // reqwest takes the process's provider; another part of the process may have set it first, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    match &settings.tls {
        None => Ok(builder),
        Some(tls) => files::add(builder, tls),
    }
}

/// Refuses what needs TLS.
#[cfg(not(feature = "tls"))]
pub(super) fn configure(builder: ClientBuilder, settings: &Registry) -> Result<ClientBuilder, Error> {
    match settings.urls.iter().find(|url| url.scheme() == "https") {
        None => Ok(builder),
        Some(url) => Err(Error::Settings(format!(
            "the registry address '{}' needs HTTPS, and this build has none; build with the cargo feature 'tls'",
            url.host_str().unwrap_or_default()
        ))),
    }
}

#[cfg(feature = "tls")]
mod files {
    use std::fmt::Display;
    use std::path::Path;

    use reqwest::{Certificate, ClientBuilder, Identity};

    use super::Error;
    use crate::config::Tls;

    pub(super) fn add(mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, Error> {
        if let Some(path) = &tls.ca {
            let certificates = Certificate::from_pem_bundle(&read("tls.ca", path)?)
                .map_err(|error| unusable("tls.ca", path, &error))?;
            if certificates.is_empty() {
                return Err(unusable("tls.ca", path, &"it holds no certificate in PEM form"));
            }
            builder = builder.tls_certs_only(certificates);
        }
        if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
            let mut pem = read("tls.certificate", certificate)?;
            pem.push(b'\n');
            pem.extend(read("tls.key", key)?);
            let identity =
                Identity::from_pem(&pem).map_err(|error| unusable("tls.certificate", certificate, &error))?;
            builder = builder.identity(identity);
        }
        Ok(builder)
    }

    fn read(key: &str, path: &Path) -> Result<Vec<u8>, Error> {
        std::fs::read(path).map_err(|error| unusable(key, path, &error))
    }

    fn unusable(key: &str, path: &Path, error: &dyn Display) -> Error {
        Error::Settings(format!("the file '{}' of 'registry.{key}' cannot be used: {error}", path.display()))
    }
}

#[cfg(test)]
#[cfg(feature = "tls")]
mod tests;
