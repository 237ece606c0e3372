//! Expressions over records as they are, refused where they can hold of none.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

use super::*;
use crate::convert::Codec;
use crate::dead_letters::Letter;
use crate::record::{Header, Offset, Partition, Position, Record, Value as Payload};
use crate::schema::{Format, SchemaText};

const HEADERS: &[Header<'_>] = &[
    Header { name: "region", value: Some(b"us") },
    Header { name: "region", value: Some(b"eu") },
    Header { name: "empty", value: None },
    Header { name: "raw", value: Some(&[0xff, 1]) },
    Header { name: "sluice.reason", value: Some(b"invalid_utf8") },
    Header { name: "sluice.path", value: Some(b"customer.name") },
    Header { name: "sluice.part", value: Some(b"value") },
    Header { name: "sluice.source.topic", value: Some(b"orders.raw") },
    Header { name: "sluice.source.partition", value: Some(b"3") },
    Header { name: "sluice.source.offset", value: Some(b"12345678901") },
    Header { name: "sluice.schema.id", value: Some(b"7") },
    Header { name: "sluice.schema.subject", value: Some(b"orders.raw-value") },
    Header { name: "sluice.schema.version", value: Some(b"2") },
    Header { name: "sluice.gate", value: Some(b"orders") },
    Header { name: "sluice.attempt", value: Some(b"1") },
];

fn record() -> Record<'static> {
    Record {
        position: Position { topic: "orders", partition: Partition(2), offset: Offset(9_007_199_254_740_993) },
        timestamp: Some(1_700_000_000_000),
        key: None,
        value: Payload::Tombstone,
        headers: HEADERS,
    }
}

fn judged(expression: &str, letter: Option<&Letter<'_>>, value: Content) -> Result<bool, String> {
    let scope = if letter.is_some() { Scope::DeadLetters } else { Scope::Records };
    let condition = Condition::compile(expression, scope).unwrap_or_else(|mistake| panic!("{expression}: {mistake}"));
    let record = record();
    condition.holds(&View { record: &record, letter, key: Content::text("k1"), value }).map_err(|why| why.into_owned())
}

const SCHEMA: &str = r#"{"type":"record","name":"Order","fields":[
    {"name":"id","type":"long"},{"name":"customer","type":{"type":"record","name":"Customer","fields":[
        {"name":"email","type":["null","string"]}]}},
    {"name":"status","type":{"type":"enum","name":"Status","symbols":["NEW","PAID"]}},
    {"name":"total","type":{"type":"bytes","logicalType":"decimal","precision":30,"scale":2}},
    {"name":"raw","type":"bytes"},{"name":"weight","type":"float"},{"name":"rate","type":"double"},
    {"name":"gift","type":"boolean"},{"name":"placed","type":{"type":"long","logicalType":"timestamp-millis"}},
    {"name":"lines","type":{"type":"array","items":"int"}},{"name":"tags","type":{"type":"map","values":"string"}}]}"#;

fn order() -> Content {
    use crate::convert::Value;
    let text = |text: &str| Value::String(text.to_owned());
    let codec =
        Codec::compile(&SchemaText { format: Format::Avro, text: SCHEMA.into(), references: Vec::new() }).unwrap();
    let value = Value::Record(vec![
        Value::Long(9_007_199_254_740_993),
        Value::Record(vec![Value::Union(1, Box::new(text("z@example.com")))]),
        Value::Enum(1),
        Value::Bytes(vec![0xff, 0x85]),
        Value::Bytes(vec![0xff, 1]),
        Value::Float(0.1),
        Value::Double(f64::NAN),
        Value::Boolean(true),
        Value::Long(1_700_000_000_000),
        Value::Array(vec![Value::Int(1), Value::Int(-2)]),
        Value::Map(vec![("k".to_owned(), text("1")), ("k".to_owned(), text("2"))]),
    ]);
    Content::decoded(value, &codec)
}

