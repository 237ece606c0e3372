//! Reports of librdkafka that no librdkafka writes.

use super::{Made, made, many};

pub(super) fn cases() -> Vec<Made> {
    let topics = |partition: &str| {
        format!(r#"{{"type":"consumer","topics":{{"t":{{"topic":"t","partitions":{{{partition}}}}}}}}}"#)
    };
    let huge = r#"{"partition":1,"desired":true,"fetchq_cnt":9223372036854775807,"fetchq_size":9223372036854775807}"#;
    let sum = many(4, ",", |n| format!(r#""{n}":{huge}"#));
    let partitions = many(500, ",", |n| format!(r#""{n}":{{"partition":{n},"desired":true,"ls_offset":5}}"#));
    [
        ("empty.refused", String::new()),
        ("empty_object.read", "{}".into()),
        ("list.read", "[]".into()),
        ("truncated.refused", r#"{"name":"x","type":"cons"#.into()),
        ("number_as_text.refused", r#"{"ts":"soon"}"#.into()),
        ("number_beyond.refused", r#"{"tx_bytes":9223372036854775808}"#.into()),
        ("numbers_negative.read", r#"{"ts":-1,"msg_cnt":-9223372036854775808,"tx_bytes":-1}"#.into()),
        ("sum_overflows.read", topics(&sum)),
        ("partition_minus_one.read", topics(r#""-1":{"partition":-1,"desired":true}"#)),
        (
            "offsets_negative.read",
            topics(r#""0":{"partition":0,"desired":true,"ls_offset":-1001,"lo_offset":-9223372036854775808}"#),
        ),
        ("partitions_500.read", topics(&partitions)),
        ("deep.refused", format!(r#"{{"new":{}"#, "[".repeat(100_000))),
        ("rtt_most.read", r#"{"brokers":{"b":{"state":"UP","rtt":{"avg":9223372036854775807,"cnt":1}}}}"#.into()),
        ("brokers_is_a_list.refused", r#"{"brokers":[]}"#.into()),
    ]
    .map(|(name, text)| made(name, text))
    .into()
}
