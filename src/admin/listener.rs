//! Connections of HTTP clients: how many there are, how long each lives, how it ends.
//!
//! What the admin server and the registry that is served have in common, so that neither can be used against its process:
//! connections are counted, a request's head must arrive whole within seconds, and a connection ends after minutes, so
//! that whoever reads an answer slowly is cut off. A server that stops answers what is in hand, for as long as it says.

use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::time::Duration;

use axum::extract::Request;
use axum::response::Response;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::warn;

/// Time for a request's head to arrive, also the time that an idle connection is kept.
pub(crate) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Life of a connection, after which it is closed between two requests: bounds those who read their answer slowly.
pub(crate) const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// An address that is not to be had.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on '{address}', the address of '{key}'{}", advice(key, source))]
pub struct Refused {
    key: &'static str,
    address: SocketAddr,
    source: io::Error,
}

fn advice(key: &str, source: &io::Error) -> &'static str {
    match (source.kind(), key) {
        (io::ErrorKind::AddrInUse, "admin.listen") => {
            " (unless set, all `sluice run` and `sluice registry serve` of a machine have the same: give each its own)"
        }
        (io::ErrorKind::AddrInUse, _) => " (give another: a process on this machine has it already)",
        _ => "",
    }
}

/// Takes the address that a key of the configuration names; where it has port 0, returns which one it is.
pub(crate) async fn bind(key: &'static str, address: SocketAddr) -> Result<(TcpListener, SocketAddr), Refused> {
    let refused = |source| Refused { key, address, source };
    let listener = TcpListener::bind(address).await.map_err(refused)?;
    let local = listener.local_addr().map_err(refused)?;
    Ok((listener, local))
}

/// Accepts connections, `most` at a time, until `closed` says so or is gone; then waits until all have ended. `refused`
/// hears of each that was one too many, which is closed at once.
pub(crate) async fn accept<F>(
    listener: TcpListener,
    most: usize,
    mut closed: watch::Receiver<bool>,
    refused: impl Fn(SocketAddr),
    connection: impl Fn(TcpStream, SocketAddr) -> F,
) where
    F: Future<Output = ()> + Send + 'static,
{
    let mut connections = JoinSet::new();
    let mut end = pin!(async { drop(closed.wait_for(|closed| *closed).await) });
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < most => drop(connections.spawn(connection(stream, peer))),
                Ok((_, peer)) => refused(peer),
                Err(error) => {
                    warn!(%error, "a connection could not be accepted");
                    // Out of file descriptors, most likely: do not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

/// How a connection is served.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Bytes of a request's head.
    pub(crate) head: usize,
    /// Time for the answer in hand when the connection is closed.
    pub(crate) grace: Duration,
}

impl Limits {
    /// Answers the requests of one connection until either side has enough, its time is over, or `closed` says so.
    pub(crate) async fn converse<S, T>(
        self,
        stream: S,
        service: T,
        mut closed: watch::Receiver<bool>,
    ) -> hyper::Result<()>
    where
        S: AsyncRead + AsyncWrite + Unpin,
        T: hyper::service::Service<Request<Incoming>, Response = Response>,
        T::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(self.head);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        // Its time is over, or the server stops, or is gone: all the same.
        let end = async { drop(tokio::time::timeout(CONNECTION_LIFE, closed.wait_for(|closed| *closed)).await) };
        tokio::select! {
            ended = connection.as_mut() => ended,
            () = end => {
                connection.as_mut().graceful_shutdown();
                tokio::time::timeout(self.grace, connection).await.unwrap_or(Ok(()))
            }
        }
    }
}