#[test]
fn records_are_judged_by_what_they_are() {
    for (expression, expected) in [
        ("value.id == 9007199254740993", true),
        ("value.id == 9007199254740992", false),
        ("value.id > 9007199254740992", true),
        ("offset == 9007199254740993 && partition == 2 && topic == 'orders'", true),
        ("value.customer.email == 'z@example.com'", true),
        ("value.customer.email.endsWith('.com')", true),
        ("value.status == 'PAID'", true),
        ("value.total == '-1.23'", true),
        ("double(value.total) < -1.0", true),
        ("value.raw == b'\\xff\\x01'", true),
        ("value.raw == 'text'", false),
        ("value.weight == 0.1", true),
        ("value.rate == value.rate", false),
        ("value.gift", true),
        ("value.placed >= millis('2023-11-14T00:00:00Z') && value.placed == timestamp", true),
        ("value.lines.exists(line, line < 0) && size(value.lines) == 2", true),
        ("value.lines.all(line, line < 0)", false),
        ("value.tags.k == '2'", true),
        ("'other' in value.tags", false),
        ("has(value.customer) && !has(value.nothing)", true),
        ("value.?nothing.orValue(5) == 5", true),
        ("matches(key, headers.region)", false),
        ("key == 'k1' && key.matches('^k[0-9]$')", true),
        ("headers.region == 'eu' && 'region' in headers && !('x' in headers)", true),
        ("headers['raw'] == b'\\xff\\x01' && headers.empty == null", true),
        ("headers['sluice.attempt'] == '1'", true),
        // What does not decide is not needed.
        ("topic == 'orders' || value.nothing == 1", true),
        ("value.nothing == 1 || topic == 'orders'", true),
    ] {
        assert_eq!(judged(expression, None, order()), Ok(expected), "{expression}");
    }
    assert_eq!(judged("value == null", None, Content::null()), Ok(true));
}

#[test]
fn dead_letters_have_what_their_headers_say() {
    let letter = Letter::read(HEADERS);
    for (expression, expected) in [
        ("reason == 'invalid_utf8' && path == 'customer.name' && part == 'value'", true),
        ("reason.startsWith('invalid') && schema_id == 7 && schema_guid == null", true),
        ("source.topic == 'orders.raw' && source.partition == 3 && source.offset > 12345678900", true),
        ("source.timestamp == null && detail == null", true),
        ("gate == 'orders' && subject == 'orders.raw-value' && version == 2 && attempt < 2", true),
        ("reason in ['truncated', 'trailing_bytes']", false),
        ("topic == 'orders'", true),
    ] {
        assert_eq!(judged(expression, Some(&letter), Content::Unasked), Ok(expected), "{expression}");
    }
    let silent = Letter::read(&[]);
    assert_eq!(
        judged("reason == null && schema_id == null && attempt == null", Some(&silent), Content::null()),
        Ok(true)
    );
}

/// A record that cannot be judged is not taken, and nothing of it is told.
#[test]
fn why_nobody_can_say_names_no_value() {
    for (expression, expected) in [
        ("value.nothing == 1", "no such key 'nothing'"),
        ("value[value.customer.email] == 1", "no such key"),
        ("value.status > 5", "'>' does not take (string, int)"),
        ("value.id.x == 1", "'.' does not take (int, string)"),
        ("value.status + 1 == 'a'", "'add' does not take values of these types"),
        ("double(value.status) > 1.0", "'double' does not take such a value"),
        ("value.id / 0 == 1", "a division by zero"),
        ("value.id * value.id > 1", "'mul' overflows"),
        ("value.lines[7] == 1", "an index beyond the end of a list"),
        ("value.status", "the expression is no condition: it gives string"),
        ("value.status.exists(c, c == 'x')", "a value is of another type than iterable"),
        ("headers.nothing == 'x'", "no such key 'nothing'"),
    ] {
        assert_eq!(judged(expression, None, order()), Err(expected.to_owned()), "{expression}");
    }
    let unreadable = || Content::Unreadable("truncated".to_owned());
    assert_eq!(judged("value.id == 1", None, unreadable()), Err("value cannot be decoded: truncated".to_owned()));
    assert_eq!(judged("value.id == 1 || key == 'k1'", None, unreadable()), Ok(true));
}

