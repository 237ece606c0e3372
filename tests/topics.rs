//! Topics: found by pattern, made as the source is, repartitioned by key, begun where `start` says.
#![allow(clippy::unwrap_used, reason = "helpers of tests may")]

mod common;

use std::collections::BTreeSet;
use std::time::Duration;

use common::check::Outputs;
use common::gate::{Config, Gate};
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Policy, Sent, counts, give_keys};
use common::{seed, unique, wait_for};
use serde_json::json;

/// A pattern takes every topic that matches, makes what each one needs, and finds a topic that appears later.
#[test]
fn patterns_find_topics() {
    let seed = seed();
    let scene = Scene::empty("pattern");
    let base = unique("shop");
    let gates = json!({ "all": {
        "source": format!("^({base}-.+)\\.raw$"),
        "validated": "$1",
        "value": { "format": "avro", "subject": "topic", "target": 2 },
    }});
    let config = Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    let line = |name: &str, partitions| {
        let topic = format!("{base}-{name}");
        let source = format!("{topic}.raw");
        scene.kafka.create_topic(&source, partitions, &[("retention.ms", "7200000")]);
        let line = Line::of(
            "all",
            &source,
            partitions,
            Outputs {
                validated: topic.clone(),
                converter: format!("{topic}.converter"),
                dead_letter: format!("{topic}.dead-letter"),
            },
            scene.registry.register_orders(&format!("{source}-value")),
        );
        let sent = scene.send(&line, line.traffic(seed).mixed(200, &Class::usual()));
        (line, sent)
    };
    let mut lines = vec![line("a", 1), line("b", 3)];
    let gate = Gate::start(&config.set("/create_topics", true));
    lines.iter().for_each(|(line, sent)| scene.wait_committed(line, sent));
    // Topics are listed every 30 s.
    lines.push(line("c", 2));
    let mut all: Vec<Sent> = Vec::new();
    for (line, sent) in &lines {
        scene.verify(line, sent, None);
        assert_eq!(scene.kafka.partitions(&line.outputs.validated), Some(line.partitions));
        all.extend(sent.iter().cloned());
    }
    assert_eq!(gate.records("all"), counts(&all));
}

/// `create_topics` makes outputs as the source is, and dead letters as their purpose wants.
#[test]
fn missing_outputs_are_created() {
    let scene = Scene::empty("create");
    let source = scene.kafka.topic("create.raw", 3, &[("retention.ms", "86400000"), ("max.message.bytes", "200000")]);
    let subject = format!("{source}-value");
    scene.registry.register_orders(&subject);
    let out = unique("created");
    let gate = json!({ "source": source, "validated": out, "value": { "format": "avro", "target": 2 } });
    let config =
        Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), json!({ "orders": gate }));
    let _gate = Gate::start(&config.set("/create_topics", true));
    let dead_letter = format!("{out}.dead-letter");
    for topic in [&out, &format!("{out}.converter"), &dead_letter] {
        assert_eq!(scene.kafka.partitions(topic), Some(3), "{topic}");
    }
    let setting = |topic: &str, name: &str| scene.kafka.topic_setting(topic, name);
    assert_eq!(setting(&out, "retention.ms").as_deref(), Some("86400000"));
    assert_eq!(setting(&out, "max.message.bytes").as_deref(), Some("200000"));
    assert_eq!(setting(&dead_letter, "retention.ms"), Some((14 * 86_400_000_u64).to_string()));
    assert_eq!(setting(&dead_letter, "max.message.bytes"), Some((200_000 + 65_536).to_string()));
    assert_eq!(setting(&dead_letter, "message.timestamp.type").as_deref(), Some("LogAppendTime"));
    assert_eq!(setting(&dead_letter, "cleanup.policy").as_deref(), Some("delete"));
}

