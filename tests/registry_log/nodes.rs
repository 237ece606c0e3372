//! Several nodes that write at once: what they answer, what is in the log, and what all of them say in the end.

use std::time::{Duration, Instant};

use kafka_protocol::messages::ApiKey;
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};
use serde_json::json;

use crate::check::{Record, VISIBLE_MS, check};
use crate::common::kafka::{self, Cluster};
use crate::common::proxy::Proxy;
use crate::common::{long, seed, unique, wait_for};
use crate::hammer::{Hammer, Seen};
use crate::node::Node;

/// What nine of ten requests take at most while all brokers are up: the others may meet a machine that stands still.
const LONGEST_MS: u128 = 15_000;

fn percentile(times: &[u128], share: f64) -> u128 {
    let mut times = times.to_vec();
    times.sort_unstable();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let index = (times.len() as f64 * share) as usize;
    times.get(index.min(times.len().saturating_sub(1))).copied().unwrap_or(0)
}

fn print_times(name: &str, times: &[u128]) {
    let [half, most, worst] = [0.5, 0.99, 1.0].map(|share| percentile(times, share));
    println!("{name}: {} requests, p50 {half} ms, p99 {most} ms, worst {worst} ms", times.len());
}

/// What happens to the nodes while clients write.
type Trouble<'t> = &'t mut dyn FnMut(&mut [Node], &mut StdRng);

/// Hammers nodes that reach their brokers at this address for a while, troubles them again and again, and judges.
fn hammer(cluster: &Cluster, bootstrap: &str, count: usize, time: Duration, seed: u64, trouble: Trouble<'_>) -> Seen {
    let topic = unique("_schemas");
    let mut nodes: Vec<Node> = (0..count).map(|_| Node::spawn(bootstrap, &topic)).collect();
    nodes.iter_mut().for_each(Node::wait_ready);
    // The first write of a cluster waits for its coordinator of transactions to be made.
    for scope in ["/config", "/config/:.eu:"] {
        let set = || nodes[0].ask("PUT", scope, &json!({ "compatibility": "NONE" })).status == 200;
        wait_for("the first write", Duration::from_secs(60), || set().then_some(()));
    }
    let mut rng = StdRng::seed_from_u64(seed);
    let ports: Vec<u16> = nodes.iter().map(|node| node.port).collect();
    let clients = Hammer::start(&ports, 2, seed);
    let began = Instant::now();
    while began.elapsed() < time {
        std::thread::sleep(Duration::from_millis(rng.random_range(1_000..4_000)));
        trouble(&mut nodes, &mut rng);
    }
    let seen = clients.stop();
    nodes.iter_mut().for_each(Node::wait_ready);
    // Where a broker dies, or stands still, a transaction ends as late as its coordinator is there again.
    let is_slow = seen.times.iter().any(|time| *time >= VISIBLE_MS.unsigned_abs().into());
    let visible_ms = if cluster.ids().count() > 1 || is_slow { 10 * VISIBLE_MS } else { VISIBLE_MS };
    judge(cluster, &topic, &nodes, &seen, visible_ms);
    seen
}

/// Kills a node, and starts it again.
fn kill_node(nodes: &mut [Node], rng: &mut StdRng) {
    let victim = rng.random_range(0..nodes.len());
    nodes[victim].kill();
    std::thread::sleep(Duration::from_millis(rng.random_range(0..500)));
    nodes[victim].restart();
}

/// Kills a broker for longer than the others need to see that it is gone, and starts it again.
fn kill_broker(cluster: &Cluster, rng: &mut StdRng) {
    let victim = rng.random_range(cluster.ids());
    cluster.kill_node(victim);
    std::thread::sleep(Duration::from_millis(rng.random_range(2_000..9_000)));
    cluster.start_node(victim);
}

