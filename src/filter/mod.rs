//! Conditions on records, written in CEL, the Common Expression Language: `--filter` of `tail` and `dead-letters`.
//!
//! ```text
//!  text ─parse─> check (names, functions, nesting) ─> Condition, once
//!  record, letter, decoded parts ─> View ─Condition::holds─> yes | no | why nobody can say
//! ```
//! The expression is the user's and is refused before a record is read where it cannot hold of any; the values are those of
//! whoever may produce. So its length and nesting are bounded, since parser and interpreter recurse, and no value gets into a
//! message. Where a record cannot be judged (a field that it does not have), it is not taken, and [`Misses`] counts why.
//! A part is decoded by the caller, and only where the expression names it ([`Condition::needs`]).

mod check;
mod functions;
mod misses;
mod mistake;
mod patterns;
mod value;
mod view;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::sync::Arc;

use cel::{Context, Env, Program, Value};

pub use self::misses::Misses;
pub use self::mistake::Mistake;
pub use self::view::{Content, View};
use crate::panics::silently;
use crate::record::Part;

/// The longest expression, in bytes: chains of operators nest as deep as they are long.
pub const EXPRESSION_BYTES: usize = 4 << 10;
/// The deepest nesting of an expression as it is run, macros expanded.
pub const NESTING: usize = 250;
/// The stack that a parser may need for an expression of that length, generously.
const STACK: usize = 16 << 20;

/// What an expression speaks about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// Records of any topic.
    Records,
    /// Dead letters, and what their headers say.
    DeadLetters,
}

/// The variables of every record.
const OF_RECORDS: &[&str] = &["key", "value", "headers", "topic", "partition", "offset", "timestamp"];
/// What a dead letter says beyond that.
const OF_LETTERS: &[&str] = &[
    "reason",
    "path",
    "detail",
    "part",
    "gate",
    "subject",
    "version",
    "schema_id",
    "schema_guid",
    "source",
    "attempt",
];

impl Scope {
    /// Lists the variables that there are.
    pub fn variables(self) -> impl Iterator<Item = &'static str> {
        let letters = match self {
            Self::Records => &[][..],
            Self::DeadLetters => OF_LETTERS,
        };
        OF_RECORDS.iter().chain(letters).copied()
    }
}

/// A compiled expression.
pub struct Condition {
    text: String,
    program: Program,
    env: Arc<Env>,
    needs: check::Needs,
}

impl std::fmt::Debug for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Condition").field(&self.text).finish()
    }
}

impl Condition {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, or names what is not there.
    pub fn compile(text: &str, scope: Scope) -> Result<Self, Mistake> {
        if text.len() > EXPRESSION_BYTES {
            return Err(Mistake::whole(format!("it is longer than {EXPRESSION_BYTES} bytes"), scope));
        }
        stacker::grow(STACK, || {
            let env = Arc::new(functions::environment());
            let parsed = silently(|| env.compile(text));
            let parsed = parsed.ok_or_else(|| Mistake::whole("it breaks the parser of CEL", scope))?;
            let program = parsed.map_err(|errors| Mistake::parsing(text, &errors, scope))?;
            let needs = check::check(text, &program, &env, scope)?;
            Ok(Self { text: text.to_owned(), program, env, needs })
        })
    }

    /// Returns the expression as it was given.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Tells whether the expression names this part, so that it has to be decoded.
    #[must_use]
    pub fn needs(&self, part: Part) -> bool {
        match part {
            Part::Key => self.needs.key,
            Part::Value => self.needs.value,
        }
    }

    /// Tells whether the condition holds.
    ///
    /// # Errors
    /// Why nobody can say, without a value of the record.
    pub fn holds(&self, view: &View<'_>) -> Result<bool, Cow<'static, str>> {
        let mut context = Context::with_env(Arc::clone(&self.env));
        context.set_variable_resolver(view);
        match silently(|| self.program.execute(&context)) {
            Some(Ok(Value::Bool(holds))) => Ok(holds),
            Some(Ok(other)) => Err(format!("the expression is no condition: it gives {}", other.type_of()).into()),
            Some(Err(error)) => Err(misses::words(&error, &self.text, view)),
            None => Err("the interpreter of CEL breaks".into()),
        }
    }
}
