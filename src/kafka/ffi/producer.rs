//! Producing by topic handle, with headers that are handed over whole.

use std::ffi::{CStr, CString, c_void};
use std::ptr::{self, NonNull};
use std::time::Duration;

use rdkafka::bindings as sys;
use rdkafka::error::{IsError, KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::producer::{BaseProducer, Producer as _, ProducerContext};

use super::message::OwnedHeaders;
use super::reports::{Deliveries, Reports};

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
    /// Dropped before the client, as fields are.
    reports: Reports,
    client: BaseProducer<C>,
}

// SAFETY: librdkafka's topic handles and queues may be used from any thread; they are destroyed with the producer they belong to.
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
        Self { topics: Vec::new(), reports: Reports::of(client.client().native_ptr()), client }
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
        self.topic_in(name, None)
    }

    /// Returns the handle of a topic, made at the first call for its name; what is written to it is compressed by this codec, where one
    /// is given, and else as all is.
    ///
    /// # Errors
    /// A name that holds a NUL byte, or that librdkafka refuses, and a codec that it does not know.
    pub fn topic_in(&mut self, name: &str, codec: Option<&str>) -> KafkaResult<TopicHandle> {
        if let Some(index) = self.topics.iter().position(|(known, _)| known == name) {
            return Ok(TopicHandle(index));
        }
        let native_name = CString::new(name)?;
        let settings = codec.map_or(Ok(ptr::null_mut()), |codec| self.compressed_by(codec))?;
        // SAFETY: the client is alive; null takes the default topic configuration, and others are taken over; the name is copied.
        let topic =
            unsafe { sys::rd_kafka_topic_new(self.client.client().native_ptr(), native_name.as_ptr(), settings) };
        let topic = NonNull::new(topic)
            .ok_or_else(|| KafkaError::ClientCreation(format!("topic name '{name}' was refused by librdkafka")))?;
        self.topics.push((name.to_owned(), topic));
        Ok(TopicHandle(self.topics.len() - 1))
    }

    /// Returns the settings of a topic that is compressed by this codec.
    fn compressed_by(&self, codec: &str) -> KafkaResult<*mut sys::rd_kafka_topic_conf_t> {
        let value = CString::new(codec)?;
        let mut words = [0; 256];
        // SAFETY: the client is alive, the settings are ours until they are handed over or destroyed here; name, value and the room for an
        // error are NUL-terminated and as large as is said.
        unsafe {
            let settings = sys::rd_kafka_default_topic_conf_dup(self.client.client().native_ptr());
            let name = c"compression.codec".as_ptr();
            let set = sys::rd_kafka_topic_conf_set(settings, name, value.as_ptr(), words.as_mut_ptr(), words.len());
            if set == sys::rd_kafka_conf_res_t::RD_KAFKA_CONF_OK {
                return Ok(settings);
            }
            sys::rd_kafka_topic_conf_destroy(settings);
            Err(KafkaError::ClientCreation(CStr::from_ptr(words.as_ptr()).to_string_lossy().into_owned()))
        }
    }

    /// Sends what is queued without lingering, and waits so long for it to be delivered. Records are there until they are served,
    /// which is not done here.
    ///
    /// rdkafka's own flush lets librdkafka linger: it asks again and again, and each time for an instant only.
    pub fn flush(&self, wait: Duration) {
        let wait = i32::try_from(wait.as_millis()).unwrap_or(i32::MAX);
        // SAFETY: the client is alive. It gives reports as events, so none is served here; that some are left shows in their number.
        unsafe { sys::rd_kafka_flush(self.client.client().native_ptr(), wait) };
    }

    /// Tells the client's context all that has come, and lets go of the records that were delivered; does not wait. Records count as
    /// queued until then.
    pub fn serve(&self)
    where
        C: Deliveries,
    {
        self.reports.tell(self.client.context().as_ref());
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

#[cfg(test)]
mod tests {
    use std::sync::{Mutex, PoisonError};
    use std::time::Instant;

    use rdkafka::ClientConfig;
    use rdkafka::config::RDKafkaLogLevel;
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::DefaultProducerContext;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};
    use rdkafka::{ClientContext, producer::DeliveryResult};

    use super::super::message::Message;
    use super::*;

    const LIMIT: Duration = Duration::from_secs(60);

    #[derive(Debug, Default)]
    struct Context {
        wants_all: bool,
        told: Mutex<Vec<(usize, i64, Option<RDKafkaErrorCode>)>>,
        lines: Mutex<Vec<String>>,
    }

    impl Context {
        fn told(&self) -> Vec<(usize, i64, Option<RDKafkaErrorCode>)> {
            std::mem::take(&mut *self.told.lock().unwrap_or_else(PoisonError::into_inner))
        }
    }

    impl ClientContext for Context {
        fn log(&self, _: RDKafkaLogLevel, _: &str, line: &str) {
            self.lines.lock().unwrap().push(line.to_owned());
        }
    }

    impl ProducerContext for Context {
        type DeliveryOpaque = usize;

        fn delivery(&self, result: &DeliveryResult<'_>, _: usize) {
            panic!("rdkafka tells of nothing: {result:?}");
        }
    }

    impl Deliveries for Context {
        fn wants_all(&self) -> bool {
            self.wants_all
        }

        fn delivered(&self, message: Message<'_>, tag: usize) {
            self.told.lock().unwrap().push((tag, message.offset(), message.error()));
        }
    }

    fn make(mock: &MockCluster<'_, DefaultProducerContext>, context: Context) -> Producer<Context> {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("debug", "topic");
        config.set_log_level(RDKafkaLogLevel::Debug);
        Producer::new(config.create_with_context(context).unwrap())
    }

    fn record(topic: TopicHandle, tag: usize) -> Outgoing<'static> {
        let value = Some(&b"value"[..]);
        Outgoing { topic, partition: 0, key: None, value, timestamp: 7, headers: None, tag }
    }

    fn drain(producer: &Producer<Context>) {
        let began = Instant::now();
        while producer.client().in_flight_count() > 0 {
            assert!(began.elapsed() < LIMIT, "{} are left", producer.client().in_flight_count());
            producer.flush(Duration::from_millis(1));
            producer.serve();
        }
    }

    #[test]
    fn a_topic_has_its_own_codec() {
        let mock = MockCluster::new(1).unwrap();
        let mut producer = make(&mock, Context::default());
        for codec in [None, Some("none"), Some("gzip"), Some("snappy"), Some("lz4"), Some("zstd")] {
            let name = codec.unwrap_or("as-all-is");
            mock.create_topic(name, 1, 1).unwrap();
            let topic = producer.topic_in(name, codec).unwrap();
            assert_eq!(producer.topic(name).unwrap(), topic);
            producer.produce(record(topic, 0)).unwrap();
            drain(&producer);
            assert_eq!(producer.client().context().told(), [], "{name}: it is with the broker");
        }
        let error = producer.topic_in("other", Some("brotli")).unwrap_err();
        assert!(error.to_string().contains("brotli"), "{error}");
    }

    #[test]
    fn so_much_is_told_of_deliveries_as_is_asked_for() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("orders", 1, 1).unwrap();
        for wants_all in [false, true] {
            let mut producer = make(&mock, Context { wants_all, ..Context::default() });
            let topic = producer.topic("orders").unwrap();
            (0..100).for_each(|tag| producer.produce(record(topic, tag)).unwrap());
            drain(&producer);
            let taken = producer.client().context().told();
            assert_eq!(taken.len(), if wants_all { 100 } else { 0 });
            let tags = taken.iter().enumerate().all(|(index, (tag, offset, error))| {
                *tag == index && *offset == taken[0].1 + i64::try_from(index).unwrap() && error.is_none()
            });
            assert!(tags, "{taken:?}");
            let refusal = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
            mock.request_errors(RDKafkaApiKey::Produce, &[refusal]);
            producer.produce(record(topic, 7)).unwrap();
            drain(&producer);
            let told = producer.client().context().told();
            assert!(matches!(told[..], [(7, _, Some(RDKafkaErrorCode::MessageSizeTooLarge))]), "{told:?}");
            let lines = producer.client().context().lines.lock().unwrap();
            assert!(lines.iter().any(|line| line.contains("orders")), "logs come the same way: {lines:?}");
        }
    }
}
