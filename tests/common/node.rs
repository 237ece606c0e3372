//! One node of a Kafka cluster: its configuration, and its life, deaths included.
//!
//! A node that is started again has the same ID, ports and data; only its process is another.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::jars::Version;
use super::process::Process;

/// The start takes 3 s on an idle machine.
const START_LIMIT: Duration = Duration::from_secs(240);
/// For a node that is asked to stop to hand over what it leads.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// Warnings, and what groups and transactions go through; the rest would bury it.
const LOG_LEVELS: [&str; 8] = [
    "defaultLogLevel=warn",
    "showDateTime=true",
    "dateTimeFormat=HH:mm:ss.SSS",
    "log.kafka.server.KafkaRaftServer=info",
    "log.org.apache.kafka.clients.NetworkClient=error",
    "log.kafka.server.ReplicaFetcherThread=error",
    "log.org.apache.kafka.coordinator.group=info",
    "log.org.apache.kafka.coordinator.transaction=info",
];

/// The ports of one node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ports {
    /// Without authentication.
    pub(crate) plain: u16,
    /// With SCRAM.
    pub(crate) sasl: u16,
    /// Without authentication, for a proxy that stands before it.
    pub(crate) proxied: u16,
    /// The proxy's own port, which clients are told.
    pub(crate) proxy: Option<u16>,
    /// Of the controller.
    pub(crate) controller: u16,
}

/// How a node is started.
#[derive(Debug, Clone)]
pub(crate) struct Making {
    pub(crate) version: Version,
    pub(crate) jvm: Vec<String>,
    /// Where its data is; beside its log if `None`.
    pub(crate) data: Option<PathBuf>,
    /// Properties that are added to ours.
    pub(crate) properties: String,
    /// Environment variables of its process.
    pub(crate) environment: Vec<(String, String)>,
    /// Further listeners: name, security protocol, port.
    pub(crate) listeners: Vec<(&'static str, &'static str, u16)>,
}

/// A node, running or not.
pub(crate) struct Node {
    id: usize,
    making: Making,
    process: Process,
    folder: PathBuf,
    data: PathBuf,
    /// How long the log was when the process was started.
    log_before: usize,
}

impl Node {
    /// Formats and spawns the node `id`, whose ports are `cluster[id - 1]`.
    pub(crate) fn spawn(making: Making, id: usize, cluster: &[Ports]) -> Self {
        let folder = tempfile::Builder::new().prefix("sluice-kafka-").tempdir().unwrap();
        let path = folder.path().to_owned();
        let data = making.data.clone().unwrap_or_else(|| path.join("data"));
        let text = extended(&server_properties(id, cluster, &data), &making.listeners) + &making.properties;
        std::fs::write(path.join("server.properties"), text).unwrap();
        making.version.format(id, &data);
        let process = Process::start(&format!("kafka-{id}"), java(&making, &path), folder);
        Self { id, making, process, folder: path, data, log_before: 0 }
    }

