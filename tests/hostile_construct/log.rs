//! Records of logs: those of other registries, damaged ones, and such as nobody writes.

use super::{Made, made, many};

/// Keys and values by turns.
fn log(name: &str, records: &[(&str, &str)]) -> Made {
    let parts = records.iter().flat_map(|(key, value)| [key.as_bytes(), &[0xff], value.as_bytes(), &[0xff]]);
    made(name, parts.collect::<Vec<_>>().concat())
}

const KEY: &str = r#"{"keytype":"SCHEMA","subject":"s","version":1,"magic":1}"#;

pub(super) fn cases() -> Vec<Made> {
    let int = r#"{"subject":"s","version":1,"id":1,"schema":"\"int\"","deleted":false}"#;
    let long = r#"{"subject":"s","version":2,"id":1,"schema":"\"long\"","deleted":false}"#;
    let second = r#"{"keytype":"SCHEMA","subject":"s","version":2,"magic":1}"#;
    let highest = r#"{"subject":"s","version":2147483647,"id":2147483647,"schema":"\"int\"","deleted":false}"#;
    let last = r#"{"keytype":"SCHEMA","subject":"s","version":2147483647,"magic":1}"#;
    let references = many(3_000, ",", |n| format!(r#"{{"name":"n{n}","subject":"s{n}","version":{n}}}"#));
    let referring = format!(
        r#"{{"subject":"s","version":1,"id":1,"schema":"\"int\"","references":[{references}],"deleted":false}}"#
    );
    vec![
        log("schema.taken", &[(KEY, int)]),
        log("schema_twice.taken", &[(KEY, int), (KEY, int)]),
        log("tombstone.taken", &[(KEY, int), (KEY, "")]),
        log("tombstone_of_nothing.taken", &[(KEY, "")]),
        log("keys_of_karapace.taken", &[(r#"{"subject":"s","version":1,"magic":1,"keytype":"SCHEMA"}"#, int)]),
        log("id_with_two_meanings.some_refused", &[(KEY, int), (second, long)]),
        log("no_json.refused", &[("nothing", "nothing")]),
        log("value_no_json.refused", &[(KEY, "{")]),
        log("value_of_another_type.refused", &[(KEY, "[1]")]),
        log("empty_key.refused", &[("", "")]),
        log("unknown_type.taken", &[(r#"{"keytype":"ASSOC","subject":"s","magic":0}"#, "{}")]),
        log("no_version.taken", &[(r#"{"keytype":"SCHEMA","subject":"s","magic":1}"#, int)]),
        log(
            "negative.taken",
            &[(
                r#"{"keytype":"SCHEMA","subject":"s","version":-7,"magic":1}"#,
                r#"{"subject":"s","version":-7,"id":-7,"schema":"x"}"#,
            )],
        ),
        log("highest_id.taken_read_only", &[(last, highest)]),
        log("references_3000.taken", &[(KEY, &referring)]),
        log("schema_is_none.taken", &[(KEY, r#"{"subject":"s","version":1,"id":1,"schema":"no schema"}"#)]),
        log("read_only.taken_read_only", &[(r#"{"keytype":"MODE","magic":0}"#, r#"{"mode":"READONLY"}"#)]),
        log("unknown_mode.taken", &[(r#"{"keytype":"MODE","magic":0}"#, r#"{"mode":"SOMETIMES"}"#)]),
        log(
            "global_key_of_old.taken",
            &[(r#"{"keytype":"CONFIG","subject":null,"magic":0}"#, r#"{"compatibilityLevel":"FULL"}"#)],
        ),
        log(
            "delete_subject.taken",
            &[
                (KEY, int),
                (r#"{"keytype":"DELETE_SUBJECT","subject":"s","magic":0}"#, r#"{"subject":"s","version":1}"#),
            ],
        ),
        log(
            "clear_subject.taken",
            &[(KEY, int), (r#"{"keytype":"CLEAR_SUBJECT","subject":"s","magic":0}"#, r#"{"subject":"s"}"#)],
        ),
        log("noop.taken", &[(r#"{"keytype":"NOOP","magic":0}"#, "")]),
        log("noop_with_ids.taken", &[(r#"{"keytype":"NOOP","magic":0}"#, r#"{"highestIds":{".":7}}"#)]),
        log("deep_value.refused", &[(KEY, &"[".repeat(100_000))]),
        log(
            "context.taken",
            &[(
                r#"{"keytype":"CONTEXT","tenant":"default","context":".eu","magic":0}"#,
                r#"{"tenant":"default","context":".eu"}"#,
            )],
        ),
        log("strange_context.taken", &[(r#"{"keytype":"SCHEMA","subject":":.:.:","version":1,"magic":1}"#, int)]),
    ]
}
