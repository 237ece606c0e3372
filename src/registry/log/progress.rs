//! What reader and writer share: the state, how far it is read, and which write has been seen.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use rand::Rng as _;

use crate::registry::node::State;
use crate::registry::store::Store;

/// What is said of a log that nobody has a complaint about.
const NO_REASON: &str = "the log was not reached in time";

/// The name of one transaction, in a header of its records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct WriteId(u128);

impl WriteId {
    pub(super) fn random() -> Self {
        Self(rand::rng().random())
    }

    /// Returns the header of one of its records, behind which so many more come.
    pub(super) fn header(self, more: usize) -> String {
        format!("{:032x}/{more}", self.0)
    }

    /// Returns how many records of the same transaction come behind the one with this header.
    pub(super) fn more_behind(header: &[u8]) -> usize {
        let number = header.rsplit(|byte| *byte == b'/').next().and_then(|number| std::str::from_utf8(number).ok());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    }

    /// Tells whether a header is that of its last record.
    fn ends_with(self, header: &[u8]) -> bool {
        self.header(0).as_bytes() == header
    }
}

/// Whether this node writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It was the last to take the role, as far as it knows.
    Writer,
    /// It has nothing to write, or another one has taken the role.
    Reader,
}

/// What is counted of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Figures {
    /// The *next* offset to be read.
    pub next: i64,
    /// Records between it and the end, as far as is known.
    pub lag: i64,
    /// Whether this node writes.
    pub role: Role,
    /// Times that another node has taken the role away.
    pub fences: u64,
    /// Transactions committed.
    pub commits: u64,
    /// Records that could not be read.
    pub damaged: u64,
}

#[derive(Debug, Default)]
struct Progress {
    /// The *next* offset of the log: all before it is in the state.
    next: i64,
    /// The end, when somebody last asked.
    end: i64,
    /// The write that is waited for, and whether it is in the state.
    expected: Option<(WriteId, bool)>,
}

/// What both threads share.
#[derive(Debug)]
pub(super) struct Shared {
    state: State,
    progress: Mutex<Progress>,
    changed: Condvar,
    is_ready: Arc<AtomicBool>,
    is_stopping: AtomicBool,
    cluster: OnceLock<String>,
    complaint: Mutex<Option<String>>,
    writes: AtomicBool,
    pub(super) fences: AtomicU64,
    pub(super) commits: AtomicU64,
    pub(super) damaged: AtomicU64,
    lag: AtomicI64,
    /// Bytes that the topic takes in one record.
    record_limit: AtomicUsize,
}

impl Shared {
    pub(super) fn new(state: State) -> Self {
        Self {
            state,
            progress: Mutex::default(),
            changed: Condvar::new(),
            is_ready: Arc::default(),
            is_stopping: AtomicBool::new(false),
            cluster: OnceLock::new(),
            complaint: Mutex::default(),
            writes: AtomicBool::new(false),
            fences: AtomicU64::new(0),
            commits: AtomicU64::new(0),
            damaged: AtomicU64::new(0),
            lag: AtomicI64::new(0),
            record_limit: AtomicUsize::new(usize::MAX),
        }
    }

    pub(super) fn state(&self) -> Arc<Store> {
        self.state.load_full()
    }

    pub(super) fn is_ready(&self) -> bool {
        self.is_ready.load(Ordering::Acquire)
    }

