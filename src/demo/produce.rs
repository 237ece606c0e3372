//! The producers: a thread that sends the traffic at a given rate.
//!
//! The embedded broker forgets what exceeds its few megabytes, hence producers wait while too much is under way: the
//! rate is then what the gate takes. A pause of the machine is not made up for later, so there are no bursts.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use rdkafka::ClientConfig;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::ledger::{Books, Entry, fingerprint};
use super::traffic::{Outgoing, Traffic};
use super::{NUMBER, Output, SOURCE};

/// Time between two looks at the clock.
const TICK: Duration = Duration::from_millis(5);

/// A pause of the machine up to this long is made up for.
const CATCH_UP: Duration = Duration::from_millis(250);

/// The embedded broker gives out one batch per fetch and partition, and looks for it from the first that it keeps on:
/// a few large batches cost it less than many small ones.
const LINGER: &str = "25";

/// How long the last records may take to the broker.
const FLUSH_LIMIT: Duration = Duration::from_secs(60);

/// Producers at work.
pub(super) struct Producers {
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Producers {
    /// Starts to send, `rate` records per second.
    pub(super) fn start(brokers: &str, rate: u32, traffic: Traffic, books: Books) -> std::io::Result<Self> {
        let client = client(brokers).map_err(std::io::Error::other)?;
        let stop = Arc::new(AtomicBool::new(false));
        let mut sender = Sender { client, traffic, books, stop: Arc::clone(&stop) };
        let thread = thread::Builder::new().name("demo-producers".into()).spawn(move || sender.run(rate))?;
        Ok(Self { stop, thread })
    }

    /// Sends no more, and waits until the broker has what was sent.
    pub(super) fn stop(self) {
        self.stop.store(true, Ordering::Release);
        // A panic has been reported by the thread; its records are missed when the books are closed.
        self.thread.join().ok();
    }
}

fn client(brokers: &str) -> KafkaResult<BaseProducer> {
    ClientConfig::new()
        .set("bootstrap.servers", brokers)
        .set("client.id", "demo-producers")
        .set("enable.idempotence", "true")
        .set("linger.ms", LINGER)
        .set("compression.type", "lz4")
        .create()
}

struct Sender {
    client: BaseProducer,
    traffic: Traffic,
    books: Books,
    stop: Arc<AtomicBool>,
}

impl Sender {
    fn run(&mut self, rate: u32) {
        let most = (f64::from(rate) * CATCH_UP.as_secs_f64()).max(1.0);
        let (mut due, mut before) = (1.0, Instant::now());
        while !self.stop.load(Ordering::Acquire) {
            while due >= 1.0 && self.has_room() {
                due -= 1.0;
                if let Err(error) = self.send() {
                    self.fault(&error);
                    return;
                }
            }
            self.client.poll(Duration::ZERO);
            thread::sleep(TICK);
            let now = Instant::now();
            due = (due + f64::from(rate) * now.duration_since(before).as_secs_f64()).min(most);
            before = now;
        }
        if let Err(error) = self.client.flush(FLUSH_LIMIT) {
            self.fault(&error);
        }
    }

    fn has_room(&self) -> bool {
        self.books.lock().unwrap_or_else(PoisonError::into_inner).has_room()
    }

    fn fault(&self, error: &KafkaError) {
        let fault = format!("the embedded broker did not take a record: {error}");
        self.books.lock().unwrap_or_else(PoisonError::into_inner).fault(fault);
    }

    fn send(&mut self) -> KafkaResult<()> {
        let now = milliseconds(SystemTime::now());
        let outgoing = self.traffic.next(now);
        let number = self.books.lock().unwrap_or_else(PoisonError::into_inner).enter(entry(&outgoing, now));
        let headers = OwnedHeaders::new().insert(Header { key: NUMBER, value: Some(&number.to_string()) });
        let mut record =
            BaseRecord::to(SOURCE).partition(outgoing.partition).timestamp(now).key(&outgoing.key).headers(headers);
        record.payload = outgoing.value.as_ref();
        loop {
            match self.client.send(record) {
                Ok(()) => return Ok(()),
                Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), refused)) => {
                    record = refused;
                    self.client.poll(TICK);
                }
                Err((error, _)) => {
                    self.books.lock().unwrap_or_else(PoisonError::into_inner).withdraw(number);
                    return Err(error);
                }
            }
        }
    }
}

fn entry(outgoing: &Outgoing, timestamp: i64) -> Entry {
    let fingerprint = |value| fingerprint(Some(outgoing.key.as_bytes()), value, Some(timestamp));
    let length = |value: Option<&[u8]>| value.map_or(0, <[u8]>::len);
    let (value, converted) = (outgoing.value.as_deref(), outgoing.converted.as_deref());
    let direct = Output::of(outgoing.expected.route);
    let due = Output::ALL.map(|output| {
        let is_other = direct.is_some_and(|direct| direct.other() == Some(output));
        if direct == Some(output) { Some(fingerprint(value)) } else { is_other.then(|| fingerprint(converted)) }
    });
    let size = outgoing.key.len() + length(value).max(length(converted));
    Entry { partition: outgoing.partition, expected: outgoing.expected, due, size }
}

/// Returns a time in milliseconds since 1970-01-01 UTC.
fn milliseconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
