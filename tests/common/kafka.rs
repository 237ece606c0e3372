//! A real Apache Kafka (KRaft) for the tests: jars from Maven Central, one combined broker and controller per cluster.
//!
//! [`shared`] gives all tests of one binary the same cluster; topics and groups have names of their own ([`unique`]).
//! A test that harms its broker starts one by [`Cluster::start`]. `SLUICE_TEST_BROKERS` names a running cluster for the
//! shared one. Without Java or Maven a test fails with the line that says how to get them; none passes by skipping.
//!
//! A cluster is a list of nodes that know each other's controller ports before the first one starts, so three nodes
//! are the same code with other numbers.

use std::fmt::Write as _;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use rdkafka::ClientConfig;

use super::cache;
use super::process::{Process, free_port, locked, run};

const VERSION: &str = "4.3.0";
const HINT: &str = "the tests need Java 17 and Maven: apt-get install -y default-jre-headless maven";
/// A cluster ID as `kafka-storage random-uuid` makes them; each cluster has its own folder, so one is enough.
const CLUSTER_ID: &str = "c2x1aWNlLXRlc3RzLTAwMQ";
/// The start takes 3 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(90);

/// Warnings, and what groups and transactions go through; the rest would bury it.
const LOG_LEVELS: [&str; 6] = [
    "defaultLogLevel=warn",
    "showDateTime=true",
    "dateTimeFormat=HH:mm:ss.SSS",
    "log.kafka.server.KafkaRaftServer=info",
    "log.org.apache.kafka.coordinator.group=info",
    "log.org.apache.kafka.coordinator.transaction=info",
];

/// The user of the SASL listener.
pub(crate) const USER: &str = "alice";
/// Its password.
pub(crate) const PASSWORD: &str = "alice-secret";

/// A cluster to test against.
pub(crate) struct Cluster {
    bootstrap: String,
    sasl_bootstrap: Option<String>,
    /// What [`Extra`] added, by name.
    listeners: Vec<(&'static str, u16)>,
    nodes: Vec<Process>,
}

/// What a cluster has beyond the usual.
#[derive(Default)]
pub(crate) struct Extra {
    /// Further listeners: name and security protocol.
    pub(crate) listeners: Vec<(&'static str, &'static str)>,
    /// Further lines of the brokers' configuration.
    pub(crate) properties: String,
    /// Further users of SCRAM-SHA-512 with their passwords.
    pub(crate) users: Vec<(&'static str, &'static str)>,
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
        Ok(bootstrap) => Cluster { bootstrap, sasl_bootstrap: None, listeners: Vec::new(), nodes: Vec::new() },
        Err(_) => Cluster::start(),
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
            cluster.nodes.iter().for_each(Process::print_log);
        }
    }
}

