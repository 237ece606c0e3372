//! Draws what a datum looks like, with what the target has otherwise: `resolve`, when data are to be converted.
//!
//! The rules are those of `resolve`, which finds fields, branches and names, and draws whatever is the same on both sides.

use std::collections::{HashMap, HashSet};

use super::super::limits;
use super::super::resolve::{self, Resolver, Takers};
use super::super::shape::{Promotion, Recast, Shape, ShapeId, Shapes};
use super::super::tree::NodeId;
use super::super::types::{Field, Type, TypeId};
use super::{Side, constant, meaning};

/// The shapes of a pair of schemas.
pub(super) struct Drawn<'a> {
    pub(super) shapes: Shapes,
    pub(super) writer: Side<'a>,
    pub(super) reader: Side<'a>,
    /// The types of each shape; no reader's where it is dropped.
    pub(super) pairs: Vec<(TypeId, Option<TypeId>)>,
    /// For each shape, whether the target writes nothing for it.
    pub(super) silent: Vec<bool>,
    /// The shapes that would change their meaning.
    pub(super) meanings: HashSet<ShapeId>,
}

/// Draws the shapes; `None` where that takes more than [`limits::RESOLUTION_STEPS`].
pub(super) fn draw<'a>(writer: Side<'a>, reader: Side<'a>) -> Option<Drawn<'a>> {
    let base = Resolver::new(&writer.schema.types, Some(&reader.schema.types));
    let mut drawer = Drawer { base, writer, reader, meanings: HashSet::new() };
    drawer.base.pair(writer.schema.types.root(), Some(reader.schema.types.root()));
    while let Some((id, from, to)) = drawer.base.open.pop() {
        drawer.base.shapes[id.0 as usize] = match to {
            None => drawer.base.alone(from),
            Some(to) => drawer.together(id, from, to),
        };
        if drawer.base.steps > limits::RESOLUTION_STEPS {
            return None;
        }
    }
    let empty = resolve::empty_types(&reader.schema.types);
    let mut pairs = vec![(writer.schema.types.root(), None); drawer.base.shapes.len()];
    drawer.base.seen.iter().for_each(|(&pair, id)| pairs[id.0 as usize] = pair);
    let silent = pairs.iter().map(|(_, reader)| reader.is_none_or(|reader| empty.contains(&reader))).collect();
    let shapes = Shapes { all: drawer.base.shapes };
    Some(Drawn { shapes, writer, reader, pairs, silent, meanings: drawer.meanings })
}

struct Drawer<'a> {
    base: Resolver<'a>,
    writer: Side<'a>,
    reader: Side<'a>,
    meanings: HashSet<ShapeId>,
}

impl<'a> Drawer<'a> {
    /// Draws the writer's type as the reader has it.
    fn together(&mut self, id: ShapeId, writer: TypeId, reader: TypeId) -> Shape {
        let (writers, readers) = (&self.writer.schema.types, &self.reader.schema.types);
        let (from, to) = (writers.get(writer), readers.get(reader));
        match (from, to) {
            (Type::Union(branches), _) => self.union(branches, reader),
            (_, Type::Union(_)) => match self.branch(writer, reader) {
                Some((index, branch)) => Shape::Branch { index, of: self.base.pair(writer, Some(branch)) },
                None => self.base.together(writer, reader),
            },
            _ => self.meaning(id, writer, reader).unwrap_or_else(|| self.single(writer, reader)),
        }
    }

    /// Draws two types of which neither is a union.
    fn single(&mut self, writer: TypeId, reader: TypeId) -> Shape {
        let (from, to) = (self.writer.schema.types.get(writer), self.reader.schema.types.get(reader));
        match (from, to) {
            (Type::Record { fields, .. }, Type::Record { fields: expected, .. }) if self.matches(from, to) => {
                self.record(fields, expected)
            }
            (Type::Enum { symbols, .. }, Type::Enum { symbols: known, .. }) if self.matches(from, to) => {
                self.symbols(symbols, known, reader)
            }
            (Type::Bytes, Type::String) => Shape::Text,
            (from, to) => match promotion(from, to) {
                Some(promotion) => Shape::Promoted(promotion),
                None => self.base.together(writer, reader),
            },
        }
    }

    fn matches(&mut self, writer: &Type, reader: &Type) -> bool {
        resolve::match_names(writer, reader, &mut self.base.steps)
    }

