//! The reader: applies the log, record by record, to the next state, and puts that in the place of the present one.
//!
//! It alone changes the state. While the log is read for the first time nobody sees the states between; afterwards what
//! has come together is shown together. How far it is, is what librdkafka says of its position, which counts the markers
//! of transactions as well; what compaction has emptied behind the last record it does not count. So whoever waits
//! for an end that seems never to be reached has the reader go to its position once more: the end of the log that it
//! then meets lies at or behind the one that was asked for.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::BorrowedMessage;

use super::Settings;
use super::clients::{self, Consumer};
use super::error::Error;
use super::producer::HEADER;
use super::progress::Shared;
use super::topic;
use crate::kafka::ffi;
use crate::registry::store::{LogRecord, Store};

/// How long one look for records takes: as late is seen that markers have come, or that the process stops.
const STEP: Duration = Duration::from_millis(20);

/// How long librdkafka may take to change its position.
const SEEK_LIMIT: Duration = Duration::from_secs(1);

/// Records after which a state is shown although more wait.
const MOST_UNSEEN: usize = 1_000;

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
    /// The names of writes among them.
    writes: Vec<Vec<u8>>,
    /// The end that the next end of the log proves.
    proves: Option<i64>,
}

/// Reads the log until the process stops.
pub(super) fn run(settings: &Settings, shared: &Shared) -> Result<(), Error> {
    if !topic::prepare(settings, shared)? {
        return Ok(());
    }
    let consumer = clients::reader(settings)?;
    let state = Store::clone(&shared.state());
    let mut reader = Reader { settings, shared, consumer, state, next: 0, unseen: 0, writes: Vec::new(), proves: None };
    while !shared.is_stopping() {
        reader.turn()?;
    }
    Ok(())
}

impl Reader<'_> {
    fn turn(&mut self) -> Result<(), Error> {
        if let Some(end) = self.shared.take_asked() {
            self.look_again(end);
        }
        let wait = if self.unseen > 0 { Duration::ZERO } else { STEP };
        // The consumer stays borrowed by its message.
        let entry = match self.consumer.poll(wait) {
            None => Entry::Nothing,
            Some(Ok(message)) => Entry::Record(Box::new(taken(&message))),
            Some(Err(KafkaError::PartitionEOF(_))) => Entry::End,
            Some(Err(error)) => Entry::Fault(error),
        };
        match entry {
            Entry::Record(record) => self.apply(*record),
            Entry::End => self.reach_end(),
            Entry::Fault(error) => self.judge(&error)?,
            Entry::Nothing => self.follow(),
        }
        Ok(())
    }

    fn apply(&mut self, Taken { offset, record, write }: Taken) {
        self.next = offset + 1;
        self.unseen += 1;
        match self.state.apply(&record) {
            Ok(()) => self.writes.extend(write),
            // What has no effect is not what its writer has decided: it must decide again.
            Err(error) => {
                self.shared.damaged.fetch_add(1, Ordering::Relaxed);
                let topic = &self.settings.topic;
                tracing::error!(%topic, offset, %error, "a record of the registry's log cannot be read, and is passed over");
            }
        }
        if self.unseen >= MOST_UNSEEN && self.shared.is_ready() {
            self.show();
        }
    }

    /// Nothing waits: markers may have gone by.
    fn follow(&mut self) {
        let position = self.position();
        let is_new = position > self.next;
        self.next = self.next.max(position);
        if self.shared.is_ready() && (is_new || self.unseen > 0) {
            self.show();
        }
        if let Some(report) = self.consumer.context().statistics.take() {
            let end = report.partitions.iter().find_map(|partition| partition.end);
            self.shared.set_lag(end.map_or(0, |end| end.0 - self.next));
        }
    }

    fn reach_end(&mut self) {
        self.next = self.next.max(self.position()).max(self.proves.take().unwrap_or(0));
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

    /// Goes to where it is, so that the end of the log comes once more.
    fn look_again(&mut self, end: i64) {
        if self.next >= end {
            return;
        }
        let sought = self.consumer.seek(&self.settings.topic, 0, rdkafka::Offset::Offset(self.next), SEEK_LIMIT);
        match sought {
            Ok(()) => self.proves = Some(end),
            Err(error) => tracing::debug!(%error, "the end of the registry's log cannot be looked for"),
        }
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

    fn judge(&self, error: &KafkaError) -> Result<(), Error> {
        match error.rdkafka_error_code() {
            Some(RDKafkaErrorCode::AutoOffsetReset | RDKafkaErrorCode::OffsetOutOfRange) => {
                Err(Error::Cut { topic: self.settings.topic.clone(), offset: self.next })
            }
            Some(RDKafkaErrorCode::BadMessage | RDKafkaErrorCode::InvalidMessage) => {
                self.shared.damaged.fetch_add(1, Ordering::Relaxed);
                let (topic, next) = (&self.settings.topic, self.next);
                tracing::error!(%topic, next, %error, "a batch of the registry's log cannot be read, and is passed over");
                Ok(())
            }
            _ => {
                tracing::debug!(%error, "reading the registry's log");
                Ok(())
            }
        }
    }
}

/// A record and the name of its write.
struct Taken {
    offset: i64,
    record: LogRecord,
    write: Option<Vec<u8>>,
}

enum Entry {
    Record(Box<Taken>),
    End,
    Fault(KafkaError),
    Nothing,
}

fn taken(message: &BorrowedMessage<'_>) -> Taken {
    let headers = ffi::headers(message);
    let write = headers.iter().rev().find(|header| header.name == HEADER).and_then(|header| header.value);
    let record = LogRecord {
        key: message.key().unwrap_or_default().to_vec(),
        value: message.payload().map(<[u8]>::to_vec),
        timestamp: message.timestamp().to_millis().unwrap_or(0),
    };
    Taken { offset: message.offset(), record, write: write.map(<[u8]>::to_vec) }
}
