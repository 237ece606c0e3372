//! What of the writer is not carried over, by path.
//!
//! The compiled mapping says what it carries: whole places, and pairs of types at a place. Both are drawn as a tree of
//! the writer's fields; what the schema has and the tree has not is lost.

use std::collections::BTreeMap;

use super::compile::Compiler;
use super::pairs::{Convert, ConvertId, EXPANSION, Part};

use super::path::{Path, Segment};
use crate::convert::{Loss, Lost};
use crate::schema::avro::limits;
use crate::schema::avro::tree::{Kind, NodeId, Tree};

/// What is carried of a place.
#[derive(Debug, Default)]
struct Carried {
    whole: bool,
    below: BTreeMap<Segment, Carried>,
}

/// What a step carries of a place.
#[derive(Debug)]
pub(super) enum Carry {
    /// All of it, rounded perhaps.
    Whole(Option<&'static str>),
    /// What a pair of types does; the step may have a default for null.
    Pair { id: ConvertId, has_default: bool },
    /// All but this branch of a union.
    But(NodeId),
}

/// What is lost, up to [`limits::LOSSES`], and which drops of steps say so beforehand.
pub(super) struct Losses<'a> {
    pub(super) found: Vec<Loss>,
    /// The paths of steps that drop, and whether something of them is lost.
    pub(super) drops: Vec<(&'a Path, bool)>,
}

struct Finder<'c, 'a, 'd> {
    compiler: &'c Compiler<'a>,
    losses: Losses<'d>,
    open: Vec<ConvertId>,
    looked: usize,
}

/// Finds the losses, in the order of the writer's schema; `None` where the schemas unfold to too many paths.
pub(super) fn find<'d>(compiler: &Compiler<'_>, drops: Vec<(&'d Path, bool)>) -> Option<Losses<'d>> {
    let mut root = Carried::default();
    let losses = Losses { found: Vec::new(), drops };
    let mut finder = Finder { compiler, losses, open: Vec::new(), looked: 0 };
    for (path, carry) in &compiler.carried {
        let node = super::places::locate(compiler.writer, path).ok()?;
        let mut place = &mut root;
        for segment in &path.0 {
            place = place.below.entry(segment.clone()).or_default();
        }
        match carry {
            Carry::Whole(rounding) => {
                place.whole = true;
                rounding.iter().for_each(|rounding| finder.note(path, Lost::Digits(rounding)));
            }
            Carry::But(branch) => finder.lose_branch(*branch, path),
            Carry::Pair { id, has_default } => finder.draw(node, *id, path, (place, *has_default)),
        }
    }
    let tree = compiler.writer.tree;
    finder.compare(tree, tree.root(), &Path::default(), &root);
    (finder.looked <= EXPANSION).then_some(finder.losses)
}

impl Finder<'_, '_, '_> {
    /// Draws what a pair of types carries, where a null may have a default.
    fn draw(&mut self, node: NodeId, id: ConvertId, path: &Path, (place, has_default): (&mut Carried, bool)) {
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
                    self.draw(fields[*index].of, *id, &path, (place.below.entry(segment).or_default(), false));
                }
                // A record without fields has nothing to lose.
                place.whole |= fields.is_empty();
            }
            (Convert::Items(id), Kind::Array(item)) => {
                let path = path.with(Segment::Items);
                self.draw(*item, *id, &path, (place.below.entry(Segment::Items).or_default(), false));
            }
            (Convert::Values(id), Kind::Map(value)) => {
                let path = path.with(Segment::Values);
                self.draw(*value, *id, &path, (place.below.entry(Segment::Values).or_default(), false));
            }
            (Convert::Of(ways), Kind::Union(branches)) => {
                for (way, branch) in ways.iter().zip(branches) {
                    match (way, super::types::is_null(tree, *branch)) {
                        (Some(id), false) => self.draw(*branch, *id, path, (place, has_default)),
                        (None, is_null) if !is_null || !has_default => self.lose_branch(*branch, path),
                        _ => {}
                    }
                }
            }
            (Convert::Into(_, id), _) => self.draw(node, *id, path, (place, has_default)),
            (convert, _) => {
                place.whole = true;
                self.lossy_leaf(convert, node, path);
            }
        }
        self.open.pop();
    }

    /// Notes symbols that become others or have no place, and digits that are rounded.
    fn lossy_leaf(&mut self, convert: &Convert, node: NodeId, path: &Path) {
        match (convert, &self.compiler.writer.tree.get(node).kind) {
            (Convert::Symbol(ways, known), Kind::Enum { symbols, .. }) => {
                for (symbol, way) in symbols.iter().zip(ways) {
                    let becomes = way.and_then(|index| known.get(index));
                    if becomes != Some(symbol) {
                        let default = becomes.map(ToString::to_string);
                        self.note(path, Lost::Symbol { symbol: symbol.to_string(), default });
                    }
                }
            }
            (Convert::Renamed(renaming), _) => {
                for (symbol, becomes) in renaming.merged() {
                    self.note(path, Lost::Symbol { symbol, default: Some(becomes) });
                }
                renaming.others().into_iter().for_each(|becomes| self.note(path, Lost::Others(becomes)));
            }
            (Convert::Cast(caster), _) => {
                caster.rounding().into_iter().for_each(|rounding| self.note(path, Lost::Digits(rounding)));
            }
            _ => {}
        }
    }

    fn lose_branch(&mut self, branch: NodeId, path: &Path) {
        let node = self.compiler.writer.tree.get(branch);
        let word = node.kind.word();
        let branch = node.name.as_ref().map_or_else(|| format!("'{word}'"), |name| format!("{word} '{}'", name.full));
        self.note(path, Lost::Branch(branch));
    }

    /// Notes a loss, unless a step drops it, or it is noted already: parts of a text, and branches of a union, share a path.
    fn note(&mut self, path: &Path, what: Lost) {
        let mut is_dropped = false;
        for (drop, is_used) in &mut self.losses.drops {
            let drops = drop.leads_to(path);
            *is_used |= drops;
            is_dropped |= drops;
        }
        if is_dropped || self.losses.found.len() >= limits::LOSSES {
            return;
        }
        let loss = Loss { path: shown(path), what };
        if !self.losses.found.contains(&loss) {
            self.losses.found.push(loss);
        }
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
        self.note(path, Lost::Field);
    }
}

/// Writes a path, up to [`limits::LOSS_PATH`].
fn shown(path: &Path) -> String {
    if path.0.is_empty() {
        return String::new();
    }
    let mut text = path.to_string();
    if text.len() > limits::LOSS_PATH {
        text.truncate(text.floor_char_boundary(limits::LOSS_PATH));
        text.push('…');
    }
    text
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
