//! Why a registry's log cannot be used, whoever waits.

use rdkafka::error::KafkaError;

use crate::kafka::topics;

/// Why a node cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(#[source] std::io::Error),
    /// A thread has panicked; the log has why.
    #[error("{0} has panicked")]
    Panicked(String),
    /// librdkafka makes no client of the properties.
    #[error("no Kafka client can be made for the registry's log")]
    Client(#[source] KafkaError),
    /// The cluster refuses what the log needs.
    #[error("topic '{topic}'")]
    Topic {
        /// The topic.
        topic: String,
        /// The answer.
        #[source]
        source: topics::Error,
    },
    /// The topic is there and is no log of a registry.
    #[error("topic '{topic}' cannot keep a registry: it {problem}; {remedy}")]
    Unsuitable {
        /// The topic.
        topic: String,
        /// What is wrong with it.
        problem: String,
        /// What to do.
        remedy: String,
    },
    /// What was read is no longer what the log says.
    #[error("topic '{topic}' no longer has offset {offset}: it was deleted or cut; restart to read it from the begin")]
    Cut {
        /// The topic.
        topic: String,
        /// The *next* offset that was to be read.
        offset: i64,
    },
}

impl Error {
    /// Tells whether the operator has to change configuration or topic, which no restart does.
    #[must_use]
    pub fn is_configuration(&self) -> bool {
        match self {
            Self::Client(_) | Self::Topic { .. } | Self::Unsuitable { .. } => true,
            Self::Thread(_) | Self::Panicked(_) | Self::Cut { .. } => false,
        }
    }
}
