//! A queue for the records of a consumer's partitions, off which many are taken at once.
//!
//! librdkafka's own `rd_kafka_consume_batch_queue`. On the queue that rdkafka polls it would swallow rebalances and reports, which
//! rdkafka takes as events; so each partition is led to a queue of ours, and all else stays with rdkafka's. librdkafka forgets that when it
//! has stopped a partition, at a time of its own, and does not lead it to rdkafka's queue either: what comes next waits in the partition's
//! own queue until it is led again. So that is done again and again.

use std::ffi::CString;
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;
use rustc_hash::FxHashMap;

use super::message::{Message, OwnedMessage};

/// Where the records of partitions come together; their consumer lives for `'c`.
#[derive(Debug)]
pub struct Queue<'c> {
    native: NonNull<sys::rd_kafka_queue_t>,
    client: *mut sys::rd_kafka_t,
    /// The partitions that are led here.
    led: FxHashMap<(CString, i32), PartitionQueue>,
    consumer: PhantomData<&'c ()>,
}

impl<'c> Queue<'c> {
    /// Makes a queue of a consumer.
    #[must_use]
    pub fn new<C: ClientContext>(client: &'c Client<C>) -> Self {
        let client = client.native_ptr();
        // SAFETY: the client is alive for 'c; librdkafka aborts the process where memory is exhausted, it never returns null.
        let native =
            NonNull::new(unsafe { sys::rd_kafka_queue_new(client) }).expect("rd_kafka_queue_new returns a queue");
        Self { native, client, led: FxHashMap::default(), consumer: PhantomData }
    }

    /// Leads the records of a partition here; to be called before the consumer is assigned it, each time.
    pub fn lead(&mut self, topic: &str, partition: i32) {
        // No name of a topic holds a NUL byte.
        let Ok(topic) = CString::new(topic) else { return };
        // SAFETY: the client is alive; the name is copied. It is null for a producer alone.
        let own = unsafe { sys::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition) };
        let Some(own) = NonNull::new(own) else { return };
        let own = PartitionQueue(own);
        own.lead_to(self.native.as_ptr());
        self.led.insert((topic, partition), own);
    }

    /// Leads all partitions here that were led here before; what has waited in their own queues comes along.
    pub fn lead_again(&self) {
        self.led.values().for_each(|own| own.lead_to(self.native.as_ptr()));
    }

    /// Takes at most so many messages as there are, and waits for this long at most until it has all of them: whoever waits asks for one.
    pub fn take(&self, batch: &mut Batch<'c>, most: usize, wait: Duration) {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        batch.messages.reserve(most);
        let room = batch.messages.spare_capacity_mut();
        // SAFETY: the queue is alive, and the room is for `most` pointers at least, which owned messages are; of these it writes as many
        // as it returns, and the messages are ours from then on.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(self.native.as_ptr(), wait, room.as_mut_ptr().cast(), most);
            let taken = usize::try_from(taken).unwrap_or(0);
            batch.messages.set_len(batch.messages.len() + taken.min(most));
        }
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        // A partition that is led here no more keeps what comes, so that nothing in this queue holds the partition that holds the queue.
        self.led.values().for_each(|own| own.lead_to(ptr::null_mut()));
        // SAFETY: the queue is ours and not used after this; what is left in it goes with it.
        unsafe { sys::rd_kafka_queue_destroy(self.native.as_ptr()) };
    }
}

/// The handle of one partition's own queue.
#[derive(Debug)]
struct PartitionQueue(NonNull<sys::rd_kafka_queue_t>);

impl PartitionQueue {
    fn lead_to(&self, queue: *mut sys::rd_kafka_queue_t) {
        // SAFETY: both queues are alive, or the other one is null, and librdkafka keeps the one that is led to.
        unsafe { sys::rd_kafka_queue_forward(self.0.as_ptr(), queue) };
    }
}

impl Drop for PartitionQueue {
    fn drop(&mut self) {
        // SAFETY: the handle is ours and not used after this.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

/// Messages in hand, in the order in which they came; each partition's are in the order of its log.
#[derive(Debug)]
pub struct Batch<'c> {
    messages: Vec<OwnedMessage<'c>>,
}

/// What a batch has in the place of a record: that a partition cannot be read.
#[derive(Debug, Clone)]
pub struct Unreadable {
    /// How many records came before.
    pub before: usize,
    /// Why.
    pub code: RDKafkaErrorCode,
    /// The same in librdkafka's words.
    pub reason: String,
}

impl<'c> Batch<'c> {
    /// Makes an empty batch with room for so many.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self { messages: Vec::with_capacity(capacity) }
    }

