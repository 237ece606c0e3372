//! The listener of the clients: connections, and the limits of each.
//!
//! It cannot be used against the registry: connections are counted, a handshake and a request's head must arrive whole
//! within seconds, its body within the time of the request, and a connection ends after minutes, so that whoever reads an
//! answer slowly is cut off. Clients keep connections and open others where one was closed. A handshake is part of its
//! connection: it keeps nobody else waiting.

use std::net::{IpAddr, SocketAddr};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tracing::{debug, warn};

use super::tls::Certificates;
use crate::telemetry::metrics::{NoConnection, ServerRequests};

/// Connections at a time: clients hold a few each; more are closed at once.
pub(super) const MAX_CONNECTIONS: usize = 1024;

/// Bytes of a request's head: subjects are part of paths.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Time for a TLS handshake: two ways there and back.
pub(super) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// Time for a request's head to arrive, also the time that an idle connection is kept.
pub(super) const HEADER_TIMEOUT: Duration = Duration::from_secs(30);

/// Life of a connection, after which it is closed between two requests.
pub(super) const CONNECTION_LIFE: Duration = Duration::from_secs(300);

/// Time for the answer in hand when a connection is closed.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(2);

/// The address that a request comes from.
#[derive(Debug, Clone, Copy)]
pub(super) struct Peer(pub(super) IpAddr);

/// What a connection leads to.
#[derive(Debug, Clone)]
pub(super) struct Entrance {
    /// The routes.
    pub(super) router: Router,
    /// What clients are shown; plain HTTP where there is none.
    pub(super) certificates: Option<Arc<Certificates>>,
    /// Where those are counted that have none.
    pub(super) requests: ServerRequests,
    /// How many there may be at a time.
    pub(super) most: usize,
}

/// Serves until `closed` says so, then ends within seconds.
pub(super) async fn serve(listener: TcpListener, entrance: Entrance, mut closed: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    let of_connections = closed.clone();
    let mut end = pin!(async { drop(closed.wait_for(|closed| *closed).await) });
    loop {
        tokio::select! {
            () = &mut end => break,
            Some(_) = connections.join_next() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) if connections.len() < entrance.most => {
                    connections.spawn(connection(stream, peer, entrance.clone(), of_connections.clone()));
                }
                Ok((_, peer)) => {
                    entrance.requests.no_connection(NoConnection::TooMany);
                    debug!(%peer, limit = entrance.most, "connection to the registry refused: too many");
                }
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

async fn connection(stream: TcpStream, peer: SocketAddr, entrance: Entrance, mut closed: watch::Receiver<bool>) {
    // Answers are small, and nobody should wait for the next one to fill a packet.
    stream.set_nodelay(true).ok();
    let Some(certificates) = &entrance.certificates else {
        return converse(stream, peer, entrance.router, closed).await;
    };
    let handshake = tokio::select! {
        handshake = tokio::time::timeout(HANDSHAKE_TIMEOUT, certificates.handshake(stream)) => handshake,
        _ = closed.wait_for(|closed| *closed) => return,
    };
    let error = match handshake {
        Ok(Ok(stream)) => return converse(stream, peer, entrance.router, closed).await,
        Ok(Err(error)) => error,
        Err(elapsed) => elapsed.into(),
    };
    entrance.requests.no_connection(NoConnection::Handshake);
    debug!(%peer, %error, "TLS handshake with a client of the registry failed");
}

/// Answers requests until either side has enough.
async fn converse<S>(stream: S, peer: SocketAddr, router: Router, mut closed: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        routes.call(request)
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT).max_buf_size(MAX_HEAD);
    let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
    // Its time is over, or the server stops, or is gone: all the same.
    let end = async { drop(tokio::time::timeout(CONNECTION_LIFE, closed.wait_for(|closed| *closed)).await) };
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = end => {
            connection.as_mut().graceful_shutdown();
            tokio::time::timeout(CLOSE_GRACE, connection).await.unwrap_or(Ok(()))
        }
    };
    if let Err(error) = ended {
        debug!(%peer, %error, "connection to the registry ended");
    }
}
