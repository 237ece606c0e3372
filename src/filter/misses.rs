//! Records that could not be judged, counted by why. What is told holds no value of a record.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use cel::ExecutionError;

use super::view::View;

/// Different reasons that are counted one by one.
const MOST: usize = 20;

/// How many records could not be judged, and why.
#[derive(Debug, Default)]
pub struct Misses {
    counts: BTreeMap<Cow<'static, str>, u64>,
    others: u64,
    /// Reasons that were told already.
    told: BTreeSet<Cow<'static, str>>,
}

impl Misses {
    /// Counts a record.
    pub fn add(&mut self, why: Cow<'static, str>) {
        if let Some(count) = self.counts.get_mut(&why) {
            *count += 1;
        } else if self.counts.len() < MOST {
            self.counts.insert(why, 1);
        } else {
            self.others += 1;
        }
    }

    /// Returns a line for each reason, the most frequent first.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut counts: Vec<_> = self.counts.iter().map(|(why, count)| (*count, why)).collect();
        counts.sort_by_key(|(count, why)| (std::cmp::Reverse(*count), *why));
        let further = (self.others > 0).then(|| line(self.others, "further reasons"));
        counts.into_iter().map(|(count, why)| line(count, why)).chain(further).collect()
    }

    /// Returns a line for each reason that was not returned here before.
    pub fn news(&mut self) -> Vec<String> {
        let Self { counts, told, .. } = self;
        if counts.len() == told.len() {
            return Vec::new();
        }
        counts.iter().filter(|(why, _)| told.insert((*why).clone())).map(|(why, count)| line(*count, why)).collect()
    }
}

fn line(count: u64, why: &str) -> String {
    let records = if count == 1 { "record" } else { "records" };
    format!("{count} {records}: {why}")
}

/// Says why an expression has no answer for a record. Names are told where they stand in the expression itself.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "the library's list is open, and what is new says nothing of its own"
)]
pub(super) fn words(error: &ExecutionError, expression: &str, view: &View<'_>) -> Cow<'static, str> {
    match error {
        ExecutionError::NoSuchKey(key) if expression.contains(key.as_str()) => format!("no such key '{key}'").into(),
        ExecutionError::NoSuchKey(_) => "no such key".into(),
        ExecutionError::UndeclaredReference(name) => match view.unreadable(name.trim_start_matches('.')) {
            Some(reason) => format!("{name} cannot be decoded: {reason}").into(),
            None => format!("no variable or function '{name}'").into(),
        },
        ExecutionError::NoSuchOverload(error) => {
            let types = error.argument_types().join(", ");
            format!("'{}' does not take ({types})", operator(error.function())).into()
        }
        ExecutionError::FunctionError { function, .. } => format!("'{function}' does not take such a value").into(),
        ExecutionError::UnexpectedType { want, .. } => format!("a value is of another type than {want}").into(),
        ExecutionError::UnsupportedBinaryOperator(operator, ..) => {
            format!("'{operator}' does not take values of these types").into()
        }
        ExecutionError::ValuesNotComparable(..) => "values of different types cannot be compared".into(),
        ExecutionError::Overflow(operator, ..) => format!("'{operator}' overflows").into(),
        ExecutionError::DivisionByZero(_) | ExecutionError::RemainderByZero(_) => "a division by zero".into(),
        ExecutionError::IndexOutOfBounds(_) => "an index beyond the end of a list".into(),
        ExecutionError::InvalidArgumentCount { expected, actual } => {
            format!("a function takes {expected} arguments, not {actual}").into()
        }
        _ => "the expression cannot be evaluated".into(),
    }
}

/// Returns an operator as it is written: CEL's names hold underscores for what it is applied to.
fn operator(name: &str) -> &str {
    match name {
        "_[_]" => "[]",
        "@in" => "in",
        "_._" => ".",
        "_?_:_" => "?:",
        name if name.contains(|c: char| c.is_alphanumeric()) => name,
        name => name.trim_matches('_'),
    }
}
