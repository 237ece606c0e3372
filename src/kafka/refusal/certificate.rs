//! Why a broker's certificate is refused: a handshake of our own, with the authority that the configuration names.
//!
//! OpenSSL knows, and librdkafka does not pass it on. rustls is in the binary for registries, so it is asked once more.
//! Nothing is sent but the handshake. Where the configuration names no authority, the machine's are used, which
//! rustls does not read: then there is no answer.

use std::net::{TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, ClientConnection, Error, RootCertStore};

use crate::config::Kafka;

/// How long the broker may take: it has just answered librdkafka.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Returns what is wrong with the certificate of the broker at `HOST:PORT`, and what to do.
pub(super) fn look_at(address: &str, kafka: &Kafka) -> Option<String> {
    let (host, _) = address.rsplit_once(':')?;
    let error = handshake(address, host.trim_matches(['[', ']']), roots(kafka)?)?;
    let Error::InvalidCertificate(error) = error else { return None };
    Some(words(&error, host))
}

#[expect(clippy::wildcard_enum_match_arm, reason = "rustls may name more faults, and its words say what is wrong")]
fn words(error: &CertificateError, host: &str) -> String {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "the broker's certificate has expired: renew it there, or set this machine's clock".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "the broker's certificate is not valid yet: set this machine's clock".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => format!(
            "the broker's certificate is another host's: let 'kafka.bootstrap.servers' and the broker's \
             advertised.listeners use the name in it, or add '{host}' to it"
        ),
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            "the authority of the broker's certificate is not in 'kafka.ssl.ca.location': add it there".to_owned()
        }
        error => format!("the broker's certificate cannot be used: {error}"),
    }
}

/// Returns the authorities that the configuration names; `None` where it names none, or none that can be read.
fn roots(kafka: &Kafka) -> Option<RootCertStore> {
    let get = |wanted: &str| kafka.common().find(|(name, _)| *name == wanted).map(|(_, value)| value);
    let pem = match (get("ssl.ca.pem"), get("ssl.ca.location")) {
        (Some(pem), _) => pem.as_bytes().to_vec(),
        (None, Some(path)) => std::fs::read(path).ok()?,
        (None, None) => return None,
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(CertificateDer::pem_slice_iter(&pem).filter_map(Result::ok));
    (!roots.is_empty()).then_some(roots)
}

/// Shakes hands as far as the certificate; returns why it was refused.
fn handshake(address: &str, host: &str, roots: RootCertStore) -> Option<Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().ok()?;
    let config = Arc::new(config.with_root_certificates(roots).with_no_client_auth());
    let mut connection = ClientConnection::new(config, ServerName::try_from(host.to_owned()).ok()?).ok()?;
    let socket = address.to_socket_addrs().ok()?.find_map(|address| TcpStream::connect_timeout(&address, TIMEOUT).ok());
    let mut socket = socket?;
    socket.set_read_timeout(Some(TIMEOUT)).ok()?;
    socket.set_write_timeout(Some(TIMEOUT)).ok()?;
    while connection.is_handshaking() {
        let error = connection.complete_io(&mut socket).err();
        if let Some(error) = error {
            return error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()).cloned();
        }
    }
    None
}
