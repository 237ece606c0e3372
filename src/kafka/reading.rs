//! Topics read from one place to another outside of any group: for people who look, and for jobs of one sitting.
//!
//! The ends are asked for at the start, as readers see them who read committed; what is written later is not met, unless
//! the reading follows. Nothing is committed and no partition is taken from anybody: the group's name, without which
//! librdkafka makes no consumer, is used for nothing, and a missing right to it is no fault.
//!
//! Several topics are read one after the other while there is an end, each by a consumer of its own, since rdkafka tells
//! of an end only the number of its partition; followed, all at once.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::clients::{self, Names};
use crate::config::Config;
use crate::telemetry::logging;

/// How long one question to the cluster may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a topic may give nothing before its end.
const SILENCE: Duration = Duration::from_secs(60);
/// How long a poll waits for records.
const WAIT: Duration = Duration::from_millis(100);

/// Why topics cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The cluster was asked and did not answer, or refused.
    #[error("could not {what}: {reason}")]
    Kafka {
        /// What was tried.
        what: String,
        /// The answer.
        reason: KafkaError,
    },
    /// A topic that is not there.
    #[error("topic '{0}' is not on the cluster")]
    NoTopic(String),
    /// A partition that the topic does not have.
    #[error("topic '{topic}' has no partition {partition}; it has 0 to {last}")]
    NoPartition {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
        /// The highest that it has.
        last: i32,
    },
    /// Records before the end that do not come.
    #[error("topic '{topic}' gave nothing for {SILENCE:?} before its end")]
    Silent {
        /// The topic.
        topic: String,
    },
}

impl Error {
    fn asking(what: impl Into<String>) -> impl FnOnce(KafkaError) -> Self {
        let what = what.into();
        move |reason| Self::Kafka { what, reason }
    }

    /// Tells whether the command line or the configuration is at fault, and no further attempt helps.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::NoTopic(_) | Self::NoPartition { .. } => true,
            Self::Silent { .. } => false,
            Self::Kafka { reason, .. } => matches!(
                reason.rdkafka_error_code(),
                Some(
                    RDKafkaErrorCode::Authentication
                        | RDKafkaErrorCode::TopicAuthorizationFailed
                        | RDKafkaErrorCode::ClusterAuthorizationFailed
                        | RDKafkaErrorCode::SaslAuthenticationFailed
                )
            ),
        }
    }
}

/// Where reading begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// At the first record that is there.
    Earliest,
    /// Behind the last.
    Latest,
    /// At the first record of this time or later, in milliseconds since 1970-01-01 UTC.
    Time(i64),
    /// At this offset, or the first that is there.
    Offset(i64),
    /// So many offsets before the end of each partition.
    Last(i64),
}

/// A piece of a partition.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Span {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: i32,
    /// The offset of the *next* record to be read.
    pub from: i64,
    /// The end: the offset behind the last record that was committed when it was asked for.
    pub to: i64,
}

/// What reading meets.
#[derive(Debug)]
pub enum Met<'m, 'c> {
    /// A record.
    Record(&'m BorrowedMessage<'c>),
    /// Nothing for a moment: time to show what is there.
    Pause,
}

/// What reads.
pub struct Reading {
    name: String,
    settings: ClientConfig,
    /// Asks, and reads where one consumer is enough.
    consumer: Consumer,
}

type Consumer = BaseConsumer<Context>;

impl std::fmt::Debug for Reading {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reading").finish_non_exhaustive()
    }
}

impl Reading {
    /// Makes a consumer of the configured cluster; `purpose` names it to the brokers, behind the application.
    ///
    /// # Errors
    /// Settings that librdkafka refuses.
    pub fn open(config: &Config, purpose: &str) -> Result<Self, Error> {
        let name = format!("{}.{purpose}", config.application);
        let names = Names { group: name.clone(), pipeline: name.clone(), is_static: false };
        let mut settings = clients::consumer(config, &names);
        settings.set("enable.partition.eof", "true").set("statistics.interval.ms", "0");
        // Brokers tell the end after so long without records; records come at once.
        if settings.get("fetch.wait.max.ms").is_none() {
            settings.set("fetch.wait.max.ms", "50");
        }
        let consumer = consumer(&settings, &name)?;
        Ok(Self { name, settings, consumer })
    }

