//! Batches off a consumer's queue: as much at once as the budget of memory has room for beside the queues.

use std::time::Duration;

use super::ffi::{Batch, Message, Queue};
use super::memory::BATCH_BYTES;

/// Records taken at once. Larger batches are no faster, and everything in a batch is taken again after an abort; smaller ones look at
/// the clock too often.
pub const BATCH_RECORDS: usize = 1_000;

/// Records taken in one call: a batch may be beyond its bytes by so many, should they be larger than those before.
const STEP: usize = 64;

/// Fills an empty batch with what is there, errors among it, waiting for the first message at most `wait`.
pub fn fill<'c>(queue: &Queue<'c>, wait: Duration, batch: &mut Batch<'c>) {
    let mut wait = wait;
    let (mut seen, mut bytes, mut largest) = (0, 0, 0);
    loop {
        // The first alone: it tells how large they are.
        let fitting = if seen == 0 { 1 } else { (BATCH_BYTES - bytes) / largest.max(1) };
        let step = usize::try_from(fitting).unwrap_or(STEP).clamp(1, STEP);
        queue.take(batch, step.min(BATCH_RECORDS - seen), wait);
        if batch.len() == seen {
            return;
        }
        for message in batch.iter().skip(seen) {
            let size = size(message);
            bytes += size;
            largest = largest.max(size);
        }
        seen = batch.len();
        if seen >= BATCH_RECORDS || bytes >= BATCH_BYTES {
            return;
        }
        wait = Duration::ZERO;
    }
}

fn size(message: Message<'_>) -> u64 {
    (message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)) as u64
}
