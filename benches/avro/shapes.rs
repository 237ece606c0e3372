//! Ten shapes of records that topics carry, and data of each.

use rand::Rng;
use rand::rngs::StdRng;
use serde_json::{Map, Value, json};

use super::orders::{self, optional, record};

/// A schema, and what draws a datum of it.
pub(super) struct Shape {
    pub(super) name: &'static str,
    pub(super) schema: Value,
    pub(super) datum: fn(&mut StdRng) -> Value,
    /// The field at which the second reader differs: it lacks null, or a symbol of an enum.
    pub(super) depends: &'static str,
}

/// Returns the ten.
pub(super) fn shapes() -> Vec<Shape> {
    let shape = |name, schema, datum, depends| Shape { name, schema, datum, depends };
    vec![
        shape("numbers", numbers(), number_datum, "quality"),
        shape("strings", strings(), string_datum, "referrer"),
        shape("wide", wide(), wide_datum, "f30"),
        shape("deep", deep(), deep_datum, "note"),
        shape("nested", orders::schema(), nested_datum, "coupon"),
        shape("maps", maps(), map_datum, "owner"),
        shape("enums", enums(), enum_datum, "last"),
        shape("decimals", decimals(), decimal_datum, "discount"),
        shape("text", big_text(), big_text_datum, "language"),
        shape("recursive", recursive(), recursive_datum, "right"),
    ]
}

fn maybe<T: Into<Value>>(rng: &mut StdRng, value: impl FnOnce(&mut StdRng) -> T) -> Value {
    if rng.random_ratio(1, 4) { Value::Null } else { value(rng).into() }
}

/// Optional values in data of the second reader are mostly there, so that most of the data can be read.
fn mostly<T: Into<Value>>(rng: &mut StdRng, value: impl FnOnce(&mut StdRng) -> T) -> Value {
    if rng.random_ratio(1, 50) { Value::Null } else { value(rng).into() }
}

fn text(rng: &mut StdRng, least: usize, most: usize) -> String {
    (0..rng.random_range(least..most)).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect()
}

/// Text of which one in eight has letters beyond ASCII.
fn words(rng: &mut StdRng, least: usize, most: usize) -> String {
    let mut text = text(rng, least, most);
    if rng.random_ratio(1, 8) {
        text.insert(text.len() / 2, ['é', 'ü', 'ß', '名'][rng.random_range(0..4)]);
    }
    text
}

fn at(rng: &mut StdRng) -> i64 {
    1_790_000_000_000 + rng.random_range(0..1_000_000)
}

/// A measurement: numbers of all kinds side by side.
fn numbers() -> Value {
    let time = json!({"type": "long", "logicalType": "timestamp-millis"});
    record(
        "Measurement",
        &[
            ("device", json!("long")),
            ("sequence", json!("int")),
            ("at", time.clone()),
            ("received", time),
            ("channel", json!("int")),
            ("temperature", json!("double")),
            ("humidity", json!("float")),
            ("pressure", json!("double")),
            ("latitude", json!("double")),
            ("longitude", json!("double")),
            ("altitude", json!("int")),
            ("rssi", json!("int")),
            ("charging", json!("boolean")),
            ("battery", json!("float")),
            ("uptime", json!("long")),
            ("bytes", json!("long")),
            ("errors", json!("int")),
            ("valid", json!("boolean")),
            ("quality", optional(json!("int"))),
            ("checksum", json!("long")),
        ],
    )
}

fn number_datum(rng: &mut StdRng) -> Value {
    json!({"device": rng.random_range(0..1_000_000_i64), "sequence": rng.random_range(0..100_000), "at": at(rng),
        "received": at(rng), "channel": rng.random_range(0..64), "temperature": rng.random::<f64>(),
        "humidity": rng.random::<f32>(), "pressure": rng.random::<f64>(), "latitude": rng.random::<f64>(),
        "longitude": rng.random::<f64>(), "altitude": rng.random_range(-100..4000), "rssi": rng.random_range(-110..-30),
        "charging": rng.random::<bool>(), "battery": rng.random::<f32>(), "uptime": rng.random_range(0..10_000_000_i64),
        "bytes": rng.random_range(0..1_000_000_000_i64), "errors": rng.random_range(0..200), "valid": rng.random::<bool>(),
        "quality": mostly(rng, |rng| rng.random_range(0..100)), "checksum": rng.random::<i64>()})
}

