//! What single steps make: the action of each, checked against the types of its sources and targets.

use std::sync::Arc;

use super::cast::Caster;
use super::compile::{Compiler, Goal};
use super::leaf::Leaf;
use super::literal;
use super::losses::Carry;
use super::make::{Act, Make, TextInto, TextOf};
use super::pairs::{ConvertId, Via};
use super::path::{Path, Segment};
use super::places::{Place, null_of, through};
use super::step::{Action, Cast, Container, Literal, Set, Step};
use super::types::{describe, is_null};
use crate::convert::Value;
use crate::convert::rules::Express;
use crate::schema::avro::tree::{Kind, NodeId, Tree};

/// What stands in for a mistaken part.
const MISTAKEN: Make = Make::Constant(Value::Null);

impl<'a> Compiler<'a> {
    /// Makes one of the targets of a step.
    pub(super) fn set(&mut self, index: usize, part: usize, goal: Goal<'_>) -> Make {
        let steps = self.steps;
        let Some(Step::Set(set)) = steps.get(index) else { return MISTAKEN };
        if let Action::Constant(constant) = &set.action {
            return self.constant(index, "constant", constant, &goal);
        }
        // `default` alone, for a field that the writer does not have.
        if let (Action::Move, [], None, Some(default)) = (&set.action, &set.from[..], &goal.natural, &set.default) {
            return self.constant(index, "default", default, &goal);
        }
        let whole = Path::default();
        let is_whole = matches!(set.action, Action::Jsonata(_)) && set.from.is_empty();
        let from = if is_whole {
            vec![Some(&whole)]
        } else if set.from.is_empty() {
            vec![None]
        } else {
            set.from.iter().map(Some).collect()
        };
        let places: Vec<Place> = from.into_iter().filter_map(|path| self.source(index, path, &goal)).collect();
        if places.len() != set.from.len().max(1) {
            return MISTAKEN;
        }
        self.check_default(index, set, &places);
        let otherwise = self.otherwise(&goal, set.default.as_ref().map(|default| (index, default)));
        self.pairs.is_used = false;
        let found = self.mistakes.len();
        let act = self.act(index, part, &goal, &places);
        if self.mistakes.len() == found && set.cast.is_some() && !self.pairs.is_used {
            self.mistake(Some(index), "cast", "is not needed: the types fit as they are".to_owned());
        }
        act.map_or(MISTAKEN, |act| Make::Act { act: Box::new(act), otherwise, step: Some(index) })
    }

    fn constant(&mut self, index: usize, key: &'static str, literal: &Literal, goal: &Goal<'_>) -> Make {
        match literal::value(self.target.tree, goal.of, literal) {
            Some(value) => Make::Constant(value),
            None => {
                self.unfit(index, key, goal);
                MISTAKEN
            }
        }
    }

    /// Reports a default that can never be used.
    pub(super) fn check_default(&mut self, index: usize, set: &Set, places: &[Place]) {
        let can_lack = places.iter().all(|place| place.may_lack(self.writer.tree));
        if set.default.is_some() && !can_lack && !matches!(set.action, Action::Unwrap(_)) {
            self.mistake(Some(index), "default", "is never used: the source is never null or absent".to_owned());
        }
    }

    fn act(&mut self, index: usize, part: usize, goal: &Goal<'_>, places: &[Place]) -> Option<Act> {
        let steps = self.steps;
        let (Some(Step::Set(set)), [place, ..]) = (steps.get(index), places) else { return None };
        let (from, of) = (place.source.clone(), set.to.len());
        match &set.action {
            Action::Constant(_) => None,
            Action::Move => {
                let via = set.cast.map(|cast| Via::Cast(index, cast));
                Some(Act::Take(from, self.pair(place, goal, Some(index), via)))
            }
            action @ Action::Symbols { .. } => {
                let via = Via::Symbols(index, action);
                Some(Act::Take(from, self.pair(place, goal, Some(index), Some(via))))
            }
            Action::Split(by) if of == 1 => self.split_all(index, goal, place, by, set.cast),
            Action::Split(by) => {
                self.text_of(index, place, place.node, None)?;
                let into = self.text_into(index, goal, goal.of, set.cast)?;
                self.carried.push((place.path.clone(), Carry::Whole(into.rounding())));
                Some(Act::Split { from, by: by.clone(), part, of, into })
            }
            Action::Join(by) if places.len() == 1 => self.join_all(index, goal, place, by, set.cast),
            Action::Join(by) => {
                let into = self.text_into(index, goal, goal.of, None)?;
                let texts = places.iter().map(|place| {
                    let text = self.text_of(index, place, place.node, set.cast)?;
                    self.carried.push((place.path.clone(), Carry::Whole(text.rounding())));
                    Some((place.source.clone(), text))
                });
                let from = texts.collect::<Option<_>>()?;
                Some(Act::Join { from, by: by.clone(), into })
            }
            Action::Jsonata(text) => self.express(index, goal, place, text),
            Action::Wrap(Container::Array) => self.wrap_array(index, goal, places, set.cast),
            Action::Wrap(Container::Union) => {
                let from = self.pair_values(index, goal, places, set.cast);
                Some(Act::WrapUnion { from })
            }
            Action::Unwrap(Container::Array) => self.unwrap_array(index, part, goal, place),
            Action::Unwrap(Container::Union) => self.unwrap_union(index, part, goal, place),
        }
    }

