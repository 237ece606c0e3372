//! How the schema registry is reached, and how long the gate waits for what it does not know.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use super::secret::Secret;

/// The registry that names the schemas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registry {
    /// Base addresses of one registry, tried in this order. Empty only where no gate checks anything.
    pub urls: Vec<Url>,
    /// How the client names itself; without it, it does not.
    pub auth: Option<Auth>,
    /// Certificates; without them the public authorities are trusted and no client certificate is shown.
    pub tls: Option<Tls>,
    /// How old `latest` and lists of versions may be. Default 30 s: a new version is seen within it, and a gate of
    /// twenty subjects asks less than once a second.
    pub refresh: Duration,
    /// How long an ID that the registry does not know holds its partition.
    pub unknown_schema: UnknownSchema,
    /// Folder in which schemas, their subjects and targets survive a restart during an outage. Default none: a gate that
    /// starts then waits for the registry.
    pub cache_dir: Option<PathBuf>,
}

/// How the client names itself to the registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Auth {
    /// HTTP basic.
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// A bearer token that does not change.
    Bearer(Secret),
}

/// Certificates, all PEM files.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authorities to trust instead of the public ones.
    pub ca: Option<PathBuf>,
    /// The client's certificate chain; set together with `key`.
    pub certificate: Option<PathBuf>,
    /// The client's private key.
    pub key: Option<PathBuf>,
}

/// How long an ID that the registry does not know holds its partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownSchema {
    /// An ID is unknown when the registry says so again after this time. Default 30 s: producers may register
    /// just before they produce, and the registry's followers lag.
    pub grace: Duration,
    /// How long a partition is held in any ten minutes for unknown IDs. Default 60 s: beyond it a flood of unknown IDs
    /// would stop the partition for good.
    pub max_hold: Duration,
}