/// A page view: short and long strings.
fn strings() -> Value {
    let names = ["id", "session", "user", "host", "path", "query", "title", "agent", "country", "city", "campaign"];
    let mut fields: Vec<_> = names.iter().map(|name| (*name, json!("string"))).collect();
    fields.push(("referrer", optional(json!("string"))));
    fields.push(("address", json!("string")));
    record("PageView", &fields)
}

fn string_datum(rng: &mut StdRng) -> Value {
    json!({"id": text(rng, 36, 37), "session": text(rng, 32, 33), "user": text(rng, 4, 14), "host": text(rng, 8, 24),
        "path": text(rng, 4, 60), "query": text(rng, 0, 80), "title": words(rng, 10, 50), "agent": text(rng, 60, 120),
        "country": text(rng, 2, 3), "city": words(rng, 4, 14), "campaign": text(rng, 0, 12),
        "referrer": mostly(rng, |rng| text(rng, 12, 70)), "address": text(rng, 7, 16)})
}

const SORTS: [&str; 5] = ["long", "string", "double", "int", "boolean"];

/// An export of a table: sixty optional columns.
fn wide() -> Value {
    let field = |i: usize| json!({"name": format!("f{i}"), "type": ["null", SORTS[i % SORTS.len()]], "default": null});
    json!({"type": "record", "name": "Wide", "fields": (0..60).map(field).collect::<Vec<_>>()})
}

fn wide_datum(rng: &mut StdRng) -> Value {
    let value = |i: usize, rng: &mut StdRng| match SORTS[i % SORTS.len()] {
        _ if i == 30 && rng.random_ratio(1, 50) || i != 30 && rng.random_ratio(1, 4) => json!(null),
        "long" => json!(rng.random_range(0..1_000_000_000_i64)),
        "string" => json!(text(rng, 4, 24)),
        "double" => json!(rng.random::<f64>()),
        "int" => json!(rng.random_range(0..10_000)),
        _ => json!(rng.random::<bool>()),
    };
    (0..60).map(|i| (format!("f{i}"), value(i, rng))).collect::<Map<_, _>>().into()
}

const LEVELS: usize = 12;

/// Records in records, twelve deep, each with a few fields of its own, some of them optional.
fn deep() -> Value {
    let level = |inner: Value, level: usize| {
        let inner = if level % 3 == 1 { optional(inner) } else { inner };
        record(
            &format!("Level{level}"),
            &[
                ("id", json!("long")),
                ("name", json!("string")),
                ("inner", inner),
                ("active", json!("boolean")),
                ("note", optional(json!("string"))),
            ],
        )
    };
    (0..LEVELS).fold(record("Leaf", &[("value", json!("double")), ("unit", json!("string"))]), level)
}

fn deep_datum(rng: &mut StdRng) -> Value {
    let leaf = json!({"value": rng.random::<f64>(), "unit": text(rng, 1, 4)});
    (0..LEVELS).fold(leaf, |inner, level| {
        let note =
            if level + 1 == LEVELS { mostly(rng, |rng| text(rng, 8, 30)) } else { maybe(rng, |rng| text(rng, 8, 30)) };
        json!({"id": rng.random_range(0..1_000_000_i64), "name": text(rng, 4, 16), "inner": inner,
            "active": rng.random::<bool>(), "note": note})
    })
}

fn nested_datum(rng: &mut StdRng) -> Value {
    let lines: Vec<_> = (0..rng.random_range(5..10)).map(|_| line(rng)).collect();
    let attributes = entries(rng, 2, 6, |rng| json!(text(rng, 3, 12)));
    let address = json!({"street": words(rng, 8, 24), "city": words(rng, 4, 12), "code": maybe(rng, |rng| text(rng, 5, 6)),
        "country": "DE"});
    let customer = json!({"id": rng.random_range(0..100_000_i64), "name": words(rng, 6, 20),
        "mail": maybe(rng, |rng| text(rng, 10, 20)), "address": address});
    json!({"id": text(rng, 16, 24), "customer": customer, "lines": lines, "attributes": attributes,
        "coupon": mostly(rng, |rng| text(rng, 6, 9)), "at": at(rng)})
}

