//! Topics: found by pattern, made as the source is, begun where `start` says.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "helpers of tests may")]

mod common;

use std::time::Duration;

use common::check::Outputs;
use common::fault::seen;
use common::gate::{Config, Gate};
use common::scene::{Line, Scene};
use common::schemas::Version;
use common::traffic::{Class, Policy, Sent, Traffic, counts};
use common::{seed, unique, wait_for};
use serde_json::json;

/// Records that every gate of these tests validates.
const GOOD: [Class; 1] = [Class::Order(Version::V2)];

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
        scene.kafka.create_topic(&source, partitions, &[("max.message.bytes", "400000")]);
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
        let Outputs { validated, .. } = &line.outputs;
        assert_eq!(scene.kafka.partitions(validated), Some(line.partitions));
        assert_eq!(scene.kafka.topic_setting(validated, "max.message.bytes").as_deref(), Some("400000"));
        all.extend(sent.iter().cloned());
    }
    wait_for("the counters", Duration::from_secs(60), || (gate.records("all") == counts(&all)).then_some(()));
}

/// A topic of a pattern that cannot be served is left aside and reported; the others go on.
#[test]
fn a_topic_without_outputs_is_left_aside() {
    let mut scene = Scene::empty("aside");
    let good = scene.add("good", 2, Policy::default(), json!({}));
    let orphan = format!("{}.orphan.raw", scene.application);
    scene.kafka.create_topic(&orphan, 1, &[]);
    let gate = Gate::start(&scene.config_of_pattern("good"));
    let sent = scene.send(&good, good.traffic(seed()).mixed(200, &Class::usual()));
    scene.verify(&good, &sent, Some(&gate));
    let status = common::http::get(gate.admin(), "/status").unwrap().body;
    assert!(status.contains(&orphan), "the status names the topic: {status}");
    assert!(gate.log().contains("kafka-topics"), "the log has the commands that create its outputs");
}

