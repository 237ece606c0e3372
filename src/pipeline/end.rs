//! Whether a transaction's end was clean: asked for once, answered once.
//!
//! librdkafka sends EndTxn again after a lost connection or a timeout, and tells nobody. The
//! first one may then still be under way, and before transactions of version 2 (KIP-890,
//! which no librdkafka has) a coordinator that meets it in the *next* transaction ends that
//! one, half written (KAFKA-17754). A delayed TxnOffsetCommit writes old offsets over new
//! ones in the same way. So a producer whose transaction may have been ended twice never
//! begins another: it is made anew with the same transactional.id, whose epoch then refuses
//! all that is late. The transaction that has ended counts; nothing is read again.
//!
//! How a retry shows. Statistics come too seldom, and a connection closed with requests in
//! flight is no event. But a retry waits: for EndTxn and AddOffsetsToTxn at least 80 % of
//! `retry.backoff.ms` (jitter), which is ours to set, for TxnOffsetCommit 500 ms, a constant.
//! Everything is drained before, so each call is timed alone, and one that took less than the
//! wait was not retried. (AddPartitionsToTxn, which a commit a moment ago often delays, has a
//! backoff of its own, 20 ms, and is over when the records are drained.)
//!
//! A broker that is merely slow looks the same, and must not cost a producer at every commit.
//! A rebuild follows a *successful* end, so work goes on in any case; and when the next end
//! is doubtful within [`CALM`] again, the wait is doubled with the new producer, and with it
//! the time that an end may take. Once it is above what the broker needs, producers last.
//! For EndTxn that is as strict as before. For offsets, whose wait cannot be changed, it
//! trusts a slow broker: there a retry may hide in the time that is usual.

use std::time::{Duration, Instant};

/// The wait to begin with: brokers in order answer in a few milliseconds, and a record whose leader has moved waits
/// that long for its next attempt.
const FIRST: Duration = Duration::from_secs(1);

/// After so long without doubt the next one begins with the shortest wait again.
const CALM: Duration = Duration::from_secs(60);

/// The part of the wait from which an end is doubtful: librdkafka's jitter takes up to 20 % away.
const DOUBT: f64 = 0.7;

/// The same for offsets, of which a retry waits 500 ms where the wait for all others is a second.
const OFFSETS_DOUBT: f64 = 0.45;

/// How long one producer waits before it sends a request again: librdkafka's `retry.backoff.ms`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Backoff(Duration);

impl Backoff {
    /// Returns the wait of a producer's requests.
    pub(crate) fn wait(self) -> Duration {
        self.0
    }

    /// Tells whether EndTxn may have been sent twice.
    pub(crate) fn doubts_end(self, took: Duration) -> bool {
        took >= self.0.mul_f64(DOUBT)
    }

    /// Tells whether the offsets may have been sent twice.
    pub(super) fn doubts_offsets(self, took: Duration) -> bool {
        took >= self.0.mul_f64(OFFSETS_DOUBT)
    }
}

/// The wait of the next producer.
#[derive(Debug)]
pub(crate) struct Doubts {
    next: Backoff,
    last: Option<Instant>,
    /// With a longer wait no retry would come before the transaction times out.
    longest: Duration,
}

impl Doubts {
    /// Begins without a doubt; `limit` is the transaction timeout.
    pub(crate) fn new(limit: Duration) -> Self {
        Self { next: Backoff(FIRST), last: None, longest: (limit / 2).max(FIRST) }
    }

    /// Returns the wait for the next producer.
    pub(crate) fn backoff(&self) -> Backoff {
        self.next
    }

    /// Notes a doubtful end.
    pub(crate) fn note(&mut self, now: Instant) {
        let is_repeated = self.last.is_some_and(|last| now.duration_since(last) < CALM);
        self.next = Backoff(if is_repeated { (self.next.0 * 2).min(self.longest) } else { FIRST });
        self.last = Some(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(15);

    /// librdkafka waits 1 s with 20 % jitter for EndTxn, and 500 ms for TxnOffsetCommit.
    #[test]
    fn every_retry_is_doubtful() {
        let backoff = Doubts::new(TIMEOUT).backoff();
        assert_eq!(backoff.wait(), Duration::from_secs(1));
        assert!(backoff.doubts_end(Duration::from_millis(800)));
        assert!(!backoff.doubts_end(Duration::from_millis(600)));
        assert!(backoff.doubts_offsets(Duration::from_millis(500)));
        assert!(!backoff.doubts_offsets(Duration::from_millis(400)));
    }

    #[test]
    fn a_slow_broker_is_given_more_time() {
        let (mut doubts, mut now) = (Doubts::new(TIMEOUT), Instant::now());
        let slow = Duration::from_secs(2);
        let mut rebuilds = 0;
        for _ in 0..50 {
            now += slow;
            if doubts.backoff().doubts_end(slow) || doubts.backoff().doubts_offsets(slow) {
                doubts.note(now);
                rebuilds += 1;
            }
        }
        assert_eq!(rebuilds, 4, "1 s, 1 s, 2 s and 4 s are too short, 7.5 s is enough");
        assert_eq!(doubts.backoff().wait(), TIMEOUT / 2, "never longer than half the transaction timeout");
        doubts.note(now + CALM);
        assert_eq!(doubts.backoff().wait(), FIRST, "after a calm time it is strict again");
        assert_eq!(Doubts::new(FIRST).backoff().wait(), FIRST);
    }
}
