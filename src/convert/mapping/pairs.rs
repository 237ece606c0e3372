//! Pairs of types: how a value of the writer's becomes one of the target's, by name and by the rules of schema
//! resolution, with the casts and symbols of a step where they are asked for.
//!
//! Stricter than resolution where that would change a meaning: logical types that differ need a cast, and what is
//! promoted must be exact. Laxer in one thing: a name of a record, an enum or a fixed tells branches of a union apart, and nothing
//! else, since whoever wrote the mapping said what becomes what. Pairs are held by number, each once, so that recursive
//! schemas are cycles of numbers.

use std::collections::HashMap;

use super::cast::Caster;
use super::leaf::{Bare, Leaf, Symbols};
use super::literal;
use super::path::{Path, Segment};
use super::step::Cast;
use super::symbols::Renaming;
use super::types::{describe, is_null, is_within, promotion, source_of, unsourced};
use crate::convert::Value;
use crate::schema::avro::limits;
use crate::schema::avro::tree::{Field, Kind, NodeId, Tree};

/// Pairs of types that one mapping looks at, and paths of its losses: named types can meet in any combination.
pub const EXPANSION: usize = 100_000;

/// A pair's place in [`Pairs`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct ConvertId(u32);

impl ConvertId {
    /// Stands in for a pair that does not fit.
    pub(super) const NONE: Self = Self(u32::MAX);

    pub(super) fn of(self, pairs: &[Convert]) -> &Convert {
        pairs.get(self.0 as usize).unwrap_or(&Convert::Never)
    }
}

/// What becomes of a value.
#[derive(Debug)]
pub(super) enum Convert {
    /// It stays.
    Same,
    /// A number of this type.
    Promote(Bare),
    /// Bytes.
    Bytes,
    /// Text, if the bytes are.
    Text,
    /// The symbol with this index; `None`: the target has none for it.
    Symbol(Box<[Option<usize>]>, Box<[Box<str>]>),
    /// A record of these fields.
    Record(Box<[(Box<str>, Part)]>),
    Items(ConvertId),
    Values(ConvertId),
    /// What its branch becomes; `None`: no place for it.
    Of(Box<[Option<ConvertId>]>),
    /// A branch of the target's union.
    Into(usize, ConvertId),
    Cast(Box<Caster>),
    Renamed(Box<Renaming>),
    /// The pair does not fit: met only where one was given up in the middle.
    Never,
}

/// A field of the target.
#[derive(Debug)]
pub(super) enum Part {
    Field(usize, ConvertId),
    Default(Value),
}

/// What a step asks for besides.
#[derive(Debug, Clone, Copy)]
pub(super) enum Via<'a> {
    Cast(usize, Cast),
    Symbols(usize, &'a super::step::Action),
}

/// Why two types do not fit, at a path of the target below the pair.
#[derive(Debug, Clone)]
pub(super) struct Misfit {
    pub(super) path: Path,
    pub(super) detail: String,
}

type Fit<T> = Result<T, Vec<Misfit>>;

/// All pairs of a mapping.
pub(super) struct Pairs<'a> {
    writer: &'a Tree,
    target: &'a Tree,
    pub(super) all: Vec<Convert>,
    seen: HashMap<(NodeId, NodeId, Option<usize>), ConvertId>,
    level: usize,
    looked: usize,
    /// Whether a cast or symbols were used since this was last set.
    pub(super) is_used: bool,
}

impl<'a> Pairs<'a> {
    pub(super) fn new(writer: &'a Tree, target: &'a Tree) -> Self {
        Self { writer, target, all: Vec::new(), seen: HashMap::new(), level: 0, looked: 0, is_used: false }
    }

    /// Returns what becomes of a value of the one type on its way to the other.
    pub(super) fn pair(&mut self, writer: NodeId, target: NodeId, via: Option<Via<'a>>) -> Fit<ConvertId> {
        let key = (writer, target, via.map(Via::step));
        if let Some(&id) = self.seen.get(&key) {
            self.is_used |= via.is_some();
            return Ok(id);
        }
        self.looked += 1;
        if self.looked > EXPANSION {
            return Err(misfit(format!("the schemas meet in more than {EXPANSION} pairs of types")));
        }
        if self.level > limits::COMPARISON_LEVELS {
            return Err(misfit(format!("types nest deeper than {}", limits::COMPARISON_LEVELS)));
        }
        let id = self.add(Convert::Never);
        self.seen.insert(key, id);
        self.level += 1;
        let made = self.make(writer, target, via);
        self.level -= 1;
        match made {
            Ok(convert) => {
                self.all[id.0 as usize] = convert;
                Ok(id)
            }
            Err(misfits) => {
                self.seen.remove(&key);
                Err(misfits)
            }
        }
    }

