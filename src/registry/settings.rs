//! Where the registry is and how to authenticate there: the checked configuration of the client.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// The registry that names the schemas.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Its addresses; the first that answers is kept.
    pub urls: Vec<url::Url>,
    /// How to authenticate.
    pub auth: Option<Auth>,
    /// Certificates, where the defaults of the system do not do.
    pub tls: Option<Tls>,
    /// How old `latest` and lists of versions may be.
    pub refresh: Duration,
}

/// How to authenticate.
#[derive(Debug, Clone)]
pub enum Auth {
    /// User and password.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A token.
    Bearer(Secret),
}

/// Certificates of HTTPS, as PEM files.
#[derive(Debug, Clone)]
pub struct Tls {
    /// Authorities that are trusted instead of the system's.
    pub ca: Option<PathBuf>,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
}

/// A text that is never printed.
#[derive(Clone)]
pub struct Secret(pub String);

impl Secret {
    /// Returns the text, for the one who authenticates.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
