//! Values through rules: what is carried keeps its bits, what is made fits or fails.

use serde_json::json;

use super::super::limits::EXACT_NUMBERS;
use super::*;
use crate::convert::rules::tests::{apply, record, single};

/// Moves the field `v` of one type to the field `v` of another, by an expression.
fn moved(from: &serde_json::Value, value: Value, expr: &str, to: &serde_json::Value) -> Result<Value, String> {
    let rule = json!({ "name": "r", "mode": "UPGRADE", "type": "JSONATA", "expr": expr });
    match apply(&single(rule), &Value::Record(vec![value]), &record(from), &record(to)) {
        Ok(Value::Record(mut values)) => Ok(values.pop().unwrap()),
        Ok(other) => panic!("{other:?}"),
        Err(failure) => Err(format!("{}: {}", failure.path, failure.detail)),
    }
}

fn same(of: &serde_json::Value, value: &Value, expr: &str) {
    assert_eq!(moved(of, value.clone(), expr, of).as_ref(), Ok(value), "{of}: {expr}");
}

/// Each type with its edges, carried by expressions that carry.
#[test]
fn values_that_are_carried_keep_their_bits() {
    let long = |value| (json!("long"), Value::Long(value));
    let double = |value| (json!("double"), Value::Double(value));
    let float = |value| (json!("float"), Value::Float(value));
    let branch = |index, value| Value::Union(index, Box::new(value));
    let named = json!(["null", "string", "long", { "type": "fixed", "name": "a.F", "size": 2 }, { "type": "array", "items": "int" }]);
    let decimal = json!({ "type": "bytes", "logicalType": "decimal", "precision": 40, "scale": 2 });
    let nanos = json!({ "type": "long", "logicalType": "timestamp-nanos" });
    let cases = [
        (json!("null"), Value::Null),
        (json!("boolean"), Value::Boolean(false)),
        (json!("int"), Value::Int(i32::MIN)),
        long(0),
        long(EXACT_INTEGER),
        long(-EXACT_INTEGER),
        long(EXACT_INTEGER + 1),
        long(9_007_199_254_740_993),
        long(i64::MAX),
        long(i64::MIN),
        (nanos, Value::Long(1_763_790_000_123_456_789)),
        float(0.1),
        float(-0.0),
        float(f32::MIN_POSITIVE / 4.0),
        float(f32::MAX),
        float(f32::INFINITY),
        float(f32::from_bits(0xffa0_0001)),
        double(0.1),
        double(-0.0),
        double(5e-324),
        double(f64::MAX),
        double(9_007_199_254_740_993.0),
        double(f64::NEG_INFINITY),
        double(f64::from_bits(0x7ff4_0000_dead_beef)),
        (json!("bytes"), Value::Bytes((0..=255).collect())),
        (decimal, Value::Bytes(vec![0x7f, 0xff, 0, 1, 0x80, 9, 9, 9, 9, 9, 9, 9])),
        (json!({ "type": "fixed", "name": "F", "size": 3 }), Value::Fixed(vec![0, 128, 255])),
        (json!("string"), Value::String("漢\u{0}😀\u{10fe00} {\"a\"}".into())),
        (json!({ "type": "enum", "name": "E", "symbols": ["A", "B"] }), Value::Enum(1)),
        (
            json!({ "type": "map", "values": "long" }),
            Value::Map(vec![("a\u{10fffd}".into(), Value::Long(i64::MAX)), (String::new(), Value::Long(1))]),
        ),
        (
            json!({ "type": "array", "items": "double" }),
            Value::Array(vec![Value::Double(f64::NAN), Value::Double(1.5), Value::Double(f64::INFINITY)]),
        ),
        (named.clone(), branch(0, Value::Null)),
        (named.clone(), branch(1, Value::String("t".into()))),
        (named.clone(), branch(2, Value::Long(i64::MIN))),
        (named.clone(), branch(3, Value::Fixed(vec![1, 200]))),
        (named, branch(4, Value::Array(vec![Value::Int(1)]))),
    ];
    for (of, value) in cases {
        for expr in
            ["$", "{'v': v}", "$merge([$, {}])", "$sift($, function($x, $k) { $k = 'v' })", "$ ~> |$|{'w': 1}, ['w']|"]
        {
            same(&of, &value, expr);
        }
    }
}

