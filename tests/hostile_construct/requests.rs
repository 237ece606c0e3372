//! Requests that try a registry: bodies that are none, too deep, too many, too clever, and paths.

use super::{Made, made, many};

const REGISTER: u8 = 0;
const NORMALIZE: u8 = 1;
const LOOKUP: u8 = 2;
const COMPATIBILITY: u8 = 3;
const TAGS: u8 = 4;
const CONFIG: u8 = 5;
const MODE: u8 = 6;
const PATH: u8 = 7;

fn sent(name: &str, path: u8, body: impl AsRef<[u8]>) -> Made {
    made(name, [&[path][..], body.as_ref()].concat())
}

/// A body with this schema.
fn schema(text: &str) -> String {
    serde_json::json!({ "schema": text }).to_string()
}

pub(super) fn cases() -> Vec<Made> {
    let mut cases = bodies();
    cases.extend(schemas());
    cases.extend(paths());
    cases
}

fn bodies() -> Vec<Made> {
    let references = many(5_000, ",", |n| format!(r#"{{"name":"n{n}","subject":"s{n}","version":{n}}}"#));
    let rules = many(2_000, ",", |n| format!(r#"{{"name":"r{n}","type":"CEL","mode":"WRITE"}}"#));
    vec![
        sent("empty.422", REGISTER, ""),
        sent("no_json.400", REGISTER, "{"),
        sent("list.400", REGISTER, "[]"),
        sent("deep.400", REGISTER, "[".repeat(100_000)),
        sent("deep_metadata.400", REGISTER, format!(r#"{{"metadata":{}"#, "{\"tags\":".repeat(50_000))),
        sent("no_utf8.400", REGISTER, b"{\"schema\":\"\xff\"}"),
        sent("numbers.400", REGISTER, r#"{"schema":"\"int\"","id":1e999}"#),
        sent("negative_id.200", REGISTER, r#"{"schema":"\"int\"","id":-1,"version":-1}"#),
        sent("id_without_import.422", REGISTER, r#"{"schema":"\"int\"","id":7}"#),
        sent("references_5000.422", REGISTER, format!(r#"{{"schema":"\"int\"","references":[{references}]}}"#)),
        sent(
            "reference_to_itself.422",
            REGISTER,
            r#"{"schema":"\"S\"","references":[{"name":"S","subject":"s","version":1}]}"#,
        ),
        sent("rules_2000.200", REGISTER, format!(r#"{{"schema":"\"int\"","ruleSet":{{"domainRules":[{rules}]}}}}"#)),
        sent("lookup_empty.404", LOOKUP, r#"{"schema":""}"#),
        sent("lookup_other.404", LOOKUP, schema("\"int\"")),
        sent("config_null.422", CONFIG, "null"),
        sent("config_level.422", CONFIG, r#"{"compatibility":"SIDEWAYS"}"#),
        sent("config_alias_of_itself.200", CONFIG, r#"{"alias":"before"}"#),
        sent("mode_unknown.422", MODE, r#"{"mode":"MAYBE"}"#),
        sent("mode_import.422", MODE, r#"{"mode":"IMPORT"}"#),
        sent(
            "tags_of_nothing.422",
            TAGS,
            r#"{"tagsToAdd":[{"schemaEntity":{"entityPath":"","entityType":"sr_field"},"tags":["a"]}]}"#,
        ),
        sent(
            "tags_of_a_field.200",
            TAGS,
            r#"{"tagsToAdd":[{"schemaEntity":{"entityPath":"R.f","entityType":"sr_field"},"tags":["a"]}]}"#,
        ),
    ]
}

fn schemas() -> Vec<Made> {
    let nested =
        |levels: usize| format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
    let fields = many(3_000, ",", |n| format!(r#"{{"name":"f{n}","type":["null","int"],"default":null}}"#));
    let wide = format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#);
    let branches = many(2_000, ",", |n| format!(r#"{{"type":"fixed","name":"F{n}","size":1}}"#));
    let symbols = many(5_000, ",", |n| format!("\"S{n}\""));
    vec![
        sent("int.200", REGISTER, schema("\"int\"")),
        sent("words.422", REGISTER, schema("a record, please")),
        sent("nested_50.200", REGISTER, schema(&nested(50))),
        sent("nested_10000.422", REGISTER, schema(&nested(10_000))),
        sent("wide_3000.200", REGISTER, schema(&wide)),
        sent("wide_3000_normalized.200", NORMALIZE, schema(&wide)),
        sent("wide_3000_compared.200", COMPATIBILITY, schema(&wide)),
        sent("union_2000.200", REGISTER, schema(&format!("[{branches}]"))),
        sent("union_2000_compared.200", COMPATIBILITY, schema(&format!("[{branches}]"))),
        sent("enum_5000.200", REGISTER, schema(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#))),
        sent(
            "recursive.200",
            NORMALIZE,
            schema(r#"{"type":"record","name":"R","fields":[{"name":"next","type":["null","R"],"default":null}]}"#),
        ),
        sent(
            "two_of_a_name.422",
            REGISTER,
            schema(r#"[{"type":"fixed","name":"A","size":1},{"type":"fixed","name":"A","size":2}]"#),
        ),
        sent(
            "default_of_another_type.422",
            REGISTER,
            schema(r#"{"type":"record","name":"R","fields":[{"name":"f","type":"int","default":{}}]}"#),
        ),
    ]
}

fn paths() -> Vec<Made> {
    vec![
        sent("subjects.200", PATH, "subjects"),
        sent("percent.404", PATH, "subjects/%ff/versions"),
        sent("dots.404", PATH, "subjects/../../config"),
        sent("colons.400", PATH, "contexts/:::/subjects/a/versions"),
        sent("version_large.422", PATH, "subjects/before/versions/99999999999999999999"),
        sent("id_large.404", PATH, "schemas/ids/99999999999999999999"),
        sent("offset_negative.200", PATH, "subjects?offset=-5&limit=-5"),
        sent("offset_large.200", PATH, "subjects?offset=9223372036854775807&limit=9223372036854775807"),
        sent("segments_2000.404", PATH, "a/".repeat(2_000)),
        sent("parameters_2000.200", PATH, format!("subjects?{}", "deleted=true&".repeat(2_000))),
        sent("space.no_path", PATH, "a b"),
    ]
}
