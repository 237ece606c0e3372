//! A million records through one gate, beside a plain copy of the same topic by rdkafka (`examples/passthrough.rs`).
//!
//! Both are processes of their own with the same settings of their clients, measured from outside in the same way: the
//! offsets that the group has committed say how many records are done, `/proc` says what they took. They take turns,
//! each time with a fresh group and fresh outputs, since the machine is never the same twice: the ratio counts, the
//! figures alone do not. Rates are from the first to the last commit, so the start of a group is not in them.
//!
//! In the same way a migration job that converts each record by schema resolution stands beside a gate that checks it;
//! there the ends of the target say how many records are done. `SLUICE_TEST_RECORDS` takes another number than a million.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may, and this one prints figures")]

mod common;

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use common::fault::say;
use common::gate::{Config, Gate, binary};
use common::kafka::{Cluster, Hold};
use common::process::{Process, Usage};
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Policy, Sent};
use common::{long, seed};
use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use serde_json::json;
use sluice::violation::ReasonCode;

const RECORDS: usize = 1_000_000;
const PARTITIONS: i32 = 4;
const VALUE_BYTES: usize = 1_024;
const DAMAGED: f64 = 0.01;
const ROUNDS: usize = 3;
/// How many lanes the jobs have.
const LANES: [&str; 3] = ["1", "2", "4"];
/// How often the group is asked how far it is.
const LOOK: Duration = Duration::from_millis(10);
/// For one run, on a machine that does much else.
const LIMIT: Duration = Duration::from_secs(300);

#[test]
fn a_million_records() {
    if !long() {
        say("not run: needs SLUICE_TEST_LONG=1, see make test-long");
        return;
    }
    let mut scene = Scene::on(Hold::Own(Cluster::start_for_load()), "million");
    let orders = scene.add("orders", PARTITIONS, Policy::default(), json!({}));
    let sent = fill(&scene, &orders, seed());
    let mut gates = Vec::new();
    let mut copies = Vec::new();
    for round in 1..=ROUNDS {
        let line = scene.replace(&orders, &format!("gate-{round}"));
        gates.push(measure_gate(&scene, &line, &sent));
        let line = scene.replace(&orders, &format!("copy-{round}"));
        copies.push(measure_copy(&scene, &line));
    }
    print(&gates, &copies);
}

#[test]
fn a_million_records_converted_by_a_job() {
    if !long() {
        say("not run: needs SLUICE_TEST_LONG=1, see make test-long");
        return;
    }
    let records: usize = std::env::var("SLUICE_TEST_RECORDS").map_or(RECORDS, |count| count.parse().unwrap());
    let mut scene = Scene::on(Hold::Own(Cluster::start_for_load()), "job");
    let orders = scene.add("orders", PARTITIONS, Policy::default(), json!({}));
    let mut traffic = orders.traffic(seed()).of_size(VALUE_BYTES);
    let planned = (0..records).map(|_| traffic.record(Class::Order(Version::V1))).collect();
    scene.send(&orders, planned);
    let (mut gates, mut jobs) = (Vec::new(), [const { Vec::new() }; 3]);
    for round in 1..=ROUNDS {
        let line = scene.replace(&orders, &format!("gate-{round}"));
        let gate = Gate::start(&settings(&scene));
        gates.push(measure_ends(&scene, &line.outputs.validated, records, || gate.usage()));
        gate.stop(Duration::from_secs(20));
        for (lanes, figures) in LANES.iter().zip(&mut jobs) {
            let line = scene.replace(&orders, &format!("job-{round}-{lanes}"));
            figures.push(measure_job(&scene, &line, lanes, records));
        }
    }
    println!("{records} records of {VALUE_BYTES} B, {PARTITIONS} partitions, exactly-once at 250 ms");
    println!("{:14} {:>10} {:>14} {:>9}", "", "records/s", "CPU µs/record", "peak MB");
    gates.iter().for_each(|figures| row("gate", figures));
    let gate = medians(&gates);
    row("gate, median", &gate);
    for (lanes, figures) in LANES.iter().zip(&jobs) {
        figures.iter().for_each(|figures| row(&format!("job, lanes: {lanes}"), figures));
        let job = medians(figures);
        row("median", &job);
        let ratio = job.records_per_second / gate.records_per_second;
        println!("with lanes: {lanes}, a job has {ratio:.2} of the gate's rate");
    }
}

