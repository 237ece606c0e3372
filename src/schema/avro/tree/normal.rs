//! One form for schemas that mean the same: Confluent's `normalize=true`.
//!
//! Attributes and aliases are sorted, empty docs and what says no more than the default goes; names, symbols, fields
//! and branches have a meaning by their order, and keep it. Attributes of a logical type come first, as Confluent's
//! registry has them.

use serde_json::{Map, Number, Value};

use super::{Field, Kind, NodeId, Primitive, Tree, logical};

pub(super) fn normalized(tree: &Tree) -> Tree {
    let mut normal = tree.clone();
    for node in &mut normal.nodes {
        let logical = logical::of(node).is_some();
        order(&mut node.attributes, logical);
        node.doc.take_if(|doc| doc.is_empty());
        if let Some(name) = &mut node.name {
            name.aliases.sort_unstable();
            name.aliases.dedup();
        }
        let Kind::Record { fields, .. } = &mut node.kind else { continue };
        fields.iter_mut().for_each(|field| normalize(field, tree));
    }
    normal
}

fn normalize(field: &mut Field, tree: &Tree) {
    order(&mut field.attributes, false);
    field.aliases.sort_unstable();
    field.aliases.dedup();
    if let Some(default) = &mut field.default {
        order_default(tree, field.of, default);
    }
}

/// Brings a default into the one form: members sorted, numbers of floating-point types with a point.
fn order_default(tree: &Tree, of: NodeId, default: &mut Value) {
    *default = sorted(default);
    if is_floating(tree, of) {
        as_floating(default);
    }
}

/// Sorts attributes by their names; those of a logical type come first.
fn order(attributes: &mut [(String, Value)], is_logical: bool) {
    attributes.iter_mut().for_each(|(_, value)| *value = sorted(value));
    attributes.sort_by(|(a, x), (b, y)| rank(a, x, is_logical).cmp(&rank(b, y, is_logical)).then_with(|| a.cmp(b)));
}

fn rank(key: &str, value: &Value, is_logical: bool) -> usize {
    match key {
        "logicalType" if is_logical => 0,
        "precision" if is_logical => 1,
        "scale" if is_logical && value.as_i64() != Some(0) => 2,
        _ => 3,
    }
}

/// Returns the value with the members of all objects in the order of their names.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(key, _)| *key);
            Value::Object(members.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect::<Map<_, _>>())
        }
        Value::Array(items) => Value::Array(items.iter().map(sorted).collect()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => value.clone(),
    }
}

/// Tells whether a type, or the first branch of a union, is a floating-point number.
fn is_floating(tree: &Tree, id: NodeId) -> bool {
    match &tree.get(id).kind {
        Kind::Union(branches) => branches.first().is_some_and(|first| is_floating(tree, *first)),
        Kind::Primitive(primitive) => matches!(primitive, Primitive::Float | Primitive::Double),
        Kind::Array(_) | Kind::Map(_) | Kind::Fixed { .. } | Kind::Enum { .. } | Kind::Record { .. } => false,
    }
}

fn as_floating(default: &mut Value) {
    if let Some(number) = default.as_f64().and_then(Number::from_f64) {
        *default = Value::Number(number);
    }
}
