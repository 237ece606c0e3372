//! What a consumer of its own partitions meets: records, ends, and errors with their places.

use std::ffi::CStr;
use std::ptr::NonNull;
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::client::{Client, ClientContext};
use rdkafka::error::{IsError, KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;

use super::message::Message;
use crate::kafka::probe::{Fault, Found};
use crate::record::Partition;

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
    let message = unsafe { Message::new(NonNull::new(message.cast_mut())?) };
    let headers = message.headers();
    let header = headers.iter().rev().find(|found| found.name == header).and_then(|found| found.value);
    Some(Met::Record {
        offset: message.offset(),
        key: message.key().map(<[u8]>::to_vec),
        value: message.value().map(<[u8]>::to_vec),
        timestamp: message.timestamp().unwrap_or(0),
        header: header.map(<[u8]>::to_vec),
    })
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