    pub(super) fn get(&self, id: ConvertId) -> &Convert {
        id.of(&self.all)
    }

    fn add(&mut self, convert: Convert) -> ConvertId {
        let id = ConvertId(u32::try_from(self.all.len()).unwrap_or(u32::MAX));
        self.all.push(convert);
        id
    }

    fn make(&mut self, writer: NodeId, target: NodeId, via: Option<Via<'a>>) -> Fit<Convert> {
        let (writers, targets) = (self.writer, self.target);
        match (&writers.get(writer).kind, &targets.get(target).kind) {
            (Kind::Union(branches), _) => self.by_branch(branches, target, via),
            (_, Kind::Union(branches)) => self.union_for(writer, branches, via),
            (Kind::Record { fields, .. }, Kind::Record { fields: wanted, .. }) => self.record(fields, wanted),
            (Kind::Array(item), Kind::Array(wanted)) => {
                Ok(Convert::Items(self.pair(*item, *wanted, None).map_err(|misfits| within(&Segment::Items, misfits))?))
            }
            (Kind::Map(value), Kind::Map(wanted)) => Ok(Convert::Values(
                self.pair(*value, *wanted, None).map_err(|misfits| within(&Segment::Values, misfits))?,
            )),
            _ => self.leaf(writer, target, via),
        }
    }

    fn by_branch(&mut self, branches: &[NodeId], target: NodeId, via: Option<Via<'a>>) -> Fit<Convert> {
        let (mut misfits, mut ways, mut fits) = (Vec::new(), Vec::new(), false);
        let mut has_values = false;
        for &branch in branches {
            let is_null = is_null(self.writer, branch);
            has_values |= !is_null;
            match self.pair(branch, target, via.filter(|_| !is_null)) {
                Ok(id) => {
                    fits |= !is_null;
                    ways.push(Some(id));
                }
                Err(found) => {
                    misfits.extend(if is_null { Vec::new() } else { found });
                    ways.push(None);
                }
            }
        }
        // Which branch comes is for the record to say, as in resolution; one that fits must be there.
        if fits || !has_values { Ok(Convert::Of(ways.into())) } else { Err(misfits) }
    }

    fn union_for(&mut self, writer: NodeId, branches: &[NodeId], via: Option<Via<'a>>) -> Fit<Convert> {
        let mut first = None;
        for branch in self.branches_for(writer, branches) {
            let by = via.filter(|via| matches!(via, Via::Symbols(..)));
            match self.pair(writer, branches[branch], by) {
                Ok(id) => return Ok(Convert::Into(branch, id)),
                Err(misfits) => first = first.or(Some(misfits)),
            }
        }
        if let Some(Via::Cast(..)) = via {
            let mut casts = Vec::new();
            for (branch, &of) in branches.iter().enumerate() {
                match self.pair(writer, of, via) {
                    Ok(id) => casts.push((branch, id)),
                    Err(misfits) if !is_null(self.target, of) => first = Some(misfits),
                    Err(_) => {}
                }
            }
            match casts[..] {
                [(branch, id)] => return Ok(Convert::Into(branch, id)),
                [] => {}
                _ => return Err(misfit("several branches of the target's union could take the cast".to_owned())),
            }
        }
        let none = || misfit(format!("the target's union has no branch for {}", describe(self.writer, writer)));
        Err(first.unwrap_or_else(none))
    }

    /// Returns the branches that may take a type, the nearest first.
    fn branches_for(&self, writer: NodeId, branches: &[NodeId]) -> Vec<usize> {
        let from = self.writer.get(writer);
        let near = |branch: &NodeId| {
            let to = self.target.get(*branch);
            let is_same_kind = std::mem::discriminant(&from.kind) == std::mem::discriminant(&to.kind);
            match (&from.kind, &from.name, &to.name) {
                (Kind::Primitive(one), ..) => (to.kind != Kind::Primitive(*one)).into(),
                (_, Some(one), Some(other)) if is_same_kind => {
                    let is_only =
                        branches.iter().filter(|&&of| self.target.get(of).kind.word() == to.kind.word()).count() == 1;
                    let ranks = [
                        one.full == other.full,
                        other.aliases.contains(&one.full),
                        one.short() == other.short(),
                        is_only,
                    ];
                    ranks.into_iter().position(|holds| holds).unwrap_or(9)
                }
                // A record of another name among several is another record.
                _ => usize::from(!is_same_kind) * 8,
            }
        };
        let mut order: Vec<(usize, usize)> = branches.iter().map(near).zip(0..).collect();
        let is_null = |branch: usize| is_null(self.target, branches[branch]) && !is_null(self.writer, writer);
        order.retain(|&(rank, branch)| rank < 9 && !is_null(branch));
        order.sort_unstable();
        order.into_iter().map(|(_, branch)| branch).collect()
    }

