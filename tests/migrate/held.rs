//! Lanes that write nothing: they see all the same that the job was given up.

use std::time::Duration;

use super::common::kafka::shared;
use super::common::{seed, wait_for};
use super::copies::held;
use super::job::{Job, Running};
use super::orders::{Kind, World, orders};
use super::source::fill;

fn give_up(job: &Job, running: Running) {
    job.ask(&["abandon", "--keep-topics"]).json();
    let ended = running.wait();
    assert!(ended.code() == 3 && ended.err.contains("was abandoned"), "{ended:?}");
}

#[test]
fn a_held_lane_ends_when_the_job_is_given_up() {
    let cluster = shared();
    let world = World::new(&cluster, "held");
    let orders = orders(seed(), 30, &[Kind::Old]);
    world.send(&cluster, &orders);
    // Begun, so that the target is known; then the registry goes.
    world.job.start(&["run"], &[("SLUICE_FAILPOINTS", "before_commit=1:kill")]).dies();
    world.registry.down();
    let running = world.job.start(&["run"], &[]);
    wait_for("a lane to be held", Duration::from_secs(60), || running.log().contains("is held back").then_some(()));
    give_up(&world.job, running);
    assert!(held(&cluster, &world.job.to).iter().all(Vec::is_empty));
}

#[test]
fn a_lane_with_nothing_to_copy_ends_when_the_job_is_given_up() {
    let cluster = shared();
    let source = cluster.topic("idle", 2, &[]);
    fill(&cluster, &source, seed(), 20);
    let job = Job::new(&cluster, &source);
    let running = job.start(&["run", "--follow"], &[]);
    wait_for("all to be copied", Duration::from_secs(60), || {
        let status = job.ask(&["status"]);
        (status.status.success() && status.json()["copied"] == 20).then_some(())
    });
    give_up(&job, running);
}
