//! Topics read from one place to another outside of any group: for people who look, and for jobs of one sitting.
//!
//! The ends are asked for at the start, as readers see them who read committed; what is written later is not met, unless
//! the reading follows. Nothing is committed and no partition is taken from anybody.
//!
//! Several topics are read one after the other while there is an end, each by a consumer of its own; followed, all at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::clients::Names;
use super::consumer::{self, Consumer, Unread, read_up_to};
use super::ffi::Message;
use super::intake::{self, Intake};
use crate::config::Config;

/// How long one question to the cluster may take.
const PATIENCE: Duration = Duration::from_secs(15);
/// How long a poll waits for records, while it follows.
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
    #[error("topic '{topic}' gave nothing for a minute before its end")]
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

    fn unread(topic: &str, why: Unread) -> Self {
        match why {
            Unread::Refused(error) => Self::asking(format!("read topic '{topic}'"))(error),
            Unread::Silent => Self::Silent { topic: topic.to_owned() },
        }
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
pub enum Met<'m> {
    /// A record.
    Record(Message<'m>),
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
        let settings = consumer::settings(config, &names);
        let consumer = make(&settings, &name)?;
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
        mut each: impl FnMut(Met<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        if follow {
            return self.follow(spans, each);
        }
        let mut topics: Vec<&str> = spans.iter().map(|span| span.topic.as_str()).collect();
        topics.dedup();
        for topic in topics {
            let some = || spans.iter().filter(|span| span.topic == topic && span.from < span.to);
            let ends = some().map(|span| (span.partition, span.to)).collect();
            let reader = make(&self.settings, &self.name)?;
            let list = list(some()).map_err(Error::asking(format!("read topic '{topic}'")))?;
            let each = |met: Option<Message<'_>>| each(met.map_or(Met::Pause, Met::Record)).map_err(Ended::By);
            match read_up_to(&reader, topic, &list, ends, each) {
                Ok(flow) if flow.is_break() => break,
                Ok(_) => {}
                Err(Ended::By(error)) => return Err(error),
                Err(Ended::Unread(why)) => return Err(Error::unread(topic, why).into()),
            }
        }
        Ok(())
    }

    fn follow<E: From<Error>>(
        &self,
        spans: &[Span],
        mut each: impl FnMut(Met<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<(), E> {
        let Some(first) = spans.first() else { return Ok(()) };
        let reading = || Error::asking(format!("read topic '{}'", first.topic));
        let list = list(spans.iter()).map_err(reading())?;
        let mut intake = Intake::assign(&self.consumer, &list).map_err(reading())?;
        loop {
            let flow = match intake.next(WAIT).map_err(reading())? {
                intake::Met::Record(message) => each(Met::Record(message.get()))?,
                intake::Met::End(_) | intake::Met::Nothing => each(Met::Pause)?,
            };
            if flow.is_break() {
                return Ok(());
            }
        }
    }
}

/// Why reading has ended early: for us, or by whoever takes the records.
enum Ended<E> {
    Unread(Unread),
    By(E),
}

impl<E> From<Unread> for Ended<E> {
    fn from(why: Unread) -> Self {
        Self::Unread(why)
    }
}

fn make(settings: &ClientConfig, name: &str) -> Result<Consumer, Error> {
    consumer::make(settings, name, true).map_err(Error::asking("make a consumer"))
}

fn list<'s>(spans: impl Iterator<Item = &'s Span>) -> KafkaResult<TopicPartitionList> {
    let mut list = TopicPartitionList::new();
    for span in spans {
        list.add_partition_offset(&span.topic, span.partition, Offset::Offset(span.from))?;
    }
    Ok(list)
}
