//! Places in the writer's data: what the paths of a mapping lead to.

use super::path::{Path, Segment};
use crate::convert::Value;
use crate::convert::mapping::Side;
use crate::schema::avro::tree::{Kind, NodeId, Tree};

/// Paths that are compared with a misspelt one.
const SPELLINGS: usize = 2_000;

/// Where a value is found while a record is read: a scope, and the fields from there on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Source {
    /// 0 is the root; each `[]` and `{}` of the target opens another one.
    pub(super) scope: usize,
    pub(super) fields: Vec<usize>,
}

/// A place in the writer's schema.
#[derive(Debug, Clone)]
pub(super) struct Place {
    pub(super) source: Source,
    pub(super) node: NodeId,
    pub(super) path: Path,
    /// Whether a null can stand before it, so that it is absent.
    pub(super) is_optional: bool,
}

/// The items of one collection, while those of the target's are made.
#[derive(Debug)]
pub(super) struct Scope {
    pub(super) path: Path,
    pub(super) node: NodeId,
}

impl Source {
    /// Looks the value up; `None` where a null stands before it.
    pub(super) fn look<'v>(&self, scopes: &[Option<&'v Value>]) -> Option<&'v Value> {
        let mut value = *scopes.get(self.scope)?;
        for &field in &self.fields {
            value = match content(value?) {
                Value::Record(fields) => fields.get(field),
                _ => None,
            };
        }
        value
    }
}

/// Returns what stands in a union.
pub(super) fn content(value: &Value) -> &Value {
    if let Value::Union(_, value) = value { value } else { value }
}

/// Returns the one branch of a union that is not null, with its index; a type that is no union is itself.
pub(super) fn through(tree: &Tree, id: NodeId) -> Option<(Option<usize>, NodeId)> {
    let Kind::Union(branches) = &tree.get(id).kind else { return Some((None, id)) };
    let mut others = branches.iter().enumerate().filter(|(_, branch)| !super::types::is_null(tree, **branch));
    match (others.next(), others.next()) {
        (Some((index, branch)), None) => Some((Some(index), *branch)),
        _ => None,
    }
}

/// Returns the index of a union's null branch.
pub(super) fn null_of(tree: &Tree, id: NodeId) -> Option<usize> {
    let Kind::Union(branches) = &tree.get(id).kind else { return None };
    branches.iter().position(|branch| super::types::is_null(tree, *branch))
}

impl Place {
    pub(super) fn root(tree: &Tree) -> Self {
        let source = Source { scope: 0, fields: Vec::new() };
        Self { source, node: tree.root(), path: Path::default(), is_optional: false }
    }

    /// Returns the place of a field; `None` where this is no record.
    pub(super) fn field(&self, tree: &Tree, index: usize) -> Option<Self> {
        let (branch, node) = through(tree, self.node)?;
        let Kind::Record { fields, .. } = &tree.get(node).kind else { return None };
        let field = fields.get(index)?;
        let mut source = self.source.clone();
        source.fields.push(index);
        let path = self.path.with(Segment::Field(field.name.clone()));
        Some(Self { source, node: field.of, path, is_optional: self.is_optional || branch.is_some() })
    }

    /// Tells whether the value can be null or absent.
    pub(super) fn may_lack(&self, tree: &Tree) -> bool {
        self.is_optional || null_of(tree, self.node).is_some() || super::types::is_null(tree, self.node)
    }
}

/// Finds what a path leads to, in any item of the collections that it goes into.
pub(super) fn locate(side: Side<'_>, path: &Path) -> Result<NodeId, String> {
    let mut node = side.tree.root();
    for (index, segment) in path.0.iter().enumerate() {
        let here = path.first(index);
        let (_, inner) = through(side.tree, node)
            .ok_or_else(|| format!("`{here}` is a union of several types, which no path leads through"))?;
        let kind = &side.tree.get(inner).kind;
        node = match (segment, kind) {
            (Segment::Field(name), Kind::Record { fields, .. }) => {
                match fields.iter().find(|field| field.name == *name) {
                    Some(field) => field.of,
                    None => return Err(unknown(side, path)),
                }
            }
            (Segment::Items, Kind::Array(item)) => *item,
            (Segment::Values, Kind::Map(value)) => *value,
            (Segment::Field(_), kind) => return Err(format!("`{here}` is {}, and has no fields", named(kind))),
            (Segment::Items, kind) => return Err(format!("`{here}` is {}, and no array", named(kind))),
            (Segment::Values, kind) => return Err(format!("`{here}` is {}, and no map", named(kind))),
        };
    }
    Ok(node)
}

fn named(kind: &Kind) -> String {
    let word = kind.word();
    let article = if word.starts_with(['a', 'e', 'i']) { "an" } else { "a" };
    format!("{article} {word}")
}

/// Finds a place as steps name it: the collections that it goes into must be those that are gone through.
pub(super) fn find(side: Side<'_>, scopes: &[Scope], path: &Path) -> Result<Place, String> {
    locate(side, path)?;
    let mut place = Place::root(side.tree);
    let mut level = 0;
    for (index, segment) in path.0.iter().enumerate() {
        let Segment::Field(name) = segment else {
            level += 1;
            let prefix = path.first(index + 1);
            let scope =
                scopes.get(level).ok_or_else(|| format!("goes into `{prefix}`, and `to` goes into nothing then"))?;
            if scope.path != prefix {
                return Err(format!("goes into `{prefix}`, and what `to` goes into comes from `{}`", scope.path));
            }
            let source = Source { scope: level, fields: Vec::new() };
            place = Place { source, node: scope.node, path: prefix, is_optional: false };
            continue;
        };
        let index = through(side.tree, place.node).and_then(|(_, node)| match &side.tree.get(node).kind {
            Kind::Record { fields, .. } => fields.iter().position(|field| field.name == *name),
            _ => None,
        });
        place = index.and_then(|index| place.field(side.tree, index)).ok_or_else(|| unknown(side, path))?;
    }
    Ok(place)
}

/// Says that a path leads nowhere, and which one was probably meant.
pub(super) fn unknown(side: Side<'_>, path: &Path) -> String {
    let mut all = Vec::new();
    collect(side.tree, side.tree.root(), &Path::default(), &mut all);
    let text = path.to_string();
    let distance = |other: &String| strsim::damerau_levenshtein(&text, other);
    let near = |other: &String| other.len().abs_diff(text.len()) * 3 <= other.len();
    let nearest = all.into_iter().filter(near).map(|other| (distance(&other), other)).min();
    match nearest.filter(|(distance, other)| distance * 3 <= other.len()) {
        Some((_, nearest)) => format!("`{text}` is not in {}; nearest is `{nearest}`", side.name),
        None => format!("`{text}` is not in {}", side.name),
    }
}

fn collect(tree: &Tree, node: NodeId, path: &Path, all: &mut Vec<String>) {
    // Deeper ones are those of a recursive schema, mostly.
    if all.len() >= SPELLINGS || path.0.len() > 16 {
        return;
    }
    let Some((_, node)) = through(tree, node) else { return };
    match &tree.get(node).kind {
        Kind::Record { fields, .. } => {
            for field in fields {
                let path = path.with(Segment::Field(field.name.clone()));
                all.push(path.to_string());
                collect(tree, field.of, &path, all);
            }
        }
        Kind::Array(item) => collect(tree, *item, &path.with(Segment::Items), all),
        Kind::Map(value) => collect(tree, *value, &path.with(Segment::Values), all),
        Kind::Primitive(_) | Kind::Union(_) | Kind::Fixed { .. } | Kind::Enum { .. } => {}
    }
}
