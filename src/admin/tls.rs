//! TLS towards HTTP clients: the certificate that they are shown, and the one that they may have to show.
//!
//! The admin server and the registry that is served speak it alike. It is rustls with ring, as towards registries, and
//! compiled with the feature `tls` only. A handshake has its time, and ends with the server. The files are read again once
//! they have changed: what is new counts for connections to come, those under way go on with what they began with. Files
//! are written one after the other, so a change counts once two looks have found the same. What cannot be used is told
//! once, and changes nothing.

use std::convert::Infallible;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::sync::watch;

#[cfg(feature = "tls")]
pub use self::with::Certificates;
#[cfg(not(feature = "tls"))]
pub use self::without::Certificates;
use crate::config::ServerTls;

/// Time for a TLS handshake: two ways there and back.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time between looks at the files of the certificates.
const FILES_INTERVAL: Duration = Duration::from_secs(2);

#[cfg(feature = "tls")]
type Secured = tokio_rustls::server::TlsStream<TcpStream>;
#[cfg(not(feature = "tls"))]
type Secured = TcpStream;

/// Why a file cannot be used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("the file '{}' of '{section}.{key}' cannot be used: {problem}", file.display())]
pub struct Error {
    section: &'static str,
    key: &'static str,
    file: std::path::PathBuf,
    problem: String,
}

/// Reads the files that a section of the configuration names, where there is one.
///
/// # Errors
/// The first that cannot be used.
pub(crate) fn certificates(
    section: &'static str,
    settings: Option<&ServerTls>,
) -> Result<Option<Arc<Certificates>>, Error> {
    let load = |settings| Certificates::load(section, settings).map(Arc::new);
    settings.map(load).transpose()
}

/// Reads the files again whenever they have changed; never ends.
pub(crate) async fn watch(certificates: Option<&Certificates>) -> Infallible {
    let Some(certificates) = certificates else { return std::future::pending().await };
    loop {
        tokio::time::sleep(FILES_INTERVAL).await;
        match certificates.reload() {
            Ok(false) => {}
            Ok(true) => tracing::info!(section = certificates.section(), "the certificate was read again"),
            Err(error) => tracing::error!(%error, "the certificate stays as it was"),
        }
    }
}

impl Certificates {
    /// Begins to speak TLS with a client, in time; `None` where the server stops before it has come to that.
    pub(crate) async fn greet(
        &self,
        stream: TcpStream,
        closed: &mut watch::Receiver<bool>,
    ) -> Option<io::Result<Secured>> {
        tokio::select! {
            handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, self.handshake(stream)) => {
                Some(handshake.unwrap_or_else(|elapsed| Err(elapsed.into())))
            }
            _ = closed.wait_for(|closed| *closed) => None,
        }
    }
}

#[cfg(feature = "tls")]
mod with {
    use std::fs::File;
    use std::io::{self, Read as _};
    use std::path::{Path, PathBuf};
    use std::sync::{Arc, Mutex, PoisonError};

    use arc_swap::ArcSwap;
    use rustls::crypto::{CryptoProvider, ring};
    use rustls::pki_types::pem::{self, PemObject as _};
    use rustls::pki_types::{CertificateDer, PrivateKeyDer};
    use rustls::server::WebPkiClientVerifier;
    use rustls::server::danger::ClientCertVerifier;
    use rustls::sign::{CertifiedKey, SingleCertAndKey};
    use rustls::{InconsistentKeys, RootCertStore, ServerConfig};
    use tokio::net::TcpStream;
    use tokio_rustls::TlsAcceptor;

    use super::{Error, Secured};
    use crate::config::ServerTls;

    /// The largest file, in bytes: a hundred authorities, and no device.
    const MAX_FILE_BYTES: u64 = 1 << 20;

    /// What clients are shown and asked for.
    #[derive(Debug)]
    pub struct Certificates {
        section: &'static str,
        settings: ServerTls,
        present: ArcSwap<ServerConfig>,
        looks: Mutex<Looks>,
    }

    /// What the files were.
    #[derive(Debug)]
    struct Looks {
        /// When they were last used, or found to be of no use.
        judged: Files,
        /// At the last look.
        last: Files,
    }

