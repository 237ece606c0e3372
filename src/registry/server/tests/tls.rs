//! Handshakes, client certificates, and files that change.

use std::path::Path;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, RootCertStore, SupportedProtocolVersion};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::certificates::{Authority, Identity};
use super::*;
use crate::admin::tls::HANDSHAKE_TIMEOUT;

fn tls(identity: &Identity, client_ca: Option<&Authority>) -> ServerTls {
    ServerTls {
        certificate: identity.certificate.clone(),
        key: identity.key.clone(),
        client_ca: client_ca.map(Authority::file),
    }
}

fn certificates(file: &Path) -> Vec<CertificateDer<'static>> {
    CertificateDer::pem_file_iter(file).unwrap().map(Result::unwrap).collect()
}

/// A client that trusts this authority, and shows this certificate.
fn client(
    authority: &Authority,
    identity: Option<&Identity>,
    versions: &[&'static SupportedProtocolVersion],
) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(certificates(&authority.file()));
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots);
    let config = match identity {
        None => builder.with_no_client_auth(),
        Some(identity) => {
            let key = PrivateKeyDer::from_pem_file(&identity.key).unwrap();
            builder.with_client_auth_cert(certificates(&identity.certificate), key).unwrap()
        }
    };
    TlsConnector::from(Arc::new(config))
}

async fn connect(served: &Served, client: &TlsConnector) -> std::io::Result<TlsStream<TcpStream>> {
    let name = ServerName::try_from("localhost").unwrap();
    let handshake = client.connect(name, served.connect().await);
    tokio::time::timeout(SOON, handshake).await.expect("a handshake that ends")
}

/// Reads the subjects; `None` where client and server come to no terms.
async fn status(served: &Served, client: &TlsConnector) -> Option<u16> {
    let mut stream = connect(served, client).await.ok()?;
    ask(&mut stream, "/subjects").await.map(|answer| answer.status)
}

fn shown(stream: &TlsStream<TcpStream>) -> CertificateDer<'static> {
    stream.get_ref().1.peer_certificates().unwrap()[0].clone()
}

const BOTH: &[&SupportedProtocolVersion] = rustls::ALL_VERSIONS;

#[tokio::test]
async fn clients_speak_both_versions_and_nothing_else() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let identity = authority.sign("server", &["localhost"]);
    let served = Served::with(&settings(Some(tls(&identity, None))), MAX_CONNECTIONS).await;
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        assert_eq!(status(&served, &client(&authority, None, &[version])).await, Some(200), "{version:?}");
    }
    assert_eq!(status(&served, &client(&other, None, BOTH)).await, None, "of an authority that the client lacks");
    assert!(served.get("/subjects").await.is_none(), "plain HTTP");
}

#[tokio::test]
async fn clients_show_certificates_of_their_authority() {
    let (authority, other) = (Authority::new("ours"), Authority::new("another"));
    let identity = authority.sign("server", &["localhost"]);
    let served = Served::with(&settings(Some(tls(&identity, Some(&authority)))), MAX_CONNECTIONS).await;
    let cases = [
        ("good", Some(authority.sign("good", &[])), Some(200)),
        ("none", None, None),
        ("of another authority", Some(other.sign("foreign", &[])), None),
        ("expired", Some(authority.sign_expired("late", &[])), None),
    ];
    for (name, identity, expected) in &cases {
        for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
            let client = client(&authority, identity.as_ref(), &[version]);
            assert_eq!(status(&served, &client).await, *expected, "{name}, {version:?}");
        }
    }
}

/// A certificate is exchanged under connections that go on; one that is of no use is told once and exchanges nothing.
#[tokio::test]
async fn files_that_change_count_for_new_connections() {
    let authority = Authority::new("ours");
    let identity = authority.sign("server", &["localhost"]);
    let served = Served::with(&settings(Some(tls(&identity, None))), MAX_CONNECTIONS).await;
    let (reloaded, client) = (served.certificates.as_ref().unwrap(), client(&authority, None, BOTH));
    let mut before = connect(&served, &client).await.unwrap();
    let old = shown(&before);
    assert_eq!((reloaded.reload(), reloaded.reload()), (Ok(false), Ok(false)), "nothing has changed");

    let next = authority.sign("next", &["localhost"]);
    let new = certificates(&next.certificate).remove(0);
    std::fs::copy(&next.certificate, &identity.certificate).unwrap();
    assert_eq!(reloaded.reload(), Ok(false), "the key may be about to follow");
    let error = reloaded.reload().unwrap_err().to_string();
    assert!(error.contains("'registry_server.tls.key'") && error.contains("not the key of"), "{error}");
    assert!(error.contains(identity.key.to_str().unwrap()), "{error}");
    assert_eq!(reloaded.reload(), Ok(false), "told once");
    assert_eq!(shown(&connect(&served, &client).await.unwrap()), old);

    std::fs::copy(&next.key, &identity.key).unwrap();
    assert_eq!((reloaded.reload(), reloaded.reload()), (Ok(false), Ok(true)));
    assert_eq!(ask(&mut before, "/subjects").await.unwrap().status, 200, "a connection under way goes on");
    assert_eq!(shown(&connect(&served, &client).await.unwrap()), new);
    std::fs::remove_file(&identity.certificate).unwrap();
    assert_eq!(reloaded.reload(), Ok(false));
    assert!(reloaded.reload().unwrap_err().to_string().contains("No such file"));
    assert_eq!(status(&served, &client).await, Some(200));
}