/// What would look into a number that JSON cannot hold fails; nothing is decided by the token that stands for it.
#[test]
fn numbers_that_json_cannot_hold_are_not_looked_into() {
    let expressions = [
        "v + 1",
        "-v",
        "v = 9007199254740991",
        "v != 1",
        "1 = v",
        "v > 1",
        "v < v",
        "v = v",
        "v in [1]",
        "1 in [v]",
        "v & ''",
        "'' & $",
        "$string(v)",
        "v.$string()",
        "$string($)",
        "$length(v)",
        "v.$length()",
        "$length($string(v))",
        "$substring(v, 1)",
        "v.$substring(1, 2)",
        "$number(v)",
        "$sum([v])",
        "$max([v, 1])",
        "$sort([v, v])",
        "$distinct([v, v])",
        "$type(v)",
        "v.$type($)",
        "$contains(v, 'a')",
        "$split(v, '')",
        "$match(v, /./)",
        "$replace(v, /./, 'a')",
        "$join([v])",
        "$base64encode(v)",
        "$uppercase(v)",
        "$lookup({'a': 1}, v)",
        "{v: 1}",
        "$${v: 1}",
        "[1, 2, 3][$$.v]",
        "[$, $]^(v)",
        "[v, v]^($)",
        "$map([v], $string)",
        "$map([v], function($x) { $x = 1 })",
        "[v] ~> $sum()",
        "v ~> $string",
        "$filter([v], function($x) { $x > 1 })",
        "($f := function($x) { $x = 1 }; $filter([v], $f))",
        "$reduce([v, v], function($a, $b) { $a + $b })",
        "$sort([v, v], function($a, $b) { $a > $b })",
        "($x := v; $x * 1)",
        "[1..v]",
        "$round(v)",
        "$fromMillis(v)",
        "$formatNumber(v, '#')",
        "$keys({'a': 1})[$ = $$.v]",
        "$each({'a': v}, function($x) { $x & '' })",
        "v = 1 ? 1 : 2",
        "$substring(?, 0, 1)(v)",
        "$error(v)",
        "$toMillis(v)",
        "$append([v], 1) ~> $join()",
        "$zip([v], [1])[0][0] = 1",
        "$spread({'a': v}).a = 1",
        "$merge([{'a': v}]).a = 1",
        "$pad(v, 30)",
        "$encodeUrl(v)",
        "$ ~> |$|{'v': v + 1}|",
    ];
    for (of, value) in [
        ("long", Value::Long(9_007_199_254_740_993)),
        ("double", Value::Double(f64::NAN)),
        ("float", Value::Float(f32::INFINITY)),
    ] {
        for expr in expressions {
            let whole = format!("{{'v': ({expr})}}");
            let got = moved(&json!(of), value.clone(), &whole, &json!(["null", "boolean", "double", "string"]));
            let why = got.expect_err(expr);
            assert!(why.contains("looks into a number"), "{of}: {expr}: {why}");
        }
    }
    let falsy = [
        "v ? 1 : 2",
        "$boolean(v) ? 1 : 2",
        "$not(v) ? 2 : 1",
        "v and true ? 1 : 2",
        "(v ?: 1; 1)",
        "$count($filter([v], function($x) { $x }))",
    ];
    for expr in falsy {
        let whole = format!("{{'v': {expr}}}");
        assert!(moved(&json!("double"), Value::Double(f64::NAN), &whole, &json!("int")).is_err(), "{expr}");
        assert_eq!(moved(&json!("long"), Value::Long(i64::MAX), &whole, &json!("int")), Ok(Value::Int(1)), "{expr}");
    }
}

