//! What a producer has to tell, above all of its deliveries, batch by batch.
//!
//! librdkafka tells of a batch by one event. rdkafka's poll makes a message of each of its records, and takes one event a call. Where
//! only failures are to be told, librdkafka's own threads let go of every record, and take for each a lock that whoever produces takes
//! as often: with full reports a gate's records cost 5 % less (measured). Here a batch that was taken is let go of whole, by the thread
//! whose memory it is, unless somebody wants to know where its records stand.

use std::ffi::{CStr, c_char};
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{IsError, KafkaError};
use rdkafka::producer::ProducerContext;

use super::message::Message;

/// What is asked of a producer's deliveries.
pub trait Deliveries: ProducerContext<DeliveryOpaque = usize> {
    /// Tells whether every record is told of, and not only those that were not taken.
    fn wants_all(&self) -> bool;

    /// What became of the record that was queued with this tag: not taken, where the message has an error.
    fn delivered(&self, message: Message<'_>, tag: usize);
}

/// The queue of all that a producer has to tell.
#[derive(Debug)]
pub(super) struct Reports(NonNull<sys::rd_kafka_queue_t>);

/// Something that was told.
struct Event(NonNull<sys::rd_kafka_event_t>);

impl Reports {
    /// Takes part in the queue of a client, which must outlive this.
    pub(super) fn of(client: *mut sys::rd_kafka_t) -> Self {
        // SAFETY: the client is alive; every client has this queue, and counts those who hold it.
        let queue = unsafe { sys::rd_kafka_queue_get_main(client) };
        Self(NonNull::new(queue).expect("every client has a queue"))
    }

    /// Tells the context all that has come; does not wait.
    pub(super) fn tell(&self, context: &impl Deliveries) {
        // SAFETY: the queue is ours until this is dropped.
        while let Some(event) = NonNull::new(unsafe { sys::rd_kafka_queue_poll(self.0.as_ptr(), 0) }).map(Event) {
            event.tell(context);
        }
    }
}

impl Drop for Reports {
    fn drop(&mut self) {
        // SAFETY: the queue is ours and not used after this.
        unsafe { sys::rd_kafka_queue_destroy(self.0.as_ptr()) };
    }
}

impl Event {
    fn tell(&self, context: &impl Deliveries) {
        // SAFETY: the event is ours and whole.
        match unsafe { sys::rd_kafka_event_type(self.0.as_ptr()) } {
            sys::RD_KAFKA_EVENT_DR => self.tell_deliveries(context),
            sys::RD_KAFKA_EVENT_LOG => self.tell_log(context),
            sys::RD_KAFKA_EVENT_STATS => {
                // SAFETY: an event of statistics has them, as text that lives as long as it.
                let text = unsafe { text(sys::rd_kafka_event_stats(self.0.as_ptr())) };
                context.stats_raw(text.map_or(&[], CStr::to_bytes));
            }
            sys::RD_KAFKA_EVENT_ERROR => {
                let code = self.error();
                // SAFETY: the text, where there is one, lives as long as the event.
                let reason = unsafe { text(sys::rd_kafka_event_error_string(self.0.as_ptr())) };
                let reason = reason.map(CStr::to_string_lossy).unwrap_or_default();
                context.error(KafkaError::Global(code.into()), reason.trim());
            }
            other => tracing::debug!(event = other, "a producer tells what nobody has asked for"),
        }
    }

    fn error(&self) -> sys::rd_kafka_resp_err_t {
        // SAFETY: the event is ours and whole; one without an error has none.
        unsafe { sys::rd_kafka_event_error(self.0.as_ptr()) }
    }

    fn tell_deliveries(&self, context: &impl Deliveries) {
        // Records of a batch have errors only where the batch has one: librdkafka goes by it, too, where it tells of failures alone.
        if !self.error().is_error() && !context.wants_all() {
            return;
        }
        // SAFETY: the event is ours and has deliveries; each message lives as long as it.
        while let Some(message) = NonNull::new(unsafe { sys::rd_kafka_event_message_next(self.0.as_ptr()) }.cast_mut())
        {
            // SAFETY: as above; the tag is what was queued with it.
            let (message, tag) = unsafe { (Message::new(message), message.as_ref()._private.addr()) };
            context.delivered(message, tag);
        }
    }

    fn tell_log(&self, context: &impl Deliveries) {
        let (mut facility, mut line, mut level) = (ptr::null::<c_char>(), ptr::null::<c_char>(), 0);
        // SAFETY: the event is ours and of a log; what the pointers are set to lives as long as it.
        let (facility, line) = unsafe {
            sys::rd_kafka_event_log(self.0.as_ptr(), &mut facility, &mut line, &mut level);
            (text(facility), text(line))
        };
        let shown = |text: Option<&CStr>| text.map(CStr::to_string_lossy).unwrap_or_default().trim().to_owned();
        context.log(log_level(level), &shown(facility), &shown(line));
    }
}

impl Drop for Event {
    fn drop(&mut self) {
        // SAFETY: the event is ours and not used after this; its messages go with it.
        unsafe { sys::rd_kafka_event_destroy(self.0.as_ptr()) };
    }
}

/// # Safety
/// A pointer that is not null must lead to a text with NUL at its end that lives for `'t`.
unsafe fn text<'t>(text: *const c_char) -> Option<&'t CStr> {
    // SAFETY: as the caller promises.
    (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) })
}

/// Levels are those of syslog(3).
fn log_level(level: i32) -> RDKafkaLogLevel {
    match level {
        ..=0 => RDKafkaLogLevel::Emerg,
        1 => RDKafkaLogLevel::Alert,
        2 => RDKafkaLogLevel::Critical,
        3 => RDKafkaLogLevel::Error,
        4 => RDKafkaLogLevel::Warning,
        5 => RDKafkaLogLevel::Notice,
        6 => RDKafkaLogLevel::Info,
        7.. => RDKafkaLogLevel::Debug,
    }
}
