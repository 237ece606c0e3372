//! How much one client may ask, so that one in a loop leaves the others their turn.
//!
//! A client is a user, or, where nobody says who they are, an address: users behind one proxy have one address, and a user
//! on many machines is one client all the same. Each has a bucket of requests that fills as time goes by. It is kept as a
//! moment that each request moves on: requests are taken once it has passed, and the bucket is full when it lies a burst
//! back. Full ones are forgotten; where too many are not, newcomers share one. Keys are hashes by a key of this process: nobody chooses which ones are equal.

use std::collections::HashMap;
use std::hash::{BuildHasher as _, Hash, RandomState};
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Clients that are told apart; those beyond share a bucket.
pub(super) const MAX_CLIENTS: usize = 10_000;

/// How much may be asked at once after a quiet time, in seconds of what may be asked in one: applications ask for all that
/// they need when they start.
pub(super) const BURST_SECONDS: u32 = 5;

/// Bytes of a request or an answer that count as a further request: to send a list of all schemas is more work than a schema.
pub(super) const BYTES_PER_REQUEST: u64 = 16 * 1024;

/// Time between two looks for buckets that are full again.
const SWEEP_INTERVAL: Duration = Duration::from_secs(1);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Client<'a> {
    /// A user, on whatever machine.
    User(&'a str),
    /// Whoever is at this address.
    Address(IpAddr),
    /// Those who are too many to tell apart.
    Others,
}

impl Client<'_> {
    /// Someone at an address. With IPv6 it is the network that counts: whoever has one has all of its addresses.
    pub(super) fn at(address: IpAddr) -> Self {
        Self::Address(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            v4 @ IpAddr::V4(_) => v4,
        })
    }
}

/// The buckets of all clients.
#[derive(Debug)]
pub(super) struct Rates {
    interval: Duration,
    burst: Duration,
    state: RandomState,
    buckets: Mutex<Buckets>,
}

#[derive(Debug, Default)]
struct Buckets {
    /// When each client may ask again.
    due: HashMap<u64, Instant>,
    swept: Option<Instant>,
}

impl Rates {
    /// Allows so many requests a second over time, and `burst` at once.
    pub(super) fn new(per_second: u32, burst: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, burst: interval * burst, state: RandomState::new(), buckets: Mutex::default() }
    }

    /// Takes one request of a client.
    ///
    /// # Errors
    /// The time after which there is one again.
    pub(super) fn take(&self, client: Client<'_>) -> Result<(), Duration> {
        let now = Instant::now();
        self.with(client, now, |due| match due.checked_duration_since(now).unwrap_or_default() {
            Duration::ZERO => {
                *due += self.interval;
                Ok(())
            }
            wait => Err(wait),
        })
    }

    /// Counts so many more requests, which have been answered: the next ones have to wait for them.
    pub(super) fn charge(&self, client: Client<'_>, requests: u32) {
        if requests > 0 {
            self.with(client, Instant::now(), |due| *due += self.interval * requests);
        }
    }

    /// Gives a request back.
    pub(super) fn give_back(&self, client: Client<'_>) {
        self.with(client, Instant::now(), |due| *due = due.checked_sub(self.interval).unwrap_or(*due));
    }

    fn with<T>(&self, client: Client<'_>, now: Instant, change: impl FnOnce(&mut Instant) -> T) -> T {
        // What is due before has filled the bucket: it holds no more than the burst.
        let full = now.checked_sub(self.burst).unwrap_or(now);
        let mut buckets = self.buckets.lock().unwrap_or_else(PoisonError::into_inner);
        let key = buckets.key(&self.state, client, full, now);
        let due = buckets.due.entry(key).or_insert(full);
        *due = (*due).max(full);
        change(due)
    }
}

impl Buckets {
    /// Returns the key of a client's bucket, for which there is room.
    fn key(&mut self, state: &RandomState, client: Client<'_>, full: Instant, now: Instant) -> u64 {
        let key = state.hash_one(client);
        if self.due.len() < MAX_CLIENTS || self.due.contains_key(&key) {
            return key;
        }
        if self.swept.is_none_or(|swept| now.duration_since(swept) >= SWEEP_INTERVAL) {
            self.swept = Some(now);
            self.due.retain(|_, due| *due > full);
        }
        if self.due.len() < MAX_CLIENTS { key } else { state.hash_one(Client::Others) }
    }
}

/// Returns how many further requests so many bytes count as.
pub(super) fn worth(bytes: u64) -> u32 {
    u32::try_from(bytes / BYTES_PER_REQUEST).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> Client<'static> {
        Client::at(text.parse().unwrap())
    }

    fn taken(rates: &Rates, client: Client<'_>) -> usize {
        (0..1_000).take_while(|_| rates.take(client).is_ok()).count()
    }

    #[tokio::test(start_paused = true)]
    async fn a_client_has_its_burst_and_then_its_rate() {
        let rates = Rates::new(10, 50);
        let (loops, other) = (address("10.0.0.1"), address("10.0.0.2"));
        // One more than the burst: the last one takes it down to nothing.
        assert_eq!(taken(&rates, loops), 51);
        assert_eq!(rates.take(loops), Err(Duration::from_millis(100)));
        assert_eq!(rates.take(other), Ok(()), "another one has its own");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(taken(&rates, loops), 10);
        tokio::time::advance(Duration::from_secs(3_600)).await;
        assert_eq!(taken(&rates, loops), 51, "no more than the burst after an hour");
        rates.give_back(loops);
        assert_eq!(taken(&rates, loops), 1);
        rates.charge(loops, 29);
        assert_eq!(rates.take(loops), Err(Duration::from_secs(3)), "what an answer cost is waited for");
    }

    #[test]
    fn clients_are_told_apart() {
        assert_eq!(address("10.0.0.1"), address("::ffff:10.0.0.1"));
        assert_eq!(address("2001:db8::1"), address("2001:db8::2"), "one network");
        assert_ne!(address("2001:db8::1"), address("2001:db8:0:1::1"));
        assert_ne!(Client::User("a"), Client::User("b"));
    }

    #[tokio::test(start_paused = true)]
    async fn memory_is_bounded_by_what_clients_are_told_apart() {
        let rates = Rates::new(10, 50);
        let client = |number: u32| Client::at(IpAddr::V4(number.into()));
        let all = u32::try_from(MAX_CLIENTS).unwrap();
        for number in 0..2 * all {
            rates.take(client(number)).ok();
        }
        // The others' own is the one beyond.
        assert_eq!(rates.buckets.lock().unwrap().due.len(), MAX_CLIENTS + 1);
        assert!(rates.take(client(2 * all)).is_err(), "those beyond share a bucket");
        assert_eq!(rates.take(client(0)), Ok(()), "those who were there keep theirs");
        tokio::time::advance(Duration::from_secs(10_000)).await;
        assert_eq!(taken(&rates, client(2 * all)), 51, "there is room again");
        assert_eq!(rates.buckets.lock().unwrap().due.len(), 1);
    }

    #[test]
    fn much_is_worth_many() {
        assert_eq!((worth(0), worth(BYTES_PER_REQUEST - 1), worth(10 * BYTES_PER_REQUEST)), (0, 0, 10));
    }
}
