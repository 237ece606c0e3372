//! Bounded memory: a gate never takes more than it has at rest and twice its budget, whatever is slow, large or held.
//!
//! Twice, because librdkafka keeps a few hundred bytes beside each record and counts none of them, because a fetch arrives
//! after the limit was looked at, and because an allocator does not give everything back. What a compressed batch becomes
//! has no limit at all (`poison.rs`).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::sync::Mutex;
use std::time::Duration;

use common::fault::say;
use common::gate::Gate;
use common::kafka::{Cluster, Hold};
use common::registry::Registry;
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Planned, Policy, by_id};
use common::{long, seed, wait_for};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer as _, ThreadedProducer};
use serde_json::json;

const MIB: u64 = 1 << 20;
/// What is allowed beyond the process at rest, of the budget.
const FACTOR: u64 = 2;

/// What a process of a dozen gates takes at rest at most.
const AT_REST: u64 = 40;

/// Gates are measured one at a time.
fn turn() -> std::sync::MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// A gate and its size at rest, in KiB.
struct Measured {
    gate: Gate,
    base: u64,
    budget: u64,
}

impl Measured {
    fn start(scene: &Scene, budget: u64) -> Self {
        let gate = Gate::start(&scene.config().set("/memory", format!("{budget}MiB")));
        // Where records wait already it has begun to work by now.
        let base = gate.usage().peak_kib.min(AT_REST * MIB / 1024);
        Self { gate, base, budget: budget * MIB / 1024 }
    }

    /// The largest size so far must be within the budget.
    fn check(&self, what: &str) {
        let peak = self.gate.usage().peak_kib;
        let (more, factor) = ((peak - self.base) / 1024, (peak - self.base) as f64 / self.budget as f64);
        let (base, budget) = (self.base / 1024, self.budget / 1024);
        println!(
            "memory: {what}: {base} MiB at rest, {more} MiB more at most, {factor:.2} of the budget of {budget} MiB"
        );
        assert!(peak <= self.base + FACTOR * self.budget, "{what}: {factor:.2} of the budget");
    }
}

/// One good record of that size, over and over, evenly over the partitions.
fn large(line: &Line, size: usize, count: i32) -> Vec<Planned> {
    let one = line.traffic(seed()).record(Class::Padded(size));
    let at = |number: i32| {
        let mut record = one.clone();
        record.partition = number % line.partitions;
        record.content.timestamp += i64::from(number);
        record
    };
    (0..count).map(at).collect()
}

/// 64 partitions with records of 1 MB, and a broker that stands still in the middle (fault 16).
#[test]
fn fault_16_large_records_and_a_slow_broker() {
    let _turn = turn();
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "large");
    let line = scene.add("orders", 64, Policy::default(), json!({}));
    let records = large(&line, 900_000, if long() { 2_000 } else { 300 });
    let sent = scene.send(&line, records);
    let measured = Measured::start(&scene, 64);
    wait_for("some records to be through", Duration::from_secs(60), || {
        (measured.gate.records("orders").values().sum::<u64>() > 20).then_some(())
    });
    scene.kafka.halt();
    std::thread::sleep(Duration::from_secs(if long() { 60 } else { 5 }));
    scene.kafka.go_on();
    scene.wait_committed(&line, &sent);
    measured.check("64 partitions of 1 MB records, broker halted");
}

/// A partition that is held for an unknown schema, with a backlog behind it that is many times the budget.
#[test]
fn a_held_partition_with_a_backlog() {
    let _turn = turn();
    let mut scene = Scene::empty("held");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    let mut traffic = line.traffic(seed());
    let unknown = traffic.on_partition(0, 1, &[Class::UnknownSchema]);
    scene.send(&line, unknown);
    scene.send(&line, large(&line, 100_000, 1_500));
    let time = Duration::from_secs(if long() { 300 } else { 10 });
    let hold = json!({ "grace": "30m", "max_hold": "30m" });
    let gate = scene.config().set("/registry/unknown_schema", hold).set("/memory", "32MiB");
    let gate = Gate::start(&gate);
    let measured = Measured { base: gate.usage().peak_kib, gate, budget: 32 * 1024 };
    wait_for("the other partition to be through", Duration::from_secs(60), || {
        (measured.gate.records("orders").values().sum::<u64>() >= 750).then_some(())
    });
    let held = || measured.gate.metrics().sum("sluice_held_partitions", &[("cause", "unknown_schema")]);
    assert!((held() - 1.0).abs() < f64::EPSILON, "partition 0 is held");
    std::thread::sleep(time);
    assert!((held() - 1.0).abs() < f64::EPSILON, "and still is");
    measured.check("a held partition with a backlog of 75 MB");
}

