//! From steps to a compiled mapping: the walk over the target's schema, which asks of every field where it comes from.
//!
//! Where no step makes a field or lies within it, the field goes by its name, as a [pair](super::pairs) of types. Where one lies
//! within, the walk goes on below. Nothing here stops at a mistake: all are collected, and what stands in for a mistaken part
//! never leaves.

use std::sync::Arc;

use super::literal;
use super::losses::{self, Carry};
use super::make::{Act, Make, Otherwise};
use super::pairs::{ConvertId, EXPANSION, Misfit, Pairs, Via};
use super::path::{Path, Segment};
use super::places::{self, Place, Scope, null_of, through};
use super::step::{Action, Literal, Set, Step};
use super::types::{is_null, source_of, unsourced};
use super::wanted::Wanted;
use super::{Mistake, Side};
use crate::convert::{Loss, Value};
use crate::schema::avro::tree::{Field, Kind, NodeId, Tree};

/// A mapping while it is compiled.
pub(super) struct Compiler<'a> {
    pub(super) steps: &'a [Step],
    pub(super) writer: Side<'a>,
    pub(super) target: Side<'a>,
    pub(super) pairs: Pairs<'a>,
    pub(super) scopes: Vec<Scope>,
    /// What of the writer is carried over.
    pub(super) carried: Vec<(Path, Carry)>,
    pub(super) mistakes: Vec<Mistake>,
    /// Whether what is made lies in a nullable record, which may be null where its parts are.
    is_guarded: bool,
    /// Whether a step has an expression, and the schemas for it.
    pub(super) has_expressions: bool,
    pub(super) trees: (Option<Arc<Tree>>, Option<Arc<Tree>>),
}

/// A field of the target that is to be made.
#[derive(Clone)]
pub(super) struct Goal<'p> {
    pub(super) of: NodeId,
    pub(super) at: &'p Path,
    /// Where it comes from by its name.
    pub(super) natural: Option<Place>,
    /// The default of the target's schema.
    pub(super) default: Option<Value>,
}

/// What stands in for a mistaken part.
const MISTAKEN: Make = Make::Constant(Value::Null);

impl<'a> Compiler<'a> {
    pub(super) fn new(steps: &'a [Step], writer: Side<'a>, target: Side<'a>) -> Self {
        Self {
            steps,
            writer,
            target,
            pairs: Pairs::new(writer.tree, target.tree),
            scopes: vec![Scope { path: Path::default(), node: writer.tree.root() }],
            carried: Vec::new(),
            mistakes: Vec::new(),
            is_guarded: false,
            has_expressions: false,
            trees: (None, None),
        }
    }

    /// Compiles the whole.
    pub(super) fn root(&mut self) -> Make {
        let wanted = Wanted::of(self.steps, &mut self.mistakes);
        let at = Path::default();
        let natural = Some(Place::root(self.writer.tree));
        let goal = Goal { of: self.target.tree.root(), at: &at, natural, default: None };
        let is_touched = wanted.step.is_some() || !wanted.below.is_empty();
        self.make(goal, is_touched.then_some(&wanted))
    }

    fn make(&mut self, goal: Goal<'_>, wanted: Option<&Wanted>) -> Make {
        let Some(wanted) = wanted else { return self.by_name(goal) };
        match wanted.step {
            Some((index, part)) if wanted.below.is_empty() => self.set(index, part, goal),
            Some((index, _)) => self.refined(index, goal, wanted),
            None => self.structure(goal, wanted, None),
        }
    }

    /// Makes a field that no step concerns.
    fn by_name(&mut self, goal: Goal<'_>) -> Make {
        let otherwise = self.otherwise(&goal, None);
        match (&goal.natural, otherwise.absent) {
            (Some(place), absent) => {
                let convert = self.pair(place, &goal, None, None);
                let act = Box::new(Act::Take(place.source.clone(), convert));
                Make::Act { act, otherwise: Otherwise { absent, ..Otherwise::default() }, step: None }
            }
            (None, Some(default)) if goal.default.is_some() => Make::Constant(default),
            (None, _) => {
                self.mistake(
                    None,
                    "",
                    format!("`{}` of {} has no source and no default: give a step for it", goal.at, self.target.name),
                );
                MISTAKEN
            }
        }
    }

