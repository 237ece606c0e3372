//! Schema resolution: what readers of one schema make of data written with another.
//!
//! The rules are those of the Avro specification, "Schema Resolution": fields by name or
//! alias, defaults for what the writer lacks, promotions, symbols or the enum's default;
//! records, enums and fixed match by unqualified name or alias; of a reader's union the
//! branch of the same type and full name is taken, then of the same unqualified name,
//! then the first that the writer's type promotes to. Java differs in places: the oracle
//! test lists them.
//!
//! The result is drawn as [`Shapes`] of the writer with marks where the reader cannot
//! follow. A mark that every datum meets means `Never`, none means `Always`, the rest
//! depends. Pairs are worked off a list, each once, so neither a recursive schema nor a
//! hostile one makes this recurse.

use std::collections::{HashMap, HashSet};

use rustc_hash::FxHashMap;
use serde_json::Value;

use super::default;
use super::error::Error;
use super::limits;
use super::shape::{Recast, Shape, ShapeId, Shapes};
use super::tree::Name;
use super::types::{Field, Type, TypeId, Types};

/// Draws the shapes of data written with `writer`, with marks where `reader` (if any) cannot follow.
pub(super) fn shapes(writer: &Types, reader: Option<&Types>) -> Result<Shapes, Error> {
    let mut resolver = Resolver::new(writer, reader);
    resolver.pair(writer.root(), reader.map(Types::root));
    while let Some((id, writer, reader)) = resolver.open.pop() {
        resolver.shapes[id.0 as usize] = match reader {
            None => resolver.alone(writer),
            Some(reader) => resolver.together(writer, reader),
        };
        if reader.is_some() && resolver.steps > limits::RESOLUTION_STEPS {
            return Err(Error::TooManySteps);
        }
    }
    Ok(Shapes { all: resolver.shapes })
}

/// Returns the types of which a datum takes no bytes.
pub(super) fn empty_types(types: &Types) -> HashSet<TypeId> {
    let mut resolver = Resolver::new(types, None);
    resolver.pair(types.root(), None);
    while let Some((id, of, _)) = resolver.open.pop() {
        resolver.shapes[id.0 as usize] = resolver.alone(of);
    }
    let least = Shapes { all: resolver.shapes }.least_bytes();
    resolver.seen.into_iter().filter(|(_, id)| least[id.0 as usize] == Some(0)).map(|((of, _), _)| of).collect()
}

/// Finds the path and reason of the first mark that every datum meets.
pub(super) fn first_unreadable(shapes: &Shapes, readable: &[bool]) -> (String, String) {
    let mut path = String::new();
    let mut id = Shapes::ROOT;
    for _ in 0..shapes.all.len() {
        match shapes.get(id) {
            Shape::Record(fields) | Shape::Recast(Recast { fields, .. }) => {
                let Some((name, of)) = fields.iter().find(|(_, of)| !readable[of.0 as usize]) else { break };
                if !path.is_empty() {
                    path.push('.');
                }
                path.push_str(name);
                id = *of;
            }
            Shape::Union(branches) | Shape::Rebranched(branches) if !branches.is_empty() => id = branches[0],
            Shape::Branch { of, .. } => id = *of,
            Shape::Unreadable(reason) => return (path, reason.to_string()),
            Shape::Enum { .. } | Shape::Symbols(_) => {
                return (path, "the reader's enum has none of the symbols and no default".into());
            }
            _ => break,
        }
    }
    (path, "the writer's type has no finite value that the reader can take".into())
}

/// Works off pairs of types.
pub(super) struct Resolver<'a> {
    writer: &'a Types,
    reader: Option<&'a Types>,
    pub(super) shapes: Vec<Shape>,
    pub(super) seen: FxHashMap<(TypeId, Option<TypeId>), ShapeId>,
    pub(super) open: Vec<(ShapeId, TypeId, Option<TypeId>)>,
    pub(super) steps: usize,
}

impl<'a> Resolver<'a> {
    pub(super) fn new(writer: &'a Types, reader: Option<&'a Types>) -> Self {
        Self { writer, reader, shapes: Vec::new(), seen: FxHashMap::default(), open: Vec::new(), steps: 0 }
    }

