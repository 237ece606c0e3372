//! Plain consume-and-produce with rdkafka: what `tests/million.rs` measures the gate against.
//!
//! It takes a gate's configuration and copies the gate's source to its validated topic, with
//! key, value, timestamp and headers, until it is killed. Clients, settings, group and
//! transactions are those of the gate, only nothing is checked and nothing is kept safe:
//! a rebalance or an error ends it. The loop is as good as rdkafka's public API allows:
//! polls that do not wait, and a drain that looks every half millisecond, since
//! `commit_transaction` alone would wait in steps of 100 ms.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail, ensure};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedHeaders, BorrowedMessage, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::util::Timeout;
use sluice::config::{Config, Sources};
use sluice::kafka::clients::{self, Names, Sizes};

/// As many as the gate takes at once.
const BATCH_RECORDS: usize = 1_000;
/// Kafka's `max.message.bytes` where a topic sets none.
const LARGEST: u64 = 1_048_588;
const LONGEST_WAIT: Duration = Duration::from_millis(100);
const QUEUE_PAUSE: Duration = Duration::from_millis(1);
const DRAIN_PAUSE: Duration = Duration::from_micros(500);
const LIMIT: Duration = Duration::from_secs(10);

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).context("usage: passthrough CONFIG")?;
    let config = Config::load(Path::new(&path)).map_err(|errors| anyhow!("{path}: {errors:?}"))?;
    let gate = config.gates.first().context("the configuration has no gate")?;
    let Sources::Topics(topics) = &gate.source else { bail!("the source is a pattern") };
    let source = topics.first().context("the gate has no source")?;
    let output = gate.outputs(source).context("the gate reads another source")?.validated;

    let names = Names::new(&config, gate, 0, "passthrough");
    let mut settings = clients::consumer(&config, &names);
    let consumer: BaseConsumer = settings.set("auto.offset.reset", "earliest").create()?;
    let producer: BaseProducer = {
        let sizes = Sizes { largest: LARGEST, smallest: LARGEST, is_known: false };
        clients::producer(&config, &names, sizes).create()?
    };
    producer.init_transactions(LIMIT)?;
    consumer.subscribe(&[source])?;
    copy(&consumer, &producer, &output, config.commit_interval)
}

fn copy(
    consumer: &BaseConsumer,
    producer: &BaseProducer,
    output: &str,
    commit_interval: Duration,
) -> anyhow::Result<()> {
    let mut committed_at = Instant::now();
    let mut staged = 0;
    producer.begin_transaction()?;
    loop {
        staged += copy_batch(consumer, producer, output)?;
        producer.poll(Duration::ZERO);
        if committed_at.elapsed() >= commit_interval {
            if staged > 0 {
                commit(consumer, producer)?;
                producer.begin_transaction()?;
            }
            staged = 0;
            committed_at = Instant::now();
        }
    }
}

/// Copies what is there, and returns how many records that was.
fn copy_batch(consumer: &BaseConsumer, producer: &BaseProducer, output: &str) -> anyhow::Result<usize> {
    let mut wait = LONGEST_WAIT;
    for copied in 0..BATCH_RECORDS {
        let Some(message) = consumer.poll(wait) else { return Ok(copied) };
        produce(producer, output, &message?)?;
        wait = Duration::ZERO;
    }
    Ok(BATCH_RECORDS)
}

fn produce(producer: &BaseProducer, output: &str, message: &BorrowedMessage<'_>) -> anyhow::Result<()> {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(output).partition(message.partition());
    record.key = message.key();
    record.payload = message.payload();
    record.timestamp = message.timestamp().to_millis();
    record.headers = message.headers().map(BorrowedHeaders::detach);
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => record = back,
            Err((error, _)) => return Err(error.into()),
        }
        producer.poll(Duration::ZERO);
        thread::sleep(QUEUE_PAUSE);
    }
}

fn commit(consumer: &BaseConsumer, producer: &BaseProducer) -> anyhow::Result<()> {
    let deadline = Instant::now() + LIMIT;
    while producer.flush(Duration::ZERO).is_err() {
        producer.poll(Duration::ZERO);
        ensure!(Instant::now() < deadline, "the brokers took not all records in {LIMIT:?}");
        thread::sleep(DRAIN_PAUSE);
    }
    let group = consumer.group_metadata().context("the consumer has left its group")?;
    producer.send_offsets_to_transaction(&consumer.position()?, &group, LIMIT)?;
    #[expect(clippy::disallowed_methods, reason = "all is drained, so it has nothing to wait for")]
    producer.commit_transaction(Timeout::Never)?;
    Ok(())
}
