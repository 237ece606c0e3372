//! Topics and brokers as the cluster describes them.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::error::RDKafkaErrorCode;

/// A topic as the cluster has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Topic {
    /// The name.
    pub name: String,
    /// The number of partitions.
    pub partitions: i32,
    /// The number of replicas of its first partition.
    pub replication: i32,
    /// Its settings by name, those of sensitive value left out. Empty where the user may not ask for them.
    pub settings: BTreeMap<String, Setting>,
}

/// What tells a topic from one that was made again under its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Described {
    /// Its ID; none where brokers have none.
    pub id: Option<String>,
    /// The number of partitions.
    pub partitions: usize,
}

/// What brokers say of topics by name, each by its own answer.
pub type Descriptions = Vec<(String, Result<Described, RDKafkaErrorCode>)>;

/// A setting of a topic.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting {
    /// The value that applies.
    pub value: String,
    /// Whether the topic itself sets it; else it comes from the brokers and their defaults.
    pub own: bool,
}

/// What the brokers allow, where they tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerLimits {
    /// `message.max.bytes`: the default of topics that set no `max.message.bytes`.
    pub message_max_bytes: Option<u64>,
    /// `transaction.max.timeout.ms`: the longest `transaction.timeout.ms`.
    pub transaction_max_timeout: Option<Duration>,
}
