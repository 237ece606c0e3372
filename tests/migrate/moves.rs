//! Cut-overs when something else happens: a copy under way, kills, records of others, retention, a second time.

use std::collections::BTreeMap;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};

use super::common::kafka::{Cluster, shared};
use super::common::{seed, unique, wait_for};
use super::cut_overs::{commit, committed, content, parted};
use super::job::Job;
use super::source::{Transactional, contents, fill};

/// Writes records of others to one partition of the target.
fn bear(cluster: &Cluster, job: &Job, count: usize) {
    let records = contents(5, count);
    cluster.writer().write(&job.to, records.iter().map(|record| (0, record)), || {});
}

/// Plans a job that copies all in one transaction, so that the offsets of copies are known.
fn whole(cluster: &Cluster, source: &str) -> Job {
    Job::new(cluster, source).set("/commit_interval", "20s").set("/kafka/transaction.timeout.ms", "60000")
}

/// The copies of one lane lie open before those of another, which are committed, and are not in the map yet.
#[test]
fn a_place_is_found_when_nothing_before_it_is_under_way() {
    let cluster = shared();
    let source = cluster.topic("pending", 2, &[]);
    fill(&cluster, &source, seed(), 200);
    let job = Job::new(&cluster, &source)
        .set("/kafka/transaction.timeout.ms", "30000")
        .set("/migrations/copy/repartition", "murmur2")
        .set("/migrations/copy/partitions", 1);
    let order = "before_commit=1:sleep 12000";
    let running = job.start(&["run", "--lanes", "2"], &[("SLUICE_FAILPOINTS", order)]);
    let done = wait_for("one lane to have committed", Duration::from_secs(60), || {
        let ended = job.ask(&["status"]);
        let status = ended.status.success().then(|| ended.any_json())?;
        let is_done =
            |partition: &&str| status["partitions"][partition]["next"] == status["partitions"][partition]["end"];
        ["0", "1"].into_iter().find(is_done)?.parse::<i32>().ok()
    });
    let ends = cluster.ends(&source, "read_committed");
    let group = unique("pending");
    let read = BTreeMap::from([(done, ends[&(source.clone(), done)])]);
    commit(&cluster, &group, &source, &read);
    job.ask(&["cut-over", "--group", &group]).json();
    assert_eq!(running.wait().json()["done"], true);
    let (_, unread) = parted(&cluster, &source, &read);
    let (_, next) = parted(&cluster, &job.to, &committed(&cluster, &group, &job.to));
    let next: Vec<_> = next.iter().map(content).collect();
    let missed = unread.iter().filter(|read| !next.contains(&content(read))).count();
    assert_eq!(missed, 0, "of {} records that the group had not read", unread.len());
}

#[test]
fn what_a_killed_job_has_open_does_not_hold_up_a_group() {
    let cluster = shared();
    let source = cluster.topic("left", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source).set("/kafka/transaction.timeout.ms", "600000");
    job.ask(&["run"]).json();
    fill(&cluster, &source, 3, 100);
    job.start(&["run"], &[("SLUICE_FAILPOINTS", "before_commit=1:kill")]).dies();
    let group = unique("left");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 60)]));
    job.ask(&["cut-over", "--group", &group]).json();
    assert_eq!(committed(&cluster, &group, &job.to), BTreeMap::from([(0, 60)]));
}

#[test]
fn records_of_others_are_read_by_a_moved_group() {
    let cluster = shared();
    let source = cluster.topic("born", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source);
    job.ask(&["run"]).json();
    let others = Transactional::new(&cluster);
    others.open(&job.to, 0, 3);
    fill(&cluster, &source, 3, 50);
    job.ask(&["run"]).json();
    let group = unique("born");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 140)]));
    let held = job.ask(&["cut-over", "--group", &group]);
    assert!(held.code() == 3 && held.err.contains("none of the job's is open on"), "{held:?}");
    others.commit();
    let said = job.ask(&["cut-over", "--group", &group]).json();
    // 100 copies and a marker, then the three of somebody else.
    assert_eq!(committed(&cluster, &group, &job.to), BTreeMap::from([(0, 100)]), "{said}");
    let found = &said["groups"][0];
    assert_eq!((found["born"].as_u64(), found["again"].as_u64()), (Some(3), Some(40)), "{said}");
}

#[test]
fn a_group_that_was_moved_is_not_moved_again() {
    let cluster = shared();
    let source = cluster.topic("twice", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source);
    job.ask(&["run"]).json();
    let group = unique("twice");
    let arguments = ["cut-over", "--group", &group];
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 50)]));
    job.ask(&arguments).json();
    commit(&cluster, &group, &job.to, &BTreeMap::from([(0, 70)]));
    let again = job.ask(&arguments).json();
    assert_eq!(again["groups"][0]["already"], true, "{again}");
    assert_eq!(committed(&cluster, &group, &job.to), BTreeMap::from([(0, 70)]), "it is not thrown back");
    // Consumers that were not stopped.
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 90)]));
    let both = job.ask(&arguments);
    assert!(both.code() == 2 && both.err.contains("has read '") && both.err.contains("since"), "{both:?}");
}

