//! Cut-overs: whatever a group has read, it goes on with the next record, and misses none.

use std::collections::{BTreeMap, BTreeSet};

use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};

use super::common::client::Read;
use super::common::kafka::{Cluster, shared};
use super::common::{long, seed, unique, wait_for};
use super::job::Job;
use super::source::{fill, fill_with_transactions};

/// Commits offsets in the name of a group without members.
pub(crate) fn commit(cluster: &Cluster, group: &str, topic: &str, offsets: &BTreeMap<i32, i64>) {
    cluster.commit(group, topic, offsets.clone());
}

/// A record by its content, which is told apart by the offset that the source had it at.
pub(crate) fn content(read: &Read) -> (Option<Vec<u8>>, Option<Vec<u8>>, i64) {
    (read.content.key.clone(), read.content.value.clone(), read.content.timestamp)
}

/// Splits a topic's records into those that a group has read and those that it has not.
pub(crate) fn parted(cluster: &Cluster, topic: &str, offsets: &BTreeMap<i32, i64>) -> (Vec<Read>, Vec<Read>) {
    let is_read = |read: &Read| offsets.get(&read.partition).is_some_and(|next| read.offset < *next);
    cluster.read(&[topic]).into_iter().partition(is_read)
}

pub(crate) fn committed(cluster: &Cluster, group: &str, topic: &str) -> BTreeMap<i32, i64> {
    cluster.committed(group, &[topic]).into_iter().map(|((_, partition), offset)| (partition, offset)).collect()
}

/// Returns offsets at random, also between records and at the end.
fn at_random(cluster: &Cluster, topic: &str, random: &mut StdRng) -> BTreeMap<i32, i64> {
    let ends = cluster.ends(topic, "read_committed");
    ends.into_iter().map(|((_, partition), end)| (partition, random.random_range(0..=end))).collect()
}

/// Moves groups at random offsets and checks each; returns the records that were read twice.
fn move_groups(cluster: &Cluster, job: &Job, random: &mut StdRng, groups: usize) -> u64 {
    let names: Vec<String> = (0..groups).map(|_| unique("group")).collect();
    let before: Vec<_> = names.iter().map(|_| at_random(cluster, &job.source, random)).collect();
    for (name, offsets) in names.iter().zip(&before) {
        commit(cluster, name, &job.source, offsets);
    }
    let arguments: Vec<&str> = names.iter().flat_map(|name| ["--group", name]).collect();
    let dry = job.ask(&[&["cut-over", "--dry-run"], &arguments[..]].concat()).json();
    assert!(names.iter().all(|name| committed(cluster, name, &job.to).is_empty()), "a dry run changes nothing");
    let said = job.ask(&[&["cut-over"], &arguments[..]].concat()).json();
    let mut again = 0;
    for (index, (name, offsets)) in names.iter().zip(&before).enumerate() {
        assert_eq!(dry["groups"][index]["to"], said["groups"][index]["to"]);
        assert_eq!(committed(cluster, name, &job.source), *offsets, "old offsets stay");
        let (read, unread) = parted(cluster, &job.source, offsets);
        let (passed, next) = parted(cluster, &job.to, &committed(cluster, name, &job.to));
        let next: BTreeSet<_> = next.iter().map(content).collect();
        let missed: Vec<_> = unread.iter().filter(|read| !next.contains(&content(read))).collect();
        assert!(missed.is_empty(), "group {name} at {offsets:?} misses {missed:?}");
        let twice = read.iter().filter(|read| next.contains(&content(read))).count() as u64;
        assert_eq!(said["groups"][index]["again"], twice, "{said}");
        assert_eq!(passed.len() as u64 + twice, read.len() as u64);
        again += twice;
    }
    again
}

#[test]
fn groups_at_random_offsets_miss_nothing_and_read_nothing_twice() {
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for _ in 0..if long() { 20 } else { 1 } {
        let source = cluster.topic("cut", 3, &[]);
        fill_with_transactions(&cluster, &source, random.random(), 600);
        let job = Job::new(&cluster, &source);
        // Killed between two transactions, so that the map comes from several lives.
        job.start(&["run"], &[("SLUICE_FAILPOINTS", "before_commit=2:kill")]).dies();
        job.ask(&["run"]).json();
        assert_eq!(move_groups(&cluster, &job, &mut random, 4), 0);
    }
}

