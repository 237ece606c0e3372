//! The embedded registry: the pure store behind its HTTP face, with the demo's schemas registered.
//!
//! Three versions of an order under the subject of the raw topic: v2 reads v1, v3 is read by neither, which a registry
//! without compatibility rules takes. A payment stands under a subject of its own, for the producer that mixes up
//! its topics.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::registry::api::{Style, router};
use crate::registry::node::{Error, Node};
use crate::registry::store::{Command, Content, Draft, Outcome, Store};
use crate::schema::{SchemaGuid, SchemaId, Subject};

/// The subject of the values of `orders.raw`.
const ORDERS: &str = "orders.raw-value";

/// The schemas of the demo: subject and text, in the order in which they are registered.
pub(super) const SCHEMAS: [(&str, &str); 4] = [
    (ORDERS, include_str!("schemas/order-v1.avsc")),
    (ORDERS, include_str!("schemas/order-v2.avsc")),
    (ORDERS, include_str!("schemas/order-v3.avsc")),
    ("payments.raw-value", include_str!("schemas/payment.avsc")),
];

/// How producers name the schemas.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    /// The order, v1 first.
    pub(super) orders: [SchemaId; 3],
    /// The order's v2 by GUID.
    pub(super) guid: SchemaGuid,
    /// The payment.
    pub(super) payment: SchemaId,
    /// An ID that nobody has registered.
    pub(super) nobodys: SchemaId,
}

/// A running registry; it ends when this is dropped.
pub(super) struct Registry {
    pub(super) address: SocketAddr,
    pub(super) ids: Ids,
    _server: JoinSet<()>,
}

impl Registry {
    /// Registers the schemas and serves them on a free port of this machine.
    pub(super) async fn start() -> std::io::Result<Self> {
        let node = Arc::new(Node::in_memory(Store::unchecked()));
        let ids = register(&node).await.map_err(std::io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router(node, Style::default())).await {
                tracing::error!(%error, "the embedded registry ended");
            }
        });
        Ok(Self { address, ids, _server: server })
    }
}

/// Registers the demo's schemas.
pub(super) async fn register(node: &Node) -> Result<Ids, Error> {
    let mut found = Vec::new();
    for (subject, text) in SCHEMAS {
        let draft = Draft { text: text.to_owned(), ..Draft::default() };
        let command = Command::Register { subject: Subject(subject.into()), draft, normalize: false };
        if let Outcome::Registered(version) = node.write(&command).await? {
            found.push((version.id, version.content));
        }
    }
    let [v1, v2, v3, payment] = std::array::from_fn::<(SchemaId, Arc<Content>), 4, _>(|index| found[index].clone());
    Ok(Ids { orders: [v1.0, v2.0, v3.0], guid: v2.1.guid, payment: payment.0, nobodys: SchemaId(404) })
}
