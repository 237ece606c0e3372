//! One node of a registry: the state that it answers from, and the way in which it changes.
//!
//! Readers take the present state, a value that nobody changes any more, without a lock. Whoever applies records makes
//! the next state beside it and puts it in its place.

use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use super::store::{Command, Decision, Error, Outcome, Store};

/// A registry whose log is its memory: the one inside `sluice demo`, and the stub of the tests.
#[derive(Debug)]
pub struct Node {
    state: ArcSwap<Store>,
    /// Held while a command is decided and applied: the next one is decided on what comes of it.
    writing: Mutex<()>,
}

impl Node {
    /// Makes a node that begins with this state.
    #[must_use]
    pub fn new(store: Store) -> Self {
        Self { state: ArcSwap::from_pointee(store), writing: Mutex::default() }
    }

    /// Returns the present state.
    #[must_use]
    pub fn state(&self) -> Arc<Store> {
        self.state.load_full()
    }

    /// Decides a command and applies what it adds to the log.
    ///
    /// # Errors
    /// Why it is refused; the state is as it was.
    pub fn write(&self, command: &Command) -> Result<Outcome, Error> {
        let _one_by_one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut next = Store::clone(&self.state.load());
        let Decision { records, outcome } = next.decide(command)?;
        records.iter().try_for_each(|record| next.apply(record))?;
        self.state.store(Arc::new(next));
        Ok(outcome)
    }
}
