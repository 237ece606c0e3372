//! The way back of a group that has read records born on the target: by the map of the converter that carries them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value, json};
use sluice::migrate::offsets::{Piece, Topics};

use super::common::client::Content;
use super::common::gate::Gate;
use super::common::kafka::{Cluster, shared};
use super::common::registry::Registry;
use super::common::schemas::zigzag;
use super::common::traffic::by_id;
use super::common::{unique, wait_for};
use super::cut_overs::{commit, committed};
use super::job::Job;

const V1: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"}]}"#;
const V2: &str =
    r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"n","type":"int","default":0}]}"#;

/// Writes records of a schema with these numbers to one partition; the number is the time, too.
fn write(cluster: &Cluster, topic: &str, partition: i32, (id, rest): (i32, &[u8]), numbers: std::ops::Range<i64>) {
    let content = |number: i64| Content {
        key: Some(number.to_string().into_bytes()),
        value: Some(by_id(id, &[&zigzag(number), rest].concat())),
        headers: Vec::new(),
        timestamp: 1_750_000_000_000 + number,
    };
    let contents: Vec<_> = numbers.map(content).collect();
    cluster.writer().write(topic, contents.iter().map(|content| (partition, content)), || {});
}

/// Returns the times of the records of a partition from an offset on.
fn times(cluster: &Cluster, topic: &str, partition: i32, from: i64) -> Vec<i64> {
    let read = cluster.read(&[topic]).into_iter();
    let of = read.filter(|read| read.partition == partition && read.offset >= from);
    of.map(|read| read.content.timestamp - 1_750_000_000_000).collect()
}

fn wait_records(cluster: &Cluster, topic: &str, count: usize) {
    let limit = Duration::from_secs(90);
    wait_for("the converter", limit, || (cluster.read(&[topic]).len() == count).then_some(()));
}

/// Waits until `/status` of a process shows its jobs as they should be; the first look has the cluster asked.
fn wait_jobs(gate: &Gate, is_it: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    wait_for("the jobs of the configuration", Duration::from_secs(90), || {
        let status: Value = serde_json::from_str(&gate.ask("/status")?.body).unwrap();
        let jobs = status["migrations"].as_array()?.clone();
        is_it(&jobs).then_some(jobs)
    })
}

/// Leaves what a converter of this name has carried between topics that had these names before.
fn leave_map_of_others(cluster: &Cluster, map: &str) {
    for (first, topics) in [(0, None), (1, Some(Topics::of("older", "old")))] {
        let mut piece = Piece::of(topics);
        (first..1_000).for_each(|offset| piece.push((1, offset), (1, offset)));
        let content = |(key, value)| Content { key: Some(key), value: Some(value), headers: Vec::new(), timestamp: 0 };
        let contents: Vec<_> = piece.records().into_iter().map(content).collect();
        cluster.writer().write(map, contents.iter().map(|content| (1, content)), || {});
    }
}