#[test]
fn files_of_no_use_are_named_with_their_keys() {
    let authority = Authority::new("ours");
    let (one, two) = (authority.sign("one", &["localhost"]), authority.sign("two", &["localhost"]));
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let good = || tls(&one, Some(&authority));
    let nonsense = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let locked = "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let unreadable = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let none = folder.path().join("none.pem");
    let load = |tls: &ServerTls| Certificates::load("registry_server.tls", tls);
    assert!(load(&good()).is_ok());
    let cases = [
        (ServerTls { certificate: none.clone(), ..good() }, "certificate", "none.pem", "No such file"),
        (ServerTls { certificate: one.key.clone(), ..good() }, "certificate", "one.key", "no certificate in PEM"),
        (ServerTls { certificate: file("a", nonsense), ..good() }, "certificate", "a", "invalid peer certificate"),
        (ServerTls { key: none.clone(), ..good() }, "key", "none.pem", "No such file"),
        (ServerTls { key: one.certificate.clone(), ..good() }, "key", "one.pem", "no private key in PEM"),
        (ServerTls { key: file("b", locked), ..good() }, "key", "b", "passphrase"),
        (ServerTls { key: file("c", unreadable), ..good() }, "key", "c", "failed to parse private key"),
        (ServerTls { key: two.key.clone(), ..good() }, "key", "two.key", "not the key of the first certificate"),
        (ServerTls { client_ca: Some(none), ..good() }, "client_ca", "none.pem", "No such file"),
        (ServerTls { client_ca: Some(file("d", "")), ..good() }, "client_ca", "d", "no certificate in PEM"),
        (ServerTls { client_ca: Some(file("e", nonsense)), ..good() }, "client_ca", "e", "invalid peer certificate"),
        (ServerTls { key: "/dev/zero".into(), ..good() }, "key", "/dev/zero", "larger than"),
    ];
    for (tls, key, file, problem) in cases {
        let error = load(&tls).unwrap_err().to_string();
        assert!(error.contains(&format!("'registry_server.tls.{key}'")), "{error}");
        assert!(error.contains(&format!("{file}' of")) && error.contains(problem), "{error}");
    }
}

/// Handshakes that do not come hold up nobody, have their time, and count as connections.
#[tokio::test]
async fn a_handshake_that_does_not_come_holds_up_nobody() {
    let authority = Authority::new("ours");
    let identity = authority.sign("server", &["localhost"]);
    let served = Served::with(&settings(Some(tls(&identity, None))), 3).await;
    let client = client(&authority, None, BOTH);
    let (mut silent, mut slow) = (served.connect().await, served.connect().await);
    // The head of a handshake record, and none of it.
    slow.write_all(&[22, 3, 1, 0, 200]).await.unwrap();
    assert_eq!(status(&served, &client).await, Some(200));
    let mut third = eventually(async || connect(&served, &client).await.ok()).await;
    assert_eq!(status(&served, &client).await, None, "a fourth connection");
    pass(HANDSHAKE_TIMEOUT + Duration::from_secs(1)).await;
    closed(&mut silent).await;
    closed(&mut slow).await;
    assert_eq!(ask(&mut third, "/subjects").await.unwrap().status, 200);
    eventually(async || status(&served, &client).await).await;
}

#[tokio::test]
async fn a_server_stops_in_the_middle_of_a_handshake() {
    let authority = Authority::new("ours");
    let identity = authority.sign("server", &["localhost"]);
    let mut served = Served::with(&settings(Some(tls(&identity, None))), 1).await;
    let mut silent = served.connect().await;
    // The second is closed for the first one is being served.
    closed(&mut served.connect().await).await;
    served.closing.send_replace(true);
    tokio::time::timeout(HANDSHAKE_TIMEOUT / 2, served.tasks.join_next()).await.expect("it ends at once");
    closed(&mut silent).await;
}