    /// Makes what a step moves and others refine.
    fn refined(&mut self, index: usize, mut goal: Goal<'_>, wanted: &Wanted) -> Make {
        let Step::Set(set) = &self.steps[index] else { return MISTAKEN };
        if set.action != Action::Move || set.cast.is_some() {
            for (inner, path) in wanted.steps().into_iter().filter(|(_, path)| !path.0.is_empty()) {
                let within = Path([&goal.at.0[..], &path.0[..]].concat());
                self.mistake(
                    Some(inner),
                    "to",
                    format!("`{within}` lies within what mapping[{index}] makes as a whole"),
                );
            }
            return MISTAKEN;
        }
        let Some(place) = self.source(index, set.from.first(), &goal) else { return MISTAKEN };
        self.check_default(index, set, std::slice::from_ref(&place));
        goal.natural = Some(place.clone());
        let otherwise = self.otherwise(&goal, set.default.as_ref().map(|default| (index, default)));
        let made = self.structure(goal, wanted, Some(index));
        match otherwise.default {
            Some(default) => Make::Instead { from: place.source, default, of: Box::new(made) },
            None => made,
        }
    }

    /// Makes a record, an array or a map of which steps make parts.
    fn structure(&mut self, goal: Goal<'_>, wanted: &Wanted, step: Option<usize>) -> Make {
        let tree = self.target.tree;
        let inner = through(tree, goal.of);
        let kind = inner.map(|(_, node)| &tree.get(node).kind);
        let made = match kind {
            Some(Kind::Record { fields, .. }) => {
                let outside = self.is_guarded;
                self.is_guarded |= null_of(tree, goal.of).is_some();
                let made = self.record(&goal, fields, wanted);
                self.is_guarded = outside;
                made
            }
            Some(Kind::Array(item)) => return self.each(&goal, wanted, (Segment::Items, *item), step),
            Some(Kind::Map(value)) => return self.each(&goal, wanted, (Segment::Values, *value), step),
            _ => {
                self.astray(&goal, wanted, None);
                return MISTAKEN;
            }
        };
        let Some((Some(some), _)) = inner else { return made };
        let mut feeds = made.feeds(self.scopes.len());
        feeds.extend(goal.natural.map(|place| place.source));
        Make::Maybe { feeds, null: null_of(tree, goal.of), some, of: Box::new(made) }
    }

    fn record(&mut self, goal: &Goal<'_>, fields: &'a [Field], wanted: &Wanted) -> Make {
        let known = |segment: &Segment| {
            fields.iter().any(|field| matches!(segment, Segment::Field(name) if *name == field.name))
        };
        self.astray(goal, wanted, Some(&known));
        let mut made = Vec::new();
        for field in fields {
            let segment = Segment::Field(field.name.clone());
            let at = goal.at.with(segment.clone());
            let natural = goal.natural.as_ref().and_then(|place| self.field_of(place, field, fields));
            let default = literal::default(self.target.tree, field);
            let below = wanted.below.get(&segment);
            if below.is_none() && natural.is_none() && default.is_none() {
                self.mistake(None, "", format!("`{at}` of {} {}", self.target.name, unsourced(field)));
                continue;
            }
            let goal = Goal { of: field.of, at: &at, natural, default };
            made.push((field.name.clone(), self.make(goal, below)));
        }
        Make::Record(made)
    }

    /// Finds the writer's field for one of the target's.
    fn field_of(&self, place: &Place, field: &Field, wanted: &[Field]) -> Option<Place> {
        let tree = self.writer.tree;
        let (_, node) = through(tree, place.node)?;
        let Kind::Record { fields, .. } = &tree.get(node).kind else { return None };
        place.field(tree, source_of(field, fields, wanted)?)
    }

