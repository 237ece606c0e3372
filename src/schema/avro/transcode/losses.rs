//! What is lost on the way from one schema to another, by path.

use std::collections::HashSet;
use std::fmt;

use super::super::shape::{Recast, Shape, ShapeId, Shapes, Step};
use super::super::tree::NodeId;
use super::super::types::Type;
use super::super::{Mismatch, limits};
use super::draw::Drawn;

/// What a conversion drops, or what it cannot take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The writer's field, such as `order.coupon`, with `[]` for the items of an array and `{}` for the values of a map.
    pub path: String,
    /// What is lost there.
    pub what: Lost,
}

/// What is lost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lost {
    /// The field: the target has none for it.
    Field,
    /// A type, as a branch of a union or an item: the target takes none such, and records that hold it fail.
    Branch(String),
    /// A symbol of an enum: it becomes the target's default, or where there is none, records that hold it fail.
    Symbol {
        /// The symbol.
        symbol: String,
        /// The default that takes its place.
        default: Option<String>,
    },
    /// All texts that a step of a mapping does not name, of which it makes this one.
    Others(String),
    /// Digits: a step of a mapping rounds them, in the way of this name.
    Digits(&'static str),
}

/// Lists the losses, up to [`limits::LOSSES`].
///
/// # Errors
/// Where a type would change its meaning.
pub(super) fn find(drawn: &Drawn<'_>, readable: &[bool]) -> Result<Vec<Loss>, Mismatch> {
    if !drawn.meanings.is_empty() {
        return Err(meaning(drawn));
    }
    let mut losses = Vec::new();
    each(&drawn.shapes, |path, id| {
        if !readable[id.0 as usize] {
            let what = Lost::Branch(drawn.writer.schema.types.get(drawn.pairs[id.0 as usize].0).describe());
            losses.push(Loss { path: text(path), what });
        } else {
            of_shape(drawn, path, id, &mut losses);
        }
        readable[id.0 as usize] && losses.len() < limits::LOSSES
    });
    Ok(losses)
}

fn meaning(drawn: &Drawn<'_>) -> Mismatch {
    let mut first = None;
    each(&drawn.shapes, |path, id| {
        if first.is_none() && drawn.meanings.contains(&id) {
            first = Some((text(path), id));
        }
        first.is_none()
    });
    let id = first.as_ref().map(|(_, id)| *id).or_else(|| drawn.meanings.iter().copied().next());
    let detail = match id.map(|id| drawn.shapes.get(id)) {
        Some(Shape::Unreadable(reason)) => reason.to_string(),
        _ => String::new(),
    };
    Mismatch { path: first.map(|(path, _)| path).unwrap_or_default(), detail }
}

fn of_shape(drawn: &Drawn<'_>, path: &[Step<'_>], id: ShapeId, losses: &mut Vec<Loss>) {
    let room = limits::LOSSES.saturating_sub(losses.len());
    if let Shape::Recast(Recast { fields, places, .. }) = drawn.shapes.get(id) {
        let lost = fields.iter().zip(places).filter(|(_, place)| place.is_none()).take(room);
        losses.extend(lost.map(|((name, _), _)| {
            let path = text(&[path, &[Step::Field(name)]].concat());
            Loss { path, what: Lost::Field }
        }));
    }
    let (writer, Some(reader)) = drawn.pairs[id.0 as usize] else { return };
    let types = (drawn.writer.schema.types.get(writer), drawn.reader.schema.types.get(reader));
    let (Type::Enum { symbols, .. }, Type::Enum { symbols: known, .. }) = types else { return };
    let known: HashSet<&str> = known.iter().map(|symbol| &**symbol).collect();
    let default = drawn.reader.tree.enum_default(NodeId(reader.0));
    for symbol in symbols.iter().filter(|symbol| !known.contains(&***symbol)).take(room) {
        let what = Lost::Symbol { symbol: symbol.to_string(), default: default.map(str::to_owned) };
        losses.push(Loss { path: text(path), what });
    }
}

/// What is done next on a walk through shapes.
enum Visit<'a> {
    Enter(Step<'a>, ShapeId),
    Leave(ShapeId),
}

/// Visits the shapes in the order of the writer's fields, a shape in each place where it stands but within itself, up to
/// [`limits::LOSS_STEPS`]; `visit` says whether its parts are visited.
fn each<'a>(shapes: &'a Shapes, mut visit: impl FnMut(&[Step<'a>], ShapeId) -> bool) {
    let (mut path, mut left) = (Vec::new(), limits::LOSS_STEPS);
    let mut open = vec![false; shapes.all.len()];
    let mut next = vec![Visit::Enter(Step::Stay, Shapes::ROOT)];
    while let Some(now) = next.pop() {
        match now {
            Visit::Leave(id) => {
                open[id.0 as usize] = false;
                path.pop();
            }
            Visit::Enter(_, id) if open[id.0 as usize] => {}
            Visit::Enter(step, id) => {
                path.push(step);
                let parts: Vec<_> = shapes.get(id).parts().collect();
                left = left.saturating_sub(1 + parts.len());
                if left == 0 || !visit(&path, id) {
                    path.pop();
                    continue;
                }
                open[id.0 as usize] = true;
                next.push(Visit::Leave(id));
                next.extend(parts.into_iter().rev().map(|(step, part)| Visit::Enter(step, part)));
            }
        }
    }
}

/// Writes a path, up to [`limits::LOSS_PATH`].
fn text(path: &[Step<'_>]) -> String {
    let mut text = String::new();
    for step in path {
        if text.len() > limits::LOSS_PATH {
            text.push('…');
            break;
        }
        match step {
            Step::Field(name) => {
                if !text.is_empty() {
                    text.push('.');
                }
                text.push_str(name);
            }
            Step::Items => text.push_str("[]"),
            Step::Values => text.push_str("{}"),
            Step::Stay => {}
        }
    }
    text
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path[..] {
            "" => f.write_str("the root")?,
            path => write!(f, "`{path}`")?,
        }
        match &self.what {
            Lost::Field => Ok(()),
            Lost::Branch(branch) => write!(f, " where it is {branch}"),
            Lost::Symbol { symbol, default: Some(default) } => {
                write!(f, " where it is '{symbol}', which becomes '{default}'")
            }
            Lost::Symbol { symbol, default: None } => write!(f, " where it is '{symbol}'"),
            Lost::Others(becomes) => write!(f, " where it is any other text, which becomes '{becomes}'"),
            Lost::Digits(rounding) => write!(f, " to the digit: rounded by '{rounding}'"),
        }
    }
}
