//! Answers that never change, made once per key.
//!
//! What is not worth keeping is made again for the next asker: a schema that cannot be used may have been a
//! proxy's answer, and a gate must not need a restart once it is right.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::error::Error;
use super::flights::Flights;

/// A map that makes what it lacks, once at a time per key. Errors do not stay, nor does what `keep` refuses.
pub(super) struct Memo<K, V: Clone> {
    keep: fn(&V) -> bool,
    made: Arc<Mutex<HashMap<K, V>>>,
    flights: Flights<K, Result<V, Error>>,
}

impl<K, V> Memo<K, V>
where
    K: Clone + Eq + Hash + Send + Sync + 'static,
    V: Clone + Send + Sync + 'static,
{
    pub(super) fn new(keep: fn(&V) -> bool) -> Self {
        Self { keep, made: Arc::default(), flights: Flights::new() }
    }

    pub(super) fn get(&self, key: &K) -> Option<V> {
        lock(&self.made).get(key).cloned()
    }

    /// Returns what is there, or makes it.
    pub(super) async fn get_or_make<F>(&self, key: K, make: impl FnOnce() -> F) -> Result<V, Error>
    where
        F: Future<Output = Result<V, Error>> + Send + 'static,
    {
        if let Some(value) = self.get(&key) {
            return Ok(value);
        }
        let (made, keep) = (Arc::clone(&self.made), self.keep);
        let stored = key.clone();
        let start = || {
            let making = make();
            async move {
                // Another flight may have landed between the look above and the start of this one.
                if let Some(value) = lock(&made).get(&stored).cloned() {
                    return Ok(value);
                }
                let value = making.await?;
                if keep(&value) {
                    lock(&made).insert(stored, value.clone());
                }
                Ok(value)
            }
        };
        self.flights.join(key, start).await
    }

    pub(super) fn retain(&self, keep: impl FnMut(&K, &mut V) -> bool) {
        lock(&self.made).retain(keep);
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.made).len()
    }
}

fn lock<K, V>(made: &Mutex<HashMap<K, V>>) -> MutexGuard<'_, HashMap<K, V>> {
    made.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<K, V: Clone> fmt::Debug for Memo<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Memo").finish_non_exhaustive()
    }
}
