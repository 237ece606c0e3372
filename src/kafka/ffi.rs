//! The calls to librdkafka that rdkafka does not offer; the only unsafe code of the crate.
//!
//! Five things are missing there. Headers: its reader panics on a header name that is not
//! UTF-8, and names are data from the outside. Producing: it makes a C string of the topic's
//! name and looks the topic up for every record; a handle made once does neither. Errors: it
//! drops topic, partition and offset of what a consumer cannot read, and of ends. Commits: it waits for the group's
//! coordinator for as long as that takes. Topics: it tells no ID, by which one that was made again is known. Everything here is safe to call: handles live in the
//! [`Producer`] that they were made for, and borrowed headers cannot outlive their message.

#![allow(unsafe_code)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{IsError, KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use smallvec::SmallVec;

use super::probe::{Fault, Found};
use super::topics::{Described, Descriptions};
use crate::record::{Header, Partition};

/// Headers of one record; eight of them need no allocation.
pub type Headers<'m> = SmallVec<[Header<'m>; 8]>;

/// Returns the headers of a message whose names are UTF-8, in their order.
///
/// A name that is not UTF-8 can be none that a gate asks for; [`OwnedHeaders::copy_of`] keeps it.
#[must_use]
pub fn headers<'m>(message: &'m BorrowedMessage<'_>) -> Headers<'m> {
    // SAFETY: the message is valid while it is borrowed, for 'm.
    unsafe { headers_of(message.ptr()) }
}

