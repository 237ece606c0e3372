//! Consumers that assign themselves partitions, outside of any group: made, polled, and read up to ends.
//!
//! The group's name, without which librdkafka makes no consumer, is used for nothing. librdkafka asks for the group's coordinator all the
//! same, so that a missing right to the group comes out of a poll: it is no fault.
//!
//! Where a partition ends is asked of its leader first, and then it is read up to there. That a consumer comes to an end proves nothing:
//! a replica that lags has ended sooner, and the consumer's position tells. What compaction has emptied behind the last record, no
//! position counts: an end that comes at one place for longer than any replica lags is believed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::clients::{self, Names};
use crate::config::Config;
use crate::telemetry::logging;

/// How long a topic may give nothing before its end.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a poll waits for records, while a topic is read to its end.
const WAIT: Duration = Duration::from_millis(100);

/// How long a replica in sync may know less than its leader, generously: it asks every half second.
const LAG: Duration = Duration::from_secs(10);

/// How long the client may take to go back.
const SEEK_LIMIT: Duration = Duration::from_secs(5);

/// A consumer outside of any group.
pub(crate) type Consumer = BaseConsumer<Context>;

/// Returns the settings of such a consumer: it is told of ends, and reads what was committed.
pub(crate) fn settings(config: &Config, names: &Names) -> ClientConfig {
    let mut settings = clients::consumer(config, names);
    settings.set("enable.partition.eof", "true").set("statistics.interval.ms", "0");
    // Brokers tell the end after so long without records; records come at once.
    if config.kafka.consumer().all(|(name, _)| name != "fetch.wait.max.ms") {
        settings.set("fetch.wait.max.ms", "50");
    }
    settings
}

/// Makes one; `name` stands in the log. Who looks on is told trouble that lasts once, an unattended process each time.
pub(crate) fn make(settings: &ClientConfig, name: &str, tells_once: bool) -> KafkaResult<Consumer> {
    let told = tells_once.then(Mutex::default);
    settings.create_with_context(Context { name: name.to_owned(), told })
}

/// What a poll gave.
#[derive(Debug)]
pub(crate) enum Met<'c> {
    /// A record.
    Record(BorrowedMessage<'c>),
    /// All of this partition that a broker has was read.
    End(i32),
    /// Nothing yet.
    Nothing,
}

/// Takes what comes next; errors that connections mend by themselves, and those about the group, are nothing.
pub(crate) fn poll(consumer: &Consumer, wait: Duration) -> KafkaResult<Met<'_>> {
    match consumer.poll(wait) {
        None => Ok(Met::Nothing),
        Some(Ok(message)) => Ok(Met::Record(message)),
        Some(Err(KafkaError::PartitionEOF(partition))) => Ok(Met::End(partition)),
        Some(Err(error)) if is_nothing(&error) => Ok(Met::Nothing),
        Some(Err(error)) => Err(error),
    }
}

/// Tells whether an error is none to whoever polls.
pub(crate) fn is_nothing(error: &KafkaError) -> bool {
    clients::is_passing(error) || is_about_the_group(error)
}

fn is_about_the_group(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
}

/// Returns the *next* offset of what a consumer has met of a partition; markers count.
pub(crate) fn position(consumer: &Consumer, topic: &str, partition: i32) -> Option<i64> {
    let positions = consumer.position().ok()?;
    match positions.find_partition(topic, partition)?.offset() {
        Offset::Offset(next) => Some(next),
        Offset::Beginning | Offset::End | Offset::Stored | Offset::Invalid | Offset::OffsetTail(_) => None,
    }
}

/// Why a topic was not read to its end.
#[derive(Debug)]
pub(crate) enum Unread {
    /// The cluster refuses.
    Refused(KafkaError),
    /// It gives nothing before its end.
    Silent,
}

impl From<KafkaError> for Unread {
    fn from(error: KafkaError) -> Self {
        Self::Refused(error)
    }
}

