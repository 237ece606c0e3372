//! Headers of records that are, or claim to be, dead letters.

use super::{Made, made};

use sluice::gate::dead_letter::HEADERS;

/// A header by the name's place in [`HEADERS`].
fn header(name: &str, value: &[u8]) -> Vec<u8> {
    let at = HEADERS.iter().position(|header| *header == name).expect("a header of ours");
    let length = u8::try_from(value.len()).expect("short");
    [&[u8::try_from(at).expect("few headers"), length][..], value].concat()
}

const NEEDED: [(&str, &str); 9] = [
    ("sluice.reason", "truncated"),
    ("sluice.detail", "at least 5 bytes are needed, 0 are left"),
    ("sluice.part", "value"),
    ("sluice.source.topic", "orders.raw"),
    ("sluice.source.partition", "0"),
    ("sluice.source.offset", "17"),
    ("sluice.gate", "orders"),
    ("sluice.gate.version", "0.1.0"),
    ("sluice.attempt", "1"),
];

/// All headers that are needed, but for one of them, and more.
fn letter(without: &str, more: &[Vec<u8>]) -> Vec<u8> {
    let needed = NEEDED.iter().filter(|(name, _)| *name != without);
    let headers: Vec<u8> = needed.flat_map(|(name, value)| header(name, value.as_bytes())).collect();
    [headers, more.concat()].concat()
}

pub(super) fn cases() -> Vec<Made> {
    let mut cases = vec![
        made("none.missing", []),
        made("all.read", letter("", &[])),
        made("all_and_a_long_detail.read", [letter("", &[]), vec![0xfe], vec![b'x'; 10_000]].concat()),
        made("all_and_bad_utf8_in_the_detail.read", [letter("", &[]), vec![0xfe], vec![0xff; 3_000]].concat()),
        made("all_and_line_ends.read", [letter("", &[]), vec![0xfe], b"a\r\n\0\x1b[31m".repeat(300)].concat()),
        made(
            "all_and_three_byte_characters.read",
            [letter("", &[]), vec![0xfe], "€".repeat(2_000).into_bytes()].concat(),
        ),
        made("attempt_most.read", letter("sluice.attempt", &[header("sluice.attempt", b"4294967295")])),
        made("attempt_beyond.invalid", letter("sluice.attempt", &[header("sluice.attempt", b"4294967296")])),
        made("attempt_negative.invalid", letter("sluice.attempt", &[header("sluice.attempt", b"-1")])),
        made("attempt_text.invalid", letter("sluice.attempt", &[header("sluice.attempt", b"often")])),
        made("attempt_empty.invalid", letter("sluice.attempt", &[header("sluice.attempt", b"")])),
        made(
            "attempt_twice_last_counts.read",
            letter("", &[header("sluice.attempt", b"x"), header("sluice.attempt", b"2")]),
        ),
        made("attempt_twice_last_is_bad.invalid", letter("", &[header("sluice.attempt", b"x")])),
        made("attempt_null_after_a_good_one.read", letter("", &[vec![16, 255]])),
        made(
            "partition_beyond.invalid",
            letter("sluice.source.partition", &[header("sluice.source.partition", b"2147483648")]),
        ),
        made(
            "offset_beyond.invalid",
            letter("sluice.source.offset", &[header("sluice.source.offset", b"9223372036854775808")]),
        ),
        made("timestamp_least.read", letter("", &[header("sluice.source.timestamp", b"-9223372036854775808")])),
        made("reason_unknown.invalid", letter("sluice.reason", &[header("sluice.reason", b"because")])),
        made("part_unknown.invalid", letter("sluice.part", &[header("sluice.part", b"header")])),
        made("format_unknown.invalid", letter("", &[header("sluice.schema.format", b"thrift")])),
        made("guid_good.read", letter("", &[header("sluice.schema.guid", b"07070707-0707-0707-0707-070707070707")])),
        made("guid_short.invalid", letter("", &[header("sluice.schema.guid", b"0707")])),
        made("guid_signed.invalid", letter("", &[header("sluice.schema.guid", b"+7070707070707070707070707070707")])),
        made("guid_all_dashes.invalid", letter("", &[header("sluice.schema.guid", &[b'-'; 200])])),
        made("detail_of_254_bytes.read", letter("", &[header("sluice.detail", &[b'x'; 254])])),
        made("a_thousand_foreign_headers.read", [[17, 1, b'x'].repeat(1_000), letter("", &[])].concat()),
        made("a_thousand_attempts.read", [header("sluice.attempt", b"9").repeat(1_000), letter("", &[])].concat()),
    ];
    for (name, _) in NEEDED {
        let short = name.replace('.', "_");
        // What a record that fits nowhere else goes without.
        let spared = matches!(name, "sluice.detail" | "sluice.gate" | "sluice.gate.version");
        let outcome = if spared { "read" } else { "missing" };
        cases.push(made(format!("without_{short}.{outcome}"), letter(name, &[])));
        cases.push(made(format!("bad_utf8_in_{short}.not_utf8"), letter(name, &[header(name, b"\xff\xfe")])));
    }
    cases
}