/// # Safety
/// The message must be valid for 'm.
unsafe fn headers_of<'m>(message: *const sys::rd_kafka_message_t) -> Headers<'m> {
    let mut headers = Headers::new();
    // SAFETY: the caller's promise.
    let Some(native) = (unsafe { native_headers(message) }) else { return headers };
    for index in 0.. {
        let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
        // SAFETY: the native headers belong to the message, which is valid for 'm; the out pointers are ours.
        let error = unsafe { sys::rd_kafka_header_get_all(native.as_ptr(), index, &mut name, &mut value, &mut size) };
        if error.is_error() {
            break;
        }
        // SAFETY: on success the name is a NUL-terminated string that lives as long as the message.
        let name: &'m CStr = unsafe { CStr::from_ptr(name) };
        let value = (!value.is_null()).then(|| {
            // SAFETY: a value that is not null has `size` bytes, which live as long as the message.
            unsafe { std::slice::from_raw_parts::<'m>(value.cast::<u8>(), size) }
        });
        if let Ok(name) = name.to_str() {
            headers.push(Header { name, value });
        }
    }
    headers
}

/// # Safety
/// The message must be valid.
unsafe fn native_headers(message: *const sys::rd_kafka_message_t) -> Option<NonNull<sys::rd_kafka_headers_t>> {
    let mut native = ptr::null_mut();
    // SAFETY: the message is valid by the caller's promise; the out pointer is ours.
    let error = unsafe { sys::rd_kafka_message_headers(message, &mut native) };
    if error.is_error() { None } else { NonNull::new(native) }
}

/// Takes the next record or error out of a consumer's queue, and says of which partition it is; errors of no partition
/// are passed over. For consumers that have assigned partitions themselves: no rebalance is answered here.
#[must_use]
pub fn look<C: ClientContext>(client: &Client<C>, wait: Duration) -> Option<Found> {
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive, and what is returned is ours until we destroy it below.
    let message = NonNull::new(unsafe { sys::rd_kafka_consumer_poll(client.native_ptr(), wait) })?;
    // SAFETY: the message is whole until it is destroyed; its topic handle, if any, lives as long as it.
    let found = unsafe {
        let sys::rd_kafka_message_t { err, rkt, partition, .. } = *message.as_ptr();
        NonNull::new(rkt).map(|topic| Found {
            topic: CStr::from_ptr(sys::rd_kafka_topic_name(topic.as_ptr())).to_string_lossy().into_owned(),
            partition: Partition(partition),
            fault: (err.is_error() && err != RDKafkaRespErr::RD_KAFKA_RESP_ERR__PARTITION_EOF).then(|| Fault {
                code: err.into(),
                reason: CStr::from_ptr(sys::rd_kafka_message_errstr(message.as_ptr())).to_string_lossy().into_owned(),
            }),
        })
    };
    // SAFETY: the message is ours and not used after this.
    unsafe { sys::rd_kafka_message_destroy(message.as_ptr()) };
    found
}

/// What a consumer of one partition meets.
#[derive(Debug)]
pub enum Met {
    /// A record.
    Record {
        /// Its offset.
        offset: i64,
        /// Its key.
        key: Option<Vec<u8>>,
        /// Its value; `None` is a tombstone.
        value: Option<Vec<u8>>,
        /// Milliseconds since 1970-01-01 UTC.
        timestamp: i64,
        /// The last header of the name that was asked for.
        header: Option<Vec<u8>>,
    },
    /// The end of the log, as the broker that was read from has it: all before this offset has been met.
    End(i64),
    /// What stands at this offset cannot be read, or nothing can.
    Fault(i64, Fault),
}

/// Takes what comes next from a consumer that has assigned one partition itself. Errors of no partition and statistics go
/// to the client's context.
#[must_use]
pub fn meet<C: ClientContext>(client: &Client<C>, header: &str, wait: Duration) -> Option<Met> {
    let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
    // SAFETY: the client is alive and outlives the queue's handle, which is ours until it is destroyed below.
    let queue = NonNull::new(unsafe { sys::rd_kafka_queue_get_consumer(client.native_ptr()) })?;
    // SAFETY: the queue is alive, and what it gives is ours until we destroy it.
    let event = unsafe { sys::rd_kafka_queue_poll(queue.as_ptr(), wait) };
    // SAFETY: the event, null or not, is whole until it is destroyed, and neither it nor the queue is used after that; a
    // message belongs to its event; text that librdkafka gives is NUL-terminated and lives as long as the event.
    unsafe {
        let met = match sys::rd_kafka_event_type(event) {
            sys::RD_KAFKA_EVENT_FETCH => record(sys::rd_kafka_event_message_next(event), header),
            sys::RD_KAFKA_EVENT_ERROR => fault(client, event),
            sys::RD_KAFKA_EVENT_STATS => {
                client.context().stats_raw(CStr::from_ptr(sys::rd_kafka_event_stats(event)).to_bytes());
                None
            }
            _ => None,
        };
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_queue_destroy(queue.as_ptr());
        met
    }
}

/// # Safety
/// The message must be null or valid.
unsafe fn record(message: *const sys::rd_kafka_message_t, header: &str) -> Option<Met> {
    // SAFETY: the caller's promise.
    let sys::rd_kafka_message_t { key, key_len, payload, len, offset, .. } = *unsafe { message.as_ref() }?;
    let bytes = |start: *mut c_void, size| {
        // SAFETY: a part that is not null has so many bytes, which live as long as the message.
        (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts(start.cast::<u8>(), size) }.to_vec())
    };
    let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    // SAFETY: the message is valid; the out pointer is ours.
    let (timestamp, headers) = unsafe { (sys::rd_kafka_message_timestamp(message, &mut kind), headers_of(message)) };
    let header = headers.iter().rev().find(|found| found.name == header).and_then(|found| found.value);
    let (key, value) = (bytes(key, key_len), bytes(payload, len));
    Some(Met::Record { offset, key, value, timestamp: timestamp.max(0), header: header.map(<[u8]>::to_vec) })
}

/// # Safety
/// The event must be an error's.
unsafe fn fault<C: ClientContext>(client: &Client<C>, event: *mut sys::rd_kafka_event_t) -> Option<Met> {
    // SAFETY: the event is whole by the caller's promise, and its text lives as long as it.
    let (code, reason) = unsafe {
        let reason = CStr::from_ptr(sys::rd_kafka_event_error_string(event)).to_string_lossy().into_owned();
        (RDKafkaErrorCode::from(sys::rd_kafka_event_error(event)), reason)
    };
    // SAFETY: the same; the partition is a copy, ours until it is destroyed.
    let offset = NonNull::new(unsafe { sys::rd_kafka_event_topic_partition(event) }).map(|partition| unsafe {
        let offset = partition.as_ref().offset;
        sys::rd_kafka_topic_partition_destroy(partition.as_ptr());
        offset
    });
    match offset {
        Some(offset) if code == RDKafkaErrorCode::PartitionEOF => Some(Met::End(offset)),
        Some(offset) => Some(Met::Fault(offset, Fault { code, reason })),
        None => {
            client.context().error(KafkaError::Global(code), &reason);
            None
        }
    }
}

