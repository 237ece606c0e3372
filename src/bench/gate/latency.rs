//! How much later a record is in the output than in the source, for whoever reads either as soon as it can be read.
//!
//! ```text
//!  producer, so many a second ──> source ──> the child ──> output
//!                                   └─ seen at ─┐            └─ seen at
//!                                               added = the one minus the other
//! ```
//! One producer and two consumers in this process, and the clock of this machine. What a consumer needs by itself is in
//! both times and falls out. The output is read committed, so a record counts as seen when its transaction has ended.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::copy::{LARGEST, all_of, with};
use super::data::Records;
use crate::config::Kafka;

/// How long a record is waited for before there is a look whether all are there.
const WAIT: Duration = Duration::from_millis(100);

/// Between two looks at the clock of the producer.
const TICK: Duration = Duration::from_micros(500);

/// How long the child may take to be there, and the last record to come through.
const PATIENCE: Duration = Duration::from_secs(60);

/// A record that was not seen.
const UNSEEN: u32 = u32::MAX;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    #[error("Kafka refuses it")]
    Kafka(#[from] KafkaError),
    #[error("{missing} of {of} records have not come through in {PATIENCE:?}")]
    Missing { missing: usize, of: usize },
    #[error("it was given up")]
    GivenUp,
    #[error("a thread that reads or writes ended by a bug")]
    Thread,
}

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pace {
    /// Records a second.
    pub(crate) rate: u32,
    pub(crate) time: Duration,
}

/// Where it is measured.
pub(super) struct Course {
    pub(super) kafka: Kafka,
    pub(super) sources: Vec<String>,
    pub(super) outputs: Vec<String>,
    pub(super) records: Records,
    pub(super) state: Arc<State>,
}

/// What whoever waits for it sees and says.
#[derive(Debug, Default)]
pub(super) struct State {
    /// Milliseconds since the pace began.
    pub(super) elapsed: AtomicU64,
    /// Whether nobody waits any more.
    pub(super) is_given_up: AtomicBool,
}

/// Times by which records were later, in microseconds, ascending.
#[derive(Debug, Clone)]
pub(crate) struct Added(Vec<u32>);

impl Added {
    /// Returns the time within which this share of the records came.
    pub(crate) fn percentile(&self, share: f64) -> Duration {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let index = (self.0.len() as f64 * share) as usize;
        let time = self.0.get(index.min(self.0.len().saturating_sub(1)));
        Duration::from_micros(time.copied().unwrap_or(0).into())
    }
}

/// When records were seen, by their numbers, in microseconds since the begin.
struct Seen {
    times: Vec<AtomicU32>,
    count: AtomicU64,
}

impl Seen {
    fn new(records: usize) -> Self {
        Self { times: (0..records).map(|_| AtomicU32::new(UNSEEN)).collect(), count: AtomicU64::new(0) }
    }

    /// Reads topics until told to end, and notes when each record came.
    fn read(&self, kafka: &Kafka, topics: &[String], began: Instant, over: &AtomicBool) -> Result<(), KafkaError> {
        let mut config = with(&[("group.id", "sluice.bench")], kafka.consumer());
        config.set("enable.auto.commit", "false").set("isolation.level", "read_committed");
        let consumer: BaseConsumer = config.create()?;
        consumer.assign(&all_of(&consumer, topics.iter().map(String::as_str))?)?;
        while !over.load(Ordering::Acquire) {
            let Some(message) = consumer.poll(WAIT).transpose()? else { continue };
            let number = message.key().and_then(|key| std::str::from_utf8(key).ok()?.parse::<usize>().ok());
            let now = u32::try_from(began.elapsed().as_micros()).unwrap_or(UNSEEN - 1);
            if let Some(time) = number.and_then(|number| self.times.get(number)) {
                time.store(now, Ordering::Relaxed);
                self.count.fetch_add(1, Ordering::Release);
            }
        }
        Ok(())
    }

