//! The reader of all output topics, which strikes out of the books what it meets.
//!
//! It is an ordinary consumer and knows nothing of gate and converters: what it says about a record it has from the topic and the
//! headers alone. It reads the partitions without a group. When it is asked to finish it reads to the end of every
//! partition first, so that a record too many is met as well.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaResult;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use super::cluster::PARTITIONS;
use super::ledger::{Arrival, Books, Letter, fingerprint};
use super::{NUMBER, OUTPUTS, Output};
use crate::gate::dead_letter::DeadLetter;
use crate::gate::rewrite;
use crate::kafka::ffi;
use crate::record::Header;

/// How long one poll may wait: how late an order to finish is noticed.
const POLL: Duration = Duration::from_millis(50);

/// How long the ends of the partitions may be asked for, and then read to.
const FINISH_LIMIT: Duration = Duration::from_secs(60);

/// A reader at work.
pub(super) struct Reader {
    finish: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Reader {
    /// Starts to read all output topics from their first record.
    pub(super) fn start(brokers: &str, books: Books) -> std::io::Result<Self> {
        let consumer = consumer(brokers).map_err(std::io::Error::other)?;
        let finish = Arc::new(AtomicBool::new(false));
        let mut reading = Reading { consumer, books, finish: Arc::clone(&finish), next: Next::default() };
        let thread = thread::Builder::new().name("demo-reader".into()).spawn(move || reading.run())?;
        Ok(Self { finish, thread })
    }

    /// Reads what is left, and ends.
    pub(super) fn finish(self) {
        self.finish.store(true, Ordering::Release);
        // A panic has been reported by the thread; what it did not meet is missed when the books are closed.
        self.thread.join().ok();
    }
}

fn consumer(brokers: &str) -> KafkaResult<BaseConsumer> {
    let consumer: BaseConsumer = ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("client.id", "demo-reader")
        .set("group.id", "demo-reader")
        .set("enable.auto.commit", "false")
        .set("fetch.wait.max.ms", "50")
        .set("auto.offset.reset", "error")
        .create()?;
    let mut all = TopicPartitionList::new();
    for output in Output::ALL {
        let mut add = |partition| all.add_partition_offset(output.topic(), partition, Offset::Beginning);
        (0..PARTITIONS).try_for_each(&mut add)?;
    }
    consumer.assign(&all)?;
    Ok(consumer)
}

/// The offset of the *next* record by output and partition.
type Next = [[i64; PARTITIONS as usize]; OUTPUTS];

struct Reading {
    consumer: BaseConsumer,
    books: Books,
    finish: Arc<AtomicBool>,
    next: Next,
}

impl Reading {
    fn run(&mut self) {
        while !self.finish.load(Ordering::Acquire) {
            self.poll();
        }
        let until = Instant::now() + FINISH_LIMIT;
        let ends = match self.ends() {
            Ok(ends) => ends,
            Err(error) => return self.fault(format!("the ends of the output topics are not to be had: {error}")),
        };
        while self.next.iter().flatten().zip(ends.iter().flatten()).any(|(next, end)| next < end) {
            if Instant::now() > until {
                return self.fault(format!("the output topics could not be read to their end in {FINISH_LIMIT:?}"));
            }
            self.poll();
        }
    }

    fn poll(&mut self) {
        match self.consumer.poll(POLL) {
            None => {}
            Some(Err(error)) => self.fault(format!("an output topic could not be read: {error}")),
            Some(Ok(message)) => {
                let output = Output::ALL.into_iter().find(|output| output.topic() == message.topic());
                let partition = usize::try_from(message.partition()).unwrap_or_default();
                if let Some(output) = output {
                    self.next[output as usize][partition] = message.offset() + 1;
                    compare(&self.books, output, &message);
                }
            }
        }
    }

    fn ends(&self) -> KafkaResult<Next> {
        let mut ends = Next::default();
        for (output, ends) in Output::ALL.into_iter().zip(&mut ends) {
            for (partition, end) in (0..).zip(ends) {
                (_, *end) = self.consumer.fetch_watermarks(output.topic(), partition, FINISH_LIMIT)?;
            }
        }
        Ok(ends)
    }

    fn fault(&self, fault: String) {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).fault(fault);
    }
}

fn compare(books: &Books, output: Output, message: &BorrowedMessage<'_>) {
    let headers = ffi::headers(message);
    let number = headers.iter().find(|header| header.name == NUMBER).and_then(number);
    let is_converted = headers.iter().any(|header| rewrite::HEADERS.contains(&header.name));
    let letter = (output == Output::DeadLetters).then(|| DeadLetter::read(&headers));
    let mut books = books.lock().unwrap_or_else(PoisonError::into_inner);
    books.strike_out(Arrival {
        output,
        is_converted,
        partition: message.partition(),
        number,
        fingerprint: fingerprint(message.key(), message.payload(), message.timestamp().to_millis()),
        reason: letter.as_ref().and_then(|letter| letter.as_ref().ok()).map(|letter| letter.reason),
    });
    match letter {
        None => {}
        Some(Err(error)) => books.fault(format!("a dead letter cannot be read: {error}")),
        Some(Ok(letter)) => books.keep(letter.reason, || Letter {
            source: letter.source.to_string(),
            path: letter.path.map(str::to_owned),
            detail: letter.detail.to_owned(),
        }),
    }
}

fn number(header: &Header<'_>) -> Option<u64> {
    std::str::from_utf8(header.value?).ok()?.parse().ok()
}
