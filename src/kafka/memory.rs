//! The memory budget, divided: what each queue of a pipeline's two clients may hold.
//!
//! Every pipeline gets the same part. Of it the producer's queue takes a quarter; then comes
//! what is neither in one queue nor in the other, the batch in hand and one fetch on its way;
//! the consumer's queue gets the rest. No queue takes more than is of use, so a large part is
//! not used up. librdkafka counts keys and values only, and keeps a few hundred bytes beside
//! each record, so the queues have a limit in records as well. What a compressed batch becomes is beyond any limit of ours:
//! librdkafka expands it whole before it is counted.

use crate::config::Config;

/// The least that one pipeline works with: below it a queue holds less than the largest batch of a usual topic.
pub const LEAST_SHARE: u64 = 8 << 20;

/// Producer queue: a larger one is no faster (measured), and it holds what an abort throws away.
const PRODUCER_QUEUE: u64 = 16 << 20;

/// Consumer queue: a larger one is no faster (measured, with records of 10 KB, 100 KB and 1 MB), and has room for six fetches.
const CONSUMER_QUEUE: u64 = 24 << 20;

/// Records in it: beyond this many none are fetched, which is a thirtieth of a second's work. librdkafka's own 100,000 take twice
/// the memory at 1 KB and are no faster: what waits longer has left the processor's caches before it is looked at.
const CONSUMER_RECORDS: u64 = 30_000;

/// Bytes in a batch that the loop takes in hand: these are in no queue any more, and room for as much is free again.
pub const BATCH_BYTES: u64 = LEAST_SHARE / 4;

/// One answer of a broker: more is no faster on any network that a gate should stand in, and arrives beyond the queue's
/// limit, which is looked at before a fetch only; and arrives compressed, so it may become many times as much.
const LARGEST_FETCH: u64 = 4 << 20;

/// The least that a fetch may ask for; librdkafka raises less to its own `message.max.bytes`.
const LEAST_FETCH: u64 = 1 << 20;

/// What librdkafka keeps beside a record, in bytes: its place in the queue, headers, the report of its delivery.
const RECORD_OVERHEAD: u64 = 512;

/// The parts of one pipeline, in bytes and records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shares {
    /// The producer's queue.
    pub producer_queue: u64,
    /// Records in it.
    pub producer_records: u64,
    /// The consumer's queue.
    pub consumer_queue: u64,
    /// Records in it beyond which nothing is fetched.
    pub consumer_records: u64,
    /// The largest answer to a fetch.
    pub fetch: u64,
}

impl Shares {
    /// Divides the budget of a configuration.
    #[must_use]
    pub fn of(config: &Config) -> Self {
        let pipelines: usize = config.gates.iter().map(|gate| gate.threads.get()).sum();
        Self::new(config.memory / (pipelines.max(1) as u64))
    }

    fn new(share: u64) -> Self {
        let share = share.max(LEAST_SHARE);
        let producer_queue = PRODUCER_QUEUE.min(share / 4);
        let fetch = (share / 64).clamp(LEAST_FETCH, LARGEST_FETCH);
        let consumer_queue = CONSUMER_QUEUE.min(share - producer_queue - BATCH_BYTES - fetch);
        Self {
            producer_queue,
            producer_records: producer_queue / RECORD_OVERHEAD * 2,
            consumer_queue,
            consumer_records: (consumer_queue / RECORD_OVERHEAD).min(CONSUMER_RECORDS),
            fetch,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_are_the_whole_or_what_is_of_use() {
        for mib in [0, 8, 9, 16, 64, 256, 4096] {
            let share = (mib << 20).max(LEAST_SHARE);
            let shares = Shares::new(mib << 20);
            let Shares { producer_queue, consumer_queue, fetch, .. } = shares;
            let whole = producer_queue + consumer_queue + fetch + BATCH_BYTES;
            let is_all_of_use = (producer_queue, consumer_queue) == (PRODUCER_QUEUE, CONSUMER_QUEUE);
            assert!(whole == share || (whole < share && is_all_of_use), "{mib} MiB: {shares:?}");
            assert!(producer_queue >= 2 << 20 && consumer_queue >= 3 << 20 && fetch >= 1 << 20, "{shares:?}");
            assert!(shares.consumer_records >= 6_000 && shares.producer_records >= 8_000, "{shares:?}");
        }
        let usual = Shares::new(256 << 20);
        assert_eq!((usual.producer_queue >> 20, usual.fetch >> 20, usual.consumer_records), (16, 4, 30_000));
    }
}
