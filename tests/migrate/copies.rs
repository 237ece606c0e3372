//! What is copied: everything, once, as it was, in its order; whatever kills the job.

use std::collections::BTreeMap;
use std::time::Duration;

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use super::common::client::{Content, Read};
use super::common::kafka::{Cluster, Hold, shared};
use super::common::{long, seed, unique, wait_for};
use super::cut_overs::{commit, committed};
use super::job::Job;
use super::source::{Transactional, fill, fill_with_transactions};

/// Returns what a topic holds, partition by partition, in order.
pub(crate) fn held(cluster: &Cluster, topic: &str) -> Vec<Vec<Content>> {
    let partitions = usize::try_from(cluster.partitions(topic).unwrap()).unwrap();
    let mut held = vec![Vec::new(); partitions];
    for read in cluster.read(&[topic]) {
        held[usize::try_from(read.partition).unwrap()].push(read.content);
    }
    held
}

/// Checks that the target holds what the source holds, each record once.
pub(crate) fn assert_copied(cluster: &Cluster, job: &Job) -> usize {
    let (source, target) = (held(cluster, &job.source), held(cluster, &job.to));
    let counts = |held: &[Vec<Content>]| held.iter().map(Vec::len).collect::<Vec<_>>();
    assert_eq!(counts(&source), counts(&target));
    for (source, target) in source.iter().flatten().zip(target.iter().flatten()) {
        assert_eq!(source, target, "contents or order differ");
    }
    source.iter().map(Vec::len).sum()
}

#[test]
fn a_topic_is_copied_as_it_is() {
    let cluster = shared();
    let source = cluster.topic("copied", 4, &[("compression.type", "zstd")]);
    fill_with_transactions(&cluster, &source, seed(), 2_000);
    let job = Job::new(&cluster, &source).set("/log", json!({ "level": "debug" })).set("/kafka/debug", "msg");
    let ended = job.ask(&["run"]);
    let said = ended.json();
    let count = assert_copied(&cluster, &job);
    assert_eq!((said["copied"].as_u64(), said["done"].as_bool()), (Some(count as u64), Some(true)), "{said}");
    assert_eq!(cluster.topic_setting(&format!("{}.map", job.name()), "cleanup.policy").as_deref(), Some("compact"));
    assert_eq!(cluster.topic_setting(&format!("{}.state", job.name()), "cleanup.policy").as_deref(), Some("compact"));
    // By the target's own codec, so that brokers need not compress anew.
    let is_of_target = |line: &&str| line.contains("Produce MessageSet") && line.contains(&format!("{} [", job.to));
    let sent: Vec<&str> = ended.err.lines().filter(is_of_target).collect();
    assert!(sent.iter().any(|line| line.contains("zstd")), "{sent:?}");
    assert!(!sent.iter().any(|line| line.contains("lz4")), "{sent:?}");
    // Once more: nothing is left, and what comes later is the next end.
    assert_eq!(job.ask(&["run"]).json()["copied"], 0);
    fill(&cluster, &source, 7, 100);
    assert_eq!(job.ask(&["run", "copy"]).json()["copied"], 100);
    assert_eq!(assert_copied(&cluster, &job), count + 100);
}

#[test]
fn the_end_is_before_what_is_not_committed() {
    let cluster = shared();
    let source = cluster.topic("open", 2, &[]);
    fill(&cluster, &source, 1, 50);
    let transactional = Transactional::new(&cluster);
    transactional.open(&source, 0, 5);
    fill(&cluster, &source, 2, 50);
    let job = Job::new(&cluster, &source);
    let first = job.ask(&["run"]).json()["copied"].as_u64().unwrap();
    assert!((50..100).contains(&first), "{first}: behind an open transaction nothing is read");
    transactional.commit();
    job.ask(&["run"]).json();
    assert_eq!(assert_copied(&cluster, &job), 105);
}

#[test]
fn killed_at_each_step_it_copies_each_record_once() {
    const STEPS: [&str; 4] = ["after_produce", "before_offsets", "before_commit", "after_commit"];
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for round in 0..if long() { 20 } else { 3 } {
        let source = cluster.topic("killed", 3, &[]);
        fill_with_transactions(&cluster, &source, random.random(), 1_200);
        let job = Job::new(&cluster, &source);
        for step in STEPS {
            let nth = if step == "after_produce" { random.random_range(1..100) } else { random.random_range(1..3) };
            let order = format!("{step}={nth}:kill");
            println!("round {round}: {order}");
            // Slowly, so that there are more transactions than are let through here.
            job.start(&["run", "--lanes", "2", "--rate", "200"], &[("SLUICE_FAILPOINTS", &order)]).dies();
        }
        assert_eq!(job.ask(&["run"]).json()["done"], true);
        assert_copied(&cluster, &job);
    }
}