    /// Waits until so many are there.
    fn wait(&self, records: usize, course: &Course) -> Result<(), Error> {
        let began = Instant::now();
        loop {
            let there = usize::try_from(self.count.load(Ordering::Acquire)).unwrap_or(usize::MAX);
            match records.saturating_sub(there) {
                0 => return Ok(()),
                missing if began.elapsed() > PATIENCE => return Err(Error::Missing { missing, of: records }),
                _ => course.check()?,
            }
            thread::sleep(TICK);
        }
    }
}

/// Writes records at the pace and returns how much later they came out; the first of each partition waits for the child.
pub(super) fn measure(course: &Course, pace: Pace) -> Result<Added, Error> {
    let first = course.records.places();
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a number of records")]
    let records = first + (f64::from(pace.rate) * pace.time.as_secs_f64()) as usize;
    let (source, output) = (Seen::new(records), Seen::new(records));
    let (began, over) = (Instant::now(), AtomicBool::new(false));
    thread::scope(|scope| {
        let over = &over;
        let readers = [(&source, &course.sources), (&output, &course.outputs)]
            .map(|(seen, topics)| scope.spawn(move || seen.read(&course.kafka, topics, began, over)));
        let sent = send(course, pace, records, [&source, &output]);
        let all = sent.and_then(|()| output.wait(records, course)).and_then(|()| source.wait(records, course));
        over.store(true, Ordering::Release);
        for reader in readers {
            reader.join().map_err(|_| Error::Thread)??;
        }
        all
    })?;
    let later = source.times.iter().zip(&output.times).skip(first);
    let mut added: Vec<_> =
        later.map(|(one, other)| other.load(Ordering::Relaxed).saturating_sub(one.load(Ordering::Relaxed))).collect();
    added.sort_unstable();
    Ok(Added(added))
}

impl Course {
    /// Fails where nobody waits any more.
    fn check(&self) -> Result<(), Error> {
        if self.state.is_given_up.load(Ordering::Acquire) { Err(Error::GivenUp) } else { Ok(()) }
    }
}

/// Writes the first records, one for each partition, and the others at the pace once both readers have those.
fn send(course: &Course, pace: Pace, records: usize, seen: [&Seen; 2]) -> Result<(), Error> {
    let mut config = with(&[("message.max.bytes", LARGEST)], course.kafka.producer());
    config.set("enable.idempotence", "true").set("linger.ms", "1");
    let producer: BaseProducer = config.create()?;
    let first = course.records.places();
    let mut value = Vec::new();
    for number in 0..first {
        one(&producer, course, number, &mut value)?;
    }
    producer.flush(PATIENCE)?;
    seen.into_iter().try_for_each(|seen| seen.wait(first, course))?;
    let began = Instant::now();
    for number in first..records {
        let due = Duration::from_secs_f64((number - first) as f64 / f64::from(pace.rate));
        while began.elapsed() < due {
            producer.poll(Duration::ZERO);
            thread::sleep(TICK);
            course.check()?;
            let elapsed = u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX);
            course.state.elapsed.store(elapsed, Ordering::Relaxed);
        }
        one(&producer, course, number, &mut value)?;
    }
    Ok(producer.flush(PATIENCE)?)
}

fn one(producer: &BaseProducer, course: &Course, number: usize, value: &mut Vec<u8>) -> Result<(), KafkaError> {
    let key = number.to_string();
    let (topic, partition) = course.records.get(number, value);
    let mut record = BaseRecord::to(&course.sources[topic]).partition(partition).key(&key).payload(&*value);
    while let Err((error, refused)) = producer.send(record) {
        if !matches!(error, KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull)) {
            return Err(error);
        }
        record = refused;
        producer.poll(TICK);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_what_so_many_did_not_exceed() {
        let added = Added((1..=1_000).collect());
        let of = |share| added.percentile(share).as_micros();
        assert_eq!((of(0.5), of(0.99), of(0.999), of(1.0)), (501, 991, 1_000, 1_000));
        assert_eq!(Added(Vec::new()).percentile(0.99), Duration::ZERO);
    }
}
