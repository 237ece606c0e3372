//! A real Apache Kafka (KRaft) for the tests: clusters of one or three combined brokers and controllers.
//!
//! [`shared`] gives all tests of one binary the same cluster; topics and groups have names of their own ([`super::unique`]).
//! A test that harms its brokers starts a cluster by [`Cluster::start`] or [`Cluster::start_three`]. `SLUICE_TEST_BROKERS`
//! names a running cluster for the shared one, `SLUICE_TEST_KAFKA` the version to start. Without Java or Maven a test
//! fails with the line that says how to get them; none passes by skipping.
//!
//! A cluster is a list of nodes that know each other's controller ports before the first one starts, so three nodes
//! are the same code with other numbers. Nodes are named by their broker ID, from 1.

use std::ops::Deref;
use std::path::PathBuf;
use std::sync::{Mutex, OnceLock, PoisonError};
use std::time::Duration;

use rdkafka::ClientConfig;

pub(crate) use super::jars::Version;
#[allow(unused_imports, reason = "some test binaries log in")]
pub(crate) use super::jars::{PASSWORD, USER};
use super::node::{Making, Node, Ports};
use super::process::free_port;

/// A cluster to test against.
pub(crate) struct Cluster {
    bootstrap: String,
    version: Version,
    ports: Vec<Ports>,
    /// Further listeners of the first node, by name.
    listeners: Vec<(&'static str, u16)>,
    nodes: Vec<Mutex<Node>>,
}

/// A test's hold on its cluster: prints the broker's log if the test fails.
pub(crate) enum Hold {
    /// The one that all tests of the binary share.
    Shared(&'static Cluster),
    /// One of the test's own, which it may harm; gone with the test.
    Own(Cluster),
}

/// Returns the cluster of this test binary, started on first use.
pub(crate) fn shared() -> Hold {
    static CLUSTER: OnceLock<Cluster> = OnceLock::new();
    Hold::Shared(CLUSTER.get_or_init(|| match std::env::var("SLUICE_TEST_BROKERS") {
        Ok(bootstrap) => Cluster::reached_at(&bootstrap),
        // Nobody harms it: where its process stands still for a while it does not give itself up.
        Err(_) => Setup::new(1).property("broker.session.timeout.ms", "60000").start(),
    }))
}

impl Deref for Hold {
    type Target = Cluster;

    fn deref(&self) -> &Cluster {
        match self {
            Self::Shared(cluster) => cluster,
            Self::Own(cluster) => cluster,
        }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // A node of the test's own prints its log itself.
        if let Self::Shared(cluster) = self
            && std::thread::panicking()
        {
            // Whoever panics may have had a node in hand.
            let nodes = cluster.nodes.iter().map(|node| node.lock().unwrap_or_else(PoisonError::into_inner));
            nodes.for_each(|node| node.print_log());
        }
    }
}

/// A cluster that is to be started.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    making: Vec<Making>,
    proxies: Vec<u16>,
    /// Further listeners: name and security protocol.
    listeners: Vec<(&'static str, &'static str)>,
}

impl Setup {
    /// Plans a cluster of so many nodes that are small and quickly up.
    pub(crate) fn new(nodes: usize) -> Self {
        let memory = if nodes > 1 { "-Xmx384m" } else { "-Xmx512m" };
        let jvm = [memory, "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"].map(str::to_owned).to_vec();
        let (data, properties, environment) = (None, String::new(), Vec::new());
        let making = Making { version: Version::chosen(), jvm, data, properties, environment, listeners: Vec::new() };
        Self { making: vec![making; nodes], proxies: Vec::new(), listeners: Vec::new() }
    }

    /// Chooses the version.
    pub(crate) fn version(mut self, version: Version) -> Self {
        self.making.iter_mut().for_each(|node| node.version = version);
        self
    }

    /// Chooses the settings of Java.
    pub(crate) fn jvm(mut self, jvm: &[&str]) -> Self {
        let jvm: Vec<_> = jvm.iter().map(|&text| text.to_owned()).collect();
        self.making.iter_mut().for_each(|node| node.jvm.clone_from(&jvm));
        self
    }

    /// Adds a property of all nodes, over ours.
    pub(crate) fn property(mut self, name: &str, value: &str) -> Self {
        self.making.iter_mut().for_each(|node| node.properties += &format!("{name}={value}\n"));
        self
    }

    /// Puts the data of a node into this folder.
    pub(crate) fn data(mut self, id: usize, folder: PathBuf) -> Self {
        self.making[id - 1].data = Some(folder);
        self
    }

