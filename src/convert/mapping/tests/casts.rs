//! Casts to the last digit: each pair of types, each unit, each rounding, and what must fail.

use super::*;

/// From and to in few letters, the rest of the step, and values with what they become, as JSON; nothing: the record fails.
type Row = (&'static str, &'static str, &'static str, &'static [(&'static str, &'static str)]);

const ROWS: &[Row] = &[
    (
        "string",
        "int",
        "cast: number",
        &[
            ("\"2147483647\"", "2147483647"),
            ("\"-2147483648\"", "-2147483648"),
            ("\"+7\"", "7"),
            ("\"7.0\"", "7"),
            ("\"1e3\"", "1000"),
            ("\"2147483648\"", ""),
            ("\"7.5\"", ""),
            ("\"\"", ""),
            ("\" 7\"", ""),
            ("\"0x7\"", ""),
            ("\"1_000\"", ""),
            ("\"NaN\"", ""),
            ("\"٧\"", ""),
            ("\"1e99999999999\"", ""),
            ("\"1e400\"", ""),
        ],
    ),
    (
        "string",
        "long",
        "cast: number",
        &[
            ("\"9223372036854775807\"", "9223372036854775807"),
            ("\"9007199254740993\"", "9007199254740993"),
            ("\"-9223372036854775808\"", "-9223372036854775808"),
            ("\"9223372036854775808\"", ""),
        ],
    ),
    (
        "string",
        "double",
        "cast: number",
        &[
            ("\"0.1\"", "0.1"),
            ("\"0.10\"", "0.1"),
            ("\"1e300\"", "1e300"),
            ("\"9007199254740992\"", "9007199254740992.0"),
            ("\"9007199254740993\"", ""),
            ("\"0.1000000000000000000001\"", ""),
            ("\"1e309\"", ""),
            ("\"Infinity\"", ""),
        ],
    ),
    (
        "string",
        "double",
        "cast: number, rounding: half-even",
        &[("\"9007199254740993\"", "9007199254740992.0"), ("\"1e309\"", "")],
    ),
    ("string", "float", "cast: number", &[("\"0.5\"", "0.5"), ("\"16777217\"", "")]),
    ("long", "int", "cast: number", &[("-5", "-5"), ("2147483648", "")]),
    ("long", "double", "cast: number, rounding: half-even", &[("9007199254740993", "9007199254740992.0")]),
    ("double", "long", "cast: number", &[("3.0", "3"), ("3.5", ""), ("1e19", ""), ("-0.0", "")]),
    // From 2^53 on a double is an integer, and its shortest text is another one.
    (
        "double",
        "long",
        "cast: number",
        &[
            ("9007199254740992.0", "9007199254740992"),
            ("1152921504606846976.0", "1152921504606846976"),
            ("-1152921504606846976.0", "-1152921504606846976"),
            ("9223372036854774784.0", "9223372036854774784"),
            ("9223372036854775808.0", ""),
        ],
    ),
    (
        "long",
        "double",
        "cast: number",
        &[
            ("1152921504606846976", "1152921504606846976.0"),
            ("1152921504606847000", ""),
            ("9007199254740993", ""),
            ("9007199254740994", "9007199254740994.0"),
        ],
    ),
    ("float", "long", "cast: number", &[("123456792.0", "123456792"), ("16777216.0", "16777216"), ("0.5", "")]),
    ("long", "float", "cast: number", &[("123456792", "123456792.0"), ("123456790", ""), ("16777217", "")]),
    ("float", "string", "cast: number", &[("123456792.0", "\"123456792\""), ("0.1", "\"0.1\"")]),
    ("string", "float", "cast: number", &[("\"123456792\"", "123456792.0"), ("\"123456790\"", "")]),
    (
        "double",
        "decimal(38,0)",
        "cast: number",
        &[
            ("1152921504606846976.0", "\"1152921504606846976\""),
            ("1e22", "\"10000000000000000000000\""),
            ("1e23", "\"99999999999999991611392\""),
        ],
    ),
    (
        "decimal(38,0)",
        "double",
        "cast: number",
        &[("\"99999999999999991611392\"", "1e23"), ("\"100000000000000000000000\"", "")],
    ),
    (
        "double",
        "string",
        "cast: number",
        &[("1152921504606846976.0", "\"1152921504606846976\""), ("1e21", "\"1e21\""), ("1e23", "\"1e23\"")],
    ),
    (
        "string",
        "double",
        "cast: number",
        &[
            ("\"1152921504606846976\"", "1152921504606846976.0"),
            ("\"1152921504606847000\"", ""),
            ("\"1e23\"", "1e23"),
            ("\"1.0e23\"", "1e23"),
            ("\"99999999999999991611392\"", "1e23"),
            ("\"100000000000000000000001\"", ""),
        ],
    ),
    ("double", "timestamp-nanos", "cast: time, unit: nanos", &[("1152921504606846976.0", "1152921504606846976")]),
    ("double", "long", "cast: number, rounding: floor", &[("3.5", "3"), ("-3.5", "-4"), ("-0.0", "0")]),
    ("double", "long", "cast: number, rounding: ceiling", &[("3.1", "4"), ("-3.9", "-3")]),
    ("double", "long", "cast: number, rounding: toward-zero", &[("3.9", "3"), ("-3.9", "-3")]),
    ("double", "long", "cast: number, rounding: half-up", &[("2.5", "3"), ("-2.5", "-3"), ("2.4", "2")]),
    (
        "double",
        "long",
        "cast: number, rounding: half-even",
        &[("2.5", "2"), ("3.5", "4"), ("-2.5", "-2"), ("2.51", "3")],
    ),
    ("double", "float", "cast: number", &[("0.5", "0.5"), ("0.30000000000000004", ""), ("1e300", "")]),
    (
        "double",
        "string",
        "cast: number",
        &[("0.1", "\"0.1\""), ("1e300", "\"1e300\""), ("5.0", "\"5\""), ("-0.0", "\"-0\""), ("1e-7", "\"0.0000001\"")],
    ),
    ("long", "string", "cast: number", &[("-9223372036854775808", "\"-9223372036854775808\"")]),
    (
        "double",
        "decimal(9,2)",
        "cast: number",
        &[
            ("12.34", "\"12.34\""),
            ("-0.01", "\"-0.01\""),
            ("12.345", ""),
            ("9999999.99", "\"9999999.99\""),
            ("10000000.0", ""),
        ],
    ),
    (
        "double",
        "decimal(9,2)",
        "cast: number, rounding: half-even",
        &[("12.345", "\"12.34\""), ("12.355", "\"12.36\""), ("1e7", "")],
    ),
    ("float", "decimal(9,2)", "cast: number", &[("12.34", "\"12.34\"")]),
    (
        "string",
        "decimal(38,9)",
        "cast: number",
        &[
            ("\"12345678901234567890123456789.123456789\"", "\"12345678901234567890123456789.123456789\""),
            ("\"0.0000000001\"", ""),
        ],
    ),
    (
        "string",
        "decimal(4,2,2)",
        "cast: number",
        &[("\"-99.99\"", "\"-99.99\""), ("\"0\"", "\"0.00\""), ("\"100\"", "")],
    ),
    ("decimal(9,2)", "decimal(9,0)", "cast: number", &[("\"7.00\"", "\"7\""), ("\"7.50\"", "")]),
    (
        "decimal(9,2)",
        "decimal(9,0)",
        "cast: number, rounding: half-up",
        &[("\"7.50\"", "\"8\""), ("\"-7.50\"", "\"-8\"")],
    ),
    ("decimal(9,2)", "decimal(5,4)", "cast: number", &[("\"7.50\"", "\"7.5000\""), ("\"10.00\"", "")]),
    ("decimal(9,2)", "string", "cast: number", &[("\"7.50\"", "\"7.50\""), ("\"-0.01\"", "\"-0.01\"")]),
    ("decimal(9,2)", "double", "cast: number", &[("\"7.50\"", "7.5"), ("\"0.10\"", "0.1")]),
    (
        "decimal(30,2)",
        "double",
        "cast: number",
        &[("\"9007199254740.93\"", "9007199254740.93"), ("\"9007199254740992.01\"", "")],
    ),
    ("decimal(9,2)", "long", "cast: number", &[("\"7.00\"", "7"), ("\"7.01\"", "")]),
    ("long", "decimal(9,2)", "cast: number", &[("7", "\"7.00\""), ("10000000", "")]),
    // Times: before 1970 and on days that are seldom.
    ("timestamp-millis", "timestamp-micros", "cast: time", &[("-1", "-1000"), ("9223372036854775807", "")]),
    ("timestamp-micros", "timestamp-millis", "cast: time", &[("-1000", "-1"), ("-1", "")]),
    ("timestamp-micros", "timestamp-millis", "cast: time, rounding: floor", &[("-1", "-1"), ("1", "0")]),
    ("timestamp-nanos", "timestamp-millis", "cast: time, rounding: half-even", &[("500000", "0"), ("1500000", "2")]),
    (
        "timestamp-millis",
        "string",
        "cast: time",
        &[
            ("0", "\"1970-01-01T00:00:00Z\""),
            ("-1", "\"1969-12-31T23:59:59.999Z\""),
            ("1709164800000", "\"2024-02-29T00:00:00Z\""),
            ("-2208988800000", "\"1900-01-01T00:00:00Z\""),
            ("-62167219200000", "\"0000-01-01T00:00:00Z\""),
            ("-62167219200001", "\"-0001-12-31T23:59:59.999Z\""),
            ("253402300800000", "\"+10000-01-01T00:00:00Z\""),
            ("9223372036854775807", "\"+292278994-08-17T07:12:55.807Z\""),
            ("-9223372036854775808", "\"-292275055-05-16T16:47:04.192Z\""),
        ],
    ),
    (
        "string",
        "timestamp-millis",
        "cast: time",
        &[
            ("\"1969-12-31T23:59:59.999Z\"", "-1"),
            ("\"1970-01-01T02:00:00+02:00\"", "0"),
            ("\"1969-12-31T18:30-05:30\"", "0"),
            ("\"+292278994-08-17T07:12:55.807Z\"", "9223372036854775807"),
            ("\"+292278994-08-17T07:12:55.808Z\"", ""),
            ("\"2000-02-29T00:00:00Z\"", "951782400000"),
            ("\"1900-02-29T00:00:00Z\"", ""),
            ("\"2023-02-29T00:00:00Z\"", ""),
            ("\"2016-12-31T23:59:60Z\"", ""),
            ("\"2016-12-31T24:00:00Z\"", ""),
            ("\"2016-12-31T23:59:59.0001Z\"", ""),
            ("\"2016-12-31T23:59:59.Z\"", ""),
            ("\"2016-12-31T23:59:59\"", ""),
            ("\"2016-12-31\"", ""),
            ("\"2016-12-31T23:59:59é1:00\"", ""),
            ("\"Z\"", ""),
            ("\"\"", ""),
            ("\"+999999999-01-01T00:00:00Z\"", ""),
            ("\"+9999999999-01-01T00:00:00Z\"", ""),
        ],
    ),
    (
        "string",
        "timestamp-millis",
        "cast: time, rounding: toward-zero",
        &[("\"2016-12-31T23:59:59.0009Z\"", "1483228799000")],
    ),
    (
        "string",
        "timestamp-nanos",
        "cast: time",
        &[
            ("\"1970-01-01T00:00:00.000000001Z\"", "1"),
            ("\"1970-01-01T00:00:00.0000000001Z\"", ""),
            ("\"2262-04-11T23:47:16.854775807Z\"", "9223372036854775807"),
            ("\"2262-04-11T23:47:16.854775808Z\"", ""),
        ],
    ),
    ("local-timestamp-micros", "string", "cast: time", &[("-1", "\"1969-12-31T23:59:59.999999\"")]),
    (
        "string",
        "local-timestamp-millis",
        "cast: time",
        &[("\"1970-01-01T00:00:01\"", "1000"), ("\"1970-01-01T00:00:01Z\"", "")],
    ),
    (
        "date",
        "string",
        "cast: time",
        &[("-1", "\"1969-12-31\""), ("19782", "\"2024-02-29\""), ("2147483647", "\"+5881580-07-11\"")],
    ),
    (
        "string",
        "date",
        "cast: time",
        &[("\"2024-02-29\"", "19782"), ("\"2024-2-29\"", ""), ("\"2024-13-01\"", ""), ("\"2024-04-31\"", "")],
    ),
    ("date", "timestamp-millis", "cast: time", &[("-1", "-86400000")]),
    ("timestamp-millis", "date", "cast: time", &[("-86400000", "-1"), ("1", "")]),
    ("timestamp-millis", "date", "cast: time, rounding: floor", &[("-1", "-1"), ("1", "0")]),
    (
        "time-millis",
        "time-micros",
        "cast: time",
        &[("1", "1000"), ("86399999", "86399999000"), ("86400000", ""), ("-1", "")],
    ),
    ("time-millis", "string", "cast: time", &[("0", "\"00:00:00\""), ("86399999", "\"23:59:59.999\"")]),
    (
        "string",
        "time-micros",
        "cast: time",
        &[("\"08:00\"", "28800000000"), ("\"08:00:00.5\"", "28800500000"), ("\"24:00\"", ""), ("\"8:00\"", "")],
    ),
    ("long", "timestamp-millis", "cast: time, unit: seconds", &[("-1", "-1000"), ("9223372036854775807", "")]),
    ("double", "timestamp-millis", "cast: time, unit: seconds", &[("1.5", "1500"), ("-0.001", "-1"), ("0.0001", "")]),
    ("decimal(20,3)", "timestamp-millis", "cast: time, unit: seconds", &[("\"1.234\"", "1234")]),
    ("timestamp-millis", "long", "cast: time, unit: seconds", &[("-1000", "-1"), ("-1", "")]),
    ("timestamp-millis", "int", "cast: time, unit: seconds", &[("2147483647000", "2147483647"), ("2147483648000", "")]),
    ("timestamp-millis", "double", "cast: time, unit: seconds", &[("1500", "1.5")]),
    ("timestamp-millis", "decimal(20,3)", "cast: time, unit: seconds", &[("1234", "\"1.234\"")]),
    ("timestamp-millis", "long", "cast: time, unit: nanos", &[("1", "1000000"), ("9223372036854775807", "")]),
    ("date", "long", "cast: time, unit: seconds", &[("-1", "-86400")]),
    ("long", "date", "cast: time, unit: days", &[("-1", "-1"), ("2147483648", "")]),
    ("timestamp-millis", "int", "cast: time, unit: days", &[("86400000", "1"), ("86400001", "")]),
    ("string", "long", "cast: time, unit: seconds", &[("\"1970-01-01T00:01:00Z\"", "60"), ("\"60\"", "")]),
    ("long", "string", "cast: time, unit: millis", &[("-1", "\"1969-12-31T23:59:59.999Z\"")]),
    ("long", "time-micros", "cast: time, unit: micros", &[("1", "1"), ("-1", ""), ("86400000000", "")]),
    // Numbers of which nobody but the step says what they count.
    ("long", "long", "cast: time, unit: millis, to_unit: micros", &[("-1", "-1000"), ("9223372036854775807", "")]),
    ("long", "long", "cast: time, unit: micros, to_unit: millis", &[("-1000", "-1"), ("-1", ""), ("1999", "")]),
    ("long", "long", "cast: time, unit: micros, to_unit: millis, rounding: floor", &[("-1", "-1"), ("1999", "1")]),
    ("int", "long", "cast: time, unit: days, to_unit: seconds", &[("-1", "-86400")]),
    ("long", "int", "cast: time, unit: seconds, to_unit: days", &[("-86400", "-1"), ("86401", "")]),
    ("double", "long", "cast: time, unit: seconds, to_unit: millis", &[("1.5", "1500"), ("0.0001", "")]),
    // Words and bytes.
    ("boolean", "string", "cast: text", &[("true", "\"true\"")]),
    ("string", "boolean", "cast: text", &[("\"false\"", "false"), ("\"no\"", ""), ("\"TRUE\"", "")]),
    ("enum E(A, B)", "string", "cast: text", &[("\"B\"", "\"B\"")]),
    ("string", "enum E(A, B)", "cast: text", &[("\"B\"", "\"B\""), ("\"b\"", "")]),
    (
        "uuid-fixed",
        "string",
        "cast: text",
        &[("\"61626364-6566-6768-696a-6b6c6d6e6f70\"", "\"61626364-6566-6768-696a-6b6c6d6e6f70\"")],
    ),
    (
        "string",
        "uuid-fixed",
        "cast: text",
        &[
            ("\"61626364-6566-6768-696A-6b6c6d6e6f70\"", "\"abcdefghijklmnop\""),
            ("\"616263646566-6768-696a-6b6c6d6e6f70\"", ""),
            ("\"\"", ""),
        ],
    ),
    ("bytes", "fixed(2)", "cast: bytes", &[("\"ab\"", "\"ab\""), ("\"a\"", ""), ("\"abc\"", "")]),
    ("fixed(2)", "bytes", "cast: bytes", &[("\"ab\"", "\"ab\"")]),
];

