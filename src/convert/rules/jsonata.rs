//! JSONata expressions, bounded: compiled once per rule, run once per record.
//!
//! The language is `jsonata-core`'s; it has limits for time, recursion and sequences, but none for what one call costs or
//! for the size of values, and its numbers are doubles. So an expression is rewritten when it is compiled (`harden`): what
//! may multiply a value, and what looks into one, is led through a guard (`guard`), which counts the cost by the size of
//! the record and stops what would look into a number that JSON cannot hold. What cannot be bounded that way, or would
//! not say the same twice, is refused. No text of the record gets into a message: library errors are told by their code.

mod builtins;
mod guard;
#[expect(clippy::wildcard_enum_match_arm, reason = "most of the language is passed on as it is")]
mod harden;
mod rounding;

#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::rc::Rc;

use jsonata_core::ast::AstNode;
use jsonata_core::evaluator::{Context, Evaluator, EvaluatorError, EvaluatorOptions};
use jsonata_core::parser;
use jsonata_core::value::JValue;

use self::guard::Meter;
use super::exact::Exact;
use super::limits::{EXPRESSION_BYTES, EXPRESSION_NESTING, RECURSION, SEQUENCE};
use crate::convert::pace::Allowance;
use crate::panics::silently;

/// A message between two rules.
pub(super) type Json = JValue;

/// The numbers that are carried around expressions.
pub(super) type Shared = Rc<Exact>;

/// A compiled expression.
#[derive(Debug)]
pub(super) struct Expression {
    ast: AstNode,
}

/// What an expression says.
#[derive(Debug)]
pub(super) enum Outcome {
    /// Nothing: the message stays as it is.
    Nothing,
    /// The null of JSON.
    Null,
    /// Anything else.
    Message(Json),
}

impl Outcome {
    /// Tells whether a condition fails by this, as Jackson's `asBoolean(true)` does: only what says so is false.
    pub(super) fn is_false(&self) -> bool {
        match self {
            Self::Message(JValue::Bool(value)) => !value,
            Self::Message(JValue::Number(value)) => *value == 0.0,
            Self::Message(JValue::String(text)) => text.trim() == "false",
            Self::Message(_) | Self::Nothing | Self::Null => false,
        }
    }
}

impl Expression {
    /// Compiles an expression.
    ///
    /// # Errors
    /// Where it is none, or may not be run.
    pub(super) fn compile(text: &str) -> Result<Self, String> {
        if text.len() > EXPRESSION_BYTES {
            return Err(format!("the expression is longer than {EXPRESSION_BYTES} bytes"));
        }
        if nesting(text) > EXPRESSION_NESTING {
            return Err(format!("the expression nests deeper than {EXPRESSION_NESTING} levels"));
        }
        let parsed = silently(|| parser::parse(text)).ok_or_else(|| "the expression breaks its parser".to_owned())?;
        let ast = harden::harden(parsed.map_err(|error| error.to_string())?)?;
        Ok(Self { ast })
    }

    /// Runs the expression over a message. One that took too long is run again, since the machine may have stood still.
    ///
    /// # Errors
    /// Why it failed, without values of the message.
    pub(super) fn evaluate(
        &self,
        message: &Json,
        exact: &Shared,
        allowance: &mut Allowance<'_>,
    ) -> Result<Outcome, Cow<'static, str>> {
        loop {
            let meter = Meter::of(message, exact);
            let error = match self.run(message, &meter, allowance.left()) {
                Ok(JValue::Undefined) => return Ok(Outcome::Nothing),
                Ok(JValue::Null) => return Ok(Outcome::Null),
                Ok(value) => return Ok(Outcome::Message(value)),
                Err(error) => error,
            };
            match error.code() {
                Some("D1012") if allowance.again() => {}
                Some("D1012") => return Err(allowance.words().into()),
                code => return Err(why(&meter, code)),
            }
        }
    }

    fn run(&self, message: &Json, meter: &Rc<Meter>, time_ms: u64) -> Result<Json, EvaluatorError> {
        let options = EvaluatorOptions {
            timeout_ms: Some(time_ms),
            max_stack_depth: Some(RECURSION),
            max_sequence_length: Some(SEQUENCE),
            ..EvaluatorOptions::default()
        };
        let mut evaluator = Evaluator::with_options(Context::new(), options);
        meter.register(&mut evaluator)?;
        silently(|| evaluator.evaluate(&self.ast, message))
            .unwrap_or_else(|| Err(EvaluatorError::EvaluationError("the evaluator broke".into())))
    }
}

/// Says why an evaluation failed.
fn why(meter: &Meter, code: Option<&str>) -> Cow<'static, str> {
    if let Some(stop) = meter.stopped() {
        return stop.words().into();
    }
    match code {
        Some("D1011" | "U1001") => format!("it recurses deeper than {RECURSION} levels").into(),
        Some("D2014" | "D2015") => format!("a sequence grows longer than {SEQUENCE}").into(),
        Some("D3137" | "D3141") => "it says so itself, by $error or $assert".into(),
        Some(code) => format!("JSONata's error {code}").into(),
        None => "JSONata fails".into(),
    }
}

/// Returns the deepest nesting of brackets; those in texts count, since nobody writes that many.
fn nesting(text: &str) -> usize {
    let (mut level, mut deepest) = (0usize, 0);
    for byte in text.bytes() {
        match byte {
            b'(' | b'[' | b'{' => level += 1,
            b')' | b']' | b'}' => level = level.saturating_sub(1),
            _ => {}
        }
        deepest = deepest.max(level);
    }
    deepest
}
