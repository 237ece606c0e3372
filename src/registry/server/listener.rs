//! The listener of the clients: connections, and the limits of each.
//!
//! It cannot be used against the registry: connections are counted, a request's head must arrive whole within seconds,
//! its body within the time of the request, and a connection ends after minutes, so that whoever reads an answer slowly
//! is cut off. Clients keep connections and open others where one was closed.

use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::time::Duration;

use axum::Router;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

/// Connections at a time: clients hold a few each; more are closed at once.
const MAX_CONNECTIONS: usize = 1024;

/// Bytes of a request's head: subjects are part of paths.
const MAX_HEAD: usize = 64 * 1024;

/// Time for a request's head to arrive, also the time that an idle connection is kept.
const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Life of a connection, after which it is closed between two requests.
const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// Time for the answer in hand when a connection is closed.
const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// Serves until `closed` says so, then ends within seconds.
pub(super) async fn serve(listener: TcpListener, router: Router, mut closed: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let of_connections = closed.clone();
    let mut end = pin!(async { drop(closed.wait_for(|closed| *closed).await) });
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < MAX_CONNECTIONS => {
                    connections.spawn(connection(stream, peer, router.clone(), of_connections.clone()));
                }
                Ok((_, peer)) => warn!(%peer, limit = MAX_CONNECTIONS, "connection to the registry refused: too many"),
                Err(error) => {
                    warn!(%error, "connection to the registry failed");
                    // Out of file descriptors, most likely: do not spin.
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            },
        }
    }
    while connections.join_next().await.is_some() {}
}

async fn connection(stream: TcpStream, peer: SocketAddr, router: Router, mut closed: watch::Receiver<bool>) {
    // Answers are small, and nobody should wait for the next one to fill a packet.
    stream.set_nodelay(true).ok();
    let service = TowerToHyperService::new(router);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // Its time is over, or the server stops, or is gone: all the same.
    let end = async { drop(tokio::time::timeout(CONNECTION_LIFE, closed.wait_for(|closed| *closed)).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end => close(connection).await,
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection to the registry ended");
    }
}

type Connection = http1::Connection<TokioIo<TcpStream>, TowerToHyperService<Router>>;

async fn close(mut connection: Pin<&mut Connection>) -> hyper::Result<()> {
    connection.as_mut().graceful_shutdown();
    tokio::time::timeout(CLOSE_GRACE, connection).await.unwrap_or(Ok(()))
}
