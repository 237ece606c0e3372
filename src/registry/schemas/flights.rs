//! Single flight: who asks while the same question is under way waits for that answer.
//!
//! Errors are shared as well, or a hundred waiters would try one after the other while the registry is
//! down. The map holds weak handles only: a flight whose askers have all gone is dropped with them, and
//! the next asker starts anew.

use std::collections::HashMap;
use std::fmt;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};

use futures::FutureExt as _;
use futures::future::{BoxFuture, Shared, WeakShared};

type Flight<T> = Shared<BoxFuture<'static, T>>;

/// The questions under way.
pub(super) struct Flights<K, T: Clone> {
    under_way: Mutex<HashMap<K, WeakShared<BoxFuture<'static, T>>>>,
}

impl<K: Clone + Eq + Hash, T: Clone + Send + Sync + 'static> Flights<K, T> {
    pub(super) fn new() -> Self {
        Self { under_way: Mutex::new(HashMap::new()) }
    }

    /// Joins the flight of this key, or starts it.
    pub(super) async fn join<F>(&self, key: K, start: impl FnOnce() -> F) -> T
    where
        F: Future<Output = T> + Send + 'static,
    {
        let flight = self.find(&key, start);
        let answer = flight.clone().await;
        self.land(&key, &flight);
        answer
    }

    fn find<F>(&self, key: &K, start: impl FnOnce() -> F) -> Flight<T>
    where
        F: Future<Output = T> + Send + 'static,
    {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(flight) = under_way.get(key).and_then(WeakShared::upgrade) {
            return flight;
        }
        let flight = start().boxed().shared();
        if let Some(weak) = flight.downgrade() {
            under_way.insert(key.clone(), weak);
        }
        flight
    }

    /// Forgets a flight, unless a newer one of the same key is under way.
    fn land(&self, key: &K, flight: &Flight<T>) {
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        let newer = under_way.get(key).and_then(WeakShared::upgrade).is_some_and(|other| !other.ptr_eq(flight));
        if !newer {
            under_way.remove(key);
        }
    }
}

impl<K, T: Clone> fmt::Debug for Flights<K, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flights").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures::FutureExt as _;
    use tokio::sync::oneshot;

    use super::*;

    #[tokio::test]
    async fn askers_share_a_flight_and_the_next_starts_anew() {
        let (flights, starts) = (Flights::<u8, u32>::new(), AtomicU32::new(0));
        let (land, landed) = oneshot::channel::<u32>();
        let first = flights.join(1, || {
            starts.fetch_add(1, Ordering::Relaxed);
            landed.map(Result::unwrap)
        });
        let second = flights.join(1, || async { unreachable!("it is under way") });
        let other = flights.join(2, || async { 20 });
        let send = async { land.send(10).unwrap() };
        assert_eq!(tokio::join!(first, second, other, send), (10, 10, 20, ()));
        assert_eq!(flights.join(1, || async { 11 }).await, 11);
        assert!(flights.under_way.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn a_flight_without_askers_is_dropped() {
        let flights = Flights::<u8, u32>::new();
        assert_eq!(flights.join(1, std::future::pending).now_or_never(), None);
        assert_eq!(flights.join(1, || async { 2 }).await, 2);
    }
}
