//! Whether a field's default can stand in for a value.
//!
//! A stored schema may carry a default that does not fit its field; that matters only to
//! a reader that needs it, whose client then fails on every record. The rules are those
//! of the specification as Java applies them: any branch of a union may take the default.

use serde_json::Value;

use super::types::{Type, TypeId, Types};

/// Tells whether `value` is a default of the type. The work is bounded by the value, except for records
/// whose own defaults are asked for: those are followed to [`NESTING`] levels and then taken as fitting.
pub(super) fn fits(types: &Types, of: TypeId, value: &Value) -> bool {
    let mut budget = WORK;
    fits_within(types, of, value, 0, &mut budget)
}

/// Levels to which defaults of defaults are followed: a recursive record may ask for itself.
const NESTING: usize = 128;

/// Types looked at for one default, so that defaults that fan out through named records stay cheap.
const WORK: usize = 10_000;

fn fits_within(types: &Types, of: TypeId, value: &Value, level: usize, budget: &mut usize) -> bool {
    if level > NESTING || *budget == 0 {
        return true;
    }
    *budget -= 1;
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