fn line(rng: &mut StdRng) -> Value {
    let tags: Vec<_> = (0..rng.random_range(0..4)).map(|_| text(rng, 3, 8)).collect();
    json!({"sku": text(rng, 8, 12), "count": rng.random_range(1..9), "cents": rng.random_range(1..50_000_i64),
        "discount": maybe(rng, |rng| rng.random::<f64>()), "tags": tags})
}

fn entries(rng: &mut StdRng, least: usize, most: usize, value: impl Fn(&mut StdRng) -> Value) -> Value {
    (0..rng.random_range(least..most)).map(|_| (text(rng, 4, 16), value(rng))).collect::<Map<_, _>>().into()
}

/// Labels and figures of something observed: maps of strings, of numbers, of records.
fn maps() -> Value {
    let map = |values: Value| json!({"type": "map", "values": values});
    record(
        "Observed",
        &[
            ("name", json!("string")),
            ("labels", map(json!("string"))),
            ("counters", map(json!("long"))),
            ("gauges", map(json!("double"))),
            ("quantiles", map(record("Quantile", &[("rank", json!("double")), ("value", json!("long"))]))),
            ("flags", map(optional(json!("boolean")))),
            ("owner", optional(json!("string"))),
        ],
    )
}

fn map_datum(rng: &mut StdRng) -> Value {
    json!({"name": text(rng, 8, 30), "labels": entries(rng, 4, 10, |rng| json!(text(rng, 3, 20))),
        "counters": entries(rng, 2, 12, |rng| json!(rng.random_range(0..1_000_000_i64))),
        "gauges": entries(rng, 1, 6, |rng| json!(rng.random::<f64>())),
        "quantiles": entries(rng, 0, 5, |rng| json!({"rank": rng.random::<f64>(), "value": rng.random_range(0..9_000)})),
        "flags": entries(rng, 0, 6, |rng| maybe(rng, |rng| rng.random::<bool>())),
        "owner": mostly(rng, |rng| text(rng, 6, 14))})
}

const SYMBOLS: [&str; 6] = ["NEW", "OPEN", "PAID", "SENT", "DONE", "BACK"];

/// States of a process: enums, side by side, optional, in arrays.
fn enums() -> Value {
    let of = |name: &str, symbols: &[&str]| json!({"type": "enum", "name": name, "symbols": symbols});
    let names = ["order", "payment", "stock", "parcel", "invoice", "refund", "risk", "review"];
    let mut fields = vec![("id", json!("long"))];
    let sort = |at: usize| of(&format!("State{at}"), &SYMBOLS[..3 + at % 4]);
    fields.extend(names.iter().enumerate().map(|(at, name)| (*name, sort(at))));
    fields.push(("history", json!({"type": "array", "items": of("Step", &SYMBOLS)})));
    fields.push(("previous", optional(json!("Step"))));
    fields.push(("first", json!("Step")));
    fields.push(("last", of("Last", &SYMBOLS)));
    record("Process", &fields)
}

fn enum_datum(rng: &mut StdRng) -> Value {
    let names = ["order", "payment", "stock", "parcel", "invoice", "refund", "risk", "review"];
    let mut fields = Map::new();
    fields.insert("id".into(), json!(rng.random_range(0..1_000_000_i64)));
    for (at, name) in names.into_iter().enumerate() {
        fields.insert(name.into(), json!(SYMBOLS[rng.random_range(0..3 + at % 4)]));
    }
    let history: Vec<_> = (0..rng.random_range(2..12)).map(|_| SYMBOLS[rng.random_range(0..6)]).collect();
    fields.insert("history".into(), json!(history));
    fields.insert("previous".into(), maybe(rng, |rng| SYMBOLS[rng.random_range(0..6)]));
    fields.insert("first".into(), json!(SYMBOLS[rng.random_range(0..6)]));
    fields.insert("last".into(), json!(SYMBOLS[if rng.random_ratio(1, 50) { 5 } else { rng.random_range(0..5) }]));
    fields.into()
}