#[test]
fn killed_at_any_time_while_the_source_is_written_it_copies_each_record_once() {
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for _ in 0..if long() { 20 } else { 3 } {
        let source = cluster.topic("followed", 3, &[]);
        fill(&cluster, &source, random.random(), 1_000);
        let job = Job::new(&cluster, &source);
        for kill in 0..3 {
            let running = job.start(&["run", "--follow", "--rate", "600"], &[]);
            fill(&cluster, &source, random.random(), 200);
            std::thread::sleep(Duration::from_millis(random.random_range(200..1_500)));
            running.signal(if kill == 2 { "TERM" } else { "KILL" });
            let status = running.wait().status;
            assert_eq!(status.success(), kill == 2, "{status}");
        }
        assert_eq!(job.ask(&["run"]).json()["done"], true);
        assert_copied(&cluster, &job);
    }
}

#[test]
fn two_that_run_at_once_copy_no_record_twice() {
    let cluster = shared();
    let source = cluster.topic("twins", 2, &[]);
    fill(&cluster, &source, seed(), 1_000);
    let job = Job::new(&cluster, &source);
    let first = job.start(&["run", "--follow", "--rate", "200"], &[]);
    wait_for("the first to copy", Duration::from_secs(60), || {
        cluster.partitions(&job.to).filter(|_| !cluster.read(&[&job.to]).is_empty())
    });
    let second = job.start(&["run"], &[]);
    let second = second.wait();
    // It has ended already where it was the one that was told.
    first.try_signal("TERM");
    let first = first.wait();
    for ended in [&first, &second] {
        assert!(ended.status.success() || ended.err.contains("the job runs elsewhere too"), "{ended:?}");
    }
    job.ask(&["run"]).json();
    assert_copied(&cluster, &job);
}

#[test]
fn what_retention_deletes_ahead_stops_the_job() {
    let cluster = shared();
    let source = cluster.topic("retention", 1, &[]);
    fill(&cluster, &source, seed(), 400);
    let job = Job::new(&cluster, &source);
    let order = "before_commit=2:kill";
    job.start(&["run", "--rate", "60"], &[("SLUICE_FAILPOINTS", order)]).dies();
    cluster.delete_records(&source, 0, 390);
    let ended = job.ask(&["run"]);
    assert_eq!(ended.code(), 3, "{ended:?}");
    assert!(ended.err.contains("has lost the records from offset") && ended.err.contains("up to 390"), "{ended:?}");
}

/// The transaction, the checkpoint and the map are on the target's cluster, whose consumers the groups become.
#[test]
fn from_one_cluster_to_another_each_record_is_copied_once() {
    let (here, there) = (shared(), Hold::Own(Cluster::start()));
    let mut random = StdRng::seed_from_u64(seed());
    let source = here.topic("far", 3, &[]);
    fill_with_transactions(&here, &source, random.random(), 900);
    let target = serde_json::json!({ "kafka": {
        "bootstrap.servers": there.bootstrap(), "transaction.timeout.ms": "4000" } });
    // The topic keeps its name.
    let job =
        Job::new(&here, &source).set("/migrations/copy/target", target).set("/migrations/copy/to", source.clone());
    for step in ["after_produce", "before_commit", "after_commit"] {
        let order = format!("{step}={}:kill", random.random_range(1..3));
        job.start(&["run", "--lanes", "2", "--rate", "200"], &[("SLUICE_FAILPOINTS", &order)]).dies();
    }
    assert_eq!(job.ask(&["run"]).json()["done"], true);
    let (source_held, target_held) = (held(&here, &source), held(&there, &source));
    assert!(source_held == target_held && !source_held.concat().is_empty(), "contents or order differ");
    assert_eq!(here.partitions(&format!("{}.map", job.name())), None, "the map is with the target");
    assert_eq!(job.ask(&["verify"]).json()["counts"], serde_json::json!({}));
    let group = unique("far");
    let offsets = BTreeMap::from([(0, 10), (1, 0), (2, 100)]);
    commit(&here, &group, &source, &offsets);
    job.ask(&["cut-over", "--group", &group]).json();
    let count = |cluster: &Cluster, offsets: &BTreeMap<_, i64>| {
        let is_unread = |read: &Read| offsets.get(&read.partition).is_some_and(|next| read.offset >= *next);
        cluster.read(&[&source]).iter().filter(|read| is_unread(read)).count()
    };
    assert_eq!(count(&here, &offsets), count(&there, &committed(&there, &group, &source)));
}

/// A record takes longer by the rate than a transaction may last.
#[test]
fn a_slow_rate_copies_too() {
    let cluster = shared();
    let source = cluster.topic("slow", 4, &[]);
    fill(&cluster, &source, seed(), 12);
    let job = Job::new(&cluster, &source);
    let said = job.ask(&["run", "--lanes", "4", "--rate", "12"]).json();
    assert_eq!((said["done"].as_bool(), cluster.read(&[&job.to]).len()), (Some(true), 12), "{said}");
}