/// JSONata writes a fraction with 15 digits.
#[test]
fn texts_of_fractions_are_exact_or_fail() {
    let text = |value: f64, expr: &str| {
        let moved = moved(&json!("double"), Value::Double(value), &format!("{{'v': {expr}}}"), &json!("string"));
        moved.map_err(|why| why.split(", which would").next().unwrap_or_default().to_owned())
    };
    let shortened = || Err(": it makes a text of a fraction that needs more than 15 digits".to_owned());
    for expr in [
        "$string(v)",
        "v.$string()",
        "v ~> $string",
        "$string(-v)",
        "$string({'a': [v]})",
        "v & ''",
        "'' & v",
        "($w := v; 'x' & $w)",
        "$join([v].$string())",
        "$map([v], $string)",
        "(true ? v : 0) & ''",
        "(v * 1) & ''",
        "[v] & ''",
        "$string(0.12345678901234567)",
    ] {
        assert_eq!(text(0.1 + 0.2, expr), shortened(), "{expr}");
    }
    let exact =
        [(0.1, "0.1"), (-12.5, "-12.5"), (1e-7, "1e-7"), (123_456_789.012_345, "123456789.012345"), (1e22, "1e+22")];
    for (value, expected) in exact {
        for expr in ["$string(v)", "v & ''"] {
            assert_eq!(text(value, expr), Ok(Value::String(expected.into())), "{value}: {expr}");
        }
    }
    assert_eq!(text(0.1 + 0.2, "$string($round(v, 2))"), Ok(Value::String("0.3".into())));
    assert_eq!(text(0.1 + 0.2, "v > 0.3 ? 'more' : 'less'"), Ok(Value::String("more".into())));
}

