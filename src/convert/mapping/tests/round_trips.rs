//! Up and down again: where nothing is lost, a record comes back as it was.

use proptest::prelude::*;
use proptest::test_runner::{Config as Runs, TestRunner};

use super::*;

const OLD: &str = "{ id: string, name: string, created: timestamp-millis, total: decimal(18,2), weight: double, phone: string?, \
                   mobile: string?, tags: [string], lines: [{ cost: long, sku: string, day: date }], sizes: <{ x: int }>, \
                   state: enum(NEW, PAID, SENT), payment: (null | Card{ number: string } | double), note: string?, flag: boolean }";

const NEW: &str = "{ id: long, who: Who{ first: string, last: string, phones: [string?] }, created: string, total: string, weight: string, \
                   tags: string, items: [{ price: decimal(20,0), sku: string, day: timestamp-micros }], measures: <{ width: long }>, \
                   state: enum(SENT, OPEN, SETTLED), card: Card{ number: string }?, cash: double?, note: [string], flag: string }";

const UP: &[&str] = &[
    "to: id, cast: number",
    "from: name, to: [who.first, who.last], split: ' '",
    "from: [phone, mobile], to: who.phones, wrap: array",
    "to: created, cast: time",
    "to: total, cast: number",
    "to: weight, cast: number",
    "to: tags, join: ','",
    "from: 'lines[].cost', to: 'items[].price', cast: number",
    "from: 'lines[].day', to: 'items[].day', cast: time",
    "from: 'sizes{}.x', to: 'measures{}.width'",
    "to: state, symbols: { NEW: OPEN, PAID: SETTLED }",
    "from: payment, to: [card, cash], unwrap: union",
    "to: note, wrap: array",
    "to: flag, cast: text",
];

const DOWN: &[&str] = &[
    "to: id, cast: number",
    "from: [who.first, who.last], to: name, join: ' '",
    "from: who.phones, to: [phone, mobile], unwrap: array",
    "to: created, cast: time",
    "to: total, cast: number",
    "to: weight, cast: number",
    "to: tags, split: ','",
    "from: 'items[].price', to: 'lines[].cost', cast: number",
    "from: 'items[].day', to: 'lines[].day', cast: time",
    "from: 'measures{}.width', to: 'sizes{}.x', cast: number",
    "to: state, symbols: { OPEN: NEW, SETTLED: PAID }",
    "from: [card, cash], to: payment, wrap: union",
    "to: note, unwrap: array",
    "to: flag, cast: text",
];

fn maybe(value: impl Strategy<Value = Value> + 'static, branch: usize) -> BoxedStrategy<Value> {
    let some = value.prop_map(move |value| Value::Union(branch, Box::new(value)));
    prop_oneof![Just(Value::Union(0, Box::new(Value::Null))), some].boxed()
}

fn text(pattern: &'static str) -> BoxedStrategy<Value> {
    proptest::string::string_regex(pattern).unwrap().prop_map(Value::String).boxed()
}

/// Records of the old schema that the new one can say: no separator in a tag, a name of two words at least.
fn record() -> impl Strategy<Value = Value> {
    let line = (any::<i64>(), text("\\PC{0,8}"), any::<i32>())
        .prop_map(|(cost, sku, day)| Value::Record(vec![Value::Long(cost), sku, Value::Int(day % 100_000_000)]));
    let size = ("[a-z]{0,4}", any::<i32>()).prop_map(|(key, x)| (key, Value::Record(vec![Value::Int(x)])));
    let card = text("[0-9]{0,16}").prop_map(|number| Value::Union(1, Box::new(Value::Record(vec![number]))));
    let cash = any::<f64>().prop_map(|cash| Value::Union(2, Box::new(Value::Double(cash))));
    let payment = prop_oneof![Just(Value::Union(0, Box::new(Value::Null))), card, cash];
    let weight = any::<f64>().prop_filter("a number", |weight| weight.is_finite());
    let total = -999_999_999_999_999_999_i64..=999_999_999_999_999_999;
    let tags = proptest::collection::vec(text("[^,\\pC]{1,6}"), 0..4);
    let first = (
        any::<i64>().prop_map(|id| Value::String(id.to_string())),
        text("[^ \\pC]{0,6} [^\\pC]{0,12}"),
        any::<i64>().prop_map(Value::Long),
        total.prop_map(|total| Value::Bytes(num_bigint::BigInt::from(total).to_signed_bytes_be())),
        weight.prop_map(Value::Double),
        maybe(text("[0-9]{0,6}"), 1),
        maybe(text("[0-9]{0,6}"), 1),
        tags.prop_map(Value::Array),
    );
    let second = (
        proptest::collection::vec(line, 0..4).prop_map(Value::Array),
        proptest::collection::vec(size, 0..4).prop_map(Value::Map),
        (0..3_usize).prop_map(Value::Enum),
        payment,
        maybe(text("\\PC{0,8}"), 1),
        any::<bool>().prop_map(Value::Boolean),
    );
    (first, second).prop_map(|(first, second)| {
        let (id, name, created, total, weight, phone, mobile, tags) = first;
        let (lines, sizes, state, payment, note, flag) = second;
        let fields = [id, name, created, total, weight, phone, mobile, tags, lines, sizes, state, payment, note, flag];
        Value::Record(fields.to_vec())
    })
}

