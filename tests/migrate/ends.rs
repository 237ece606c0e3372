//! What is said of a job: by `verify`, which finds every damage, by `status`, and what `abandon` leaves.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::common::client::Content;
use super::common::kafka::{Cluster, shared};
use super::common::{seed, unique, wait_for};
use super::copies::held;
use super::cut_overs::commit;
use super::job::Job;
use super::source::{contents, fill, fill_with_transactions};

/// Writes a record of the map, as only somebody can who errs.
fn write_map(cluster: &Cluster, job: &Job, key: &str, value: &[u8]) {
    let producer: BaseProducer = cluster.client().create().unwrap();
    let topic = format!("{}.map", job.name());
    producer.send(BaseRecord::to(&topic).partition(0).key(key).payload(value)).unwrap();
    producer.flush(Duration::from_secs(30)).unwrap();
}

#[test]
fn a_copy_is_the_same_until_somebody_touches_it() {
    let cluster = shared();
    let source = cluster.topic("verified", 2, &[]);
    fill_with_transactions(&cluster, &source, seed(), 800);
    let job = Job::new(&cluster, &source);
    job.ask(&["run"]).json();
    let count: usize = held(&cluster, &source).iter().map(Vec::len).sum();
    let same = job.ask(&["verify"]).json();
    assert_eq!(
        (same["compared"].as_u64(), same["counts"].as_object().unwrap().len()),
        (Some(count as u64), 0),
        "{same}"
    );
    assert_eq!(same["untimed"], 0, "{same}");
    let sample = job.ask(&["verify", "--sample", "5"]).json();
    let (compared, left_out) = (sample["compared"].as_u64().unwrap(), sample["left_out"].as_u64().unwrap());
    assert!(compared + left_out == count as u64 && compared > 0 && left_out > compared, "{sample}");
    // A record of somebody else.
    let foreign = contents(4, 1);
    let offset = cluster.writer().write(&job.to, [(1, &foreign[0])], || {})[0];
    let ended = job.ask(&["verify"]);
    let found = ended.any_json();
    assert_eq!(ended.code(), 1, "{found}");
    let expected = serde_json::json!([{ "kind": "foreign", "source": null, "target": [1, offset] }]);
    assert_eq!(found["differences"], expected, "{found}");
}

#[test]
fn a_map_that_errs_is_found() {
    let cluster = shared();
    let source = cluster.topic("wrong", 1, &[]);
    fill(&cluster, &source, seed(), 10);
    // One transaction, so that the map has one record.
    let job = Job::new(&cluster, &source).set("/commit_interval", "20s").set("/kafka/transaction.timeout.ms", "60000");
    job.ask(&["run"]).json();
    // Version 1, at source offset 0 of partition 0: to partition 0, offset 1, nine records.
    write_map(&cluster, &job, "0/0", &[1, 0, 0, 1, 9]);
    let found = job.ask(&["verify"]).any_json();
    let counts = &found["counts"];
    assert_eq!(
        (counts["content"].as_u64(), counts["missing"].as_u64(), counts["foreign"].as_u64()),
        (Some(9), Some(1), Some(1)),
        "{found}"
    );
    write_map(&cluster, &job, "0/0", &[1, 0, 0, 0, 9]);
    let found = job.ask(&["verify"]).any_json();
    assert_eq!(found["counts"], serde_json::json!({ "missing": 1, "foreign": 1 }), "{found}");
    assert_eq!(found["differences"][0]["source"], serde_json::json!([0, 9]));
    write_map(&cluster, &job, "0/0", &[1, 0, 0, 0, 12]);
    write_map(&cluster, &job, "nonsense", b"");
    let ended = job.ask(&["verify"]);
    assert!(ended.code() == 3 && ended.err.contains("holds a record that is none: key 'nonsense'"), "{ended:?}");
}

#[test]
fn how_far_a_job_is_stands_in_kafka() {
    let cluster = shared();
    let source = cluster.topic("status", 2, &[]);
    fill(&cluster, &source, seed(), 300);
    let job = Job::new(&cluster, &source);
    let early = job.ask(&["status"]);
    assert!(early.code() == 2 && early.err.contains("has not begun"), "{early:?}");
    job.start(&["run", "--rate", "60"], &[("SLUICE_FAILPOINTS", "before_commit=3:kill")]).dies();
    let status = job.ask(&["status"]).json();
    let copied = status["copied"].as_u64().unwrap();
    assert!(status["done"] == false && copied < 300, "{status}");
    job.ask(&["run"]).json();
    let status = wait_for("the last commit to show", Duration::from_secs(30), || {
        Some(job.ask(&["status"]).json()).filter(|status| status["done"] == true)
    });
    assert_eq!(status["copied"], 300, "{status}");
    let partitions = status["partitions"].as_object().unwrap();
    assert!(
        partitions.values().all(|found| found["next"] == found["end"] && found["end"] == found["source_end"]),
        "{status}"
    );
}

