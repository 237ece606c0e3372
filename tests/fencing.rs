//! Who else has the names of a gate: producers that fence it, members that take its place, successors of one that stood
//! still. Each record still meets one outcome and is counted once (faults 4, 12 and 13).
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::time::{Duration, Instant};

use common::fault::{Fault, endure};
use common::gate::{Config, Gate};
use common::kafka::{Cluster, Hold};
use common::scene::{Line, Scene};
use common::traffic::{Class, Policy, Sent};
use common::{seed, wait_for};
use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::producer::{BaseProducer, Producer as _};
use serde_json::json;

/// For a gate to notice and to answer, on a busy machine.
const ANSWER: Duration = Duration::from_secs(60);

fn spawn(config: &Config, failpoints: &str) -> Gate {
    let mut gate = Gate::spawn_with(config, &[("SLUICE_FAILPOINTS", failpoints)]);
    gate.wait_ready();
    gate
}

fn rebuilds(gate: &Gate, cause: &str) -> f64 {
    gate.metrics().sum("sluice_producer_rebuilds_total", &[("cause", cause)])
}

/// Takes a transactional.id from whoever has it.
fn fence(scene: &Scene, transactional_id: &str) {
    let mut config: ClientConfig = scene.kafka.client();
    let producer: BaseProducer = config.set("transactional.id", transactional_id).create().unwrap();
    wait_for("the transactional.id", ANSWER, || match producer.init_transactions(Duration::from_secs(30)) {
        Err(KafkaError::Transaction(error)) if error.is_retriable() => None,
        done => {
            done.unwrap();
            Some(())
        }
    });
}

/// Fault 13, for producers: somebody uses the transactional.id of a gate. Once may be a mishap, and costs a producer; twice
/// in short time is a twin, and the gate leaves it the name with exit code 3. Bound: 30 s.
#[test]
fn fault_13_fenced_once_and_again() {
    let scene = Scene::new("fenced", 2);
    let line = scene.line();
    // Twice in ten transaction timeouts is short time.
    let config = scene.config().set("/instance", "pod-0").set("/kafka/transaction.timeout.ms", "20000");
    let transactional_id = format!("{}-pod-0-0", scene.group(line));
    let mut gate = Gate::start(&config);
    let fault = Fault { number: "13", what: "fenced by a producer of its name", bound: Duration::from_secs(30) };
    endure(&scene, line, fault, || {
        // Halted, or it makes its producer anew while the fence still waits for the open transaction to be aborted, and that
        // one is fenced too.
        gate.pause();
        fence(&scene, &transactional_id);
        gate.resume();
        wait_for("the producer to be made anew", ANSWER, || (rebuilds(&gate, "fenced") > 0.0).then_some(()));
    });
    assert_eq!(rebuilds(&gate, "fenced"), 1.0, "{}", gate.log());
    assert_eq!(gate.exited(), None, "once is a mishap");

    fence(&scene, &transactional_id);
    scene.send(line, line.traffic(seed()).mixed(100, &Class::usual()));
    let (status, log) = gate.wait_exit(ANSWER);
    assert_eq!(status.code(), Some(3), "{log}");
    assert!(log.contains("fenced twice") && log.contains(&transactional_id), "it names the ID: {log}");
}

/// A member of the same group.instance.id takes the gate's place in its group and goes (R11): the gate makes its consumer
/// anew, takes the place again and goes on. Nothing of the lost consumer is left in its gauges.
#[test]
fn fault_13_its_place_in_the_group_is_taken() {
    let scene = Scene::new("replaced", 2);
    let line = scene.line();
    let mut gate = Gate::start(&scene.config().set("/instance", "pod-0"));
    let fault = Fault { number: "13", what: "its place in the group taken", bound: Duration::from_secs(40) };
    endure(&scene, line, fault, || {
        let mut config: ClientConfig = scene.kafka.client();
        config
            .set("group.id", scene.group(line))
            .set("group.instance.id", format!("{}-pod-0-0", scene.group(line)))
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("session.timeout.ms", "6000")
            .set("enable.auto.commit", "false");
        let guest: BaseConsumer = config.create().unwrap();
        guest.subscribe(&[&line.source]).unwrap();
        wait_for("the consumer to be made anew", ANSWER, || {
            guest.poll(Duration::from_millis(50));
            gate.log().contains("consumer rebuilt").then_some(())
        });
    });
    assert_eq!(gate.exited(), None);
    let metrics = gate.metrics();
    assert_eq!(metrics.sum("sluice_assigned_partitions", &[]), 2.0, "{}", gate.log());
    assert_eq!(metrics.sum("sluice_held_partitions", &[]), 0.0, "{}", gate.log());
}

