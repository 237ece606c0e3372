//! The registry's migration rules: what a chain of versions says of moving a record from one to another.
//!
//! ```text
//!  rule sets of the versions ─order─> steps ─jsonata─> Chain, once per pair
//!  Value ─json─> JSON ─rule─> JSON ─ … ─json─> Value of the target
//! ```
//!
//! They are run as Confluent's clients do (`AbstractKafkaSchemaSerDe`): upwards the rules of each version beyond the
//! writer's, downwards those of each version that is left, in reverse. What differs is never silent: a number that JSON
//! cannot hold is carried around the expression and comes back whole, or the record fails (`exact`); an expression
//! that cannot be bounded, or would not say the same twice, is refused when it is compiled (`jsonata`).

mod exact;
mod express;
mod json;
mod jsonata;
pub mod limits;
mod order;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

use self::exact::Exact;
pub(in crate::convert) use self::express::Express;
use self::jsonata::{Expression, Outcome};
use self::order::{Action, Step};
use super::Failure;
use super::pace::Allowance;
use super::value::{Codec, Mistake, Value};
use crate::registry::contract::{RuleKind, RuleSet};
use crate::schema::Version;
use crate::schema::avro::tree::{NodeId, Tree};

/// The rules of one pair of versions, compiled, in the order in which they run.
#[derive(Debug)]
pub struct Chain {
    rules: Vec<Rule>,
}

/// One rule.
#[derive(Debug)]
struct Rule {
    step: String,
    kind: RuleKind,
    expression: Expression,
    on_success: Action,
    on_failure: Action,
}

/// A version of the subject, and what its contract says. Soft-deleted versions count.
#[derive(Debug, Clone, Copy)]
pub struct Versioned<'a> {
    /// Its number.
    pub version: Version,
    /// Its rules, where it has any.
    pub rules: Option<&'a RuleSet>,
}

/// Why the rules of a pair cannot be run: no record of it has a way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}: {detail}", Subject(self))]
pub struct Problem {
    /// The version whose contract it is.
    pub version: Version,
    /// The rule, where it is one rule.
    pub rule: Option<String>,
    /// What stands against it, and what to do.
    pub detail: String,
}

/// What a problem is about.
struct Subject<'a>(&'a Problem);

impl std::fmt::Display for Subject<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Problem { version, rule, .. } = self.0;
        match rule {
            Some(rule) => write!(f, "rule '{rule}' of version {}", version.0),
            None => write!(f, "version {}", version.0),
        }
    }
}

impl Chain {
    /// Compiles the rules that lie between two versions of one subject, of which all are given, in any order.
    ///
    /// Returns none where no rule of this direction is in use: then the record moves by schema resolution.
    ///
    /// # Errors
    /// Where a rule cannot be run as it stands, or a version is gone for good whose rules would have been needed.
    pub fn compile(writer: Version, target: Version, versions: &[Versioned<'_>]) -> Result<Option<Self>, Problem> {
        let steps = order::steps(writer, target, versions)?;
        let rules = steps.into_iter().map(Rule::compile).collect::<Result<Vec<_>, _>>()?;
        Ok((!rules.is_empty()).then_some(Self { rules }))
    }

    /// Converts a datum of the writer's schema and appends that of the target.
    ///
    /// # Errors
    /// As [`apply`](Self::apply), or where the datum is damaged.
    pub(super) fn convert(
        &self,
        datum: &[u8],
        (writer, target): (&Codec, &Codec),
        allowance: &mut Allowance<'_>,
        out: &mut Vec<u8>,
    ) -> Result<(), Failure> {
        let value = writer.decode(datum).map_err(|mistake| failure(RULES, mistake))?;
        let value = self.run(&value, (writer, target), allowance)?;
        target.encode(&value, out).map_err(|mistake| failure(RULES, mistake))
    }

    /// Converts a value of the writer's schema to one of the target's: the rule that failed and why, or the field of the
    /// result that does not fit the target, with the last rule that has changed the message.
    fn run(
        &self,
        value: &Value,
        (writer, target): (&Codec, &Codec),
        allowance: &mut Allowance<'_>,
    ) -> Result<Value, Failure> {
        let mut exact = Exact::default();
        let message = json::read(value, whole(writer), &mut exact);
        let (mut message, exact) =
            message.and_then(|message| Ok((message, exact.shared()?))).map_err(|mistake| failure(RULES, mistake))?;
        let mut last = None;
        for rule in &self.rules {
            if let Some(changed) = rule.apply(&message, &exact, allowance)? {
                message = changed;
                last = Some(rule);
            }
        }
        json::write(&message, whole(target), &exact)
            .map_err(|mistake| failure(last.map_or(RULES.into(), |rule| rule.step.clone()), mistake))
    }
}

/// Returns the type that is a whole schema.
fn whole(codec: &Codec) -> (&Tree, NodeId) {
    (codec.tree(), codec.tree().root())
}

/// The step that fails where no rule is at fault.
const RULES: &str = "rules";

impl Rule {
    fn compile(step: Step<'_>) -> Result<Self, Problem> {
        let Step { version, rule, on_success, on_failure } = step;
        let name = rule.name.clone().unwrap_or_default();
        let problem = |detail: String| Problem { version, rule: Some(name.clone()), detail };
        match rule.executor.as_deref() {
            Some("JSONATA") => {}
            other => {
                let other = other.unwrap_or_default();
                return Err(problem(format!("type '{other}' is not supported in migration rules, JSONATA is")));
            }
        }
        let expression = Expression::compile(rule.expr.as_deref().unwrap_or_default()).map_err(problem)?;
        Ok(Self { step: format!("rule {name}"), kind: rule.kind, expression, on_success, on_failure })
    }

    /// Runs the rule; returns the new message where there is one.
    fn apply(
        &self,
        message: &jsonata::Json,
        exact: &jsonata::Shared,
        allowance: &mut Allowance<'_>,
    ) -> Result<Option<jsonata::Json>, Failure> {
        let outcome = self.expression.evaluate(message, exact, allowance);
        let (changed, why) = match (self.kind, outcome) {
            (_, Err(detail)) => (None, Some(detail)),
            (RuleKind::Condition, Ok(outcome)) if outcome.is_false() => {
                (None, Some("the condition does not hold".into()))
            }
            (RuleKind::Transform, Ok(Outcome::Null)) => (None, Some("the result is null".into())),
            (RuleKind::Transform, Ok(Outcome::Message(changed))) => (Some(changed), None),
            (RuleKind::Condition, Ok(_)) | (RuleKind::Transform, Ok(Outcome::Nothing)) => (None, None),
        };
        let action = match why {
            // What would come after it has no time.
            Some(_) if allowance.is_used_up() => Action::Fail,
            Some(_) => self.on_failure,
            None => self.on_success,
        };
        match (action, why) {
            (Action::None, _) => Ok(changed),
            (Action::Fail, why) => {
                let detail = why.unwrap_or(Cow::Borrowed("its onSuccess says so"));
                let mistake = Mistake { path: String::new(), detail: detail.into_owned() };
                Err(failure(self.step.clone(), mistake))
            }
        }
    }
}

fn failure(step: impl Into<Cow<'static, str>>, mistake: Mistake) -> Failure {
    Failure { step: step.into(), path: mistake.path, detail: mistake.detail }
}
