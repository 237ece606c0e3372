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

impl Topic {
    /// Returns the size of the largest batch of records that it takes, in bytes, where the user may see it.
    #[must_use]
    pub fn max_message_bytes(&self) -> Option<u64> {
        self.setting("max.message.bytes")?.parse().ok()
    }

    /// Returns the codec that its brokers write it in, as librdkafka calls it, where that is not the producer's choice and the user may
    /// see it: what comes in another is compressed anew by the broker.
    #[must_use]
    pub fn codec(&self) -> Option<&'static str> {
        match self.setting("compression.type")? {
            "gzip" => Some("gzip"),
            "snappy" => Some("snappy"),
            "lz4" => Some("lz4"),
            "zstd" => Some("zstd"),
            "uncompressed" => Some("none"),
            _ => None,
        }
    }

    /// Returns the value of a setting, where the user may see it.
    pub(super) fn setting(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(|setting| setting.value.as_str())
    }
}
