//! What the process knows of its registry's health: whether it answers, and whether it still says the same.
//!
//! One per process, since all gates share one registry. The registry client writes it through events, `/status` and
//! metrics read it.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use crate::schema::SchemaId;

/// IDs that are named at most; a registry restored from an old backup may lack thousands.
pub const MAX_IDS_SHOWN: usize = 100;

/// An outage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outage {
    /// When it was noticed.
    pub since: SystemTime,
    /// One line: the address and the error.
    pub error: String,
}

/// Everything behind the lock; cloned for readers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryBoard {
    /// The outage, while there is one.
    pub outage: Option<Outage>,
    /// IDs at hand under which the registry now has another schema.
    pub changed: BTreeSet<SchemaId>,
    /// IDs at hand that the registry no longer has.
    pub gone: BTreeSet<SchemaId>,
}

/// The state of the registry as this process sees it.
#[derive(Debug, Default)]
pub struct RegistryState {
    board: Mutex<RegistryBoard>,
}

impl RegistryState {
    /// Returns a copy of what is known.
    #[must_use]
    pub fn board(&self) -> RegistryBoard {
        self.lock().clone()
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, RegistryBoard> {
        // Plain values, each whole at any time: a panic elsewhere does not spoil them.
        self.board.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