    /// Marks what would change its meaning.
    fn meaning(&mut self, id: ShapeId, writer: TypeId, reader: TypeId) -> Option<Shape> {
        let (from, to) = (self.writer.schema.types.get(writer), self.reader.schema.types.get(reader));
        let promoted = from.kind() != to.kind();
        if promoted && !resolve::promotes(from, to) {
            return None;
        }
        let (from, to) = ((self.writer.tree, NodeId(writer.0)), (self.reader.tree, NodeId(reader.0)));
        let reason = meaning::change(from, to, promoted)?;
        self.meanings.insert(id);
        Some(self.base.unreadable(reason))
    }

    /// Finds the branch of a reader's union that takes a type.
    fn branch(&mut self, writer: TypeId, reader: TypeId) -> Option<(u32, TypeId)> {
        let readers = &self.reader.schema.types;
        let Type::Union(branches) = readers.get(reader) else { return None };
        self.base.steps += branches.iter().map(|&branch| 1 + resolve::aliases(readers.get(branch))).sum::<usize>();
        let found = resolve::branch_for(self.writer.schema.types.get(writer), branches, readers)?;
        let index = branches.iter().position(|&branch| branch == found)?;
        Some((u32::try_from(index).ok()?, found))
    }

    fn union(&mut self, branches: &[TypeId], reader: TypeId) -> Shape {
        let places: Vec<_> = branches.iter().map(|&branch| self.branch(branch, reader)).collect();
        let stays = |(index, place): (usize, &Option<(u32, TypeId)>)| place.is_none_or(|(at, _)| at as usize == index);
        let to_union = matches!(self.reader.schema.types.get(reader), Type::Union(_));
        if to_union && places.iter().enumerate().all(stays) {
            let taken = branches.iter().zip(places);
            return Shape::Union(
                taken
                    .map(|(&of, place)| self.base.pair(of, Some(place.map_or(reader, |(_, branch)| branch))))
                    .collect(),
            );
        }
        Shape::Rebranched(branches.iter().map(|&branch| self.base.pair(branch, Some(reader))).collect())
    }

    fn record(&mut self, written: &[Field], expected: &[Field]) -> Shape {
        let Takers { takers, lacking } = resolve::takers(written, expected, &mut self.base.steps);
        let mut defaults = Vec::with_capacity(lacking.len());
        for index in lacking {
            let field = &expected[index];
            let made = field.default.as_ref().and_then(|default| {
                let made = constant::encode(self.reader.tree, NodeId(field.of.0), default, &mut self.base.steps);
                Some((u32::try_from(index).ok()?, made?))
            });
            let Some(made) = made else {
                let lacks =
                    if field.default.is_some() { "and its default does not fit" } else { "which has no default" };
                return self.base.unreadable(format!("the writer lacks field '{}', {lacks}", field.name));
            };
            defaults.push(made);
        }
        let shape = |(field, taker): (&Field, &Option<usize>)| {
            (field.name.clone(), self.base.pair(field.of, taker.map(|index| expected[index].of)))
        };
        let fields = written.iter().zip(&takers).map(shape).collect();
        if defaults.is_empty() && takers.iter().enumerate().all(|(index, taker)| *taker == Some(index)) {
            return Shape::Record(fields);
        }
        let places = takers.iter().map(|taker| taker.and_then(|index| u32::try_from(index).ok())).collect();
        Shape::Recast(Recast { fields, places, defaults })
    }

    fn symbols(&mut self, symbols: &[Box<str>], known: &[Box<str>], reader: TypeId) -> Shape {
        self.base.steps += symbols.len() + known.len();
        let indexes: HashMap<&str, u32> = known.iter().map(|symbol| &**symbol).zip(0..).collect();
        let default = self.reader.tree.enum_default(NodeId(reader.0)).and_then(|default| indexes.get(default));
        let taken: Box<[Option<u32>]> =
            symbols.iter().map(|symbol| indexes.get(&**symbol).or(default).copied()).collect();
        if !taken.iter().zip(0..).all(|(index, at)| index.is_none_or(|index| index == at)) {
            return Shape::Symbols(taken);
        }
        let missing: Box<[bool]> = taken.iter().map(Option::is_none).collect();
        Shape::Enum { symbols: symbols.len(), missing: missing.contains(&true).then_some(missing) }
    }
}

/// Returns what a number must become; `None` also where its bytes stay as they are.
fn promotion(writer: &Type, reader: &Type) -> Option<Promotion> {
    Some(match (writer, reader) {
        (Type::Int, Type::Float) => Promotion::IntToFloat,
        (Type::Int, Type::Double) => Promotion::IntToDouble,
        (Type::Long, Type::Float) => Promotion::LongToFloat,
        (Type::Long, Type::Double) => Promotion::LongToDouble,
        (Type::Float, Type::Double) => Promotion::FloatToDouble,
        _ => return None,
    })
}
