//! Why a redrive cannot go on.

use crate::kafka::reading;
use crate::registry::client;
use crate::registry::schemas;

/// Why a redrive cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The topics cannot be read.
    #[error(transparent)]
    Reading(#[from] reading::Error),
    /// The registry does not answer, or lacks what the configuration names.
    #[error("the registry has no answer: {0}")]
    Schemas(#[from] schemas::Error),
    /// The registry's settings.
    #[error(transparent)]
    Client(#[from] client::Error),
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
            Self::Client(_) | Self::NoGate { .. } => true,
        }
    }
}
