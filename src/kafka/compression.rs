//! How what we write is compressed: each topic by its own codec, where it has one, unless the operator names one for all.

use super::topics::Topic;
use crate::config::Kafka;

/// Whose word it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Compression {
    /// The topics' own, where they have one: else brokers compress anew what we have compressed.
    OfTopics,
    /// `kafka.compression.type`.
    OfConfig,
}

impl Compression {
    /// Returns what the settings of a cluster's clients say.
    pub(crate) fn of(kafka: &Kafka) -> Self {
        let is_set = kafka.producer().any(|(name, _)| name == "compression.type");
        if is_set { Self::OfConfig } else { Self::OfTopics }
    }

    /// Returns the codec of what goes to a topic; none where all is compressed alike.
    pub(crate) fn codec(self, topic: &Topic) -> Option<&'static str> {
        match self {
            Self::OfTopics => topic.codec(),
            Self::OfConfig => None,
        }
    }
}
