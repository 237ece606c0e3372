//! What of the writer is not carried over, by path.
//!
//! The compiled mapping says what it carries: whole places, and pairs of types at a place. Both are drawn as a tree of
//! the writer's fields; what the schema has and the tree has not is lost.

use std::collections::BTreeMap;

use super::compile::Compiler;
use super::pairs::{Convert, ConvertId, EXPANSION, Part};

use super::path::{Path, Segment};
use crate::convert::{Loss, Lost};
use crate::schema::avro::tree::{Kind, NodeId, Tree};

/// What is carried of a place.
#[derive(Debug, Default)]
struct Carried {
    whole: bool,
    below: BTreeMap<Segment, Carried>,
}

/// A loss with its path, which `drop` is compared with.
#[derive(Debug)]
pub(super) struct Lossy {
    pub(super) path: Path,
    pub(super) loss: Loss,
}

struct Finder<'c, 'a> {
    compiler: &'c Compiler<'a>,
    found: Vec<Lossy>,
    open: Vec<ConvertId>,
    looked: usize,
}

/// Finds the losses, in the order of the writer's schema; `None` where the schemas unfold to too many paths.
pub(super) fn find(compiler: &Compiler<'_>) -> Option<Vec<Lossy>> {
    let mut root = Carried::default();
    let mut finder = Finder { compiler, found: Vec::new(), open: Vec::new(), looked: 0 };
    for (path, convert) in &compiler.carried {
        let node = super::places::locate(compiler.writer, path).ok()?;
        let mut place = &mut root;
        for segment in &path.0 {
            place = place.below.entry(segment.clone()).or_default();
        }
        match convert {
            None => place.whole = true,
            Some(id) => finder.draw(node, *id, path, place),
        }
    }
    let tree = compiler.writer.tree;
    finder.compare(tree, tree.root(), &Path::default(), &root);
    (finder.looked <= EXPANSION).then_some(finder.found)
}

impl Finder<'_, '_> {
    /// Draws what a pair of types carries.
    fn draw(&mut self, node: NodeId, id: ConvertId, path: &Path, place: &mut Carried) {
        self.looked += 1;
        // A pair within itself carries there what it carries here.
        if id == ConvertId::NONE || self.looked > EXPANSION || self.open.contains(&id) {
            place.whole = true;
            return;
        }
        let compiler = self.compiler;
        let tree = compiler.writer.tree;
        let kind = &tree.get(node).kind;
        self.open.push(id);
        match (compiler.pairs.get(id), kind) {
            (Convert::Record(parts), Kind::Record { fields, .. }) => {
                for (_, part) in parts {
                    let Part::Field(index, id) = part else { continue };
                    let segment = Segment::Field(fields[*index].name.clone());
                    let path = path.with(segment.clone());
                    self.draw(fields[*index].of, *id, &path, place.below.entry(segment).or_default());
                }
                // A record without fields has nothing to lose.
                place.whole |= fields.is_empty();
            }
            (Convert::Items(id), Kind::Array(item)) => {
                let path = path.with(Segment::Items);
                self.draw(*item, *id, &path, place.below.entry(Segment::Items).or_default());
            }
            (Convert::Values(id), Kind::Map(value)) => {
                let path = path.with(Segment::Values);
                self.draw(*value, *id, &path, place.below.entry(Segment::Values).or_default());
            }
            (Convert::Of(ways), Kind::Union(branches)) => {
                for (way, branch) in ways.iter().zip(branches) {
                    if let (Some(id), false) = (way, super::types::is_null(tree, *branch)) {
                        self.draw(*branch, *id, path, place);
                    }
                }
            }
            (Convert::Into(_, id), _) => self.draw(node, *id, path, place),
            (convert, _) => {
                place.whole = true;
                self.lossy_leaf(convert, node, path);
            }
        }
        self.open.pop();
    }

