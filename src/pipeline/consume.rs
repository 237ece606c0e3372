//! Polling: a batch of borrowed records, and what the consumer group tells us between them.
//!
//! librdkafka reports rebalances from inside `poll`. Whoever handles one there cannot end a
//! transaction first, so the context only notes the event; the loop commits or aborts, and
//! then answers (R3). Until it does, librdkafka waits: no new owner reads before we let go.
//! While the consumer closes nobody runs the loop any more, so the context lets go at once.
//!
//! Events and records come by two queues, both librdkafka's: events are asked for first, and
//! while one waits for its answer no record is taken. What is left of a revoked partition
//! librdkafka throws away once we have let go. One batch at a time is taken, and what waits is
//! the memory budget's.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::bindings::rd_kafka_resp_err_t as NativeCode;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientContext, TopicPartitionList};

use crate::kafka::batch;
use crate::kafka::clients;
use crate::kafka::ffi::{self, Batch, Headers, Message, Queue, Unreadable};
use crate::kafka::statistics::Statistics;
use crate::record::{Header, Offset, Partition, Position, Record, Value};
use crate::telemetry::logging;

/// Time between two lines about the same missing right.
const UNREADABLE_PAUSE: Duration = Duration::from_secs(60);

/// Errors of a partition, which rdkafka reports without its name: of a batch that does not pass its checksum or cannot be
/// decompressed, of one beyond every limit, and of a broker that cannot read its own log or may not show it.
const UNREADABLE: [RDKafkaErrorCode; 8] = [
    RDKafkaErrorCode::BadMessage,
    RDKafkaErrorCode::BadCompression,
    RDKafkaErrorCode::NotImplemented,
    RDKafkaErrorCode::CriticalSystemResource,
    RDKafkaErrorCode::InvalidMessage,
    RDKafkaErrorCode::MessageSizeTooLarge,
    RDKafkaErrorCode::TopicAuthorizationFailed,
    RDKafkaErrorCode::Unknown,
];

/// Errors of a topic that is gone, or that this user may not see.
const MISSING: [RDKafkaErrorCode; 4] = [
    RDKafkaErrorCode::TopicAuthorizationFailed,
    RDKafkaErrorCode::UnknownTopicOrPartition,
    RDKafkaErrorCode::UnknownTopic,
    RDKafkaErrorCode::UnknownPartition,
];

/// Tells whether the fault is that of the batch, and not of broker or rights.
pub(super) fn is_of_batch(code: RDKafkaErrorCode) -> bool {
    !matches!(code, RDKafkaErrorCode::TopicAuthorizationFailed | RDKafkaErrorCode::Unknown)
}

/// The consumer of one pipeline.
pub(super) type Consumer = BaseConsumer<Context>;

/// A partition by the names that the group uses.
pub(super) type Named = (Arc<str>, Partition);

/// What the consumer says besides records.
#[derive(Debug)]
pub(super) enum ConsumeEvent {
    /// These partitions are ours once we take them.
    Assign(Vec<Named>),
    /// These are no longer ours once we let go.
    Revoke(Vec<Named>),
    /// Some partition's next offset is not in the log any more, or not yet.
    OffsetOutOfRange,
    /// Some partition has a batch that cannot be read, or cannot be read at all; records may have been passed over.
    Unreadable,
    /// The consumer is of no more use.
    Fatal(KafkaError),
}

/// Receives librdkafka's events for one consumer.
#[derive(Debug)]
pub(super) struct Context {
    gate: Arc<str>,
    events: Mutex<VecDeque<ConsumeEvent>>,
    closing: AtomicBool,
    statistics: clients::Latest,
    /// When a missing right to read was logged last.
    unreadable_logged: Mutex<Option<Instant>>,
    /// Whether a source topic may not be there any more.
    has_missed: AtomicBool,
}

impl Context {
    pub(super) fn new(gate: Arc<str>) -> Self {
        Self {
            gate,
            events: Mutex::default(),
            closing: AtomicBool::new(false),
            statistics: clients::Latest::default(),
            unreadable_logged: Mutex::default(),
            has_missed: AtomicBool::new(false),
        }
    }