#[test]
fn with_other_partitions_groups_miss_nothing_and_are_told_what_they_read_twice() {
    let cluster = shared();
    let mut random = StdRng::seed_from_u64(seed());
    for _ in 0..if long() { 20 } else { 1 } {
        let source = cluster.topic("spread", 4, &[]);
        fill_with_transactions(&cluster, &source, random.random(), 800);
        let job = Job::new(&cluster, &source);
        let job = job.set("/migrations/copy/repartition", "murmur2").set("/migrations/copy/partitions", 6);
        job.ask(&["run"]).json();
        assert_eq!(cluster.partitions(&job.to), Some(6));
        let again = move_groups(&cluster, &job, &mut random, 4);
        println!("{again} records of 4 groups are read twice");
    }
}

#[test]
fn a_living_group_is_not_moved_and_a_moved_one_comes_back() {
    let cluster = shared();
    let source = cluster.topic("living", 2, &[]);
    fill(&cluster, &source, seed(), 200);
    let group = unique("living");
    let job = Job::new(&cluster, &source).set("/migrations/copy/groups", vec![group.clone()]);
    job.ask(&["run"]).json();
    let offsets = BTreeMap::from([(0, 20), (1, 30)]);
    commit(&cluster, &group, &source, &offsets);
    let mut config = cluster.client();
    let consumer: BaseConsumer = config.set("group.id", &group).set("enable.auto.commit", "false").create().unwrap();
    consumer.subscribe(&[&source]).unwrap();
    wait_for("a member", std::time::Duration::from_secs(60), || {
        consumer.poll(std::time::Duration::from_millis(50));
        (cluster.members(&group) > 0).then_some(())
    });
    let refused = job.ask(&["cut-over"]);
    assert_eq!(refused.code(), 2, "{refused:?}");
    assert!(refused.err.contains("has members: stop its consumers first"), "{refused:?}");
    assert!(committed(&cluster, &group, &job.to).is_empty());
    drop(consumer);
    wait_for("the member to go", std::time::Duration::from_secs(60), || (cluster.members(&group) == 0).then_some(()));
    job.ask(&["cut-over"]).json();
    // It reads on, and goes back.
    let (_, next) = parted(&cluster, &job.to, &committed(&cluster, &group, &job.to));
    let of_first = next.iter().filter(|read| read.partition == 0).nth(5).unwrap().offset;
    commit(&cluster, &group, &job.to, &BTreeMap::from([(0, of_first)]));
    let back = job.ask(&["cut-over", "--back"]).json();
    assert_eq!(back["groups"][0]["moved"], true, "{back}");
    assert_eq!(committed(&cluster, &group, &source), BTreeMap::from([(0, 25), (1, 30)]));
    let twice = job.ask(&["cut-over", "--back"]);
    assert!(twice.code() == 2 && twice.err.contains("is back already"), "{twice:?}");
    // What is born on the target holds it there.
    job.ask(&["cut-over"]).json();
    fill(&cluster, &job.to, 9, 10);
    let held = job.ask(&["cut-over", "--back"]);
    assert!(held.code() == 2 && held.err.contains("10 records were born on"), "{held:?}");
}

#[test]
fn a_group_ahead_of_the_copy_is_not_moved() {
    let cluster = shared();
    let source = cluster.topic("ahead", 1, &[]);
    fill(&cluster, &source, seed(), 50);
    let job = Job::new(&cluster, &source);
    let early = job.ask(&["cut-over", "--group", "anybody"]);
    assert!(early.code() == 2 && early.err.contains("has not begun"), "{early:?}");
    job.ask(&["run"]).json();
    fill(&cluster, &source, 3, 50);
    let group = unique("ahead");
    commit(&cluster, &group, &source, &BTreeMap::from([(0, 70)]));
    let ended = job.ask(&["cut-over", "--group", &group]);
    assert!(ended.code() == 2 && ended.err.contains("the copy has come to 50: run the job first"), "{ended:?}");
    job.ask(&["run"]).json();
    job.ask(&["cut-over", "--group", &group]).json();
    let nobody = job.ask(&["cut-over", "--group", "nobody"]);
    assert!(nobody.code() == 2 && nobody.err.contains("has no offsets of"), "{nobody:?}");
}
