//! Java's text is held against Java itself (`tests/schema_oracle.rs`); here is what Java does not say.

use super::*;
use crate::schema::avro::limits;

fn tree(text: &str) -> Tree {
    Tree::read(text, []).unwrap_or_else(|error| panic!("{error}: {text}"))
}

#[test]
fn what_means_the_same_is_normalised_to_the_same() {
    let a = r#"{"type":"record","name":"shop.Order","zeta":1,"alpha":{"b":1,"a":[{"d":1,"c":2}]},"doc":"","aliases":["B","A"],
        "fields":[{"name":"price","type":{"scale":2,"owner":"x","type":"bytes","precision":9,"logicalType":"decimal"}},
                  {"order":"ascending","name":"rate","type":["double","null"],"default":1,"aliases":["b","a","b"]}]}"#;
    let b = r#"{"aliases":["shop.A","shop.B"],"alpha":{"a":[{"c":2,"d":1}],"b":1},"namespace":"shop","name":"Order","type":"record",
        "fields":[{"type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2,"owner":"x"},"name":"price"},
                  {"name":"rate","aliases":["a","b"],"type":["double","null"],"default":1.0}],"zeta":1}"#;
    let text = |text| tree(text).normalized().canonical().unwrap();
    assert_eq!(text(a), text(b));
    assert_eq!(
        text(a),
        r#"{"type":"record","name":"Order","namespace":"shop","fields":[{"name":"price","type":{"type":"bytes","logicalType":"decimal","precision":9,"scale":2,"owner":"x"}},{"name":"rate","type":["double","null"],"default":1.0,"aliases":["a","b"]}],"alpha":{"a":[{"c":2,"d":1}],"b":1},"zeta":1,"aliases":["A","B"]}"#
    );
    assert_eq!(tree(&text(a)).normalized().canonical().unwrap(), text(a), "once is enough");
}

#[test]
fn what_has_a_meaning_is_kept() {
    for (a, b) in [
        (r#"["null","int"]"#, r#"["int","null"]"#),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, r#"{"type":"enum","name":"E","symbols":["B","A"]}"#),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int","doc":"x"}]}"#,
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"}]}"#,
        ),
        (r#"{"type":"int","logicalType":"date"}"#, r#""int""#),
    ] {
        assert_ne!(tree(a).normalized().canonical().unwrap(), tree(b).normalized().canonical().unwrap());
    }
}

#[test]
fn logical_types_that_java_does_not_know_are_sorted_with_the_rest() {
    let text = |text| tree(text).normalized().canonical().unwrap();
    assert_eq!(
        text(r#"{"type":"string","logicalType":"date","a":1,"z":2}"#),
        r#"{"type":"string","a":1,"logicalType":"date","z":2}"#
    );
    assert_eq!(
        text(r#"{"type":"bytes","scale":0,"precision":3,"logicalType":"decimal","a":1}"#),
        r#"{"type":"bytes","logicalType":"decimal","precision":3,"a":1,"scale":0}"#
    );
    assert_eq!(
        text(r#"{"type":{"type":"fixed","name":"F","size":2,"precision":5,"logicalType":"decimal"},"name":"x"}"#),
        r#"{"type":"fixed","name":"F","size":2,"logicalType":"decimal","precision":5}"#,
        "an object around a schema says nothing"
    );
    assert_eq!(
        text(r#"{"type":"fixed","name":"F","size":1,"precision":5,"logicalType":"decimal"}"#),
        r#"{"type":"fixed","name":"F","size":1,"logicalType":"decimal","precision":5}"#,
        "no room for five digits, and sorted all the same"
    );
}

/// Types that follow one another nest as deep as there are types when each is written at its first use.
#[test]
fn what_nests_too_deep_is_not_written() {
    let chain = |length: usize| {
        let link = |number: usize| {
            let next = if number + 1 < length { format!("R{}", number + 1) } else { "int".to_owned() };
            format!(r#"{{"type":"record","name":"R{number}","fields":[{{"name":"f","type":"{next}"}}]}}"#)
        };
        format!("[{}]", (0..length).map(link).collect::<Vec<_>>().join(","))
    };
    assert!(tree(&chain(limits::TEXT_NESTING - 2)).canonical().is_ok());
    assert!(matches!(tree(&chain(5_000)).canonical(), Err(Error::TooMany { what: "levels", .. })));
}

#[test]
fn a_recursive_schema_ends() {
    let text = r#"{"type":"record","name":"Node","fields":[{"name":"next","type":["null","Node"]}]}"#;
    assert_eq!(tree(text).canonical().unwrap(), text);
    assert_eq!(tree(text).record_name(), Some("Node"));
    assert_eq!(tree(r#""int""#).record_name(), None);
}
