//! The copy: records of one lane on their way, and the transactions that they are in.
//!
//! A transaction holds copies, what the map says of them, and the checkpoint. The map needs the offsets that the brokers
//! gave, so the copies are drained first; then the two records follow them.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use rdkafka::consumer::Consumer as _;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::cast::{Consumer, Met, PATIENCE, poll, size};
use super::error::Error;
use super::lane::{Lane, Stopped};
use super::now;
use super::offsets::{MapRecord, Piece, Spot};
use super::state::{Checkpoint, Job, LANE};
use super::trouble::Trouble;
use super::writer::Writer;
use crate::kafka::ffi::{Outgoing, OwnedHeaders, TopicHandle};
use crate::kafka::murmur2;
use crate::pipeline::failpoint::{self, Point};

/// Records after which a transaction ends however young it is: what is kept of each is beside the budget of memory.
const MOST_STAGED: usize = 100_000;

/// How long one poll waits for a record.
const POLL: Duration = Duration::from_millis(50);

/// What a record without a time has in its place.
const NO_TIMESTAMP: i64 = -1;

/// How a turn ended.
#[derive(Debug)]
pub(super) enum Turn {
    /// A transaction was committed, or there was nothing to commit.
    Again,
    /// All is copied up to the end, or the lane was asked to stop.
    Over,
    /// The transaction was committed, and the producer is spent: its commit took so long.
    Spent(Duration),
}

/// A copy that is under way: where it came from, and its target partition.
#[derive(Debug, Clone, Copy)]
struct Staged {
    from: Spot,
    target: i32,
}

/// The topics of the target.
#[derive(Debug, Clone, Copy)]
struct Topics {
    to: TopicHandle,
    map: TopicHandle,
    state: TopicHandle,
}

/// A lane at work.
#[allow(missing_debug_implementations, reason = "rdkafka's consumer has none")]
pub(super) struct Copy<'c> {
    lane: &'c Lane<'c>,
    job: &'c Job,
    writer: Writer,
    topics: Topics,
    consumer: &'c Consumer,
    /// As it is committed.
    committed: Checkpoint,
    /// With what is under way.
    next: Checkpoint,
    staged: Vec<Staged>,
    /// Whether a transaction is open.
    is_open: bool,
    began: Instant,
    /// Records since then, for the rate.
    since: u64,
    last_commit: Instant,
}

