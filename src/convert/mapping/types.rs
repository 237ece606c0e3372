//! Types in comparison and in words: which field feeds which, what widens to what, what a type is called.

use super::leaf::Bare;
use super::pairs::Convert;
use crate::schema::avro::tree::{Field, Kind, Logical, NodeId, Primitive, Tree};

/// Finds the writer's field for one of the target: the one of its name, else of an alias that is no other field's name.
pub(super) fn source_of(field: &Field, fields: &[Field], wanted: &[Field]) -> Option<usize> {
    let named = |name: &str| fields.iter().position(|field| *field.name == *name);
    let is_taken = |alias: &str| wanted.iter().any(|other| *other.name == *alias);
    named(&field.name).or_else(|| field.aliases.iter().filter(|alias| !is_taken(alias)).find_map(|alias| named(alias)))
}

/// Says what a field lacks that nothing feeds.
pub(super) fn unsourced(field: &Field) -> String {
    match field.default {
        Some(_) => "has no source, and its default is none of its type: give a step for it".to_owned(),
        None => "has no source and no default: give a step for it".to_owned(),
    }
}

/// Returns a type in words.
pub(super) fn describe(tree: &Tree, id: NodeId) -> String {
    let node = tree.get(id);
    let logical = node.attributes.iter().find(|(name, _)| name == "logicalType").and_then(|(_, value)| value.as_str());
    if let (Kind::Fixed { size }, None) = (&node.kind, tree.logical(id)) {
        return format!("`fixed({size})`");
    }
    match (logical.filter(|_| tree.logical(id).is_some()), &node.name) {
        (Some(logical), _) => match tree.logical(id) {
            Some(Logical::Decimal { precision, scale }) => format!("`decimal({precision}, {scale})`"),
            _ => format!("`{logical}`"),
        },
        (None, Some(name)) => format!("{} `{}`", node.kind.word(), name.full),
        (None, None) => format!("`{}`", node.kind.word()),
    }
}

pub(super) fn is_null(tree: &Tree, id: NodeId) -> bool {
    tree.get(id).kind == Kind::Primitive(Primitive::Null)
}

/// Tells whether every value of one logical type is one of another, and means the same there.
pub(super) fn is_within(from: Logical, to: Logical) -> bool {
    match (from, to) {
        (Logical::Decimal { precision, scale }, Logical::Decimal { precision: wider, scale: same }) => {
            scale == same && precision <= wider
        }
        _ => from == to,
    }
}

pub(super) fn promotion(from: Primitive, to: Primitive) -> Option<Convert> {
    Some(match (from, to) {
        (Primitive::Int, Primitive::Long) => Convert::Promote(Bare::Long),
        (Primitive::Int | Primitive::Long, Primitive::Float) => Convert::Promote(Bare::Float),
        (Primitive::Int | Primitive::Long | Primitive::Float, Primitive::Double) => Convert::Promote(Bare::Double),
        (Primitive::String, Primitive::Bytes) => Convert::Bytes,
        (Primitive::Bytes, Primitive::String) => Convert::Text,
        _ => return None,
    })
}