/// Reads partitions of a topic from the offsets of this list up to `ends`, which leaders have told. `each` hears of every record before
/// them, and of nothing now and then; it may end the reading.
pub(crate) fn read_up_to<E: From<Unread>>(
    consumer: &Consumer,
    topic: &str,
    list: &TopicPartitionList,
    ends: BTreeMap<i32, i64>,
    mut each: impl FnMut(Option<&BorrowedMessage<'_>>) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    consumer.assign(list).map_err(Unread::from)?;
    let mut open = Open { consumer, topic, list, ends, early: BTreeMap::new() };
    let mut last = Instant::now();
    while !open.ends.is_empty() {
        let flow = match poll(consumer, WAIT).map_err(Unread::from)? {
            Met::Record(message) => {
                let (partition, offset) = (message.partition(), message.offset());
                let Some(&end) = open.ends.get(&partition) else { continue };
                let flow = if offset < end { each(Some(&message))? } else { ControlFlow::Continue(()) };
                if offset + 1 >= end {
                    open.ends.remove(&partition);
                }
                // Whoever takes the record may have waited for something else.
                last = Instant::now();
                flow
            }
            Met::End(partition) => {
                if open.end(partition).map_err(Unread::from)? {
                    last = Instant::now();
                }
                each(None)?
            }
            Met::Nothing => each(None)?,
        };
        if flow.is_break() {
            return Ok(flow);
        }
        if last.elapsed() > SILENCE {
            return Err(Unread::Silent.into());
        }
    }
    Ok(ControlFlow::Continue(()))
}

/// Partitions that were not read to their ends yet.
struct Open<'c> {
    consumer: &'c Consumer,
    topic: &'c str,
    list: &'c TopicPartitionList,
    ends: BTreeMap<i32, i64>,
    /// Where and since when a broker says that partitions end, before their ends.
    early: BTreeMap<i32, (Option<i64>, Instant)>,
}

impl Open<'_> {
    /// Takes note that a broker has no more of a partition; tells whether that is its end.
    fn end(&mut self, partition: i32) -> KafkaResult<bool> {
        let Some(&end) = self.ends.get(&partition) else { return Ok(false) };
        let known = self.early.get(&partition).copied();
        let next = position(self.consumer, self.topic, partition).or(known.and_then(|(at, _)| at));
        let (at, since) = known.unwrap_or((next, Instant::now()));
        if next.is_some_and(|next| next >= end) || (at == next && since.elapsed() > LAG) {
            self.ends.remove(&partition);
            return Ok(true);
        }
        self.early.insert(partition, (next, if at == next { since } else { Instant::now() }));
        // A broker is asked again, and tells the end again where it still has no more.
        let began = self.list.find_partition(self.topic, partition).map_or(Offset::Beginning, |began| began.offset());
        self.consumer.seek(self.topic, partition, next.map_or(began, Offset::Offset), SEEK_LIMIT)?;
        Ok(false)
    }
}

/// Receives librdkafka's events.
#[derive(Debug)]
pub(crate) struct Context {
    name: String,
    /// What was told; none where all is told each time.
    told: Option<Mutex<BTreeSet<String>>>,
}

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        logging::librdkafka(&self.name, level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code();
        // The end of a partition comes here too, and is what was asked for.
        let is_end = matches!(error, KafkaError::PartitionEOF(_)) || code == Some(RDKafkaErrorCode::PartitionEOF);
        let is_news = |told: &Mutex<BTreeSet<String>>| {
            let says_nothing = code == Some(RDKafkaErrorCode::AllBrokersDown);
            !says_nothing && told.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{code:?}"))
        };
        if !is_end && !is_about_the_group(&error) && self.told.as_ref().is_none_or(is_news) {
            clients::log_error(&self.name, &error, reason);
        }
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

    use super::*;

    /// Writes so many records to partition 0.
    fn write(mock: &MockCluster<'_, rdkafka::producer::DefaultProducerContext>, topic: &str, count: usize) {
        let mut config = ClientConfig::new();
        let producer: BaseProducer = config.set("bootstrap.servers", mock.bootstrap_servers()).create().unwrap();
        for _ in 0..count {
            producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload("record")).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    /// As of a replica that lags, or of a leader that is new: the broker says that the partition ends, and its leader has told a
    /// later end. Nothing is left out.
    #[test]
    fn an_early_end_is_none() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("late", 1, 1).unwrap();
        write(&mock, "late", 3);
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("group.id", "unused");
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "50");
        let consumer = make(&config, "test", true).unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("late", 0, Offset::Offset(0)).unwrap();
        let (mut seen, mut rounds) = (Vec::new(), 0);
        let each = |message: Option<&BorrowedMessage<'_>>| {
            match message {
                Some(message) => seen.push(message.offset()),
                // The end came, or nothing did: twice the rest is not there yet.
                None if seen.len() == 3 + 2 * rounds && rounds < 2 => {
                    rounds += 1;
                    write(&mock, "late", 2);
                }
                None => {}
            }
            Ok::<_, Unread>(ControlFlow::Continue(()))
        };
        let flow = read_up_to(&consumer, "late", &list, BTreeMap::from([(0, 7)]), each).unwrap();
        assert!(flow.is_continue());
        assert_eq!(seen, (0..7).collect::<Vec<_>>());
    }
}
