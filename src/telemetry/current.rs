//! What there is one of at a time, and a reload replaces: whoever reads it has the one of that moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The present one.
#[derive(Debug, Default)]
pub struct Current<T>(Mutex<Arc<T>>);

impl<T> Current<T> {
    /// Begins with this one.
    #[must_use]
    pub fn new(first: Arc<T>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(first)))
    }

    /// Returns the present one.
    #[must_use]
    pub fn get(&self) -> Arc<T> {
        Arc::clone(&self.lock())
    }

    /// Replaces it.
    pub fn set(&self, next: Arc<T>) {
        *self.lock() = next;
    }

    fn lock(&self) -> MutexGuard<'_, Arc<T>> {
        // One pointer, whole at any time.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
