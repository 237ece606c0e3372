//! Hostile conversions: records that ask for more than they are, and plans that multiply them.

use super::{Made, long, made, many};

/// Two schemas, the way between them, and a datum.
fn case(name: &str, (writer, target): (&str, &str), way: &str, datum: &[u8]) -> Made {
    let parts = [writer.as_bytes(), &[0xff], target.as_bytes(), &[0xff], way.as_bytes(), &[0xff], datum];
    made(name, parts.concat())
}

fn record(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn field(name: &str, of: &str) -> String {
    format!(r#"{{"name":"{name}","type":{of}}}"#)
}

fn text(text: &str) -> Vec<u8> {
    [long(i64::try_from(text.len()).expect("small")), text.as_bytes().to_vec()].concat()
}

/// An array of ints, one byte each.
fn items(count: usize) -> Vec<u8> {
    [long(i64::try_from(count).expect("small")), vec![2; count], vec![0]].concat()
}

pub(crate) fn cases() -> Vec<Made> {
    let ints = r#"{"type":"array","items":"int"}"#;
    let texts = r#"{"type":"array","items":"string"}"#;
    let pair = |fields: &str| {
        let item = format!(r#"{{"type":"array","items":{{"type":"record","name":"I","fields":[{fields}]}}}}"#);
        record(&field("items", &item))
    };
    let text_and_items = record(&[field("a", "\"string\""), field("items", ints)].join(","));
    let with_text = pair(&[field("n", "\"int\""), field("a", "\"string\"")].join(","));
    let with_texts = pair(&[field("n", "\"int\""), field("a", texts)].join(","));
    let whole = record(&field("v", "\"long\""));
    let double = record(&field("v", "\"double\""));
    let parts = "x,".repeat(4_000);
    let large = [text(&parts), items(2_000)].concat();
    let each = "  - { from: 'items[]', to: 'items[].n' }\n";
    let number = |value: f64| value.to_le_bytes().to_vec();
    let deep = many(40, "", |_| "[".to_owned());
    vec![
        case(
            "text_for_each_item.failed",
            (&text_and_items, &with_text),
            &format!("{each}  - {{ from: a, to: 'items[].a' }}"),
            &[text(&"x".repeat(16_000)), items(4_000)].concat(),
        ),
        case(
            "text_cut_for_each_item.failed",
            (&text_and_items, &with_texts),
            &format!("{each}  - {{ from: a, to: 'items[].a', split: ',' }}"),
            &large,
        ),
        case(
            "constant_for_each_item.failed",
            (&record(&field("items", ints)), &with_text),
            &format!("{each}  - {{ to: 'items[].a', constant: {} }}", "c".repeat(16_000)),
            &items(4_000),
        ),
        case(
            "items_named_once.converted",
            (&record(&field("items", ints)), &pair(&field("n", "\"int\""))),
            each,
            &items(1_000),
        ),
        case(
            "double_beyond_2_53.converted",
            (&double, &whole),
            "  - { to: v, cast: number }",
            &number(1_152_921_504_606_846_976.0),
        ),
        case("double_beyond_long.failed", (&double, &whole), "  - { to: v, cast: number }", &number(1e300)),
        case(
            "nan_to_long.failed",
            (&double, &whole),
            "  - { to: v, cast: number, rounding: floor }",
            &number(f64::NAN),
        ),
        case("signalling_nan.converted", (&double, &double), "=$", &number(f64::from_bits(0x7ff0_0000_0000_0001))),
        case("long_beyond_2_53_summed.failed", (&whole, &whole), "={'v': $sum([v, 1])}", &long(i64::MAX)),
        case("literal_beyond_2_53.refused", (&whole, &whole), "={'v': 9007199254740993}", &long(1)),
        case("lookaround.refused", (&whole, &whole), "={'v': $match('a', /(?=b)/)}", &long(1)),
        case("brackets_in_an_expression.refused", (&whole, &whole), &format!("={deep}"), &long(1)),
        case("doubling.failed", (&whole, &whole), "=$reduce([1..100], function($a, $b) { $a & $a }, 'xx')", &long(1)),
        case(
            "recursion_of_arguments.failed",
            (&whole, &whole),
            "=($f := function($n) { 1 + $f($n + 1) }; $f(1))",
            &long(1),
        ),
        case("truncated.failed", (&double, &whole), "  - { to: v, cast: number }", &[0]),
        case("trailing.failed", (&whole, &whole), "=$", &[2, 2]),
        case("useless_drop.refused", (&whole, &double), "  - { drop: v }", &long(1)),
        case("no_way.no_way", (&whole, &record(&field("v", "\"string\""))), "", &long(1)),
        case("promoted.converted", (&whole, &double), "", &long(1)),
    ]
}
