//! The configured mapping: rename, move, default, constant, cast, split, join, symbols, wrap, unwrap, drop and expressions.
//!
//! ```text
//!  steps (as configured) ─┐
//!  writer's Tree ─────────┼─Mapping::compile─> Mapping, or every mistake ─convert─> Value of the target
//!  target's Tree ─────────┘                    and its losses
//! ```
//!
//! A step says where a field of the target comes from and what is done on the way; what no step names goes by its name, by the
//! rules of schema resolution, field by field. What must hold: a value is carried exactly or the record fails, and what is
//! dropped is in [`losses`](Mapping::losses) unless a step drops it by name. docs/mapping.md is the grammar, with examples
//! that are run as tests.

#![expect(clippy::wildcard_enum_match_arm, reason = "a step names the few types that it concerns")]

mod actions;
mod apply;
mod budget;
mod carry;
mod cast;
mod compile;
mod leaf;
mod literal;
mod losses;
mod make;
mod number;
mod pairs;
mod path;
mod places;
mod step;
mod symbols;
mod texts;
mod time;
mod types;
mod wanted;

#[cfg(test)]
mod tests;

use std::fmt;

pub use self::budget::{MADE, MADE_TIMES};
pub use self::number::{NUMBER_DIGITS, Rounding};
pub use self::pairs::EXPANSION;
pub use self::path::{PATH_DEPTH, Path};
pub use self::step::{Action, Cast, Container, Literal, STEPS, Set, Sort, Step, Steps, Unit};

use self::compile::Compiler;
use self::make::Make;
use self::pairs::{Convert, ConvertId};
use super::pace::{Allowance, Overruns, Pace};
use super::{Failure, Loss, Value};
use crate::schema::avro::tree::Tree;

/// One of the two schemas, with its name in messages.
#[derive(Debug, Clone, Copy)]
pub struct Side<'a> {
    /// The schema.
    pub tree: &'a Tree,
    /// Such as `version 1`.
    pub name: &'a str,
}

/// A mapping, compiled for a pair of schemas.
#[derive(Debug)]
pub struct Mapping {
    root: Make,
    pairs: Vec<Convert>,
    losses: Vec<Loss>,
    has_expressions: bool,
}

/// What is wrong with a mapping for a pair of schemas.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Mistake {
    /// The step, from 0 up; none where the target lacks one.
    pub step: Option<usize>,
    /// The step's key.
    pub key: &'static str,
    /// What is wrong, and what is meant or allowed.
    pub problem: String,
}

impl Mapping {
    /// Compiles steps for a pair of schemas.
    ///
    /// # Errors
    /// Every mistake, in the order of the steps.
    pub fn compile(steps: &[Step], writer: Side<'_>, target: Side<'_>) -> Result<Self, Vec<Mistake>> {
        let mut compiler = Compiler::new(steps, writer, target);
        let root = compiler.root();
        let losses = compiler.losses();
        let mut mistakes = compiler.mistakes;
        if mistakes.is_empty() {
            let has_expressions = compiler.has_expressions;
            return Ok(Self { root, pairs: compiler.pairs.all, losses, has_expressions });
        }
        mistakes.sort_by_key(|mistake| mistake.step.unwrap_or(usize::MAX));
        mistakes.dedup();
        Err(mistakes)
    }

    /// Makes the target's value of the writer's.
    ///
    /// # Errors
    /// Where a value cannot be carried exactly: the step, the path in the target, and the reason.
    pub fn convert(&self, value: &Value) -> Result<Value, Failure> {
        self.convert_timed(value, (&mut Pace::default(), &Overruns::default()))
    }

    /// Does the same within the time that expressions have, and tells how much was made.
    pub(super) fn convert_timed(
        &self,
        value: &Value,
        (pace, overruns): (&mut Pace, &Overruns),
    ) -> Result<Value, Failure> {
        let (made, bytes) = match self.has_expressions {
            true => apply::run(self, value, Some(&mut Allowance::of(overruns, pace))),
            false => apply::run(self, value, None),
        };
        pace.made(bytes);
        made
    }

    /// Returns what of the writer is not carried, but for what steps drop by name.
    #[must_use]
    pub fn losses(&self) -> &[Loss] {
        &self.losses
    }

    fn pair(&self, id: ConvertId) -> &Convert {
        id.of(&self.pairs)
    }
}

/// Tells whether a double stands for the number that a text says; a text of other forms is left to whoever reads it.
pub(in crate::convert) fn is_number_of_a_double(text: &str) -> bool {
    match number::Number::parse(text.trim()) {
        Ok(number) if text.contains(['e', 'E']) => number.double(None).is_ok() || number.is_shortest_of_a_double(),
        Ok(number) => number.double(None).is_ok(),
        Err(_) => text.len() <= NUMBER_DIGITS,
    }
}

impl Mistake {
    fn new(step: usize, key: &'static str, problem: String) -> Self {
        Self { step: Some(step), key, problem }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.step {
            Some(step) => write!(f, "mapping[{step}].{}: {}", self.key, self.problem),
            None => write!(f, "mapping: {}", self.problem),
        }
    }
}
