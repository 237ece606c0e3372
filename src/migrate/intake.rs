//! What a lane has taken off its consumer's queue, and not yet met: the rest of one batch.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::BorrowedMessage;

use super::cast::{Consumer, Met};
use crate::kafka::batch::{self, BATCH_RECORDS};
use crate::kafka::consumer;

/// How long to wait for a record.
const POLL: Duration = Duration::from_millis(50);

/// The records and ends of one lane's partitions, one after the other.
#[allow(missing_debug_implementations, reason = "rdkafka's consumer has none")]
pub(super) struct Intake<'c> {
    consumer: &'c Consumer,
    /// The rest of the batch, the next record last.
    rest: Vec<BorrowedMessage<'c>>,
    /// The partition whose end stands behind it.
    end: Option<i32>,
}

impl<'c> Intake<'c> {
    /// Takes from a consumer that has its partitions.
    pub(super) fn new(consumer: &'c Consumer) -> Self {
        Self { consumer, rest: Vec::with_capacity(BATCH_RECORDS), end: None }
    }

    /// Returns what comes next; errors that connections mend by themselves, and those about the group, are nothing.
    pub(super) fn next(&mut self) -> Result<Met<'c>, KafkaError> {
        if self.is_empty() {
            match batch::take(self.consumer, POLL, &mut self.rest) {
                Some(KafkaError::PartitionEOF(partition)) => self.end = Some(partition),
                Some(error) if !consumer::is_nothing(&error) => return Err(error),
                Some(_) | None => {}
            }
            self.rest.reverse();
        }
        let record = self.rest.pop().map(Met::Record);
        Ok(record.or_else(|| self.end.take().map(Met::End)).unwrap_or(Met::Nothing))
    }

    /// Tells whether all that was taken was met.
    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty() && self.end.is_none()
    }
}
