//! What is refused, planned and printed for topics that are there, missing or different.

use super::super::Setting;
use super::*;

const OWN: bool = true;

fn topic(name: &str, partitions: i32, settings: &[(&str, &str, bool)]) -> Topic {
    let setting =
        |&(name, value, own): &(&str, &str, bool)| (name.to_owned(), Setting { value: value.to_owned(), own });
    let settings = settings.iter().map(setting).collect();
    Topic { name: name.to_owned(), partitions, replication: 3, settings }
}

fn outputs(name: &str) -> Outputs {
    Outputs {
        validated: name.to_owned(),
        converter: Some(format!("{name}.converter")),
        dead_letter: format!("{name}.bad"),
    }
}

fn plan(sources: &[(&str, Outputs)], mode: Mode, topics: &[Topic]) -> Plan {
    let topics = topics.iter().map(|topic| (topic.name.clone(), topic.clone())).collect();
    let needs = Needs { mode, repartition: Repartition::Refuse };
    Plan::new(sources.iter().map(|(source, outputs)| (*source, outputs.clone())), needs, &topics)
}

fn messages<T: ToString>(items: &[T]) -> Vec<String> {
    items.iter().map(ToString::to_string).collect()
}

#[test]
fn missing_outputs_are_made_as_their_source_is() {
    let source = topic(
        "raw",
        6,
        &[
            ("cleanup.policy", "compact,delete", OWN),
            ("retention.ms", "-1", OWN),
            ("max.message.bytes", "2000000", !OWN),
            ("min.insync.replicas", "2", OWN),
            ("leader.replication.throttled.replicas", "0:1", OWN),
            ("segment.bytes", "1073741824", !OWN),
        ],
    );
    let plan = plan(&[("raw", outputs("orders"))], Mode::Enforce, &[source]);
    assert_eq!((plan.refusals.len(), plan.differences.len()), (0, 0));
    let commands: Vec<String> = plan.missing.iter().map(|topic| topic.command("--bootstrap-server b:9092")).collect();
    let create = "kafka-topics.sh --bootstrap-server b:9092 --create --topic";
    let counts = "--partitions 6 --replication-factor 3";
    let like = "--config cleanup.policy=compact,delete --config min.insync.replicas=2 --config retention.ms=-1";
    assert_eq!(
        commands,
        [
            format!("{create} orders {counts} {like}"),
            format!("{create} orders.converter {counts} {like}"),
            format!(
                "{create} orders.bad {counts} --config cleanup.policy=delete --config max.message.bytes=2065536 \
                 --config message.timestamp.type=LogAppendTime --config min.insync.replicas=2 --config retention.ms=1209600000"
            ),
        ]
    );
}

#[test]
fn only_what_the_mode_writes_is_needed() {
    let raw = [topic("raw", 1, &[])];
    let names = |mode| {
        let missing = plan(&[("raw", outputs("orders"))], mode, &raw).missing;
        missing.into_iter().map(|topic| topic.name).collect::<Vec<_>>()
    };
    assert_eq!(names(Mode::Enforce), ["orders", "orders.converter", "orders.bad"]);
    assert_eq!(names(Mode::PassAll), ["orders"]);
    assert_eq!(names(Mode::DryRun), [] as [&str; 0]);
}

#[test]
fn a_missing_source_and_other_counts_are_refused() {
    let topics =
        [topic("a", 4, &[]), topic("orders", 4, &[]), topic("orders.converter", 2, &[]), topic("orders.bad", 8, &[])];
    let plan = plan(&[("a", outputs("orders")), ("none", outputs("x"))], Mode::Enforce, &topics);
    assert_eq!(
        messages(&plan.refusals),
        [
            "topic 'orders.converter' has 2 partitions and its source 'a' has 4: records keep their partition; \
             add partitions to it, or set 'repartition: murmur2'",
            "topic 'orders.bad' has 8 partitions and its source 'a' has 4: records keep their partition; \
             name another output, since partitions cannot be taken away, or set 'repartition: murmur2'",
            "source topic 'none' does not exist, or this user may not see it; create it, or grant the rights that `sluice check-config` prints",
        ]
    );
    assert_eq!(plan.missing, []);
}

