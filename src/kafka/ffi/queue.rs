//! A queue for the records of a consumer's partitions, off which many are taken at once.
//!
//! librdkafka's own `rd_kafka_consume_batch_queue`. On the queue that rdkafka polls it would swallow rebalances and reports, which
//! rdkafka takes as events; so each partition is led to a queue of ours, and all else stays with rdkafka's.

use std::ffi::{CStr, CString};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::RDKafkaErrorCode;

use super::message::Message;

/// Where the records of partitions come together; their consumer lives for `'c`.
#[derive(Debug)]
pub struct Queue<'c> {
    native: NonNull<sys::rd_kafka_queue_t>,
    client: *mut sys::rd_kafka_t,
    /// The partitions that are led here, with the handles of their own queues.
    led: Vec<(CString, i32, NonNull<sys::rd_kafka_queue_t>)>,
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
        Self { native, client, led: Vec::new(), consumer: PhantomData }
    }

    /// Leads the records of a partition here; to be called before the consumer is assigned it, each time.
    pub fn lead(&mut self, topic: &str, partition: i32) {
        // No name of a topic holds a NUL byte.
        let Ok(topic) = CString::new(topic) else { return };
        self.led.retain(|(known, number, queue)| {
            let is_other = *number != partition || *known != topic;
            if !is_other {
                // SAFETY: the handle is ours, and goes.
                unsafe { sys::rd_kafka_queue_destroy(queue.as_ptr()) };
            }
            is_other
        });
        // SAFETY: the client is alive; the name is copied. It is null for a producer alone.
        let own = unsafe { sys::rd_kafka_queue_get_partition(self.client, topic.as_ptr(), partition) };
        let Some(own) = NonNull::new(own) else { return };
        // SAFETY: both queues are alive, and librdkafka keeps the one that is led to.
        unsafe { sys::rd_kafka_queue_forward(own.as_ptr(), self.native.as_ptr()) };
        self.led.push((topic, partition, own));
    }

    /// Takes at most so many messages as there are, and waits for the first one, no longer than this.
    pub fn take(&self, batch: &mut Batch<'c>, most: usize, wait: Duration) {
        if !wait.is_zero() && most > 0 {
            // librdkafka would wait until it has all of them.
            let before = batch.len();
            self.take_within(batch, 1, wait);
            if batch.len() == before {
                return;
            }
        }
        self.take_within(batch, most.saturating_sub(usize::from(!wait.is_zero())), Duration::ZERO);
    }

    fn take_within(&self, batch: &mut Batch<'c>, most: usize, wait: Duration) {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        batch.messages.reserve(most);
        let room = batch.messages.spare_capacity_mut();
        // SAFETY: the queue is alive, and the room is for `most` pointers at least, of which it writes as many as it returns; the
        // messages are ours from then on.
        unsafe {
            let taken = sys::rd_kafka_consume_batch_queue(self.native.as_ptr(), wait, room.as_mut_ptr().cast(), most);
            let taken = usize::try_from(taken).unwrap_or(0);
            batch.messages.set_len(batch.messages.len() + taken.min(most));
        }
    }
}

impl Drop for Queue<'_> {
    fn drop(&mut self) {
        for (.., own) in &self.led {
            // SAFETY: the handles are ours and not used after this. A partition that is led here no more keeps what comes, so that
            // nothing in this queue holds the partition that holds the queue.
            unsafe {
                sys::rd_kafka_queue_forward(own.as_ptr(), ptr::null_mut());
                sys::rd_kafka_queue_destroy(own.as_ptr());
            }
        }
        // SAFETY: the same; what is left in the queue goes with it.
        unsafe { sys::rd_kafka_queue_destroy(self.native.as_ptr()) };
    }
}

/// Messages in hand, in the order in which they came; each partition's are in the order of its log.
#[derive(Debug)]
pub struct Batch<'c> {
    messages: Vec<NonNull<sys::rd_kafka_message_t>>,
    consumer: PhantomData<&'c ()>,
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
        Self { messages: Vec::with_capacity(capacity), consumer: PhantomData }
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
        // SAFETY: each is ours and whole until it is let go of, which takes the batch for itself.
        self.messages.iter().map(|message| unsafe { Message::new(*message) })
    }

    /// Takes out the first error from this message on; what is left are records.
    pub fn take_error(&mut self, from: usize) -> Option<Unreadable> {
        let (before, code) =
            self.iter().enumerate().skip(from).find_map(|(index, message)| Some((index, message.error()?)))?;
        let message = self.messages.remove(before);
        // SAFETY: the message is ours and whole until it is destroyed, and its text lives as long as it.
        let reason = unsafe {
            let reason = CStr::from_ptr(sys::rd_kafka_message_errstr(message.as_ptr())).to_string_lossy().into_owned();
            sys::rd_kafka_message_destroy(message.as_ptr());
            reason
        };
        Some(Unreadable { before, code, reason })
    }

    /// Lets go of all but the first messages.
    pub fn truncate(&mut self, len: usize) {
        for message in self.messages.drain(len.min(self.messages.len())..) {
            // SAFETY: the message is ours and not used after this.
            unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
        }
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.truncate(0);
    }
}
