//! Verdicts, limits, leniency and the specification's cases of resolution.

use super::*;
use crate::violation::ReasonCode;

mod resolution;

fn text(text: &str, references: &[&str]) -> SchemaText {
    let references = references.iter().map(|&reference| reference.into()).collect();
    SchemaText { format: Format::Avro, text: text.into(), references }
}

fn schema(json: &str) -> Schema {
    Schema::compile(&text(json, &[])).unwrap_or_else(|error| panic!("{error}: {json}"))
}

fn record(fields: &str) -> Schema {
    schema(&format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#))
}

/// Encodes a `long`.
fn long(value: i64) -> Vec<u8> {
    let mut raw = ((value << 1) ^ (value >> 63)).cast_unsigned();
    let mut bytes = Vec::new();
    while raw >= 0x80 {
        bytes.push(raw.to_le_bytes()[0] | 0x80);
        raw >>= 7;
    }
    bytes.push(raw.to_le_bytes()[0]);
    bytes
}

const LIST: &str = r#"{"type":"record","name":"List","fields":[{"name":"next","type":["null","List"]}]}"#;

#[test]
fn good_data_is_taken() {
    let cases: &[(&str, &[u8])] = &[
        (r#""null""#, &[]),
        (r#""boolean""#, &[1]),
        (r#""int""#, &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        (r#""int""#, &[0x80, 0x80, 0x80, 0x80, 0x00]),
        (r#""long""#, &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
        (r#""float""#, &[0; 4]),
        (r#""double""#, &[0xff; 8]),
        (r#""bytes""#, &[4, 0xff, 0xfe]),
        (r#""string""#, "\u{4}é".as_bytes()),
        (r#"{"type":"fixed","name":"F","size":3}"#, &[1, 2, 3]),
        (r#"{"type":"fixed","name":"F","size":0}"#, &[]),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, &[2]),
        (r#"["null","int"]"#, &[2, 1]),
        (r#"["int","null"]"#, &[2]),
        (r#"["null","int"]"#, &[0x82, 0x00, 1]),
        (r#"["int","string","null"]"#, &[2, 2, b'x']),
        (r#"{"type":"array","items":"int"}"#, &[4, 1, 2, 0]),
        (r#"{"type":"array","items":"int"}"#, &[3, 4, 1, 2, 2, 7, 0]),
        (r#"{"type":"array","items":"null"}"#, &[4, 0]),
        (r#"{"type":"map","values":"int"}"#, &[2, 2, b'k', 1, 0]),
        (r#"{"type":"map","values":"null"}"#, &[1, 4, 2, b'k', 0]),
        (LIST, &[2, 2, 0]),
        (r#"{"type":"bytes","logicalType":"decimal","precision":4}"#, &[2, 1]),
    ];
    for (json, datum) in cases {
        let schema = schema(json);
        assert_eq!(schema.explain(datum), None, "{json} {datum:x?}");
        assert!(schema.check(datum), "{json} {datum:x?}");
    }
}

#[test]
fn bad_data_is_refused_with_code_path_and_detail() {
    let lines = r#"{"name":"lines","type":{"type":"array","items":{"type":"record","name":"L","fields":[
        {"name":"sku","type":"string"},{"name":"ok","type":"boolean"}]}}}"#;
    let order = format!(
        r#"{{"name":"order","type":{{"type":"record","name":"O","fields":[{{"name":"id","type":"long"}},{lines}]}}}}"#
    );
    let opaque = r#"{"name":"a","type":"float"},{"name":"b","type":"double"},{"name":"c","type":"float"}"#;
    let strings = r#"{"name":"a","type":"string"},{"name":"b","type":"string"},{"name":"c","type":"long"}"#;
    let numbers = r#"{"name":"a","type":"int"},{"name":"b","type":"long"},{"name":"c","type":"int"}"#;
    let map = r#"{"name":"m","type":{"type":"map","values":["null","boolean"]}}"#;
    let array = r#"{"name":"a","type":{"type":"array","items":"string"}}"#;
    let maybe = r#"{"name":"a","type":["null","double"]},{"name":"b","type":["null","int","double"]},{"name":"c","type":"double"}"#;
    let inner = r#"{"name":"a","type":{"type":"record","name":"A","fields":[{"name":"n","type":"int"},
        {"name":"b","type":{"type":"record","name":"B","fields":[{"name":"s","type":"string"},{"name":"ok","type":"boolean"}]}}]}},
        {"name":"m","type":["null","string"]},{"name":"n","type":"int"}"#;
    let shapes = r#"{"name":"e","type":{"type":"enum","name":"E","symbols":["A","B"]}},{"name":"u","type":["int","string","null"]}"#;
    let cases: &[(&str, &[u8], &str)] = &[
        (numbers, &[], "truncated at 'a': at least 1 bytes are needed, 0 are left"),
        (numbers, &[0, 0x80], "truncated at 'b': at least 2 bytes are needed, 1 are left"),
        (numbers, &[0, 0, 0, 9], "trailing_bytes: 1 bytes are left after the datum"),
        (
            numbers,
            &[0, 0, 0xff, 0xff, 0xff, 0xff, 0x1f],
            "invalid_varint at 'c': an int has at most 5 bytes and 32 bits",
        ),
        (
            numbers,
            &[0x80, 0x80, 0x80, 0x80, 0x80, 0, 0, 0],
            "invalid_varint at 'a': an int has at most 5 bytes and 32 bits",
        ),
        (
            numbers,
            &[0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0],
            "invalid_varint at 'b': a long has at most 10 bytes and 64 bits",
        ),
        (strings, &[2, b'x', 6, b'y'], "invalid_length at 'b': length 3 is not within the 1 bytes left"),
        (strings, &[1], "invalid_length at 'a': length -1 is not within the 0 bytes left"),
        (strings, &[2, 0xff, 0, 0], "invalid_utf8 at 'a': a string is not valid UTF-8"),
        (opaque, &[0; 11], "truncated at 'b': at least 16 bytes are needed, 11 are left"),
        (opaque, &[0; 15], "truncated at 'c': at least 16 bytes are needed, 15 are left"),
        (maybe, &[2, 0, 0, 0], "truncated at 'a': at least 8 bytes are needed, 3 are left"),
        (maybe, &[0, 4, 0, 0, 0], "truncated at 'b': at least 8 bytes are needed, 3 are left"),
        (maybe, &[4], "invalid_union_branch at 'a': union index 2 is not one of 2 branches"),
        (inner, &[0, 2, b'x', 2], "invalid_boolean at 'a.b.ok': a boolean is one byte, 0 or 1"),
        (inner, &[0, 2, b'x', 1, 0], "truncated at 'n': at least 1 bytes are needed, 0 are left"),
        (&order, &[2, 4, 0, 1, 0, 2], "invalid_boolean at 'order.lines[1].ok': a boolean is one byte, 0 or 1"),
        (&order, &[2, 2, 0, 1, 2, 0, 7], "invalid_boolean at 'order.lines[1].ok': a boolean is one byte, 0 or 1"),
        (&order, &[2, 2, 0, 1, 1, 8], "invalid_length at 'order.lines': block size 4 is not within the 0 bytes left"),
        (&order, &[2, 1, 6, 0, 1, 0, 0], "invalid_length at 'order.lines': the block states 3 bytes, its items take 2"),
        (map, &[2, 2, b'k', 4], "invalid_union_branch at 'm{0}': union index 2 is not one of 2 branches"),
        (map, &[4, 2, b'k', 0, 2, 0xff, 0], "invalid_utf8 at 'm{1}': a string is not valid UTF-8"),
        (array, &[2, 2, b'x', 2, 8, 0, 0], "invalid_length at 'a[1]': length 4 is not within the 2 bytes left"),
        (array, &[200, 1, 0], "invalid_length at 'a': 100 items of at least 1 bytes are not within the 1 bytes left"),
        (
            array,
            &[0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0, 0],
            "invalid_length at 'a': 9223372036854775808 items of at least 1 bytes are not within the 1 bytes left",
        ),
        (shapes, &[4, 0, 0], "invalid_enum_symbol at 'e': enum index 2 is not one of 2 symbols"),
        (shapes, &[1, 0, 0], "invalid_enum_symbol at 'e': enum index -1 is not one of 2 symbols"),
        (shapes, &[0, 6], "invalid_union_branch at 'u': union index 3 is not one of 3 branches"),
        (shapes, &[0, 2, 2], "invalid_length at 'u': length 1 is not within the 0 bytes left"),
    ];
    for (fields, datum, expected) in cases {
        let schema = record(fields);
        let found = schema.explain(datum).map(|violation| violation.to_string());
        assert_eq!(found.as_deref(), Some(*expected), "{fields} {datum:x?}");
        assert!(!schema.check(datum), "{fields} {datum:x?}");
    }
}

/// Integers in fused runs, at every width and place, with and without bytes behind them.
#[test]
fn runs_of_integers_keep_their_bounds() {
    let kinds = ["int", "long"];
    for (first, second) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let field = |i: usize| {
            format!(r#"{{"name":"f{i}","type":"{}"}}"#, kinds[if i.is_multiple_of(2) { first } else { second }])
        };
        let schema = record(&(0..40).map(field).collect::<Vec<_>>().join(","));
        for place in 0..40 {
            let long_here = if place % 2 == 0 { first } else { second } == 1;
            for bits in 0..64 {
                let datum: Vec<u8> =
                    (0..40).flat_map(|i| if i == place { long(1 << bits) } else { long(-1) }).collect();
                let good = long_here || bits < 31;
                assert_eq!(schema.check(&datum), good, "place {place}, bit {bits}");
                if !good {
                    let found = schema.explain(&datum).expect("refused");
                    assert_eq!((found.code, found.path), (ReasonCode::InvalidVarint, Some(format!("f{place}"))));
                }
                assert!(!schema.check(&datum[..datum.len() - 1]), "place {place}, bit {bits}");
            }
        }
    }
}

/// Strings of every length up to some words, with a damaged or a long character at every place.
#[test]
fn strings_are_utf8_at_every_length() {
    strings_behind(&schema(r#""string""#), &[], &[]);
    // Bytes behind a string, which are looked at with it, say nothing about it.
    let fields = r#"{"name":"s","type":"string"},{"name":"f","type":{"type":"fixed","name":"F","size":40}}"#;
    strings_behind(&record(fields), &[], &[0xff; 40]);
    strings_behind(&record(&fields.replace(r#""string""#, r#"["null","string"]"#)), &[2], &[0xff; 40]);
    strings_behind(&record(&fields.replace(r#""string""#, r#"["string","null"]"#)), &[0], &[0xff; 40]);
}

fn strings_behind(schema: &Schema, before: &[u8], behind: &[u8]) {
    let datum = |bytes: &[u8]| [before, &long(i64::try_from(bytes.len()).expect("short")), bytes, behind].concat();
    for length in 0..140 {
        let ascii = vec![b'a'; length];
        assert!(schema.check(&datum(&ascii)), "{length}");
        for place in 0..length {
            let mut damaged = ascii.clone();
            damaged[place] = 0xe9;
            assert!(!schema.check(&datum(&damaged)), "{length} {place}");
            let good = [&ascii[..place], "é".as_bytes(), &ascii[place..]].concat();
            assert!(schema.check(&datum(&good)), "{length} {place}");
        }
    }
}

/// What may be null has instructions of its own, and so have the items of a map and an array: the verdict is that of any
/// union, whatever stands there and behind it.
#[test]
fn what_may_be_null_is_judged_as_in_any_union() {
    let behind = r#"{"name":"behind","type":{"type":"fixed","name":"F","size":36}}"#;
    for of in [r#""int""#, r#""long""#, r#""double""#, r#""boolean""#, r#""string""#, r#""bytes""#] {
        for [two, three] in [
            [format!(r#"["null",{of}]"#), format!(r#"["null",{of},"float"]"#)],
            [format!(r#"[{of},"null"]"#), format!(r#"[{of},"null","float"]"#)],
        ] {
            let of_type = |of: &str| record(&format!(r#"{{"name":"a","type":{of}}},{behind}"#));
            let (two, three) = (of_type(&two), of_type(&three));
            for first in [0, 2, 0x80, 1] {
                for value in values_of_any_kind() {
                    for behind in [0, 1, 35, 36, 37] {
                        let datum = [&[first][..], &value, &vec![0xff; behind]].concat();
                        let told = |schema: &Schema| schema.explain(&datum).map(|found| found.to_string());
                        let (ours, other) = (told(&two), told(&three).map(|told| told.replace('3', "2")));
                        assert_eq!(ours.map(|told| told.replace('3', "2")), other, "{of} {datum:x?}");
                        assert_eq!(two.check(&datum), three.check(&datum), "{of} {datum:x?}");
                        assert_eq!(two.place(&datum), three.place(&datum), "{of} {datum:x?}");
                    }
                }
            }
        }
    }
}

/// Numbers of every width, texts of many lengths, good and not.
fn values_of_any_kind() -> Vec<Vec<u8>> {
    let numbers =
        (0..64).map(|bits| long(1 << bits)).chain([vec![0xff; 12], vec![0x80, 0], vec![], vec![1], vec![0; 8]]);
    let texts = [0, 1, 7, 8, 30, 31, 32, 33, 63, 64, 70].into_iter().flat_map(|length: usize| {
        let text = [long(i64::try_from(length).expect("short")), vec![b'a'; length]].concat();
        let mut damaged = text.clone();
        damaged.last_mut().into_iter().for_each(|byte| *byte = 0xc3);
        [text, damaged]
    });
    numbers.chain(texts).collect()
}

#[test]
fn depth_is_limited() {
    let nested = |levels: usize| [vec![2; levels - 1], vec![0]].concat();
    let list = schema(LIST);
    let limit = limits::DEPTH as usize;
    assert!(list.check(&nested(limit)));
    let found = list.explain(&nested(limit + 1)).expect("refused");
    assert_eq!(found.code, ReasonCode::TooDeep);
    assert_eq!(found.detail, "records, arrays and maps nest deeper than 64");
    assert!(!list.check(&vec![2; 1 << 20]));
    let tree = schema(r#"{"type":"record","name":"T","fields":[{"name":"of","type":{"type":"array","items":"T"}}]}"#);
    assert_eq!(tree.explain(&[2; 1000]).expect("refused").code, ReasonCode::TooDeep);
    let endless = schema(r#"{"type":"record","name":"E","fields":[{"name":"e","type":"E"}]}"#);
    assert_eq!(endless.explain(&[]).expect("refused").code, ReasonCode::TooDeep);
}

#[test]
fn items_without_bytes_are_limited() {
    let limit = i64::try_from(limits::EMPTY_ITEMS).expect("fits");
    for items in [
        r#""null""#,
        r#"{"type":"fixed","name":"F","size":0}"#,
        r#"{"type":"record","name":"E","fields":[{"name":"n","type":"null"}]}"#,
    ] {
        let schema = schema(&format!(r#"{{"type":"array","items":{items}}}"#));
        assert!(schema.check(&[long(limit), vec![0]].concat()));
        for datum in [
            [long(limit + 1), vec![0]].concat(),
            [long(limit), long(1), vec![0]].concat(),
            [long(i64::MAX), vec![0]].concat(),
            [long(i64::MIN), vec![0, 0]].concat(),
        ] {
            assert_eq!(schema.explain(&datum).expect("refused").code, ReasonCode::TooManyItems, "{items}");
        }
    }
    let many = schema(r#"{"type":"array","items":"boolean"}"#);
    let count = limits::EMPTY_ITEMS + 1;
    let datum = [long(limit + 1), vec![1; usize::try_from(count).expect("fits")], vec![0]].concat();
    assert!(many.check(&datum), "items with bytes are bounded by the datum");
}

#[test]
fn whatever_java_takes_is_taken() {
    let taken = [
        r#"{"type":"record","name":"a-b","fields":[{"name":"x y","type":"int","default":"no"}]}"#,
        r#"{"type":"record","name":"R","namespace":5,"fields":[]}"#,
        r#"{"type":"error","name":"E","fields":[]}"#,
        r#"{"type":"record","name":"record","fields":[{"name":"n","type":["null","record"]}]}"#,
        r#"{"type":"record","name":"","fields":[]}"#,
        r#"{"type":"int","logicalType":5}"#,
        r#"{"type":"int","logicalType":"decimal"}"#,
        r#"{"type":"string","logicalType":"unheard-of","doc":7}"#,
        r#"{"type":"enum","name":"E","symbols":["a b",""],"default":5}"#,
        r#"{"type":"enum","name":"E","symbols":[]}"#,
        "[]",
        r#"[{"type":"fixed","name":"a.F","size":2},{"type":"fixed","name":"b.F","size":2}]"#,
        r#"/* two
            lines */ {"type":"array", // no end
            "items":"int"}"#,
        // Used before its definition, defined twice alike, found in the null namespace.
        r#"{"type":"record","name":"R","fields":[{"name":"x","type":"F"},{"name":"y","type":{"type":"fixed","name":"F","size":2}}]}"#,
        r#"{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"record","name":"Q","fields":[{"name":"a","type":"int"}]}},
            {"name":"y","type":{"type":"record","name":"Q","doc":"again","fields":[{"name":"a","type":"int"}]}}]}"#,
        r#"{"type":"record","name":"n.R","fields":[{"name":"x","type":{"type":"fixed","name":"F","namespace":"","size":2}},{"name":"y","type":"F"}]}"#,
        r#"{"type":"record","name":"b.R","fields":[{"name":"x","type":["null",{"type":"b.R"}]}]}"#,
        // Not Java, but libraries of other languages.
        r#"{"type":{"type":"string"}}"#,
        r#"{"type":["null","string"]}"#,
    ];
    for json in taken {
        schema(json);
    }
}

#[test]
fn what_would_make_bytes_ambiguous_is_refused() {
    let refused = [
        ("{", "schema text is not JSON of at most 127 levels"),
        (r#""int" "int""#, "schema text is not JSON of at most 127 levels"),
        ("5", "schema type: is neither a name, an object nor an array"),
        (r#"{"items":"int"}"#, "schema type: has no 'type' that is a name or a schema"),
        (r#"{"type":"array"}"#, "schema type: lacks 'items'"),
        (r#""Nope""#, "schema names the type 'Nope', which neither it nor its references define"),
        (r#"["int","int"]"#, "schema union: has the branch 'int' twice"),
        (r#"["int",["int"]]"#, "schema union: has a union as a branch"),
        (r#"{"type":"record","fields":[]}"#, "schema record: has no name"),
        (r#"{"type":"record","name":"R"}"#, "schema record 'R': has no list 'fields'"),
        (r#"{"type":"record","name":"R","fields":["x"]}"#, "schema record 'R': has a field that is no object"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"a","type":"int"}]}"#,
            "schema record 'R': has the field 'a' twice",
        ),
        (
            r#"{"type":"record","name":"int","fields":[]}"#,
            "schema record: may not be named 'int', as a primitive type is",
        ),
        (r#"{"type":"enum","name":"E","symbols":["A","A"]}"#, "schema enum 'E': has a symbol twice"),
        (
            r#"{"type":"enum","name":"E","symbols":["A"],"default":"B"}"#,
            "schema enum 'E': has a default that is none of its symbols",
        ),
        (r#"{"type":"fixed","name":"F","size":-1}"#, "schema fixed 'F': has no 'size' from 0 to 2147483647"),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"x","type":{"type":"fixed","name":"F","size":2}},
                {"name":"y","type":{"type":"fixed","name":"F","size":3}}]}"#,
            "schema defines the type 'F' twice, differently",
        ),
    ];
    for (json, expected) in refused {
        let error = Schema::compile(&text(json, &[])).expect_err(json);
        assert_eq!(error.to_string(), expected, "{json}");
    }
}

#[test]
fn schemas_are_limited() {
    let refuse = |json: String, expected: &str| {
        let error = Schema::compile(&text(&json, &[])).expect_err(expected);
        assert_eq!(error.to_string(), expected);
    };
    let long_text = format!(r#""int"{}"#, " ".repeat(limits::TEXT_BYTES));
    refuse(long_text, "schema text has 1048581 bytes, more than the limit of 1048576");
    let deep = |levels: usize| format!("{}\"int\"{}", r#"{"type":"array","items":"#.repeat(levels), "}".repeat(levels));
    assert!(Schema::compile(&text(&deep(limits::TEXT_NESTING), &[])).is_ok());
    refuse(deep(limits::TEXT_NESTING + 1), "schema text is not JSON of at most 127 levels");
    refuse(deep(100_000 / 4), "schema text is not JSON of at most 127 levels");
    let fixed: Vec<String> =
        (0..=limits::NAMED_TYPES).map(|i| format!(r#"{{"type":"fixed","name":"F{i}","size":1}}"#)).collect();
    refuse(format!("[{}]", fixed.join(",")), "schema has more than 10000 named types");
    let fields: Vec<String> = (0..limits::TYPES / 10).map(|i| format!(r#"{{"name":"f{i}","type":"int"}}"#)).collect();
    let wide = |name: usize| format!(r#"{{"type":"record","name":"R{name}","fields":[{}]}}"#, fields.join(","));
    let many: Vec<String> = (0..=9).map(wide).collect();
    let many: Vec<&str> = many.iter().map(|json| &**json).collect();
    let error = Schema::compile(&text(r#""int""#, &many)).expect_err("too many types");
    assert_eq!(error.to_string(), "schema has more than 200000 types");
    let blank = format!(r#""int"{}"#, " ".repeat(limits::TEXT_BYTES - 5));
    let error = Schema::compile(&text(r#""int""#, &[blank.as_str(); 8])).expect_err("too long together");
    assert_eq!(error.to_string(), "schema text has 8388613 bytes, more than the limit of 8388608");
}

/// A chain of named types, and types that double at each step, cost no more than their own size.
#[test]
fn chains_and_fans_of_types_compile_in_bounded_time_and_stack() {
    let chain = |fields: fn(usize) -> String| {
        let record = |i: usize, fields: &str| format!(r#"{{"type":"record","name":"R{i}","fields":[{fields}]}}"#);
        let mut types: Vec<String> = (0..5000).map(|i| record(i, &fields(i + 1))).collect();
        types.push(record(5000, r#"{"name":"n","type":"null"}"#));
        let (first, others) = types.split_first().expect("not empty");
        let others: Vec<&str> = others.iter().map(|json| &**json).collect();
        Schema::compile(&text(first, &others)).expect("compiles")
    };
    let once = chain(|next| format!(r#"{{"name":"a","type":"R{next}"}}"#));
    let twice = chain(|next| format!(r#"{{"name":"a","type":"R{next}"}},{{"name":"b","type":"R{next}"}}"#));
    assert!(once.check(&[]) && twice.check(&[]), "none of these takes a byte");
    let resolution = Resolution::between(WriterSchema(&twice), ReaderSchema(&twice)).expect("within limits");
    assert!(matches!(resolution, Resolution::Always));
}

#[test]
fn references_come_before_the_text() {
    let address = r#"{"type":"record","name":"shop.Address","fields":[{"name":"city","type":"string"}]}"#;
    let customer =
        r#"{"type":"record","name":"Customer","namespace":"shop","fields":[{"name":"at","type":"Address"}]}"#;
    let order = r#"{"type":"record","name":"shop.Order","fields":[{"name":"by","type":"Customer"},{"name":"to","type":"shop.Address"}]}"#;
    let schema = Schema::compile(&text(order, &[address, customer])).expect("compiles");
    assert_eq!(schema.full_name(), Some("shop.Order"));
    assert!(schema.check(&[2, b'a', 2, b'b']));
    assert_eq!(schema.explain(&[2, b'a', 3]).expect("refused").path.as_deref(), Some("to.city"));
    assert!(
        matches!(Schema::compile(&text(order, &[address])), Err(Error::UnknownType(name)) if name == "shop.Customer")
    );
}

#[test]
fn what_others_ask_of_a_schema() {
    let cases = [
        (r#""bytes""#, None, true),
        (r#"{"type":"bytes","logicalType":"decimal"}"#, None, true),
        (r#"["bytes"]"#, None, false),
        (r#"{"type":"enum","name":"E","namespace":"a.b","symbols":["A"]}"#, Some("a.b.E"), false),
        (r#"{"type":"fixed","name":"x.F","namespace":"a.b","size":2}"#, Some("x.F"), false),
    ];
    for (json, name, bytes) in cases {
        let schema = schema(json);
        assert_eq!((schema.full_name(), schema.is_bytes()), (name, bytes), "{json}");
    }
    let json = SchemaText { format: Format::Json, text: "{}".into(), references: Vec::new() };
    assert_eq!(Schema::compile(&json).expect_err("not Avro").to_string(), "schema is of format 'json', not 'avro'");
    fn shared<T: Send + Sync>() {}
    shared::<Schema>();
    shared::<Resolution>();
}

/// Where something is refused there is a byte for it, and what stands before that byte is not to blame.
#[test]
fn the_place_of_a_fault_is_known_exactly_where_there_is_one() {
    let schema = record(
        r#"{"name":"a","type":"int"},{"name":"b","type":["null","string"]},{"name":"c","type":{"type":"array","items":"string"}}"#,
    );
    let good = [2, 2, 4, b'x', b'y', 4, 2, b'a', 2, b'b', 0];
    assert_eq!(schema.place(&good), None);
    for at in 0..good.len() {
        for byte in [0x01, 0x7f, 0xff] {
            let mut datum = good;
            datum[at] = byte;
            let place = schema.place(&datum);
            assert_eq!(place.is_some(), schema.explain(&datum).is_some(), "{datum:?}");
            assert!(place.is_none_or(|place| at <= place && place <= good.len()), "{datum:?} at {place:?}");
        }
    }
    assert_eq!(schema.place(&good[..4]), Some(2), "the length that is beyond the bytes left");
    assert_eq!(schema.place(&good[..1]), Some(1), "what is missing is behind the last byte");
}
