//! Answers of registries, and of what stands before them.

use super::{Made, made, many};

/// The questions: a schema, the latest version, the places of an ID, the IDs of a GUID.
const SCHEMA: u8 = 0;
const LATEST: u8 = 1;
const PLACES: u8 = 2;
const IDS: u8 = 3;

fn answer(name: &str, question: u8, status: u16, body: impl AsRef<[u8]>) -> Made {
    made(name, [&[question][..], &status.to_be_bytes(), body.as_ref()].concat())
}

pub(super) fn cases() -> Vec<Made> {
    let mut cases = good();
    cases.extend(garbage());
    cases.extend(refusals());
    cases
}

fn good() -> Vec<Made> {
    let places = many(10_000, ",", |n| format!(r#"{{"subject":"s{n}","version":1}}"#));
    let references = many(2_000, ",", |n| format!(r#"{{"name":"n{n}","subject":"s{n}","version":{n}}}"#));
    vec![
        answer("schema.parsed", SCHEMA, 200, r#"{"schema":"\"int\""}"#),
        answer("schema_unknown_keys.parsed", SCHEMA, 200, r#"{"schema":"x","ruleSet":{"a":[1]},"new":null}"#),
        answer("schema_empty.parsed", SCHEMA, 200, r#"{"schema":""}"#),
        answer("schema_odd_type.parsed", SCHEMA, 200, r#"{"schema":"x","schemaType":"THRIFT"}"#),
        answer("references_2000.parsed", SCHEMA, 200, format!(r#"{{"schema":"x","references":[{references}]}}"#)),
        answer("references_null.parsed", SCHEMA, 200, r#"{"schema":"x","references":null}"#),
        answer("latest.parsed", LATEST, 200, r#"{"subject":"s","version":1,"id":1,"schema":"x"}"#),
        answer("latest_negative.parsed", LATEST, 200, r#"{"subject":"s","version":-1,"id":-1,"schema":"x"}"#),
        answer("places_none.parsed", PLACES, 200, "[]"),
        answer("places_10000.parsed", PLACES, 200, format!("[{places}]")),
        answer("ids.parsed", IDS, 200, r#"[{"context":".","id":1},{"context":".eu","id":2}]"#),
        answer("ids_empty_context.parsed", IDS, 200, r#"[{"context":"","id":1}]"#),
        answer("schema_of_64_kib.parsed", SCHEMA, 200, format!(r#"{{"schema":"{}"}}"#, "x".repeat(1 << 16))),
    ]
}

fn garbage() -> Vec<Made> {
    let deep = |open: &str, levels: usize| format!(r#"{{"schema":"x","new":{}"#, open.repeat(levels));
    vec![
        answer("empty.unreadable", SCHEMA, 200, ""),
        answer("html.unreadable", SCHEMA, 200, "<!DOCTYPE html><html><body>Bad gateway</body></html>"),
        answer("truncated.unreadable", SCHEMA, 200, r#"{"schema":"{\"type\":\"rec"#),
        answer("list_for_an_object.unreadable", SCHEMA, 200, "[]"),
        answer("object_for_a_list.unreadable", PLACES, 200, "{}"),
        answer("null.unreadable", LATEST, 200, "null"),
        answer("number.unreadable", SCHEMA, 200, "17"),
        answer("schema_is_an_object.unreadable", SCHEMA, 200, r#"{"schema":{"type":"int"}}"#),
        answer("schema_is_missing.unreadable", SCHEMA, 200, r#"{"id":1}"#),
        answer("id_is_a_text.unreadable", LATEST, 200, r#"{"subject":"s","version":1,"id":"1","schema":"x"}"#),
        answer(
            "id_beyond_an_int.unreadable",
            LATEST,
            200,
            r#"{"subject":"s","version":1,"id":2147483648,"schema":"x"}"#,
        ),
        answer("version_of_a_fraction.unreadable", LATEST, 200, r#"{"subject":"s","version":1.5,"id":1,"schema":"x"}"#),
        answer("version_1e400.unreadable", LATEST, 200, r#"{"subject":"s","version":1e400,"id":1,"schema":"x"}"#),
        answer("schema_twice.unreadable", SCHEMA, 200, r#"{"schema":"x","schema":"y"}"#),
        answer("bad_utf8.unreadable", SCHEMA, 200, b"{\"schema\":\"\xff\"}"),
        answer("lone_surrogate.unreadable", SCHEMA, 200, r#"{"schema":"\ud800"}"#),
        answer("byte_order_mark.unreadable", SCHEMA, 200, "\u{feff}{\"schema\":\"x\"}"),
        answer("two_answers.unreadable", SCHEMA, 200, r#"{"schema":"x"}{"schema":"x"}"#),
        answer("gzip.unreadable", SCHEMA, 200, b"\x1f\x8b\x08\0\0\0\0\0"),
        answer("zeroes_64_kib.unreadable", SCHEMA, 200, vec![0; 1 << 16]),
        answer("arrays_100000_deep.unreadable", SCHEMA, 200, deep("[", 100_000)),
        answer("objects_50000_deep.unreadable", SCHEMA, 200, deep(r#"{"a":"#, 50_000)),
        answer("arrays_for_places.unreadable", PLACES, 200, "[".repeat(100_000)),
        answer("place_without_version.unreadable", PLACES, 200, r#"[{"subject":"s"}]"#),
        answer(
            "reference_without_subject.unreadable",
            SCHEMA,
            200,
            r#"{"schema":"x","references":[{"name":"n","version":1}]}"#,
        ),
        answer("error_with_200.unreadable", SCHEMA, 200, r#"{"error_code":40403,"message":"Schema not found"}"#),
    ]
}

fn refusals() -> Vec<Made> {
    let mut cases = vec![
        answer("not_found_40403.not_found", SCHEMA, 404, r#"{"error_code":40403,"message":"Schema 7 not found"}"#),
        answer("not_found_40402.not_found", LATEST, 404, r#"{"error_code":40402}"#),
        answer("not_found_40401.not_found", PLACES, 404, r#"{"error_code":40401,"message":""}"#),
        answer("not_found_of_a_proxy.status", SCHEMA, 404, "<html>404 Not Found</html>"),
        answer("not_found_404.status", SCHEMA, 404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
        answer("not_found_empty.status", SCHEMA, 404, ""),
        answer("not_found_code_as_text.status", SCHEMA, 404, r#"{"error_code":"40403"}"#),
        answer("not_found_deep.status", SCHEMA, 404, "[".repeat(100_000)),
        answer("code_40403_with_500.status", SCHEMA, 500, r#"{"error_code":40403}"#),
        answer(
            "message_of_64_kib.status",
            SCHEMA,
            500,
            format!(r#"{{"error_code":50001,"message":"{}"}}"#, "x".repeat(1 << 16)),
        ),
        answer("good_body_with_206.status", SCHEMA, 206, r#"{"schema":"x"}"#),
        answer("good_body_with_500.status", SCHEMA, 500, r#"{"schema":"x"}"#),
    ];
    for status in [201, 204, 301, 304, 400, 401, 403, 408, 422, 429, 502, 503, 504, 599, 999] {
        cases.push(answer(&format!("status_{status}.status"), SCHEMA, status, r#"{"error_code":1,"message":"no"}"#));
    }
    cases
}
