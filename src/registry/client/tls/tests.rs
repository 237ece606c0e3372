//! A handshake with an own authority and a client certificate.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig, ServerConnection, Stream};

use crate::config::{Registry, Tls};
use crate::registry::client::{Client, Kind};
use crate::registry::tests::settings;
use crate::schema::{SchemaId, SchemaRef};

fn file(name: &str) -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/registry/client/certificates", name].iter().collect()
}

/// A server that demands a client certificate.
fn server_config() -> Arc<ServerConfig> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let certificates = |name: &str| -> Vec<CertificateDer<'static>> {
        CertificateDer::pem_file_iter(file(name)).unwrap().map(Result::unwrap).collect()
    };
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates("ca.pem"));
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider)).build().unwrap();
    let key = PrivateKeyDer::from_pem_file(file("server.key")).unwrap();
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates("server.pem"), key)
        .unwrap();
    Arc::new(config)
}

/// Answers one connection with a schema, or ends it where the handshake fails.
fn answer(mut socket: TcpStream, config: Arc<ServerConfig>) -> std::io::Result<()> {
    let mut connection = ServerConnection::new(config).unwrap();
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        request.push(byte[0]);
    }
    let body = r#"{"schema":"\"int\""}"#;
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len())?;
    stream.conn.send_close_notify();
    stream.flush()
}

#[tokio::test]
async fn own_authority_and_client_certificate() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("https://{}/", listener.local_addr().unwrap()).parse().unwrap();
    let cases = [
        ("both", "ca.pem", Some(("client.pem", "client.key")), None),
        ("no client certificate", "ca.pem", None, Some("'registry.tls.certificate'")),
        ("another authority", "client.pem", Some(("client.pem", "client.key")), Some("'registry.tls.ca'")),
    ];
    let config = server_config();
    let server = std::thread::spawn(move || {
        for socket in listener.incoming().take(cases.len()) {
            // A handshake that fails is what the client is asked about.
            drop(answer(socket.unwrap(), Arc::clone(&config)));
        }
    });
    for (name, ca, identity, refused) in cases {
        let tls = Tls {
            ca: Some(file(ca)),
            certificate: identity.map(|(certificate, _)| file(certificate)),
            key: identity.map(|(_, key)| file(key)),
        };
        let client = Client::new(&Registry { tls: Some(tls), ..settings(&[&url]) }).unwrap();
        match client.schema(SchemaRef::Id(SchemaId(1))).await {
            Ok(text) => assert!(refused.is_none() && &*text.text == r#""int""#, "{name}"),
            Err(error) => {
                assert_eq!(error.kind(), Kind::Transient, "{name}: {error}");
                assert!(refused.is_some_and(|key| error.to_string().contains(key)), "{name}: {error}");
            }
        }
    }
    server.join().unwrap();
}

#[test]
fn files_that_are_no_certificates_are_named() {
    let url = "https://localhost/".parse().unwrap();
    let cases = [
        (Tls { ca: Some(file("client.key")), ..Tls::default() }, "'registry.tls.ca'"),
        (
            Tls { certificate: Some(file("client.pem")), key: Some(file("ca.pem")), ca: None },
            "'registry.tls.certificate'",
        ),
        (Tls { certificate: Some(file("client.pem")), key: Some(file("none")), ca: None }, "'registry.tls.key'"),
    ];
    for (tls, key) in cases {
        let error = Client::new(&Registry { tls: Some(tls), ..settings(&[&url]) }).unwrap_err();
        assert!(error.to_string().contains(key), "{key} is not in: {error}");
    }
}
