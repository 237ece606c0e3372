//! What a new schema must keep to besides being readable: names and defaults, by the specification as Java reads it.

use serde_json::Value;

use super::super::{Error, limits};
use super::{Field, Kind, NodeId, Primitive, Tree, write};

/// Judges all names and defaults.
pub(super) fn check(tree: &Tree) -> Result<(), Error> {
    for node in &tree.nodes {
        if let Some(name) = &node.name {
            for full in std::iter::once(&name.full).chain(&name.aliases) {
                full.split('.').try_for_each(check_name)?;
            }
        }
        match &node.kind {
            Kind::Enum { symbols, .. } => symbols.iter().try_for_each(|symbol| check_name(symbol))?,
            Kind::Record { fields, .. } => fields.iter().try_for_each(|field| check_field(tree, field))?,
            Kind::Primitive(_) | Kind::Array(_) | Kind::Map(_) | Kind::Union(_) | Kind::Fixed { .. } => {}
        }
    }
    Ok(())
}

fn check_name(name: &str) -> Result<(), Error> {
    match name_problem(name) {
        Some(problem) => Err(Error::Malformed { at: format!("name '{name}'"), problem: format!("is {problem}") }),
        None => Ok(()),
    }
}

/// Says what is wrong with a name without a namespace.
pub(super) fn name_problem(name: &str) -> Option<&'static str> {
    match name.chars().next() {
        None => Some("an empty name"),
        Some(first) if !first.is_ascii_alphabetic() && first != '_' => {
            Some("a name that begins with something else than a letter or '_'")
        }
        Some(_) if name.chars().any(|c| !c.is_ascii_alphanumeric() && c != '_') => {
            Some("a name with something else than letters, digits and '_'")
        }
        Some(_) => None,
    }
}

fn check_field(tree: &Tree, field: &Field) -> Result<(), Error> {
    check_name(&field.name)?;
    match default_problem(tree, field) {
        Some(problem) => Err(Error::Malformed { at: format!("field '{}'", field.name), problem }),
        None => Ok(()),
    }
}

/// Says what is wrong with the default of a field.
pub(super) fn default_problem(tree: &Tree, field: &Field) -> Option<String> {
    let default = field.default.as_ref()?;
    let mut budget = limits::DEFAULT_WORK;
    if fits(tree, field.of, Some(default), 0, &mut budget) {
        return None;
    }
    let mut written = String::new();
    write::json(&mut written, default);
    let kind = tree.get(field.of).kind.word();
    Some(format!("has the default {written}, which does not fit its type {kind}"))
}

/// Tells whether a value is a default of the type. What takes more than [`limits::DEFAULT_WORK`] to find out is not.
fn fits(tree: &Tree, of: NodeId, value: Option<&Value>, level: usize, budget: &mut usize) -> bool {
    let Some(value) = value else { return false };
    if level > limits::DEFAULT_NESTING || *budget == 0 {
        return false;
    }
    *budget -= 1;
    let mut fits = |of: &NodeId, value| fits(tree, *of, Some(value), level + 1, budget);
    match &tree.get(of).kind {
        Kind::Primitive(primitive) => match primitive {
            Primitive::Null => value.is_null(),
            Primitive::Boolean => value.is_boolean(),
            Primitive::Int => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
            Primitive::Long => value.is_i64(),
            Primitive::Float | Primitive::Double => value.is_number(),
            Primitive::Bytes | Primitive::String => value.is_string(),
        },
        Kind::Fixed { .. } | Kind::Enum { .. } => value.is_string(),
        Kind::Array(items) => value.as_array().is_some_and(|values| values.iter().all(|value| fits(items, value))),
        Kind::Map(values) => value.as_object().is_some_and(|members| members.values().all(|value| fits(values, value))),
        Kind::Union(branches) => branches.iter().any(|branch| fits(branch, value)),
        Kind::Record { fields, .. } => value.as_object().is_some_and(|given| {
            fields.iter().all(|field| {
                given.get(&*field.name).or(field.default.as_ref()).is_some_and(|value| fits(&field.of, value))
            })
        }),
    }
}