/// Commits offsets to a consumer's group and waits for the answer until `is_over`; a commit that nobody waits for any
/// more may still happen. librdkafka's own waiting has no limit, and takes minutes where the coordinator is away.
///
/// # Errors
/// librdkafka's, and [`RDKafkaErrorCode::OperationTimedOut`].
pub fn commit<C: ClientContext>(
    client: &Client<C>,
    offsets: &TopicPartitionList,
    is_over: impl Fn() -> bool,
) -> KafkaResult<()> {
    const STEP_MS: i32 = 50;
    // SAFETY: the client is alive; it outlives the queue, which is destroyed below.
    let queue = unsafe { sys::rd_kafka_queue_new(client.native_ptr()) };
    // SAFETY: client, list and queue are alive; the list is copied; without a callback the answer comes as an event.
    let mut error =
        unsafe { sys::rd_kafka_commit_queue(client.native_ptr(), offsets.ptr(), queue, None, ptr::null_mut()) };
    while !error.is_error() {
        // SAFETY: the queue is ours, and so is the event, until it is destroyed.
        let event = unsafe { sys::rd_kafka_queue_poll(queue, STEP_MS) };
        if !event.is_null() {
            // SAFETY: the event is ours, whole, and not used after this.
            error = unsafe {
                let error = sys::rd_kafka_event_error(event);
                sys::rd_kafka_event_destroy(event);
                error
            };
            break;
        }
        if is_over() {
            error = RDKafkaRespErr::RD_KAFKA_RESP_ERR__TIMED_OUT;
        }
    }
    // SAFETY: the queue is ours and not used after this; a late answer finds it closed.
    unsafe { sys::rd_kafka_queue_destroy(queue) };
    if error.is_error() { Err(KafkaError::ConsumerCommit(error.into())) } else { Ok(()) }
}

/// Describes topics by name, each by its own answer; none is created by that.
///
/// # Errors
/// librdkafka's, where no broker answers in time.
pub fn describe(client: &Client<impl ClientContext>, names: &[&str], limit: Duration) -> KafkaResult<Descriptions> {
    let limit = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
    let names: Vec<CString> = names.iter().filter_map(|name| CString::new(*name).ok()).collect();
    let mut pointers: Vec<*const c_char> = names.iter().map(|name| name.as_ptr()).collect();
    // SAFETY: the client outlives all that is made of it here; names, options and collection are copied by the calls; what is
    // ours is destroyed once, and the event, null or not, after its last use.
    unsafe {
        let rk = client.native_ptr();
        let topics = sys::rd_kafka_TopicCollection_of_topic_names(pointers.as_mut_ptr(), pointers.len());
        let options = sys::rd_kafka_AdminOptions_new(rk, sys::rd_kafka_admin_op_t::RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
        sys::rd_kafka_AdminOptions_set_request_timeout(options, limit, ptr::null_mut(), 0);
        let queue = sys::rd_kafka_queue_new(rk);
        sys::rd_kafka_DescribeTopics(rk, topics, options, queue);
        // The request itself ends in time, and its answer comes then.
        let event = sys::rd_kafka_queue_poll(queue, limit.saturating_add(1_000));
        let described = described(event);
        sys::rd_kafka_event_destroy(event);
        sys::rd_kafka_queue_destroy(queue);
        sys::rd_kafka_AdminOptions_destroy(options);
        sys::rd_kafka_TopicCollection_destroy(topics);
        described
    }
}

/// # Safety
/// The event must be null or whole.
unsafe fn described(event: *mut sys::rd_kafka_event_t) -> KafkaResult<Descriptions> {
    if event.is_null() {
        return Err(KafkaError::AdminOp(RDKafkaErrorCode::OperationTimedOut));
    }
    // SAFETY: the event is whole by the caller's promise, and all that is read here belongs to it; texts are copied.
    unsafe {
        let error = sys::rd_kafka_event_error(event);
        if error.is_error() {
            return Err(KafkaError::AdminOp(error.into()));
        }
        // An event without an error has a result: nothing else was asked for.
        let (result, mut count) = (sys::rd_kafka_event_DescribeTopics_result(event), 0);
        let topics = sys::rd_kafka_DescribeTopics_result_topics(result, &mut count);
        let each = (0..count).map(|index| {
            let topic = *topics.add(index);
            let text = |text: *const c_char| CStr::from_ptr(text).to_string_lossy().into_owned();
            let error = sys::rd_kafka_error_code(sys::rd_kafka_TopicDescription_error(topic));
            let name = text(sys::rd_kafka_TopicDescription_name(topic));
            if error.is_error() {
                return (name, Err(error.into()));
            }
            let id = text(sys::rd_kafka_Uuid_base64str(sys::rd_kafka_TopicDescription_topic_id(topic)));
            // One of zeros only is none.
            let (id, mut partitions) = (Some(id).filter(|id| id.bytes().any(|byte| byte != b'A')), 0);
            sys::rd_kafka_TopicDescription_partitions(topic, &mut partitions);
            (name, Ok(Described { id, partitions }))
        });
        Ok(each.collect())
    }
}

/// What librdkafka says of a record that was refused only for its neighbours (`rdkafka_request.c`).
const NEIGHBOUR: &[u8] = b"Failed to append record because it was part of a batch";

/// Tells whether a record of a failed delivery was refused only for another one in its batch, which the broker named.
///
/// librdkafka 2.12 has a code for it, and writes the culprit's over it where there is one culprit only; its words stay.
#[must_use]
pub fn is_neighbour(message: &BorrowedMessage<'_>) -> bool {
    // SAFETY: the message is one of a delivery report and valid while it is borrowed; only such messages have the text.
    let text = unsafe { sys::rd_kafka_message_produce_errstr(message.ptr()) };
    if text.is_null() {
        return false;
    }
    // SAFETY: a text that is not null is NUL-terminated and lives as long as the message.
    unsafe { CStr::from_ptr(text) }.to_bytes().starts_with(NEIGHBOUR)
}

/// Lets consumer groups of a client's mock cluster start at once; its broker waits 3 s for further members otherwise.
/// Without a mock cluster nothing happens.
pub fn start_mock_groups_at_once<C: ClientContext>(client: &Client<C>) {
    // SAFETY: the client is alive, and the mock cluster lives as long as it.
    unsafe {
        let cluster = sys::rd_kafka_handle_mock_cluster(client.native_ptr());
        if !cluster.is_null() {
            sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, 0);
        }
    }
}