impl<'c> Copy<'c> {
    /// Begins to read behind the checkpoint.
    pub(super) fn new(
        lane: &'c Lane<'c>,
        (job, checkpoint): (&'c Job, Checkpoint),
        mut writer: Writer,
        consumer: &'c Consumer,
    ) -> Result<Self, Stopped> {
        let mut list = TopicPartitionList::new();
        for (&partition, &next) in &checkpoint.next {
            if job.end(partition).is_none_or(|end| next < end) {
                let added = list.add_partition_offset(&job.source, partition, Offset::Offset(next));
                added.map_err(|error| Error::asking("read the source", &error))?;
            }
        }
        // Who does not know the leaders yet waits half a second before the first fetch.
        consumer.fetch_metadata(Some(&job.source), PATIENCE).ok();
        consumer.assign(&list).map_err(|error| Error::asking("read the source", &error))?;
        let topics = Topics {
            to: writer.topic(&job.to)?,
            map: writer.topic(&lane.cast.map)?,
            state: writer.topic(&lane.cast.state)?,
        };
        let (next, staged, now) = (checkpoint.clone(), Vec::new(), Instant::now());
        let (is_open, since, committed) = (false, 0, checkpoint);
        Ok(Self {
            lane,
            job,
            writer,
            topics,
            consumer,
            committed,
            next,
            staged,
            is_open,
            began: now,
            since,
            last_commit: now,
        })
    }

    /// Makes one transaction.
    pub(super) fn turn(&mut self) -> Result<Turn, Stopped> {
        self.gather()?;
        if self.next == self.committed {
            return Ok(if self.is_over() { Turn::Over } else { Turn::Again });
        }
        self.commit()
    }

    fn is_over(&self) -> bool {
        self.lane.terms.stop.is_asked() || self.is_at_end()
    }

    /// Tells whether all is copied up to the end.
    pub(super) fn is_at_end(&self) -> bool {
        let is_at_end = |(partition, next): (&i32, &i64)| self.job.end(*partition).is_some_and(|end| *next >= end);
        self.next.next.iter().all(is_at_end)
    }

    /// Stages records until it is time to commit.
    fn gather(&mut self) -> Result<(), Stopped> {
        let interval = self.lane.cast.config().commit_interval;
        while !self.is_over() && self.staged.len() < MOST_STAGED && self.last_commit.elapsed() < interval {
            if self.is_ahead() {
                thread::sleep(Duration::from_millis(5));
                continue;
            }
            let consumer = self.consumer;
            match poll(consumer, POLL).map_err(|error| Trouble::of("read the source", &error))? {
                Met::Record(message) => self.stage(&message)?,
                Met::End(partition) => self.reach_end(partition)?,
                Met::Nothing => {}
            }
            // Nothing is under way: the interval counts from the first record.
            if self.staged.is_empty() {
                self.last_commit = Instant::now();
                if self.next != self.committed {
                    break;
                }
            }
        }
        Ok(())
    }

    /// Tells whether more was copied than the rate allows.
    fn is_ahead(&self) -> bool {
        let Some(rate) = self.lane.terms.rate else { return false };
        #[expect(clippy::cast_precision_loss, reason = "a rate that is a little off harms nobody")]
        let due = self.began.elapsed().as_secs_f64() * f64::from(rate) <= self.since as f64;
        due
    }

    /// Notes that all of a partition was read: its end is reached, whatever stands there.
    fn reach_end(&mut self, partition: i32) -> Result<(), Stopped> {
        let Some(next) = self.next.next.get_mut(&partition) else { return Ok(()) };
        match self.job.end(partition) {
            Some(end) => *next = end.max(*next),
            // Markers have offsets too, and consumers commit behind them.
            None => {
                let positions = self.consumer.position().map_err(|error| Trouble::of("tell the position", &error))?;
                let found = positions.find_partition(&self.job.source, partition).map(|found| found.offset());
                if let Some(Offset::Offset(position)) = found {
                    *next = position.max(*next);
                }
            }
        }
        Ok(())
    }

    fn stage(&mut self, message: &BorrowedMessage<'_>) -> Result<(), Stopped> {
        let from = (message.partition(), message.offset());
        let Some(next) = self.next.next.get_mut(&from.0) else { return Ok(()) };
        // The client hands a record out twice now and then.
        if from.1 < *next {
            return Ok(());
        }
        if let Some(end) = self.job.end(from.0).filter(|end| from.1 >= *end) {
            *next = end;
            return Ok(());
        }
        *next = from.1 + 1;
        if !self.is_open {
            self.writer.begin()?;
            self.is_open = true;
        }
        let target = self.target(message);
        let (topic, tag) = (self.topics.to, self.staged.len());
        self.staged.push(Staged { from, target });
        self.writer.stage(|| Outgoing {
            topic,
            partition: target,
            key: message.key(),
            value: message.payload(),
            timestamp: message.timestamp().to_millis().unwrap_or(NO_TIMESTAMP),
            headers: OwnedHeaders::copy_of(message),
            tag,
        })?;
        self.next.copied += 1;
        self.next.bytes += size(message) as u64;
        self.since += 1;
        if tag % 256 == 0 {
            self.writer.look()?;
        }
        failed(Point::AfterProduce)
    }

    /// Returns the target's partition: that of the same number, or where counts differ the one that a Java producer chooses.
    fn target(&self, message: &BorrowedMessage<'_>) -> i32 {
        if usize::try_from(self.job.targets) == Ok(self.job.starts.len()) {
            message.partition()
        } else {
            murmur2::partition(message.key(), message.partition(), self.job.targets)
        }
    }

    /// Commits the copies, their map and the checkpoint.
    fn commit(&mut self) -> Result<Turn, Stopped> {
        if !self.is_open {
            self.writer.begin()?;
        }
        self.writer.drain()?;
        failed(Point::BeforeOffsets)?;
        let mut tag = self.staged.len();
        for (key, value) in self.pieces()? {
            // The lane's own partition, so that no other lane's transaction hides it.
            self.write(self.topics.map, self.lane.number, (&key, &value), tag)?;
            tag += 1;
        }
        self.next.time = now();
        let value = serde_json::to_vec(&self.next).map_err(|error| Trouble::last(error.to_string()))?;
        self.write(self.topics.state, self.lane.number + 1, (LANE.as_bytes(), &value), tag)?;
        self.writer.drain()?;
        failed(Point::BeforeCommit)?;
        let began = Instant::now();
        let is_clean = self.writer.commit()?;
        let took = began.elapsed();
        failed(Point::AfterCommit)?;
        self.count();
        self.committed = self.next.clone();
        self.staged.clear();
        self.is_open = false;
        self.last_commit = Instant::now();
        Ok(if is_clean { Turn::Again } else { Turn::Spent(took) })
    }

    /// Returns what the map says of the staged records.
    fn pieces(&self) -> Result<Vec<MapRecord>, Trouble> {
        let offsets = self.writer.offsets(self.staged.len())?;
        let mut pieces: BTreeMap<i32, Piece> = BTreeMap::new();
        for (staged, offset) in self.staged.iter().zip(offsets) {
            pieces.entry(staged.from.0).or_default().push(staged.from, (staged.target, offset));
        }
        Ok(pieces.values().flat_map(Piece::records).collect())
    }

    fn write(
        &self,
        topic: TopicHandle,
        partition: i32,
        (key, value): (&[u8], &[u8]),
        tag: usize,
    ) -> Result<(), Trouble> {
        let (key, value, timestamp) = (Some(key), Some(value), 0);
        self.writer.stage(|| Outgoing { topic, partition, key, value, timestamp, headers: None, tag })
    }

    fn count(&self) {
        let gauge = self.lane.gauge;
        let passed: i64 = self.next.next.iter().map(|(partition, next)| next - self.committed.next[partition]).sum();
        gauge.passed.fetch_add(passed, Ordering::Relaxed);
        gauge.copied.fetch_add(self.next.copied - self.committed.copied, Ordering::Relaxed);
        gauge.bytes.fetch_add(self.next.bytes - self.committed.bytes, Ordering::Relaxed);
    }

    /// Says which record it was that the target does not take, if it was one.
    pub(super) fn blame(&self, trouble: Trouble) -> Stopped {
        let record = trouble.refused.and_then(|(tag, code)| Some((self.staged.get(tag)?, code)));
        let Some((&Staged { from: (partition, offset), .. }, code)) = record else { return Stopped::Trouble(trouble) };
        let (topic, to) = (self.job.source.clone(), self.job.to.clone());
        Stopped::Error(Error::Refused { topic, partition, offset, to, code })
    }
}

fn failed(point: Point) -> Result<(), Stopped> {
    failpoint::fault(point).map_or(Ok(()), |why| Err(Trouble::new(why).into()))
}
