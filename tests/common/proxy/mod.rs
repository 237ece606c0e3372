//! A TCP proxy between clients and a cluster that understands enough of Kafka's protocol to do harm with precision:
//! "hold the third `EndTxn`", "cut the connection before the answer to `TxnOffsetCommit`".
//!
//! ```text
//! gate ──> one port per node ──> the node's plain listener        tests' own clients, other brokers ──> node
//!           rules, by API, direction, node and number
//! ```
//! - The answers that name brokers (`Metadata`, `FindCoordinator`) are rewritten to name the proxy's ports: a proxy
//!   needs nothing of the cluster, works with any, and each test has its own. All other frames pass byte by byte.
//! - `rule`: which frames, and what becomes of them; `link`: a connection; `wire`: the protocol;
//!   `mild`: a fault by chance.
//! - What was asked and answered is noted ([`Exchange`]), so that a test can tell what a broker said to whom.

mod link;
pub(crate) mod mild;
mod rule;
mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

pub(crate) use kafka_protocol::messages::ApiKey;
use rdkafka::producer::{BaseProducer, Producer as _};

use self::link::Link;
pub(crate) use self::rule::{Action, Rule};
use self::rule::{Active, Direction};
use self::wire::Head;
use super::kafka::Cluster;

/// How often a port looks for new connections.
const ACCEPT_PAUSE: Duration = Duration::from_millis(5);

/// A proxy of a whole cluster; its connections end with it.
pub(crate) struct Proxy {
    shared: Arc<Shared>,
}

/// What the threads of a proxy share.
#[derive(Debug)]
struct Shared {
    /// Where clients find each node.
    addresses: BTreeMap<i32, (String, u16)>,
    rules: Mutex<Vec<Arc<Active>>>,
    released: Condvar,
    links: Mutex<Vec<Arc<Link>>>,
    exchanges: Mutex<Vec<Exchange>>,
    /// Nodes whose port is closed.
    down: Mutex<BTreeSet<i32>>,
    slow_close: Mutex<Duration>,
    is_over: std::sync::atomic::AtomicBool,
}

/// A request and its answer.
#[derive(Debug, Clone)]
pub(crate) struct Exchange {
    /// The node that was asked.
    pub(crate) node: i32,
    /// What was asked.
    pub(crate) api: Option<ApiKey>,
    /// Epoch and intent (true: commit) of an `EndTxn`.
    pub(crate) end: Option<(i16, bool)>,
    /// When the client had sent it.
    pub(crate) asked: Instant,
    /// When the node answered, whether or not the client was told, and with which error code, as far as it was read.
    pub(crate) answered: Option<(Instant, Option<i16>)>,
}

impl Exchange {
    /// Tells whether a transaction is aborted by it.
    pub(crate) fn is_abort(&self) -> bool {
        self.end.is_some_and(|(_, commit)| !commit)
    }

    fn new(node: i32, head: Head, frame: &[u8]) -> Self {
        let end = (head.api == Some(ApiKey::EndTxn)).then(|| wire::end_of_transaction(head, frame));
        Self { node, api: head.api, end, asked: Instant::now(), answered: None }
    }
}

impl Proxy {
    /// Starts a proxy of all nodes that the cluster has now.
    pub(crate) fn start(cluster: &Cluster) -> Self {
        Self::reached_at(cluster, "127.0.0.1")
    }