    fn each(
        &mut self,
        goal: &Goal<'_>,
        wanted: &Wanted,
        (segment, item): (Segment, NodeId),
        step: Option<usize>,
    ) -> Make {
        self.astray(goal, wanted, Some(&|other| *other == segment));
        let Some(below) = wanted.below.get(&segment) else { return MISTAKEN };
        let Some((place, node)) = self.collection(goal, below, &segment) else { return MISTAKEN };
        let path = place.path.with(segment.clone());
        let source = places::Source { scope: self.scopes.len(), fields: Vec::new() };
        self.scopes.push(Scope { path: path.clone(), node });
        let natural = Some(Place { source, node, path, is_optional: false });
        let at = goal.at.with(segment);
        let of = Box::new(self.make(Goal { of: item, at: &at, natural, default: None }, Some(below)));
        self.scopes.pop();
        let branch = through(self.target.tree, goal.of).and_then(|(branch, _)| branch);
        let otherwise = self.otherwise(goal, None);
        Make::Act { act: Box::new(Act::Each { from: place.source, branch, of }), otherwise, step }
    }

    /// Finds the collection whose items feed those of the target: the one that steps name, else the one of the same name.
    fn collection(&mut self, goal: &Goal<'_>, below: &Wanted, segment: &Segment) -> Option<(Place, NodeId)> {
        let level = self.scopes.len() - 1;
        let mut named: Option<(usize, Path)> = None;
        let mut steps = below.steps();
        steps.sort_unstable_by_key(|(index, _)| *index);
        for (index, _) in steps {
            let Step::Set(Set { from, .. }) = &self.steps[index] else { continue };
            for path in from.iter().filter_map(|path| path.levels().nth(level).map(|end| path.first(end - 1))) {
                match &named {
                    None => named = Some((index, path)),
                    Some((_, first)) if *first == path => {}
                    Some((other, first)) => {
                        let problem = format!("goes into `{path}`, and mapping[{other}] feeds the same from `{first}`");
                        self.mistake(Some(index), "from", problem);
                        return None;
                    }
                }
            }
        }
        let place = match &named {
            None => goal.natural.clone(),
            Some((index, path)) => match places::find(self.writer, &self.scopes, path) {
                Ok(place) => Some(place),
                Err(problem) => {
                    self.mistake(Some(*index), "from", problem);
                    return None;
                }
            },
        };
        let tree = self.writer.tree;
        let found = place.and_then(|place| {
            let (_, inner) = through(tree, place.node)?;
            match (&tree.get(inner).kind, segment) {
                (Kind::Array(item), Segment::Items) | (Kind::Map(item), Segment::Values) => Some((place, *item)),
                _ => None,
            }
        });
        if found.is_none() {
            let index = below.steps().first().map(|(index, _)| *index);
            let at = goal.at.with(segment.clone());
            self.mistake(index, "to", format!("`{at}` has no source: no collection of {} feeds it", self.writer.name));
        }
        found
    }

    /// Reports the steps whose target is not there.
    fn astray(&mut self, goal: &Goal<'_>, wanted: &Wanted, known: Option<&dyn Fn(&Segment) -> bool>) {
        for (segment, below) in &wanted.below {
            if known.is_some_and(|known| known(segment)) {
                continue;
            }
            for (index, path) in below.steps() {
                let path = Path([&goal.at.0[..], std::slice::from_ref(segment), &path.0[..]].concat());
                let problem = places::locate(self.target, &path).err();
                self.mistake(Some(index), "to", problem.unwrap_or_else(|| places::unknown(self.target, &path)));
            }
        }
    }

