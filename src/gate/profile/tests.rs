//! The headers that other tools expect, byte for byte.

use super::*;
use crate::gate::dead_letter::HEADERS;
use crate::record::{Header, Offset, Partition, Position};
use crate::schema::{Format, SchemaId, SchemaRef, Version};

fn letter(part: Part, reason: ReasonCode) -> DeadLetter<'static> {
    DeadLetter {
        reason,
        path: Some("order.id"),
        detail: "12 bytes\nare left",
        part,
        source: Position { topic: "orders.raw", partition: Partition(258), offset: Offset(66051) },
        timestamp: Some(1),
        schema: Some(SchemaRef::Id(SchemaId(17))),
        subject: None,
        version: Some(Version(3)),
        format: Some(Format::Avro),
        target: None,
        gate: "orders",
        gate_version: "0.1.0",
        attempt: 1,
    }
}

/// Returns what the profiles write beside our own headers.
fn added(letter: &DeadLetter<'_>, original: &[Header<'_>], profiles: &[Profile]) -> Vec<(String, Vec<u8>)> {
    let written = letter.headers(original, profiles);
    let others = written.into_iter().filter(|(name, _)| !HEADERS.contains(name));
    others.map(|(name, value)| (name.to_owned(), value.unwrap().into_owned())).collect()
}

fn pairs(pairs: &[(&str, &[u8])]) -> Vec<(String, Vec<u8>)> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_vec())).collect()
}

#[test]
fn names_are_found_again() {
    for profile in Profile::ALL {
        assert_eq!(Profile::from_name(profile.name()), Some(profile));
    }
    assert_eq!(Profile::from_name("Connect"), None);
}

#[test]
fn connect_gets_what_its_readers_require() {
    let expected: [(&str, &[u8]); 9] = [
        ("__connect.errors.topic", b"orders.raw"),
        ("__connect.errors.partition", b"258"),
        ("__connect.errors.offset", b"66051"),
        ("__connect.errors.connector.name", b"orders"),
        ("__connect.errors.task.id", b"0"),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.class.name", b"sluice.Gate"),
        ("__connect.errors.exception.class.name", b"sluice.trailing_bytes"),
        ("__connect.errors.exception.message", b"trailing_bytes at 'order.id': 12 bytes are left"),
    ];
    let letter = letter(Part::Value, ReasonCode::TrailingBytes);
    assert_eq!(added(&letter, &[], &[Profile::Connect]), pairs(&expected));
}

#[test]
fn connect_stages_follow_part_and_reason() {
    use ReasonCode::{BrokerRejected, MissingKey, NoConversionPath, NotFramed, TombstoneNotAllowed, TooLarge};
    let cases = [
        (Part::Key, NotFramed, "KEY_CONVERTER"),
        (Part::Key, MissingKey, "KEY_CONVERTER"),
        (Part::Value, TombstoneNotAllowed, "VALUE_CONVERTER"),
        (Part::Value, NoConversionPath, "TRANSFORMATION"),
        (Part::Value, TooLarge, "KAFKA_PRODUCE"),
        (Part::Value, BrokerRejected, "KAFKA_PRODUCE"),
    ];
    for (part, reason, stage) in cases {
        assert_eq!(connect_stage(&letter(part, reason)), stage, "{reason}");
    }
}

#[test]
fn streams_gets_its_five_headers() {
    let expected: [(&str, &[u8]); 5] = [
        ("__streams.errors.exception", b"sluice.not_framed"),
        ("__streams.errors.message", b"not_framed: 12 bytes are left"),
        ("__streams.errors.topic", b"orders.raw"),
        ("__streams.errors.partition", b"258"),
        ("__streams.errors.offset", b"66051"),
    ];
    let letter = DeadLetter { path: None, ..letter(Part::Value, ReasonCode::NotFramed) };
    assert_eq!(added(&letter, &[], &[Profile::Streams]), pairs(&expected));
}

#[test]
fn spring_gets_big_endian_integers_and_keeps_keys_apart() {
    let mut expected: Vec<(&str, &[u8])> = vec![
        ("kafka_dlt-original-topic", b"orders.raw"),
        ("kafka_dlt-original-partition", &[0, 0, 1, 2]),
        ("kafka_dlt-original-offset", &[0, 0, 0, 0, 0, 1, 2, 3]),
        ("kafka_dlt-original-timestamp", &[0, 0, 0, 0, 0, 0, 0, 1]),
        ("kafka_dlt-exception-fqcn", b"sluice.truncated"),
        ("kafka_dlt-exception-message", b"truncated at 'order.id': 12 bytes are left"),
    ];
    let of_value = letter(Part::Value, ReasonCode::Truncated);
    assert_eq!(added(&of_value, &[], &[Profile::Spring]), pairs(&expected));
    expected.remove(3);
    expected[3].0 = "kafka_dlt-key-exception-fqcn";
    expected[4].0 = "kafka_dlt-key-exception-message";
    let of_key = DeadLetter { timestamp: None, ..letter(Part::Key, ReasonCode::Truncated) };
    assert_eq!(added(&of_key, &[], &[Profile::Spring]), pairs(&expected));
}

#[test]
fn an_earlier_set_goes_as_a_whole_where_the_profile_is_on() {
    let stack = Header { name: "__connect.errors.exception.stacktrace", value: Some(b"old") };
    let topic = Header { name: "__connect.errors.topic", value: Some(b"old") };
    let letter = letter(Part::Value, ReasonCode::Truncated);
    let fresh = added(&letter, &[], &[Profile::Connect]);
    assert_eq!(added(&letter, &[topic, stack], &[Profile::Connect]), fresh);
    let kept = pairs(&[(topic.name, b"old"), (stack.name, b"old")]);
    assert_eq!(added(&letter, &[topic, stack], &[Profile::Sluice]), kept);
}

#[test]
fn a_profile_named_twice_is_written_once_in_our_order() {
    let letter = letter(Part::Value, ReasonCode::Truncated);
    let once = letter.headers(&[], &[Profile::Connect, Profile::Spring]);
    assert_eq!(letter.headers(&[], &[Profile::Spring, Profile::Connect, Profile::Spring]), once);
}

#[test]
fn a_set_is_ours_when_its_class_is() {
    for profile in [Profile::Connect, Profile::Streams, Profile::Spring] {
        for part in [Part::Key, Part::Value] {
            let letter = letter(part, ReasonCode::TrailingBytes);
            let written = letter.headers(&[], &[profile]);
            let written: Vec<_> =
                written.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
            for other in Profile::ALL {
                assert_eq!(other.is_ours(&written), other == profile, "{other:?} in that of {profile:?}");
            }
        }
    }
    let theirs = [("kafka_dlt-exception-fqcn", "org.Boom"), ("__connect.errors.topic", "sluice.orders")];
    let theirs = theirs.map(|(name, value)| Header { name, value: Some(value.as_bytes()) });
    assert!(!Profile::ALL.iter().any(|profile| profile.is_ours(&theirs)));
}
