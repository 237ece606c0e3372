//! Values come back as they were, and what is no value of its schema is refused.

use super::*;

fn codec(schema: &str) -> Codec {
    let text = SchemaText { format: Format::Avro, text: schema.into(), references: Vec::new() };
    Codec::compile(&text).unwrap_or_else(|error| panic!("{error}: {schema}"))
}

/// Each type with its edges: what is encoded is decoded again, bit by bit.
#[test]
fn values_are_held_exactly() {
    let nan = f64::from_bits(0x7ff4_0000_dead_beef);
    let cases = [
        (r#""null""#, Value::Null),
        (r#""boolean""#, Value::Boolean(true)),
        (r#""int""#, Value::Int(i32::MIN)),
        (r#""long""#, Value::Long(i64::MAX)),
        (r#""long""#, Value::Long(9_007_199_254_740_993)),
        (r#""float""#, Value::Float(f32::from_bits(0xffa0_0001))),
        (r#""float""#, Value::Float(-0.0)),
        (r#""double""#, Value::Double(nan)),
        (r#""bytes""#, Value::Bytes(vec![0, 255, 128])),
        (r#"{"type":"bytes","logicalType":"decimal","precision":40,"scale":2}"#, Value::Bytes(vec![0, 0, 1])),
        (r#""string""#, Value::String("漢\u{0}😀".into())),
        (r#"{"type":"fixed","name":"F","size":3}"#, Value::Fixed(vec![1, 2, 3])),
        (r#"{"type":"enum","name":"E","symbols":["A","B"]}"#, Value::Enum(1)),
        (r#"{"type":"array","items":"int"}"#, Value::Array(vec![Value::Int(1), Value::Int(-1)])),
        (r#"{"type":"array","items":"int"}"#, Value::Array(Vec::new())),
        (
            r#"{"type":"map","values":"int"}"#,
            Value::Map(vec![("b".into(), Value::Int(1)), ("a".into(), Value::Int(2)), ("b".into(), Value::Int(3))]),
        ),
        (r#"["null","string"]"#, Value::Union(1, Box::new(Value::String(String::new())))),
        (
            r#"{"type":"record","name":"R","fields":[{"name":"a","type":"int"},{"name":"next","type":["null","R"]}]}"#,
            Value::Record(vec![
                Value::Int(1),
                Value::Union(1, Box::new(Value::Record(vec![Value::Int(2), Value::Union(0, Box::new(Value::Null))]))),
            ]),
        ),
    ];
    for (schema, value) in cases {
        let codec = codec(schema);
        let mut out = vec![7];
        codec.encode(&value, &mut out).unwrap_or_else(|mistake| panic!("{schema}: {mistake:?}"));
        assert!(codec.schema().is_bytes() || codec.schema().check(&out[1..]), "{schema}");
        assert_eq!(codec.decode(&out[1..]), Ok(value), "{schema}");
        if out.len() > 1 && !codec.schema().is_bytes() {
            assert!(codec.decode(&out[1..out.len() - 1]).is_err(), "{schema}: truncated");
        }
    }
}

#[test]
fn what_is_no_value_of_the_schema_is_refused_with_its_path() {
    let order = r#"{"type":"record","name":"Order","fields":[
        {"name":"state","type":{"type":"enum","name":"S","symbols":["NEW"]}},
        {"name":"lines","type":{"type":"array","items":{"type":"record","name":"Line","fields":[
            {"name":"price","type":["null",{"type":"fixed","name":"P","size":2}]}]}}},
        {"name":"tags","type":{"type":"map","values":"string"}}]}"#;
    let line = |value| Value::Record(vec![value]);
    let order_of = |state, lines, tag| {
        Value::Record(vec![Value::Enum(state), Value::Array(lines), Value::Map(vec![("k".into(), tag)])])
    };
    let text = || Value::String("t".into());
    let none = || Value::Union(0, Box::new(Value::Null));
    let cases = [
        (order_of(1, vec![], text()), "state", "enum index 1 is not one of 1 symbols"),
        (
            order_of(0, vec![line(none()), line(Value::Null)], text()),
            "lines[1].price",
            "null is no value of type 'union'",
        ),
        (
            order_of(0, vec![line(Value::Union(1, Box::new(Value::Fixed(vec![1]))))], text()),
            "lines[0].price",
            "a fixed of 2 bytes cannot be 1 bytes",
        ),
        (
            order_of(0, vec![line(Value::Union(2, Box::new(Value::Null)))], text()),
            "lines[0].price",
            "union index 2 is not one of 2 branches",
        ),
        (order_of(0, vec![], Value::Bytes(vec![])), "tags{0}", "bytes is no value of type 'string'"),
        (Value::Record(vec![]), "", "a record of 3 fields cannot have 0 values"),
        (Value::Long(1), "", "long is no value of type 'record'"),
    ];
    let codec = codec(order);
    for (value, path, detail) in cases {
        let mut out = vec![7];
        let mistake = Mistake { path: path.into(), detail: detail.into() };
        assert_eq!(codec.encode(&value, &mut out), Err(mistake));
        assert_eq!(out, [7], "nothing is left of what failed");
    }
}

/// What the check limits, values are limited by as well.
#[test]
fn limits_are_those_of_the_check() {
    let list = codec(r#"{"type":"record","name":"L","fields":[{"name":"next","type":["null","L"]}]}"#);
    let nested = |levels: usize| {
        (1..levels).fold(Value::Record(vec![Value::Union(0, Box::new(Value::Null))]), |inner, _| {
            Value::Record(vec![Value::Union(1, Box::new(inner))])
        })
    };
    let mut out = Vec::new();
    assert_eq!(list.encode(&nested(64), &mut out), Ok(()));
    assert_eq!(list.decode(&out), Ok(nested(64)));
    let mistake = list.encode(&nested(65), &mut out).expect_err("too deep");
    assert!(mistake.detail.contains("deeper than 64"), "{mistake:?}");
    assert!(list.encode(&nested(1_000), &mut out).is_err());

    let nulls = codec(r#"{"type":"array","items":"null"}"#);
    let count = |count: i64| {
        let mut datum = Vec::new();
        crate::schema::avro::varint::write(count, &mut datum);
        datum.push(0);
        datum
    };
    assert!(matches!(nulls.decode(&count(400_000)), Ok(Value::Array(items)) if items.len() == 400_000));
    let mistake = nulls.decode(&count(600_000)).expect_err("too many");
    assert!(mistake.detail.contains("500000"), "{mistake:?}");
}
