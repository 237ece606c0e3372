//! A client that speaks TLS: it trusts one authority alone, and may show a certificate of its own.

use std::time::Duration;

use reqwest::{Certificate, Client, ClientBuilder, Identity};

use super::certificates::{self, Authority};

/// Creates a client that trusts this authority, and shows this certificate.
pub(crate) fn client(authority: &Authority, identity: Option<&certificates::Identity>) -> Client {
    // Without it reqwest has no TLS, and refuses to be made.
    drop(rustls::crypto::ring::default_provider().install_default());
    let ca = std::fs::read(authority.file()).unwrap();
    let builder = Client::builder().tls_certs_only(Certificate::from_pem_bundle(&ca).unwrap());
    let builder = builder.timeout(Duration::from_secs(60));
    let identity = identity.map(|identity| Identity::from_pem(&std::fs::read(&identity.both).unwrap()).unwrap());
    identity.into_iter().fold(builder, ClientBuilder::identity).build().unwrap()
}

/// Returns a runtime for requests.
pub(crate) fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}