    pub(super) fn ready(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.is_ready)
    }

    pub(super) fn set_ready(&self) {
        self.is_ready.store(true, Ordering::Release);
    }

    pub(super) fn is_stopping(&self) -> bool {
        self.is_stopping.load(Ordering::Acquire)
    }

    pub(super) fn stop(&self) {
        self.is_stopping.store(true, Ordering::Release);
        self.changed.notify_all();
    }

    /// Notes that a thread has ended: the other one has nothing to wait for.
    pub(super) fn note_end(&self) {
        self.stop();
    }

    pub(super) fn cluster(&self) -> &str {
        self.cluster.get().map_or("", String::as_str)
    }

    pub(super) fn set_cluster(&self, id: String) {
        // It does not change while a process runs.
        self.cluster.set(id).ok();
    }

    /// Returns what was last wrong.
    pub(super) fn why(&self) -> String {
        let complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        complaint.clone().unwrap_or_else(|| NO_REASON.to_owned())
    }

    /// Notes what is wrong, or that nothing is; tells whether that is news.
    pub(super) fn complain(&self, why: Option<&str>) -> bool {
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        let is_news = complaint.as_deref() != why;
        *complaint = why.map(str::to_owned);
        is_news
    }

    pub(super) fn set_role(&self, role: Role) {
        self.writes.store(role == Role::Writer, Ordering::Relaxed);
    }

    pub(super) fn record_limit(&self) -> usize {
        self.record_limit.load(Ordering::Relaxed)
    }

    pub(super) fn set_record_limit(&self, bytes: usize) {
        self.record_limit.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn set_lag(&self, lag: i64) {
        self.lag.store(lag.max(0), Ordering::Relaxed);
    }

    /// Puts the next state in its place, which has all before `next`; `seen` is the write whose end it has.
    pub(super) fn publish(&self, store: Option<Arc<Store>>, next: i64, seen: &[Vec<u8>]) {
        if let Some(store) = store {
            self.state.store(store);
        }
        let mut progress = self.lock();
        progress.next = progress.next.max(next);
        if let Some((expected, is_seen)) = &mut progress.expected {
            *is_seen |= seen.iter().any(|header| expected.ends_with(header));
        }
        drop(progress);
        self.changed.notify_all();
    }

    /// Begins to look for a write.
    pub(super) fn expect(&self, write: WriteId) {
        self.lock().expected = Some((write, false));
    }

    /// Tells whether the write that is looked for is in the state.
    pub(super) fn is_seen(&self) -> bool {
        self.lock().expected.is_some_and(|(_, is_seen)| is_seen)
    }

    /// Waits until the write that is looked for is in the state; tells whether it is.
    pub(super) fn wait_seen(&self, limit: Duration) -> bool {
        self.wait(limit, |progress| progress.expected.is_some_and(|(_, is_seen)| is_seen))
    }

    /// Waits until all before `end` is in the state; tells whether it is.
    pub(super) fn wait_reached(&self, end: i64, limit: Duration) -> bool {
        self.lock().end = end;
        self.wait(limit, |progress| progress.next >= end)
    }

    fn wait(&self, limit: Duration, is_there: impl Fn(&Progress) -> bool) -> bool {
        let until = Instant::now() + limit;
        let mut progress = self.lock();
        while !is_there(&progress) {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() || self.is_stopping() {
                return false;
            }
            progress = self.changed.wait_timeout(progress, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    pub(super) fn figures(&self) -> Figures {
        let (next, end) = {
            let progress = self.lock();
            (progress.next, progress.end)
        };
        Figures {
            next,
            lag: self.lag.load(Ordering::Relaxed).max(end - next),
            role: if self.writes.load(Ordering::Relaxed) { Role::Writer } else { Role::Reader },
            fences: self.fences.load(Ordering::Relaxed),
            commits: self.commits.load(Ordering::Relaxed),
            damaged: self.damaged.load(Ordering::Relaxed),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use arc_swap::ArcSwap;

    use super::*;

    #[test]
    fn a_write_is_seen_by_its_own_name_only() {
        let shared = Shared::new(Arc::new(ArcSwap::from_pointee(Store::default())));
        let (own, other) = (WriteId::random(), WriteId::random());
        shared.expect(own);
        shared.publish(None, 5, &[other.header(0).into_bytes(), own.header(1).into_bytes()]);
        assert!(!shared.is_seen() && !shared.wait_seen(Duration::ZERO));
        shared.publish(None, 6, &[other.header(0).into_bytes(), own.header(0).into_bytes()]);
        assert!(shared.wait_seen(Duration::ZERO));
        shared.expect(other);
        assert!(!shared.is_seen(), "what was seen before it was looked for is another one's");
        assert!(shared.wait_reached(6, Duration::ZERO) && !shared.wait_reached(7, Duration::ZERO));
        assert_eq!(shared.figures().lag, 1);
    }

    #[test]
    fn a_header_says_how_many_come_behind() {
        assert_eq!(WriteId::more_behind(WriteId::random().header(3).as_bytes()), 3);
        for foreign in [&b""[..], b"/", b"a/b", b"\xff/\xff"] {
            assert_eq!(WriteId::more_behind(foreign), 0);
        }
    }

    #[test]
    fn whoever_stops_waits_for_nothing() {
        let shared = Shared::new(Arc::new(ArcSwap::from_pointee(Store::default())));
        shared.stop();
        assert!(!shared.wait_reached(1, Duration::from_secs(60)));
    }
}