/// A list of headers that can be handed to a producer.
#[derive(Debug)]
pub struct OwnedHeaders(NonNull<sys::rd_kafka_headers_t>);

impl OwnedHeaders {
    /// Copies the headers of a message, byte by byte; `None` if it has none.
    #[must_use]
    pub fn copy_of(message: &BorrowedMessage<'_>) -> Option<Self> {
        // SAFETY: the message is valid while it is borrowed.
        let native = unsafe { native_headers(message.ptr()) }?;
        // SAFETY: the native headers are valid while the message is borrowed; the copy is ours.
        NonNull::new(unsafe { sys::rd_kafka_headers_copy(native.as_ptr()) }).map(Self)
    }

    /// Makes an empty list.
    #[must_use]
    pub fn new() -> Self {
        // SAFETY: no preconditions; librdkafka aborts the process where memory is exhausted, it never returns null.
        let native = unsafe { sys::rd_kafka_headers_new(16) };
        Self(NonNull::new(native).expect("rd_kafka_headers_new never returns null"))
    }

    /// Removes all headers of that name.
    pub fn remove(&mut self, name: &str) {
        if let Ok(name) = CString::new(name) {
            // SAFETY: the list is ours; the name is NUL-terminated. Absence of the name is no fault.
            unsafe { sys::rd_kafka_header_remove(self.0.as_ptr(), name.as_ptr()) };
        }
    }

    /// Appends a header.
    pub fn push(&mut self, name: &str, value: Option<&[u8]>) {
        let (pointer, size) = value.map_or((ptr::null(), 0), |value| (value.as_ptr(), value.len()));
        // SAFETY: the list is ours and writable; name and value are read during the call only. Slices are never
        // longer than isize::MAX.
        unsafe {
            sys::rd_kafka_header_add(
                self.0.as_ptr(),
                name.as_ptr().cast::<c_char>(),
                name.len().cast_signed(),
                pointer.cast::<c_void>(),
                size.cast_signed(),
            );
        }
    }
}

