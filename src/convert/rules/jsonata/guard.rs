//! What hardened expressions call while they run: it counts the cost, and keeps numbers from being looked into.

use std::cell::Cell;
use std::rc::Rc;

use jsonata_core::evaluator::{Evaluator, EvaluatorError};
use jsonata_core::value::JValue;

use super::super::exact::Exact;
use super::super::limits::{COST, COST_PER_UNIT, REGEX_TEXT};
use super::rounding::{exact_result, is_exact_text};

/// How an expression uses a value. The names of the functions have a space, so that no expression can call them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// Moves it.
    Carry,
    /// Looks into it.
    Inspect,
    /// Makes a text of it.
    Text,
    /// Asks whether it is true.
    Truth,
}

/// The function that charges for what a function makes of its arguments.
pub(super) const CHARGE: &str = "sluice charge";

impl Use {
    pub(super) const ALL: [Self; 4] = [Self::Carry, Self::Inspect, Self::Text, Self::Truth];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Carry => "sluice carry",
            Self::Inspect => "sluice inspect",
            Self::Text => "sluice text",
            Self::Truth => "sluice truth",
        }
    }
}

/// Why a guard stopped an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stop {
    Cost,
    Inspected,
    RegexText,
    Rounded,
    Shortened,
}

impl Stop {
    pub(super) fn words(self) -> String {
        match self {
            Self::Cost => "it costs more than is allowed for a record of this size".into(),
            Self::Inspected => "it looks into a number that JSON cannot hold: beyond 2^53, infinite or none".into(),
            Self::Rounded => {
                "it computes a number that would be rounded: an integer beyond 2^53, or a text of too many digits"
                    .into()
            }
            Self::Shortened => {
                "it makes a text of a fraction that needs more than 15 digits, which would be rounded".into()
            }
            Self::RegexText => format!("a regular expression is run over more than {REGEX_TEXT} bytes"),
        }
    }
}

/// The meter of one evaluation.
#[derive(Debug)]
pub(super) struct Meter {
    left: Cell<u64>,
    stopped: Cell<Option<Stop>>,
    exact: Rc<Exact>,
}

impl Meter {
    /// Makes a meter for an expression over a message.
    pub(super) fn of(message: &JValue, exact: &Rc<Exact>) -> Rc<Self> {
        let meter = Self { left: Cell::new(u64::MAX), stopped: Cell::new(None), exact: Rc::clone(exact) };
        let counted = meter.look(message, Use::Carry);
        debug_assert_eq!(counted, Ok(()), "carrying stops for the cost only");
        let units = u64::MAX - meter.left.get();
        meter.left.set(COST.saturating_add(units.saturating_mul(COST_PER_UNIT)));
        Rc::new(meter)
    }

    /// Lets an evaluator call this meter.
    pub(super) fn register(self: &Rc<Self>, evaluator: &mut Evaluator) -> Result<(), EvaluatorError> {
        for of in Use::ALL {
            let meter = Rc::clone(self);
            evaluator.register_fn(of.name(), move |args: &[JValue]| {
                let value = args.first().cloned().unwrap_or(JValue::Undefined);
                meter.look(&value, of).map(|()| value).map_err(|stop| meter.stop(stop))
            })?;
        }
        let meter = Rc::clone(self);
        evaluator.register_fn(CHARGE, move |args: &[JValue]| {
            meter.charge(args).map(|()| JValue::Undefined).map_err(|stop| meter.stop(stop))
        })
    }

    /// Returns why a guard stopped the expression, if one did.
    pub(super) fn stopped(&self) -> Option<Stop> {
        self.stopped.get()
    }

    fn stop(&self, stop: Stop) -> EvaluatorError {
        self.stopped.set(Some(stop));
        EvaluatorError::EvaluationError("stopped by a guard".into())
    }

    fn pay(&self, units: u64) -> Result<(), Stop> {
        let left = self.left.get().checked_sub(units);
        self.left.set(left.unwrap_or(0));
        left.map(drop).ok_or(Stop::Cost)
    }

