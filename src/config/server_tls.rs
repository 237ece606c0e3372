//! TLS towards HTTP clients: of the admin server, and of the registry that this process serves.

use std::path::PathBuf;

/// What a listener shows and asks for where clients speak TLS, all PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerTls {
    /// The certificate, followed by those of the authorities between it and one that clients know.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// The authorities of which every client must have a certificate. Default none: clients need no certificate.
    pub client_ca: Option<PathBuf>,
}
