//! The producer of one pipeline: staging a record for its output.
//!
//! Key, value, timestamp and headers leave as they came, but for what a conversion has made new; the partition is the source's, or the
//! one that a Java producer would choose for the key. A dead letter gets its headers appended. librdkafka copies a staged record at once, so nothing here
//! keeps a record. What becomes of it is told by [`super::deliveries`].

use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};

use super::Fault;
use super::deliveries::Context;
use super::routes::{SourceRoute, Target};
use crate::gate::dead_letter::WrittenHeader;
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::Route;
use crate::kafka::ffi::{self, Message, Outgoing, OwnedHeaders, TopicHandle};
use crate::kafka::murmur2;
use crate::record::Part;

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// An output of one source: its topic, and its partitions where records are spread over them anew.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    topic: TopicHandle,
    spread: Option<i32>,
}

impl End {
    /// Returns the partition that a record of this key goes to.
    fn partition(self, key: Option<&[u8]>, of_source: i32) -> i32 {
        self.spread.map_or(of_source, |count| murmur2::partition(key, of_source, count))
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
            Ok::<_, KafkaError>(End { topic: producer.topic_in(topic, target.codec)?, spread })
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
            Route::Validated | Route::Converted => Some(self.validated),
            Route::Converter => self.converter,
            Route::DeadLetter => Some(self.dead_letter),
            Route::None | Route::Skipped => None,
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
pub(crate) struct Relabel<'h> {
    /// Names of earlier headers that go.
    pub(super) removed: Vec<&'h str>,
    /// Headers that come, after those that stay.
    pub(super) added: Vec<WrittenHeader<'h>>,
    /// What is left of a record that is cut: none of its own headers but those among `added`, and this value, if any.
    pub(super) cut: Option<Option<&'h [u8]>>,
}

/// What a record has otherwise than it came.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Change<'c> {
    None,
    /// It is a dead letter.
    Letter(&'c Relabel<'c>),
    /// It was converted, or has passed a converter of a pair.
    Rewrite(&'c Rewrite),
}

impl<'c> Change<'c> {
    /// Returns the change of a record that was decided on.
    pub(crate) fn of(rewrite: &'c Rewrite) -> Self {
        if rewrite.is_active() { Self::Rewrite(rewrite) } else { Self::None }
    }

    /// Returns the headers that the record leaves with.
    pub(crate) fn headers<'m>(self, message: impl Into<Message<'m>>) -> Option<OwnedHeaders> {
        let is_cut = matches!(self, Self::Letter(Relabel { cut: Some(_), .. }));
        let mut headers = if is_cut { None } else { OwnedHeaders::copy_of(message) };
        match self {
            Self::None => {}
            Self::Letter(relabel) => {
                let headers = headers.get_or_insert_default();
                relabel.removed.iter().for_each(|name| headers.remove(name));
                relabel.added.iter().for_each(|(name, value)| headers.push(name, value.as_deref()));
            }
            Self::Rewrite(rewrite) => {
                let headers = headers.get_or_insert_default();
                for (name, value) in rewrite.headers() {
                    headers.remove(name);
                    headers.push(name, Some(value));
                }
            }
        }
        headers
    }

    pub(crate) fn key<'m>(self, message: impl Into<Message<'m>>) -> Option<&'m [u8]>
    where
        'c: 'm,
    {
        match self {
            Self::Rewrite(rewrite) => rewrite.part(Part::Key).or(message.into().key()),
            Self::None | Self::Letter(_) => message.into().key(),
        }
    }

    pub(crate) fn value<'m>(self, message: impl Into<Message<'m>>) -> Option<&'m [u8]>
    where
        'c: 'm,
    {
        match self {
            Self::Rewrite(rewrite) => rewrite.part(Part::Value).or(message.into().value()),
            Self::Letter(relabel) => relabel.cut.unwrap_or(message.into().value()),
            Self::None => message.into().value(),
        }
    }
}

/// Stages a record; its headers are copied byte by byte, but for what the change says.
pub(super) fn stage(
    producer: &ffi::Producer<Context>,
    end: End,
    message: Message<'_>,
    change: Change<'_>,
    tag: usize,
) -> Result<(), Refused> {
    let key = change.key(message);
    let outgoing = Outgoing {
        topic: end.topic,
        partition: end.partition(key, message.partition()),
        key,
        value: change.value(message),
        timestamp: message.timestamp().unwrap_or(NO_TIMESTAMP),
        headers: change.headers(message),
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
