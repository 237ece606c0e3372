//! A load that goes on while a test does something else, and what of it a group has committed.
//!
//! Records are handed to the writer at a rate and acknowledged whenever the brokers can: a partition whose leader is away
//! does not stop the others, and an outage makes a backlog of bounded size. What was made, and where it stands, is known
//! at any moment.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::client::{Content, Read, TopicPartition, Writer};
use super::kafka::Cluster;
use super::scene::{Line, Scene};
use super::traffic::{Class, Planned, Sent, Traffic};

/// Records that may wait for their acknowledgement; beyond it the load waits too.
const OUTSTANDING: usize = 40_000;
/// Records that are made at once.
const CHUNK: usize = 50;
/// For the brokers to take what is under way once the load has ended.
const FLUSH: Duration = Duration::from_secs(120);

/// A load on the source of one gate.
pub(crate) struct Load {
    topic: String,
    writer: Writer,
    rate: u32,
    classes: Vec<Class>,
    traffic: Mutex<Traffic>,
    /// All that was made, in its order, with its offset once it is acknowledged.
    records: Mutex<Records>,
    end: AtomicBool,
    /// Where the source ended before.
    starts: BTreeMap<TopicPartition, i64>,
}

#[derive(Default)]
struct Records {
    planned: Vec<Planned>,
    offsets: Vec<Option<i64>>,
    acknowledged: usize,
}

/// Ends the load when it goes, a panic included: a scope waits for the thread that writes.
pub(crate) struct Ending<'l>(&'l Load);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.end.store(true, Ordering::Relaxed);
    }
}

impl Load {
    /// Makes a load of `rate` records per second; nothing is written yet.
    pub(crate) fn new(scene: &Scene, line: &Line, seed: u64, rate: u32) -> Self {
        Self {
            topic: line.source.clone(),
            writer: scene.kafka.writer(),
            rate,
            classes: Class::usual(),
            traffic: Mutex::new(line.traffic(seed)),
            records: Mutex::default(),
            end: AtomicBool::new(false),
            starts: scene.kafka.ends(&line.source, "read_uncommitted").into_iter().collect(),
        }
    }

    /// Takes the records from this source instead.
    pub(crate) fn of(self, traffic: Traffic) -> Self {
        Self { traffic: Mutex::new(traffic), ..self }
    }

    /// Makes only records of these classes.
    pub(crate) fn only(self, classes: &[Class]) -> Self {
        Self { classes: classes.to_vec(), ..self }
    }

    /// Writes until it is told to end.
    pub(crate) fn run(&self) {
        let start = Instant::now();
        while !self.end.load(Ordering::Relaxed) {
            let due = Duration::from_secs(1) * u32::try_from(self.made()).unwrap() / self.rate;
            if start.elapsed() < due || self.outstanding() > OUTSTANDING {
                std::thread::sleep(Duration::from_millis(5));
                continue;
            }
            let planned = self.traffic.lock().unwrap().mixed(CHUNK, &self.classes);
            let mut records = self.records.lock().unwrap();
            for record in planned {
                self.writer.send(&self.topic, record.partition, &record.content, records.planned.len());
                records.planned.push(record);
                records.offsets.push(None);
            }
        }
    }

