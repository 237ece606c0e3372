//! Batches off a consumer's queue: as much at once as the budget of memory has room for beside the queues.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

use super::ffi::{Batch, Message, Queue, Unreadable};
use super::memory::BATCH_BYTES;

/// Records taken at once. Larger batches are no faster, and everything in a batch is taken again after an abort; smaller ones look at
/// the clock too often.
pub const BATCH_RECORDS: usize = 1_000;

/// Records taken in one call: a batch may be beyond its bytes by so many, should they be larger than those before.
const STEP: usize = 64;

/// Takes what is there, waiting for the first record at most `wait`; stops at what cannot be read, which is returned: whoever goes on
/// after it calls this again with the batch as it is.
pub fn fill<'c>(queue: &Queue<'c>, wait: Duration, batch: &mut Batch<'c>) -> Option<Unreadable> {
    let mut wait = if batch.is_empty() { wait } else { Duration::ZERO };
    let (mut seen, mut bytes, mut largest) = (0, 0, 0);
    loop {
        // One may stand behind the one before.
        let unreadable = batch.take_error(seen);
        if unreadable.is_some() {
            return unreadable;
        }
        for message in batch.iter().skip(seen) {
            let size = size(message);
            bytes += size;
            largest = largest.max(size);
        }
        seen = batch.len();
        if seen >= BATCH_RECORDS || bytes >= BATCH_BYTES {
            return None;
        }
        // The first alone: it tells how large they are.
        let fitting = if seen == 0 { 1 } else { (BATCH_BYTES - bytes) / largest.max(1) };
        let step = usize::try_from(fitting).unwrap_or(STEP).clamp(1, STEP);
        queue.take(batch, step.min(BATCH_RECORDS - seen), wait);
        if batch.len() == seen {
            return None;
        }
        wait = Duration::ZERO;
    }
}

fn size(message: Message<'_>) -> u64 {
    (message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)) as u64
}

/// Takes what is there, waiting for the first record at most `wait`; stops at an error, which is returned. So is the end of a
/// partition where the consumer is told of ends: it stands behind all records of the batch.
pub fn take<'c, C: ConsumerContext>(
    consumer: &'c BaseConsumer<C>,
    wait: Duration,
    batch: &mut Vec<BorrowedMessage<'c>>,
) -> Option<KafkaError> {
    let (mut wait, mut bytes) = (wait, 0);
    while batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
        match consumer.poll(wait)? {
            Ok(message) => {
                bytes += (message.key_len() + message.payload_len()) as u64;
                batch.push(message);
            }
            Err(error) => return Some(error),
        }
        wait = Duration::ZERO;
    }
    None
}