    /// Starts a proxy that clients reach at another address of this machine.
    pub(crate) fn reached_at(cluster: &Cluster, host: &str) -> Self {
        let client: BaseProducer = cluster.client().create().unwrap();
        let ask = || client.client().fetch_metadata(None, Duration::from_secs(20)).ok();
        let metadata = super::wait_for("the brokers", Duration::from_secs(60), ask);
        let mut addresses = BTreeMap::new();
        let mut ports = Vec::new();
        for broker in metadata.brokers() {
            let listener = TcpListener::bind((host, 0)).unwrap();
            addresses.insert(broker.id(), (host.to_owned(), listener.local_addr().unwrap().port()));
            ports.push((broker.id(), listener, format!("{}:{}", broker.host(), broker.port())));
        }
        let shared = Arc::new(Shared {
            addresses,
            rules: Mutex::default(),
            released: Condvar::new(),
            links: Mutex::default(),
            exchanges: Mutex::default(),
            down: Mutex::default(),
            slow_close: Mutex::default(),
            is_over: false.into(),
        });
        for (node, listener, upstream) in ports {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || shared.listen(node, listener, &upstream));
        }
        Self { shared }
    }

    /// Returns the addresses to give to clients.
    pub(crate) fn bootstrap(&self) -> String {
        let addresses: Vec<_> = self.shared.addresses.values().map(|(host, port)| format!("{host}:{port}")).collect();
        addresses.join(",")
    }

    /// Returns the nodes.
    pub(crate) fn nodes(&self) -> Vec<i32> {
        self.shared.addresses.keys().copied().collect()
    }

    /// Closes a node's port, and its connections with it: who connects is refused.
    pub(crate) fn down(&self, node: i32) {
        self.shared.down.lock().unwrap().insert(node);
        self.shared.end_links(false, |link| link.node() == node);
    }

    /// Opens a node's port again.
    pub(crate) fn up(&self, node: i32) {
        self.shared.down.lock().unwrap().remove(&node);
    }

    /// Resets all connections (RST).
    pub(crate) fn reset_all(&self) {
        self.shared.end_links(true, |_| true);
    }

    /// Ends all connections from the nodes' side, as a node does that drops idle or unwanted clients.
    pub(crate) fn close_upstream(&self) {
        self.shared.links.lock().unwrap().iter().for_each(|link| link.close_upstream());
    }

    /// Lets clients learn that much later that a node has closed their connection.
    pub(crate) fn slow_close(&self, time: Duration) {
        *self.shared.slow_close.lock().unwrap() = time;
    }

    /// Returns the connections that are open now.
    pub(crate) fn connections(&self) -> usize {
        self.shared.links.lock().unwrap().len()
    }

    /// Returns what has been exchanged so far by this API, in the order of asking.
    pub(crate) fn exchanged(&self, api: ApiKey) -> Vec<Exchange> {
        let exchanges = self.shared.exchanges.lock().unwrap();
        exchanges.iter().filter(|exchange| exchange.api == Some(api)).cloned().collect()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.is_over.store(true, std::sync::atomic::Ordering::SeqCst);
        self.shared.end_links(false, |_| true);
        self.shared.wake();
    }
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(std::sync::atomic::Ordering::SeqCst)
    }

    /// Takes connections until the proxy is gone.
    fn listen(self: &Arc<Self>, node: i32, listener: TcpListener, upstream: &str) {
        let address = listener.local_addr().unwrap();
        let mut port = Some(listener);
        while !self.is_over() {
            std::thread::sleep(ACCEPT_PAUSE);
            if self.down.lock().unwrap().contains(&node) {
                port = None;
                continue;
            }
            // The port may be slow to come back, or be lent meanwhile to somebody else.
            let Some(listener) = port.take().or_else(|| TcpListener::bind(address).ok()) else { continue };
            listener.set_nonblocking(true).unwrap();
            while let Ok((client, _)) = listener.accept() {
                client.set_nonblocking(false).unwrap();
                // A node that is away ends the client's connection, as its own refusal would.
                if let Ok(node_side) = TcpStream::connect(upstream) {
                    let link = Arc::new(Link::new(node, client, node_side));
                    self.links.lock().unwrap().push(Arc::clone(&link));
                    link.start(self);
                }
            }
            port = Some(listener);
        }
    }

    fn end_links(&self, reset: bool, of: impl Fn(&Link) -> bool) {
        let links: Vec<_> = self.links.lock().unwrap().clone();
        links.iter().filter(|link| of(link)).for_each(|link| link.end(reset));
        // The last user of a socket closes it.
        self.links.lock().unwrap().retain(|link| !link.is_over());
        self.wake();
    }

    fn forget(&self, gone: &Link) {
        self.links.lock().unwrap().retain(|link| !std::ptr::eq(&raw const **link, gone));
    }

    fn judge(
        &self,
        node: i32,
        direction: Direction,
        api: Option<ApiKey>,
        is_abort: bool,
    ) -> Option<(Arc<Active>, Action)> {
        let rules = self.rules.lock().unwrap();
        // Each rule counts for itself, also where another one decides.
        let judged = |active: &Arc<Active>| Some((Arc::clone(active), active.judge(node, direction, api, is_abort)?));
        let due: Vec<_> = rules.iter().filter_map(judged).collect();
        due.into_iter().next()
    }

    fn wake(&self) {
        drop(self.rules.lock().unwrap());
        self.released.notify_all();
    }

    fn wait_release(&self, active: &Active, link: &Link) {
        let waits = |_: &mut Vec<Arc<Active>>| !(active.is_released() || link.is_over() || self.is_over());
        drop(self.released.wait_while(self.rules.lock().unwrap(), waits).unwrap());
    }

    fn asked(&self, exchange: Exchange) -> usize {
        let mut exchanges = self.exchanges.lock().unwrap();
        exchanges.push(exchange);
        exchanges.len() - 1
    }

    fn answered(&self, number: usize, error: Option<i16>) {
        self.exchanges.lock().unwrap()[number].answered = Some((Instant::now(), error));
    }
}
