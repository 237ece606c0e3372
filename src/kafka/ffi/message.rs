//! A record of librdkafka's, read where it lies, and its headers.

use std::ffi::{CStr, CString, c_char, c_void};
use std::marker::PhantomData;
use std::ptr::{self, NonNull};

use rdkafka::bindings as sys;
use rdkafka::error::{IsError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;
use smallvec::SmallVec;

use crate::record::Header;

/// What librdkafka says of a record that was refused only for its neighbours (`rdkafka_request.c`).
const NEIGHBOUR: &[u8] = b"Failed to append record because it was part of a batch";

/// Headers of one record; eight of them need no allocation.
pub type Headers<'m> = SmallVec<[Header<'m>; 8]>;

/// A message that is valid for `'m`: one that rdkafka gave, or one of a [`super::Batch`].
#[derive(Debug, Clone, Copy)]
pub struct Message<'m> {
    native: NonNull<sys::rd_kafka_message_t>,
    /// Its headers, once they were looked for.
    headers: Option<Found>,
    borrowed: PhantomData<&'m sys::rd_kafka_message_t>,
}

/// Headers that were looked for: none is an answer.
type Found = Option<NonNull<sys::rd_kafka_headers_t>>;

impl<'m> From<&'m BorrowedMessage<'_>> for Message<'m> {
    fn from(message: &'m BorrowedMessage<'_>) -> Self {
        let native = NonNull::new(message.ptr()).expect("a message of rdkafka's is one");
        Self { native, headers: None, borrowed: PhantomData }
    }
}

impl<'m> Message<'m> {
    /// # Safety
    /// The message must be whole for `'m`.
    pub(super) unsafe fn new(native: NonNull<sys::rd_kafka_message_t>) -> Self {
        Self { native, headers: None, borrowed: PhantomData }
    }

