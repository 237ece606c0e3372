//! Data: what claims to be written with a schema and is not, or is and would cost too much.

use super::{Made, long, made, many, with};

/// A list that nests.
const LIST: &str = r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#;
const NULLS: &str = r#"{"type":"array","items":"null"}"#;
const INTS: &str = r#"{"type":"array","items":"int"}"#;
const STRINGS: &str = r#"{"type":"map","values":"string"}"#;
const EMPTY: &str = r#"{"type":"array","items":{"type":"record","name":"E","fields":[]}}"#;
const FIXED_0: &str = r#"{"type":"array","items":{"type":"fixed","name":"F","size":0}}"#;
const TREE: &str = r#"{"type":"record","name":"T","fields":[{"name":"of","type":{"type":"array","items":"T"}}]}"#;
const MAPS: &str = r#"{"type":"record","name":"M","fields":[{"name":"of","type":{"type":"map","values":"M"}}]}"#;
const ENDLESS: &str = r#"{"type":"record","name":"R","fields":[{"name":"r","type":"R"}]}"#;
const DOUBLY: &str =
    r#"{"type":"record","name":"R","fields":[{"name":"a","type":["null","R"]},{"name":"b","type":["null","R"]}]}"#;
const ENUM: &str = r#"{"type":"enum","name":"E","symbols":["A","B","C"]}"#;
const UNION: &str = r#"["null","int","string"]"#;
const ORDER: &str = r#"{"type":"record","name":"Order","fields":[{"name":"id","type":"long"},{"name":"customer","type":"string"},{"name":"express","type":"boolean"},{"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[{"name":"sku","type":"string"},{"name":"count","type":"int"}]}}}]}"#;

/// An order that is good: 17, "ab", true, one line of 3 "x".
const GOOD: &[u8] = b"\x22\x04ab\x01\x02\x02x\x06\0";

pub(super) fn cases() -> Vec<Made> {
    let mut cases = Vec::new();
    cases.extend(orders());
    cases.extend(numbers());
    cases.extend(lengths());
    cases.extend(blocks());
    cases.extend(depth());
    cases.extend(choices());
    cases.extend(texts());
    cases
}

