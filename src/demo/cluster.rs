//! The embedded broker: librdkafka's mock cluster, on a port of its own.
//!
//! It speaks Kafka's protocol to any client on this machine, and it is no Kafka: no admin requests, about 5 MB per
//! partition (older records go without a word), `read_committed` is not honoured, and offsets committed in a
//! transaction are not seen by others. The demo keeps within that; what a gate guarantees is shown against a real
//! cluster.

use rdkafka::ClientConfig;
use rdkafka::error::KafkaResult;
use rdkafka::producer::{BaseProducer, Producer as _};

use crate::kafka::ffi;

/// Partitions of every topic but the registry's log.
pub(super) const PARTITIONS: i32 = 4;

/// A running broker; it ends when this is dropped.
pub(crate) struct Cluster {
    owner: BaseProducer,
}

impl Cluster {
    /// Starts a broker with these topics, each with so many partitions.
    pub(crate) fn start(topics: &[(&str, i32)]) -> KafkaResult<Self> {
        let owner: BaseProducer = ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        ffi::start_mock_groups_at_once(owner.client());
        let cluster = Self { owner };
        if let Some(mock) = cluster.owner.client().mock_cluster() {
            topics.iter().try_for_each(|(topic, partitions)| mock.create_topic(topic, *partitions, 1))?;
        }
        Ok(cluster)
    }

    /// Returns the broker's address.
    pub(crate) fn bootstrap_servers(&self) -> String {
        self.owner.client().mock_cluster().map(|mock| mock.bootstrap_servers()).unwrap_or_default()
    }
}
