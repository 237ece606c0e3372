//! The reader: applies the log, record by record, to the next state, and puts that in the place of the present one.
//!
//! It alone changes the state. While the log is read for the first time nobody sees the states between; afterwards what
//! has come together is shown together. How far it is, is what librdkafka says of its position, which counts the markers
//! of transactions as well; what compaction has emptied behind the last record counts with the end of the log, which the
//! broker tells that was read from. What another broker tells proves nothing: followers and new leaders lag behind.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::TopicPartitionList;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaResult, RDKafkaErrorCode};

use super::Settings;
use super::clients::{self, Consumer};
use super::error::Error;
use super::producer::HEADER;
use super::progress::{Shared, WriteId};
use super::topic;
use crate::kafka::ffi::{self, Met};
use crate::kafka::probe::Fault;
use crate::registry::store::{LogRecord, Store};

/// How long one look for records takes: as late is seen that markers have come, or that the process stops.
const STEP: Duration = Duration::from_millis(20);

/// Records after which a state is shown although more wait.
const MOST_UNSEEN: usize = 1_000;

/// What is said of a batch that cannot be read.
const DAMAGE: [RDKafkaErrorCode; 4] = [
    RDKafkaErrorCode::BadMessage,
    RDKafkaErrorCode::InvalidMessage,
    RDKafkaErrorCode::BadCompression,
    RDKafkaErrorCode::NotImplemented,
];

/// How often a batch is fetched that cannot be read.
const ATTEMPTS: u32 = 5;

/// How often librdkafka may ask for an offset that is nowhere while it gets behind such a batch; then the log was cut.
const STRAYS: u32 = 1_000;

/// How long librdkafka may take to change its position.
const SEEK_LIMIT: Duration = Duration::from_secs(1);

struct Reader<'a> {
    settings: &'a Settings,
    shared: &'a Shared,
    consumer: Consumer,
    /// The state that has all before `next`.
    state: Store,
    /// The *next* offset.
    next: i64,
    /// Records that nobody has been shown yet.
    unseen: usize,
    /// Whether more of a transaction comes behind the last one: nobody is shown a part of what was written at once.
    is_amid: bool,
    /// Whether a record of that transaction had no effect: then its writer must not take it for what it has decided.
    is_spoilt: bool,
    /// The headers of the last records of the writes among them.
    writes: Vec<Vec<u8>>,
    /// The batch that could not be read last: where it begins, and how often it was met.
    damage: Option<(i64, u32)>,
    /// How often an offset was asked for since that is nowhere.
    strays: u32,
}

/// Reads the log until the process stops.
pub(super) fn run(settings: &Settings, shared: &Shared) -> Result<(), Error> {
    if !topic::prepare(settings, shared)? {
        return Ok(());
    }
    let consumer = clients::reader(settings)?;
    let state = Store::clone(&shared.state());
    let mut reader = Reader {
        settings,
        shared,
        consumer,
        state,
        next: 0,
        unseen: 0,
        is_amid: false,
        is_spoilt: false,
        writes: Vec::new(),
        damage: None,
        strays: 0,
    };
    while !shared.is_stopping() {
        reader.turn()?;
    }
    Ok(())
}

