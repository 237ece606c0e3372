//! What a cluster is asked about itself and moved to, beyond what the client library offers: who leads a partition, who
//! coordinates a group or a transactional.id, and who shall.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::json;

use super::kafka::Cluster;
use super::wait_for;

const TIMEOUT: Duration = Duration::from_secs(30);
/// Where the coordinators of groups keep their state.
pub(crate) const OFFSETS: &str = "__consumer_offsets";
/// Where the coordinators of transactions keep theirs.
pub(crate) const TRANSACTIONS: &str = "__transaction_state";

/// What is coordinated.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Key<'k> {
    /// A consumer group.
    Group(&'k str),
    /// A transactional.id.
    Transactions(&'k str),
}

impl Cluster {
    /// Returns the node that leads a partition.
    pub(crate) fn leader(&self, topic: &str, partition: i32) -> usize {
        let client: BaseConsumer = self.client().create().unwrap();
        wait_for(&format!("a leader of {topic}-{partition}"), TIMEOUT, || {
            let metadata = client.fetch_metadata(Some(topic), Duration::from_secs(5)).ok()?;
            let partitions = metadata.topics().first()?.partitions();
            usize::try_from(partitions.iter().find(|found| found.id() == partition)?.leader()).ok()
        })
    }

    /// Returns the nodes that lead partitions of a topic.
    pub(crate) fn leaders(&self, topic: &str) -> Vec<usize> {
        let mut leaders: Vec<_> =
            (0..self.wait_for_topic(topic)).map(|partition| self.leader(topic, partition)).collect();
        leaders.sort_unstable();
        leaders.dedup();
        leaders
    }

    /// Returns the node that coordinates a group or a transactional.id.
    pub(crate) fn coordinator(&self, key: Key<'_>) -> usize {
        let answers = || self.ids().find_map(|id| find_coordinator(self.ports(id).plain, key));
        wait_for(&format!("the coordinator of {key:?}"), TIMEOUT, answers)
    }

    /// Lets every partition of a topic have these replicas, of which the first shall lead, and does not wait for them.
    pub(crate) fn reassign(&self, topic: &str, replicas: impl Fn(i32) -> Vec<usize>) {
        let partitions: Vec<_> = (0..self.wait_for_topic(topic))
            .map(|partition| json!({ "topic": topic, "partition": partition, "replicas": replicas(partition) }))
            .collect();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), json!({ "version": 1, "partitions": partitions }).to_string()).unwrap();
        let file = file.path().to_str().unwrap();
        let class = "org.apache.kafka.tools.reassign.ReassignPartitionsCommand";
        let arguments = ["--bootstrap-server", self.bootstrap(), "--reassignment-json-file", file, "--execute"];
        self.version().tool(class, &arguments);
    }

    /// Lets the first replica of each partition of each topic lead, where that one is in sync; to be asked for again where
    /// they do not lead then.
    pub(crate) fn elect_leaders(&self) {
        let class = "org.apache.kafka.tools.LeaderElectionCommand";
        let arguments =
            ["--bootstrap-server", self.bootstrap(), "--election-type", "preferred", "--all-topic-partitions"];
        let (is_done, said) = self.version().try_tool(class, &arguments);
        let is_passing = ["PreferredLeaderNotAvailable", "Timeout"].iter().any(|name| said.contains(name));
        assert!(is_done || is_passing, "no leaders are elected: {said}");
    }

    /// Sets a quota of a client ID, such as `producer_byte_rate=1024`, or takes it away.
    pub(crate) fn set_quota(&self, client: &str, quota: Option<&str>) {
        let change = quota.map_or(["--delete-config", "producer_byte_rate"], |quota| ["--add-config", quota]);
        let entity = ["--entity-type", "clients", "--entity-name", client];
        let common = ["--bootstrap-server", self.bootstrap(), "--alter"];
        self.version().tool("kafka.admin.ConfigCommand", &[&common[..], &entity, &change].concat());
    }
}

/// Asks one broker by `FindCoordinator` of version 1; `None` while it does not know or does not answer.
fn find_coordinator(port: u16, key: Key<'_>) -> Option<usize> {
    const FIND_COORDINATOR: u16 = 10;
    let (name, kind) = match key {
        Key::Group(name) => (name, 0),
        Key::Transactions(name) => (name, 1),
    };
    let text = |text: &str| [&u16::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat();
    let request = [
        &FIND_COORDINATOR.to_be_bytes()[..],
        &1_u16.to_be_bytes(),
        &7_u32.to_be_bytes(),
        &text("tests"),
        &text(name),
        &[kind],
    ]
    .concat();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(2))).unwrap();
    stream.write_all(&u32::try_from(request.len()).unwrap().to_be_bytes()).ok()?;
    stream.write_all(&request).ok()?;
    let mut length = [0; 4];
    stream.read_exact(&mut length).ok()?;
    let mut answer = vec![0; u32::from_be_bytes(length) as usize];
    stream.read_exact(&mut answer).ok()?;
    // Correlation and throttle time, four bytes each; the error; a text that may be null; the node.
    let number = |at: usize, bytes: usize| answer.get(at..at + bytes).map(<[u8]>::to_vec);
    let error = i16::from_be_bytes(number(8, 2)?.try_into().ok()?);
    let text = i16::from_be_bytes(number(10, 2)?.try_into().ok()?).max(0);
    let node = i32::from_be_bytes(number(12 + usize::try_from(text).ok()?, 4)?.try_into().ok()?);
    (error == 0).then(|| usize::try_from(node).ok()).flatten()
}