/// Fault 12 without a halt: the loop stands still beyond `max.poll.interval.ms` while the heartbeats go on, so that the
/// client itself leaves the group. What it had in hand comes to nothing, it joins again. Bound: 40 s.
#[test]
fn fault_12_stalled_past_its_poll_interval() {
    let scene = Scene::new("stalled", 4);
    let config = scene.config().set("/kafka/max.poll.interval.ms", "7000");
    let mut zombie = spawn(&config, "after_poll=200:sleep 9000");
    let successor = Gate::start(&config);
    let fault = Fault { number: "12", what: "stalled past its poll interval", bound: Duration::from_secs(40) };
    endure(&scene, scene.line(), fault, || {
        wait_for("the group to be left", ANSWER, || {
            let log = zombie.log();
            (log.contains("partitions lost") && log.contains("maximum poll interval")).then_some(())
        });
    });
    assert_eq!(zombie.exited(), None);
    drop(successor);
}

/// Fault 12, the counters: a gate is halted with the last record of its topic in an open transaction; another one takes
/// the partition over, and ends where the first one would have. The first one is fenced, and must not take that for its
/// own work: both together count each record once.
#[test]
fn fault_12_two_processes_count_once() {
    let scene = Scene::new("count-once", 1);
    let line = scene.line();
    let config = scene.config();
    let zombie = spawn(&config, "before_offsets=4:stop");
    let mut traffic = line.traffic(seed());
    let mut sent: Vec<Sent> = Vec::new();
    let committed = |sent: &[Sent]| committed(&scene, line) >= sent.len();
    while !zombie.is_halted() {
        assert!(sent.len() < 20, "its fourth transaction halts it");
        sent.extend(scene.send(line, traffic.mixed(1, &[Class::Order(common::schemas::Version::V2)])));
        wait_for("the record", ANSWER, || (zombie.is_halted() || committed(&sent)).then_some(()));
    }
    let successor = Gate::start(&config);
    scene.wait_committed(line, &sent);
    zombie.resume();
    wait_for("the zombie to be fenced", ANSWER, || (rebuilds(&zombie, "fenced") > 0.0).then_some(()));
    wait_for("the zombie to join again", ANSWER, || (scene.kafka.members(&scene.group(line)) == 2).then_some(()));
    scene.verify(line, &sent, None);
    let counted = |gate: &Gate| gate.records(&line.gate).values().sum::<u64>();
    assert_eq!(counted(&zombie) + counted(&successor), sent.len() as u64, "each record is counted once");
}

