//! Why a redrive cannot go on.

use crate::kafka::{dead_letters, reading};
use crate::migrate;
use crate::registry::client;
use crate::registry::schemas;

/// Why a redrive cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topics cannot be read.
    #[error(transparent)]
    Reading(#[from] reading::Error),
    /// What became of dead letters before cannot be read, or kept.
    #[error(transparent)]
    Letters(#[from] dead_letters::Error),
    /// Somebody else goes on.
    #[error(
        "another redrive of '{topic}' has taken over, or somebody else uses its transactional.id: this one ends, and what it has committed counts"
    )]
    Taken {
        /// The dead-letter topic.
        topic: String,
    },
    /// The cluster refuses for good.
    #[error("the redrive cannot go on: {0}")]
    Kafka(String),
    /// The registry does not answer, or lacks what the configuration names.
    #[error("the registry has no answer: {0}")]
    Schemas(#[from] schemas::Error),
    /// The registry does not answer what a condition has to know.
    #[error("the registry has no answer: {0}")]
    Registry(#[source] client::Error),
    /// The registry's settings.
    #[error(transparent)]
    Client(#[from] client::Error),
    /// What a job began with cannot be read, or is not what the configuration says.
    #[error(transparent)]
    Job(#[from] migrate::Error),
    /// Nobody of that name is in the configuration.
    #[error("'{name}' is no gate or converter of the configuration; there are: {known}")]
    NoGate {
        /// The name.
        name: String,
        /// Those that there are.
        known: String,
    },
}

impl Error {
    /// Tells whether the command line or the configuration is at fault.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Reading(error) => error.is_usage(),
            Self::Schemas(error) => matches!(error, schemas::Error::Target(_)),
            Self::Letters(error) => error.is_usage(),
            Self::Job(error) => error.is_usage(),
            Self::Client(_) | Self::NoGate { .. } => true,
            Self::Registry(_) | Self::Taken { .. } | Self::Kafka(_) => false,
        }
    }

    /// Tells whether the cluster was asked and did not answer, so that it may later.
    pub(super) fn is_passing(&self) -> bool {
        matches!(self, Self::Reading(_) | Self::Letters(_)) && !self.is_usage()
    }
}
