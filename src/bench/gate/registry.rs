//! The registry that gates ask: a node in the memory of this process, with one schema.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

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
    #[error("it has given the schema no ID")]
    NoId,
}

/// A running registry; it ends when this is dropped.
pub(super) struct Registry {
    /// The ID of the schema of all records.
    pub(super) id: SchemaId,
    /// Where it is registered.
    pub(super) subject: String,
    address: SocketAddr,
    _server: JoinSet<()>,
}

impl Registry {
    /// Starts one that has the schema of orders under the subject of this topic's values.
    pub(super) async fn start(topic: &str) -> Result<Self, Error> {
        let node = Node::in_memory(Store::default());
        let draft = Draft { text: TARGET.to_owned(), ..Draft::default() };
        let name = format!("{topic}-value");
        let subject = Subject(name.as_str().into());
        let Outcome::Registered(version) = node.write(&Command::Register { subject, draft, normalize: false }).await?
        else {
            return Err(Error::NoId);
        };
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router(Arc::new(node), Style::default())).await {
                tracing::error!(%error, "the registry of the measurement ended");
            }
        });
        Ok(Self { id: version.id, subject: name, address, _server: server })
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}