fn measure_job(scene: &Scene, line: &Line, lanes: &str, records: usize) -> Figures {
    let folder = tempfile::Builder::new().prefix("sluice-job-").tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    let job = json!({
        "source": line.source,
        "to": line.outputs.validated,
        "dead_letter": line.outputs.dead_letter,
        "value": { "subject": format!("{}-value", line.source), "target": 2 },
    });
    let config = settings(scene).without("", "gates").set("/migrations", json!({ line.gate.clone(): job }));
    std::fs::write(&file, config.0.to_string()).unwrap();
    let mut command = Command::new(binary());
    command.args(["migrate", "run", "--follow", "--lanes", lanes, "--config"]).arg(file);
    let job = Process::start("sluice", command, folder);
    measure_ends(scene, &line.outputs.validated, records, || job.usage())
}

/// Follows a process until a topic has all records.
fn measure_ends(scene: &Scene, topic: &str, records: usize, usage: impl Fn() -> Usage) -> Figures {
    let mut config = scene.kafka.client();
    config.set("group.id", "nobody").set("isolation.level", "read_committed");
    let client: BaseConsumer = config.create().unwrap();
    let done = || {
        let end = |partition| client.fetch_watermarks(topic, partition, Duration::from_secs(20)).unwrap().1;
        (0..PARTITIONS).map(end).sum()
    };
    measure_by(done, records, usage)
}

/// Writes the records to the source: orders of two versions that the target reads, a hundredth of it damaged.
fn fill(scene: &Scene, line: &Line, seed: u64) -> Vec<Sent> {
    // An order nested beyond the limit is far larger than the rest; `flow.rs` has it.
    let is_small = |class: &Class| *class != Class::Damaged(ReasonCode::TooDeep);
    let is_good = |class: &Class| class.expected(&Policy::default()).reason.is_none();
    let damage: Vec<_> = Class::usual().into_iter().filter(|class| is_small(class) && !is_good(class)).collect();
    let mut random = StdRng::seed_from_u64(seed);
    let mut traffic = line.traffic(seed).of_size(VALUE_BYTES);
    let planned = (0..RECORDS).map(|_| {
        let class = match random.random_bool(DAMAGED) {
            true => *damage.choose(&mut random).unwrap(),
            false => Class::Order(*[Version::V1, Version::V2].choose(&mut random).unwrap()),
        };
        traffic.record(class)
    });
    scene.send(line, planned.collect())
}

/// What one run took.
#[derive(Debug, Clone, Copy)]
struct Figures {
    records_per_second: f64,
    cpu_micros_per_record: f64,
    peak_megabytes: f64,
}

fn measure_gate(scene: &Scene, line: &Line, sent: &[Sent]) -> Figures {
    let gate = Gate::start(&settings(scene));
    let figures = measure(scene, line, || gate.usage());
    scene.verify(line, sent, Some(&gate));
    let (status, log) = gate.stop(Duration::from_secs(20));
    assert!(status.success(), "{log}");
    figures
}

fn measure_copy(scene: &Scene, line: &Line) -> Figures {
    let folder = tempfile::Builder::new().prefix("sluice-passthrough-").tempdir().unwrap();
    let file = folder.path().join("sluice.yaml");
    std::fs::write(&file, settings(scene).0.to_string()).unwrap();
    let program = passthrough();
    let mut command = Command::new(&program);
    command.arg(file);
    let copy = Process::start("passthrough", command, folder);
    let figures = measure(scene, line, || copy.usage());
    let copied: i64 = scene.kafka.ends(&line.outputs.validated, "read_committed").values().sum();
    assert!(copied >= RECORDS.try_into().unwrap(), "only {copied} records were copied");
    figures
}