fn judge(cluster: &Cluster, topic: &str, nodes: &[Node], seen: &Seen, visible_ms: i64) {
    // A write may still be under way at a node that was killed: the next one ends it.
    let is_last = || (nodes[0].register("last", r#""int""#).status == 200).then_some(());
    wait_for("the last write", Duration::from_secs(60), is_last);
    let first = wait_for("all nodes to say the same", Duration::from_secs(20), || {
        let dumps: Vec<_> = nodes.iter().map(Node::dump).collect();
        dumps.windows(2).all(|pair| pair[0] == pair[1]).then(|| dumps[0].clone())
    });
    let log: Vec<Record> = cluster.read(&[topic]).iter().map(Record::from).collect();
    let faults = check(&log, &seen.exchanges, visible_ms);
    assert!(faults.is_empty(), "{} faults:\n{}", faults.len(), faults.join("\n"));
    assert!(seen.unread.is_empty(), "{}", seen.unread.join("\n"));
    let fresh = Node::start(cluster.bootstrap(), topic);
    assert_eq!(fresh.dump(), first, "a node that reads the log from its begin says the same");
    let answered = seen.exchanges.len();
    println!(
        "{answered} requests, {} records, {} fences",
        log.len(),
        nodes.iter().map(|node| node.metric("sluice_registry_fences_total")).sum::<f64>()
    );
}

/// What a registry asks of brokers.
const ASKED: [ApiKey; 8] = [
    ApiKey::Produce,
    ApiKey::Fetch,
    ApiKey::Metadata,
    ApiKey::ListOffsets,
    ApiKey::FindCoordinator,
    ApiKey::InitProducerId,
    ApiKey::AddPartitionsToTxn,
    ApiKey::EndTxn,
];

#[test]
fn one_node_alone_writes_fast() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let node = Node::start(cluster.bootstrap(), &topic);
    let set = || node.ask("PUT", "/config", &json!({ "compatibility": "NONE" })).status == 200;
    wait_for("the first write", Duration::from_secs(60), || set().then_some(()));
    let register = |n| node.registered("s", &crate::hammer::schema(n)).took.as_millis();
    let times: Vec<u128> = (0..100).map(register).collect();
    print_times("one node, one client", &times);
    assert!(percentile(&times, 0.5) < 1_000, "{times:?}");
    assert!(node.metric("sluice_registry_commits_total") >= 101.0);
    // A commit that took long gives the role up, on a machine that stands still as well: the next write takes it again.
    let mut more = 100..;
    wait_for("the role", Duration::from_secs(60), || {
        register(more.next().unwrap());
        (node.metric("sluice_registry_writer") > 0.5).then_some(())
    });
    let (commits, schemas) = (node.metric("sluice_registry_commits_total"), more.start);
    let again: Vec<u128> = (0..100).map(register).collect();
    print_times("the same again", &again);
    assert_eq!(node.metric("sluice_registry_commits_total"), commits, "what is there is not written again");
    assert_eq!(node.metric("sluice_registry_schemas"), f64::from(schemas));
}

#[test]
fn two_nodes_give_no_id_twice() {
    let cluster = kafka::shared();
    let seen = hammer(&cluster, cluster.bootstrap(), 2, Duration::from_secs(10), seed(), &mut |_, _| {});
    print_times("two nodes", &seen.times);
    assert!(percentile(&seen.times, 0.9) < LONGEST_MS);
}

#[test]
fn three_nodes_give_no_id_twice() {
    let cluster = kafka::shared();
    let seen = hammer(&cluster, cluster.bootstrap(), 3, Duration::from_secs(15), seed(), &mut |_, _| {});
    print_times("three nodes", &seen.times);
    assert!(percentile(&seen.times, 0.9) < LONGEST_MS);
}

#[test]
fn killed_nodes_lose_nothing() {
    let cluster = kafka::shared();
    let seen = hammer(&cluster, cluster.bootstrap(), 3, Duration::from_secs(20), seed(), &mut kill_node);
    print_times("three nodes that are killed", &seen.times);
}

#[test]
fn killed_nodes_killed_brokers_and_cut_connections_lose_nothing() {
    let (seeds, time) = if long() { (20, 90) } else { (3, 20) };
    let cluster = Cluster::start_three();
    let proxy = Proxy::start(&cluster);
    let first = seed();
    for seed in first..first + seeds {
        let mut troubles = Vec::new();
        let mut trouble = |nodes: &mut [Node], rng: &mut StdRng| match rng.random_range(0..10) {
            0..3 => kill_node(nodes, rng),
            3..5 => kill_broker(&cluster, rng),
            _ => troubles.push(proxy.mild_fault(&ASKED, rng)),
        };
        let seen = hammer(&cluster, &proxy.bootstrap(), 3, Duration::from_secs(time), seed, &mut trouble);
        println!("seed {seed}: {}", troubles.join(", "));
        print_times("three nodes, and everything dies", &seen.times);
    }
}

#[test]
fn another_node_sees_a_write_soon() {
    let cluster = kafka::shared();
    let topic = unique("_schemas");
    let mut nodes = [Node::spawn(cluster.bootstrap(), &topic), Node::spawn(cluster.bootstrap(), &topic)];
    nodes.iter_mut().for_each(Node::wait_ready);
    let times: Vec<u128> = (0..50)
        .map(|n| {
            let id = nodes[0].registered(&format!("s{n}"), &crate::hammer::schema(n)).id();
            let began = Instant::now();
            while nodes[1].get(&format!("/schemas/ids/{id}")).status != 200 {
                assert!(began.elapsed() < Duration::from_secs(60));
            }
            began.elapsed().as_millis()
        })
        .collect();
    print_times("until the other node has it", &times);
    // Within 100 ms is the promise, of a machine that does nothing else.
    assert!(percentile(&times, 0.5) < 1_000, "{times:?}");
}
