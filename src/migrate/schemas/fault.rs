//! Why registries give no answer, and whether asking again helps.

use crate::registry::client::{self, Kind};
use crate::registry::remote;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(in crate::migrate) enum Fault {
    /// A registry or the way to it: asked again.
    #[error("{0}")]
    Passing(client::Error),
    /// Somebody else is in the way: asked again.
    #[error("{0}")]
    Waiting(String),
    /// The source's registry does not know the schema: asked again for a while.
    #[error("the source's registry does not know the schema")]
    Unknown,
    /// Asking again gives the same.
    #[error("{0}")]
    Final(String),
}

impl From<client::Error> for Fault {
    fn from(error: client::Error) -> Self {
        match error.kind() {
            Kind::Transient => Self::Passing(error),
            Kind::NotFound | Kind::Unusable | Kind::Settings => Self::Final(error.to_string()),
        }
    }
}

impl From<remote::Error> for Fault {
    fn from(error: remote::Error) -> Self {
        match error {
            remote::Error::Client(error) => error.into(),
            remote::Error::Refused { .. } => Self::Final(error.to_string()),
        }
    }
}