    /// Returns the place of a pair's shape; a new pair is put on the list.
    pub(super) fn pair(&mut self, writer: TypeId, reader: Option<TypeId>) -> ShapeId {
        if let Some(&id) = self.seen.get(&(writer, reader)) {
            return id;
        }
        let id = ShapeId(u32::try_from(self.shapes.len()).unwrap_or(u32::MAX));
        self.shapes.push(Shape::Null);
        self.steps += 1;
        self.seen.insert((writer, reader), id);
        self.open.push((id, writer, reader));
        id
    }

    /// Draws the writer's type where no reader looks.
    pub(super) fn alone(&mut self, writer: TypeId) -> Shape {
        let types = self.writer;
        match types.get(writer) {
            Type::Null => Shape::Null,
            Type::Boolean => Shape::Boolean,
            Type::Int => Shape::Int,
            Type::Long => Shape::Long,
            Type::Float => Shape::Opaque(4),
            Type::Double => Shape::Opaque(8),
            Type::Fixed { size, .. } => Shape::Opaque(*size),
            Type::Bytes => Shape::Bytes,
            Type::String => Shape::String,
            Type::Enum { symbols, .. } => Shape::Enum { symbols: symbols.len(), missing: None },
            Type::Record { fields, .. } => {
                Shape::Record(fields.iter().map(|field| (field.name.clone(), self.pair(field.of, None))).collect())
            }
            Type::Array(item) => Shape::Array(self.pair(*item, None)),
            Type::Map(value) => Shape::Map(self.pair(*value, None)),
            Type::Union(branches) => Shape::Union(branches.iter().map(|&branch| self.pair(branch, None)).collect()),
        }
    }

    /// Draws the writer's type as the reader sees it.
    pub(super) fn together(&mut self, writer: TypeId, reader: TypeId) -> Shape {
        let Some(readers) = self.reader else { return self.alone(writer) };
        let writers = self.writer;
        match (writers.get(writer), readers.get(reader)) {
            (Type::Union(branches), _) => {
                Shape::Union(branches.iter().map(|&branch| self.pair(branch, Some(reader))).collect())
            }
            (single, Type::Union(branches)) => {
                self.steps += branches.iter().map(|&branch| 1 + aliases(readers.get(branch))).sum::<usize>();
                match branch_for(single, branches, readers) {
                    Some(branch) => self.together(writer, branch),
                    None => self.unreadable(format!("the reader's union has no branch for {}", single.describe())),
                }
            }
            (Type::Array(item), Type::Array(taken)) => Shape::Array(self.pair(*item, Some(*taken))),
            (Type::Map(value), Type::Map(taken)) => Shape::Map(self.pair(*value, Some(*taken))),
            (Type::Fixed { size, .. }, Type::Fixed { size: expected, .. }) if size != expected => {
                self.unreadable(format!("fixed of {size} bytes cannot be read as fixed of {expected}"))
            }
            (from, to)
                if from.kind() == to.kind() && from.names().is_some() && !match_names(from, to, &mut self.steps) =>
            {
                self.unreadable(format!("{} cannot be read as {}", from.describe(), to.describe()))
            }
            (Type::Record { fields, .. }, Type::Record { fields: expected, .. }) => self.record(fields, expected),
            (Type::Enum { symbols, .. }, Type::Enum { symbols: known, default, .. }) => {
                self.steps += symbols.len() + known.len();
                let known: HashSet<&str> = known.iter().map(|symbol| &**symbol).collect();
                let missing: Box<[bool]> =
                    symbols.iter().map(|symbol| !default && !known.contains(&**symbol)).collect();
                Shape::Enum { symbols: symbols.len(), missing: missing.contains(&true).then_some(missing) }
            }
            (Type::Fixed { size, .. }, Type::Fixed { .. }) => Shape::Opaque(*size),
            (from, to) if from.names().is_none() && (from.kind() == to.kind() || promotes(from, to)) => {
                self.alone(writer)
            }
            (from, to) => self.unreadable(format!("{} cannot be read as {}", from.describe(), to.describe())),
        }
    }

    /// Marks what the reader cannot take. The words are kept, and so count.
    pub(super) fn unreadable(&mut self, reason: String) -> Shape {
        self.steps += reason.len() / 16;
        Shape::Unreadable(reason.into())
    }