#[test]
fn a_move_that_was_killed_is_finished() {
    let cluster = shared();
    let source = cluster.topic("half", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source);
    job.ask(&["run"]).json();
    let group = unique("half");
    let (forth, back) = (["cut-over", "--group", &group], ["cut-over", "--back", "--group", &group]);
    let half = |arguments: &[&str], point: &str| {
        job.start(arguments, &[("SLUICE_FAILPOINTS", &format!("{point}=1:kill"))]).dies();
        let status = job.ask(&["status"]).json();
        assert_eq!(status["groups"][&group]["is_moving"], true, "{status}");
    };
    let there = || committed(&cluster, &group, &job.to);
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 50)]));
    half(&forth, "before_offsets");
    assert!(there().is_empty());
    let early = job.ask(&back);
    assert!(early.code() == 2 && early.err.contains("finish that first"), "{early:?}");
    half(&forth, "after_offsets");
    assert_eq!(there(), BTreeMap::from([(0, 50)]));
    assert_eq!(job.ask(&forth).json()["groups"][0]["already"], false);
    assert_eq!(job.ask(&["status"]).json()["groups"][&group]["is_moving"], false);
    // And back.
    commit(&cluster, &group, &job.to, &BTreeMap::from([(0, 80)]));
    half(&back, "before_offsets");
    let early = job.ask(&forth);
    assert!(early.code() == 2 && early.err.contains("finish that first"), "{early:?}");
    half(&back, "after_offsets");
    job.ask(&back).json();
    assert_eq!(committed(&cluster, &group, &source), BTreeMap::from([(0, 80)]));
    assert_eq!(job.ask(&["status"]).json()["groups"][&group]["is_moving"], false);
}

#[test]
fn a_group_is_not_moved_past_copies_that_are_gone() {
    let cluster = shared();
    let source = cluster.topic("lost", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source);
    job.ask(&["run"]).json();
    cluster.delete_records(&job.to, 0, 30);
    let group = unique("lost");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 20)]));
    let held = job.ask(&["cut-over", "--group", &group]);
    assert!(held.code() == 2 && held.err.contains("10 records that group"), "{held:?}");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 40)]));
    job.ask(&["cut-over", "--group", &group]).json();
    assert_eq!(committed(&cluster, &group, &job.to), BTreeMap::from([(0, 40)]));
}

#[test]
fn a_map_that_has_lost_records_places_nobody() {
    let cluster = shared();
    let source = cluster.topic("holes", 1, &[]);
    fill(&cluster, &source, seed(), 100);
    let job = whole(&cluster, &source);
    job.ask(&["run"]).json();
    let map = format!("{}.map", job.name());
    cluster.set_topic(&map, "cleanup.policy", "delete");
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2 && refused.err.contains("cleanup.policy=delete"), "{refused:?}");
    cluster.delete_records(&map, 0, 1);
    cluster.set_topic(&map, "cleanup.policy", "compact");
    let group = unique("holes");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 20)]));
    let held = job.ask(&["cut-over", "--group", &group]);
    assert!(held.code() == 2 && held.err.contains("tells of 0 records, and 100 were copied"), "{held:?}");
}

#[test]
fn a_target_that_others_use_is_not_deleted() {
    let cluster = shared();
    let source = cluster.topic("used", 1, &[]);
    fill(&cluster, &source, seed(), 50);
    let group = unique("used");
    let job = Job::new(&cluster, &source).set("/migrations/copy/groups", vec![group.clone()]);
    job.ask(&["run"]).json();
    commit(&cluster, &group, &job.to, &BTreeMap::from([(0, 5)]));
    // A group of the brokers' protocol (KIP-848), whose members the question for members does not show.
    let newer = unique("newer");
    let mut config = cluster.client();
    config.set("group.id", &newer).set("group.protocol", "consumer").set("auto.offset.reset", "earliest");
    let consumer: BaseConsumer = config.set("enable.auto.commit", "false").create().unwrap();
    consumer.subscribe(&[&job.to]).unwrap();
    wait_for("it to read", Duration::from_secs(60), || {
        let record = consumer.poll(Duration::from_millis(50))?.ok()?;
        #[allow(clippy::disallowed_methods, reason = "a test has the time")]
        consumer.commit_message(&record, CommitMode::Sync).ok()
    });
    let held = job.ask(&["abandon"]);
    assert!(held.code() == 2 && held.err.contains(&format!("would be deleted: {newer}, {group}")), "{held:?}");
    drop(consumer);
    let other = Job::new(&cluster, &source);
    other.ask(&["run"]).json();
    bear(&cluster, &other, 7);
    let held = other.ask(&["abandon"]);
    assert!(held.code() == 2 && held.err.contains("7 records were born on"), "{held:?}");
    assert_eq!(other.ask(&["status"]).json()["job"]["abandoned"], false, "nothing has happened");
    let said = other.ask(&["abandon", "--delete-born"]).json();
    assert_eq!(said["removed"].as_array().unwrap().len(), 3, "{said}");
}