    /// Compiles an expression. Of the whole record it may use anything, so that nothing counts as carried.
    fn express(&mut self, index: usize, goal: &Goal<'_>, place: &Place, text: &str) -> Option<Act> {
        self.has_expressions = true;
        let from = (Arc::clone(self.trees.0.get_or_insert_with(|| Arc::new(self.writer.tree.clone()))), place.node);
        let to = (Arc::clone(self.trees.1.get_or_insert_with(|| Arc::new(self.target.tree.clone()))), goal.of);
        match Express::compile(text, from, to) {
            Ok(express) => {
                if !place.path.0.is_empty() {
                    self.carried.push((place.path.clone(), Carry::Whole(None)));
                }
                Some(Act::Express { from: place.source.clone(), express })
            }
            Err(problem) => {
                self.mistake(Some(index), "jsonata", problem);
                None
            }
        }
    }

    fn split_all(&mut self, index: usize, goal: &Goal<'_>, place: &Place, by: &str, cast: Option<Cast>) -> Option<Act> {
        self.text_of(index, place, place.node, None)?;
        let (branch, item) = self.items_of_target(index, goal)?;
        let item = self.text_into(index, goal, item, cast)?;
        self.carried.push((place.path.clone(), Carry::Whole(item.rounding())));
        Some(Act::SplitAll { from: place.source.clone(), by: by.to_owned(), branch, item })
    }

    fn join_all(&mut self, index: usize, goal: &Goal<'_>, place: &Place, by: &str, cast: Option<Cast>) -> Option<Act> {
        let into = self.text_into(index, goal, goal.of, None)?;
        let item = self.items_of_writer(index, place)?;
        let item = self.text_of(index, place, item, cast)?;
        self.carried.push((place.path.clone(), Carry::Whole(item.rounding())));
        Some(Act::JoinAll { from: place.source.clone(), item, by: by.to_owned(), into })
    }

    fn wrap_array(&mut self, index: usize, goal: &Goal<'_>, places: &[Place], cast: Option<Cast>) -> Option<Act> {
        let (branch, item) = self.items_of_target(index, goal)?;
        let tree = self.target.tree;
        let takes_null = null_of(tree, item).is_some() || is_null(tree, item);
        let at = goal.at.with(Segment::Items);
        let goal = Goal { of: item, at: &at, natural: None, default: None };
        let from = self.pair_values(index, &goal, places, cast);
        Some(Act::WrapArray { from, takes_null, branch })
    }

    fn pair_values(
        &mut self,
        index: usize,
        goal: &Goal<'_>,
        places: &[Place],
        cast: Option<Cast>,
    ) -> Vec<(super::places::Source, ConvertId)> {
        let via = cast.map(|cast| Via::Cast(index, cast));
        let pair = |place: &Place| (place.source.clone(), self.pair(place, goal, Some(index), via));
        places.iter().map(pair).collect()
    }

    fn unwrap_array(&mut self, index: usize, part: usize, goal: &Goal<'_>, place: &Place) -> Option<Act> {
        let Some(Step::Set(set)) = self.steps.get(index) else { return None };
        let node = self.items_of_writer(index, place)?;
        let path = place.path.with(Segment::Items);
        let place = Place { node, path, ..place.clone() };
        let item = self.pair(&place, goal, Some(index), set.cast.map(|cast| Via::Cast(index, cast)));
        Some(Act::UnwrapArray { from: place.source, part, of: set.to.len(), item })
    }

