//! One node of a registry: the state that it answers from, and the way in which that changes.
//!
//! Readers take the present state, a value that nobody changes any more, without a lock. Whoever applies records makes
//! the next state beside it and puts it in its place. A command is answered when what it adds to the log has been
//! applied here, so that whoever has written reads what they wrote.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use arc_swap::ArcSwap;

use super::store::{self, Command, Decision, Outcome, Store};

/// The present state, and the place of the next one.
pub type State = Arc<ArcSwap<Store>>;

/// A node of a registry.
#[derive(Debug)]
pub struct Node {
    state: State,
    /// Held while a command is decided and applied: the next one is decided on what comes of it.
    writing: Mutex<()>,
}

/// Why a command had no effect, or none that is known.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The state does not allow it.
    #[error(transparent)]
    Refused(#[from] store::Error),
    /// Nothing was written: the log cannot be reached.
    #[error("{0}")]
    Unavailable(String),
    /// Whether it was written is not known: it may still come to be.
    #[error("{0}")]
    TimedOut(String),
}

impl Error {
    /// Returns Confluent's code. Its first three digits are the status of HTTP.
    #[must_use]
    pub fn code(&self) -> i32 {
        match self {
            Self::Refused(error) => error.code(),
            Self::Unavailable(_) => 50001,
            Self::TimedOut(_) => 50002,
        }
    }
}

impl Node {
    /// Makes a node whose log is its memory: the registry inside `sluice demo`, and the stub of the tests.
    #[must_use]
    pub fn in_memory(store: Store) -> Self {
        Self { state: Arc::new(ArcSwap::from_pointee(store)), writing: Mutex::default() }
    }

    /// Returns the present state.
    #[must_use]
    pub fn state(&self) -> Arc<Store> {
        self.state.load_full()
    }

    /// Returns the ID of the cluster that has the log; nothing where there is none.
    #[must_use]
    pub fn kafka_cluster(&self) -> &str {
        ""
    }

    /// Carries a command out, and returns its answer.
    ///
    /// # Errors
    /// Why it had no effect.
    #[expect(clippy::unused_async, reason = "a node with a log waits for it")]
    pub async fn write(&self, command: &Command) -> Result<Outcome, Error> {
        let _one_by_one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Store::clone(&self.state.load());
        let Decision { records, outcome } = next.decide(command)?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        for mut record in records {
            record.timestamp = i64::try_from(now.as_millis()).unwrap_or(i64::MAX);
            next.apply(&record)?;
        }
        self.state.store(Arc::new(next));
        Ok(outcome)
    }
}