#[test]
fn mistakes_are_refused_with_their_place() {
    for (expression, expected) in [
        ("resaon == 'x'", "column 1: there is no variable 'resaon', did you mean 'reason'?\n  resaon == 'x'\n  ^\n"),
        ("reason = 'x'", "column 8: '=' is no operator: '==' is\n  reason = 'x'\n         ^\n"),
        ("reason == 'x' & true", "column 15: '&' is no operator: '&&' is\n"),
        ("reason == 'x", "column 11: a text that does not end, or with an escape that there is not\n"),
        ("reason ==", "column 10: it ends too early\n"),
        ("reason == “x”", "column 11: '“' cannot stand here\n"),
        ("reason ==\n  foo", "line 2, column 3: there is no variable 'foo'\n    foo\n    ^\n"),
        ("attempt > 9223372036854775808", "column 11: invalid int literal\n"),
        ("reason.beginsWith('x')", "there is no function 'beginsWith'; there are bool, "),
        ("reason.startWith('x')", "there is no function 'startWith', did you mean 'startsWith'?"),
        ("reason.matches('(')", "column 16: no regular expression: unclosed group\n"),
        ("reason.matches('(a{1000}){1000}')", "no regular expression: "),
        ("timestamp > millis('yesterday')", "'millis' does not take this\n"),
        ("Order{id: 1} == value", "there is no type 'Order' to make\n"),
        ("[1].all(x, x > 0) && x > 1", "there is no variable 'x'\n"),
        ("", "it ends too early\n"),
    ] {
        let told = Condition::compile(expression, Scope::DeadLetters).unwrap_err().to_string();
        assert!(told.contains(expected), "{expression}: {told}");
        assert!(
            told.ends_with(
                "\nvariables: key, value, headers, topic, partition, offset, timestamp, reason, path, \
            detail, part, gate, subject, version, schema_id, schema_guid, source, attempt"
            ),
            "{told}"
        );
    }
    let told = Condition::compile("reason == 'x'", Scope::Records).unwrap_err().to_string();
    assert!(told.contains("there is no variable 'reason'") && !told.contains("attempt"), "{told}");
}

/// Neither the parser nor the interpreter runs out of stack, on a thread that has little.
#[test]
fn length_and_nesting_are_bounded() {
    for (expression, expected) in [
        ("(".repeat(2_000), "it nests too deep"),
        (format!("{}true{}", "[".repeat(2_000), "]".repeat(2_000)), "it nests too deep"),
        (format!("1{} > 0", "+1".repeat(2_000)), "it nests deeper than 250 levels"),
        (format!("value{}", "[0]".repeat(1_300)), "it nests deeper than 250 levels"),
        (format!("value{}", ".size()".repeat(500)), "it nests deeper than 250 levels"),
        (format!("{}true{}", "[1].all(x,".repeat(300), ")".repeat(300)), "it nests too deep"),
        (format!("topic == '{}'", "x".repeat(EXPRESSION_BYTES)), "it is longer than 4096 bytes"),
    ] {
        let told = Condition::compile(&expression, Scope::Records).unwrap_err().to_string();
        assert!(told.contains(expected), "{}: {}", &expression[..20], &told[..told.len().min(200)]);
    }
    let deep = format!("0{} == 200", "+1".repeat(200));
    assert_eq!(judged(&deep, None, Content::Unasked), Ok(true));
    let many = format!("{}topic == 'orders'", "topic == 'a' || ".repeat(200));
    assert_eq!(judged(&many, None, Content::Unasked), Ok(true));
}

#[test]
fn parts_are_needed_where_they_are_named() {
    for (expression, key, value) in [
        ("topic == 'value' && headers.key == 'x'", false, false),
        ("value.id > 1", false, true),
        ("size(key) > 1", true, false),
        ("['a'].exists(value, value == 'a')", false, false),
        ("has(.value.id) && [key].size() == 1", true, true),
    ] {
        let condition = Condition::compile(expression, Scope::Records).unwrap();
        assert_eq!((condition.needs(Part::Key), condition.needs(Part::Value)), (key, value), "{expression}");
    }
}

/// All that mistakes offer is there.
#[test]
fn all_functions_are_known_to_the_interpreter() {
    let env = Arc::new(functions::environment());
    for name in functions::NAMES {
        let known = [format!("{name}(1, 2, 3, 4)"), format!("'a'.{name}(1, 2, 3, 4)")].iter().any(|call| {
            let program = env.compile(call).unwrap();
            let error = program.execute(&Context::with_env(Arc::clone(&env))).unwrap_err();
            !matches!(error, cel::ExecutionError::UndeclaredReference(_))
        });
        assert!(known, "'{name}'");
    }
}

#[test]
fn misses_are_counted_by_why() {
    let mut misses = Misses::default();
    for why in ["b", "a", "b"] {
        misses.add(why.into());
    }
    assert_eq!(misses.news(), ["1 record: a", "2 records: b"]);
    misses.add("a".into());
    misses.add("c".into());
    assert_eq!(misses.news(), ["1 record: c"]);
    assert_eq!(misses.lines(), ["2 records: a", "2 records: b", "1 record: c"]);
    for number in 0..100 {
        misses.add(format!("{number}").into());
    }
    let lines = misses.lines();
    assert_eq!((lines.len(), lines.last().map(String::as_str)), (21, Some("83 records: further reasons")));
}
