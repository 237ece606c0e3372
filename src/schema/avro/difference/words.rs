//! Types in words, short enough for a line.

use super::super::tree::{Kind, NodeId, Tree};

/// Levels of types that are spelled out; deeper ones are `…`.
const LEVELS: usize = 3;

/// Branches and symbols that are listed.
const ITEMS: usize = 8;

/// Describes a type.
pub(super) fn describe(tree: &Tree, id: NodeId) -> String {
    within(tree, id, LEVELS)
}

fn within(tree: &Tree, id: NodeId, levels: usize) -> String {
    let node = tree.get(id);
    let Some(deeper) = levels.checked_sub(1) else { return "…".to_owned() };
    let logical = node.attributes.iter().find(|(key, _)| key == "logicalType").and_then(|(_, value)| value.as_str());
    match &node.kind {
        Kind::Array(items) => format!("array of {}", within(tree, *items, deeper)),
        Kind::Map(values) => format!("map of {}", within(tree, *values, deeper)),
        Kind::Union(branches) => {
            let branches: Vec<_> = branches.iter().take(ITEMS).map(|branch| within(tree, *branch, deeper)).collect();
            format!("union of {}", list(&branches))
        }
        kind => match (&node.name, logical) {
            (Some(name), _) => format!("{} '{}'", kind.word(), name.full),
            (None, Some(logical)) => format!("{} ({logical})", kind.word()),
            (None, None) => kind.word().to_owned(),
        },
    }
}

/// Lists words.
pub(super) fn list<T: AsRef<str>>(words: &[T]) -> String {
    let shown: Vec<&str> = words.iter().take(ITEMS).map(AsRef::as_ref).collect();
    match words.len().saturating_sub(ITEMS) {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}