    /// Goes through a value, in all places where it stands; without recursion, since values may nest without end.
    fn look(&self, value: &JValue, of: Use) -> Result<(), Stop> {
        let mut rest = vec![value];
        while let Some(value) = rest.pop() {
            self.pay(1)?;
            match value {
                JValue::String(text) => self.text(text, of)?,
                JValue::Number(number) if of == Use::Text && !is_exact_text(*number) => return Err(Stop::Shortened),
                JValue::Array(items) => {
                    self.pay(items.len() as u64 / 16)?;
                    rest.extend(items.iter());
                }
                JValue::Object(fields) => {
                    for (name, value) in fields.iter() {
                        self.pay(name.len() as u64 / 16)?;
                        rest.push(value);
                    }
                }
                JValue::Null
                | JValue::Bool(_)
                | JValue::Number(_)
                | JValue::Undefined
                | JValue::Lambda(_)
                | JValue::Builtin { .. }
                | JValue::Regex { .. } => {}
            }
        }
        Ok(())
    }

    fn text(&self, text: &str, of: Use) -> Result<(), Stop> {
        self.pay(text.len() as u64 / 16)?;
        let is_looked_into = match of {
            Use::Carry => false,
            Use::Inspect | Use::Text => self.exact.is_within(text),
            Use::Truth => self.exact.is_nan(text),
        };
        if is_looked_into { Err(Stop::Inspected) } else { Ok(()) }
    }

    /// Charges for the result of a function that makes more than it takes; what it takes is paid for. A first argument that
    /// is not of its kind tells that the context stands before it, and is looked into.
    fn charge(&self, args: &[JValue]) -> Result<(), Stop> {
        let [name, context, args @ ..] = args else { return Ok(()) };
        let name = name.as_str().unwrap_or_default();
        let is_direct = match name {
            "fromMillis" | "formatNumber" => !matches!(args.first(), Some(JValue::String(_))),
            "substring" | "pad" | "split" | "match" | "replace" => match args {
                [JValue::String(_), JValue::Number(_), ..] => name != "split",
                [JValue::String(_), _, JValue::Number(_)] => name != "replace",
                [JValue::String(_) | JValue::Undefined, ..] => true,
                _ => false,
            },
            _ => true,
        };
        match args {
            [] => Ok(()),
            [text, rest @ ..] if is_direct => self.charge_for(name, text, rest),
            rest => {
                self.look(context, Use::Inspect)?;
                self.charge_for(name, context, rest)
            }
        }
    }

    fn charge_for(&self, name: &str, text: &JValue, rest: &[JValue]) -> Result<(), Stop> {
        let bytes = |value: &JValue| value.as_str().map_or(0, str::len) as u64;
        let is_regex = rest.first().is_some_and(|pattern| !matches!(pattern, JValue::String(_) | JValue::Number(_)));
        let times = text.as_array().map_or_else(|| bytes(text), |items| items.len() as u64);
        match name {
            "+" | "-" | "*" | "/" | "%" | "power" | "number" | "sum" | "average" => {
                exact_result(name, text, rest.first()).then_some(()).ok_or(Stop::Rounded)
            }
            "match" | "contains" | "split" | "replace" if is_regex && times > REGEX_TEXT as u64 => Err(Stop::RegexText),
            // An item for each character, at worst.
            "match" | "split" => self.pay(times.saturating_mul(4)),
            "join" => self.pay(times.saturating_mul(rest.first().map_or(0, bytes)) / 16),
            "replace" => self.pay((times + 1).saturating_mul(rest.get(1).map_or(0, bytes)) / 16),
            "pad" => self.pay(width(rest.first())),
            _ => Ok(()),
        }
    }
}

/// Returns what a text of this many characters costs.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float becomes the nearest integer there is"
)]
fn width(value: Option<&JValue>) -> u64 {
    value.and_then(JValue::as_f64).map_or(0, |width| width.abs() as u64)
}