#[test]
fn an_abandoned_job_stops_wherever_it_runs_and_leaves_the_source() {
    let cluster = shared();
    let source = cluster.topic("abandoned", 2, &[]);
    fill(&cluster, &source, seed(), 2_000);
    let job = Job::new(&cluster, &source);
    let running = job.start(&["run", "--follow", "--rate", "200"], &[]);
    wait_for("the job to copy", Duration::from_secs(60), || {
        cluster.partitions(&job.to).filter(|_| !cluster.read(&[&job.to]).is_empty())
    });
    let said = job.ask(&["abandon", "--keep-topics"]).json();
    assert_eq!(said["removed"].as_array().unwrap().len(), 0);
    let ended = running.wait();
    assert!(ended.code() == 3 && ended.err.contains("was abandoned"), "{ended:?}");
    let copied = cluster.read(&[&job.to]).len();
    let again = job.ask(&["run"]);
    assert!(again.code() == 3 && again.err.contains("was abandoned"), "{again:?}");
    assert_eq!(cluster.read(&[&job.to]).len(), copied);
    let said = job.ask(&["abandon"]).json();
    assert_eq!(said["removed"].as_array().unwrap().len(), 3, "{said}");
    wait_for("the topics to go", Duration::from_secs(60), || cluster.partitions(&job.to).is_none().then_some(()));
    assert_eq!(cluster.read(&[&source]).len(), 2_000);
}

#[test]
fn what_a_job_may_not_do_it_says() {
    let cluster = shared();
    let source = cluster.topic("refused", 3, &[]);
    let job = Job::new(&cluster, &source).set("/create_topics", false);
    let ended = job.ask(&["run"]);
    assert!(
        ended.code() == 2 && ended.err.contains("kafka-topics.sh") && ended.err.contains("--partitions 3"),
        "{ended:?}"
    );
    cluster.create_topic(&job.to, 2, &[]);
    let ended = job.ask(&["run"]);
    assert!(ended.code() == 2 && ended.err.contains("has 2 partitions and its source"), "{ended:?}");
    let job = job.set("/migrations/copy/repartition", "murmur2");
    job.ask(&["run", "--lanes", "2"]).json();
    let ended = job.ask(&["run", "--lanes", "3"]);
    assert!(ended.code() == 2 && ended.err.contains("began with so many lanes: 2"), "{ended:?}");
    let ended = job.ask(&["run", "another"]);
    assert!(ended.code() == 2 && ended.err.contains("'another' is no migration"), "{ended:?}");
}

#[test]
fn a_plan_says_what_is_there_and_a_run_is_held_to_it() {
    let cluster = shared();
    let source = cluster.topic("planned", 2, &[]);
    fill(&cluster, &source, seed(), 200);
    let framed = Content { key: None, value: Some(vec![0, 0, 0, 0, 7, 1]), headers: Vec::new(), timestamp: 1 };
    cluster.writer().write(&source, [(0, &framed), (1, &framed)], || {});
    let group = unique("planned");
    let job = Job::new(&cluster, &source).set("/migrations/copy/groups", vec![group.clone()]);
    // It has never committed the other partition.
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 1)]));
    let file = job.file("plan.json");
    let plan = job.ask(&["plan", "--whole", "--lanes", "1", "--write", &file]).json();
    assert_eq!(
        (plan["seen"]["records"].as_u64(), plan["seen"]["schemas"]["7"].as_u64()),
        (Some(202), Some(2)),
        "{plan}"
    );
    assert_eq!(
        (plan["groups"][&group]["lag"].as_i64(), plan["makes"].as_array().unwrap().len()),
        (Some(201), 3),
        "{plan}"
    );
    assert_eq!(cluster.partitions(&job.to), None, "a plan makes nothing");
    let sample = job.ask(&["plan", "--sample", "3"]).json();
    assert!(sample["seen"]["records"] == 6 && sample["seen"]["whole"] == false, "{sample}");
    // What is written after the plan is beyond it.
    fill(&cluster, &source, 8, 50);
    let said = job.ask(&["run", "--plan", &file]).json();
    assert_eq!((said["copied"].as_u64(), said["lanes"].as_u64()), (Some(202), Some(1)), "{said}");
    let again = job.ask(&["run", "--plan", &file]).json();
    assert_eq!((again["copied"].as_u64(), again["done"].as_bool()), (Some(0), Some(true)), "{again}");
    let late = job.ask(&["plan"]);
    assert!(late.code() == 2 && late.err.contains("has begun"), "{late:?}");
    // A plan that retention has overtaken.
    let other = Job::new(&cluster, &source);
    let file = other.file("plan.json");
    other.ask(&["plan", "--write", &file]).json();
    cluster.delete_records(&source, 1, 2);
    let held = other.ask(&["run", "--plan", &file]);
    assert!(
        held.code() == 2 && held.err.contains("partition 1 of") && held.err.contains("begins at 2 now"),
        "{held:?}"
    );
    // One of another job, one that the job has left behind, and one of a source that was made anew.
    let foreign = job.ask(&["run", "--plan", &file]);
    assert!(foreign.code() == 2 && foreign.err.contains("it is for job"), "{foreign:?}");
    job.ask(&["run"]).json();
    let passed = job.ask(&["run", "--plan", &job.file("plan.json")]);
    assert!(passed.code() == 2 && passed.err.contains("it ends elsewhere"), "{passed:?}");
    cluster.delete_topic(&source);
    cluster.create_topic(&source, 2, &[]);
    let anew = other.ask(&["run", "--plan", &file]);
    assert!(anew.code() == 2 && anew.err.contains("the source is another one"), "{anew:?}");
}
