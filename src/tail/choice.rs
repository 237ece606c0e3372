//! Which dead letters are taken: those of a filter for which a condition holds.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::asking::Patience;
use super::sieve::Sieve;
use crate::config::Registry;
use crate::dead_letters::{Filter, Letter};
use crate::filter::Condition;
use crate::record::Record;
use crate::registry::client;

/// All conditions at work.
#[derive(Debug)]
pub struct Choice {
    filter: Filter,
    sieve: Option<Sieve>,
}

impl Choice {
    /// Begins without any dead letter.
    ///
    /// # Errors
    /// As [`Sieve::new`].
    pub fn new(
        filter: Filter,
        condition: Option<&Arc<Condition>>,
        (registry, patience): (&Registry, Patience),
        runtime: &Handle,
    ) -> Result<Self, client::Error> {
        let sieve =
            condition.map(|condition| Sieve::new(Arc::clone(condition), (registry, patience), runtime)).transpose()?;
        Ok(Self { filter, sieve })
    }

    /// Tells whether a dead letter is taken, which says this of itself. Blocks while the registry is asked.
    ///
    /// # Errors
    /// As [`Sieve::takes`].
    pub fn takes(&mut self, record: &Record<'_>, letter: &Letter<'_>) -> Result<bool, client::Error> {
        if !self.filter.matches(letter, record.timestamp) {
            return Ok(false);
        }
        self.sieve.as_mut().map_or(Ok(true), |sieve| sieve.takes(record, Some(letter)))
    }

    /// Returns the condition, if there is one.
    pub fn sieve(&mut self) -> Option<&mut Sieve> {
        self.sieve.as_mut()
    }
}