/// Partitions that are added while records flow are read from their first record, like all others.
#[test]
fn partitions_added_while_running() {
    let seed = seed();
    let scene = Scene::new("grow", 2);
    let line = scene.line();
    // Clients look at a topic's partitions every five minutes unless told otherwise.
    let gate = Gate::start(&scene.config().set("/kafka/topic.metadata.refresh.interval.ms", "1000"));
    let mut sent = scene.send(line, line.traffic(seed).mixed(300, &Class::usual()));
    let Outputs { validated, converter, dead_letter } = &line.outputs;
    for topic in [validated, converter, dead_letter, &line.source] {
        scene.kafka.add_partitions(topic, 4);
        wait_for("the new partitions", Duration::from_secs(10), || {
            (scene.kafka.partitions(topic) == Some(4)).then_some(())
        });
    }
    let mut wider = line.clone();
    wider.partitions = 4;
    let mut more = wider.traffic(seed).mixed(300, &Class::usual());
    // The same seed makes the same times; records are told apart by them.
    more.iter_mut().for_each(|record| record.content.timestamp += 1);
    sent.extend(scene.send(&wider, more));
    scene.verify(&wider, &sent, Some(&gate));
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

/// A time means the first record as young, of each partition, and where there is none the end.
#[test]
fn start_at_a_time() {
    const TIME: i64 = 1_700_000_000_000;
    let mut scene = Scene::empty("time");
    let line = scene.add("orders", 2, Policy::default(), json!({ "start": TIME.to_string() }));
    let mut traffic = line.traffic(seed());
    let mut send = |partition, first: i64| {
        let mut records = traffic.on_partition(partition, 10, &GOOD);
        records.iter_mut().zip(first..).for_each(|(record, time)| record.content.timestamp = time);
        scene.send(&line, records)
    };
    send(0, TIME - 10);
    send(1, TIME - 10);
    let young = send(0, TIME);
    let gate = Gate::start(&scene.config());
    let committed = scene.kafka.committed(&scene.group(&line), &[&line.source]);
    let begin = |partition| committed.get(&(line.source.clone(), partition)).copied();
    assert!(begin(0).is_some_and(|next| next >= 10) && begin(1) == Some(10), "{committed:?}");
    scene.verify(&line, &young, Some(&gate));
}

/// Fault 19: an output is deleted and made again while records wait for it. What was sent meanwhile is in the new topic,
/// each record once. Bound: 40 s, since clients look for a topic that has gone in growing intervals.
#[test]
fn fault_19_output_recreated() {
    let scene = Scene::new("again", 2);
    let line = scene.line();
    let validated = &line.outputs.validated;
    let good = [Class::Order(Version::V2)];
    let mut traffic = line.traffic(seed());
    let gate = Gate::start(&scene.config());
    let before = scene.send(line, traffic.mixed(300, &good));
    scene.verify(line, &before, Some(&gate));
    scene.kafka.delete_topic(validated);
    let sent = scene.send(line, traffic.mixed(300, &good));
    let held = || gate.metrics().sum("sluice_held_partitions", &[("cause", "target_unavailable")]);
    wait_for("the hold", Duration::from_secs(60), || (held() > 0.5).then_some(()));
    assert!(gate.log().contains(validated), "the log names the topic");
    scene.kafka.create_topic(validated, 2, &[]);
    let start = std::time::Instant::now();
    scene.verify(line, &sent, None);
    seen("19", &format!("output recreated: {:.1} s, 0 lost, 0 twice", start.elapsed().as_secs_f64()));
    assert!(held() < 0.5);
}

/// A gate that looks for changes of topics every second, and 300 records that are through.
fn through_before_the_source_goes(name: &str) -> (Scene, Gate, Traffic, Vec<Sent>) {
    let scene = Scene::new(name, 1);
    let line = scene.line();
    let mut traffic = line.traffic(seed());
    let gate = Gate::start(&scene.config().set("/kafka/topic.metadata.refresh.interval.ms", "1000"));
    let before = scene.send(line, traffic.mixed(300, &GOOD));
    scene.verify(line, &before, Some(&gate));
    scene.kafka.delete_topic(&line.source);
    (scene, gate, traffic, before)
}

/// Fault 19: a source is deleted and made again, so that its offsets begin anew. The records of the new one are read from
/// the first, or held with both offsets named; none is passed over in silence.
#[test]
fn fault_19_source_recreated() {
    let (scene, gate, mut traffic, before) = through_before_the_source_goes("anew");
    let line = scene.line();
    scene.kafka.create_topic(&line.source, 1, &[]);
    let sent = scene.send(line, traffic.mixed(100, &GOOD));
    let held = || gate.metrics().sum("sluice_held_partitions", &[("cause", "offset_out_of_range")]);
    let count = || scene.kafka.read(&[&line.outputs.validated]).len();
    let all: Vec<Sent> = before.iter().cloned().chain(sent).collect();
    wait_for("records or a hold", Duration::from_secs(60), || (held() > 0.5 || count() == all.len()).then_some(()));
    if held() > 0.5 {
        let log = gate.log();
        // 0 if the gate looked before the new records were there, 100 if after.
        let named = log.contains("the next record is 300, and the log now begins at 0 and ends at");
        assert!(named, "both offsets are named: {log}");
        assert_eq!(count(), before.len(), "it stands before the first");
        return;
    }
    wait_for("the counters", Duration::from_secs(60), || (gate.records("orders") == counts(&all)).then_some(()));
}

/// Fault 19: while a source is gone, the gate says so and is not ready. The new one has more records than were committed of
/// the old one, whose offset is thus one of the new log. Brokers forget the offsets with the topic, so once its members
/// have seen it go the new one is read from its first record. (What happens before that is "not promised".) Bound: 60 s.
#[test]
fn fault_19_source_recreated_and_refilled() {
    let (scene, gate, mut traffic, before) = through_before_the_source_goes("refilled");
    let line = scene.line();
    let assigned = || gate.metrics().sum("sluice_assigned_partitions", &[]);
    wait_for("the gate to see it", Duration::from_secs(60), || (assigned() < 0.5).then_some(()));
    let held = || gate.metrics().sum("sluice_held_partitions", &[("cause", "source_unavailable")]);
    wait_for("the gate to say so", Duration::from_secs(30), || (held() > 0.5).then_some(()));
    // First its session ends; then the topic is looked for.
    let says = |word: &str| common::http::get(gate.admin(), "/status").unwrap().body.contains(word);
    wait_for("the status to say so", Duration::from_secs(30), || {
        (says("it is gone") && says("degraded")).then_some(())
    });
    scene.kafka.create_topic(&line.source, 1, &[]);
    let start = std::time::Instant::now();
    let sent = scene.send(line, traffic.mixed(600, &GOOD));
    scene.wait_committed(line, &sent);
    let all: Vec<Sent> = before.into_iter().chain(sent).collect();
    wait_for("the counters", Duration::from_secs(10), || (gate.records("orders") == counts(&all)).then_some(()));
    assert_eq!(scene.kafka.read(&[&line.outputs.validated]).len(), all.len());
    wait_for("the gate to be well", Duration::from_secs(30), || (held() < 0.5).then_some(()));
    println!(
        "fault 19: source recreated, refilled: recovered in {:.1} s, 0 lost, 0 twice",
        start.elapsed().as_secs_f64()
    );
}

/// Fault 19 with `repartition: refuse`: partitions are added to the source alone. Their records are held, and named with
/// the output that lacks the partition; all others flow. Once the outputs have it, they go on by themselves. Bound: 60 s.
#[test]
fn fault_19_partitions_added_to_the_source() {
    let scene = Scene::new("source-grows", 2);
    let line = scene.line();
    let gate = Gate::start(&scene.config().set("/kafka/topic.metadata.refresh.interval.ms", "1000"));
    let mut sent = scene.send(line, line.traffic(seed()).mixed(200, &Class::usual()));
    scene.kafka.add_partitions(&line.source, 3);
    wait_for("the partition", Duration::from_secs(10), || {
        (scene.kafka.partitions(&line.source) == Some(3)).then_some(())
    });
    let mut wider = line.clone();
    wider.partitions = 3;
    let mut more = wider.traffic(seed()).mixed(300, &Class::usual());
    // The same seed makes the same times; records are told apart by them.
    more.iter_mut().for_each(|record| record.content.timestamp += 1);
    sent.extend(scene.send(&wider, more));
    let held = || gate.metrics().sum("sluice_held_partitions", &[("cause", "target_unavailable")]);
    wait_for("the hold", Duration::from_secs(60), || (held() > 0.5).then_some(()));
    let others: Vec<Sent> = sent.iter().filter(|record| record.source.1 < 2).cloned().collect();
    scene.wait_committed(line, &others);
    let status = common::http::get(gate.admin(), "/status").unwrap().body;
    assert!(status.contains(&format!("{}-2 held", line.source)), "the status names the partition: {status}");
    assert!(gate.log().contains("or this partition of it is not there"), "{}", gate.log());
    let Outputs { validated, converter, dead_letter } = &line.outputs;
    for topic in [validated, converter, dead_letter] {
        scene.kafka.add_partitions(topic, 3);
    }
    let start = std::time::Instant::now();
    scene.verify(&wider, &sent, Some(&gate));
    println!(
        "fault 19: partitions of the source: recovered in {:.1} s, 0 lost, 0 twice",
        start.elapsed().as_secs_f64()
    );
    assert!(held() < 0.5);
}

/// Fault 19 with `repartition: murmur2`: three partitions go to five and to two, each key to the one that Java's producers
/// choose; when partitions are added to the output, keys move between two transactions, and every record is there once,
/// in the order of its key in each partition.
#[test]
fn fault_19_partitions_added_to_the_target() {
    let mut scene = Scene::empty("spread");
    let mut line = scene.add("orders", 3, Policy::default(), json!({ "repartition": "murmur2" }));
    let Outputs { validated, dead_letter, .. } = &line.outputs;
    for (topic, partitions) in [(validated, 5), (dead_letter, 2)] {
        scene.kafka.delete_topic(topic);
        scene.kafka.create_topic(topic, partitions, &[("message.timestamp.type", "CreateTime")]);
    }
    let mut traffic = line.traffic(seed());
    let gate = Gate::start(&scene.config());
    let mut sent = scene.send(&line, traffic.mixed(1_000, &Class::usual()));
    scene.verify(&line, &sent, Some(&gate));
    let places = |read: Vec<common::client::Read>| {
        let place = |record: common::client::Read| Some((record.content.key?, record.partition));
        read.into_iter().filter_map(place).collect::<std::collections::BTreeSet<_>>()
    };
    let before = places(scene.kafka.read(&[validated]));
    assert_eq!(before, as_java_spreads(&scene, before.iter().map(|(key, _)| key.clone()), 5));

    scene.kafka.add_partitions(validated, 9);
    let moved = format!("{validated}' has 9 partitions");
    wait_for("the gate to see the partitions", Duration::from_secs(60), || gate.log().contains(&moved).then_some(()));
    sent.extend(scene.send(&line, traffic.mixed(1_000, &Class::usual())));
    scene.verify(&line, &sent, Some(&gate));
    let after = places(scene.kafka.read(&[validated]));
    let moved = as_java_spreads(&scene, after.iter().map(|(key, _)| key.clone()), 9);
    let expected: std::collections::BTreeSet<_> = before.union(&moved).cloned().collect();
    assert!(after.is_subset(&expected) && after.iter().any(|(_, partition)| *partition > 4));
    line.partitions = 3;
}

/// Returns the partition of each key by librdkafka's own `murmur2_random`, which is written after Java's.
fn as_java_spreads(
    scene: &Scene,
    keys: impl Iterator<Item = Vec<u8>>,
    partitions: i32,
) -> std::collections::BTreeSet<(Vec<u8>, i32)> {
    use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
    let topic = scene.kafka.topic("java", partitions, &[]);
    let producer: BaseProducer = scene.kafka.client().set("partitioner", "murmur2_random").create().unwrap();
    let keys: std::collections::BTreeSet<_> = keys.collect();
    for key in &keys {
        producer.send(BaseRecord::to(&topic).key(key).payload("")).unwrap();
    }
    producer.flush(Duration::from_secs(60)).unwrap();
    let read = scene.kafka.read(&[&topic]).into_iter();
    read.map(|record| (record.content.key.unwrap(), record.partition)).collect()
}

/// A source that a gate of the same file makes is waited for, whichever of the two starts first.
#[test]
fn a_source_that_another_makes_is_waited_for() {
    let scene = Scene::empty("maker");
    let raw = scene.kafka.topic("maker", 2, &[]);
    let (orders, copies) = (format!("{raw}.orders"), format!("{raw}.copies"));
    let gates = json!({ "orders": { "source": raw, "validated": orders, "value": { "format": "any" } } });
    let mut config = Config::new(&scene.application, scene.kafka.bootstrap(), &scene.registry.url(), gates);
    scene.registry.register("copies-value", r#"{"type":"long"}"#);
    config.0["converters"] =
        json!({ "a": { "source": orders, "to": copies, "value": { "subject": "copies-value", "target": 1 } } });
    let gate = Gate::start(&config.set("/create_topics", true));
    assert_eq!(scene.kafka.wait_for_topic(&copies), 2, "made as its source, which was made as its own");
    let (status, log) = gate.stop(Duration::from_secs(10));
    assert!(status.success(), "{log}");
}