    /// Notes symbols that become others, and digits that are rounded.
    fn lossy_leaf(&mut self, convert: &Convert, node: NodeId, path: &Path) {
        let what = match (convert, &self.compiler.writer.tree.get(node).kind) {
            (Convert::Symbol(ways, known), Kind::Enum { symbols, .. }) => {
                let name = |way: &Option<usize>| way.and_then(|index| known.get(index));
                let changed = symbols.iter().zip(ways).filter_map(|(symbol, way)| Some((symbol, name(way)?)));
                let changed = changed.filter(|(symbol, becomes)| symbol != becomes);
                changed
                    .map(|(symbol, becomes)| Lost::Symbol {
                        symbol: symbol.to_string(),
                        default: Some(becomes.to_string()),
                    })
                    .collect()
            }
            (Convert::Renamed(renaming), _) => {
                let merged = renaming.merged().into_iter();
                merged.map(|(symbol, becomes)| Lost::Symbol { symbol, default: Some(becomes) }).collect()
            }
            (Convert::Cast(caster), _) => caster.rounding().map(Lost::Digits).into_iter().collect(),
            _ => Vec::new(),
        };
        let loss = |what| Lossy { path: path.clone(), loss: Loss { path: path.to_string(), what } };
        self.found.extend(what.into_iter().map(loss));
    }

    fn compare(&mut self, tree: &Tree, node: NodeId, path: &Path, place: &Carried) {
        self.looked += 1;
        if place.whole || self.looked > EXPANSION {
            return;
        }
        if place.below.is_empty() {
            return self.lose(path);
        }
        let branches = match &tree.get(node).kind {
            Kind::Union(branches) => branches.clone(),
            _ => vec![node],
        };
        for branch in branches {
            match &tree.get(branch).kind {
                Kind::Record { fields, .. } => {
                    for field in fields {
                        self.compare_below(tree, field.of, path, Segment::Field(field.name.clone()), place);
                    }
                }
                Kind::Array(item) => self.compare_below(tree, *item, path, Segment::Items, place),
                Kind::Map(value) => self.compare_below(tree, *value, path, Segment::Values, place),
                Kind::Primitive(_) | Kind::Fixed { .. } | Kind::Enum { .. } | Kind::Union(_) => {}
            }
        }
    }

    fn compare_below(&mut self, tree: &Tree, node: NodeId, path: &Path, segment: Segment, place: &Carried) {
        let below = place.below.get(&segment);
        let path = path.with(segment);
        match below {
            Some(below) => self.compare(tree, node, &path, below),
            // A field that is always null has nothing to lose.
            None if super::types::is_null(tree, node) => {}
            None => self.lose(&path),
        }
    }

    fn lose(&mut self, path: &Path) {
        // A path of two branches of a union is told once.
        if self.found.iter().any(|lossy| lossy.path == *path) {
            return;
        }
        let shown = if path.0.is_empty() { String::new() } else { path.to_string() };
        self.found.push(Lossy { path: path.clone(), loss: Loss { path: shown, what: Lost::Field } });
    }
}

/// Tells whether a place is there in the writer's schema, be it below a union of several.
pub(super) fn is_there(tree: &Tree, path: &Path) -> bool {
    let step = |nodes: Vec<NodeId>, segment| nodes.into_iter().flat_map(|node| below(tree, node, segment)).collect();
    !path.0.iter().fold(vec![tree.root()], step).is_empty()
}

/// Returns what a step of a path leads to, in any branch of a union.
fn below(tree: &Tree, node: NodeId, segment: &Segment) -> Vec<NodeId> {
    let branches = match &tree.get(node).kind {
        Kind::Union(branches) => branches.clone(),
        _ => vec![node],
    };
    let lead = |branch: NodeId| match (segment, &tree.get(branch).kind) {
        (Segment::Field(name), Kind::Record { fields, .. }) => {
            fields.iter().find(|field| field.name == *name).map(|field| field.of)
        }
        (Segment::Items, Kind::Array(item)) | (Segment::Values, Kind::Map(item)) => Some(*item),
        _ => None,
    };
    branches.into_iter().filter_map(lead).collect()
}