#[test]
fn what_goes_up_comes_down_as_it_was() {
    let (up, down) = (case(OLD, NEW, UP), case(NEW, OLD, DOWN));
    assert_eq!((up.losses(), down.losses()), (Vec::new(), Vec::new()));
    let runs = Runs { cases: 300, failure_persistence: None, ..Runs::default() };
    let done = TestRunner::new(runs).run(&record(), |record| {
        let above = up.map(&record).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
        let below = down.map(&above).map_err(|failure| TestCaseError::fail(format!("down: {failure}")))?;
        prop_assert_eq!(below, record);
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// Numbers through every type that holds them.
#[test]
fn numbers_come_back_through_every_type_that_holds_them() {
    let runs = Runs { cases: 300, failure_persistence: None, ..Runs::default() };
    for (one, other) in [("long", "string"), ("double", "string"), ("float", "string"), ("long", "decimal(19,0)")] {
        let (there, back) = (case(one, other, &["to: ., cast: number"]), case(other, one, &["to: ., cast: number"]));
        let value = match one {
            "long" => any::<i64>().prop_map(Value::Long).boxed(),
            "float" => any::<f32>().prop_filter("a number", |number| number.is_finite()).prop_map(Value::Float).boxed(),
            _ => any::<f64>().prop_filter("a number", |number| number.is_finite()).prop_map(Value::Double).boxed(),
        };
        let done = TestRunner::new(runs.clone()).run(&value, |value| {
            let made = there.map(&value).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
            prop_assert_eq!(back.map(&made), Ok(value));
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{one} and {other}: {error}"));
    }
}

/// A decimal becomes a double only if the double becomes it again.
#[test]
fn what_a_double_cannot_say_is_refused() {
    let there = case("decimal(30,6)", "double", &["to: ., cast: number"]);
    let back = case("double", "decimal(30,6)", &["to: ., cast: number"]);
    let runs = Runs { cases: 500, failure_persistence: None, ..Runs::default() };
    let done = TestRunner::new(runs).run(&any::<i64>(), |number| {
        let value = Value::Bytes(num_bigint::BigInt::from(number).to_signed_bytes_be());
        match there.map(&value) {
            Ok(double) => prop_assert_eq!(back.map(&double), Ok(value)),
            Err(_) => prop_assert!(number.unsigned_abs() > 100_000_000_000_000, "{number} has few digits"),
        }
        Ok(())
    });
    done.unwrap_or_else(|error| panic!("{error}"));
}

/// Times of all units through text.
#[test]
fn times_come_back_through_text() {
    let runs = Runs { cases: 300, failure_persistence: None, ..Runs::default() };
    for of in
        ["timestamp-millis", "timestamp-micros", "timestamp-nanos", "local-timestamp-millis", "local-timestamp-nanos"]
    {
        let (there, back) = (case(of, "string", &["to: ., cast: time"]), case("string", of, &["to: ., cast: time"]));
        let done = TestRunner::new(runs.clone()).run(&any::<i64>(), |count| {
            let made = there.map(&Value::Long(count)).map_err(|failure| TestCaseError::fail(failure.to_string()))?;
            prop_assert_eq!(back.map(&made), Ok(Value::Long(count)));
            Ok(())
        });
        done.unwrap_or_else(|error| panic!("{of}: {error}"));
    }
    let (there, back) =
        (case("date", "string", &["to: ., cast: time"]), case("string", "date", &["to: ., cast: time"]));
    for day in [i32::MIN, -719_529, -719_528, -1, 0, 11_016, 11_017, 19_782, i32::MAX].into_iter().chain(-1_500..1_500)
    {
        assert_eq!(back.map(&there.map(&Value::Int(day)).unwrap()), Ok(Value::Int(day)), "{day}");
    }
}
