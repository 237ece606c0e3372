//! The embedded registry: a node over the embedded broker's `_schemas`, with the demo's schemas registered.
//!
//! Three versions of an order under the subject of the raw topic: v2 reads v1, v3 is read by neither, which a registry
//! without compatibility rules takes. A payment stands under a subject of its own, for the producer that mixes up
//! its topics.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::{PAUSE, START_LIMIT};
use crate::config::{Kafka, LOG_TOPIC};
use crate::registry::api::{Style, router};
use crate::registry::log;
use crate::registry::node::{Error, Node};
use crate::registry::settings::{Compatibility, ConfigPatch};
use crate::registry::store::{Command, Content, Draft, Outcome};
use crate::schema::{SchemaGuid, SchemaId, Subject};

/// The subject of the values of `orders.raw`.
const ORDERS: &str = "orders.raw-value";

/// The order's v2, the target.
pub(crate) const TARGET: &str = include_str!("schemas/order-v2.avsc");

/// The schemas of the demo: subject and text, in the order in which they are registered.
pub(super) const SCHEMAS: [(&str, &str); 4] = [
    (ORDERS, include_str!("schemas/order-v1.avsc")),
    (ORDERS, TARGET),
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
    pub(super) ids: Ids,
    pub(super) address: SocketAddr,
    threads: log::Threads,
    _server: JoinSet<()>,
}

/// Where the registry will be found: the configuration names it before it is there.
pub(super) async fn listener() -> io::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

impl Registry {
    /// Starts a node over the topic [`LOG_TOPIC`], registers the schemas and serves them.
    pub(super) async fn start((listener, address): (TcpListener, SocketAddr), kafka: Kafka) -> io::Result<Self> {
        let (node, threads) = Node::over_log(log::Settings::new(kafka, LOG_TOPIC)).map_err(io::Error::other)?;
        let node = Arc::new(node);
        let began = Instant::now();
        while !node.is_ready() {
            if began.elapsed() > START_LIMIT {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("its log was not read in {START_LIMIT:?}"),
                ));
            }
            tokio::time::sleep(PAUSE).await;
        }
        let ids = register(&node).await.map_err(io::Error::other)?;
        let mut server = JoinSet::new();
        server.spawn(async move {
            if let Err(error) = axum::serve(listener, router(node, Style::default())).await {
                tracing::error!(%error, "the embedded registry ended");
            }
        });
        Ok(Self { ids, address, threads, _server: server })
    }

    /// Ends the log's threads, which would otherwise miss their broker.
    pub(super) async fn stop(self) {
        self.threads.stop().await;
    }
}

/// Registers the demo's schemas, one after the other, since the versions of an order come in that order.
pub(super) async fn register(node: &Node) -> Result<Ids, Error> {
    let level = Compatibility::None.name().to_owned();
    let patch = ConfigPatch { compatibility: Some(Some(level)), ..ConfigPatch::default() };
    let unchecked = Command::SetConfig { scope: None, patch };
    let registered = SCHEMAS.map(|(subject, text)| {
        let draft = Draft { text: text.to_owned(), ..Draft::default() };
        Command::Register { subject: Subject(subject.into()), draft, normalize: false }
    });
    let commands: Vec<_> = std::iter::once(unchecked).chain(registered).collect();
    let mut outcomes = Vec::new();
    for command in &commands {
        outcomes.push(node.write(command).await?);
    }
    let found = outcomes.into_iter().filter_map(|outcome| match outcome {
        Outcome::Registered(version) => Some((version.id, version.content)),
        Outcome::Versions(_) | Outcome::Config(_) | Outcome::Mode(_) | Outcome::Done => None,
    });
    let found: Vec<_> = found.collect();
    let [v1, v2, v3, payment] = std::array::from_fn::<(SchemaId, Arc<Content>), 4, _>(|index| found[index].clone());
    Ok(Ids { orders: [v1.0, v2.0, v3.0], guid: v2.1.guid, payment: payment.0, nobodys: SchemaId(404) })
}