    fn raw(self) -> &'m sys::rd_kafka_message_t {
        // SAFETY: the message is valid for 'm, and nobody writes to it.
        unsafe { self.native.as_ref() }
    }

    /// Returns its topic, which every record has.
    #[must_use]
    pub fn topic(self) -> &'m str {
        // SAFETY: a message holds its topic's handle, and that its name, which is NUL-terminated and ASCII.
        let name = unsafe { CStr::from_ptr(sys::rd_kafka_topic_name(self.raw().rkt)) };
        name.to_str().unwrap_or_default()
    }

    /// Returns the number of its partition.
    #[must_use]
    pub fn partition(self) -> i32 {
        self.raw().partition
    }

    /// Returns its offset.
    #[must_use]
    pub fn offset(self) -> i64 {
        self.raw().offset
    }

    /// Returns its key; null is none.
    #[must_use]
    pub fn key(self) -> Option<&'m [u8]> {
        self.part(self.raw().key, self.raw().key_len)
    }

    /// Returns its value; null, a tombstone, is none.
    #[must_use]
    pub fn value(self) -> Option<&'m [u8]> {
        self.part(self.raw().payload, self.raw().len)
    }

    fn part(self, start: *mut c_void, size: usize) -> Option<&'m [u8]> {
        // SAFETY: a part that is not null has so many bytes, which live as long as the message.
        (!start.is_null()).then(|| unsafe { std::slice::from_raw_parts::<'m>(start.cast::<u8>(), size) })
    }

    /// Returns its time in milliseconds since 1970-01-01 UTC; old brokers give none.
    #[must_use]
    pub fn timestamp(self) -> Option<i64> {
        let (time, kind) = self.time();
        (time != -1 && kind != sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE).then_some(time)
    }

    /// Tells whether that is when a broker wrote it, and not its producer's time.
    #[must_use]
    pub fn has_time_of_log(self) -> bool {
        self.time().1 == sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME
    }

    fn time(self) -> (i64, sys::rd_kafka_timestamp_type_t) {
        let mut kind = sys::rd_kafka_timestamp_type_t::RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
        // SAFETY: the message is valid; the out pointer is ours.
        let time = unsafe { sys::rd_kafka_message_timestamp(self.native.as_ptr(), &mut kind) };
        (time, kind)
    }

    /// Returns the error that it stands for, such as that a partition ends, or that it met on its way to a broker.
    #[must_use]
    pub fn error(self) -> Option<RDKafkaErrorCode> {
        let error = self.raw().err;
        error.is_error().then(|| error.into())
    }

    /// Tells whether a record of a failed delivery was refused only for another one in its batch, which the broker named.
    ///
    /// librdkafka 2.12 has a code for it, and writes the culprit's over it where there is one culprit only; its words stay.
    #[must_use]
    pub fn is_neighbour(self) -> bool {
        // SAFETY: the message is valid; only one of a delivery report has the text, others have none.
        let text = unsafe { sys::rd_kafka_message_produce_errstr(self.native.as_ptr()) };
        if text.is_null() {
            return false;
        }
        // SAFETY: a text that is not null is NUL-terminated and lives as long as the message.
        unsafe { CStr::from_ptr(text) }.to_bytes().starts_with(NEIGHBOUR)
    }

    /// Returns librdkafka's words for that; a record has none.
    #[must_use]
    pub fn reason(self) -> String {
        // SAFETY: the message is valid.
        let words = unsafe { sys::rd_kafka_message_errstr(self.native.as_ptr()) };
        if words.is_null() {
            return String::new();
        }
        // SAFETY: words that are not null are NUL-terminated and live as long as the message.
        unsafe { CStr::from_ptr(words) }.to_string_lossy().into_owned()
    }

    /// Returns the headers whose names are UTF-8, in their order.
    ///
    /// A name that is not UTF-8 can be none that a gate asks for; [`OwnedHeaders::copy_of`] keeps it.
    #[must_use]
    pub fn headers(self) -> Headers<'m> {
        let mut headers = Headers::new();
        let Some(native) = self.native_headers() else { return headers };
        for index in 0.. {
            let (mut name, mut value, mut size) = (ptr::null(), ptr::null(), 0);
            // SAFETY: the native headers belong to the message, which is valid for 'm; the out pointers are ours.
            let error =
                unsafe { sys::rd_kafka_header_get_all(native.as_ptr(), index, &mut name, &mut value, &mut size) };
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

    /// Looks for its headers now, and so once for all that is asked of them: librdkafka parses them anew for each question where
    /// there are none.
    #[must_use]
    pub fn with_headers(self) -> Self {
        Self { headers: Some(self.native_headers()), ..self }
    }

    fn native_headers(self) -> Found {
        if let Some(found) = self.headers {
            return found;
        }
        let mut native = ptr::null_mut();
        // SAFETY: the message is valid; the out pointer is ours.
        let error = unsafe { sys::rd_kafka_message_headers(self.native.as_ptr(), &mut native) };
        if error.is_error() { None } else { NonNull::new(native) }
    }
}

/// A message of a [`super::Batch`], let go of when it is dropped; its consumer lives for `'c`.
#[derive(Debug)]
#[repr(transparent)]
pub struct OwnedMessage<'c> {
    native: NonNull<sys::rd_kafka_message_t>,
    consumer: PhantomData<&'c ()>,
}

impl OwnedMessage<'_> {
    /// Returns the message.
    #[must_use]
    pub fn get(&self) -> Message<'_> {
        // SAFETY: it is ours and whole until it is dropped.
        unsafe { Message::new(self.native) }
    }
}

impl Drop for OwnedMessage<'_> {
    fn drop(&mut self) {
        // SAFETY: the message is ours and not used after this; its consumer is alive.
        unsafe { sys::rd_kafka_message_destroy(self.native.as_ptr()) };
    }
}

/// Returns the headers of a message whose names are UTF-8, in their order.
#[must_use]
pub fn headers<'m>(message: impl Into<Message<'m>>) -> Headers<'m> {
    message.into().headers()
}

/// A list of headers that can be handed to a producer.
#[derive(Debug)]
pub struct OwnedHeaders(pub(super) NonNull<sys::rd_kafka_headers_t>);

impl OwnedHeaders {
    /// Copies the headers of a message, byte by byte; `None` if it has none.
    #[must_use]
    pub fn copy_of<'m>(message: impl Into<Message<'m>>) -> Option<Self> {
        let native = message.into().native_headers()?;
        // SAFETY: the native headers are valid while the message is; the copy is ours.
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
