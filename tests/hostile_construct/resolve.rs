//! Pairs of writer and reader schemas.

use super::{Made, made, many, with};

fn pair(writer: &str, reader: &str, datum: &[u8]) -> Vec<u8> {
    with(writer, &with(reader, datum))
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

pub(super) fn cases() -> Vec<Made> {
    let mut cases = plain();
    cases.extend(bombs());
    cases
}

fn plain() -> Vec<Made> {
    let list = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
    let int = r#"{"name":"a","type":"int"}"#;
    let with_default = |default: &str| {
        record(&format!(
            r#"{int},{{"name":"b","type":{{"type":"record","name":"D","fields":[{{"name":"x","type":"int"}}]}},"default":{default}}}"#
        ))
    };
    let endless_default = r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R","default":{}}]}"#;
    let empty = r#"{"type":"record","name":"R","fields":[]}"#;
    vec![
        made("int_to_long.always", pair(r#""int""#, r#""long""#, b"\x02")),
        made("long_to_int.never", pair(r#""long""#, r#""int""#, b"\x02")),
        made("string_to_bytes.always", pair(r#""string""#, r#""bytes""#, b"\x02a")),
        made("bytes_to_string.always", pair(r#""bytes""#, r#""string""#, b"\x02\xff")),
        made("int_to_nullable.always", pair(r#""int""#, r#"["null","int"]"#, b"\x02")),
        made("nullable_to_int.depends", pair(r#"["null","int"]"#, r#""int""#, b"\0")),
        made("empty_union_to_int.always", pair("[]", r#""int""#, b"\0")),
        made("int_to_empty_union.never", pair(r#""int""#, "[]", b"\0")),
        made("list_to_itself.always", pair(list, list, b"\x02\x02\0")),
        made(
            "endless_to_itself.always",
            pair(
                r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#,
                r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#,
                b"",
            ),
        ),
        made(
            "field_lacks_its_default.never",
            pair(&record(int), &record(&format!(r#"{int},{{"name":"b","type":"int"}}"#)), b"\x02"),
        ),
        made("default_fits.always", pair(&record(int), &with_default(r#"{"x":1}"#), b"\x02")),
        made("default_does_not_fit.never", pair(&record(int), &with_default(r#"{"x":"one"}"#), b"\x02")),
        made("default_lacks_a_field.never", pair(&record(int), &with_default("{}"), b"\x02")),
        made("default_of_itself_for_ever.always", pair(empty, endless_default, b"")),
        made(
            "fixed_of_other_size.never",
            pair(r#"{"type":"fixed","name":"F","size":4}"#, r#"{"type":"fixed","name":"F","size":5}"#, &[0; 4]),
        ),
        made(
            "enum_lacks_a_symbol.depends",
            pair(
                r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
                r#"{"type":"enum","name":"E","symbols":["A"]}"#,
                b"\x02",
            ),
        ),
        made(
            "enum_lacks_all.never",
            pair(
                r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
                r#"{"type":"enum","name":"E","symbols":["C"]}"#,
                b"\x02",
            ),
        ),
        made(
            "enum_falls_back.always",
            pair(
                r#"{"type":"enum","name":"E","symbols":["A","B"]}"#,
                r#"{"type":"enum","name":"E","symbols":["C"],"default":"C"}"#,
                b"\x02",
            ),
        ),
        made("record_to_map.never", pair(&record(int), r#"{"type":"map","values":"int"}"#, b"\x02")),
        made("reader_is_no_schema.unusable_schema", pair(r#""int""#, r#"{"type":"nothing"}"#, b"\x02")),
        made("writer_is_no_schema.unusable_schema", pair(r#"{"type":"nothing"}"#, r#""int""#, b"\x02")),
    ]
}

fn bombs() -> Vec<Made> {
    // Each of the writer's records has a field of each of the reader's, so that all pairs meet.
    let crossing = |count: usize, extra: &str| {
        let records = many(count, ",", |n| {
            format!(r#"{{"type":"record","name":"n{n}.R","fields":[{{"name":"f","type":["null","U"]}}{extra}]}}"#)
        });
        format!(r#"{{"type":"record","name":"U","fields":[{{"name":"u","type":["null",{records}]}}]}}"#)
    };
    let aliases = |count: usize, of: usize| {
        many(count, ",", |n| {
            let aliases = many(of, ",", |m| format!(r#""x{n}.A{m}""#));
            format!(r#"{{"type":"record","name":"n{n}.T{n}","aliases":[{aliases}],"fields":[]}}"#)
        })
    };
    let writers = many(400, ",", |n| format!(r#"{{"type":"record","name":"w{n}.W{n}","fields":[]}}"#));
    let symbols = many(6_000, ",", |n| format!(r#""S{n}""#));
    let defaults = format!(
        r#"{{"type":"record","name":"R","fields":[{{"name":"a","type":{{"type":"array","items":{{"type":"enum","name":"E","symbols":[{symbols}]}}}},"default":[{}]}}]}}"#,
        many(6_000, ",", |_| r#""S5999""#.to_owned())
    );
    let empty = r#"{"type":"record","name":"R","fields":[]}"#;
    let name = "n".repeat(500);
    let long_names = |prefix: &str| {
        format!(
            "[{}]",
            many(60, ",", |n| format!(r#"{{"type":"record","name":"{prefix}{n}.{name}{prefix}{n}","fields":[]}}"#))
        )
    };
    let wide = many(1_200, ",", |n| format!(r#"{{"name":"f{n}","type":"int"}}"#));
    let first = r#"{"type":"record","name":"D0","fields":[{"name":"a","type":"int","default":1}]}"#;
    let fan_out = (1..20).fold(first.to_owned(), |of, n| {
        let before = n - 1;
        format!(
            r#"{{"type":"record","name":"D{n}","fields":[{{"name":"a","type":{of},"default":{{}}}},{{"name":"b","type":"D{before}","default":{{}}}}]}}"#
        )
    });
    let fan_out =
        format!(r#"{{"type":"record","name":"R","fields":[{{"name":"d","type":{fan_out},"default":{{}}}}]}}"#);
    vec![
        made("all_pairs_of_30.always", pair(&crossing(30, ""), &crossing(30, ""), b"\0")),
        made("all_pairs_of_800_wide_unions.always", pair(&crossing(800, ""), &crossing(800, ""), b"\0")),
        made("alias_storm.never", pair(&format!("[{writers}]"), &format!("[{}]", aliases(60, 40)), b"\0")),
        made(
            "alias_storm_beyond_the_steps.too_many_steps",
            pair(&format!("[{writers}]"), &format!("[{}]", aliases(60, 100)), b"\0"),
        ),
        made("default_of_6000_symbols.always", pair(empty, &defaults, b"")),
        made("default_that_fans_out.always", pair(empty, &fan_out, b"")),
        made("long_names_that_never_match.never", pair(&long_names("a"), &long_names("b"), b"\0")),
        made("1200_fields_to_themselves.always", pair(&record(&wide), &record(&wide), b"")),
        made("1200_fields_to_none.always", pair(&record(&wide), empty, b"")),
        made("none_to_1200_fields.never", pair(empty, &record(&wide), b"")),
    ]
}
