//! What stops a job: topics and clusters that are not what they were or seemed, and calls that hang.

use std::time::Duration;

use rdkafka::producer::{BaseProducer, Producer as _};

use super::common::kafka::{Cluster, shared};
use super::common::{seed, wait_for};
use super::job::Job;
use super::source::fill;

fn held(cluster: &Cluster, job: &Job) -> Option<()> {
    cluster.partitions(&job.to).filter(|_| !cluster.read(&[&job.to]).is_empty()).map(drop)
}

#[test]
fn a_job_begins_on_nothing_that_is_there() {
    let cluster = shared();
    let source = cluster.topic("begins", 2, &[]);
    fill(&cluster, &source, seed(), 20);
    let job = Job::new(&cluster, &source);
    cluster.create_topic(&job.to, 2, &[]);
    fill(&cluster, &job.to, 2, 5);
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2 && refused.err.contains("is not empty"), "{refused:?}");
    assert_eq!(cluster.partitions(&format!("{}.map", job.name())), None, "nothing is made");
    // What an earlier job has left.
    let job = Job::new(&cluster, &source);
    let map = format!("{}.map", job.name());
    cluster.create_topic(&map, 2, &[("cleanup.policy", "compact")]);
    fill(&cluster, &map, 2, 5);
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2 && refused.err.contains("holds the map of an earlier job"), "{refused:?}");
    // Topics that would lose what is written to them, or are too small.
    for (partitions, settings, word) in
        [(2, ("cleanup.policy", "delete"), "must be 'compact'"), (1, ("cleanup.policy", "compact"), "need 2")]
    {
        let job = Job::new(&cluster, &source);
        cluster.create_topic(&format!("{}.map", job.name()), partitions, &[settings]);
        let refused = job.ask(&["run"]);
        assert!(refused.code() == 2 && refused.err.contains(word), "{refused:?}");
        assert_eq!(cluster.partitions(&job.to), None, "nothing is made");
    }
}

#[test]
fn another_address_of_the_same_cluster_is_no_other_cluster() {
    let cluster = shared();
    let source = cluster.topic("itself", 1, &[]);
    let address = cluster.bootstrap().replace("127.0.0.1", "localhost");
    assert_ne!(address, cluster.bootstrap());
    let target = serde_json::json!({ "kafka": { "bootstrap.servers": address } });
    let job =
        Job::new(&cluster, &source).set("/migrations/copy/target", target).set("/migrations/copy/to", source.clone());
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2 && refused.err.contains("would be copied onto itself"), "{refused:?}");
}

#[test]
fn topics_that_are_not_what_they_were_stop_a_job() {
    let cluster = shared();
    let source = cluster.topic("again", 1, &[]);
    fill(&cluster, &source, seed(), 20);
    let job = Job::new(&cluster, &source);
    job.ask(&["run"]).json();
    cluster.delete_topic(&source);
    cluster.create_topic(&source, 1, &[]);
    fill(&cluster, &source, 4, 40);
    for arguments in [&["run"][..], &["cut-over", "--group", "anybody"]] {
        let refused = job.ask(arguments);
        let says = refused.err.contains(&format!("'{source}' was deleted and made again"));
        assert!(refused.code() == 2 && says, "{refused:?}");
    }
    cluster.delete_topic(&job.to);
    let refused = job.ask(&["run"]);
    assert!(refused.code() == 2, "{refused:?}");
    assert_eq!(cluster.partitions(&job.to), None, "it is not made again");
    // The way out.
    job.ask(&["abandon"]).json();
    let state = format!("{}.state", job.name());
    wait_for("the state to go", Duration::from_secs(60), || cluster.partitions(&state).is_none().then_some(()));
    job.ask(&["run"]).json();
    assert!(held(&cluster, &job).is_some());
}