    /// Gives a node's process an environment variable.
    pub(crate) fn environment(mut self, id: usize, name: &str, value: &str) -> Self {
        self.making[id - 1].environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Tells clients of the listener for proxies to come to these ports, one for each node.
    pub(crate) fn proxies(mut self, ports: Vec<u16>) -> Self {
        self.proxies = ports;
        self
    }

    /// Adds a listener, such as `TLS` with the protocol `SSL`.
    pub(crate) fn listener(mut self, name: &'static str, protocol: &'static str) -> Self {
        self.listeners.push((name, protocol));
        self
    }

    /// Starts it and waits until all nodes serve.
    pub(crate) fn start(self) -> Cluster {
        // A port that was free may be taken a moment later by somebody else on the machine.
        for _ in 0..3 {
            let ports: Vec<_> = (0..self.making.len()).map(|node| self.ports(node)).collect();
            let listeners: Vec<_> = self.listeners.iter().map(|(name, _)| (*name, free_port())).collect();
            let spawn =
                |(making, id): (&Making, usize)| Node::spawn(self.with_listeners(making, &listeners), id, &ports);
            let mut nodes: Vec<_> = self.making.iter().zip(1..).map(spawn).collect();
            if nodes.iter_mut().all(Node::wait_started) {
                let addresses: Vec<_> = ports.iter().map(|ports| format!("127.0.0.1:{}", ports.plain)).collect();
                let (bootstrap, version) = (addresses.join(","), self.making[0].version);
                let nodes = nodes.into_iter().map(Mutex::new).collect();
                return Cluster { bootstrap, version, ports, listeners, nodes };
            }
        }
        panic!("no free ports for Kafka in three attempts");
    }

    /// Returns how a node is made that has these listeners too; only the first one of a cluster can.
    fn with_listeners(&self, making: &Making, listeners: &[(&'static str, u16)]) -> Making {
        let mut making = making.clone();
        let protocols = self.listeners.iter().zip(listeners);
        making.listeners = protocols.map(|((name, protocol), (_, port))| (*name, *protocol, *port)).collect();
        making
    }

    fn ports(&self, node: usize) -> Ports {
        let proxy = self.proxies.get(node).copied();
        Ports { plain: free_port(), sasl: free_port(), proxied: free_port(), proxy, controller: free_port() }
    }
}

impl Cluster {
    /// Returns a running cluster by its address, or another one, such as a proxy's.
    pub(crate) fn reached_at(bootstrap: &str) -> Self {
        let bootstrap = bootstrap.to_owned();
        Self { bootstrap, version: Version::chosen(), ports: Vec::new(), listeners: Vec::new(), nodes: Vec::new() }
    }

    /// Starts a cluster of one node.
    pub(crate) fn start() -> Self {
        Setup::new(1).start()
    }

    /// Starts a cluster of three nodes: three replicas of everything, two of which must have a record.
    pub(crate) fn start_three() -> Self {
        Setup::new(3).start()
    }

    /// Starts a cluster of one node for measurements: the JIT and the collector as in production.
    pub(crate) fn start_for_load() -> Self {
        Setup::new(1).jvm(&["-Xmx1g"]).start()
    }

    /// Returns the addresses of the listener without authentication.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Returns the address of the listener that wants SCRAM-SHA-512.
    pub(crate) fn sasl_bootstrap(&self) -> String {
        format!("127.0.0.1:{}", self.ports.first().expect("a cluster that the tests started").sasl)
    }

    /// Returns the port of a listener that [`Setup::listener`] added.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.listeners.iter().find(|(name, _)| *name == listener).expect("a listener of this cluster").1
    }

    /// Returns the ports of a node.
    pub(crate) fn ports(&self, id: usize) -> Ports {
        self.ports[id - 1]
    }

    /// Returns the version of the nodes.
    pub(crate) fn version(&self) -> Version {
        self.version
    }

    /// Returns the IDs of all nodes.
    pub(crate) fn ids(&self) -> std::ops::RangeInclusive<usize> {
        1..=self.nodes.len()
    }

    fn node(&self, id: usize) -> std::sync::MutexGuard<'_, Node> {
        self.nodes[id - 1].lock().unwrap()
    }

    /// Kills a node as a power cut does.
    pub(crate) fn kill_node(&self, id: usize) {
        self.node(id).kill();
    }

    /// Asks a node to stop and waits for its end; what it leads moves before.
    pub(crate) fn stop_node(&self, id: usize) {
        self.node(id).stop();
    }

    /// The same where the cluster may be in no state to let it go: it ends either way.
    pub(crate) fn stop_or_kill_node(&self, id: usize) {
        self.node(id).stop_or_kill();
    }

    /// Starts a node again, with its ports and data, and waits until it serves.
    pub(crate) fn start_node(&self, id: usize) {
        self.start_nodes(&[id]);
    }

    /// Starts nodes again that may need each other for it.
    pub(crate) fn start_nodes(&self, ids: &[usize]) {
        ids.iter().for_each(|&id| self.node(id).restart());
        for &id in ids {
            assert!(self.node(id).wait_started(), "a port of node {id} was taken while it was down");
        }
    }

    /// Starts and lets go on whatever does not run; for tests that come after one that failed.
    pub(crate) fn heal(&self) {
        let down: Vec<_> = self.ids().filter(|&id| !self.node(id).is_up()).collect();
        self.ids().filter(|id| !down.contains(id)).for_each(|id| self.go_on_node(id));
        self.start_nodes(&down);
    }

    /// Halts a node: its connections stay and it does not answer.
    pub(crate) fn halt_node(&self, id: usize) {
        self.node(id).signal("STOP");
    }

    /// Lets a halted node go on.
    pub(crate) fn go_on_node(&self, id: usize) {
        self.node(id).signal("CONT");
    }

    /// Tells whether a node's process runs, halted or not.
    pub(crate) fn is_up(&self, id: usize) -> bool {
        self.node(id).is_up()
    }

    /// Returns all that a node has printed.
    pub(crate) fn log(&self, id: usize) -> String {
        self.node(id).log()
    }

    /// Returns the node whose controller is the active one.
    pub(crate) fn controller(&self) -> usize {
        super::wait_for("a leader of the controllers", Duration::from_secs(60), || {
            let (_, id) = self.ids().filter_map(|id| self.node(id).controller()).max()?;
            usize::try_from(id).ok().filter(|id| *id > 0)
        })
    }

    /// Halts all brokers, as a network that has gone does: connections stay and nobody answers.
    pub(crate) fn halt(&self) {
        self.ids().for_each(|id| self.halt_node(id));
    }

    /// Lets halted brokers go on.
    pub(crate) fn go_on(&self) {
        self.ids().for_each(|id| self.go_on_node(id));
    }

    /// Returns the settings of a client of the tests themselves.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}