    /// Gives each branch to the first target that takes it.
    fn unwrap_union(&mut self, index: usize, part: usize, goal: &Goal<'_>, place: &Place) -> Option<Act> {
        let Some(Step::Set(set)) = self.steps.get(index) else { return None };
        let writers = self.writer.tree;
        let Kind::Union(branches) = &writers.get(place.node).kind else {
            self.mistake(
                Some(index),
                "unwrap",
                format!("`{}` is {}, and no union", place.path, describe(writers, place.node)),
            );
            return None;
        };
        let targets: Vec<NodeId> =
            set.to.iter().filter_map(|path| super::places::locate(self.target, path).ok()).collect();
        let via = set.cast.map(|cast| Via::Cast(index, cast));
        let mut ways = Vec::new();
        let mut takes_any = false;
        for &branch in branches {
            let taker = if is_null(writers, branch) {
                None
            } else {
                targets.iter().position(|&target| self.pairs.pair(branch, target, via).is_ok())
            };
            let mine = taker.filter(|&taker| taker == part).and_then(|_| self.pairs.pair(branch, goal.of, via).ok());
            if let Some(id) = mine {
                takes_any = true;
                let has_default = set.default.is_some();
                self.carried.push((place.path.clone(), Carry::Pair { id, has_default }));
            }
            if taker.is_none() && !is_null(writers, branch) {
                self.carried.push((place.path.clone(), Carry::But(branch)));
            }
            ways.push((mine, taker.is_some() || is_null(writers, branch)));
        }
        if !takes_any {
            let problem = format!("`{}` takes no branch of `{}` that is left", goal.at, place.path);
            self.mistake(Some(index), "to", problem);
        }
        Some(Act::UnwrapUnion { from: place.source.clone(), ways })
    }

    /// Returns the items of an array in the target, and its branch where it stands in a union.
    fn items_of_target(&mut self, index: usize, goal: &Goal<'_>) -> Option<(Option<usize>, NodeId)> {
        let found = items(self.target.tree, goal.of);
        if found.is_none() {
            let of = describe(self.target.tree, goal.of);
            self.mistake(Some(index), "to", format!("`{}` is {of}, and an array is needed", goal.at));
        }
        found
    }

    fn items_of_writer(&mut self, index: usize, place: &Place) -> Option<NodeId> {
        let found = items(self.writer.tree, place.node).map(|(_, item)| item);
        if found.is_none() {
            let of = describe(self.writer.tree, place.node);
            self.mistake(Some(index), "from", format!("`{}` is {of}, and an array is needed", place.path));
        }
        found
    }

    /// Checks how a type of the writer becomes a text.
    fn text_of(&mut self, index: usize, place: &Place, node: NodeId, cast: Option<Cast>) -> Option<TextOf> {
        let leaf = through(self.writer.tree, node).and_then(|(_, node)| Leaf::of(self.writer.tree, node));
        let caster = match (leaf, cast) {
            (Some(Leaf::String), _) => return Some(TextOf(None)),
            (Some(leaf), Some(cast)) => Caster::new(leaf, Leaf::String, cast).map_err(str::to_owned),
            _ => Err(format!("`{}` is {}, and a string is needed", place.path, describe(self.writer.tree, node))),
        };
        self.pairs.is_used |= caster.is_ok();
        caster.map_err(|problem| self.mistake(Some(index), "from", problem)).ok().map(|caster| TextOf(Some(caster)))
    }

    /// Checks how a text becomes a type of the target.
    fn text_into(&mut self, index: usize, goal: &Goal<'_>, node: NodeId, cast: Option<Cast>) -> Option<TextInto> {
        let tree = self.target.tree;
        let branches = match &tree.get(node).kind {
            Kind::Union(branches) => {
                branches.iter().enumerate().map(|(index, branch)| (Some(index), *branch)).collect()
            }
            _ => vec![(None, node)],
        };
        let leaves: Vec<_> =
            branches.into_iter().filter_map(|(branch, of)| Some((branch, Leaf::of(tree, of)?))).collect();
        if let Some((branch, _)) = leaves.iter().find(|(_, leaf)| *leaf == Leaf::String) {
            return Some(TextInto { branch: *branch, caster: None });
        }
        let casters = leaves.into_iter().filter_map(|(branch, leaf)| {
            Some(TextInto { branch, caster: Some(Caster::new(Leaf::String, leaf, cast?).ok()?) })
        });
        let found: Vec<TextInto> = casters.collect();
        if found.len() != 1 {
            let of = describe(tree, node);
            let hint = if cast.is_some() { "" } else { " without a `cast`" };
            self.mistake(Some(index), "to", format!("`{}` is {of}, which takes no text{hint}", goal.at));
            return None;
        }
        self.pairs.is_used = true;
        found.into_iter().next()
    }
}

/// Returns the items of an array, and its branch where it stands in a union with null.
fn items(tree: &Tree, node: NodeId) -> Option<(Option<usize>, NodeId)> {
    let (branch, inner) = through(tree, node)?;
    let Kind::Array(item) = &tree.get(inner).kind else { return None };
    Some((branch, *item))
}
