//! The HTTPS that we ask others by: own authority, client certificate, and what an error says.
//!
//! It is rustls with ring, and compiled with the feature `tls` only.

use reqwest::ClientBuilder;

use crate::config::Tls;

/// Adds the certificates that a section of the configuration names; without any, public authorities are trusted.
///
/// # Errors
/// The file that cannot be used, with its key.
#[cfg(feature = "tls")]
pub(crate) fn configure(builder: ClientBuilder, section: &str, tls: Option<&Tls>) -> Result<ClientBuilder, String> {
    // reqwest takes the process's provider; another part of the process may have set it first, which is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    match tls {
        None => Ok(builder),
        Some(tls) => files::Section(section).add(builder, tls),
    }
}

/// Adds nothing: certificates are refused with the configuration.
///
/// # Errors
/// None.
#[cfg(not(feature = "tls"))]
pub(crate) fn configure(builder: ClientBuilder, _: &str, _: Option<&Tls>) -> Result<ClientBuilder, String> {
    Ok(builder)
}

/// Writes an error with its causes, since reqwest's first line says little.
pub(crate) fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}

#[cfg(feature = "tls")]
mod files {
    use std::fmt::Display;
    use std::path::Path;

    use reqwest::{Certificate, ClientBuilder, Identity};

    use crate::config::Tls;

    /// The section that names the files.
    pub(super) struct Section<'s>(pub(super) &'s str);

    impl Section<'_> {
        pub(super) fn add(&self, mut builder: ClientBuilder, tls: &Tls) -> Result<ClientBuilder, String> {
            if let Some(path) = &tls.ca {
                let certificates = Certificate::from_pem_bundle(&self.read("tls.ca", path)?)
                    .map_err(|error| self.unusable("tls.ca", path, &error))?;
                if certificates.is_empty() {
                    return Err(self.unusable("tls.ca", path, &"it holds no certificate in PEM form"));
                }
                builder = builder.tls_certs_only(certificates);
            }
            if let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) {
                let mut pem = self.read("tls.certificate", certificate)?;
                pem.push(b'\n');
                pem.extend(self.read("tls.key", key)?);
                let identity =
                    Identity::from_pem(&pem).map_err(|error| self.unusable("tls.certificate", certificate, &error))?;
                builder = builder.identity(identity);
            }
            Ok(builder)
        }

        fn read(&self, key: &str, path: &Path) -> Result<Vec<u8>, String> {
            std::fs::read(path).map_err(|error| self.unusable(key, path, &error))
        }

        fn unusable(&self, key: &str, path: &Path, error: &dyn Display) -> String {
            format!("the file '{}' of '{}.{key}' cannot be used: {error}", path.display(), self.0)
        }
    }
}