    fn record(&mut self, fields: &[Field], wanted: &[Field]) -> Fit<Convert> {
        let (mut parts, mut misfits) = (Vec::new(), Vec::new());
        for field in wanted {
            let part = match source_of(field, fields, wanted) {
                Some(index) => self.pair(fields[index].of, field.of, None).map(|id| Part::Field(index, id)),
                None => literal::default(self.target, field).map(Part::Default).ok_or_else(|| misfit(unsourced(field))),
            };
            match part {
                Ok(part) => parts.push((field.name.clone(), part)),
                Err(found) => misfits.extend(within(&Segment::Field(field.name.clone()), found)),
            }
        }
        if misfits.is_empty() { Ok(Convert::Record(parts.into())) } else { Err(misfits) }
    }

    fn leaf(&mut self, writer: NodeId, target: NodeId, via: Option<Via<'a>>) -> Fit<Convert> {
        let leaves = || Leaf::of(self.writer, writer).zip(Leaf::of(self.target, target));
        if let Some(Via::Symbols(_, action)) = via {
            let renaming = leaves().ok_or_else(|| "`symbols` takes enum and string".to_owned());
            let renaming = renaming.and_then(|(from, to)| Renaming::new(&from, &to, action)).map_err(misfit)?;
            self.is_used = true;
            return Ok(Convert::Renamed(Box::new(renaming)));
        }
        let plain = self.plain(writer, target);
        let Some(Via::Cast(_, cast)) = via else { return plain.map_err(misfit) };
        let problem = match (plain, leaves()) {
            (Err(problem), _) => problem,
            (Ok(fit), Some((from, to))) if cast.to_unit.is_some() || !fit.is_certain(&from, &to) => String::new(),
            (Ok(fit), _) => return Ok(fit),
        };
        let caster = leaves().ok_or(problem);
        let caster =
            caster.and_then(|(from, to)| Caster::new(from, to, cast).map_err(str::to_owned)).map_err(misfit)?;
        self.is_used = true;
        Ok(Convert::Cast(Box::new(caster)))
    }

    /// Resolves types without parts.
    fn plain(&self, writer: NodeId, target: NodeId) -> Result<Convert, String> {
        let (from, to) = (&self.writer.get(writer).kind, &self.target.get(target).kind);
        let logical = (self.writer.logical(writer), self.target.logical(target));
        let misfit = || {
            let (from, to) = (describe(self.writer, writer), describe(self.target, target));
            Err(format!("{from} does not become {to} without a `cast`"))
        };
        let is_same = match logical {
            (Some(from), Some(to)) => is_within(from, to),
            _ => true,
        };
        if !is_same {
            return misfit();
        }
        match (from, to) {
            (Kind::Primitive(from), Kind::Primitive(to)) if from == to => Ok(Convert::Same),
            (Kind::Fixed { size: from }, Kind::Fixed { size: to }) if from == to => Ok(Convert::Same),
            (Kind::Enum { symbols, .. }, Kind::Enum { symbols: known, default }) => {
                let lookup = Symbols::new(known);
                let index = |symbol: &str| lookup.find(symbol);
                let instead = default.as_deref().and_then(index);
                let ways: Box<[_]> = symbols.iter().map(|symbol| index(symbol).or(instead)).collect();
                let fits = ways.iter().any(Option::is_some);
                fits.then(|| Convert::Symbol(ways, symbols.clone().into()))
                    .ok_or_else(|| "the target's enum has none of the symbols; give `symbols`".to_owned())
            }
            (Kind::Primitive(from), Kind::Primitive(to)) if logical == (None, None) => {
                promotion(*from, *to).map_or_else(misfit, Ok)
            }
            _ => misfit(),
        }
    }
}

impl Convert {
    /// Tells whether every value arrives so, and means the same: then there is nothing to cast.
    fn is_certain(&self, from: &Leaf, to: &Leaf) -> bool {
        match self {
            Self::Same => from == to || matches!((from, to), (Leaf::Decimal { .. }, Leaf::Decimal { .. })),
            Self::Promote(Bare::Long) => true,
            Self::Promote(_) => matches!((from, to), (Leaf::Bare(Bare::Int | Bare::Float), Leaf::Bare(Bare::Double))),
            _ => from == to,
        }
    }
}

impl Via<'_> {
    fn step(self) -> usize {
        match self {
            Self::Cast(step, _) | Self::Symbols(step, _) => step,
        }
    }
}

fn misfit(detail: String) -> Vec<Misfit> {
    vec![Misfit { path: Path::default(), detail }]
}

fn within(segment: &Segment, mut misfits: Vec<Misfit>) -> Vec<Misfit> {
    for misfit in &mut misfits {
        misfit.path.0.insert(0, segment.clone());
    }
    misfits
}