/// Small records that compress well: what arrives is a small part of what it becomes, and librdkafka's own bytes beside a
/// record are more than the record.
#[test]
fn small_records_that_compress_well() {
    let _turn = turn();
    let mut scene = Scene::empty("small");
    let line = scene.add("orders", 8, Policy::default(), json!({}));
    let mut traffic = line.traffic(seed()).of_size(100);
    let values: Vec<_> = (0..5_000).map(|_| traffic.record(Class::Order(Version::V2)).content.value.unwrap()).collect();
    let mut config = scene.kafka.client();
    config.set("compression.type", "zstd").set("linger.ms", "50").set("batch.num.messages", "100000");
    config.set("queue.buffering.max.messages", "200000");
    let producer: ThreadedProducer<DefaultProducerContext> = config.create().unwrap();
    let count = if long() { 10_000_000 } else { 1_000_000 };
    for (number, value) in (0..count).zip(values.iter().cycle()) {
        let mut one = BaseRecord::<(), _>::to(&line.source).partition(number % 8).payload(value);
        while let Err((_, back)) = producer.send(one) {
            one = back;
            std::thread::sleep(Duration::from_millis(5));
        }
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    let measured = Measured::start(&scene, 64);
    wait_for("all records to be through", Duration::from_secs(180), || {
        let done = measured.gate.records("orders").values().sum::<u64>();
        (done >= u64::try_from(count).unwrap()).then_some(())
    });
    measured.check("a backlog of small records that compress well");
}

/// Many gates in one process: the budget is that of the process.
#[test]
fn many_gates_in_one_process() {
    let _turn = turn();
    let mut scene = Scene::empty("many");
    let lines: Vec<_> =
        (0..12).map(|number| scene.add(&format!("gate-{number}"), 1, Policy::default(), json!({}))).collect();
    let measured = Measured::start(&scene, 96);
    let sent: Vec<_> = lines.iter().map(|line| scene.send(line, large(line, 100_000, 150))).collect();
    for (line, sent) in lines.iter().zip(&sent) {
        scene.wait_committed(line, sent);
    }
    measured.check("12 gates");
}

/// Many schemas in use, one record of each: 10,000 in the long form, since the registry is asked 500 questions a second.
#[test]
fn thousands_of_schemas() {
    let _turn = turn();
    let mut scene = Scene::empty("schemas");
    let fields: Vec<_> = (0..20).map(|number| json!({ "name": format!("field_{number}"), "type": "long" })).collect();
    let text = |id: i32| json!({ "type": "record", "name": format!("Order{id}"), "fields": fields }).to_string();
    let ids = 1..=if long() { 10_000 } else { 1_000 };
    let subject = format!("{}.orders.raw-value", scene.application);
    scene.registry = Registry::with_versions(&subject, ids.clone().map(text));
    let line = scene.add("orders", 2, Policy::ANY_TARGET, json!({}));
    let measured = Measured::start(&scene, 64);
    let mut traffic = line.traffic(seed());
    let of_schema = |id: i32| {
        let mut record = traffic.record(Class::Order(Version::V2));
        record.content.value = Some(by_id(id, &[0; 20]));
        record
    };
    let sent = scene.send(&line, ids.clone().map(of_schema).collect());
    scene.wait_committed_within(&line, &sent, Duration::from_secs(300));
    scene.verify(&line, &sent, Some(&measured.gate));
    measured.check(&format!("{} schemas", ids.count()));
}

/// What a gate takes while nothing comes, and how soon after it has its partitions the first record is out.
#[test]
fn at_rest_and_at_once() {
    let _turn = turn();
    let mut scene = Scene::empty("rest");
    let line = scene.add("orders", 4, Policy::default(), json!({}));
    scene.kafka.set_topic(&line.outputs.validated, "message.timestamp.type", "LogAppendTime");
    let sent = scene.send(&line, line.traffic(seed()).on_partition(0, 100, &[Class::Order(Version::V2)]));
    let gate = Gate::start(&scene.config().set("/commit_interval", "250ms"));
    scene.wait_committed(&line, &sent);
    let first = scene.kafka.read(&[&line.outputs.validated]).iter().map(|read| read.content.timestamp).min().unwrap();
    let took = first - assigned(&gate.log());
    println!("start: the first record is out {took} ms after the partitions are there");
    assert!((-1..60_000).contains(&took), "{took} ms");
    let (resident, threads) = (gate.held().resident_kib / 1024, gate.held().threads);
    println!("memory: a gate of 4 partitions at rest: {resident} MiB, {threads} threads");
    // A debug build, with its larger code, may take twice that.
    assert!(resident <= 2 * AT_REST, "{resident} MiB at rest");
}

/// A gate of a thousand partitions, at rest and after a record in each.
#[test]
fn a_thousand_partitions() {
    let _turn = turn();
    if !long() {
        say("not run: needs SLUICE_TEST_LONG=1, see make test-long");
        return;
    }
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "wide");
    let line = scene.add("orders", 1_000, Policy::default(), json!({}));
    let measured = Measured::start(&scene, 256);
    wait_for("the partitions", Duration::from_secs(60), || {
        measured.gate.log().contains("partitions assigned").then_some(())
    });
    println!("memory: a gate of 1,000 partitions at rest: {} MiB", measured.gate.held().resident_kib / 1024);
    let sent = scene.send(&line, large(&line, 1_000, 100_000));
    scene.wait_committed_within(&line, &sent, Duration::from_secs(300));
    measured.check("1,000 partitions, 100 records of 1 KB in each");
}

/// Returns when a gate was given partitions, in milliseconds since 1970-01-01 UTC.
fn assigned(log: &str) -> i64 {
    let line = log.lines().find(|line| line.contains("partitions assigned")).unwrap();
    let time = line.split_whitespace().next().unwrap().parse::<humantime::Timestamp>().unwrap();
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}
