//! What a consumer that assigns itself partitions meets, one after the other: records, and where its partitions end for now.
//!
//! Records and ends come off a queue of our own, a batch at a time; what the consumer says besides stays in rdkafka's. An end stands
//! where it was met: behind it there may be records of the same partition that came later, so that the consumer's position, which is
//! behind all that was taken, says nothing of it; the end itself names its offset. A partition may end twice at one place.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::batch::{self, BATCH_RECORDS};
use super::consumer::{Consumer, is_nothing};
use super::ffi::{Batch, OwnedMessage, Queue};

/// Time between two times that partitions are led to the queue: librdkafka forgets it of those that it has stopped.
const LEAD_INTERVAL: Duration = Duration::from_millis(100);

/// What comes next.
#[derive(Debug)]
pub(crate) enum Met<'c> {
    /// A record.
    Record(OwnedMessage<'c>),
    /// All of a partition that a broker has was met.
    End(End),
    /// Nothing yet.
    Nothing,
}

/// Where a partition ends for now, as the broker that is read from has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct End {
    /// The partition.
    pub(crate) partition: i32,
    /// The *next* offset; markers count.
    pub(crate) next: i64,
}

/// The partitions of one consumer, outside of any group.
#[allow(missing_debug_implementations, reason = "rdkafka's consumer has none")]
pub(crate) struct Intake<'c> {
    consumer: &'c Consumer,
    queue: Queue<'c>,
    led_at: Instant,
    /// Empty between two calls.
    batch: Batch<'c>,
    /// What was taken and not yet met.
    rest: VecDeque<OwnedMessage<'c>>,
}

impl<'c> Intake<'c> {
    /// Assigns a consumer these partitions, each from its offset in the list on.
    pub(crate) fn assign(consumer: &'c Consumer, list: &TopicPartitionList) -> KafkaResult<Self> {
        let mut queue = Queue::new(consumer.client());
        list.elements().iter().for_each(|element| queue.lead(element.topic(), element.partition()));
        consumer.assign(list)?;
        let (batch, rest) = (Batch::with_capacity(BATCH_RECORDS), VecDeque::with_capacity(BATCH_RECORDS));
        Ok(Self { consumer, queue, led_at: Instant::now(), batch, rest })
    }

    /// Returns what comes next, waiting for it at most this long; errors that connections mend by themselves, and those about the
    /// group, are nothing.
    pub(crate) fn next(&mut self, wait: Duration) -> KafkaResult<Met<'c>> {
        if self.rest.is_empty() {
            self.fill(wait)?;
        }
        while let Some(message) = self.rest.pop_front() {
            let Some(code) = message.get().error() else { return Ok(Met::Record(message)) };
            if code == RDKafkaErrorCode::PartitionEOF {
                let (partition, next) = (message.get().partition(), message.get().offset());
                return Ok(Met::End(End { partition, next }));
            }
            let error = KafkaError::MessageConsumption(code);
            self.consumer.context().error(error.clone(), &message.get().reason());
            if !is_nothing(&error) {
                return Err(error);
            }
        }
        Ok(Met::Nothing)
    }

    /// Tells whether all that was taken was met.
    pub(crate) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    fn fill(&mut self, wait: Duration) -> KafkaResult<()> {
        while let Some(said) = self.consumer.poll(Duration::ZERO) {
            match said {
                Err(error) if is_nothing(&error) => {}
                Err(error) => return Err(error),
                // Of a partition that was not led to the queue, which is none of ours: it must not be lost.
                Ok(_) => return Err(KafkaError::MessageConsumption(RDKafkaErrorCode::State)),
            }
        }
        if self.led_at.elapsed() >= LEAD_INTERVAL {
            self.queue.lead_again();
            self.led_at = Instant::now();
        }
        batch::fill(&self.queue, wait, &mut self.batch);
        self.rest.extend(self.batch.drain());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::Offset;
    use rdkafka::mocking::MockCluster;

    use super::super::consumer::tests::{consumer, write};
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    /// Meets records up to the next end, and returns their offsets and where it is.
    fn up_to_end(intake: &mut Intake<'_>) -> (Vec<i64>, i64) {
        let (began, mut offsets) = (Instant::now(), Vec::new());
        loop {
            assert!(began.elapsed() < LIMIT, "no end came behind {offsets:?}");
            match intake.next(Duration::from_millis(50)).unwrap() {
                Met::Record(record) => offsets.push(record.get().offset()),
                Met::End(end) => {
                    assert_eq!(end.partition, 0);
                    return (offsets, end.next);
                }
                Met::Nothing => {}
            }
        }
    }

    #[test]
    fn ends_say_where_they_are_after_each_assignment() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 1, 1).unwrap();
        write(&mock, "orders", 3);
        let consumer = consumer(&mock);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("orders", 0, Offset::Offset(0)).unwrap();
        let mut intake = Intake::assign(&consumer, &list).unwrap();
        assert_eq!(up_to_end(&mut intake), (vec![0, 1, 2], 3));
        assert!(intake.is_empty());
        write(&mock, "orders", 2);
        assert_eq!(up_to_end(&mut intake), (vec![3, 4], 5));
        drop(intake);
        let mut again = Intake::assign(&consumer, &list).unwrap();
        assert_eq!(up_to_end(&mut again), ((0..5).collect(), 5));
    }
}
