//! Dead letters that have to be smaller.

use super::*;
use crate::gate::dead_letter::DeadLetter;
use crate::record::{Offset, Part, Partition, Position};
use crate::violation::ReasonCode;

fn letter() -> DeadLetter<'static> {
    DeadLetter {
        reason: ReasonCode::TooLarge,
        path: Some("order.lines"),
        detail: "why",
        part: Part::Value,
        source: Position { topic: "orders.raw", partition: Partition(3), offset: Offset(42) },
        timestamp: Some(1_600_000_000_000),
        schema: None,
        subject: Some("orders-value"),
        version: None,
        format: None,
        target: None,
        gate: "orders",
        gate_version: "1.0",
        attempt: 2,
    }
}

fn names(headers: &[WrittenHeader<'_>]) -> Vec<String> {
    headers.iter().map(|(name, _)| (*name).to_owned()).collect()
}

#[test]
fn each_extent_says_less_and_reads_back() {
    let mut letter = letter();
    let profiles = [Profile::Connect];
    let full = names(&headers(&letter, Extent::Full, &profiles));
    assert!(full.contains(&"sluice.detail".to_owned()) && full.contains(&"__connect.errors.topic".to_owned()));
    letter.detail = "";
    let less = headers(&letter, Extent::NoDetail, &profiles);
    let missing: Vec<_> = full.iter().filter(|name| !names(&less).contains(name)).collect();
    assert_eq!(missing, ["sluice.detail"]);
    let minimal = headers(&letter, Extent::Minimal, &profiles);
    let expected = [
        "sluice.reason",
        "sluice.part",
        "sluice.source.topic",
        "sluice.source.partition",
        "sluice.source.offset",
        "sluice.source.timestamp",
        "sluice.attempt",
    ];
    assert_eq!(names(&minimal), expected);
    let as_read: Vec<_> = minimal.iter().map(|(name, value)| Header { name, value: value.as_deref() }).collect();
    let read = DeadLetter::read(&as_read).unwrap();
    assert_eq!((read.reason, read.source, read.attempt), (letter.reason, letter.source, 2));
    assert_eq!((read.detail, read.gate), ("", ""));
}

#[test]
fn extents_come_in_order() {
    let walk = |may_truncate| {
        std::iter::successors(Some(Extent::Full), move |extent| extent.smaller(may_truncate)).collect::<Vec<_>>()
    };
    assert_eq!(walk(true), Extent::ALL);
    assert_eq!(walk(false), Extent::ALL[..3]);
    assert!(Extent::ALL.is_sorted());
}

#[test]
fn a_cut_value_is_told_by_size_and_hash() {
    let [size, hash] = truncated(b"abc");
    assert_eq!(size, ("sluice.truncated.size", Some(Cow::Borrowed(b"3".as_slice()))));
    let expected = b"ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad".as_slice();
    assert_eq!(hash, ("sluice.truncated.sha256", Some(Cow::Borrowed(expected))));
}

#[test]
fn own_headers_are_capped_and_ours_left_out() {
    let long = vec![b'x'; 5_000];
    let original = [
        Header { name: "trace", value: Some(&long) },
        Header { name: "sluice.reason", value: Some(b"old") },
        Header { name: "none", value: None },
        Header { name: "last", value: Some(b"1") },
    ];
    let all = capped(&original, &[], 10_000);
    assert_eq!(names(&all), ["trace", "none", "last"]);
    assert_eq!(all[0].1.as_ref().unwrap().len(), TEXT_LIMIT);
    assert_eq!(names(&capped(&original, &[], 1_050)), ["trace"]);
    assert_eq!(names(&capped(&original, &[], 100)), [""; 0]);
}
