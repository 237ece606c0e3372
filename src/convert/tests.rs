//! The specification's "Schema Resolution" as it converts, case by case, and what is never lost in silence.

use super::*;
use crate::schema::{Format, SchemaText};

/// What became of a value: the path and the reason where nothing did.
type Found = Result<Value, (String, String)>;

/// What becomes of raw data.
type Raw = (&'static str, &'static str, &'static [u8], Result<&'static [u8], &'static str>);

fn codec(schema: &str) -> Codec {
    let text = SchemaText { format: Format::Avro, text: schema.into(), references: Vec::new() };
    Codec::compile(&text).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

fn plan(writer: &str, target: &str) -> Result<Plan, NoPath> {
    Plan::resolve(&codec(writer), &codec(target))
}

fn encode(schema: &str, value: &Value) -> Vec<u8> {
    let mut datum = Vec::new();
    codec(schema).encode(value, &mut datum).unwrap_or_else(|mistake| panic!("{schema}: {mistake:?}"));
    datum
}

/// Converts a value; what is written must be a value of the target.
fn convert(writer: &str, target: &str, value: &Value) -> Found {
    let plan = plan(writer, target).unwrap_or_else(|error| panic!("{error}: {writer} to {target}"));
    let mut out = Vec::new();
    let done = plan.convert(&encode(writer, value), &mut Scratch::default(), &mut out);
    done.map_err(|failure| (failure.path, failure.detail))?;
    Ok(codec(target).decode(&out).unwrap_or_else(|mistake| panic!("{mistake:?}: {out:x?} of {target}")))
}

fn of(fields: &str) -> String {
    format!(r#"{{"type":"record","name":"R","fields":[{fields}]}}"#)
}

fn some(index: usize, value: Value) -> Value {
    Value::Union(index, Box::new(value))
}

fn text(of: &str) -> Value {
    Value::String(of.into())
}

fn record(fields: impl IntoIterator<Item = Value>) -> Value {
    Value::Record(fields.into_iter().collect())
}

/// Neighbours are written in one piece, longer runs than one instruction holds and two sorts side by side included; the
/// path still names the one that cannot be written.
#[test]
fn neighbours_are_promoted_each_by_itself() {
    let fields = |long: &str, float: &str| {
        let of = |name: String, of: &str| format!(r#"{{"name":"{name}","type":"{of}"}}"#);
        let (longs, floats) = ((0..40).map(|i| of(format!("l{i}"), long)), (0..3).map(|i| of(format!("f{i}"), float)));
        self::of(&longs.chain(floats).collect::<Vec<_>>().join(","))
    };
    let (writer, target) = (fields("long", "float"), fields("double", "double"));
    let longs: Vec<i64> = (0..40).map(|i| (-1_i64).pow(i) << i).collect();
    let floats = [0.5_f32, f32::MAX, -0.0];
    let value = |longs: &[i64]| {
        record(longs.iter().map(|long| Value::Long(*long)).chain(floats.iter().map(|float| Value::Float(*float))))
    };
    #[expect(clippy::cast_precision_loss, reason = "none of them needs more than a bit")]
    let doubles = longs.iter().map(|long| *long as f64).chain(floats.iter().map(|float| f64::from(*float)));
    assert_eq!(convert(&writer, &target, &value(&longs)), Ok(record(doubles.map(Value::Double))));
    for at in [0, 1, 31, 32, 39] {
        let mut longs = longs.clone();
        longs[at] = (1 << 53) + 1;
        let refused = (format!("l{at}"), "the number would be rounded as a double".to_owned());
        assert_eq!(convert(&writer, &target, &value(&longs)), Err(refused));
    }
}

#[test]
fn numbers_are_promoted_where_they_keep_their_value() {
    let rounded = |target: &str| Err((String::new(), format!("the number would be rounded as a {target}")));
    let (two24, two53) = (1 << 24, 1_i64 << 53);
    let nan = Value::Double(f64::from_bits(0xfff0_0000_2000_0000));
    let cases = [
        ("int", "long", Value::Int(i32::MIN), Ok(Value::Long(i32::MIN.into()))),
        ("int", "float", Value::Int(two24), Ok(Value::Float(16_777_216.0))),
        ("int", "float", Value::Int(two24 + 1), rounded("float")),
        ("int", "float", Value::Int(two24 + 2), Ok(Value::Float(16_777_218.0))),
        ("int", "float", Value::Int(-two24 - 1), rounded("float")),
        ("int", "float", Value::Int(i32::MAX), rounded("float")),
        ("int", "float", Value::Int(i32::MIN), Ok(Value::Float(-2_147_483_648.0))),
        ("int", "double", Value::Int(i32::MAX), Ok(Value::Double(2_147_483_647.0))),
        ("long", "float", Value::Long(two24.into()), Ok(Value::Float(16_777_216.0))),
        ("long", "float", Value::Long(i64::from(two24) + 1), rounded("float")),
        ("long", "float", Value::Long(i64::MAX), rounded("float")),
        ("long", "double", Value::Long(two53), Ok(Value::Double(9_007_199_254_740_992.0))),
        ("long", "double", Value::Long(two53 + 1), rounded("double")),
        ("long", "double", Value::Long(-two53 - 1), rounded("double")),
        ("long", "double", Value::Long(two53 + 2), Ok(Value::Double(9_007_199_254_740_994.0))),
        ("long", "double", Value::Long(i64::MAX), rounded("double")),
        ("long", "double", Value::Long(i64::MIN), Ok(Value::Double(-9_223_372_036_854_775_808.0))),
        ("float", "double", Value::Float(0.1), Ok(Value::Double(f64::from(0.1_f32)))),
        ("float", "double", Value::Float(-0.0), Ok(Value::Double(-0.0))),
        (
            "float",
            "double",
            Value::Float(f32::MIN_POSITIVE / 4.0),
            Ok(Value::Double(f64::from(f32::MIN_POSITIVE / 4.0))),
        ),
        ("float", "double", Value::Float(f32::NEG_INFINITY), Ok(Value::Double(f64::NEG_INFINITY))),
        // A signalling NaN with a payload keeps both.
        ("float", "double", Value::Float(f32::from_bits(0xff80_0001)), Ok(nan)),
        ("string", "bytes", text("é\u{0}"), Ok(Value::Bytes("é\u{0}".into()))),
        ("bytes", "string", Value::Bytes("é".into()), Ok(text("é"))),
    ];
    for (writer, target, value, expected) in cases {
        let wrap = |of: &str| format!("\"{of}\"");
        assert_eq!(convert(&wrap(writer), &wrap(target), &value), expected, "{value:?} as {target}");
        // The same within a record, an array, a map and a union, where the path says which.
        let nest = |of: &str| {
            let field = |name: &str, of: &str| format!(r#"{{"name":"{name}","type":{of}}}"#);
            let (array, map) =
                (format!(r#"{{"type":"array","items":"{of}"}}"#), format!(r#"{{"type":"map","values":"{of}"}}"#));
            of_fields(&[field("a", &array), field("m", &map), field("u", &format!(r#"["null","{of}"]"#))])
        };
        for (place, path) in [(0, "a[1]"), (1, "m{0}"), (2, "u")] {
            let nested = |value: &Value, fill: bool| {
                let put = |at: usize| (fill && place == at).then(|| value.clone());
                let array = put(0).map_or(Vec::new(), |value| vec![value.clone(), value]);
                record([
                    Value::Array(array),
                    Value::Map(put(1).map(|value| ("k".to_owned(), value)).into_iter().collect()),
                    put(2).map_or(some(0, Value::Null), |value| some(1, value)),
                ])
            };
            let path = if place == 0 { "a[0]" } else { path };
            let expected =
                expected.as_ref().map(|value| nested(value, true)).map_err(|(_, why)| (path.into(), why.clone()));
            assert_eq!(convert(&nest(writer), &nest(target), &nested(&value, true)), expected, "{path}: {target}");
        }
    }
}

fn of_fields(fields: &[String]) -> String {
    of(&fields.join(","))
}

#[test]
fn bytes_that_are_no_text_become_none() {
    let (writer, target) = (of(r#"{"name":"b","type":"bytes"}"#), of(r#"{"name":"b","type":"string"}"#));
    let detail = "the bytes are not valid UTF-8, and the target's type is 'string'";
    let failed = convert(&writer, &target, &record([Value::Bytes(vec![0xff])]));
    assert_eq!(failed, Err(("b".into(), detail.into())));
    assert_eq!(convert(&writer, &target, &record([Value::Bytes(vec![0x61])])), Ok(record([text("a")])));
}

/// Fields: by name, by alias, by default; in any order; what the target lacks goes.
#[test]
fn records_are_recast() {
    let (a, b, c) =
        (r#"{"name":"a","type":"int"}"#, r#"{"name":"b","type":"string"}"#, r#"{"name":"c","type":"boolean"}"#);
    let writer = of(&format!("{a},{b},{c}"));
    let (va, vb, vc) = (|| Value::Int(-7), || text("bé"), || Value::Boolean(true));
    let new = r#"{"name":"n","type":"long","default":300}"#;
    let empty = r#"{"name":"e","type":"null","default":null}"#;
    let cases: Vec<(String, Vec<Value>)> = vec![
        (format!("{a},{b},{c}"), vec![va(), vb(), vc()]),
        (format!("{c},{b},{a}"), vec![vc(), vb(), va()]),
        (format!("{b},{c},{a}"), vec![vb(), vc(), va()]),
        (format!("{a},{c},{b}"), vec![va(), vc(), vb()]),
        (a.into(), vec![va()]),
        (b.into(), vec![vb()]),
        (c.into(), vec![vc()]),
        (format!("{c},{a}"), vec![vc(), va()]),
        (String::new(), vec![]),
        (new.into(), vec![Value::Long(300)]),
        (format!("{new},{a},{b},{c}"), vec![Value::Long(300), va(), vb(), vc()]),
        (format!("{a},{new},{c}"), vec![va(), Value::Long(300), vc()]),
        (format!("{c},{new},{empty},{a}"), vec![vc(), Value::Long(300), Value::Null, va()]),
        (
            format!("{c},{a},{new},{}", new.replace("\"n\"", "\"o\"")),
            vec![vc(), va(), Value::Long(300), Value::Long(300)],
        ),
        (a.replace("\"a\"", "\"x\",\"aliases\":[\"y\",\"a\"]"), vec![va()]),
        (format!("{},{a}", a.replace("\"a\"", "\"x\",\"aliases\":[\"a\"],\"default\":5")), vec![Value::Int(5), va()]),
        (format!("{b},{}", a.replace("int", "double")), vec![vb(), Value::Double(-7.0)]),
    ];
    for (fields, expected) in cases {
        let target = of(&fields);
        let value = record([va(), vb(), vc()]);
        assert_eq!(convert(&writer, &target, &value), Ok(Value::Record(expected.clone())), "to {fields}");
        // In a list, whose blocks change, and in a field behind another.
        let list = |of: &str| format!(r#"{{"type":"array","items":{of}}}"#);
        let found = convert(&list(&writer), &list(&target), &Value::Array(vec![value.clone(), value.clone()]));
        assert_eq!(found, Ok(Value::Array(vec![Value::Record(expected.clone()); 2])), "to a list of {fields}");
        let outer = |inner: &str, order: bool| {
            let (p, q) = (format!(r#"{{"name":"p","type":{inner}}}"#), r#"{"name":"q","type":"bytes"}"#.to_owned());
            let fields = if order { format!("{p},{q}") } else { format!("{q},{p}") };
            format!(r#"{{"type":"record","name":"O","fields":[{fields}]}}"#)
        };
        let q = || Value::Bytes(vec![1, 2]);
        let found = convert(&outer(&writer, true), &outer(&target, false), &record([value, q()]));
        assert_eq!(found, Ok(record([q(), Value::Record(expected)])), "within a record, to {fields}");
    }
}

#[test]
fn defaults_of_every_type_are_encoded() {
    let inner =
        r#"{"type":"record","name":"I","fields":[{"name":"x","type":"int","default":9},{"name":"y","type":"string"}]}"#;
    let cases = [
        (r#""boolean""#, "true", Value::Boolean(true)),
        (r#""int""#, "-2147483648", Value::Int(i32::MIN)),
        (r#""long""#, "9007199254740993", Value::Long(9_007_199_254_740_993)),
        (r#""long""#, "5.0", Value::Long(5)),
        (r#""float""#, "0.1", Value::Float(0.1)),
        (r#""double""#, "1", Value::Double(1.0)),
        (r#""bytes""#, r#""\u00ff\u0000""#, Value::Bytes(vec![255, 0])),
        (r#""string""#, r#""é""#, text("é")),
        (r#"{"type":"fixed","name":"F","size":2}"#, r#""\u00ff\u0001""#, Value::Fixed(vec![255, 1])),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, r#""B""#, Value::Enum(1)),
        (r#"{"type":"array","items":"int"}"#, "[1,2]", Value::Array(vec![Value::Int(1), Value::Int(2)])),
        (r#"{"type":"map","values":"int"}"#, r#"{"b":1}"#, Value::Map(vec![("b".into(), Value::Int(1))])),
        (r#"["null","int"]"#, "null", some(0, Value::Null)),
        (r#"["int","null"]"#, "null", some(1, Value::Null)),
        (r#"["int","long"]"#, "4294967296", some(1, Value::Long(1 << 32))),
        (inner, r#"{"y":"z"}"#, record([Value::Int(9), text("z")])),
    ];
    for (ty, default, expected) in cases {
        let target = of(&format!(r#"{{"name":"d","type":{ty},"default":{default}}}"#));
        assert_eq!(convert(&of(""), &target, &record([])), Ok(record([expected])), "{ty} by {default}");
    }
    let unfit = [
        (r#""int""#, "2147483648"),
        (r#""int""#, "1.5"),
        (r#""bytes""#, r#""Ā""#),
        (r#"{"type":"fixed","name":"F","size":2}"#, r#""a""#),
        (r#"{"type":"enum","name":"E","symbols":["A"]}"#, r#""B""#),
        (r#"["null","int"]"#, r#""x""#),
        (inner, "{}"),
    ];
    for (ty, default) in unfit {
        let target = of(&format!(r#"{{"name":"d","type":{ty},"default":{default}}}"#));
        let why = plan(&of(""), &target).expect_err(default);
        assert_eq!(why.detail, "the writer lacks field 'd', and its default does not fit", "{ty} by {default}");
    }
}

#[test]
fn unions_take_the_branch_of_the_specification() {
    let fixed = |name: &str| format!(r#"{{"type":"fixed","name":"{name}","size":1}}"#);
    let int = || Value::Int(3);
    let missing = |what: &str| Err((String::new(), format!("the reader's union has no branch for {what}")));
    let cases: Vec<(String, String, Value, Found)> = vec![
        (r#""int""#.into(), r#"["null","int"]"#.into(), int(), Ok(some(1, int()))),
        (r#""int""#.into(), r#"["null","double","long"]"#.into(), int(), Ok(some(1, Value::Double(3.0)))),
        (r#""int""#.into(), r#"["null","long","int"]"#.into(), int(), Ok(some(2, int()))),
        (r#"["null","int"]"#.into(), r#""int""#.into(), some(1, int()), Ok(int())),
        (
            r#"["null","int"]"#.into(),
            r#""int""#.into(),
            some(0, Value::Null),
            Err((String::new(), "'null' cannot be read as 'int'".into())),
        ),
        (r#"["null","int"]"#.into(), r#"["int","null"]"#.into(), some(1, int()), Ok(some(0, int()))),
        (r#"["null","int"]"#.into(), r#"["int","null"]"#.into(), some(0, Value::Null), Ok(some(1, Value::Null))),
        (r#"["null","int"]"#.into(), r#"["null","double"]"#.into(), some(1, int()), Ok(some(1, Value::Double(3.0)))),
        (r#"["null","int","string"]"#.into(), r#"["null","int"]"#.into(), some(1, int()), Ok(some(1, int()))),
        (r#"["null","int","string"]"#.into(), r#"["null","int"]"#.into(), some(2, text("")), missing("'string'")),
        (r#"["null","int"]"#.into(), r#"["string","int","null"]"#.into(), some(1, int()), Ok(some(1, int()))),
        (
            r#"["int","string"]"#.into(),
            r#"["bytes","double"]"#.into(),
            some(1, text("x")),
            Ok(some(0, Value::Bytes(b"x".into()))),
        ),
        (
            format!("[{},{}]", fixed("a.F"), fixed("b.F")),
            format!("[{},{}]", fixed("b.F"), fixed("a.F")),
            some(0, Value::Fixed(vec![9])),
            Ok(some(1, Value::Fixed(vec![9]))),
        ),
        (
            fixed("a.F"),
            format!(r#"["null",{}]"#, fixed("a.G").replace("\"size\"", "\"aliases\":[\"F\"],\"size\"")),
            Value::Fixed(vec![9]),
            Ok(some(1, Value::Fixed(vec![9]))),
        ),
    ];
    for (writer, target, value, expected) in cases {
        assert_eq!(convert(&writer, &target, &value), expected, "{writer} to {target}");
    }
}

#[test]
fn symbols_keep_their_names() {
    let of = |symbols: &str, default: &str| format!(r#"{{"type":"enum","name":"E","symbols":[{symbols}]{default}}}"#);
    let abc = of(r#""A","B","C""#, "");
    let cases = [
        (of(r#""C","A","B""#, ""), [Some(1), Some(2), Some(0)]),
        (of(r#""A","B""#, ""), [Some(0), Some(1), None]),
        (of(r#""B","A""#, ""), [Some(1), Some(0), None]),
        (of(r#""X","A""#, r#","default":"X""#), [Some(1), Some(0), Some(0)]),
    ];
    for (target, expected) in cases {
        for (symbol, expected) in expected.into_iter().enumerate() {
            let found = convert(&abc, &target, &Value::Enum(symbol));
            assert_eq!(found.ok(), expected.map(Value::Enum), "{symbol} of {target}");
        }
    }
}

/// A logical type is no other, whatever the bytes would allow.
#[test]
fn logical_types_keep_their_meaning() {
    let of = |base: &str, logical: &str| format!(r#"{{"type":"{base}","logicalType":"{logical}"}}"#);
    let decimal = |precision: u32, scale: u32| {
        format!(r#"{{"type":"bytes","logicalType":"decimal","precision":{precision},"scale":{scale}}}"#)
    };
    let plain = |base: &str| format!("\"{base}\"");
    let good = [
        (of("long", "timestamp-millis"), of("long", "timestamp-millis")),
        (of("long", "timestamp-millis"), plain("long")),
        (plain("long"), of("long", "timestamp-micros")),
        (plain("int"), of("long", "timestamp-micros")),
        (of("int", "date"), plain("double")),
        (decimal(9, 2), decimal(9, 2)),
        (decimal(9, 2), decimal(12, 2)),
        (decimal(9, 2), plain("bytes")),
        (of("string", "uuid"), plain("string")),
        // Of no base type that it can have: it counts as none.
        (of("string", "date"), plain("bytes")),
    ];
    for (writer, target) in good {
        assert!(plan(&writer, &target).is_ok(), "{writer} to {target}");
    }
    let bad = [
        (
            of("long", "timestamp-millis"),
            of("long", "timestamp-micros"),
            "a timestamp-millis would be read as a timestamp-micros",
        ),
        (
            of("long", "timestamp-millis"),
            of("long", "local-timestamp-millis"),
            "a timestamp-millis would be read as a local-timestamp-millis",
        ),
        (of("int", "time-millis"), of("long", "time-micros"), "a time-millis would be read as a time-micros"),
        (of("int", "date"), of("long", "timestamp-millis"), "a date would be read as a timestamp-millis"),
        (
            decimal(9, 2),
            decimal(9, 3),
            "a decimal of precision 9 and scale 2 would be read as a decimal of precision 9 and scale 3",
        ),
        (
            decimal(9, 2),
            decimal(8, 2),
            "a decimal of precision 9 and scale 2 would be read as a decimal of precision 8 and scale 2",
        ),
        (
            decimal(9, 2),
            of("bytes", "big-decimal"),
            "a decimal of precision 9 and scale 2 would be read as a big-decimal",
        ),
        (
            decimal(9, 2),
            plain("string"),
            "'bytes' would be read as 'string', and one of them is a decimal of precision 9 and scale 2",
        ),
        (
            plain("string"),
            decimal(9, 2),
            "'string' would be read as 'bytes', and one of them is a decimal of precision 9 and scale 2",
        ),
        (of("string", "uuid"), plain("bytes"), "'string' would be read as 'bytes', and one of them is a uuid"),
    ];
    for (writer, target, detail) in bad {
        let path = |path: &str| NoPath { path: path.into(), detail: detail.into() };
        assert_eq!(plan(&writer, &target).err(), Some(path("")), "{writer} to {target}");
        let nested = |ty: &str| {
            let inner = format!(r#"{{"type":"record","name":"I","fields":[{{"name":"v","type":["null",{ty}]}}]}}"#);
            format!(
                r#"{{"type":"record","name":"R","fields":[{{"name":"i","type":{{"type":"array","items":{inner}}}}}]}}"#
            )
        };
        assert_eq!(plan(&nested(&writer), &nested(&target)).err(), Some(path("i[].v")), "{writer} to {target}");
    }
}

#[test]
fn losses_are_listed_by_path() {
    let writer = r#"{"type":"record","name":"Order","fields":[
        {"name":"id","type":"long"},{"name":"coupon","type":["null","string"]},
        {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID","LOST"]}},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"sku","type":"string"},{"name":"gift","type":"boolean"},{"name":"price","type":["int","string"]}]}}},
        {"name":"bill","type":{"type":"record","name":"Address","fields":[
            {"name":"zip","type":"string"},{"name":"fax","type":"string"}]}},
        {"name":"ship","type":"Address"},
        {"name":"next","type":["null","Order"]}]}"#;
    let target = r#"{"type":"record","name":"Order","fields":[
        {"name":"ship","type":{"type":"record","name":"Address","fields":[{"name":"zip","type":"string"}]}},
        {"name":"bill","type":"Address"},{"name":"id","type":"long"},
        {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","OTHER","PAID"],"default":"OTHER"}},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"sku","type":"string"},{"name":"price","type":["long"]}]}}},
        {"name":"next","type":["null","Order"]}]}"#;
    let plan_down = plan(writer, target).expect("a way");
    let losses: Vec<String> = plan_down.losses().iter().map(Loss::to_string).collect();
    let expected = [
        "`coupon`",
        "`state` where it is 'LOST', which becomes 'OTHER'",
        "`lines[].gift`",
        "`lines[].price` where it is 'string'",
        "`bill.fax`",
        "`ship.fax`",
    ];
    assert_eq!((&losses[..], plan_down.way()), (&expected.map(String::from)[..], Way::Resolution));
    let same = plan(writer, writer).expect("a way");
    assert_eq!((same.losses(), same.way()), (&[][..], Way::Same));
}

#[test]
fn losses_are_bounded() {
    let fields: Vec<String> = (0..1_500).map(|i| format!(r#"{{"name":"f{i}","type":"int"}}"#)).collect();
    let plan_of_none = plan(&of(&fields.join(",")), &of("")).expect("a way");
    assert_eq!(plan_of_none.losses().len(), 1_000);
    // Types that stand in two places each, thirty levels deep: a thousand million places.
    let fan = |last: &str| {
        let mut inner = format!(r#"{{"type":"record","name":"R0","fields":[{last}]}}"#);
        for level in 1..30 {
            let (a, b) =
                (format!(r#"{{"name":"a","type":{inner}}}"#), format!(r#"{{"name":"b","type":"R{}"}}"#, level - 1));
            inner = format!(r#"{{"type":"record","name":"R{level}","fields":[{a},{b}]}}"#);
        }
        inner
    };
    let kept = r#"{"name":"n","type":"int"}"#;
    let same = plan(&fan(kept), &fan(kept)).expect("a way");
    assert_eq!((same.losses().len(), same.way()), (0, Way::Same));
    let less = plan(&fan(&format!(r#"{kept},{{"name":"l","type":"int"}}"#)), &fan(kept)).expect("a way");
    assert_eq!(less.losses().len(), 1_000);
    // Levels whose names alone are longer than a list may be.
    let deep = |last: &str| {
        (0..20).fold(format!(r#"{{"type":"record","name":"D","fields":[{last}]}}"#), |inner, level| {
            let name = "n".repeat(900);
            format!(r#"{{"type":"record","name":"D{level}","fields":[{{"name":"{name}","type":{inner}}}]}}"#)
        })
    };
    let cut = plan(&deep(&format!(r#"{kept},{{"name":"l","type":"int"}}"#)), &deep(kept)).expect("a way");
    assert!(cut.losses()[0].path.len() < 2_000 && cut.losses()[0].path.ends_with('…'));
}

/// The way is a copy where every good datum stays as it is, and no other.
#[test]
fn what_stays_is_copied() {
    let cases = [
        (of(r#"{"name":"a","type":"int"}"#), of(r#"{"name":"a","type":"long","doc":"d"}"#), Way::Same),
        (r#"["null","int"]"#.into(), r#"["null","int","string"]"#.into(), Way::Same),
        (r#"["null","int"]"#.into(), r#"["null"]"#.into(), Way::Resolution),
        (r#"{"type":"array","items":"int"}"#.into(), r#"{"type":"array","items":"long"}"#.into(), Way::Same),
        (r#"{"type":"array","items":"int"}"#.into(), r#"{"type":"array","items":"float"}"#.into(), Way::Resolution),
        (r#""bytes""#.into(), r#""bytes""#.into(), Way::Same),
        (r#""string""#.into(), r#""bytes""#.into(), Way::Resolution),
        (r#"{"type":"array","items":"bytes"}"#.into(), r#"{"type":"array","items":"string"}"#.into(), Way::Resolution),
    ];
    for (writer, target, way) in cases {
        assert_eq!(plan(&writer, &target).map(|plan| plan.way()), Ok(way), "{writer} to {target}");
    }
}

/// Blocks with sizes and several blocks come out as good ones.
#[test]
fn blocks_are_written_anew_where_items_change() {
    let (writer, target) = (r#"{"type":"array","items":"int"}"#, r#"{"type":"array","items":"double"}"#);
    let plan = plan(writer, target).expect("a way");
    let (mut scratch, mut out) = (Scratch::default(), Vec::new());
    // Two items in a block of two bytes, one in a block without size.
    plan.convert(&[3, 4, 2, 4, 2, 6, 0], &mut scratch, &mut out).expect("good");
    let expected = [1.0, 2.0, 3.0].map(Value::Double).to_vec();
    assert_eq!(codec(target).decode(&out), Ok(Value::Array(expected)));
    let failed = plan.convert(&[3, 6, 2, 4, 2, 6, 0], &mut scratch, &mut out).expect_err("a wrong size");
    assert_eq!(failed.detail, "the block states 3 bytes, its items take 2");
}

/// What one datum may become is bounded, however its schemas multiply it.
#[test]
fn growth_is_bounded() {
    let big = "x".repeat(100_000);
    let item = |fields: &str| format!(r#"{{"type":"array","items":{}}}"#, of(fields));
    let target = item(&format!(r#"{{"name":"s","type":"string","default":"{big}"}}"#));
    let failed =
        convert(&item(r#"{"name":"n","type":"null"}"#), &target, &Value::Array(vec![record([Value::Null]); 1_000]));
    assert!(failed.as_ref().is_err_and(|(_, why)| why.contains("more than 16777")), "{failed:?}");
    // Items that lose their bytes count as the check counts them.
    let (writer, target) = (item(r#"{"name":"b","type":"boolean"}"#), item(""));
    let few = convert(&writer, &target, &Value::Array(vec![record([Value::Boolean(true)]); 1_000]));
    assert_eq!(few, Ok(Value::Array(vec![record([]); 1_000])));
    let many = convert(&writer, &target, &Value::Array(vec![record([Value::Boolean(true)]); 1_000_001]));
    assert!(many.as_ref().is_err_and(|(_, why)| why.contains("take no bytes")), "{:?}", many.err());
    // A default that nests, at the end of a list that does.
    let list = |more: &str| of(&format!(r#"{{"name":"next","type":["null","R"]}}{more}"#));
    let deep = r#",{"name":"d","type":{"type":"array","items":{"type":"array","items":"int"}},"default":[[1]]}"#;
    let nested = |levels: usize| (1..levels).fold(record([some(0, Value::Null)]), |inner, _| record([some(1, inner)]));
    assert!(convert(&list(""), &list(deep), &nested(60)).is_ok());
    let failed = convert(&list(""), &list(deep), &nested(64));
    assert!(failed.as_ref().is_err_and(|(_, why)| why.contains("deeper than 64")), "{failed:?}");
}

/// Types of no bytes that fan out on both sides cost nothing.
#[test]
fn nothing_fans_out_for_free() {
    let fan = |last: &str| {
        let mut inner = format!(r#"{{"type":"record","name":"R0","fields":[{last}]}}"#);
        for level in 1..30 {
            let before = level - 1;
            inner = format!(
                r#"{{"type":"record","name":"R{level}","fields":[{{"name":"a","type":{inner}}},{{"name":"b","type":"R{before}"}}]}}"#
            );
        }
        format!(r#"{{"type":"array","items":{inner}}}"#)
    };
    let null = fan(r#"{"name":"n","type":"null"}"#);
    let growing = plan(&null, &fan(r#"{"name":"n","type":["null","int"]}"#)).expect("a way");
    let plan = plan(&null, &fan("")).expect("a way");
    let mut out = Vec::new();
    // A million items of nothing.
    let datum = [0x80, 0x89, 0x7a, 0];
    assert_eq!(plan.convert(&datum, &mut Scratch::default(), &mut out), Ok(()));
    assert_eq!(out.len(), datum.len());
    // Where each of them would become a byte, the growth is bounded.
    let failed = growing.convert(&datum, &mut Scratch::default(), &mut out);
    assert!(failed.is_err_and(|failure| failure.detail.contains("more than 16777")));
}

/// Data of plain `bytes` have no length in records.
#[test]
fn plain_bytes_are_raw() {
    let cases: [Raw; 5] = [
        (r#""bytes""#, r#""bytes""#, b"abc", Ok(b"abc")),
        (r#""bytes""#, r#""string""#, b"abc", Ok(b"\x06abc")),
        (r#""bytes""#, r#""string""#, b"\xff", Err("the bytes are not valid UTF-8, and the target's type is 'string'")),
        (r#""string""#, r#""bytes""#, b"\x06abc", Ok(b"abc")),
        (r#""bytes""#, r#"["null","bytes"]"#, b"abc", Ok(b"\x02\x06abc")),
    ];
    for (writer, target, datum, expected) in cases {
        let mut out = vec![7];
        let done = plan(writer, target).expect("a way").convert(datum, &mut Scratch::default(), &mut out);
        let found = done.map(|()| &out[1..]).map_err(|failure| failure.detail);
        assert_eq!(found, expected.map_err(str::to_owned), "{writer} to {target}");
    }
}

/// Up and down again: where nothing is lost, the bytes are those of the start.
#[test]
fn round_trips_lose_nothing() {
    let old = r#"{"type":"record","name":"Order","fields":[
        {"name":"id","type":"string"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},
        {"name":"state","type":{"type":"enum","name":"State","symbols":["NEW","PAID"]}},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"sku","type":"string"},{"name":"cents","type":"long"},{"name":"note","type":["null","string"]}]}}}]}"#;
    let new = r#"{"type":"record","name":"Order","fields":[
        {"name":"state","type":{"type":"enum","name":"State","symbols":["LOST","PAID","NEW"]}},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"text","aliases":["note"],"type":["string","null"]},{"name":"cents","type":["null","long"]},
            {"name":"sku","type":"string"},{"name":"tags","type":{"type":"array","items":"string"},"default":["x"]}]}}},
        {"name":"coupon","type":["null","string"],"default":null},
        {"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}},{"name":"key","aliases":["id"],"type":"string"}]}"#;
    let down = old
        .replace(r#""name":"id""#, r#""name":"id","aliases":["key"]"#)
        .replace(r#""name":"note""#, r#""name":"note","aliases":["text"]"#);
    let line = |sku: &str, cents: i64, note: Option<&str>| {
        record([text(sku), Value::Long(cents), note.map_or(some(0, Value::Null), |note| some(1, text(note)))])
    };
    for count in 0..5_i64 {
        let lines = (0..count).map(|at| line("sku", at * (i64::MAX / 5), (at % 2 == 0).then_some("née"))).collect();
        let order =
            record([text("k"), Value::Long(i64::MIN), Value::Enum(usize::from(count % 2 == 0)), Value::Array(lines)]);
        let up = convert(old, new, &order).expect("up");
        assert_eq!(convert(new, &down, &up), Ok(order), "{count} lines");
    }
}

/// Whatever is damaged is refused as the check refuses it, and every cut is.
#[test]
fn damage_is_refused_as_by_the_check() {
    let writer = of(
        r#"{"name":"a","type":"int"},{"name":"s","type":"string"},{"name":"l","type":{"type":"array","items":["null","long"]}}"#,
    );
    let target = of(r#"{"name":"l","type":{"type":"array","items":["null","double"]}},{"name":"a","type":"long"}"#);
    let (plan, schema) = (plan(&writer, &target).expect("a way"), codec(&writer));
    let lines = vec![some(1, Value::Long(5)), some(0, Value::Null), some(1, Value::Long(-70_000))];
    let datum = encode(&writer, &record([Value::Int(1000), text("abc"), Value::Array(lines)]));
    let (mut scratch, mut out, mut good) = (Scratch::default(), Vec::new(), 0);
    for at in 0..datum.len() {
        for byte in 0..=255_u8 {
            let mut damaged = datum.clone();
            damaged[at] = byte;
            for datum in [&damaged[..], &damaged[..at], &[&damaged[..], &[byte]].concat()[..]] {
                out.clear();
                let done = plan.convert(datum, &mut scratch, &mut out);
                match schema.schema().explain(datum) {
                    Some(found) => assert_eq!(done.map_err(|failure| failure.detail), Err(found.detail), "{datum:x?}"),
                    None => {
                        done.unwrap_or_else(|failure| panic!("{failure}: {datum:x?}"));
                        assert!(codec(&target).schema().check(&out), "{datum:x?} to {out:x?}");
                        good += 1;
                    }
                }
            }
        }
    }
    assert!(good > 500, "only {good} are good");
}