/// The settings that the figures are for; the short timeouts of other tests would be of no use here.
fn settings(scene: &Scene) -> Config {
    scene.config().set("/commit_interval", "250ms").set("/kafka/transaction.timeout.ms", "15000")
}

/// Returns the plain copy, which Cargo builds beside the program.
fn passthrough() -> PathBuf {
    let program = binary().with_file_name("examples").join("passthrough");
    assert!(program.exists(), "there is no {}: cargo build --example passthrough", program.display());
    program
}

/// Follows a process that works for the group of this line until all records are committed.
fn measure(scene: &Scene, line: &Line, usage: impl Fn() -> Usage) -> Figures {
    let group = Group::of(scene, line);
    measure_by(|| group.committed(), RECORDS, usage)
}

fn measure_by(done: impl Fn() -> i64, records: usize, usage: impl Fn() -> Usage) -> Figures {
    let start = Instant::now();
    let reach = |records: i64| loop {
        let committed = done();
        if committed >= records {
            return (committed, Instant::now(), usage());
        }
        assert!(start.elapsed() < LIMIT, "{committed} records are committed after {LIMIT:?}");
        std::thread::sleep(LOOK);
    };
    let (before, begun, first) = reach(1);
    let (all, ended, last) = reach(records.try_into().unwrap());
    #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
    let (records, peak) = ((all - before) as f64, last.peak_kib as f64);
    Figures {
        records_per_second: records / (ended - begun).as_secs_f64(),
        cpu_micros_per_record: (last.cpu - first.cpu).as_secs_f64() * 1e6 / records,
        peak_megabytes: peak * 1024.0 / 1e6,
    }
}

/// A group that is asked again and again.
struct Group {
    client: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Group {
    fn of(scene: &Scene, line: &Line) -> Self {
        let mut config = scene.kafka.client();
        // With `read_committed` the answer would wait for offsets of open transactions.
        config.set("group.id", scene.group(line)).set("isolation.level", "read_uncommitted");
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&line.source, 0, line.partitions - 1);
        Self { client: config.create().unwrap(), partitions }
    }

    /// Returns how many records are done, all partitions together.
    fn committed(&self) -> i64 {
        let answer = self.client.committed_offsets(self.partitions.clone(), Duration::from_secs(20)).unwrap();
        answer.elements().iter().filter_map(|element| element.offset().to_raw()).map(|offset| offset.max(0)).sum()
    }
}

fn print(gates: &[Figures], copies: &[Figures]) {
    println!("{RECORDS} records of {VALUE_BYTES} B, {PARTITIONS} partitions, exactly-once at 250 ms");
    println!("{:14} {:>10} {:>14} {:>9}", "", "records/s", "CPU µs/record", "peak MB");
    for (number, (gate, copy)) in gates.iter().zip(copies).enumerate() {
        row(&format!("gate {}", number + 1), gate);
        row(&format!("copy {}", number + 1), copy);
    }
    let (gate, copy) = (medians(gates), medians(copies));
    row("gate, median", &gate);
    row("copy, median", &copy);
    println!(
        "the gate has {:.2} of the copy's rate, takes {:.2} of its CPU and {:.2} of its memory",
        gate.records_per_second / copy.records_per_second,
        gate.cpu_micros_per_record / copy.cpu_micros_per_record,
        gate.peak_megabytes / copy.peak_megabytes
    );
}

fn row(name: &str, figures: &Figures) {
    let Figures { records_per_second, cpu_micros_per_record, peak_megabytes } = figures;
    println!("{name:14} {records_per_second:>10.0} {cpu_micros_per_record:>14.2} {peak_megabytes:>9.0}");
}

fn medians(figures: &[Figures]) -> Figures {
    let median = |of: fn(&Figures) -> f64| {
        let mut values: Vec<_> = figures.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        values[values.len() / 2]
    };
    Figures {
        records_per_second: median(|figures| figures.records_per_second),
        cpu_micros_per_record: median(|figures| figures.cpu_micros_per_record),
        peak_megabytes: median(|figures| figures.peak_megabytes),
    }
}
