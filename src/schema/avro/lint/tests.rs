//! Each finding with its pointer, and what is found nowhere.

use super::*;

/// Lists code and pointer of what is found.
fn found(text: &str) -> Vec<(&'static str, String)> {
    lint(text, []).into_iter().map(|finding| (finding.code.name(), finding.pointer)).collect()
}

/// A record with a namespace and docs, of these fields.
fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"Order","namespace":"shop","doc":"An order.","fields":[{fields}]}}"#)
}

/// A field with a doc and a default.
fn field(name: &str, of: &str, default: &str) -> String {
    format!(r#"{{"name":"{name}","type":{of},"doc":"It.","default":{default}}}"#)
}

#[test]
fn a_schema_that_lacks_nothing_has_no_findings() {
    let status = r#"{"type":"enum","name":"Status","doc":"Where it is.","symbols":["NEW","SENT_OUT"],"default":"NEW"}"#;
    let money = r#"{"type":"bytes","logicalType":"decimal","precision":9,"scale":2}"#;
    let fields = [
        field("id", r#""long""#, "0"),
        field("orderStatus", status, r#""NEW""#),
        field("lastStatus", r#"["null","Status"]"#, "null"),
        field("total", money, r#""\u0000""#),
        field("more", r#"["null","Order"]"#, "null"),
    ];
    assert_eq!(found(&record(&fields.join(","))), []);
    assert_eq!(found(r#""string""#), []);
}

#[test]
fn what_is_found_has_a_code_and_a_pointer() {
    let anonymous = r#"{"type":"record","name":"Order","doc":"It.","fields":[]}"#.to_owned();
    for (name, text, expected) in [
        ("no JSON", "{".to_owned(), vec![("invalid_schema", "")]),
        ("no schema", r#"{"type":"recrd"}"#.to_owned(), vec![("invalid_schema", "")]),
        ("a name that is none", record(&field("a-b", r#""int""#, "0")), vec![("invalid_name", "/fields/0/name")]),
        (
            "a default that is none",
            record(&field("a", r#""int""#, r#""0""#)),
            vec![("invalid_default", "/fields/0/default")],
        ),
        ("no namespace", anonymous, vec![("missing_namespace", "")]),
        (
            "a type in another style",
            record(&field("a", r#"{"type":"fixed","name":"my_key","size":1}"#, r#""a""#)),
            vec![("type_name_style", "/fields/0/type/name")],
        ),
        (
            "a field in no style",
            record(&field("Some_Name", r#""int""#, "0")),
            vec![("field_name_style", "/fields/0/name")],
        ),
        (
            "fields in two styles",
            record(&[field("oneWay", r#""int""#, "0"), field("other_way", r#""int""#, "0")].join(",")),
            vec![("mixed_field_names", "")],
        ),
        (
            "nothing said",
            record(r#"{"name":"a","type":"int"}"#),
            vec![("missing_doc", "/fields/0"), ("missing_default", "/fields/0")],
        ),
        (
            "an enum in a map in a union",
            record(&field(
                "a",
                r#"["null",{"type":"map","values":{"type":"enum","name":"E","symbols":["A","b"]}}]"#,
                "null",
            )),
            vec![
                ("missing_doc", "/fields/0/type/1/values"),
                ("enum_without_default", "/fields/0/type/1/values"),
                ("symbol_style", "/fields/0/type/1/values/symbols/1"),
            ],
        ),
        (
            "a logical type that is passed over",
            record(&field("a", r#"{"type":"array","items":{"type":"int","logicalType":"timestamp-millis"}}"#, "[]")),
            vec![("ignored_logical_type", "/fields/0/type/items/logicalType")],
        ),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(code, pointer)| (code, pointer.to_owned())).collect();
        assert_eq!(found(&text), expected, "{name}");
    }
}

#[test]
fn what_references_define_is_theirs() {
    let reference = r#"{"type":"enum","name":"shop.status","symbols":["a"]}"#;
    let text = record(&field("a", r#"["null","shop.status"]"#, "null"));
    assert_eq!(lint(&text, [reference]), []);
    assert_eq!(found(&text), [("invalid_schema", String::new())]);
}

#[test]
fn a_schema_without_errors_is_one_that_a_registry_takes() {
    for text in [
        record(&field("a-b", r#""int""#, "0")),
        record(&field("a", r#""int""#, r#""0""#)),
        record(&field("a", r#""int""#, "0")),
        record(r#"{"name":"A_b","type":"int","aliases":["x"]}"#),
    ] {
        let has_errors = lint(&text, []).iter().any(|finding| finding.code.severity() == Severity::Error);
        let tree = Tree::read(&text, []).unwrap();
        assert_eq!(tree.check_strictly().is_err(), has_errors, "{text}");
    }
}

#[test]
fn names_are_read_back() {
    for code in LintCode::ALL {
        assert_eq!(LintCode::from_name(code.name()), Some(code));
    }
}