impl Default for OwnedHeaders {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for OwnedHeaders {
    fn drop(&mut self) {
        // SAFETY: the list is ours and not used after this.
        unsafe { sys::rd_kafka_headers_destroy(self.0.as_ptr()) };
    }
}

/// A topic of one [`Producer`], made once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TopicHandle(usize);

/// One record to produce. Its parts are copied during the call.
#[derive(Debug)]
pub struct Outgoing<'a> {
    /// Where to.
    pub topic: TopicHandle,
    /// Which partition; always chosen by us.
    pub partition: i32,
    /// The key, if any.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone.
    pub value: Option<&'a [u8]>,
    /// Milliseconds since 1970-01-01 UTC. librdkafka takes 0 for now.
    pub timestamp: i64,
    /// The headers, which the producer takes over.
    pub headers: Option<OwnedHeaders>,
    /// Comes back with the delivery report.
    pub tag: usize,
}

/// A producer with handles of the topics that it writes to.
pub struct Producer<C: ProducerContext<DeliveryOpaque = usize> + 'static> {
    topics: Vec<(String, NonNull<sys::rd_kafka_topic_t>)>,
    client: BaseProducer<C>,
}

// SAFETY: librdkafka's topic handles may be used from any thread; they are destroyed with the producer they belong to.
unsafe impl<C: ProducerContext<DeliveryOpaque = usize>> Send for Producer<C> {}

impl<C: ProducerContext<DeliveryOpaque = usize>> std::fmt::Debug for Producer<C> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("topics", &self.topics).finish_non_exhaustive()
    }
}

impl<C: ProducerContext<DeliveryOpaque = usize>> Producer<C> {
    /// Wraps a client.
    #[must_use]
    pub fn new(client: BaseProducer<C>) -> Self {
        Self { topics: Vec::new(), client }
    }

    /// Returns the client for everything but producing.
    #[must_use]
    pub fn client(&self) -> &BaseProducer<C> {
        &self.client
    }

    /// Returns the handle of a topic, made at the first call for its name.
    ///
    /// # Errors
    /// A name that holds a NUL byte, or that librdkafka refuses.
    pub fn topic(&mut self, name: &str) -> KafkaResult<TopicHandle> {
        if let Some(index) = self.topics.iter().position(|(known, _)| known == name) {
            return Ok(TopicHandle(index));
        }
        let native_name = CString::new(name)?;
        // SAFETY: the client is alive; null takes the default topic configuration; the name is copied.
        let topic = unsafe {
            sys::rd_kafka_topic_new(self.client.client().native_ptr(), native_name.as_ptr(), ptr::null_mut())
        };
        let topic = NonNull::new(topic)
            .ok_or_else(|| KafkaError::ClientCreation(format!("topic name '{name}' was refused by librdkafka")))?;
        self.topics.push((name.to_owned(), topic));
        Ok(TopicHandle(self.topics.len() - 1))
    }

    /// Queues a record.
    ///
    /// # Errors
    /// `QueueFull` is backpressure; anything else names a fault of the record, the topic or the transaction.
    pub fn produce(&self, record: Outgoing<'_>) -> Result<(), RDKafkaErrorCode> {
        let bytes =
            |part: Option<&[u8]>| part.map_or((ptr::null(), 0), |part| (part.as_ptr().cast::<c_void>(), part.len()));
        let (value, value_size) = bytes(record.value);
        let (key, key_size) = bytes(record.key);
        let headers = record.headers.as_ref().map_or(ptr::null_mut(), |headers| headers.0.as_ptr());
        // SAFETY: the tags and argument types follow rd_kafka_producev's table (rdkafka.h); the topic handle belongs to
        // this client; key and value are copied during the call; on success librdkafka owns the headers.
        let error = unsafe {
            sys::rd_kafka_producev(
                self.client.client().native_ptr(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_RKT,
                self.topics[record.topic.0].1.as_ptr(),
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_PARTITION,
                record.partition,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_MSGFLAGS,
                sys::RD_KAFKA_MSG_F_COPY,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_VALUE,
                value,
                value_size,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_KEY,
                key,
                key_size,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_OPAQUE,
                record.tag as *mut c_void,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_HEADERS,
                headers,
                sys::rd_kafka_vtype_t::RD_KAFKA_VTYPE_END,
            )
        };
        if error.is_error() {
            return Err(error.into());
        }
        std::mem::forget(record.headers);
        Ok(())
    }
}

impl<C: ProducerContext<DeliveryOpaque = usize>> Drop for Producer<C> {
    fn drop(&mut self) {
        for (_, topic) in self.topics.drain(..) {
            // SAFETY: the handle is ours; the client outlives it, since fields drop after this body.
            unsafe { sys::rd_kafka_topic_destroy(topic.as_ptr()) };
        }
    }
}