#[test]
fn a_group_goes_back_behind_the_born_records_that_it_has_read() {
    let (cluster, registry) = (shared(), Registry::start());
    let (old, new) = (registry.register("orders-value", V1), registry.register("orders-value", V2));
    let source = cluster.topic("way-back", 3, &[]);
    write(&cluster, &source, 0, (old, &[]), 0..30);
    write(&cluster, &source, 1, (old, &[]), 100..130);
    write(&cluster, &source, 2, (old, &[]), 200..210);
    let group = unique("way-back");
    let job = Job::new(&cluster, &source).set("/migrations/copy/groups", vec![group.clone()]);
    job.ask(&["run"]).json();
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 10), (1, 20)]));
    job.ask(&["cut-over"]).json();
    // Came after the copy, and is carried by nobody: no group reads it on the target.
    write(&cluster, &source, 2, (old, &[]), 210..211);

    let dead = unique("dead");
    let down = json!({
        "source": job.to, "to": source, "dead_letter": dead, "tombstones": "drop", "start": "latest", "offset_map": true,
        "value": { "subject": "orders-value", "target": 1 },
    });
    let job = job
        .set("/registry", json!({ "url": [registry.url()] }))
        .set("/kafka/session.timeout.ms", "6000")
        .set("/converters", json!({ "down": down }));
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2 && refused.err.contains("would copy again what it writes"), "{refused:?}");

    // The page of the process that carries them back shows the job, and one that has not begun.
    let later = json!({ "source": source, "to": unique("later") });
    let gate = Gate::start(&job.config().set("/migrations/later", later));
    write(&cluster, &job.to, 0, (new, &[4]), 30..50);
    write(&cluster, &job.to, 2, (new, &[4]), 211..216);
    wait_records(&cluster, &source, 96);
    let shown = wait_jobs(&gate, |jobs| jobs.iter().all(|job| job["state"] != "unknown"));
    let [moved, later] = &shown[..] else { panic!("{shown:?}") };
    assert_eq!((&moved["name"], &moved["source"], &moved["to"]), (&json!("copy"), &json!(source), &json!(job.to)));
    let counts = ["copied", "converted", "dead_letters", "left"].map(|name| moved[name].as_i64());
    assert_eq!((&moved["state"], counts), (&json!("done"), [Some(70), Some(0), Some(0), Some(0)]), "{moved}");
    assert_eq!(
        (&moved["share"], &moved["groups"][&group]),
        (&json!(1.0), &json!(true)),
        "it reads the target: {moved}"
    );
    assert!(moved["error"].is_null() && moved["quiet_seconds"].is_u64(), "{moved}");
    assert_eq!((&later["name"], &later["state"], &later["copied"]), (&json!("later"), &json!("not_begun"), &json!(0)));
    gate.kill();
    leave_map_of_others(&cluster, &format!("{}.down.map", job.application));
    write(&cluster, &job.to, 0, (new, &[4]), 50..60);
    write(&cluster, &job.to, 1, (new, &[4]), 130..140);
    // Three that are cut off, and a tombstone.
    write(&cluster, &job.to, 1, (new, &[]), 140..143);
    let tombstone =
        Content { key: Some(b"143".to_vec()), value: None, headers: Vec::new(), timestamp: 1_750_000_000_143 };
    cluster.writer().write(&job.to, [(1, &tombstone)], || {});
    // One that nobody has carried yet holds the group.
    let held = job.ask(&["cut-over", "--back"]);
    assert!(held.code() == 2 && held.err.contains("23 records were born on"), "{held:?}");
    assert!(held.err.contains("Neither the offset map nor the dead letters of converter 'down' tell"), "{held:?}");
    let gate = Gate::start(&job.config());
    wait_records(&cluster, &source, 116);
    wait_records(&cluster, &dead, 3);
    assert_eq!(
        cluster.topic_setting(&format!("{}.down.map", job.application), "cleanup.policy").as_deref(),
        Some("compact")
    );

    // Of partition 0 it reads all copies and 25 of the 30 that were born, of partition 1 five more copies, of partition 2
    // all copies and three that were born.
    let offset = |partition: i32, number: i64| {
        let read = cluster.read(&[&job.to]).into_iter();
        let mut of = read.filter(|read| read.content.timestamp == 1_750_000_000_000 + number);
        of.find(|read| read.partition == partition).unwrap().offset
    };
    commit(&cluster, &group, &job.to, &BTreeMap::from([(0, offset(0, 55)), (1, offset(1, 125)), (2, offset(2, 214))]));
    let said = job.ask(&["cut-over", "--back"]).json();
    assert_eq!(said["groups"][0]["left_out"], 4, "dead letters and a tombstone: {said}");
    let back = committed(&cluster, &group, &source);
    assert_eq!(times(&cluster, &source, 0, back[&0]), (55..60).collect::<Vec<_>>());
    assert_eq!(times(&cluster, &source, 1, back[&1]), (125..140).collect::<Vec<_>>());
    assert_eq!(times(&cluster, &source, 2, back[&2]), (210..216).collect::<Vec<_>>(), "nothing is skipped: {said}");
    let shown = wait_jobs(&gate, |jobs| jobs[0]["state"] != "unknown");
    assert_eq!(shown[0]["groups"][&group], false, "it is back: {shown:?}");
    let found = &said["groups"][0];
    assert_eq!((found["born"].as_u64(), found["again"].as_u64()), (Some(1), Some(3)), "{said}");
    let all: BTreeSet<i64> =
        [0, 1, 2].into_iter().flat_map(|partition| times(&cluster, &source, partition, 0)).collect();
    assert_eq!(all, (0..60).chain(100..140).chain(200..216).collect(), "each once: {all:?}");
    drop(gate);
}
