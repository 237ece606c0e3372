//! `Schema::compile`: never panics, and takes time and memory that the size of the text explains (libFuzzer's limits
//! and the replay's bounds). What compiles resolves with itself without a loss, and its canonical form compiles to
//! the same: each reads all that the other writes, and both give the same verdict about data.
//!
//! Input: schema texts, each ended by a byte 0xff but the last; all before the last are references.

use serde_json::{Value, json};

use sluice::schema::avro::{Error, ReaderSchema, Resolution, Schema, WriterSchema};
use sluice::schema::{Format, SchemaText};

use super::choices::Choices;
use super::{generate, is_text, measured, split};

/// Checks the oracle, and returns `compiles` or the kind of the error.
pub(crate) fn judge(mut input: &[u8]) -> String {
    let mut texts = Vec::new();
    if is_text(input) || input.first() == Some(&b'/') {
        while !input.is_empty() {
            texts.push(String::from_utf8_lossy(split(&mut input)).into_owned());
        }
    } else {
        texts.push(generate::schema(&mut Choices(input)).to_string());
    }
    let root = texts.pop().unwrap_or_default();
    let references: Vec<_> = texts.iter().map(|text| text.as_str().into()).collect();
    let text = SchemaText { format: Format::Avro, text: root.as_str().into(), references };
    match measured(|| Schema::compile(&text)) {
        Ok(schema) => {
            compiled(&root, &schema, texts.is_empty());
            "compiles".to_owned()
        }
        Err(error) => {
            assert!(error.to_string().len() < 4096, "an error as long as the schema");
            second_opinion(&root, &error, texts.is_empty());
            kind(&error).to_owned()
        }
    }
}

/// Names the kind of an error.
pub(crate) fn kind(error: &Error) -> &'static str {
    match error {
        Error::Format(_) => "format",
        Error::TooLong { .. } => "too_long",
        Error::Json(_) => "json",
        Error::LongName { .. } => "long_name",
        Error::Malformed { .. } => "malformed",
        Error::UnknownType(_) => "unknown_type",
        Error::Redefined(_) => "redefined",
        Error::TooMany { .. } => "too_many",
        Error::TooManySteps => "too_many_steps",
    }
}

fn compiled(root: &str, schema: &Schema, alone: bool) {
    reads_all(schema, schema, "itself");
    let Ok(json) = serde_json::from_str::<Value>(root) else { return };
    if !alone {
        return;
    }
    let canonical = canonical(&json, "").to_string();
    let Ok(again) = Schema::compile(&super::text(&canonical)) else {
        panic!("the canonical form of {root} does not compile: {canonical}");
    };
    reads_all(schema, &again, "its canonical form");
    reads_all(&again, schema, "the text of its canonical form");
    for datum in [&b""[..], b"\0", b"\x02", b"\0\0\0\0", b"\x02a\x02b\0\0", root.as_bytes()] {
        assert_eq!(schema.check(datum), again.check(datum), "{root} and {canonical} judge {datum:?} differently");
    }
    assert_eq!(format!("{schema:?}"), format!("{again:?}"), "{root} and {canonical} are different programs");
}

fn reads_all(writer: &Schema, reader: &Schema, what: &str) {
    match Resolution::between(WriterSchema(writer), ReaderSchema(reader)) {
        Ok(Resolution::Always) => {}
        // The steps are counted in pairs, fields, symbols and branches: a very large schema may meet the limit.
        Err(Error::TooManySteps) => {}
        other => panic!("{writer:?} is not readable as {what}: {other:?}"),
    }
}

/// The parsing canonical form, as far as it decides about bytes: names in full, and nothing else than types.
fn canonical(schema: &Value, namespace: &str) -> Value {
    match schema {
        Value::Array(branches) => branches.iter().map(|branch| canonical(branch, namespace)).collect(),
        Value::Object(object) => {
            let kind = match &object["type"] {
                Value::String(kind) => kind.as_str(),
                inner => return canonical(inner, namespace),
            };
            let full = || {
                let name = object["name"].as_str().unwrap_or_default();
                let namespace = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
                match name.rsplit_once('.') {
                    Some(("", bare)) => format!(".{bare}"),
                    Some(_) => name.to_owned(),
                    None if namespace.is_empty() => format!(".{name}"),
                    None => format!("{namespace}.{name}"),
                }
            };
            match kind {
                "record" | "error" => {
                    let name = full();
                    let inner = name.rsplit_once('.').map_or("", |(namespace, _)| namespace).to_owned();
                    let fields = object["fields"].as_array().into_iter().flatten();
                    let field =
                        |field: &Value| json!({ "name": field["name"], "type": canonical(&field["type"], &inner) });
                    json!({ "name": name, "type": "record", "fields": fields.map(field).collect::<Vec<_>>() })
                }
                "enum" => json!({ "name": full(), "type": "enum", "symbols": object["symbols"] }),
                "fixed" => json!({ "name": full(), "type": "fixed", "size": object["size"] }),
                "array" => json!({ "type": "array", "items": canonical(&object["items"], namespace) }),
                "map" => json!({ "type": "map", "values": canonical(&object["values"], namespace) }),
                name => json!(name),
            }
        }
        other => other.clone(),
    }
}

/// Apache's library follows the specification where we follow Java: it must not take what we refuse as no JSON, or
/// for a name that nobody defines. (It does take fields without a name, and records named as a primitive type.)
fn second_opinion(root: &str, error: &Error, alone: bool) {
    let by_form = matches!(error, Error::Json(_) | Error::UnknownType(_));
    if by_form && alone && root.len() < 4096 {
        let theirs = apache_avro::Schema::parse_str(root);
        assert!(theirs.is_err(), "apache-avro takes what we refuse: {error}: {root}");
    }
}