    /// The files as they are: each with its bytes, or why there are none.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct Files {
        certificate: Result<Vec<u8>, String>,
        key: Result<Vec<u8>, String>,
        client_ca: Option<Result<Vec<u8>, String>>,
    }

    /// What is wrong with a file, whoever names it.
    struct Unusable {
        key: &'static str,
        file: PathBuf,
        problem: String,
    }

    impl Unusable {
        fn in_section(self, section: &'static str) -> Error {
            let Self { key, file, problem } = self;
            Error { section, key, file, problem }
        }
    }

    impl Certificates {
        /// Reads the files that a section of the configuration names.
        ///
        /// # Errors
        /// The first that cannot be used.
        pub(crate) fn load(section: &'static str, settings: &ServerTls) -> Result<Self, Error> {
            let files = Files::read(settings);
            let config = files.config(settings).map_err(|problem| problem.in_section(section))?;
            let looks = Mutex::new(Looks { judged: files.clone(), last: files });
            Ok(Self { section, settings: settings.clone(), present: ArcSwap::from_pointee(config), looks })
        }

        /// Returns the section of the configuration that names the files.
        pub(super) fn section(&self) -> &'static str {
            self.section
        }

        /// Looks at the files, and uses them where they have changed; tells whether they had.
        ///
        /// # Errors
        /// The first that cannot be used, once. What was used before remains.
        pub(crate) fn reload(&self) -> Result<bool, Error> {
            let files = Files::read(&self.settings);
            {
                let mut looks = self.looks.lock().unwrap_or_else(PoisonError::into_inner);
                let is_settled = looks.last == files;
                looks.last = files.clone();
                if !is_settled || looks.judged == files {
                    return Ok(false);
                }
                looks.judged = files.clone();
            }
            let config = files.config(&self.settings).map_err(|problem| problem.in_section(self.section))?;
            self.present.store(Arc::new(config));
            Ok(true)
        }

        /// Begins to speak TLS with a client.
        ///
        /// # Errors
        /// That the two come to no terms, or the client has no certificate that is asked for.
        pub(super) async fn handshake(&self, stream: TcpStream) -> io::Result<Secured> {
            TlsAcceptor::from(self.present.load_full()).accept(stream).await
        }
    }

    impl Files {
        fn read(settings: &ServerTls) -> Self {
            Self {
                certificate: read(&settings.certificate),
                key: read(&settings.key),
                client_ca: settings.client_ca.as_deref().map(read),
            }
        }

        fn config(&self, settings: &ServerTls) -> Result<ServerConfig, Unusable> {
            let provider = Arc::new(ring::default_provider());
            let identity = self.identity(settings, &provider)?;
            let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
                .with_safe_default_protocol_versions()
                .map_err(|error| unusable("certificate", &settings.certificate, error))?;
            let builder = match (&self.client_ca, &settings.client_ca) {
                (Some(bytes), Some(file)) => builder.with_client_cert_verifier(verifier(bytes, file, provider)?),
                (Some(_) | None, _) => builder.with_no_client_auth(),
            };
            let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(identity)));
            config.alpn_protocols = vec![b"http/1.1".to_vec()];
            Ok(config)
        }

        /// Puts the certificate and its key together.
        fn identity(&self, settings: &ServerTls, provider: &CryptoProvider) -> Result<CertifiedKey, Unusable> {
            let chain = certificates(&self.certificate, "certificate", &settings.certificate)?;
            let of_key = |problem| unusable("key", &settings.key, problem);
            let bytes = self.key.as_ref().map_err(|problem| of_key(problem.clone()))?;
            let key = PrivateKeyDer::from_pem_slice(bytes).map_err(|error| {
                let is_none = matches!(error, pem::Error::NoItemsFound);
                let none = "it holds no private key in PEM form; one with a passphrase cannot be read";
                of_key(if is_none { none.to_owned() } else { error.to_string() })
            })?;
            let key = provider.key_provider.load_private_key(key).map_err(|error| of_key(error.to_string()))?;
            let identity = CertifiedKey::new(chain, key);
            match identity.keys_match() {
                Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => Ok(identity),
                Err(rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch)) => {
                    let certificate = settings.certificate.display();
                    let problem = format!("it is not the key of the first certificate in '{certificate}'");
                    Err(of_key(problem))
                }
                Err(error) => Err(unusable("certificate", &settings.certificate, error)),
            }
        }
    }

    fn verifier(
        bytes: &Result<Vec<u8>, String>,
        file: &Path,
        provider: Arc<CryptoProvider>,
    ) -> Result<Arc<dyn ClientCertVerifier>, Unusable> {
        let mut roots = RootCertStore::empty();
        for certificate in certificates(bytes, "client_ca", file)? {
            roots.add(certificate).map_err(|error| unusable("client_ca", file, error))?;
        }
        let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.build().map_err(|error| unusable("client_ca", file, error))
    }

    fn certificates(
        bytes: &Result<Vec<u8>, String>,
        key: &'static str,
        file: &Path,
    ) -> Result<Vec<CertificateDer<'static>>, Unusable> {
        let bytes = bytes.as_ref().map_err(|problem| unusable(key, file, problem))?;
        let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
        match found {
            Ok(none) if none.is_empty() => Err(unusable(key, file, "it holds no certificate in PEM form")),
            Ok(found) => Ok(found),
            Err(error) => Err(unusable(key, file, error)),
        }
    }

    fn read(path: &Path) -> Result<Vec<u8>, String> {
        let mut bytes = Vec::new();
        let file = File::open(path).map_err(|error| error.to_string())?;
        let read = file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
        match u64::try_from(read) {
            Ok(read) if read <= MAX_FILE_BYTES => Ok(bytes),
            Ok(_) | Err(_) => Err(format!("it is larger than {MAX_FILE_BYTES} bytes")),
        }
    }

    fn unusable(key: &'static str, file: &Path, problem: impl ToString) -> Unusable {
        Unusable { key, file: file.to_owned(), problem: problem.to_string() }
    }
}

#[cfg(not(feature = "tls"))]
mod without {
    use tokio::net::TcpStream;

    use super::Error;
    use crate::config::ServerTls;

    /// No certificates: there is no value of it.
    #[derive(Debug)]
    pub enum Certificates {}

    impl Certificates {
        pub(crate) fn load(section: &'static str, settings: &ServerTls) -> Result<Self, Error> {
            let problem = "this build has no TLS; build with the default features".to_owned();
            Err(Error { section, key: "certificate", file: settings.certificate.clone(), problem })
        }

        pub(crate) fn reload(&self) -> Result<bool, Error> {
            match *self {}
        }

        pub(super) fn section(&self) -> &'static str {
            match *self {}
        }

        pub(super) async fn handshake(&self, _: TcpStream) -> std::io::Result<TcpStream> {
            match *self {}
        }
    }
}
