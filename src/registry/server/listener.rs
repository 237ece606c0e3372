//! The listener of the clients: connections, and the limits of each.
//!
//! It cannot be used against the registry: connections have the limits of [`crate::admin::listener`], a handshake must be
//! over within seconds, and the body of a request within its time. Clients keep connections and open others where one was
//! closed. A handshake is part of its connection: it keeps nobody else waiting.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::service::{Service as _, service_fn};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tracing::debug;

use crate::admin::listener::{self, Limits};
use crate::admin::tls::Certificates;
use crate::telemetry::metrics::{NoConnection, ServerRequests};

/// Connections at a time: clients hold a few each; more are closed at once.
pub(super) const MAX_CONNECTIONS: usize = 1024;

/// Bytes of a request's head: subjects are part of paths.
pub(super) const MAX_HEAD: usize = 64 * 1024;

/// Time for the answer in hand when a connection is closed. At a stop the log ends within it, and tells all writes under
/// way what it knows of them: whoever waits for one has an answer.
pub(super) const CLOSE_GRACE: Duration = Duration::from_secs(4);

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
pub(super) async fn serve(listener: TcpListener, entrance: Entrance, closed: watch::Receiver<bool>) {
    let of_connections = closed.clone();
    let refused = |peer| {
        entrance.requests.no_connection(NoConnection::TooMany);
        debug!(%peer, limit = entrance.most, "connection to the registry refused: too many");
    };
    let connection = |stream, peer| connection(stream, peer, entrance.clone(), of_connections.clone());
    listener::accept(listener, entrance.most, closed, refused, connection).await;
}

async fn connection(stream: TcpStream, peer: SocketAddr, entrance: Entrance, mut closed: watch::Receiver<bool>) {
    // Answers are small, and nobody should wait for the next one to fill a packet.
    stream.set_nodelay(true).ok();
    let Some(certificates) = &entrance.certificates else {
        return converse(stream, peer, entrance.router, closed).await;
    };
    match certificates.greet(stream, &mut closed).await {
        Some(Ok(stream)) => converse(stream, peer, entrance.router, closed).await,
        Some(Err(error)) => {
            entrance.requests.no_connection(NoConnection::Handshake);
            debug!(%peer, %error, "TLS handshake with a client of the registry failed");
        }
        None => {}
    }
}

/// Answers requests until either side has enough.
async fn converse<S>(stream: S, peer: SocketAddr, router: Router, closed: watch::Receiver<bool>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let routes = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        request.extensions_mut().insert(Peer(peer.ip()));
        routes.call(request)
    });
    let limits = Limits { head: MAX_HEAD, grace: CLOSE_GRACE };
    if let Err(error) = limits.converse(stream, service, closed).await {
        debug!(%peer, %error, "connection to the registry ended");
    }
}