/// An invoice: amounts as bytes and fixed, days, an identifier as fixed.
fn decimals() -> Value {
    let decimal = |scale: u32| json!({"type": "bytes", "logicalType": "decimal", "precision": 20, "scale": scale});
    let amount =
        |name| json!({"type": "fixed", "name": name, "size": 8, "logicalType": "decimal", "precision": 18, "scale": 2});
    let position = record(
        "Position",
        &[("quantity", decimal(3)), ("price", decimal(2)), ("tax", amount("Tax")), ("cost", decimal(2))],
    );
    record(
        "Invoice",
        &[
            ("id", json!({"type": "fixed", "name": "Id", "size": 16})),
            ("day", json!({"type": "int", "logicalType": "date"})),
            ("due", json!({"type": "int", "logicalType": "date"})),
            ("net", decimal(2)),
            ("gross", decimal(2)),
            ("total", amount("Total")),
            ("paid", json!("Total")),
            ("rate", decimal(6)),
            ("discount", optional(decimal(2))),
            ("positions", json!({"type": "array", "items": position})),
        ],
    )
}

fn decimal(rng: &mut StdRng) -> Value {
    (0..rng.random_range(1..9)).map(|_| rng.random_range(0..128)).collect::<Vec<u8>>().into()
}

fn decimal_datum(rng: &mut StdRng) -> Value {
    let positions: Vec<_> = (0..rng.random_range(2..7))
        .map(|_| json!({"quantity": decimal(rng), "price": decimal(rng), "tax": text(rng, 8, 9), "cost": decimal(rng)}))
        .collect();
    json!({"id": text(rng, 16, 17), "day": rng.random_range(20_000..21_000), "due": rng.random_range(20_000..21_000),
        "net": decimal(rng), "gross": decimal(rng), "total": text(rng, 8, 9), "paid": text(rng, 8, 9),
        "rate": decimal(rng), "discount": mostly(rng, decimal), "positions": positions})
}

/// A document: kilobytes of text, half of them with letters beyond ASCII.
fn big_text() -> Value {
    record(
        "Document",
        &[
            ("id", json!("long")),
            ("title", json!("string")),
            ("language", optional(json!("string"))),
            ("body", json!("string")),
            ("summary", json!("string")),
        ],
    )
}

fn big_text_datum(rng: &mut StdRng) -> Value {
    let mut body = String::new();
    let (length, plain) = (rng.random_range(2_000..8_000), rng.random::<bool>());
    while body.len() < length {
        body.push_str(&if plain { text(rng, 2, 12) } else { words(rng, 2, 12) });
        body.push(' ');
    }
    json!({"id": rng.random_range(0..1_000_000_i64), "title": words(rng, 20, 60), "body": body,
        "language": mostly(rng, |rng| text(rng, 2, 3)), "summary": words(rng, 100, 400)})
}

/// A tree of expressions: a record that contains itself, by unions and an array.
fn recursive() -> Value {
    record(
        "Node",
        &[
            ("kind", json!("int")),
            ("name", json!("string")),
            ("value", json!(["null", "long", "double", "string"])),
            ("left", optional(json!("Node"))),
            ("children", json!({"type": "array", "items": "Node"})),
            ("right", optional(json!("string"))),
        ],
    )
}

fn recursive_datum(rng: &mut StdRng) -> Value {
    node(rng, 5)
}

fn node(rng: &mut StdRng, levels: usize) -> Value {
    let left = if levels > 0 && rng.random_ratio(3, 4) { node(rng, levels - 1) } else { Value::Null };
    let most = if levels > 1 { rng.random_range(0..3) } else { 0 };
    let children: Vec<_> = (0..most).map(|_| node(rng, levels - 2)).collect();
    let value = match rng.random_range(0..4) {
        0 => Value::Null,
        1 => json!(rng.random_range(0..100_000_i64)),
        2 => json!(rng.random::<f64>()),
        _ => json!(text(rng, 3, 16)),
    };
    json!({"kind": rng.random_range(0..12), "name": text(rng, 3, 14), "value": value, "left": left, "children": children,
        "right": mostly(rng, |rng| text(rng, 4, 10))})
}
