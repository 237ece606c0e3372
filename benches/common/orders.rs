//! Nested orders of a shop, and how schemas of records are written: what several benchmarks measure with.

use serde_json::{Value, json};

pub(super) fn record(name: &str, fields: &[(&str, Value)]) -> Value {
    let fields: Vec<_> = fields.iter().map(|(name, of)| json!({"name": name, "type": of})).collect();
    json!({"type": "record", "name": name, "fields": fields})
}

/// Null, or this.
pub(super) fn optional(of: Value) -> Value {
    json!(["null", of])
}

/// An order: its customer with an address, lines with lists of their own, and attributes by name.
pub(super) fn schema() -> Value {
    let address = record(
        "Address",
        &[
            ("street", json!("string")),
            ("city", json!("string")),
            ("code", optional(json!("string"))),
            ("country", json!("string")),
        ],
    );
    let customer = record(
        "Customer",
        &[("id", json!("long")), ("name", json!("string")), ("mail", optional(json!("string"))), ("address", address)],
    );
    let line = record(
        "Line",
        &[
            ("sku", json!("string")),
            ("count", json!("int")),
            ("cents", json!("long")),
            ("discount", optional(json!("double"))),
            ("tags", json!({"type": "array", "items": "string"})),
        ],
    );
    record(
        "Order",
        &[
            ("id", json!("string")),
            ("customer", customer),
            ("lines", json!({"type": "array", "items": line})),
            ("attributes", json!({"type": "map", "values": "string"})),
            ("coupon", optional(json!("string"))),
            ("at", json!("long")),
        ],
    )
}
