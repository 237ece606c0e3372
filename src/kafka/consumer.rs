//! Consumers that assign themselves partitions, outside of any group: made, and read up to ends.
//!
//! The group's name, without which librdkafka makes no consumer, is used for nothing. librdkafka asks for the group's coordinator all the
//! same, so that a missing right to the group comes out of a poll: it is no fault.
//!
//! Where a partition ends is asked of its leader first, and then it is read up to there. That a broker has no more proves nothing: a
//! replica that lags has ended sooner, as the offset of the end tells. One that comes at one place for longer than any replica lags is
//! believed.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::ControlFlow;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::{ClientConfig, ClientContext, Offset, TopicPartitionList};

use super::clients::{self, Names};
use super::ffi::Message;
use super::intake::{End, Intake, Met};
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

/// Tells whether an error is none to whoever polls.
pub(crate) fn is_nothing(error: &KafkaError) -> bool {
    clients::is_passing(error) || is_about_the_group(error)
}

fn is_about_the_group(error: &KafkaError) -> bool {
    error.rdkafka_error_code() == Some(RDKafkaErrorCode::GroupAuthorizationFailed)
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
    mut each: impl FnMut(Option<Message<'_>>) -> Result<ControlFlow<()>, E>,
) -> Result<ControlFlow<()>, E> {
    let mut intake = Intake::assign(consumer, list).map_err(Unread::from)?;
    let ends = ends.into_iter().map(|(partition, end)| (partition, Left { next: 0, end, early: None })).collect();
    let mut open = Open { consumer, topic, ends };
    let mut last = Instant::now();
    while !open.ends.is_empty() {
        let flow = match intake.next(WAIT).map_err(Unread::from)? {
            Met::Record(message) => {
                let message = message.get();
                let Some(is_wanted) = open.pass(message.partition(), message.offset()) else { continue };
                let flow = if is_wanted { each(Some(message))? } else { ControlFlow::Continue(()) };
                // Whoever takes the record may have waited for something else.
                last = Instant::now();
                flow
            }
            Met::End(end) => {
                if open.end(end).map_err(Unread::from)? {
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

/// What is left of a partition.
struct Left {
    /// The *next* offset: what was asked for again may have been taken already.
    next: i64,
    end: i64,
    /// Where and since when a broker says that it ends, before its end.
    early: Option<(i64, Instant)>,
}

/// Partitions that were not read to their ends yet.
struct Open<'c> {
    consumer: &'c Consumer,
    topic: &'c str,
    ends: BTreeMap<i32, Left>,
}

impl Open<'_> {
    /// Takes note of a record; tells whether it is before the end, where its partition is not over. Nobody is told of it twice.
    fn pass(&mut self, partition: i32, offset: i64) -> Option<bool> {
        let left = self.ends.get_mut(&partition).filter(|left| offset >= left.next)?;
        left.next = offset + 1;
        let is_wanted = offset < left.end;
        if left.next >= left.end {
            self.ends.remove(&partition);
        }
        Some(is_wanted)
    }

    /// Takes note that a broker has no more of a partition; tells whether that is its end.
    fn end(&mut self, End { partition, next }: End) -> KafkaResult<bool> {
        let Some(left) = self.ends.get_mut(&partition) else { return Ok(false) };
        let (_, since) = *left.early.insert(left.early.filter(|(at, _)| *at == next).unwrap_or((next, Instant::now())));
        if next >= left.end || since.elapsed() > LAG {
            self.ends.remove(&partition);
            return Ok(true);
        }
        // A broker is asked again, and tells the end again where it still has no more.
        self.consumer.seek(self.topic, partition, Offset::Offset(next), SEEK_LIMIT)?;
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
        let is_news = |told: &Mutex<BTreeSet<String>>| {
            let says_nothing = code == Some(RDKafkaErrorCode::AllBrokersDown);
            !says_nothing && told.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{code:?}"))
        };
        if !is_about_the_group(&error) && self.told.as_ref().is_none_or(is_news) {
            clients::log_error(&self.name, &error, reason);
        }
    }
}

impl ConsumerContext for Context {}

#[cfg(test)]
pub(super) mod tests {
    use rdkafka::mocking::MockCluster;
    use rdkafka::producer::{BaseProducer, BaseRecord, DefaultProducerContext, Producer as _};

    use super::*;

    /// Writes so many records to partition 0.
    pub(in crate::kafka) fn write(mock: &MockCluster<'_, DefaultProducerContext>, topic: &str, count: usize) {
        let mut config = ClientConfig::new();
        let producer: BaseProducer = config.set("bootstrap.servers", mock.bootstrap_servers()).create().unwrap();
        for _ in 0..count {
            producer.send(BaseRecord::<(), _>::to(topic).partition(0).payload("record")).unwrap();
        }
        producer.flush(Duration::from_secs(60)).unwrap();
    }

    pub(in crate::kafka) fn consumer(mock: &MockCluster<'_, DefaultProducerContext>) -> Consumer {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", mock.bootstrap_servers()).set("group.id", "unused");
        config.set("enable.partition.eof", "true").set("fetch.wait.max.ms", "50");
        make(&config, "test", true).unwrap()
    }

    /// As of a replica that lags, or of a leader that is new: the broker says that the partition ends, and its leader has told a
    /// later end. Nothing is left out.
    #[test]
    fn an_early_end_is_none() {
        let mock = MockCluster::new(1).unwrap();
        mock.create_topic("late", 1, 1).unwrap();
        write(&mock, "late", 3);
        let consumer = consumer(&mock);
        let mut list = TopicPartitionList::new();
        list.add_partition_offset("late", 0, Offset::Offset(0)).unwrap();
        let (mut seen, mut rounds) = (Vec::new(), 0);
        let each = |message: Option<Message<'_>>| {
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