    /// Waits until it serves; `false` if a port was taken meanwhile.
    pub(crate) fn wait_started(&mut self) -> bool {
        let start = Instant::now();
        loop {
            let log = self.process.log();
            let log = &log[self.log_before..];
            if log.contains("Kafka Server started") {
                return true;
            }
            if self.process.exited().is_some() {
                assert!(log.contains("Address already in use") || log.contains("BindException"), "Kafka ended:\n{log}");
                return false;
            }
            assert!(start.elapsed() < START_LIMIT, "Kafka does not start within {START_LIMIT:?}:\n{log}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Kills it as a power cut does.
    pub(crate) fn kill(&mut self) {
        self.process.signal("KILL");
        self.process.wait(STOP_LIMIT);
    }

    /// Asks it to stop and waits for its end.
    pub(crate) fn stop(&mut self) {
        self.process.signal("TERM");
        self.process.wait(STOP_LIMIT);
    }

    /// Asks it to stop, and kills it where it finds no end, as whoever operates it would: a broker whose controllers are
    /// away hands nothing over.
    pub(crate) fn stop_or_kill(&mut self) {
        self.process.signal("TERM");
        if self.process.ended_within(STOP_LIMIT).is_none() {
            eprintln!("a broker does not stop within {STOP_LIMIT:?}, and is killed");
            self.kill();
        }
    }

    /// Starts it again after its end, without waiting.
    pub(crate) fn restart(&mut self) {
        self.log_before = self.process.log().len();
        let java = java(&self.making, &self.folder);
        self.process.restart(java);
    }

    /// Sends it a signal by name.
    pub(crate) fn signal(&self, signal: &str) {
        self.process.signal(signal);
    }

    /// Tells whether its process runs, halted or not.
    pub(crate) fn is_up(&mut self) -> bool {
        self.process.exited().is_none()
    }

    /// Returns the leader of the controllers as it knows it, and since which epoch.
    pub(crate) fn controller(&self) -> Option<(i64, i32)> {
        let file = self.data.join("__cluster_metadata-0/quorum-state");
        let state: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(file).ok()?).ok()?;
        let leader = state["leaderId"].as_i64()?.try_into().ok()?;
        Some((state["leaderEpoch"].as_i64()?, leader))
    }

    /// Returns all that it has printed.
    pub(crate) fn log(&self) -> String {
        self.process.log()
    }

    /// Prints the end of its log.
    pub(crate) fn print_log(&self) {
        eprintln!("node {}", self.id);
        self.process.print_log();
    }
}

fn java(making: &Making, folder: &Path) -> Command {
    let mut java = Command::new("java");
    java.args(LOG_LEVELS.map(|level| format!("-Dorg.slf4j.simpleLogger.{level}")));
    java.args(&making.jvm).args(["-cp", &making.version.classes(), "kafka.Kafka"]);
    java.arg(folder.join("server.properties")).current_dir(folder);
    java.envs(making.environment.iter().map(|(name, value)| (name, value)));
    java
}

/// Returns the node's configuration. Retention is off, since it goes by record time and the traffic carries old
/// timestamps; timed-out transactions are looked for every 500 ms, or each kill would wait for the 10 s scan; a broker
/// that has gone is noticed after 4 s, not 9.
fn server_properties(id: usize, cluster: &[Ports], data: &Path) -> String {
    let Ports { plain, sasl, proxied, proxy, controller } = cluster[id - 1];
    let proxy = proxy.unwrap_or(proxied);
    let voters: Vec<_> =
        cluster.iter().zip(1..).map(|(node, id)| format!("{id}@127.0.0.1:{}", node.controller)).collect();
    let replicas = cluster.len();
    let in_sync = replicas.div_ceil(2);
    let mut text = format!(
        "process.roles=broker,controller
node.id={id}
controller.quorum.voters={}
listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},PROXIED://127.0.0.1:{proxied},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=PLAINTEXT://127.0.0.1:{plain},SASL://127.0.0.1:{sasl},PROXIED://127.0.0.1:{proxy}
log.dirs={}
default.replication.factor={replicas}
min.insync.replicas={in_sync}
",
        voters.join(","),
        data.display(),
    );
    for topic in ["offsets.topic", "transaction.state.log", "share.coordinator.state.topic"] {
        writeln!(text, "{topic}.replication.factor={replicas}").unwrap();
    }
    for topic in ["transaction.state.log", "share.coordinator.state.topic"] {
        writeln!(text, "{topic}.min.isr={in_sync}").unwrap();
    }
    text.push_str(
        "listener.security.protocol.map=PLAINTEXT:PLAINTEXT,SASL:SASL_PLAINTEXT,PROXIED:PLAINTEXT,CONTROLLER:PLAINTEXT
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
listener.name.sasl.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
auto.create.topics.enable=false
log.retention.ms=-1
transaction.abort.timed.out.transaction.cleanup.interval.ms=500
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=500
offsets.topic.num.partitions=4
transaction.state.log.num.partitions=4
group.initial.rebalance.delay.ms=0
",
    );
    text
}

/// Adds further listeners to a node's configuration.
fn extended(text: &str, listeners: &[(&str, &str, u16)]) -> String {
    let addresses: String = listeners.iter().map(|(name, _, port)| format!(",{name}://127.0.0.1:{port}")).collect();
    let protocols: String = listeners.iter().map(|(name, protocol, _)| format!(",{name}:{protocol}")).collect();
    let line = |line: &str| match line.split_once('=').map(|(key, _)| key) {
        Some("listeners" | "advertised.listeners") => format!("{line}{addresses}\n"),
        Some("listener.security.protocol.map") => format!("{line}{protocols}\n"),
        _ => format!("{line}\n"),
    };
    text.lines().map(line).collect()
}
