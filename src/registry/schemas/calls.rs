//! What the registry was asked and what the cache saved, as plain counters that metrics read.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::registry::client::{Error, Kind};

/// Counters since the start of the process.
#[derive(Debug, Default)]
pub struct Calls {
    /// Questions that were answered.
    pub ok: AtomicU64,
    /// Questions answered with: there is none.
    pub not_found: AtomicU64,
    /// Questions without an answer: registry down, slow, refusing or unreadable.
    pub transient: AtomicU64,
    /// Schemas that were at hand.
    pub hits: AtomicU64,
    /// Schemas that were not.
    pub misses: AtomicU64,
}

impl Calls {
    pub(super) fn count<T>(&self, outcome: &Result<T, Error>) {
        let counter = match outcome.as_ref().map_err(Error::kind) {
            Ok(_) | Err(Kind::Unusable) => &self.ok,
            Err(Kind::NotFound) => &self.not_found,
            Err(Kind::Transient | Kind::Settings) => &self.transient,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn looked_up(&self, found: bool) {
        let counter = if found { &self.hits } else { &self.misses };
        counter.fetch_add(1, Ordering::Relaxed);
    }
}