/// With `repartition: murmur2` a key goes where Java's producers put it, and keeps its order there.
#[test]
fn keys_are_repartitioned() {
    let seed = seed();
    let mut scene = Scene::empty("murmur2");
    let line = scene.add("orders", 3, Policy::default(), json!({ "repartition": "murmur2" }));
    scene.kafka.add_partitions(&line.outputs.validated, 8);
    wait_for("the new partitions", Duration::from_secs(10), || {
        (scene.kafka.partitions(&line.outputs.validated) == Some(8)).then_some(())
    });
    let gate = Gate::start(&scene.config());
    // Records without a key have no place of their own in another number of partitions.
    let mut planned = line.traffic(seed).mixed(600, &Class::usual());
    give_keys(&mut planned);
    let sent = scene.send(&line, planned);
    scene.verify(&line, &sent, Some(&gate));
    let read = scene.kafka.read(&[&line.outputs.validated]);
    // Kafka's own vectors: what `DefaultPartitioner` made of these keys with eight partitions is murmur2 & 7.
    for read in &read {
        let key = read.content.key.as_ref().unwrap();
        assert_eq!(read.partition, murmur2_partition(key, 8), "{:?}", String::from_utf8_lossy(key));
    }
    assert!(read.iter().map(|read| read.partition).collect::<BTreeSet<_>>().len() > 4, "keys are spread");
}

/// Kafka's `Utils.murmur2` and `toPositive`, written down a second time as the oracle; seed 0x9747b28c, shift 24.
#[allow(clippy::cast_possible_wrap, clippy::cast_possible_truncation, reason = "defined on 32 bits")]
fn murmur2_partition(key: &[u8], partitions: i32) -> i32 {
    const M: u32 = 0x5bd1_e995;
    let mix = |k: u32| {
        let k = k.wrapping_mul(M);
        (k ^ (k >> 24)).wrapping_mul(M)
    };
    let (words, rest) = key.as_chunks::<4>();
    let mut hash = words
        .iter()
        .fold(0x9747_b28c ^ key.len() as u32, |hash, word| hash.wrapping_mul(M) ^ mix(u32::from_le_bytes(*word)));
    if !rest.is_empty() {
        let tail = rest.iter().rev().fold(0, |tail, &byte| (tail << 8) | u32::from(byte));
        hash = (hash ^ tail).wrapping_mul(M);
    }
    hash = (hash ^ (hash >> 13)).wrapping_mul(M);
    hash ^= hash >> 15;
    ((hash & 0x7fff_ffff) as i32) % partitions
}

/// The vectors of Kafka's own `UtilsTest` (Apache-2.0), for the oracle above.
#[test]
fn murmur2_is_kafkas() {
    let vectors: [(&[u8], i32); 6] = [
        (b"21", -973_932_308),
        (b"foobar", -790_332_482),
        (b"a-little-bit-long-string", -985_981_536),
        (b"a-little-bit-longer-string", -1_486_304_829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58_897_971),
        (b"abc", 479_470_107),
    ];
    for (key, hash) in vectors {
        assert_eq!(murmur2_partition(key, i32::MAX), (hash & i32::MAX) % i32::MAX);
    }
}

/// `start` decides where a group begins that has committed nothing, and only then.
#[test]
fn start_is_resolved_once() {
    let mut scene = Scene::empty("start");
    let line = scene.add("orders", 1, Policy::default(), json!({ "start": "latest" }));
    let mut traffic = line.traffic(4);
    let good = [Class::Order(Version::V2)];
    scene.send(&line, traffic.mixed(50, &good));
    let config = scene.config();
    let gate = Gate::start(&config);
    // Nothing was read, and the resolved offset is committed, so that a stop now does not lose what comes next.
    let committed = scene.kafka.committed(&scene.group(&line), &[&line.source]);
    assert_eq!(committed.get(&(line.source.clone(), 0)), Some(&50), "committed at the start: {committed:?}");
    let (status, log) = gate.stop(Duration::from_secs(10));
    assert!(status.success(), "{log}");
    let between = scene.send(&line, traffic.mixed(30, &good));
    let gate = Gate::start(&config);
    scene.verify(&line, &between, Some(&gate));
}