/// From, value, expression, to, and what must come out.
#[test]
fn results_fit_their_schema_exactly_or_fail() {
    let string = || json!("string");
    let inexact = |of: &str| Err(format!("v: the result is a number that {of} does not hold exactly"));
    let union = json!(["null", "string"]);
    let cases = [
        (json!("int"), Value::Int(3), "{'v': v / 2}", json!("long"), inexact("long")),
        (json!("int"), Value::Int(4), "{'v': v / 2}", json!("long"), Ok(Value::Long(2))),
        (json!("long"), Value::Long(EXACT_INTEGER), "{'v': v * 2}", json!("long"), inexact("long")),
        (json!("long"), Value::Long(EXACT_INTEGER), "{'v': v + 1}", json!("long"), inexact("long")),
        (
            json!("long"),
            Value::Long(EXACT_INTEGER - 1),
            "{'v': $floor(v * 1001 / 1001)}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        // Sums, powers and texts are as exact as what is computed by operators.
        (
            json!("long"),
            Value::Long(EXACT_INTEGER),
            "{'v': $sum([v, 2])}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        (
            json!("long"),
            Value::Long(EXACT_INTEGER),
            "{'v': $average([v, v, v])}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        (
            json!("long"),
            Value::Long(3),
            "{'v': $power(v, 40)}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        (json!("long"), Value::Long(3), "{'v': $power(v, 4)}", json!("long"), Ok(Value::Long(81))),
        (json!("long"), Value::Long(3), "{'v': $sum([v, 0.5, 0.5])}", json!("long"), Ok(Value::Long(4))),
        (
            json!("long"),
            Value::Long(3),
            "{'v': $number('9007199254740993')}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        (
            json!("long"),
            Value::Long(3),
            "{'v': $number('0.12345678901234567890') > 0 ? 1 : 2}",
            json!("long"),
            Err(": it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                .into()),
        ),
        (
            json!("long"),
            Value::Long(3),
            "{'v': $number('9007199254740991')}",
            json!("long"),
            Ok(Value::Long(EXACT_INTEGER)),
        ),
        (json!("long"), Value::Long(3), "{'v': $number('0x10')}", json!("long"), Ok(Value::Long(16))),
        (json!("long"), Value::Long(7), "{'v': v % 4}", json!("long"), Ok(Value::Long(3))),
        (json!("long"), Value::Long(8), "{'v': v / 4}", json!("long"), Ok(Value::Long(2))),
        (json!("long"), Value::Long(EXACT_INTEGER - 3), "{'v': v + 3}", json!("long"), Ok(Value::Long(EXACT_INTEGER))),
        (
            json!("double"),
            Value::Double(1e308),
            "{'v': v * 10}",
            json!("double"),
            Err("v: the result is not finite".into()),
        ),
        (json!("long"), Value::Long(i64::from(i32::MAX) + 1), "$", json!("int"), inexact("int")),
        (json!("long"), Value::Long(i64::MAX), "$", json!("int"), inexact("int")),
        (json!("long"), Value::Long(i64::MAX), "$", json!("double"), inexact("double")),
        (json!("long"), Value::Long(i64::MIN), "$", json!("double"), Ok(Value::Double(-9_223_372_036_854_775_808.0))),
        (json!("long"), Value::Long(1 << 60), "$", json!("float"), Ok(Value::Float(1_152_921_504_606_846_976.0))),
        (json!("double"), Value::Double(0.1), "$", json!("float"), Ok(Value::Float(0.1))),
        // A float that is whole is the integer that it holds, not the one of its shortest text.
        (json!("float"), Value::Float(123_456_792.0), "$", json!("long"), Ok(Value::Long(123_456_792))),
        (json!("double"), Value::Double(123_456_790.0), "$", json!("float"), inexact("float")),
        (json!("double"), Value::Double(123_456_792.0), "$", json!("float"), Ok(Value::Float(123_456_792.0))),
        // The bits of what is no number.
        (
            json!("float"),
            Value::Float(f32::from_bits(0xffa0_0001)),
            "$",
            json!("double"),
            Ok(Value::Double(f64::from_bits(0xfff4_0000_2000_0000))),
        ),
        (json!("double"), Value::Double(f64::from_bits(0x7ff8_0000_0000_0001)), "$", json!("float"), inexact("float")),
        (json!("double"), Value::Double(0.123_456_789), "$", json!("float"), inexact("float")),
        (json!("double"), Value::Double(1e300), "$", json!("float"), inexact("float")),
        (json!("float"), Value::Float(0.1), "$", json!("double"), Ok(Value::Double(0.1))),
        (json!("double"), Value::Double(f64::INFINITY), "$", json!("long"), inexact("long")),
        (json!("double"), Value::Double(1e16), "$", json!("long"), inexact("long")),
        (
            json!("long"),
            Value::Long(i64::MAX),
            "$",
            string(),
            Err("v: a number that JSON cannot hold stands in a text".into()),
        ),
        (json!("long"), Value::Long(i64::MAX), "$", json!("bytes"), Err("v: bytes are characters up to U+00FF".into())),
        (
            json!("long"),
            Value::Long(7),
            "$",
            string(),
            Err("v: the result is a number, and the schema has string".into()),
        ),
        (json!("long"), Value::Long(7), "{'v': $string(v)}", string(), Ok(Value::String("7".into()))),
        (
            json!("long"),
            Value::Long(EXACT_INTEGER),
            "{'v': $string(v)}",
            string(),
            Ok(Value::String("9007199254740991".into())),
        ),
        (
            string(),
            Value::String("B".into()),
            "$",
            json!({ "type": "enum", "name": "E", "symbols": ["A"] }),
            Err("v: the result is no symbol of the enum".into()),
        ),
        (
            string(),
            Value::String("abc".into()),
            "$",
            json!({ "type": "fixed", "name": "F", "size": 2 }),
            Ok(Value::Fixed(b"abc".to_vec())),
        ),
        (string(), Value::String("é".into()), "$", json!("bytes"), Ok(Value::Bytes(vec![0xe9]))),
        (
            string(),
            Value::String("a".into()),
            "{'v': {'string': v}}",
            union.clone(),
            Ok(Value::Union(1, Box::new(Value::String("a".into())))),
        ),
        (
            string(),
            Value::String("a".into()),
            "$",
            union.clone(),
            Err("v: a value of a union must be null, or an object with its branch, as {\"string\": …}".into()),
        ),
        (
            string(),
            Value::String("a".into()),
            "{'v': {'int': 1}}",
            union.clone(),
            Err("v: the union has no branch of the result's name".into()),
        ),
        (
            union.clone(),
            Value::Union(1, Box::new(Value::String("a".into()))),
            "{'v': v.string}",
            string(),
            Ok(Value::String("a".into())),
        ),
        (
            union,
            Value::Union(0, Box::new(Value::Null)),
            "{'v': v.string}",
            string(),
            Err("v: the result has no such field".into()),
        ),
        (
            json!("long"),
            Value::Long(1),
            "{'v': {'a': 1, 'z': 5}}",
            json!({ "type": "record", "name": "Twice", "fields": [
                { "name": "a", "type": "long" }, { "name": "b", "type": "long", "aliases": ["a"] }
            ] }),
            Err("v.b: the result has no such field".into()),
        ),
        (string(), Value::String("a".into()), "{}", string(), Err("v: the result has no such field".into())),
        (
            string(),
            Value::String("a".into()),
            "{'w': 1, 'v': v}",
            string(),
            Err("w: the result has a field that the schema has not".into()),
        ),
        (
            string(),
            Value::String("a".into()),
            "{'v': [v][$ = 'a']}",
            json!({ "type": "array", "items": "string" }),
            Err("v: the result is a string, and the schema has array; write [] behind a path that may have one item"
                .into()),
        ),
        (
            string(),
            Value::String("a".into()),
            "{'v': function($x) { $x }}",
            string(),
            Err("v: the result is a function, and the schema has string".into()),
        ),
        (
            string(),
            Value::String("a".into()),
            "[1]",
            string(),
            Err(": the result is an array, and the schema has record".into()),
        ),
        (
            string(),
            Value::String("a".into()),
            "{'v': null}",
            string(),
            Err("v: the result is null, and the schema has string".into()),
        ),
    ];
    for (from, value, expr, to, expected) in cases {
        assert_eq!(moved(&from, value, expr, &to), expected, "{from} {expr} {to}");
    }
}

#[test]
fn texts_with_the_characters_of_tokens_do_not_meet_numbers() {
    let of = json!({ "type": "map", "values": ["long", "string"] });
    let entry = |key: &str, index, value| (key.to_owned(), Value::Union(index, Box::new(value)));
    let number = || entry("n", 0, Value::Long(i64::MAX));
    for other in [entry("t", 1, Value::String("a\u{10fe05}".into())), entry("\u{10fe10}", 1, Value::String("a".into()))]
    {
        same(&of, &Value::Map(vec![other.clone()]), "$");
        let why = moved(&of, Value::Map(vec![number(), other]), "$", &of).expect_err("both");
        assert!(why.contains("U+10FE00"), "{why}");
    }
    same(&of, &Value::Map(vec![number(), entry("t", 1, Value::String("\u{10ff00}".into()))]), "$");
}

/// A result that stands in many places is written in each, up to a limit.
#[test]
fn results_are_bounded() {
    let of = json!({ "type": "array", "items": "string" });
    let why = moved(
        &json!("string"),
        Value::String("a".repeat(1_000_000)),
        "{'v': $map([1..70], function($i) { $$.v })}",
        &of,
    )
    .expect_err("100 MB");
    assert_eq!(why, "v[63]: the result is too large");
    let list = json!({ "type": "record", "name": "L", "fields": [{ "name": "next", "type": ["null", "L"] }] });
    let expr = "{'v': $reduce([1..400], function($a, $b) { {'next': {'L': $a}} }, {'next': null})}";
    let why = moved(&json!("int"), Value::Int(1), expr, &list).expect_err("400 levels");
    assert!(why.ends_with("the result nests deeper than 256 levels"), "{why}");
}

#[test]
fn so_many_numbers_are_kept() {
    let mut exact = Exact::default();
    for number in 0..EXACT_NUMBERS {
        exact.keep(Number::Long(i64::MAX)).unwrap_or_else(|mistake| panic!("{number}: {mistake:?}"));
    }
    assert!(exact.keep(Number::Long(i64::MAX)).is_err());
}

#[test]
fn a_key_that_stands_twice_is_not_dropped() {
    let entry = |value| ("k".to_owned(), Value::Int(value));
    let why =
        moved(&json!({ "type": "map", "values": "int" }), Value::Map(vec![entry(1), entry(2)]), "$", &json!("int"));
    assert_eq!(why, Err(": a key stands twice in a map".into()));
}
