//! Connections that send one request after the other, and the time until each was answered in full.
//!
//! A client as lean as can be, since it has the same machine: HTTP/1.1 over connections that stay, and answers that nobody
//! looks into.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::requests::Shot;

/// Time between two looks at how far it is.
const LOOK: Duration = Duration::from_millis(100);

/// Bytes of an answer that are told where it is a refusal.
const TOLD: usize = 300;

/// Why a request has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("cannot connect to {address}")]
    Connect { address: SocketAddr, source: std::io::Error },
    #[error("the connection broke")]
    Http(#[from] hyper::Error),
    #[error("the answer broke off")]
    Body(#[from] axum::Error),
    #[error("no such request can be made")]
    Request(#[from] axum::http::Error),
    #[error("a connection ended by a bug")]
    Task(#[from] tokio::task::JoinError),
}

/// How requests are sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct Load {
    pub(super) address: SocketAddr,
    pub(super) connections: usize,
    /// How long; without it until all are sent.
    pub(super) time: Option<Duration>,
    /// How many at most.
    pub(super) most: u64,
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// In microseconds, ascending.
    pub(super) times: Vec<u32>,
    pub(super) failures: u64,
    pub(super) failure: Option<String>,
    pub(super) elapsed: Duration,
}

impl Run {
    /// Returns the time within which this share of the requests was answered.
    pub(super) fn percentile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (self.times.len() as f64 * share) as usize;
        let time = self.times.get(index.min(self.times.len().saturating_sub(1)));
        Duration::from_micros(time.copied().unwrap_or(0).into())
    }

    fn add(&mut self, other: Self) {
        self.times.extend(other.times);
        self.failures += other.failures;
        self.failure = self.failure.take().or(other.failure);
    }
}

impl Load {
    /// Sends requests, the `n`th of which `shot` makes; `show` is told now and then how many were and how long it took.
    pub(super) async fn run(
        self,
        shot: impl Fn(u64) -> Shot + Send + Sync + 'static,
        show: &(dyn Fn(u64, Duration) + Sync),
    ) -> Result<Run, Error> {
        let (shot, sent) = (Arc::new(shot), Arc::new(AtomicU64::new(0)));
        let began = Instant::now();
        let mut workers = JoinSet::new();
        for _ in 0..self.connections {
            let (shot, sent) = (Arc::clone(&shot), Arc::clone(&sent));
            workers.spawn(async move { self.work(&*shot, &sent, began).await });
        }
        let mut run = Run::default();
        loop {
            match tokio::time::timeout(LOOK, workers.join_next()).await {
                Err(_) => show(sent.load(Ordering::Relaxed).min(self.most), began.elapsed()),
                Ok(Some(worked)) => run.add(worked??),
                Ok(None) => break,
            }
        }
        run.elapsed = began.elapsed();
        run.times.sort_unstable();
        Ok(run)
    }

    /// One connection.
    async fn work(self, shot: &(impl Fn(u64) -> Shot + Sync), sent: &AtomicU64, began: Instant) -> Result<Run, Error> {
        let mut connection = Connection::open(self.address).await?;
        let mut run = Run::default();
        while self.time.is_none_or(|time| began.elapsed() < time) {
            let n = sent.fetch_add(1, Ordering::Relaxed);
            if n >= self.most {
                break;
            }
            let shot = shot(n);
            if connection.sender.is_closed() {
                connection = Connection::open(self.address).await?;
            }
            let began = Instant::now();
            let refusal = connection.send(shot).await?;
            run.times.push(u32::try_from(began.elapsed().as_micros()).unwrap_or(u32::MAX));
            if let Some(refusal) = refusal {
                run.failures += 1;
                run.failure.get_or_insert(refusal);
            }
        }
        Ok(run)
    }
}

/// A connection, which stays until the node closes it.
struct Connection {
    sender: SendRequest<Body>,
    _driver: JoinSet<hyper::Result<()>>,
}

impl Connection {
    async fn open(address: SocketAddr) -> Result<Self, Error> {
        let refused = |source| Error::Connect { address, source };
        let stream = TcpStream::connect(address).await.map_err(refused)?;
        stream.set_nodelay(true).map_err(refused)?;
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        let mut driver = JoinSet::new();
        driver.spawn(connection);
        Ok(Self { sender, _driver: driver })
    }

    /// Sends a request and reads its answer; returns what it says where it is a refusal.
    async fn send(&mut self, shot: Shot) -> Result<Option<String>, Error> {
        let request = Request::builder().method(shot.method).uri(shot.path).header(header::HOST, "localhost");
        let request = request.header(header::CONTENT_TYPE, "application/json").body(Body::from(shot.body))?;
        self.sender.ready().await?;
        let answer = self.sender.send_request(request).await?;
        let status = answer.status();
        let body = axum::body::to_bytes(Body::new(answer.into_body()), usize::MAX).await?;
        if status == StatusCode::OK {
            return Ok(None);
        }
        let told = String::from_utf8_lossy(&body[..body.len().min(TOLD)]);
        Ok(Some(format!("{status}: {told}")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_what_was_measured() {
        let run = Run { times: (1..=100).collect(), ..Run::default() };
        assert_eq!([0.5, 0.99].map(|share| run.percentile(share).as_micros()), [51, 100]);
        assert_eq!(Run::default().percentile(0.5), Duration::ZERO);
    }
}