    /// Lets go of partitions at once from now on.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
    }

    /// Returns the oldest event not yet taken.
    pub(super) fn next_event(&self) -> Option<ConsumeEvent> {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// Tells whether there are events not yet taken.
    fn has_events(&self) -> bool {
        !self.events.lock().unwrap_or_else(PoisonError::into_inner).is_empty()
    }

    /// Counts the rebalances not yet taken: the group waits for an answer to each.
    pub(super) fn rebalances(&self) -> usize {
        let events = self.events.lock().unwrap_or_else(PoisonError::into_inner);
        events.iter().filter(|event| matches!(event, ConsumeEvent::Assign(_) | ConsumeEvent::Revoke(_))).count()
    }

    /// Returns the newest statistics not yet taken.
    pub(super) fn take_statistics(&self) -> Option<Statistics> {
        self.statistics.take()
    }

    /// Tells whether a source topic was missed since the last call: it is gone, or this user may not see it any more.
    pub(super) fn take_missed(&self) -> bool {
        self.has_missed.swap(false, Ordering::AcqRel)
    }

    /// Logs, once in a while, that a source may not be read any more: librdkafka asks on, and nobody else says so.
    fn log_unreadable(&self, error: &KafkaError) {
        let mut logged = self.unreadable_logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.is_none_or(|at| at.elapsed() > UNREADABLE_PAUSE) {
            *logged = Some(Instant::now());
            let advice = "grant it the rights that `sluice check-config` prints; until then its records wait";
            tracing::error!(gate = %self.gate, %error, advice, "this user may not read a source topic any more");
        }
    }

    /// Hands over partitions that no group assigns.
    pub(super) fn take(&self, partitions: Vec<Named>) {
        self.note(ConsumeEvent::Assign(partitions));
    }

    /// Has all partitions looked at as after an error of one.
    pub(super) fn note_unreadable(&self) {
        self.note(ConsumeEvent::Unreadable);
    }

    fn note(&self, event: ConsumeEvent) {
        self.events.lock().unwrap_or_else(PoisonError::into_inner).push_back(event);
    }
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(&self.gate, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        clients::log_error(&self.gate, &error, reason);
    }

    fn stats_raw(&self, json: &[u8]) {
        self.statistics.put(json);
    }
}

impl ConsumerContext for Context {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, code: NativeCode, partitions: &mut TopicPartitionList) {
        if self.closing.load(Ordering::Acquire) {
            // Nobody waits for the result: the client is about to be gone.
            let_go(consumer, partitions).ok();
            return;
        }
        let named = partitions
            .elements()
            .iter()
            .map(|element| (Arc::from(element.topic()), Partition(element.partition())))
            .collect();
        self.note(if code == NativeCode::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            ConsumeEvent::Assign(named)
        } else {
            ConsumeEvent::Revoke(named)
        });
    }
}

/// Begins to read partitions that the group has given, from the offsets in the list, into the queue.
pub(super) fn take<'c>(
    consumer: &'c Consumer,
    queue: &mut Queue<'c>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    partitions.elements().iter().for_each(|element| queue.lead(element.topic(), element.partition()));
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.assign(partitions),
        RebalanceProtocol::Cooperative | RebalanceProtocol::None => consumer.incremental_assign(partitions),
    }
}

/// Gives back what the group asks for: all there is, where its protocol is eager.
pub(super) fn let_go(consumer: &Consumer, partitions: &TopicPartitionList) -> KafkaResult<()> {
    match consumer.rebalance_protocol() {
        RebalanceProtocol::Eager => consumer.unassign(),
        RebalanceProtocol::Cooperative | RebalanceProtocol::None => consumer.incremental_unassign(partitions),
    }
}

/// Takes what is there, waiting for the first record at most `wait`; what the consumer says besides goes first, and is noted in the
/// context.
pub(super) fn poll<'c>(consumer: &'c Consumer, queue: &Queue<'c>, wait: Duration, batch: &mut Batch<'c>) {
    let context = consumer.context();
    while let Some(said) = consumer.poll(Duration::ZERO) {
        match said {
            Err(error) => note_error(context, error),
            // Of a partition that was not led to the queue, which is none of ours; should it be, it is read again.
            Ok(_) => context.note_unreadable(),
        }
    }
    if context.has_events() {
        return;
    }
    batch::fill(queue, wait, batch);
    let mut from = 0;
    while let Some(Unreadable { before, code, reason }) = batch.take_error(from) {
        let error = KafkaError::MessageConsumption(code);
        context.error(error.clone(), &reason);
        note_error(context, error);
        if context.has_events() {
            // Every partition goes back to the record that it waits for: what came behind the error may have a gap before it.
            batch.truncate(before);
            return;
        }
        from = before;
    }
}

fn note_error(context: &Context, error: KafkaError) {
    let code = error.rdkafka_error_code();
    if code.is_some_and(|code| MISSING.contains(&code)) {
        context.has_missed.store(true, Ordering::Release);
    }
    if matches!(error, KafkaError::MessageConsumptionFatal(_)) {
        context.note(ConsumeEvent::Fatal(error));
    } else if matches!(code, Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange)) {
        context.note(ConsumeEvent::OffsetOutOfRange);
    } else if code.is_some_and(|code| UNREADABLE.contains(&code)) {
        if code == Some(RDKafkaErrorCode::TopicAuthorizationFailed) {
            context.log_unreadable(&error);
        }
        context.note(ConsumeEvent::Unreadable);
    } else {
        // Everything else librdkafka mends itself; the reason went to the log through `ClientContext::error`.
        tracing::debug!(gate = %context.gate, %error, "poll reported an error");
    }
}

/// Returns the record as the gate sees it.
pub(crate) fn view<'m>(message: impl Into<Message<'m>>, headers: &'m [Header<'m>]) -> Record<'m> {
    let message = message.into();
    Record {
        position: Position {
            topic: message.topic(),
            partition: Partition(message.partition()),
            offset: Offset(message.offset()),
        },
        timestamp: message.timestamp(),
        key: message.key(),
        value: message.value().map_or(Value::Tombstone, Value::Bytes),
        headers,
    }
}

/// Returns the headers of a message for [`view`].
pub(crate) fn headers<'m>(message: impl Into<Message<'m>>) -> Headers<'m> {
    ffi::headers(message)
}
