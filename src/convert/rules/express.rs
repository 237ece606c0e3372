//! One expression that makes a value of a type from a value of another: a mapping's step `jsonata`.
//!
//! What holds for rules holds here: the same encoding as JSON, the same guards, the same care for numbers.

use std::sync::Arc;

use super::exact::Exact;
use super::json;
use super::jsonata::{Expression, Outcome};
use crate::convert::pace::Allowance;
use crate::convert::value::{Mistake, Value};
use crate::schema::avro::tree::{NodeId, Tree};

/// An expression with the types on both sides.
#[derive(Debug)]
pub(in crate::convert) struct Express {
    expression: Expression,
    from: (Arc<Tree>, NodeId),
    to: (Arc<Tree>, NodeId),
}

impl Express {
    /// Compiles an expression, and says in words why it cannot be run.
    pub(in crate::convert) fn compile(
        text: &str,
        from: (Arc<Tree>, NodeId),
        to: (Arc<Tree>, NodeId),
    ) -> Result<Self, String> {
        Ok(Self { expression: Expression::compile(text)?, from, to })
    }

    /// Makes a value; `None` where the expression has no result.
    pub(in crate::convert) fn run(
        &self,
        value: &Value,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<Value>, Mistake> {
        let mut exact = Exact::default();
        let message = json::read(value, (&self.from.0, self.from.1), &mut exact)?;
        let exact = exact.shared()?;
        let outcome = self.expression.evaluate(&message, &exact, allowance);
        let result = match outcome.map_err(|detail| Mistake { path: String::new(), detail: detail.into_owned() })? {
            Outcome::Nothing => return Ok(None),
            Outcome::Null => super::jsonata::Json::Null,
            Outcome::Message(result) => result,
        };
        json::write(&result, (&self.to.0, self.to.1), &exact).map(Some)
    }
}