    /// Returns what ends the load when it is dropped.
    pub(crate) fn ending(&self) -> Ending<'_> {
        Ending(self)
    }

    /// Returns how many records were made so far.
    pub(crate) fn made(&self) -> usize {
        self.records.lock().unwrap().planned.len()
    }

    /// Returns how many of them the brokers have.
    pub(crate) fn acknowledged(&self) -> usize {
        self.take_acks().acknowledged
    }

    fn outstanding(&self) -> usize {
        let records = self.take_acks();
        records.planned.len() - records.acknowledged
    }

    fn take_acks(&self) -> std::sync::MutexGuard<'_, Records> {
        let mut records = self.records.lock().unwrap();
        for (number, offset) in self.writer.take_acks() {
            assert!(records.offsets[number].replace(offset).is_none(), "record {number} was acknowledged twice");
            records.acknowledged += 1;
        }
        records
    }

    /// Returns the offsets after the first `count` records by partition, once all of them are acknowledged.
    pub(crate) fn ends(&self, count: usize) -> Option<BTreeMap<TopicPartition, i64>> {
        let records = self.take_acks();
        let mut ends = BTreeMap::new();
        for (planned, offset) in records.planned.iter().zip(&records.offsets).take(count) {
            let end = ends.entry(planned.partition).or_insert(0);
            *end = (*end).max((*offset)? + 1);
        }
        Some(ends.into_iter().map(|(partition, end)| ((self.topic.clone(), partition), end)).collect())
    }

    /// Waits until the brokers have all, and returns what stands in the source.
    pub(crate) fn finish(self, kafka: &Cluster) -> Vec<Sent> {
        self.writer.flush(FLUSH);
        drop(self.take_acks());
        let Self { topic, records, starts, .. } = self;
        let Records { planned, offsets, .. } = records.into_inner().unwrap();
        let place = |(record, offset): (Planned, Option<i64>)| Sent {
            source: (topic.clone(), record.partition),
            offset: offset.expect("all is acknowledged"),
            content: record.content,
            class: record.class,
            expected: record.expected,
        };
        let sent: Vec<_> = planned.into_iter().zip(offsets).map(place).collect();
        let ends: i64 = kafka.ends(&topic, "read_uncommitted").into_values().sum();
        let written = ends - starts.values().sum::<i64>();
        // A copy that a broker drops as older than its last five batches is acknowledged without an offset.
        if written == i64::try_from(sent.len()).unwrap() && sent.iter().all(|record| record.offset >= 0) {
            return sent;
        }
        as_it_stands(&sent, kafka.read_from(&[&topic], &starts))
    }
}

/// Returns the records as they stand in the source, some twice perhaps: a producer whose brokers all die gives up what it
/// knows of its sequence, and writes again what may have been written. To a gate they are records like any.
fn as_it_stands(sent: &[Sent], read: Vec<Read>) -> Vec<Sent> {
    let by_content: HashMap<&Content, &Sent> = sent.iter().map(|sent| (&sent.content, sent)).collect();
    let stands: Vec<_> =
        read.into_iter().map(|record| Sent { offset: record.offset, ..by_content[&record.content].clone() }).collect();
    let distinct: HashSet<&Content> = stands.iter().map(|record| &record.content).collect();
    assert_eq!(distinct.len(), sent.len(), "all that was acknowledged stands in the source");
    println!("the load's producer has written {} records again", stands.len() - sent.len());
    stands
}

/// The offsets that a group has committed, asked again and again.
pub(crate) struct Progress {
    client: BaseConsumer,
    partitions: TopicPartitionList,
}

impl Progress {
    /// Connects; the group is that of the gate.
    pub(crate) fn of(scene: &Scene, line: &Line) -> Self {
        let mut config = scene.kafka.client();
        // With `read_committed` the answer would wait for offsets of open transactions.
        config.set("group.id", scene.group(line)).set("isolation.level", "read_uncommitted");
        let mut partitions = TopicPartitionList::new();
        partitions.add_partition_range(&line.source, 0, line.partitions - 1);
        Self { client: config.create().unwrap(), partitions }
    }

    /// Returns the offsets of the *next* records by partition; empty while no coordinator answers.
    pub(crate) fn committed(&self) -> BTreeMap<TopicPartition, i64> {
        let answer = self.client.committed_offsets(self.partitions.clone(), Duration::from_secs(2));
        let Ok(answer) = answer else { return BTreeMap::new() };
        let is_whole = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| element.error().is_ok();
        let elements = answer.elements();
        let offset = |element: &rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element.offset() {
            rdkafka::Offset::Offset(offset) => Some(((element.topic().to_owned(), element.partition()), offset)),
            _ => None,
        };
        elements.iter().filter(|element| is_whole(element)).filter_map(offset).collect()
    }

    /// Tells whether all of this is committed.
    pub(crate) fn has(&self, ends: &BTreeMap<TopicPartition, i64>) -> bool {
        let committed = self.committed();
        ends.iter().all(|(place, end)| committed.get(place).is_some_and(|found| found >= end))
    }
}