    fn record(&mut self, written: &[Field], expected: &'a [Field]) -> Shape {
        let Takers { takers, lacking } = takers(written, expected, &mut self.steps);
        for index in lacking {
            let field = &expected[index];
            match &field.default {
                Some(value) if self.fits(field.of, value) => {}
                Some(_) => {
                    return self
                        .unreadable(format!("the writer lacks field '{}', and its default does not fit", field.name));
                }
                None => {
                    return self.unreadable(format!("the writer lacks field '{}', which has no default", field.name));
                }
            }
        }
        let shape = |(field, taker): (&Field, Option<usize>)| {
            (field.name.clone(), self.pair(field.of, taker.map(|index| expected[index].of)))
        };
        Shape::Record(written.iter().zip(takers).map(shape).collect())
    }

    fn fits(&mut self, of: TypeId, value: &Value) -> bool {
        let over = self.steps > limits::RESOLUTION_STEPS;
        over || self.reader.is_some_and(|types| default::fits(types, of, value, &mut self.steps))
    }
}

/// Which fields of a reader's record take the writer's.
pub(super) struct Takers {
    /// For each field of the writer, the index of the reader's that takes it.
    pub(super) takers: Vec<Option<usize>>,
    /// The reader's fields that the writer lacks, by their indexes.
    pub(super) lacking: Vec<usize>,
}

/// Finds the fields by their names, then by the aliases of those that are still without one.
pub(super) fn takers(written: &[Field], expected: &[Field], steps: &mut usize) -> Takers {
    *steps += written.len() + expected.len();
    // Keyed at random: the names are untrusted, and could be chosen to collide.
    let names: HashMap<&str, usize> = written.iter().enumerate().map(|(index, field)| (&*field.name, index)).collect();
    let mut found = Takers { takers: vec![None; written.len()], lacking: Vec::new() };
    let mut unnamed = Vec::new();
    for (index, field) in expected.iter().enumerate() {
        match names.get(&*field.name) {
            Some(&by_name) => found.takers[by_name] = Some(index),
            None => unnamed.push(index),
        }
    }
    for index in unnamed {
        let aliases = &expected[index].aliases;
        *steps += aliases.len();
        let alias = aliases.iter().filter_map(|alias| names.get(&**alias)).find(|&&at| found.takers[at].is_none());
        match alias {
            Some(&by_alias) => found.takers[by_alias] = Some(index),
            None => found.lacking.push(index),
        }
    }
    found
}

/// Tells whether the reader's name, or one of its aliases, is the writer's.
pub(super) fn match_names(writer: &Type, reader: &Type, steps: &mut usize) -> bool {
    *steps += aliases(reader);
    match (writer.names(), reader.names()) {
        (Some(writer), Some(reader)) => writer.short() == reader.short() || reader.aliases.contains(&writer.full),
        _ => false,
    }
}

/// Chooses the branch of a reader's union for a writer's type that is no union.
pub(super) fn branch_for(writer: &Type, branches: &[TypeId], readers: &Types) -> Option<TypeId> {
    let find = |wanted: &dyn Fn(&Type) -> bool| branches.iter().copied().find(|&branch| wanted(readers.get(branch)));
    let Some(name) = writer.names() else {
        return find(&|branch| branch.kind() == writer.kind()).or_else(|| find(&|branch| promotes(writer, branch)));
    };
    let same_kind = |branch: &Type, named: &dyn Fn(&Name) -> bool| {
        branch.kind() == writer.kind() && branch.names().is_some_and(named)
    };
    find(&|branch| same_kind(branch, &|taken| taken.full == name.full))
        .or_else(|| find(&|branch| same_kind(branch, &|taken| taken.aliases.contains(&name.full))))
        .or_else(|| find(&|branch| same_kind(branch, &|taken| taken.short() == name.short())))
}

/// Returns how many aliases a type has: what a look at its names costs.
pub(super) fn aliases(of: &Type) -> usize {
    of.names().map_or(0, |names| names.aliases.len())
}

/// Tells whether the writer's primitive type may be read as another.
pub(super) fn promotes(writer: &Type, reader: &Type) -> bool {
    match writer {
        Type::Int => matches!(reader, Type::Long | Type::Float | Type::Double),
        Type::Long => matches!(reader, Type::Float | Type::Double),
        Type::Float => matches!(reader, Type::Double),
        Type::String => matches!(reader, Type::Bytes),
        Type::Bytes => matches!(reader, Type::String),
        _ => false,
    }
}
