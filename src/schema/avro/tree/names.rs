//! Names as a schema's text gives them, and what bounds them.

use serde_json::{Map, Value};

use super::super::{Error, limits};
use super::{Name, Primitive};

/// Reads the names of a named type.
pub(super) fn name_of(object: &Map<String, Value>, kind: &str, namespace: &str) -> Result<Name, Error> {
    let name = object.get("name").and_then(Value::as_str).ok_or_else(|| malformed(kind, "has no name"))?;
    let full = full_name(name, object.get("namespace").and_then(Value::as_str).unwrap_or(namespace));
    short(&full)?;
    if Primitive::of(&full).is_some() {
        return Err(malformed(kind, format!("may not be named '{full}', as a primitive type is")));
    }
    let aliases = aliases_of(object.get("aliases"), |alias| full_name(alias, namespace_of(&full)))?;
    Ok(Name { full, aliases })
}

/// Reads aliases: the strings of a list, and nothing of what is no list.
pub(super) fn aliases_of(list: Option<&Value>, alias: impl Fn(&str) -> Box<str>) -> Result<Vec<Box<str>>, Error> {
    let list = list.and_then(Value::as_array).into_iter().flatten();
    let aliases: Vec<Box<str>> = list.filter_map(Value::as_str).map(alias).collect();
    few("aliases of one name", aliases.len(), limits::ALIASES)?;
    aliases.iter().try_for_each(|alias| short(alias))?;
    Ok(aliases)
}

pub(super) fn few(what: &'static str, found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooMany { what, limit }) } else { Ok(()) }
}

pub(super) fn short(name: &str) -> Result<(), Error> {
    let (found, limit) = (name.len(), limits::NAME_BYTES);
    if found > limit { Err(Error::LongName { found, limit }) } else { Ok(()) }
}

/// Returns the full name: a dot in the name means that it brings its namespace along.
pub(super) fn full_name(name: &str, namespace: &str) -> Box<str> {
    match name.rsplit_once('.') {
        Some(("", bare)) => bare.into(),
        Some(_) => name.into(),
        None if namespace.is_empty() => name.into(),
        None => format!("{namespace}.{name}").into(),
    }
}

pub(super) fn namespace_of(full: &str) -> &str {
    full.rsplit_once('.').map_or("", |(namespace, _)| namespace)
}

pub(super) fn malformed(at: &str, problem: impl Into<String>) -> Error {
    Error::Malformed { at: at.into(), problem: problem.into() }
}

pub(super) fn within(found: usize, limit: usize) -> Result<(), Error> {
    if found > limit { Err(Error::TooLong { found, limit }) } else { Ok(()) }
}
