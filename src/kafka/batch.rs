//! Batches off a consumer's queue: as much at once as the budget of memory has room for beside the queues.

use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

use super::memory::BATCH_BYTES;

/// Records taken at once. Larger batches are no faster, and everything in a batch is taken again after an abort; smaller ones look at
/// the clock too often.
pub const BATCH_RECORDS: usize = 1_000;

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
