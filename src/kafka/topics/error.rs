//! Why topics cannot be listed, described or created.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::APPEARANCE;

/// Why the cluster gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// librdkafka makes no client of the properties.
    #[error("{0}")]
    Client(String),
    /// No broker answers.
    #[error("no broker of '{brokers}' answers: {reason}")]
    Unreachable {
        /// `bootstrap.servers`.
        brokers: String,
        /// What the client heard last, and what to do.
        reason: String,
    },
    /// A question was not answered.
    #[error("the settings of {what} cannot be read")]
    Describe {
        /// The kind and name of what was asked for.
        what: String,
        /// The answer.
        #[source]
        source: Box<KafkaError>,
    },
    /// Topics cannot be described.
    #[error("topics cannot be looked at: {topics}")]
    Look {
        /// Which.
        topics: String,
        /// The answer.
        #[source]
        source: Box<KafkaError>,
    },
    /// This user may not describe a topic.
    #[error("topic '{topic}' may not be looked at by this user: it needs the right DESCRIBE")]
    Forbidden {
        /// The topic.
        topic: String,
    },
    /// A topic was not created.
    #[error("topic '{topic}' cannot be created: {code}; create it with: {command}")]
    Create {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
        /// The command that creates it.
        command: String,
    },
    /// A topic was not deleted.
    #[error("topic '{topic}' cannot be deleted: {code}")]
    Delete {
        /// The topic.
        topic: String,
        /// The broker's answer.
        code: RDKafkaErrorCode,
    },
    /// Created topics do not show.
    #[error("topics '{topics}' were created, and no broker shows them with all leaders after {} s", APPEARANCE.as_secs())]
    NotVisible {
        /// Their names, with commas between.
        topics: String,
    },
}

impl Error {
    /// Tells whether asking again may help. What the properties, the user's rights or the cluster's rules forbid stays so.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Client(_) | Self::Forbidden { .. } => false,
            Self::Unreachable { .. } | Self::Look { .. } | Self::Describe { .. } | Self::NotVisible { .. } => true,
            Self::Create { code, .. } | Self::Delete { code, .. } => !matches!(
                code,
                RDKafkaErrorCode::TopicAuthorizationFailed
                    | RDKafkaErrorCode::ClusterAuthorizationFailed
                    | RDKafkaErrorCode::InvalidTopic
                    | RDKafkaErrorCode::InvalidPartitions
                    | RDKafkaErrorCode::InvalidConfig
                    | RDKafkaErrorCode::PolicyViolation
            ),
        }
    }
}
