//! Whether a field's default can stand in for a value.
//!
//! A stored schema may carry a default that does not fit its field; that matters only to
//! a reader that needs it, whose client then fails on every record. The rules are those
//! of the specification as Java applies them: any branch of a union may take the default.

use serde_json::Value;

use super::limits;
use super::types::{Type, TypeId, Types};

/// Tells whether `value` is a default of the type, and counts the work in `steps`. What is beyond
/// [`limits::DEFAULT_WORK`] or [`limits::DEFAULT_NESTING`] is taken as fitting.
pub(super) fn fits(types: &Types, of: TypeId, value: &Value, steps: &mut usize) -> bool {
    let mut budget = limits::DEFAULT_WORK;
    let fits = fits_within(types, of, value, 0, &mut budget);
    *steps += limits::DEFAULT_WORK - budget;
    fits
}

fn fits_within(types: &Types, of: TypeId, value: &Value, level: usize, budget: &mut usize) -> bool {
    if level > limits::DEFAULT_NESTING || *budget == 0 {
        return true;
    }
    // Symbols are compared one by one, fields are looked up.
    let work = match types.get(of) {
        Type::Enum { symbols, .. } => symbols.len(),
        Type::Record { fields, .. } => fields.len(),
        _ => 1,
    };
    *budget = budget.saturating_sub(work.max(1));
    let mut fits = |of, value| fits_within(types, of, value, level + 1, budget);
    match types.get(of) {
        Type::Null => value.is_null(),
        Type::Boolean => value.is_boolean(),
        Type::Int | Type::Long | Type::Float | Type::Double => value.is_number(),
        Type::Bytes | Type::String | Type::Fixed { .. } => value.is_string(),
        Type::Enum { symbols, .. } => {
            value.as_str().is_some_and(|symbol| symbols.iter().any(|known| &**known == symbol))
        }
        Type::Array(item) => value.as_array().is_some_and(|items| items.iter().all(|value| fits(*item, value))),
        Type::Map(of) => value.as_object().is_some_and(|entries| entries.values().all(|value| fits(*of, value))),
        Type::Union(branches) => branches.iter().any(|&branch| fits(branch, value)),
        Type::Record { fields, .. } => value.as_object().is_some_and(|given| {
            let chosen = |name: &str| given.get(name);
            fields
                .iter()
                .all(|field| chosen(&field.name).or(field.default.as_ref()).is_some_and(|value| fits(field.of, value)))
        }),
    }
}