    /// Returns how many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.messages.len()
    }

    /// Tells whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    /// Returns the messages.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.messages.iter().map(OwnedMessage::get)
    }

    /// Takes out the first error from this message on; where there is none, all from there on are records.
    pub fn take_error(&mut self, from: usize) -> Option<Unreadable> {
        let (before, code) =
            self.iter().enumerate().skip(from).find_map(|(index, message)| Some((index, message.error()?)))?;
        let reason = self.messages.remove(before).get().reason();
        Some(Unreadable { before, code, reason })
    }

    /// Takes out all messages, errors among them.
    pub fn drain(&mut self) -> impl Iterator<Item = OwnedMessage<'c>> {
        self.messages.drain(..)
    }

    /// Lets go of all but the first messages.
    pub fn truncate(&mut self, len: usize) {
        self.messages.truncate(len);
    }
}

#[cfg(test)]
mod tests {
    use rdkafka::consumer::{BaseConsumer, Consumer as _};
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    use rdkafka::{ClientConfig, Offset, TopicPartitionList};
    use std::time::Instant;

    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    fn write(servers: &str, partitions: i32, each: i64) {
        let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", servers).create().unwrap();
        for number in 0..each {
            for partition in 0..partitions {
                let value = format!("{partition}-{number}");
                let record = BaseRecord::<str, str>::to("orders").partition(partition).key("k").payload(&value);
                producer.send(record.timestamp(7)).unwrap();
            }
        }
        producer.flush(LIMIT).unwrap();
    }

    fn consumer(servers: &str) -> BaseConsumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", servers).set("group.id", "g").set("auto.offset.reset", "error");
        config.create().unwrap()
    }

    fn all(partitions: i32, offset: i64) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for partition in 0..partitions {
            list.add_partition_offset("orders", partition, Offset::Offset(offset)).unwrap();
        }
        list
    }

    /// Takes until there are so many, and leads again as a loop does.
    fn take<'c>(consumer: &BaseConsumer, queue: &Queue<'c>, batch: &mut Batch<'c>, count: usize) {
        let began = Instant::now();
        while batch.len() < count {
            assert!(began.elapsed() < LIMIT, "{} of {count} came", batch.len());
            assert!(consumer.poll(Duration::ZERO).is_none(), "nothing comes to rdkafka's queue");
            queue.lead_again();
            queue.take(batch, 1, Duration::from_millis(50));
            queue.take(batch, 3, Duration::ZERO);
        }
    }

    #[test]
    fn records_come_whole_and_in_order_after_each_assignment() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 2, 1).unwrap();
        let servers = mock.bootstrap_servers();
        write(&servers, 2, 10);
        let consumer = consumer(&servers);
        let mut queue = Queue::new(consumer.client());
        for from in [0, 4] {
            (0..2).for_each(|partition| queue.lead("orders", partition));
            consumer.incremental_assign(&all(2, from)).unwrap();
            let mut batch = Batch::with_capacity(0);
            let count = 2 * (10 - usize::try_from(from).unwrap());
            take(&consumer, &queue, &mut batch, count);
            for partition in 0..2 {
                let of_partition = batch.iter().filter(|message| message.partition() == partition);
                for (number, message) in (from..).zip(of_partition) {
                    let value = format!("{partition}-{number}");
                    assert_eq!((message.topic(), message.offset()), ("orders", number));
                    assert_eq!((message.key(), message.value()), (Some(&b"k"[..]), Some(value.as_bytes())));
                    assert_eq!((message.timestamp(), message.headers().len()), (Some(7), 0));
                }
            }
            assert_eq!(batch.len(), count);
            batch.truncate(1);
            assert_eq!(batch.iter().map(Message::offset).collect::<Vec<_>>(), [from]);
            // librdkafka forgets where the partitions are led, once they have stopped.
            consumer.incremental_unassign(&all(2, from)).unwrap();
        }
    }

    #[test]
    fn an_error_is_told_apart_from_the_records_around_it() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 2, 1).unwrap();
        let servers = mock.bootstrap_servers();
        write(&servers, 1, 3);
        let consumer = consumer(&servers);
        let mut queue = Queue::new(consumer.client());
        (0..2).for_each(|partition| queue.lead("orders", partition));
        let mut list = all(1, 0);
        // Behind the end of its log.
        list.add_partition_offset("orders", 1, Offset::Offset(1_000)).unwrap();
        consumer.assign(&list).unwrap();
        let mut batch = Batch::with_capacity(0);
        take(&consumer, &queue, &mut batch, 4);
        let unreadable = batch.take_error(0).expect("one of them is no record");
        assert_eq!(unreadable.code, RDKafkaErrorCode::AutoOffsetReset, "{unreadable:?}");
        assert!(unreadable.before <= 3 && !unreadable.reason.is_empty(), "{unreadable:?}");
        assert_eq!(batch.iter().map(Message::offset).collect::<Vec<_>>(), [0, 1, 2]);
        assert!(batch.take_error(0).is_none());
    }
}