#[test]
fn partitions_that_are_added_meanwhile_are_not_passed_over() {
    let cluster = shared();
    for arguments in [&["run", "--follow"][..], &["run"]] {
        let source = cluster.topic("added", 1, &[]);
        fill(&cluster, &source, seed(), 20);
        let job = Job::new(&cluster, &source);
        // Nothing is copied before the partition is there.
        let running = job.start(arguments, &[("SLUICE_FAILPOINTS", "before_commit=1:stop")]);
        running.halts();
        cluster.add_partitions(&source, 2);
        wait_for("the partition", Duration::from_secs(60), || (cluster.partitions(&source) == Some(2)).then_some(()));
        running.signal("CONT");
        let ended = running.wait();
        assert!(ended.code() == 3 && ended.err.contains("has 2 partitions, and had 1"), "{ended:?}");
        let next = job.ask(&["run"]);
        assert!(next.code() == 2 && next.err.contains("has 2 partitions, and had 1"), "{next:?}");
    }
}

#[test]
fn a_lane_that_hangs_ends_the_job_and_one_that_waits_does_not() {
    let cluster = shared();
    let source = cluster.topic("hangs", 1, &[]);
    fill(&cluster, &source, seed(), 20);
    let job = || Job::new(&cluster, &source).set("/kafka/transaction.timeout.ms", "1000");
    let (waits, hangs) = (job(), job());
    let waiting = waits.start(&["run", "--follow"], &[]);
    wait_for("the other job to have copied all", Duration::from_secs(60), || held(&cluster, &waits));
    // It has nothing to do for as long as this one hangs.
    let ended = hangs.start(&["run"], &[("SLUICE_FAILPOINTS", "before_commit=1:sleep 600000")]).wait();
    assert!(ended.code() == 3 && ended.err.contains("a call does not come back"), "{ended:?}");
    waiting.signal("TERM");
    assert_eq!(waiting.wait().json()["copied"], 20);
    assert_eq!(hangs.ask(&["run"]).json()["copied"], 20);
}

/// A cut-over takes lanes where somebody else's transaction is open on the target; the job goes on, however often.
#[test]
fn a_job_whose_lanes_are_taken_goes_on() {
    let cluster = shared();
    let source = cluster.topic("taken", 1, &[]);
    fill(&cluster, &source, seed(), 10);
    let job = Job::new(&cluster, &source);
    let running = job.start(&["run", "--follow"], &[]);
    for round in 1..=4 {
        wait_for("all to be copied", Duration::from_secs(60), || {
            (cluster.partitions(&job.to).is_some() && cluster.read(&[&job.to]).len() == round * 10).then_some(())
        });
        if round < 4 {
            let mut config = cluster.client();
            let taker: BaseProducer =
                config.set("transactional.id", format!("{}-lane-0", job.name())).create().unwrap();
            taker.init_transactions(Duration::from_secs(30)).unwrap();
            fill(&cluster, &source, seed(), 10);
        }
    }
    running.signal("TERM");
    assert!(running.wait().json()["restarts"].as_u64() >= Some(3));
}

/// A run that looked at the state before another one has begun, or before the job was given up.
#[test]
fn a_job_that_another_process_has_written_meanwhile_is_left_as_it_is() {
    let cluster = shared();
    let source = cluster.topic("meanwhile", 3, &[]);
    fill(&cluster, &source, seed(), 90);
    let job = Job::new(&cluster, &source);
    let halted = |arguments: &[&str]| {
        let running = job.start(arguments, &[("SLUICE_FAILPOINTS", "before_job=1:stop")]);
        running.halts();
        running
    };
    let late = halted(&["run", "--lanes", "3"]);
    job.ask(&["run", "--lanes", "1"]).json();
    late.signal("CONT");
    let ended = late.wait();
    assert!(ended.code() == 3 && ended.err.contains("another process has begun job"), "{ended:?}");
    assert_eq!(job.ask(&["verify"]).json()["compared"], 90);
    // What came since would be copied by the next run.
    fill(&cluster, &source, seed(), 30);
    let late = halted(&["run"]);
    job.ask(&["abandon", "--keep-topics"]).json();
    late.signal("CONT");
    for ended in [late.wait(), job.ask(&["run"])] {
        assert!(ended.code() == 3 && ended.err.contains("was abandoned"), "{ended:?}");
    }
}