impl Cluster {
    /// Starts a cluster of one node that is small and quickly up.
    pub(crate) fn start() -> Self {
        Self::start_with(&["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
    }

    /// Starts a cluster of one node for measurements: the JIT and the collector as in production.
    pub(crate) fn start_for_load() -> Self {
        Self::start_with(&["-Xmx1g"])
    }

    /// Starts a cluster of one node with more listeners, users or settings.
    pub(crate) fn start_extended(extra: &Extra) -> Self {
        Self::start_as(&["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"], extra)
    }

    fn start_with(jvm: &[&str]) -> Self {
        Self::start_as(jvm, &Extra::default())
    }

    fn start_as(jvm: &[&str], extra: &Extra) -> Self {
        let jars = jars();
        // A port that was free may be taken a moment later by somebody else on the machine.
        for _ in 0..3 {
            let ports = Ports { plain: free_port(), sasl: free_port(), controller: free_port() };
            let listeners: Vec<_> = extra.listeners.iter().map(|(name, _)| (*name, free_port())).collect();
            if let Some(node) = start_node(&jars, jvm, 1, &[ports], extra, &listeners) {
                return Self {
                    bootstrap: format!("127.0.0.1:{}", ports.plain),
                    sasl_bootstrap: Some(format!("127.0.0.1:{}", ports.sasl)),
                    listeners,
                    nodes: vec![node],
                };
            }
        }
        panic!("no free ports for Kafka in three attempts");
    }

    /// Returns the address of the listener without authentication.
    pub(crate) fn bootstrap(&self) -> &str {
        &self.bootstrap
    }

    /// Returns the address of the listener that wants SCRAM-SHA-512.
    pub(crate) fn sasl_bootstrap(&self) -> &str {
        self.sasl_bootstrap.as_deref().expect("a cluster that the tests started")
    }

    /// Returns the port of a listener that [`Extra`] added.
    pub(crate) fn port(&self, listener: &str) -> u16 {
        self.listeners.iter().find(|(name, _)| *name == listener).expect("a listener of this cluster").1
    }

    /// Halts all brokers, as a network that has gone does: connections stay and nobody answers.
    pub(crate) fn halt(&self) {
        self.nodes.iter().for_each(|node| node.signal("STOP"));
    }

    /// Lets halted brokers go on.
    pub(crate) fn go_on(&self) {
        self.nodes.iter().for_each(|node| node.signal("CONT"));
    }

    /// Returns the settings of a client of the tests themselves.
    pub(crate) fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", &self.bootstrap);
        config
    }
}

#[derive(Clone, Copy)]
struct Ports {
    plain: u16,
    sasl: u16,
    controller: u16,
}

/// Returns the folder with the jars, fetched once.
pub(crate) fn jars() -> PathBuf {
    let folder = cache().join(format!("kafka-{VERSION}"));
    let complete = folder.join(".complete");
    locked(&cache().join("kafka.lock"), || {
        if complete.exists() {
            return;
        }
        let mut maven = Command::new("mvn");
        maven.args(["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime"]);
        maven.arg(format!("-DoutputDirectory={}", folder.display()));
        run(maven.current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kafka")), HINT);
        std::fs::write(&complete, "").unwrap();
    });
    folder
}

/// Formats and starts the node `id`, whose ports are `cluster[id - 1]`; `None` if a port was taken meanwhile.
fn start_node(
    jars: &Path,
    jvm: &[&str],
    id: usize,
    cluster: &[Ports],
    extra: &Extra,
    listeners: &[(&'static str, u16)],
) -> Option<Process> {
    let folder = tempfile::Builder::new().prefix("sluice-kafka-").tempdir().unwrap();
    let properties = folder.path().join("server.properties");
    let text = server_properties(id, cluster, folder.path());
    std::fs::write(&properties, extended(&text, extra, listeners)).unwrap();
    let classes = format!("{}/*", jars.display());
    let user = format!("SCRAM-SHA-512=[name={USER},password={PASSWORD}]");
    let mut format = Command::new("java");
    format.args(["-XX:TieredStopAtLevel=1", "-cp", &classes, "kafka.tools.StorageTool", "format", "-t", CLUSTER_ID]);
    format.arg("-c").arg(&properties).args(["--add-scram", &user]);
    for (name, password) in &extra.users {
        format.args(["--add-scram", &format!("SCRAM-SHA-512=[name={name},password={password}]")]);
    }
    run(&mut format, HINT);

    let mut java = Command::new("java");
    java.args(LOG_LEVELS.map(|level| format!("-Dorg.slf4j.simpleLogger.{level}")));
    java.args(jvm).args(["-cp", &classes, "kafka.Kafka"]);
    java.arg(&properties).current_dir(folder.path());
    let mut node = Process::start(&format!("kafka-{id}"), java, folder);
    let start = Instant::now();
    while !node.log().contains("Kafka Server started") {
        if node.exited().is_some() {
            let log = node.log();
            assert!(log.contains("Address already in use") || log.contains("BindException"), "Kafka ended:\n{log}");
            return None;
        }
        assert!(start.elapsed() < START_LIMIT, "Kafka does not start within {START_LIMIT:?}:\n{}", node.log());
        std::thread::sleep(Duration::from_millis(50));
    }
    Some(node)
}

/// Returns the node's configuration. Retention is off, since it goes by record time and the traffic carries old
/// timestamps; timed-out transactions are looked for every 500 ms, or each kill would wait for the 10 s scan.
fn server_properties(id: usize, cluster: &[Ports], folder: &Path) -> String {
    let Ports { plain, sasl, controller } = cluster[id - 1];
    let voters: Vec<_> =
        cluster.iter().zip(1..).map(|(node, id)| format!("{id}@127.0.0.1:{}", node.controller)).collect();
    let replicas = cluster.len();
    let in_sync = replicas.div_ceil(2);
    let mut text = format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl}
log.dirs={}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
",
        voters.join(","),
        folder.join("data").display(),
    );
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        writeln!(text, "{topic}.replication.factor={replicas}").unwrap();
    }
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        writeln!(text, "{topic}.min.isr={in_sync}").unwrap();
    }
    text.push_str(
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
auto.create.topics.enable=false
log.retention.ms=-1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
",
    );
    text
}

/// Adds further listeners and settings to a node's configuration.
fn extended(text: &str, extra: &Extra, listeners: &[(&str, u16)]) -> String {
    let addresses: String = listeners.iter().map(|(name, port)| format!(",{name}://127.0.0.1:{port}")).collect();
    let protocols: String = extra.listeners.iter().map(|(name, protocol)| format!(",{name}:{protocol}")).collect();
    let line = |line: &str| match line.split_once('=').map(|(key, _)| key) {
        Some("listeners" | "advertised.listeners") => format!("{line}{addresses}\n"),
        Some("listener.security.protocol.map") => format!("{line}{protocols}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect::<String>() + &extra.properties
}
