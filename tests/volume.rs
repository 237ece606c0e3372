//! Many records at once, with what they cost: 1 KB each, one in a hundred damaged, four partitions, exactly once at 250 ms.
//!
//! The universal check holds for all of them, and the figures of the gate are printed beside those of a plain
//! consume-and-produce by rdkafka over the same records and the same broker, so that machines can be compared. Figures
//! are of the profile that the tests were built with: `cargo test --release --test volume -- --nocapture`, and
//! `SLUICE_TEST_LONG=1` for a million records.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::process::Command;
use std::time::{Duration, Instant};

use common::check::ends;
use common::gate::Gate;
use common::kafka::{Cluster, Hold};
use common::process::{Process, Usage};
use common::scene::{Line, Scene};
use common::schemas::DATUM_DAMAGE;
use common::traffic::{Class, Planned, Policy, Sent};
use common::{long, seed, unique};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use rdkafka::{ClientConfig, Message as _, Offset, TopicPartitionList};
use serde_json::json;

const PARTITIONS: i32 = 4;
/// Together with the rest of an order: 1 KB.
const PADDING: usize = 970;

/// What a run took.
struct Figures {
    seconds: f64,
    usage: Usage,
}

impl Figures {
    fn print(&self, what: &str, records: usize) {
        let count = f64::from(u32::try_from(records).unwrap());
        let micros = self.usage.cpu.as_secs_f64() * 1e6 / count;
        let (rate, peak) = (count / self.seconds, self.usage.peak_kib / 1024);
        println!(
            "{what}: {records} records in {:.1} s, {rate:.0}/s, {micros:.2} µs CPU each, {peak} MiB at most",
            self.seconds
        );
    }
}

fn records(line: &Line, seed: u64, count: usize) -> Vec<Planned> {
    let mut traffic = line.traffic(seed);
    let class = |number: usize| match number % 100 {
        99 => Class::Damaged(DATUM_DAMAGE[(number / 100) % DATUM_DAMAGE.len()]),
        _ => Class::Padded(PADDING),
    };
    (0..count).map(|number| traffic.record(class(number))).collect()
}

#[test]
fn a_million_records() {
    let seed = seed();
    let count = if long() { 1_000_000 } else { 30_000 };
    let mut scene = Scene::on(Hold::Own(Cluster::start_for_load()), "volume");
    let line = scene.add("orders", PARTITIONS, Policy::default(), json!({}));
    let sent = scene.send(&line, records(&line, seed, count));

    let gate = Gate::start(&scene.config().set("/commit_interval", "250ms"));
    let start = Instant::now();
    scene.wait_committed(&line, &sent);
    let figures = Figures { seconds: start.elapsed().as_secs_f64(), usage: gate.usage() };
    scene.verify(&line, &sent, Some(&gate));
    drop(gate);

    let plain = plain_copy(&scene, &line, &sent);
    figures.print("gate", count);
    plain.print("plain copy", count);
    // The budget of all queues is 256 MiB by default; the rest is code, schemas and what allocators keep.
    assert!(figures.usage.peak_kib < 600 * 1024, "the gate took {} KiB", figures.usage.peak_kib);
}

/// Copies the source by a child process of its own, so that its usage can be told apart.
fn plain_copy(scene: &Scene, line: &Line, sent: &[Sent]) -> Figures {
    let target = scene.kafka.topic("plain-copy", PARTITIONS, &[]);
    let ends: Vec<_> = ends(sent).into_values().map(|end| end.to_string()).collect();
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args(["--exact", "plain_copy_child", "--ignored", "--nocapture"]);
    child.env("SLUICE_TEST_COPY", [scene.kafka.bootstrap(), &line.source, &target, &ends.join("/")].join(" "));
    let start = Instant::now();
    let mut child = Process::start("plain-copy", child, tempfile::tempdir().unwrap());
    while !child.log().contains("copied") {
        assert!(child.exited().is_none(), "the copy ended early");
        std::thread::sleep(Duration::from_millis(20));
    }
    Figures { seconds: start.elapsed().as_secs_f64(), usage: child.usage() }
}

#[test]
#[ignore = "started by a_million_records"]
fn plain_copy_child() {
    let task = std::env::var("SLUICE_TEST_COPY").unwrap();
    let [bootstrap, source, target, ends] = task.split(' ').collect::<Vec<_>>().try_into().unwrap();
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", bootstrap).set("fetch.queue.backoff.ms", "10");
    let consumer: BaseConsumer =
        config.clone().set("group.id", unique("plain")).set("isolation.level", "read_committed").create().unwrap();
    let producer: BaseProducer = config
        .set("transactional.id", unique("plain"))
        .set("compression.type", "lz4")
        .set("batch.size", "1000000")
        .set("queue.buffering.max.messages", "1000000")
        .create()
        .unwrap();
    producer.init_transactions(Duration::from_secs(30)).unwrap();
    let mut next: Vec<i64> = vec![0; ends.split('/').count()];
    let ends: Vec<i64> = ends.split('/').map(|end| end.parse().unwrap()).collect();
    let mut assignment = TopicPartitionList::new();
    for partition in 0..PARTITIONS {
        assignment.add_partition_offset(source, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&assignment).unwrap();
    while next != ends {
        producer.begin_transaction().unwrap();
        copy_for(Duration::from_millis(250), &consumer, &producer, target, &mut next);
        let mut offsets = TopicPartitionList::new();
        for (partition, next) in (0..).zip(&next) {
            offsets.add_partition_offset(source, partition, Offset::Offset(*next)).unwrap();
        }
        let group = consumer.group_metadata().unwrap();
        producer.send_offsets_to_transaction(&offsets, &group, Duration::from_secs(30)).unwrap();
        #[allow(clippy::disallowed_methods, reason = "what a plain copy has")]
        producer.commit_transaction(Duration::from_secs(30)).unwrap();
    }
    println!("copied");
    // The parent reads the usage of the living process.
    std::thread::sleep(Duration::from_secs(60));
}

fn copy_for(span: Duration, consumer: &BaseConsumer, producer: &BaseProducer, target: &str, next: &mut [i64]) {
    let until = Instant::now() + span;
    while Instant::now() < until {
        let Some(message) = consumer.poll(Duration::from_millis(20)) else { continue };
        let message = message.unwrap();
        let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(target).partition(message.partition());
        (record.key, record.payload) = (message.key(), message.payload());
        if let Some(headers) = message.headers() {
            record = record.headers(headers.detach());
        }
        record = record.timestamp(message.timestamp().to_millis().unwrap());
        while let Err((_, back)) = producer.send(record) {
            record = back;
            producer.poll(Duration::from_millis(1));
        }
        next[usize::try_from(message.partition()).unwrap()] = message.offset() + 1;
    }
    producer.poll(Duration::ZERO);
}
