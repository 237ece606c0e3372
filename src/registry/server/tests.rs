//! The server over real sockets and a registry in memory: clients that misbehave, and those that do not.

mod rates;
mod slow;
#[cfg(feature = "tls")]
mod tls;

#[cfg(feature = "tls")]
#[allow(dead_code, reason = "what other tests need of it")]
#[path = "../../../tests/common/certificates.rs"]
mod certificates;

use std::time::Instant;

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::*;
use crate::config::{Anonymous, ServerTls};
use crate::registry::store::Store;

/// For what happens at once, on a busy machine.
const SOON: Duration = Duration::from_secs(20);

/// A server with an empty registry; gone with it.
struct Served {
    address: SocketAddr,
    certificates: Option<Arc<Certificates>>,
    metrics: Arc<Metrics>,
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

fn settings(tls: Option<ServerTls>) -> RegistryServer {
    RegistryServer {
        listen: "127.0.0.1:0".parse().unwrap(),
        topic: "_schemas".to_owned(),
        has_new_fields: true,
        incompatible_code: 409,
        tls,
        rate_limit: 2_000,
        users: None,
        anonymous: Anonymous::Write,
    }
}

impl Served {
    async fn start() -> Self {
        Self::with(&settings(None), MAX_CONNECTIONS).await
    }

    /// Starts one with these settings and at most so many connections.
    async fn with(settings: &RegistryServer, most: usize) -> Self {
        let (listener, address) = admin::listener::bind("registry_server.listen", settings.listen).await.unwrap();
        let certificates = admin::tls::certificates("registry_server.tls", settings.tls.as_ref()).unwrap();
        let access = Arc::new(Access::new(settings).unwrap());
        let metrics = Metrics::new();
        let requests = metrics.registry_server(ServerFigures::default);
        let node = Arc::new(Node::in_memory(Store::default()));
        let router = guard::router(node, Style::default(), access, requests.clone(), settings.rate_limit);
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        let entrance = Entrance { router, certificates: certificates.clone(), requests, most };
        tasks.spawn(listener::serve(listener, entrance, closed));
        Self { address, certificates, metrics, closing, tasks }
    }

    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Reads a series of the metrics; 0 where there is none.
    fn metric(&self, series: &str) -> u64 {
        let text = self.metrics.render();
        text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok()).unwrap_or(0)
    }

    /// Reads a path on a connection of its own.
    async fn get(&self, path: &str) -> Option<Answer> {
        ask(&mut self.connect().await, path).await
    }
}

#[derive(Debug)]
struct Answer {
    status: u16,
    head: String,
    body: Value,
}

/// Reads a path on a connection that remains; `None` where no whole answer comes.
async fn ask<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, path: &str) -> Option<Answer> {
    send(stream, &format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n")).await
}

async fn send<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, request: &str) -> Option<Answer> {
    stream.write_all(request.as_bytes()).await.ok()?;
    stream.flush().await.ok()?;
    tokio::time::timeout(SOON, answer(stream)).await.expect("an answer or the end of the connection")
}

async fn answer<S: AsyncRead + Unpin>(stream: &mut S) -> Option<Answer> {
    let mut bytes = Vec::new();
    while !bytes.ends_with(b"\r\n\r\n") {
        bytes.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(bytes).unwrap().to_lowercase();
    let length = head.split_once("content-length: ").map_or("0", |(_, rest)| rest.split_once('\r').unwrap().0);
    let mut body = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut body).await.ok()?;
    let body = serde_json::from_slice(&body).unwrap_or_default();
    Some(Answer { status: head.split(' ').nth(1)?.parse().ok()?, head, body })
}

/// Waits until the other side has closed the connection; returns what came before.
async fn closed<S: AsyncRead + Unpin>(stream: &mut S) -> Vec<u8> {
    let mut rest = Vec::new();
    // Closed with something unread it ends with an error, which is as good.
    drop(tokio::time::timeout(SOON, stream.read_to_end(&mut rest)).await.expect("the connection is still open"));
    rest
}

/// Lets so much time go by, as far as timers see.
async fn pass(time: Duration) {
    tokio::time::pause();
    tokio::time::advance(time).await;
    tokio::time::resume();
}

/// Waits until something is there: a place of a connection that has ended is free a moment later.
async fn eventually<T>(mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(began.elapsed() < SOON, "it never comes");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
