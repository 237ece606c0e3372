//! The registry that gates ask: a node in the memory of this process, with versions of one schema.
//!
//! The versions differ in their `doc` only: all data are of each of them, yet each has an ID and is compiled by itself.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::demo::registry::TARGET;
use crate::registry::api::{Style, router};
use crate::registry::node::{self, Node};
use crate::registry::store::{Command, Draft, Outcome, Store};
use crate::schema::{SchemaId, Subject};

/// Why there is none.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("it finds no port to listen on")]
    Listen(#[from] io::Error),
    #[error("it does not take the schema")]
    Schema(#[from] node::Error),
    #[error("its schema is no JSON")]
    Text(#[from] serde_json::Error),
    #[error("it has given the schema no ID")]
    NoId,
}

/// What the versions are registered under.
pub(super) const SUBJECT: &str = "orders";

/// A running registry; it ends when this is dropped.
pub(crate) struct Registry {
    /// The IDs of the versions; gates check for the last one.
    pub(super) ids: Vec<SchemaId>,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Registry {
    /// Starts one that has so many versions of the schema of orders; `show` is told how many. Nothing is left of it when this is
    /// dropped.
    pub(crate) async fn start(versions: u32, show: impl Fn(u32)) -> Result<Self, Error> {
        let node = Node::in_memory(Store::unchecked());
        let mut ids = Vec::new();
        for number in 1..=versions {
            let draft = Draft { text: text_of(number)?, ..Draft::default() };
            let command = Command::Register { subject: Subject(SUBJECT.into()), draft, normalize: false };
            let Outcome::Registered(version) = node.write(&command).await? else { return Err(Error::NoId) };
            ids.push(version.id);
            show(number);
            // Nothing above waits, and whoever waits for a signal beside this is to be heard.
            tokio::task::yield_now().await;
        }
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router(Arc::new(node), Style::default())).await {
                tracing::error!(%error, "the registry of the measurement ended");
            }
        });
        Ok(Self { ids, address, _server: server })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

/// Returns the text of a version.
fn text_of(version: u32) -> Result<String, serde_json::Error> {
    let mut schema: Value = serde_json::from_str(TARGET)?;
    schema["doc"] = format!("version {version}").into();
    Ok(schema.to_string())
}