/// Fault 4, at the worst moment: the brokers go just after a commit that took so long that it costs the producer, so that
/// the next one cannot be made. The gate says so and shows it at every look, and goes on when they are back.
#[test]
fn fault_04_brokers_gone_after_a_doubtful_commit() {
    let mut scene = Scene::on(Hold::Own(Cluster::start()), "doubtful-away");
    let line = scene.add("orders", 2, Policy::default(), json!({}));
    // Its group does not lose it meanwhile: it has partitions to hold.
    let config = scene.config().set("/kafka/session.timeout.ms", "60000").set("/kafka/transaction.timeout.ms", "12000");
    let gate = spawn(&config, "before_commit=6:stop,after_commit=6:stop");
    let planned = line.traffic(seed()).mixed(6_000, &Class::usual());
    let halted = || wait_for("the gate at its 6th commit", ANSWER, || gate.is_halted().then_some(()));
    std::thread::scope(|scope| {
        let load = scope.spawn(|| scene.send_paced(&line, planned, 1_000));
        halted();
        scene.kafka.halt();
        gate.resume();
        // Beyond the doubt at 0.7 s, and within every timeout.
        std::thread::sleep(Duration::from_millis(1_300));
        scene.kafka.go_on();
        halted();
        scene.kafka.halt();
        gate.resume();
        let gone = Instant::now();
        wait_for("the gate to be degraded", Duration::from_secs(30), || gate.is("degraded").then_some(()));
        wait_for("the partitions to be held", Duration::from_secs(30), || held(&gate).then_some(()));
        println!("degraded and held after {:.1?}", gone.elapsed());
        let shown = Instant::now();
        while shown.elapsed() < Duration::from_secs(6) {
            assert!(gate.is("degraded") && held(&gate), "at every look:\n{}", gate.log());
            std::thread::sleep(Duration::from_millis(100));
        }
        wait_for("the log to say so", ANSWER, || gate.log().contains("waiting for the brokers").then_some(()));
        scene.kafka.go_on();
        let sent = load.join().unwrap();
        scene.verify(&line, &sent, None);
    });
    // A machine that stands still makes further commits doubtful.
    assert!(rebuilds(&gate, "doubtful_end") >= 1.0, "{}", gate.log());
    wait_for("the gate to be well again", ANSWER, || gate.is("running").then_some(()));
    assert!(!held(&gate));
}

/// Returns how many records of a gate's source its group has committed.
fn committed(scene: &Scene, line: &Line) -> usize {
    let offsets = scene.kafka.committed(&scene.group(&scene.lines[0]), &[&line.source]);
    usize::try_from(offsets.values().sum::<i64>()).unwrap()
}

fn held(gate: &Gate) -> bool {
    gate.metrics().sum("sluice_held_partitions", &[]) > 0.0
}

/// Fault 19: a topic of a pattern is deleted while the producer is lost, so that nobody can say where it goes on. The other
/// topics do not wait for it.
#[test]
fn fault_19_deleted_while_the_producer_is_lost() {
    let mut scene = Scene::empty("deleted");
    let (good, gone) =
        (scene.add("good", 2, Policy::default(), json!({})), scene.add("gone", 2, Policy::default(), json!({})));
    // No session ends while the gate is halted, or the group would have taken the topic from it before it can ask.
    let config = scene.config_of_pattern("good").set("/instance", "pod-0").set("/kafka/session.timeout.ms", "120000");
    let mut traffic = good.traffic(seed());
    let mut sent = scene.send(&good, traffic.mixed(100, &Class::usual()));
    let lost = scene.send(&gone, gone.traffic(seed()).mixed(100, &Class::usual()));
    let first = Gate::start(&config);
    scene.wait_committed(&good, &sent);
    wait_for("the other topic", ANSWER, || (committed(&scene, &gone) >= lost.len()).then_some(()));
    let (status, log) = first.stop(Duration::from_secs(15));
    assert!(status.success(), "{log}");

    // From now on only the group knows where the topics go on.
    let gate = spawn(&config, "before_offsets=1:stop");
    sent.extend(scene.send(&good, traffic.mixed(100, &Class::usual())));
    wait_for("the gate before its first commit", ANSWER, || gate.is_halted().then_some(()));
    scene.kafka.delete_topic(&gone.source);
    fence(&scene, &format!("{}-pod-0-0", scene.group(&good)));
    wait_for("the topic to be gone", ANSWER, || scene.kafka.partitions(&gone.source).is_none().then_some(()));
    gate.resume();
    scene.verify(&good, &sent, None);
    // A transaction that a machine which stands still lets grow too old is fenced as well.
    assert!(rebuilds(&gate, "fenced") >= 1.0, "{}", gate.log());
    assert!(gate.log().contains("it cannot be found where it goes on"), "{}", gate.log());
}