impl Reader<'_> {
    fn turn(&mut self) -> Result<(), Error> {
        let wait = if self.unseen > 0 && !self.is_amid { Duration::ZERO } else { STEP };
        match ffi::meet(self.consumer.client(), HEADER, wait) {
            Some(Met::Record { offset, key, value, timestamp, header }) => {
                let record = LogRecord { key: key.unwrap_or_default(), value, timestamp };
                self.apply(offset, &record, header);
            }
            Some(Met::End(end)) => self.reach_end(end),
            Some(Met::Fault(offset, fault)) => self.judge(offset, &fault)?,
            None => self.follow(),
        }
        Ok(())
    }

    fn apply(&mut self, offset: i64, record: &LogRecord, write: Option<Vec<u8>>) {
        self.next = offset + 1;
        (self.damage, self.strays) = (None, 0);
        self.unseen += 1;
        self.is_amid = write.as_deref().is_some_and(|header| WriteId::more_behind(header) > 0);
        if let Err(error) = self.state.apply(record) {
            self.is_spoilt = true;
            self.shared.damaged.fetch_add(1, Ordering::Relaxed);
            let topic = &self.settings.topic;
            tracing::error!(%topic, offset, %error, "a record of the registry's log cannot be read, and is passed over");
        }
        if !self.is_amid {
            // Until all is read once there is nobody who waits for a write.
            let is_news = self.shared.is_ready() && !self.is_spoilt;
            self.writes.extend(write.filter(|_| is_news));
            self.is_spoilt = false;
        }
        if self.unseen >= MOST_UNSEEN && self.shared.is_ready() && !self.is_amid {
            self.show();
        }
    }

    /// Nothing waits: markers may have gone by.
    fn follow(&mut self) {
        let position = self.position();
        let is_new = position > self.next;
        self.next = self.next.max(position);
        if self.shared.is_ready() && (is_new || self.unseen > 0) && !self.is_amid {
            self.show();
        }
        if let Some(report) = self.consumer.context().statistics.take() {
            let end = report.partitions.iter().find_map(|partition| partition.end);
            self.shared.set_lag(end.map_or(0, |end| end.0 - self.next));
        }
    }

    fn reach_end(&mut self, end: i64) {
        // Compaction may have taken the last record of a transaction.
        self.is_amid = false;
        self.next = self.next.max(end);
        self.show();
        if !self.shared.is_ready() {
            let (topic, next) = (&self.settings.topic, self.next);
            tracing::info!(%topic, next, damaged = self.shared.damaged.load(Ordering::Relaxed), "the registry's log is read");
            self.shared.set_ready();
        }
    }

    fn show(&mut self) {
        let state = (self.unseen > 0).then(|| Arc::new(self.state.clone()));
        self.shared.publish(state, self.next, &self.writes);
        self.unseen = 0;
        self.writes.clear();
    }

    /// Returns the *next* offset by librdkafka's count; 0 before the first record.
    fn position(&self) -> i64 {
        let position = self.consumer.position().ok();
        let element = position.as_ref().and_then(|list| list.find_partition(&self.settings.topic, 0));
        match element.map(|element| element.offset()) {
            Some(rdkafka::Offset::Offset(offset)) => offset,
            Some(_) | None => 0,
        }
    }

    fn judge(&mut self, offset: i64, Fault { code, reason }: &Fault) -> Result<(), Error> {
        if matches!(code, RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) {
            // Behind a wrong checksum librdkafka may have asked for an offset that is nowhere before it was told to go back. Such
            // a word may come late, when the batch is passed already: it says nothing of where to go on.
            self.strays += 1;
            if self.damage.is_none() || self.strays > STRAYS {
                return Err(Error::Cut { topic: self.settings.topic.clone(), offset: self.next });
            }
            self.go_on(self.next);
            return Ok(());
        }
        if DAMAGE.contains(code) {
            self.meet_damage(offset, reason);
        } else if self.shared.complain(Some(reason)) {
            tracing::warn!(topic = self.settings.topic, reason, "the registry's log cannot be read");
        }
        Ok(())
    }

    /// A batch cannot be read that begins at this offset. librdkafka fetches it for ever where it cannot be unpacked; where
    /// its checksum is wrong, it goes on reading at a wrong place of the answer (`rd_kafka_buf_skip_to` in
    /// `rdkafka_msgset_reader.c` takes a length for a place), and from there to an offset that is nowhere. So it is told
    /// where to go on, by which all is thrown away that it has made of the rest: at the same place for a few attempts, then
    /// one offset after the other, since where the batch ends is not told, until another one comes.
    fn meet_damage(&mut self, offset: i64, reason: &str) {
        let times = self.damage.filter(|(known, _)| *known == offset).map_or(1, |(_, times)| times + 1);
        self.damage = Some((offset, times));
        if times == 1 {
            self.shared.damaged.fetch_add(1, Ordering::Relaxed);
            let topic = &self.settings.topic;
            tracing::error!(%topic, offset, reason, "a batch of the registry's log cannot be read, and is passed over");
        }
        let at = self.next.max(self.position());
        self.go_on(if times < ATTEMPTS { at } else { at.max(offset) + 1 });
    }

    /// Goes on at an offset, at or behind a batch that cannot be read.
    fn go_on(&mut self, next: i64) {
        match self.go_to(next) {
            Ok(()) => self.next = next,
            Err(error) => tracing::debug!(%error, next, "cannot go on behind a batch that cannot be read"),
        }
    }

    /// Goes on reading at an offset; librdkafka has stopped where it asked for one that is nowhere, and begins anew then.
    fn go_to(&self, offset: i64) -> KafkaResult<()> {
        let topic = &self.settings.topic;
        self.consumer.seek(topic, 0, rdkafka::Offset::Offset(offset), SEEK_LIMIT).or_else(|_| {
            let mut list = TopicPartitionList::new();
            list.add_partition_offset(topic, 0, rdkafka::Offset::Offset(offset))?;
            self.consumer.assign(&list)
        })
    }
}