    /// Lists the topics with their partitions.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn topics(&self) -> Result<BTreeMap<String, Vec<i32>>, Error> {
        let metadata = self.consumer.fetch_metadata(None, PATIENCE).map_err(Error::asking("list the topics"))?;
        let partitions = |topic: &rdkafka::metadata::MetadataTopic| {
            let mut numbers: Vec<_> = topic.partitions().iter().map(|partition| partition.id()).collect();
            numbers.sort_unstable();
            numbers
        };
        let topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        Ok(topics.map(|topic| (topic.name().to_owned(), partitions(topic))).collect())
    }

    /// Finds where reading of these partitions begins and ends.
    ///
    /// # Errors
    /// The cluster does not answer.
    pub fn spans(&self, topic: &str, partitions: &[i32], start: Start) -> Result<Vec<Span>, Error> {
        let begins = self.offsets(topic, partitions, Offset::Beginning)?;
        let ends = self.offsets(topic, partitions, Offset::End)?;
        let starts = match start {
            Start::Time(time) => self.offsets(topic, partitions, Offset::Offset(time.max(0)))?,
            Start::Earliest | Start::Latest | Start::Offset(_) | Start::Last(_) => BTreeMap::new(),
        };
        let span = |&partition: &i32| {
            let (begin, to) =
                (begins.get(&partition).copied().unwrap_or(0), ends.get(&partition).copied().unwrap_or(0));
            let from = match start {
                Start::Earliest => begin,
                Start::Latest => to,
                Start::Offset(offset) => offset.max(begin),
                Start::Last(count) => to.saturating_sub(count).max(begin),
                // No record is that late.
                Start::Time(_) => starts.get(&partition).copied().filter(|offset| *offset >= 0).unwrap_or(to),
            };
            Span { topic: topic.to_owned(), partition, from, to }
        };
        Ok(partitions.iter().map(span).collect())
    }

    fn offsets(&self, topic: &str, partitions: &[i32], asked: Offset) -> Result<BTreeMap<i32, i64>, Error> {
        let what = || format!("find the offsets of topic '{topic}'");
        let mut list = TopicPartitionList::new();
        for &partition in partitions {
            list.add_partition_offset(topic, partition, asked).map_err(Error::asking(what()))?;
        }
        let found = self.consumer.offsets_for_times(list, PATIENCE).map_err(Error::asking(what()))?;
        let elements = found.elements();
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| {
            element.error().map_err(Error::asking(what()))?;
            Ok((element.partition(), element.offset().to_raw().unwrap_or(-1)))
        };
        elements.iter().map(offset).collect()
    }

    /// Reads these spans up to their ends, or for ever; `each` may end it.
    ///
    /// # Errors
    /// The cluster refuses, or does not answer; whatever `each` says.
    pub fn read<E: From<Error>>(
        &self,
        spans: &[Span],
        follow: bool,
        mut each: impl FnMut(Met<'_, '_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if follow {
            return read_some(&self.consumer, spans, true, &mut each).map(drop);
        }
        let mut topics: Vec<&str> = spans.iter().map(|span| span.topic.as_str()).collect();
        topics.dedup();
        for topic in topics {
            let some: Vec<_> =
                spans.iter().filter(|span| span.topic == topic && span.from < span.to).cloned().collect();
            let reader = consumer(&self.settings, &self.name)?;
            if read_some(&reader, &some, false, &mut each)?.is_break() {
                break;
            }
        }
        Ok(())
    }
}

fn consumer(settings: &ClientConfig, name: &str) -> Result<Consumer, Error> {
    settings
        .create_with_context(Context { name: name.to_owned(), told: Mutex::default() })
        .map_err(Error::asking("make a consumer"))
}

fn read_some<E: From<Error>>(
    consumer: &Consumer,
    spans: &[Span],
    follow: bool,
    each: &mut impl FnMut(Met<'_, '_>) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let Some(first) = spans.first() else { return Ok(ControlFlow::Continue(())) };
    let reading = || Error::asking(format!("read topic '{}'", first.topic));
    assign(consumer, spans).map_err(reading())?;
    let mut open: BTreeMap<i32, i64> = spans.iter().map(|span| (span.partition, span.to)).collect();
    let mut last = Instant::now();
    while follow || !open.is_empty() {
        match poll(consumer).map_err(reading())? {
            Polled::Record(message) => {
                let is_before = follow || open.get(&message.partition()).is_some_and(|to| message.offset() < *to);
                if is_before && each(Met::Record(&message))?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if !follow && open.get(&message.partition()).is_some_and(|to| message.offset() + 1 >= *to) {
                    open.remove(&message.partition());
                }
                last = Instant::now();
            }
            Polled::End(partition) => {
                open.remove(&partition);
                if each(Met::Pause)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
            }
            Polled::Nothing => {
                if each(Met::Pause)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                if !follow && last.elapsed() > SILENCE {
                    return Err(Error::Silent { topic: first.topic.clone() }.into());
                }
            }
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn assign(consumer: &Consumer, spans: &[Span]) -> KafkaResult<()> {
    let mut list = TopicPartitionList::new();
    for span in spans {
        list.add_partition_offset(&span.topic, span.partition, Offset::Offset(span.from))?;
    }
    consumer.assign(&list)
}

fn poll(consumer: &Consumer) -> KafkaResult<Polled<'_>> {
    match consumer.poll(WAIT) {
        None => Ok(Polled::Nothing),
        Some(Ok(message)) => Ok(Polled::Record(message)),
        Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Polled::End(partition)),
        Some(Err(error)) if is_passing(&error) => Ok(Polled::Nothing),
        Some(Err(error)) => Err(error),
    }
}

enum Polled<'c> {
    Record(BorrowedMessage<'c>),
    End(i32),
    Nothing,
}

/// Tells whether it goes by itself, or is about the group, which is of no use here.
fn is_passing(error: &KafkaError) -> bool {
    clients::is_passing(error) || error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

/// Receives librdkafka's events. It tells the same trouble again and again: a person who looks is told once.
struct Context {
    name: String,
    told: Mutex<BTreeSet<String>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(&self.name, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The end of a partition comes here too, and is what was asked for.
        let is_end = matches!(error, KafkaError::PartitionEOF(_)) || code == Some(RDKafkaErrorCode::PartitionEOF);
        let is_news = || self.told.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{code:?}"));
        let says_nothing = [RDKafkaErrorCode::AllBrokersDown, RDKafkaErrorCode::GroupAuthorizationFailed].map(Some);
        if !is_end && !says_nothing.contains(&code) && is_news() {
            clients::log_error(&self.name, &error, reason);
        }
    }
}

impl ConsumerContext for Context {}
