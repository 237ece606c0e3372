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

/// Records between two looks at how large they are: a batch may be beyond its bytes by so many.
const STEP: usize = 64;

/// Takes what is there, waiting for the first record at most `wait`; stops at what cannot be read, which is returned: whoever goes on
/// after it calls this again with the batch as it is.
pub fn fill<'c>(queue: &Queue<'c>, wait: Duration, batch: &mut Batch<'c>) -> Option<Unreadable> {
    let size =
        |message: Message<'_>| (message.key().map_or(0, <[u8]>::len) + message.value().map_or(0, <[u8]>::len)) as u64;
    // One may stand behind the one before.
    let unreadable = batch.take_error(0);
    if unreadable.is_some() {
        return unreadable;
    }
    let mut wait = if batch.is_empty() { wait } else { Duration::ZERO };
    let mut bytes = 0;
    while batch.len() < BATCH_RECORDS && bytes < BATCH_BYTES {
        let before = batch.len();
        queue.take(batch, STEP.min(BATCH_RECORDS - before), wait);
        if batch.len() == before {
            break;
        }
        let unreadable = batch.take_error(before);
        if unreadable.is_some() {
            return unreadable;
        }
        bytes += batch.iter().skip(before).map(size).sum::<u64>();
        wait = Duration::ZERO;
    }
    None
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