#[test]
fn an_output_of_two_sources_fits_both_or_is_refused() {
    let small = topic("a", 4, &[("max.message.bytes", "1000", OWN)]);
    let large = topic("b", 4, &[("max.message.bytes", "9000", OWN)]);
    let other = topic("c", 5, &[]);
    let shared = |topics: &[Topic], sources: &[&str]| {
        let sources: Vec<(&str, Outputs)> = sources.iter().map(|source| (*source, outputs("o"))).collect();
        plan(&sources, Mode::PassAll, topics)
    };
    let both = shared(&[small.clone(), large.clone()], &["a", "b"]);
    assert_eq!(both.missing.len(), 1);
    assert_eq!(both.missing[0].settings["max.message.bytes"], "9000");
    let unequal = shared(&[small, other], &["a", "c"]);
    assert_eq!(
        messages(&unequal.refusals),
        ["sources 'a' with 4 partitions and 'c' with 5 cannot share topic 'o': records keep their partition; \
          give each source a gate, or its own output by a pattern"]
    );
}

#[test]
fn settings_that_differ_are_told_with_the_harm() {
    let source = topic(
        "raw",
        1,
        &[
            ("cleanup.policy", "delete", !OWN),
            ("retention.ms", "604800000", !OWN),
            ("max.message.bytes", "1048588", !OWN),
            ("message.timestamp.type", "CreateTime", !OWN),
            ("segment.bytes", "5", OWN),
        ],
    );
    let validated = topic(
        "orders",
        1,
        &[("cleanup.policy", "delete", !OWN), ("max.message.bytes", "1000", OWN), ("segment.bytes", "7", OWN)],
    );
    let dead_letters = topic(
        "orders.bad",
        1,
        &[
            ("cleanup.policy", "delete", !OWN),
            ("retention.ms", "-1", OWN),
            ("max.message.bytes", "1048588", !OWN),
            ("message.timestamp.type", "CreateTime", !OWN),
        ],
    );
    let outputs = Outputs { converter: None, ..outputs("orders") };
    let plan = plan(&[("raw", outputs)], Mode::Enforce, &[source, validated, dead_letters]);
    assert_eq!((plan.refusals.len(), plan.missing.len()), (0, 0));
    assert_eq!(
        messages(&plan.differences),
        [
            "topic 'orders' has max.message.bytes 1000, and by its source 'raw' it would be 1048588: \
             a record that does not fit stops its partition",
            "topic 'orders.bad' has max.message.bytes 1048588, and by its source 'raw' it would be 1114124: \
             a record that does not fit stops its partition",
            "topic 'orders.bad' has message.timestamp.type CreateTime, and by its source 'raw' it would be LogAppendTime: \
             times and retention follow another clock than they should",
        ]
    );
}

#[test]
fn compacted_dead_letters_are_refused() {
    let topics = [topic("raw", 1, &[]), topic("o", 1, &[]), topic("o.bad", 1, &[("cleanup.policy", "compact", OWN)])];
    let outputs = Outputs { converter: None, ..outputs("o") };
    let plan = plan(&[("raw", outputs)], Mode::Enforce, &topics);
    assert_eq!(
        messages(&plan.refusals),
        [
            "dead-letter topic 'o.bad' has cleanup.policy compact: it would keep one dead letter per key and refuse those \
          without; set it to delete"
        ]
    );
}

#[test]
fn values_are_quoted_for_a_shell() {
    for (value, shell) in [("delete", "delete"), ("", "''"), ("a b", "'a b'"), ("it's", r"'it'\''s'"), ("$x", "'$x'")] {
        assert_eq!(quoted(value), shell);
    }
}

#[test]
fn dead_letters_of_a_source_without_limit_have_none() {
    let source = topic("raw", 6, &[("max.message.bytes", "2147483647", OWN)]);
    let made = plan(&[("raw", outputs("orders"))], Mode::Enforce, std::slice::from_ref(&source)).missing;
    let letters = made.iter().find(|topic| topic.name == "orders.bad").unwrap();
    assert_eq!(letters.settings["max.message.bytes"], "2147483647", "the largest that a broker takes");
}

#[test]
fn the_codec_of_a_topic_is_its_own_unless_producers_choose() {
    for (value, codec) in
        [("producer", None), ("uncompressed", Some("none")), ("zstd", Some("zstd")), ("of times to come", None)]
    {
        assert_eq!(topic("orders", 1, &[("compression.type", value, OWN)]).codec(), codec, "{value}");
    }
    assert_eq!(topic("orders", 1, &[]).codec(), None, "who may not see it cannot follow it");
}
