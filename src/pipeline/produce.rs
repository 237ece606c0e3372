//! The producer of one pipeline: staging a record for its output, unchanged.
//!
//! Key, value, timestamp and headers leave as they came; the partition is the source's, or the
//! one that a Java producer would choose for the key. A dead letter gets its headers appended,
//! which are the only bytes that we add. librdkafka copies a staged record at once, so nothing here
//! keeps a record. What becomes of it is told by [`super::deliveries`].

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::Fault;
use super::deliveries::Context;
use super::routes::{SourceRoute, Target};
use crate::gate::dead_letter::WrittenHeader;
use crate::gate::verdict::Route;
use crate::kafka::ffi::{self, Outgoing, OwnedHeaders, TopicHandle};
use crate::kafka::murmur2;

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// An output of one source: its topic, and its partitions where records are spread over them anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    topic: TopicHandle,
    spread: Option<i32>,
}

impl End {
    /// Returns the partition that a record goes to.
    fn partition(self, message: &BorrowedMessage<'_>) -> i32 {
        self.spread.map_or(message.partition(), |count| murmur2::partition(message.key(), message.partition(), count))
    }
}

/// The topics of one source, as handles of the present producer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Handles {
    validated: End,
    converter: Option<End>,
    dead_letter: End,
}

impl Handles {
    /// Makes the handles of one source's outputs.
    pub(super) fn make(producer: &mut ffi::Producer<Context>, route: &SourceRoute) -> KafkaResult<Self> {
        let SourceRoute { outputs, targets, .. } = route;
        let mut end = |topic: &str, target: Target| {
            let spread = targets.is_spread.then_some(target.partitions);
            Ok::<_, KafkaError>(End { topic: producer.topic(topic)?, spread })
        };
        Ok(Self {
            validated: end(&outputs.validated, targets.validated)?,
            converter: outputs.converter.as_deref().map(|topic| end(topic, targets.converter)).transpose()?,
            dead_letter: end(&outputs.dead_letter, targets.dead_letter)?,
        })
    }

    /// Returns where a route leads; `None` where nothing is written.
    pub(super) fn end(self, route: Route) -> Option<End> {
        match route {
            Route::Validated => Some(self.validated),
            Route::Converter => self.converter,
            Route::DeadLetter => Some(self.dead_letter),
            Route::None => None,
        }
    }
}

/// A staged record that was not taken.
#[derive(Debug)]
pub(super) enum Refused {
    /// The queue is full: wait, then stage the same record again.
    QueueFull,
    /// The record is larger than the client's limit.
    TooLarge,
    /// The output has no such partition, or is not there.
    NoSuchPartition(RDKafkaErrorCode),
    /// The transaction has failed already, and takes no more; reports of deliveries say why.
    Failed(Fault),
    /// The client is at fault.
    Fault(Fault),
}

/// What a dead letter changes in the headers of its record.
#[derive(Debug, Default)]
pub(super) struct Relabel<'h> {
    /// Names of earlier headers that go.
    pub(super) removed: Vec<&'h str>,
    /// Headers that come, after those that stay.
    pub(super) added: Vec<WrittenHeader<'h>>,
    /// What is left of a record that is cut: none of its own headers but those among `added`, and this value, if any.
    pub(super) cut: Option<Option<&'h [u8]>>,
}

/// Stages a record as it came; its headers are copied byte by byte, but for what a dead letter changes.
pub(super) fn stage(
    producer: &ffi::Producer<Context>,
    end: End,
    message: &BorrowedMessage<'_>,
    relabel: Option<&Relabel<'_>>,
    tag: usize,
) -> Result<(), Refused> {
    let cut = relabel.and_then(|relabel| relabel.cut);
    let mut headers = if cut.is_some() { None } else { OwnedHeaders::copy_of(message) };
    if let Some(relabel) = relabel {
        let headers = headers.get_or_insert_default();
        relabel.removed.iter().for_each(|name| headers.remove(name));
        relabel.added.iter().for_each(|(name, value)| headers.push(name, value.as_deref()));
    }
    let outgoing = Outgoing {
        topic: end.topic,
        partition: end.partition(message),
        key: message.key(),
        value: cut.unwrap_or(message.payload()),
        timestamp: message.timestamp().to_millis().unwrap_or(NO_TIMESTAMP),
        headers,
        tag,
    };
    producer.produce(outgoing).map_err(refused)
}

#[cold]
#[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has hundreds of codes, and all others are one case")]
fn refused(code: RDKafkaErrorCode) -> Refused {
    match code {
        RDKafkaErrorCode::QueueFull => Refused::QueueFull,
        RDKafkaErrorCode::MessageSizeTooLarge => Refused::TooLarge,
        RDKafkaErrorCode::UnknownPartition
        | RDKafkaErrorCode::UnknownTopic
        | RDKafkaErrorCode::UnknownTopicOrPartition => Refused::NoSuchPartition(code),
        RDKafkaErrorCode::State => Refused::Failed(Fault::Abort("the transaction takes no more records".to_owned())),
        code => Refused::Fault(Fault::Abort(format!("a record could not be staged: {code}"))),
    }
}
