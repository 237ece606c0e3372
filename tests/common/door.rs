//! TLS in front of a plain port, with a certificate that can be exchanged: one that has expired, one that nobody signed.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use super::certificates::Identity;
use super::http;

/// A listener that speaks TLS and HTTP, one request per connection, and asks a plain port.
pub(crate) struct Door {
    address: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    is_shut: Arc<AtomicBool>,
}

impl Door {
    /// Listens in front of this port.
    pub(crate) fn open(port: u16, identity: &Identity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Self {
            address: listener.local_addr().unwrap(),
            config: Arc::new(Mutex::new(configuration(identity))),
            is_shut: Arc::default(),
        };
        let (config, is_shut) = (Arc::clone(&door.config), Arc::clone(&door.is_shut));
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if is_shut.load(Ordering::Relaxed) {
                    return;
                }
                let config = Arc::clone(&config.lock().unwrap());
                // A handshake that fails is what the test is about.
                std::thread::spawn(move || drop(answer(socket.unwrap(), config, port)));
            }
        });
        door
    }

    /// Shows this certificate from now on.
    pub(crate) fn show(&self, identity: &Identity) {
        *self.config.lock().unwrap() = configuration(identity);
    }

    /// Returns the address for configurations.
    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.address)
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        self.is_shut.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

fn configuration(identity: &Identity) -> Arc<ServerConfig> {
    let certificates = CertificateDer::pem_file_iter(&identity.certificate).unwrap().map(Result::unwrap).collect();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(certificates, PrivateKeyDer::from_pem_file(&identity.key).unwrap())
        .unwrap();
    Arc::new(config)
}

/// Passes on one request; without an answer from behind, the connection ends without one too.
fn answer(mut socket: TcpStream, config: Arc<ServerConfig>, port: u16) -> std::io::Result<()> {
    socket.set_read_timeout(Some(Duration::from_secs(30)))?;
    let mut connection = ServerConnection::new(config).unwrap();
    let mut stream = Stream::new(&mut connection, &mut socket);
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    let path = head.split(' ').nth(1).unwrap_or("/");
    if let Some(http::Answer { status, body }) = http::get(port, path) {
        let length = body.len();
        write!(stream, "HTTP/1.1 {status} Answer\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}")?;
    }
    stream.conn.send_close_notify();
    stream.flush()
}
