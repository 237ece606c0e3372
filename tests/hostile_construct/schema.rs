//! Schema texts: what a registry may hold that nobody should compile, or that looks worse than it is.

use super::{Made, made, many};

pub(super) fn cases() -> Vec<Made> {
    let mut cases = broken();
    cases.extend(lenient());
    cases.extend(names());
    cases.extend(bombs());
    cases.extend(references());
    cases
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn broken() -> Vec<Made> {
    let field = r#"{"name":"a","type":"int"}"#;
    [
        ("object_without_type.malformed", "{}"),
        ("type_is_null.malformed", r#"{"type":null}"#),
        ("type_is_a_number.malformed", r#"{"type":1}"#),
        ("record_cut.json", r#"{"type":"record","name":"R","fields":[{"name"#),
        ("string_cut.json", r#""int"#),
        ("trailing_garbage.json", r#""int" x"#),
        ("two_schemas.json", r#""int" "long""#),
        ("comma_at_the_end.json", r#"["null","int",]"#),
        ("single_quotes.json", r#"{'type':'int'}"#),
        ("lone_surrogate.json", r#""\ud800""#),
        ("control_character.json", "\"in\tt\""),
        ("comment_that_never_ends.json", "{/* \"type\":\"int\"}"),
        ("record_without_name.malformed", r#"{"type":"record","fields":[]}"#),
        ("record_without_fields.malformed", r#"{"type":"record","name":"R"}"#),
        ("record_named_int.malformed", r#"{"type":"record","name":"int","fields":[]}"#),
        ("fields_are_an_object.malformed", r#"{"type":"record","name":"R","fields":{}}"#),
        ("array_without_items.malformed", r#"{"type":"array"}"#),
        ("map_without_values.malformed", r#"{"type":"map"}"#),
        ("enum_without_symbols.malformed", r#"{"type":"enum","name":"E"}"#),
        ("enum_of_numbers.malformed", r#"{"type":"enum","name":"E","symbols":[1]}"#),
        ("enum_symbol_twice.malformed", r#"{"type":"enum","name":"E","symbols":["A","A"]}"#),
        ("enum_default_of_none.malformed", r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#),
        ("fixed_without_size.malformed", r#"{"type":"fixed","name":"F"}"#),
        ("fixed_negative.malformed", r#"{"type":"fixed","name":"F","size":-1}"#),
        ("fixed_2_to_31.malformed", r#"{"type":"fixed","name":"F","size":2147483648}"#),
        ("fixed_2_to_64.malformed", r#"{"type":"fixed","name":"F","size":18446744073709551616}"#),
        ("fixed_of_a_fraction.malformed", r#"{"type":"fixed","name":"F","size":1.5}"#),
        ("union_in_a_union.malformed", r#"["null",["int","string"]]"#),
        ("union_of_int_twice.malformed", r#"["int","int"]"#),
        ("unknown_name.unknown_type", r#"{"type":"array","items":"Nowhere"}"#),
        ("empty_name.unknown_type", r#""""#),
        ("protobuf.unknown_type", r#""syntax = \"proto3\";""#),
        ("html.unknown_type", r#""<html><body>502</body></html>""#),
        ("redefined.redefined", r#"["null",{"type":"array","items":{"type":"fixed","name":"F","size":1}},{"type":"map","values":{"type":"fixed","name":"F","size":2}}]"#),
    ]
    .map(|(name, text)| made(name, text))
    .into_iter()
    .chain([
        made("field_twice.malformed", record(&format!("{field},{field}"))),
        made("field_without_name.malformed", record(r#"{"type":"int"}"#)),
        made("field_without_type.malformed", record(r#"{"name":"a"}"#)),
        made("field_is_a_string.malformed", record(r#""a""#)),
        made("bad_utf8.unknown_type", b"\"\xfe\""),
    ])
    .collect()
}

fn lenient() -> Vec<Made> {
    [
        ("comments.compiles", "// an order\n{\"type\": /* plain */ \"int\"}".replacen("// an order\n", "", 1)),
        ("recursive.compiles", record(r#"{"name":"r","type":["null","R"]}"#)),
        ("endless.compiles", record(r#"{"name":"r","type":"R"}"#)),
        ("endless_in_two.compiles", record(r#"{"name":"a","type":{"type":"record","name":"S","fields":[{"name":"b","type":"R"}]}}"#)),
        ("default_of_itself.compiles", record(r#"{"name":"r","type":"R","default":{}}"#)),
        ("default_that_does_not_fit.compiles", record(r#"{"name":"a","type":"int","default":"one"}"#)),
        ("default_of_many_levels.compiles", record(&format!(r#"{{"name":"a","type":"int","default":{}1{}}}"#, "[".repeat(100), "]".repeat(100)))),
        ("alias_of_itself.compiles", r#"{"type":"record","name":"R","aliases":["R","R"],"fields":[]}"#.into()),
        ("aliases_are_no_list.compiles", r#"{"type":"record","name":"R","aliases":"S","fields":[]}"#.into()),
        ("two_types_of_one_alias.compiles", r#"[{"type":"record","name":"A","aliases":["X"],"fields":[]},{"type":"record","name":"B","aliases":["X"],"fields":[]}]"#.into()),
        ("alias_is_another_type.compiles", r#"[{"type":"record","name":"A","aliases":["B"],"fields":[]},{"type":"record","name":"B","fields":[]}]"#.into()),
        ("defined_twice_alike.compiles", r#"["null",{"type":"array","items":{"type":"fixed","name":"F","size":1}},{"type":"map","values":{"type":"fixed","name":"F","size":1}}]"#.into()),
        ("used_before_its_definition.compiles", record(r#"{"name":"a","type":["null","F"]},{"name":"b","type":{"type":"fixed","name":"F","size":1}}"#)),
        ("names_of_any_characters.compiles", r#"{"type":"record","name":"🦀 \n\u0000","fields":[{"name":"","type":"int"}]}"#.into()),
        ("dots_only.compiles", r#"{"type":"record","name":"...","fields":[]}"#.into()),
        ("unknown_logical_type.compiles", r#"{"type":"int","logicalType":"nothing","precision":-1}"#.into()),
        ("type_in_type_in_type.compiles", (0..60).fold(r#""int""#.to_owned(), |of, _| format!(r#"{{"type":{of}}}"#))),
        ("key_twice.compiles", r#"{"type":"long","type":"int"}"#.into()),
    ]
    .map(|(name, text)| made(name, text))
    .into()
}

fn names() -> Vec<Made> {
    let named = |length: usize| format!(r#"{{"type":"record","name":"{}","fields":[]}}"#, "n".repeat(length));
    let field = |length: usize| record(&format!(r#"{{"name":"{}","type":"int"}}"#, "f".repeat(length)));
    let symbol = |length: usize| format!(r#"{{"type":"enum","name":"E","symbols":["{}"]}}"#, "S".repeat(length));
    let alias = |length: usize| record(&format!(r#"{{"name":"a","aliases":["{}"],"type":"int"}}"#, "a".repeat(length)));
    let aliases = |count: usize| {
        record(&format!(r#"{{"name":"a","aliases":[{}],"type":"int"}}"#, many(count, ",", |n| format!("\"a{n}\""))))
    };
    let symbols = |count: usize| {
        format!(r#"{{"type":"enum","name":"E","symbols":[{}]}}"#, many(count, ",", |n| format!("\"S{n}\"")))
    };
    let namespace = format!(r#"{{"type":"record","name":"R","namespace":"{}","fields":[]}}"#, "n".repeat(1023));
    vec![
        made("name_of_1024_bytes.compiles", named(1024)),
        made("name_of_1025_bytes.long_name", named(1025)),
        made("name_of_100_kb.long_name", named(100_000)),
        made("namespace_and_name_of_1025_bytes.long_name", namespace),
        made("field_of_1024_bytes.compiles", field(1024)),
        made("field_of_1025_bytes.long_name", field(1025)),
        made("symbol_of_1025_bytes.long_name", symbol(1025)),
        made("alias_of_1025_bytes.long_name", alias(1025)),
        made("type_named_by_1025_bytes.long_name", format!("\"{}\"", "n".repeat(1025))),
        made("aliases_1000.compiles", aliases(1000)),
        made("aliases_1001.too_many", aliases(1001)),
        made("symbols_20000.compiles", symbols(20_000)),
        made("symbols_20001.too_many", symbols(20_001)),
    ]
}

fn bombs() -> Vec<Made> {
    let arrays =
        |levels: usize| format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
    let nested = |levels: usize| {
        let end = r#"{"type":"fixed","name":"F","size":1}"#.to_owned();
        (0..levels)
            .fold(end, |of, n| format!(r#"{{"type":"record","name":"R{n}","fields":[{{"name":"f","type":{of}}}]}}"#))
    };
    let fields = |count: usize| record(&many(count, ",", |n| format!(r#"{{"name":"{n}","type":"int"}}"#)));
    // The shortest names and types: more than a text may have anyway.
    let fields_100000 = record(&many(100_000, ",", |n| format!(r#"{{"name":"{n}","type":[]}}"#)));
    let laughs = {
        let first = r#"{"type":"record","name":"D0","fields":[]}"#.to_owned();
        (1..40).fold(first, |of, n| {
            let fields = many(9, ",", |m| format!(r#"{{"name":"f{m}","type":"D{}"}}"#, n - 1));
            format!(r#"{{"type":"record","name":"D{n}","fields":[{{"name":"f","type":{of}}},{fields}]}}"#)
        })
    };
    let laughs_with_int =
        laughs.replace(r#""name":"D0","fields":[]"#, r#""name":"D0","fields":[{"name":"i","type":"int"}]"#);
    let named =
        |count: usize| format!("[{}]", many(count, ",", |n| format!(r#"{{"type":"fixed","name":"F{n}","size":1}}"#)));
    vec![
        made("arrays_127_deep.compiles", arrays(127)),
        made("arrays_128_deep.json", arrays(128)),
        made("arrays_10000_deep.json", arrays(10_000)),
        made("brackets_500000.json", "[".repeat(500_000)),
        made("braces_500000.json", r#"{"type":"#.repeat(60_000)),
        made("records_40_deep.compiles", nested(40)),
        made("records_1000_deep.json", nested(1000)),
        made("fields_2000.compiles", fields(2_000)),
        made("fields_20000.compiles", fields(20_000)),
        made("fields_100000.too_long", fields_100000),
        made("named_types_10000.compiles", named(10_000)),
        made("named_types_10001.too_many", named(10_001)),
        made(
            "types_200001.too_many",
            record(&format!(r#"{{"name":"a","type":[{}]}}"#, many(200_001, ",", |_| "[]".to_owned()))),
        ),
        made("billion_laughs_empty.compiles", laughs),
        made("billion_laughs.compiles", laughs_with_int),
        made("spaces_before.too_long", format!("\"int\"{}", " ".repeat(1 << 20))),
        made("escapes_64_kib.long_name", format!("\"{}\"", r"\u0041".repeat(10_000))),
        made(
            "default_of_64_kib.compiles",
            record(&format!(r#"{{"name":"a","type":"string","default":"{}"}}"#, "x".repeat(60_000))),
        ),
        made(
            "doc_of_64_kib.compiles",
            record(&format!(r#"{{"name":"a","doc":"{}","type":"string"}}"#, "x".repeat(60_000))),
        ),
        made(
            "unknown_attributes.compiles",
            format!(r#"{{"type":"int",{}}}"#, many(5_000, ",", |n| format!(r#""x{n}":[]"#))),
        ),
        made(
            "comments_100000.compiles",
            format!("{}{}", "{/**/".to_owned() + &"/**/".repeat(10_000), r#""type":"int"}"#),
        ),
    ]
}

fn references() -> Vec<Made> {
    let join = |texts: &[String]| texts.iter().map(String::as_bytes).collect::<Vec<_>>().join(&0xff);
    let fixed = |n: usize| format!(r#"{{"type":"fixed","name":"F{n}","size":1}}"#);
    let laughs: Vec<String> = (0..100)
        .map(|n| {
            let before = if n == 0 { "\"int\"".to_owned() } else { format!("\"D{}\"", n - 1) };
            let fields = many(9, ",", |m| format!(r#"{{"name":"f{m}","type":{before}}}"#));
            format!(r#"{{"type":"record","name":"D{n}","fields":[{fields}]}}"#)
        })
        .collect();
    let mut same: Vec<String> = vec![fixed(0), fixed(0)];
    same.push(r#"["null","F0"]"#.into());
    vec![
        made("references_good.compiles", join(&[fixed(0), r#"{"type":"array","items":"F0"}"#.into()])),
        made("reference_lacking.unknown_type", join(&[fixed(0), r#"{"type":"array","items":"F1"}"#.into()])),
        made("reference_twice.compiles", join(&same)),
        made("reference_collides.redefined", join(&[fixed(0), fixed(0).replace(":1}", ":2}"), r#""F0""#.into()])),
        made(
            "references_of_each_other.compiles",
            join(&[
                r#"{"type":"record","name":"A","fields":[{"name":"b","type":["null","B"]}]}"#.into(),
                r#"{"type":"record","name":"B","fields":[{"name":"a","type":["null","A"]}]}"#.into(),
            ]),
        ),
        made("reference_is_no_schema.malformed", join(&["{}".into(), "\"int\"".into()])),
        made("references_laugh_a_billion_times.compiles", join(&laughs)),
    ]
}
