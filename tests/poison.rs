//! Batches in a source's log that no client can read (fault 27): the partition is held and named, nothing behind the
//! batch is passed over, all other partitions flow, and an operator can go on.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]
#![allow(clippy::cast_possible_truncation, reason = "bytes of numbers, made by hand")]

#[path = "poison/batch.rs"]
mod batch;
mod common;

use std::path::{Path, PathBuf};
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use batch::{Poison, poison, segment};
use common::client::Content;
use common::fault::seen;
use common::gate::Gate;
use common::http;
use common::kafka::{Cluster, Hold, Setup};
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Planned, Sent};
use common::{seed, wait_for};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::RDKafkaErrorCode;
use serde_json::Value;

/// From the poison to the alarm, in a debug build on a busy machine.
const ALARM: Duration = Duration::from_secs(40);

/// A cluster whose files the tests know; each test spoils topics of its own.
fn spoilt() -> (Hold, &'static Path) {
    static CLUSTER: OnceLock<(&'static Cluster, PathBuf)> = OnceLock::new();
    let (cluster, data) = CLUSTER.get_or_init(|| {
        // The folder goes with the node's own.
        let data = tempfile::Builder::new().prefix("sluice-poison-").tempdir().unwrap().keep();
        let cluster = Setup::new(1).data(1, data.clone()).property("log.cleaner.enable", "false").start();
        (Box::leak(Box::new(cluster)), data)
    });
    (Hold::Shared(cluster), data)
}

/// One gate, some records in two partitions, and in partition 0 a batch of its own that is poisoned, with good records
/// behind it. Returns what stands before the batch and in the other partition, the offset of the batch, what stands behind.
struct Poisoned {
    scene: Scene,
    reached: Vec<Sent>,
    offset: i64,
    behind: Vec<Sent>,
}

impl Poisoned {
    fn new(name: &str, kind: Poison, size: usize) -> Self {
        let (kafka, data) = spoilt();
        let mut scene = Scene::on(kafka, name);
        let line = scene.add("orders", 2, common::traffic::Policy::default(), serde_json::json!({}));
        let mut traffic = line.traffic(seed());
        let reached = scene.send(&line, traffic.mixed(600, &Class::usual()));
        let offset = written_alone(&scene, &line, size);
        let behind = traffic.on_partition(0, 300, &[Class::Order(Version::V2)]);
        let behind = scene.send(&line, behind);
        poison(&segment(data, &line.source, 0), offset, kind);
        Self { scene, reached, offset, behind }
    }

    fn line(&self) -> &Line {
        self.scene.line()
    }

    /// Waits until the gate names the batch, with the cause and these words.
    fn wait_named(&self, gate: &Gate, words: &[&str]) {
        let status = wait_for("the partition to be held", ALARM, || {
            let status = status(gate);
            let partition = &status["partitions"][0];
            // It says when it is tried again, once that is settled.
            let is_told = partition["held_since"].is_string() && partition["held_until"].is_string();
            (partition["held"] == "unreadable_batch" && is_told).then_some(status)
        });
        let named = format!("{}-0 held at {}, unreadable_batch", self.line().source, self.offset);
        let incident =
            status["incidents"].as_array().unwrap().iter().find_map(|incident| {
                incident["what"].as_str().filter(|what| what.starts_with(&named)).map(str::to_owned)
            });
        let incident = incident.unwrap_or_else(|| panic!("no '{named}' in {status}"));
        for word in words.iter().chain(&["kafka-consumer-groups.sh"]) {
            assert!(incident.contains(word), "no '{word}' in '{incident}'");
        }
        assert_eq!(status["state"], "degraded");
        assert!(gate.log().contains("cause=\"unreadable_batch\""), "{}", gate.log());
        let held = gate.metrics().sum("sluice_held_partitions", &[("cause", "unreadable_batch")]);
        assert!((held - 1.0).abs() < f64::EPSILON, "{held} partitions are held");
        assert_eq!(http::get(gate.admin(), "/livez").unwrap().status, 200);
    }

    /// A plain consumer tells of the batch, asks for an offset that is nowhere, and reads no more.
    fn check_led_astray(&self) {
        let mut config = self.scene.kafka.client();
        config.set("group.id", "astray").set("auto.offset.reset", "error").set("check.crcs", "true");
        let consumer: BaseConsumer = config.create().unwrap();
        let mut list = TopicPartitionList::new();
        list.add_partition_offset(&self.line().source, 0, rdkafka::Offset::Offset(self.offset)).unwrap();
        consumer.assign(&list).unwrap();
        let mut met = Vec::new();
        wait_for("the consumer to be nowhere", ALARM, || {
            let read = consumer.poll(Duration::from_millis(100))?;
            met.push(read.expect_err("nothing behind the batch is read").rdkafka_error_code());
            met.contains(&Some(RDKafkaErrorCode::AutoOffsetReset)).then_some(())
        });
        assert!(met.contains(&Some(RDKafkaErrorCode::BadMessage)), "{met:?}");
    }

    /// What stands before the batch is through, nothing behind it is, and the other partition flows.
    fn check_held(&self, gate: &Gate) {
        let line = self.line();
        self.scene.wait_committed(line, &self.reached);
        let more: Vec<_> = line.traffic(1).on_partition(1, 100, &[Class::Order(Version::V2)]);
        let more = self.scene.send(line, later(more));
        self.scene.wait_committed(line, &more);
        let committed = self.scene.kafka.committed(&self.scene.group(line), &[&line.source]);
        assert_eq!(committed[&(line.source.clone(), 0)], self.offset, "nothing is passed over");
        drop(gate.records(&line.gate));
    }

    /// Moves the group behind the batch as an operator does, with the gate stopped, and expects the rest.
    fn go_on(mut self, gate: Gate) {
        let (status, log) = gate.stop(Duration::from_secs(20));
        assert!(status.success(), "{log}");
        let group = self.scene.group(self.line());
        self.scene.kafka.commit(&group, &self.line().source, [(0, self.offset + 1)]);
        let gate = Gate::start(&self.scene.config());
        self.scene.wait_committed(self.line(), &self.behind);
        self.reached.append(&mut self.behind);
        let read = self.scene.kafka.read(&[&self.line().outputs.validated]);
        for sent in
            self.reached.iter().filter(|sent| sent.expected.reason.is_none() && sent.class != Class::Order(Version::V3))
        {
            let same = read.iter().filter(|read| read.content.timestamp == sent.content.timestamp).count();
            assert_eq!(same, 1, "record {} of partition {} came {same} times", sent.offset, sent.source.1);
        }
        drop(gate);
    }
}

fn later(mut planned: Vec<Planned>) -> Vec<Planned> {
    planned.iter_mut().for_each(|record| record.content.timestamp += 1_000_000_000);
    planned
}

/// Writes a record of that many bytes that no compressor would make smaller, alone in its batch; returns its offset.
fn written_alone(scene: &Scene, line: &Line, size: usize) -> i64 {
    let value = (0..size).map(|byte| (byte.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    // Of the time of the others: logs begin new files by record time.
    let content = Content { key: None, value: Some(value), headers: Vec::new(), timestamp: 1_500_000_000_001 };
    scene.kafka.writer().write(&line.source, [(0, &content)], || {})[0]
}

fn status(gate: &Gate) -> Value {
    let answer = http::get(gate.admin(), "/status").expect("/status answers");
    serde_json::from_str::<Value>(&answer.body).unwrap()["gates"][0].take()
}

/// Tests take turns: each measures what its gate does, and bombs cost memory.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A batch that cannot be read: named within 40 s, held, others flow; behind it all goes on once the group is moved.
fn unreadable(name: &str, kind: Poison, size: usize, words: &[&str]) {
    let _turn = turn();
    let poisoned = Poisoned::new(name, kind, size);
    let gate = Gate::start(&poisoned.scene.config());
    poisoned.wait_named(&gate, words);
    poisoned.check_held(&gate);
    seen("27", &format!("{kind:?}: held and named, peak {} MiB", gate.usage().peak_kib / 1024));
    poisoned.go_on(gate);
}

/// A wrong checksum. librdkafka reports it and reads on from a wrong byte, whatever offset that leads to: the gate stays.
#[test]
fn fault_27_wrong_checksum() {
    unreadable("crc", Poison::Checksum, 20_000, &["failed CRC32C check"]);
}

/// A wrong checksum, and librdkafka comes to an offset that is nowhere: that is no log that was cut.
#[test]
fn fault_27_wrong_checksum_that_leads_nowhere() {
    let _turn = turn();
    let poisoned = Poisoned::new("nowhere", Poison::Fives, 20_000);
    poisoned.check_led_astray();
    let gate = Gate::start(&poisoned.scene.config());
    poisoned.wait_named(&gate, &["failed CRC32C check"]);
    poisoned.check_held(&gate);
    assert!(!gate.log().contains("offset_out_of_range"), "{}", gate.log());
    seen("27", &format!("Fives: held and named, peak {} MiB", gate.usage().peak_kib / 1024));
    poisoned.go_on(gate);
}

/// Bytes that are no gzip. librdkafka fetches them for ever.
#[test]
fn fault_27_garbage() {
    unreadable("garbage", Poison::Garbage, 20_000, &["Decompression (codec 0x1)"]);
}

/// Snappy that says it becomes 4 GiB: the room is reserved and never touched.
#[test]
fn fault_27_snappy_length() {
    unreadable("snappy", Poison::SnappyLength, 20_000, &["Decompression (codec 0x2)"]);
}

/// A bomb that is no fault: 1000 bytes for one. It is one record, which its outputs do not take; its partition is held for
/// that, and the process has grown by what the batch became and little more.
fn bomb(name: &str, kind: Poison, size: usize, zeros: usize) {
    let _turn = turn();
    let poisoned = Poisoned::new(name, kind, size);
    let gate = Gate::start(&poisoned.scene.config());
    let base = gate.usage().peak_kib / 1024;
    // It is read, its zeros name a schema that nobody knows, and as a dead letter it fits nowhere.
    // No alarm: how long that takes is how fast the machine unpacks and asks.
    wait_for("the partition to be held", 3 * ALARM, || {
        (status(&gate)["partitions"][0]["held"] == "oversize").then_some(())
    });
    poisoned.check_held(&gate);
    let (became, more) = (zeros >> 20, gate.usage().peak_kib / 1024 - base);
    seen("27", &format!("{name} of {} KiB that becomes {became} MiB: {more} MiB more at most", size >> 10));
    assert!(more < 3 * became as u64 + 200, "{more} MiB more for {became} MiB");
    poisoned.go_on(gate);
}

/// gzip that becomes much more than it was: the container has to have room for it, and the gate goes on.
#[test]
fn fault_27_gzip_bomb() {
    bomb("gzip", Poison::Gzip(150 << 20), 160 << 10, 150 << 20);
}

/// Within a third of `receive.message.max.bytes`, which librdkafka's growing buffer still reaches.
#[test]
fn fault_27_zstd_bomb() {
    bomb("zstd", Poison::Zstd(50 << 20), 20 << 10, 50 << 20);
}

/// zstd that becomes more than the receive limit, and such that becomes less, but more than a third of it: librdkafka's
/// buffer grows by three, and the next step would be beyond (librdkafka#5260). Both are named.
#[test]
fn fault_27_zstd_beyond_the_limit() {
    unreadable("zstd-far", Poison::Zstd(300 << 20), 20_000, &["Decompression (codec 0x4)"]);
    // Twice 24 KB and three times that, again and again: 105 MB, then 315 MB.
    unreadable("zstd-third", Poison::Zstd(150 << 20), 24_000, &["Decompression (codec 0x4)"]);
}

/// A broker that is away from the source's partitions is named while it is, though nothing is under way that could fail:
/// halted, it stays connected and answers nothing. `/livez` stays fine, and all goes on when it is back.
#[test]
fn fault_06_an_idle_gate_shows_that_its_brokers_are_away() {
    let _turn = turn();
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "away");
    let line = scene.add("orders", 2, common::traffic::Policy::default(), serde_json::json!({}));
    let mut traffic = line.traffic(seed());
    let config = scene.config().set("/kafka/statistics.interval.ms", 1000);
    let gate = Gate::start(&config);
    let mut sent = scene.send(&line, traffic.mixed(200, &Class::usual()));
    scene.wait_committed(&line, &sent);
    for how in ["halted", "killed"] {
        if how == "halted" {
            scene.kafka.halt()
        } else {
            scene.kafka.kill_node(1)
        }
        wait_for("the gate to say that its source is away", ALARM, || {
            let status = status(&gate);
            let causes = status["causes"].as_array()?.iter().any(|cause| cause == "source_unavailable");
            (causes && status["state"] == "degraded").then_some(())
        });
        let held = gate.metrics().sum("sluice_held_partitions", &[("cause", "source_unavailable")]);
        assert!(held > 0.5, "{how}: {held} held");
        assert_eq!(http::get(gate.admin(), "/livez").unwrap().status, 200, "{how}");
        if how == "halted" {
            scene.kafka.go_on()
        } else {
            scene.kafka.start_node(1)
        }
        wait_for("the gate to be well", ALARM, || (status(&gate)["causes"] == serde_json::json!([])).then_some(()));
        let more = scene.send(&line, traffic.mixed(200, &Class::usual()));
        scene.wait_committed(&line, &more);
        sent.extend(more);
        println!("fault 6: brokers {how}: shown and over");
    }
    scene.verify(&line, &sent, Some(&gate));
}
