//! Sources as they are in life: plain and transactional records, aborted ones, tombstones, headers, null keys.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rand::rngs::StdRng;
use rand::seq::IndexedRandom as _;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::common::client::Content;
use super::common::kafka::Cluster;
use super::common::unique;

/// Returns a time of its own for each record, by which the tests tell them apart: some time in 2025.
fn time() -> i64 {
    static NEXT: AtomicI64 = AtomicI64::new(1_750_000_000_000);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Makes records of all shapes.
pub(crate) fn contents(seed: u64, count: usize) -> Vec<Content> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut content = |number: usize| {
        let key = random.random_bool(0.9).then(|| format!("key-{}", random.random_range(0..50)).into_bytes());
        let size = random.random_range(0..200);
        let value = random.random_bool(0.95).then(|| [number.to_string().into_bytes(), vec![b'v'; size]].concat());
        let names = ["a", "b", "a"];
        let headers = (0..random.random_range(0..3))
            .map(|_| ((*names.choose(&mut random).unwrap()).to_owned(), random.random_bool(0.7).then(|| vec![1, 0, 2])))
            .collect();
        Content { key, value, headers, timestamp: time() }
    };
    (0..count).map(&mut content).collect()
}

/// Writes records to a topic, round robin in runs of random length, and returns how many each partition got.
pub(crate) fn fill(cluster: &Cluster, topic: &str, seed: u64, count: usize) {
    let partitions = cluster.partitions(topic).unwrap();
    let mut random = StdRng::seed_from_u64(seed ^ 1);
    let contents = contents(seed, count);
    let mut partition = 0;
    let placed: Vec<_> = contents
        .iter()
        .map(|content| {
            if random.random_bool(0.3) {
                partition = random.random_range(0..partitions);
            }
            (partition, content)
        })
        .collect();
    cluster.writer().write(topic, placed, || {});
}

/// Writes transactions, some of which abort; the last one stays open where `stays_open` is set.
pub(crate) struct Transactional {
    producer: BaseProducer,
}

impl Transactional {
    pub(crate) fn new(cluster: &Cluster) -> Self {
        let mut config = cluster.client();
        config.set("transactional.id", unique("source")).set("transaction.timeout.ms", "600000");
        let producer: BaseProducer = config.create().unwrap();
        producer.init_transactions(Duration::from_secs(30)).unwrap();
        Self { producer }
    }

    /// Opens a transaction with so many records on this partition.
    pub(crate) fn open(&self, topic: &str, partition: i32, count: usize) {
        self.producer.begin_transaction().unwrap();
        for number in 0..count {
            let (key, value) = (format!("key-{}", number % 7), format!("transactional-{number}"));
            let record = BaseRecord::to(topic).partition(partition).key(&key).payload(&value).timestamp(time());
            self.producer.send(record).unwrap();
        }
        self.producer.flush(Duration::from_secs(30)).unwrap();
    }

    pub(crate) fn commit(&self) {
        #[allow(clippy::disallowed_methods, reason = "a test has the time")]
        self.producer.commit_transaction(Duration::from_secs(30)).unwrap();
    }

    pub(crate) fn abort(&self) {
        self.producer.abort_transaction(Duration::from_secs(30)).unwrap();
    }
}

/// Writes everything that a source may hold.
pub(crate) fn fill_with_transactions(cluster: &Cluster, topic: &str, seed: u64, count: usize) {
    let partitions = cluster.partitions(topic).unwrap();
    let transactional = Transactional::new(cluster);
    for round in 0..4 {
        fill(cluster, topic, seed + round, count / 4);
        for partition in 0..partitions {
            transactional.open(topic, partition, 3);
            if (partition + i32::try_from(round).unwrap()) % 2 == 0 {
                transactional.commit()
            } else {
                transactional.abort()
            }
        }
    }
}