fn orders() -> Vec<Made> {
    let mut cases = vec![
        made("order_good.good", with(ORDER, GOOD)),
        made("order_empty.truncated", with(ORDER, b"")),
        made("order_and_a_byte.trailing_bytes", with(ORDER, &[GOOD, b"\0"].concat())),
        made("order_twice.trailing_bytes", with(ORDER, &[GOOD, GOOD].concat())),
        made("order_and_64_kib.trailing_bytes", with(ORDER, &[GOOD, &vec![0; 1 << 16]].concat())),
        made("order_framed_twice.trailing_bytes", with(ORDER, b"\0\0\0\0\x01")),
        made("order_as_json.invalid_boolean", with(ORDER, br#"{"id":17,"customer":"ab"}"#)),
        made("order_all_ff.invalid_varint", with(ORDER, &[0xff; 64])),
        made("order_all_zero.trailing_bytes", with(ORDER, &[0; 64])),
        made("order_negative_everything.invalid_length", with(ORDER, &[1; 16])),
    ];
    for length in [1, 2, 3, 6, 7, 8, 9] {
        let outcome = if matches!(length, 2 | 3 | 6 | 7) { "invalid_length" } else { "truncated" };
        cases.push(made(format!("order_cut_to_{length}.{outcome}"), with(ORDER, &GOOD[..length])));
    }
    cases
}

fn numbers() -> Vec<Made> {
    let eleven = [&[0xff; 10][..], &[1]].concat();
    vec![
        made("int_of_5_bytes.good", with(r#""int""#, b"\xff\xff\xff\xff\x0f")),
        made("int_of_33_bits.invalid_varint", with(r#""int""#, b"\xff\xff\xff\xff\x1f")),
        made("int_of_6_bytes.invalid_varint", with(r#""int""#, b"\x80\x80\x80\x80\x80\0")),
        made("int_padded_to_5_bytes.good", with(r#""int""#, b"\x80\x80\x80\x80\0")),
        made("int_of_11_bytes.invalid_varint", with(r#""int""#, &eleven)),
        made("int_that_goes_on.truncated", with(r#""int""#, b"\x80\x80")),
        made("int_empty.truncated", with(r#""int""#, b"")),
        made("long_of_10_bytes.good", with(r#""long""#, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01")),
        made("long_of_65_bits.invalid_varint", with(r#""long""#, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02")),
        made("long_of_11_bytes.invalid_varint", with(r#""long""#, &eleven)),
        made("long_padded_to_10_bytes.good", with(r#""long""#, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\0")),
        made("long_of_64_kib.invalid_varint", with(r#""long""#, &vec![0x80; 1 << 16])),
        made("long_that_goes_on.truncated", with(r#""long""#, b"\x80\x80\x80\x80\x80\x80\x80\x80\x80")),
        made("float_cut.truncated", with(r#""float""#, b"\0\0\0")),
        made("float_nan.good", with(r#""float""#, b"\xff\xff\xff\xff")),
        made("double_cut.truncated", with(r#""double""#, b"\0\0\0\0\0\0\0")),
        made("double_infinite.good", with(r#""double""#, b"\0\0\0\0\0\0\xf0\x7f")),
        made("boolean_2.invalid_boolean", with(r#""boolean""#, b"\x02")),
        made("boolean_ff.invalid_boolean", with(r#""boolean""#, b"\xff")),
        made("boolean_text.invalid_boolean", with(r#""boolean""#, b"true")),
        made("boolean_empty.truncated", with(r#""boolean""#, b"")),
        made("null_with_a_byte.trailing_bytes", with(r#""null""#, b"\0")),
        made("null.good", with(r#""null""#, b"")),
    ]
}

fn lengths() -> Vec<Made> {
    let mut cases = vec![
        made("bytes_exact.good", with(r#""bytes""#, b"\x04\xff\xfe")),
        made("fixed_2_gib.truncated", with(r#"{"type":"fixed","name":"F","size":2147483647}"#, &[0; 64])),
        made(
            "fixed_4_gib_in_two.truncated",
            with(
                r#"{"type":"record","name":"R","fields":[{"name":"a","type":{"type":"fixed","name":"F","size":2147483647}},{"name":"b","type":"F"},{"name":"c","type":"F"}]}"#,
                &[0; 64],
            ),
        ),
        made("fixed_0.good", with(r#"{"type":"fixed","name":"F","size":0}"#, b"")),
        made("fixed_one_short.truncated", with(r#"{"type":"fixed","name":"F","size":16}"#, &[0; 15])),
        made("fixed_one_more.trailing_bytes", with(r#"{"type":"fixed","name":"F","size":16}"#, &[0; 17])),
    ];
    let claims = [
        ("minus_1", -1),
        ("one_more_than_there", 3),
        ("2_gib", i64::from(i32::MAX)),
        ("4_gib", 1 << 32),
        ("2_to_62", 1 << 62),
        ("most", i64::MAX),
        ("least", i64::MIN),
        ("minus_2_gib", i64::from(i32::MIN)),
    ];
    for (claim, length) in claims {
        for plain in ["bytes", "string"] {
            let datum = [&long(length)[..], b"ab"].concat();
            cases.push(made(format!("{plain}_of_{claim}.invalid_length"), with(&format!("\"{plain}\""), &datum)));
        }
        let key = [&long(1)[..], &long(length), b"ab"].concat();
        cases.push(made(format!("map_key_of_{claim}.invalid_length"), with(STRINGS, &key)));
    }
    cases
}

fn blocks() -> Vec<Made> {
    let bomb = |count: i64| [&long(count)[..], &long(0)].concat();
    let sized = |count: i64, size: i64, items: &[u8]| [&long(-count)[..], &long(size), items, &long(0)].concat();
    let mut cases = vec![
        made("array_empty.good", with(INTS, b"\0")),
        made("array_without_its_end.truncated", with(INTS, b"\x02\x02")),
        made("array_of_two_blocks.good", with(INTS, b"\x02\x02\x02\x02\0")),
        made("array_of_many_blocks.good", with(INTS, &[&b"\x02\x02".repeat(20_000)[..], b"\0"].concat())),
        made("nulls_a_million.good", with(NULLS, &bomb(1_000_000))),
        made("nulls_a_million_and_one.too_many_items", with(NULLS, &bomb(1_000_001))),
        made("nulls_in_many_blocks.too_many_items", with(NULLS, &[&long(600_000)[..], &bomb(600_000)].concat())),
        made("nulls_a_million_in_each_of_many_blocks.too_many_items", with(NULLS, &long(1_000_000).repeat(1000))),
        made("empty_records_2_to_40.too_many_items", with(EMPTY, &bomb(1 << 40))),
        made("fixed_of_no_bytes_2_to_40.too_many_items", with(FIXED_0, &bomb(1 << 40))),
        made("nulls_negative_count.too_many_items", with(NULLS, &sized(1 << 40, 0, b""))),
        made("nulls_negative_count_wrong_size.invalid_length", with(NULLS, &sized(3, 7, b""))),
        made("nulls_negative_count_few.good", with(NULLS, &sized(3, 0, b""))),
        made("block_size_right.good", with(INTS, &sized(2, 2, b"\x02\x04"))),
        made("block_size_too_small.invalid_length", with(INTS, &sized(2, 1, b"\x02\x04"))),
        made("block_size_too_large.invalid_length", with(INTS, &sized(2, 3, b"\x02\x04"))),
        made("block_size_zero.invalid_length", with(INTS, &sized(2, 0, b"\x02\x04"))),
        made("block_size_negative.invalid_length", with(INTS, &sized(2, -2, b"\x02\x04"))),
        made("block_size_2_to_62.invalid_length", with(INTS, &sized(2, 1 << 62, b"\x02\x04"))),
        made("block_size_least.invalid_length", with(INTS, &sized(2, i64::MIN, b"\x02\x04"))),
        made("block_size_missing.truncated", with(INTS, &long(-2))),
        made("map_block_size_wrong.invalid_length", with(STRINGS, &sized(1, 9, b"\x02k\x02v"))),
        made("map_key_twice.good", with(STRINGS, &[&long(2)[..], b"\x02k\x02v\x02k\x02w", b"\0"].concat())),
        made("map_cut_after_its_key.truncated", with(STRINGS, b"\x02\x02k")),
        made("map_of_nulls.good", with(r#"{"type":"map","values":"null"}"#, b"\x04\x02a\x02b\0")),
    ];
    let counts = [("2_to_31", 1 << 31), ("2_to_62", 1 << 62), ("most", i64::MAX), ("least", i64::MIN)];
    for (name, count) in counts {
        let datum = |size: &[u8]| [&long(count)[..], size, &[2; 16], &[0]].concat();
        let size = if count < 0 { long(16) } else { Vec::new() };
        cases.push(made(format!("ints_{name}.invalid_length"), with(INTS, &datum(&size))));
        cases.push(made(format!("strings_{name}.invalid_length"), with(STRINGS, &datum(&size))));
        cases.push(made(format!("trees_{name}.invalid_length"), with(TREE, &datum(&size))));
        let empty = if count < 0 { long(0) } else { Vec::new() };
        let zero = [&long(count)[..], &empty, &[0]].concat();
        cases.push(made(format!("nulls_{name}.too_many_items"), with(NULLS, &zero)));
        cases.push(made(format!("empty_records_{name}.too_many_items"), with(EMPTY, &zero)));
    }
    cases
}

fn depth() -> Vec<Made> {
    let mut cases = vec![
        made("endless_record_empty.too_deep", with(ENDLESS, b"")),
        made("endless_record_64_kib.too_deep", with(ENDLESS, &vec![0; 1 << 16])),
    ];
    for (levels, outcome) in [(1, "good"), (63, "good"), (64, "too_deep"), (1000, "too_deep"), (50_000, "too_deep")] {
        let list = [&vec![2; levels][..], &[0]].concat();
        cases.push(made(format!("list_of_{levels}.{outcome}"), with(LIST, &list)));
    }
    for (levels, outcome) in [(1, "good"), (31, "good"), (32, "too_deep"), (20_000, "too_deep")] {
        let tree = [&vec![2; levels][..], &vec![0; levels + 1]].concat();
        cases.push(made(format!("tree_of_{levels}.{outcome}"), with(TREE, &tree)));
        let maps = [&b"\x02\x02k".repeat(levels)[..], &vec![0; levels + 1]].concat();
        cases.push(made(format!("maps_of_{levels}.{outcome}"), with(MAPS, &maps)));
    }
    cases.push(made("doubly_to_the_left.too_deep", with(DOUBLY, &vec![2; 4096])));
    cases.push(made("doubly_all_null.good", with(DOUBLY, &[0; 2])));
    let name = "n".repeat(1000);
    let long_names = LIST.replace("next", &name);
    cases.push(made("list_of_long_names.too_deep", with(&long_names, &vec![2; 1000])));
    let nested = (0..100).fold(r#""int""#.to_owned(), |of, _| format!(r#"{{"type":"array","items":{of}}}"#));
    cases.push(made("arrays_in_arrays.too_deep", with(&nested, &[2; 200])));
    cases
}

fn choices() -> Vec<Made> {
    let mut cases = Vec::new();
    for (name, index) in [("3", 3), ("minus_1", -1), ("int_max", i64::from(i32::MAX)), ("int_min", i64::from(i32::MIN))]
    {
        cases.push(made(format!("symbol_{name}.invalid_enum_symbol"), with(ENUM, &long(index))));
        cases.push(made(format!("branch_{name}.invalid_union_branch"), with(UNION, &long(index))));
        let list = if index == 3 { long(2) } else { long(index) };
        cases.push(made(format!("optional_{name}.invalid_union_branch"), with(LIST, &list)));
    }
    cases.extend([
        made("symbol_2_to_40.invalid_varint", with(ENUM, &long(1 << 40))),
        made("branch_2_to_40.invalid_varint", with(UNION, &long(1 << 40))),
        made("symbol_empty.truncated", with(ENUM, b"")),
        made("branch_empty.truncated", with(UNION, b"")),
        made("branch_string_missing.truncated", with(UNION, b"\x04")),
        made("enum_without_symbols.invalid_enum_symbol", with(r#"{"type":"enum","name":"E","symbols":[]}"#, b"\0")),
        made("union_without_branches.invalid_union_branch", with("[]", b"\0")),
        made("symbol_of_20000.good", {
            let symbols = many(20_000, ",", |n| format!("\"S{n}\""));
            with(&format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]}}"#), &long(19_999))
        }),
    ]);
    cases
}

fn texts() -> Vec<Made> {
    let bad: [(&str, &[u8]); 12] = [
        ("lone_continuation", b"\x80"),
        ("overlong_slash", b"\xc0\xaf"),
        ("overlong_null", b"\xc0\x80"),
        ("surrogate", b"\xed\xa0\x80"),
        ("beyond_unicode", b"\xf4\x90\x80\x80"),
        ("five_byte_form", b"\xf8\x88\x80\x80\x80"),
        ("cut_in_a_character", b"abc\xe2\x82"),
        ("latin_1", b"caf\xe9"),
        ("utf_16", b"\xff\xfea\0b\0"),
        ("bad_at_the_end_of_8", b"1234567\xff"),
        ("bad_at_the_end_of_32", b"1234567890123456789012345678901\xff"),
        ("bad_at_the_end_of_33", b"12345678901234567890123456789012\xff"),
    ];
    let string = |bytes: &[u8]| [&long(i64::try_from(bytes.len()).expect("small"))[..], bytes].concat();
    let mut cases: Vec<Made> = bad
        .iter()
        .map(|(name, bytes)| made(format!("{name}.invalid_utf8"), with(r#""string""#, &string(bytes))))
        .collect();
    cases.extend([
        made("string_with_a_null.good", with(r#""string""#, &string(b"a\0b"))),
        made("string_of_emoji.good", with(r#""string""#, &string("🦀🦀".as_bytes()))),
        made("string_64_kib.good", with(r#""string""#, &string(&vec![b'a'; 1 << 16]))),
        made("string_64_kib_bad_at_its_end.invalid_utf8", {
            let mut text = vec![b'a'; 1 << 16];
            text.push(0xff);
            with(r#""string""#, &string(&text))
        }),
        made("map_key_bad.invalid_utf8", with(STRINGS, &[&long(1)[..], b"\x02\xff\x02v\0"].concat())),
        made("bytes_bad_utf8.good", with(r#""bytes""#, &string(b"\xff\xfe"))),
        made(
            "decimal_of_no_bytes.good",
            with(r#"{"type":"bytes","logicalType":"decimal","precision":4,"scale":9}"#, b"\0"),
        ),
        made("uuid_that_is_none.good", with(r#"{"type":"string","logicalType":"uuid"}"#, b"\x06abc")),
        made("date_beyond_all.good", with(r#"{"type":"int","logicalType":"date"}"#, b"\xff\xff\xff\xff\x0f")),
    ]);
    cases
}