    /// Returns what is there where the source is not.
    pub(super) fn otherwise(&mut self, goal: &Goal<'_>, default: Option<(usize, &Literal)>) -> Otherwise {
        let tree = self.target.tree;
        let null = || match null_of(tree, goal.of) {
            None if is_null(tree, goal.of) => Some(Value::Null),
            index => index.map(|index| Value::Union(index, Box::new(Value::Null))),
        };
        let absent = goal.default.clone().or_else(null);
        let Some((index, literal)) = default else { return Otherwise { default: None, null: null(), absent } };
        let default = literal::value(tree, goal.of, literal);
        if default.is_none() {
            self.unfit(index, "default", goal);
        }
        Otherwise { default, null: null(), absent }
    }

    /// Reports a constant or default that is none of its type.
    pub(super) fn unfit(&mut self, index: usize, key: &'static str, goal: &Goal<'_>) {
        let of = super::types::describe(self.target.tree, goal.of);
        self.mistake(Some(index), key, format!("is no value for `{}`, which is {of}", goal.at));
    }

    /// Finds the source of a step: the path given, else the field of the target's name.
    pub(super) fn source(&mut self, index: usize, from: Option<&Path>, goal: &Goal<'_>) -> Option<Place> {
        let found = match from {
            Some(path) => places::find(self.writer, &self.scopes, path),
            None => goal.natural.clone().ok_or_else(|| format!("is needed: {}", places::unknown(self.writer, goal.at))),
        };
        found.map_err(|problem| self.mistake(Some(index), "from", problem)).ok()
    }

    /// Pairs a source with the target's type, and reports where they do not fit.
    pub(super) fn pair(
        &mut self,
        place: &Place,
        goal: &Goal<'_>,
        step: Option<usize>,
        via: Option<Via<'a>>,
    ) -> ConvertId {
        match self.pairs.pair(place.node, goal.of, via) {
            Ok(id) => {
                let has_default = |step| match self.steps.get(step) {
                    Some(Step::Set(set)) => set.default.is_some() || matches!(set.action, Action::Wrap(_)),
                    _ => false,
                };
                let has_default = self.is_guarded || step.is_some_and(has_default);
                self.carried.push((place.path.clone(), Carry::Pair { id, has_default }));
                id
            }
            Err(misfits) => {
                for Misfit { path, detail } in misfits {
                    let at = Path([&goal.at.0[..], &path.0[..]].concat());
                    let key = if step.is_some() { "to" } else { "" };
                    self.mistake(step, key, format!("`{at}` of {}: {detail}", self.target.name));
                }
                ConvertId::NONE
            }
        }
    }

    /// Returns what is lost, but for what steps drop; a step that drops what is not lost is a mistake.
    pub(super) fn losses(&mut self) -> Vec<Loss> {
        // Behind a mistake nobody can tell.
        if !self.mistakes.is_empty() {
            return Vec::new();
        }
        let steps = self.steps;
        let mut drops = Vec::new();
        for step in steps {
            let Step::Drop(paths) = step else { continue };
            drops.extend(paths.iter().map(|path| (path, false)));
        }
        let Some(losses) = losses::find(self, drops) else {
            self.mistake(None, "", format!("the schemas unfold to more than {EXPANSION} fields"));
            return Vec::new();
        };
        let losses::Losses { found, drops } = losses;
        let useless: Vec<&Path> = drops.into_iter().filter(|(_, is_used)| !is_used).map(|(path, _)| path).collect();
        for (index, step) in steps.iter().enumerate() {
            let Step::Drop(paths) = step else { continue };
            for path in paths.iter().filter(|path| useless.contains(path)) {
                let is_there = losses::is_there(self.writer.tree, path);
                let problem =
                    if is_there { format!("nothing of `{path}` is lost") } else { places::unknown(self.writer, path) };
                self.mistake(Some(index), "drop", problem);
            }
        }
        found
    }

    pub(super) fn mistake(&mut self, step: Option<usize>, key: &'static str, problem: String) {
        self.mistakes.push(Mistake { step, key, problem });
    }
}
