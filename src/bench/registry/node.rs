//! The node that is measured: `sluice registry serve` as a child process.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::net::TcpStream;

use super::load::Load;
use super::place::Place;
use super::requests::Shot;
use crate::bench::child::{self, Child, free};

/// How long the node may take to be ready.
const READY: Duration = Duration::from_secs(30);

/// Time between two looks at whether it is.
const PAUSE: Duration = Duration::from_millis(20);

/// Requests per second of one client that the node answers: the most that it can be told, since this client is to be in a loop.
const RATE_LIMIT: u32 = 1_000_000;

/// Why there is no node.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error(transparent)]
    Child(#[from] child::Error),
    #[error("the node was not ready in {READY:?}")]
    NotReady,
}

/// A running node; it ends when this is dropped.
pub(super) struct Node {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Node {
    /// Starts a node and waits until it has read its log.
    pub(super) async fn start(place: &Place) -> Result<Self, Error> {
        let mut node = Self::spawn(place)?;
        node.cpu()?;
        let began = Instant::now();
        while !node.is_ready().await {
            node.child.check()?;
            if began.elapsed() > READY {
                return Err(Error::NotReady);
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(node)
    }

    fn spawn(place: &Place) -> Result<Self, child::Error> {
        let (address, admin) = (free()?, free()?);
        let config = json!({
            "log": { "level": "error" },
            "registry_server": { "listen": address, "topic": place.topic(), "rate_limit": RATE_LIMIT },
            "admin": { "listen": admin },
        });
        let child = Child::start(&["registry", "serve"], config, place.kafka())?;
        Ok(Self { child, address })
    }

    async fn is_ready(&self) -> bool {
        // Until it listens: an attempt to connect that fails is no failure yet.
        if TcpStream::connect(self.address).await.is_err() {
            return false;
        }
        let load = Load { address: self.address, connections: 1, time: None, most: 1 };
        let shot = |_| Shot { method: axum::http::Method::GET, path: "/subjects".to_owned(), body: Default::default() };
        load.run(shot, &|_, _| {}).await.is_ok_and(|run| run.failures == 0)
    }

    /// Returns the time that it has spent on all processors.
    pub(super) fn cpu(&self) -> Result<Duration, Error> {
        Ok(self.child.cpu()?)
    }
}