#[test]
fn casts_are_exact_or_fail() {
    let mut wrong = Vec::new();
    for (from, to, step, values) in ROWS {
        let case = case(from, to, &[&format!("to: ., {step}")]);
        for (before, after) in *values {
            let after = *after;
            let read =
                |text: &str| serde_json::from_str::<Json>(text).unwrap_or_else(|error| panic!("{error}: {text}"));
            let made = case.json(&read(before));
            let is_right = if after.is_empty() { made.is_err() } else { made == Ok(read(after)) };
            if !is_right {
                wrong.push(format!("{before} from {from} to {to} by {step} is {made:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let values: usize = ROWS.iter().map(|(.., values)| values.len()).sum();
    assert!(ROWS.len() > 60 && values > 170, "{} pairs, {values} values", ROWS.len());
}

/// What no JSON says: NaN, infinities, negative zero, and the bits of floats.
#[test]
fn what_is_no_number_fails() {
    let numbers = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
    for to in ["long", "int", "string", "decimal(9,2)", "float"] {
        let rounded = if to == "string" { "cast: number" } else { "cast: number, rounding: half-even" };
        for step in ["cast: number", rounded] {
            let case = case("double", to, &[&format!("to: ., {step}")]);
            for number in numbers {
                assert!(case.map(&Value::Double(number)).is_err(), "{number} to {to} by {step}");
            }
        }
    }
    let case = case("float", "string", &["to: ., cast: number"]);
    assert!(case.map(&Value::Float(f32::NAN)).is_err());
    assert_eq!(case.map(&Value::Float(0.1)), Ok(Value::String("0.1".to_owned())));
    assert_eq!(case.map(&Value::Float(f32::MIN_POSITIVE)), Ok(Value::String("1.1754944e-38".to_owned())));
}

/// Decimals as Java writes them: two's complement in as few bytes as they need, filled up in a fixed.
#[test]
fn decimals_have_the_bytes_of_two_s_complement() {
    for (text, bytes) in [
        ("0", &[0][..]),
        ("1.27", &[127]),
        ("1.28", &[0, 128]),
        ("-1.28", &[128]),
        ("-1.29", &[255, 127]),
        ("-0.01", &[255]),
    ] {
        let made = case("string", "decimal(9,2)", &["to: ., cast: number"]).map(&Value::String(text.to_owned()));
        assert_eq!(made, Ok(Value::Bytes(bytes.to_vec())), "{text}");
        let made = case("string", "decimal(9,2,4)", &["to: ., cast: number"]).map(&Value::String(text.to_owned()));
        let fill = if text.starts_with('-') { 255 } else { 0 };
        let filled = [vec![fill; 4 - bytes.len()], bytes.to_vec()].concat();
        assert_eq!(made, Ok(Value::Fixed(filled)), "{text}");
    }
    // More bytes than are needed are the same number, and none are zero.
    let back = case("decimal(9,2)", "string", &["to: ., cast: number"]);
    assert_eq!(back.map(&Value::Bytes(vec![0, 0, 1])), Ok(Value::String("0.01".to_owned())));
    assert_eq!(back.map(&Value::Bytes(Vec::new())), Ok(Value::String("0.00".to_owned())));
    assert!(back.map(&Value::Bytes(vec![1; 400])).is_err(), "of a thousand digits");
}
