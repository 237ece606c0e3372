//! What an expression may call: CEL's standard functions, those on texts, and one of our own.

use std::time::UNIX_EPOCH;

use cel::common::types::{CelInt, CelString, STRING_TYPE};
use cel::common::value::CowVal;
use cel::{Env, ExecutionError, extensions};

use super::patterns;

/// The functions by name, macros left out: those are gone once an expression is parsed.
pub(super) const NAMES: &[&str] = &[
    "bool",
    "bytes",
    "charAt",
    "contains",
    "double",
    "dyn",
    "endsWith",
    "format",
    "hasValue",
    "indexOf",
    "int",
    "join",
    "lastIndexOf",
    "lowerAscii",
    "matches",
    "millis",
    "orValue",
    "replace",
    "reverse",
    "size",
    "split",
    "startsWith",
    "string",
    "substring",
    "trim",
    "type",
    "uint",
    "upperAscii",
];

/// The names of types, which `type()` is compared with.
pub(super) const TYPES: &[&str] =
    &["bool", "bytes", "double", "int", "list", "map", "null_type", "string", "type", "uint"];

/// Makes what expressions are compiled and run with.
pub(super) fn environment() -> Env {
    let mut env = Env::stdlib();
    env.add_extension(extensions::strings).expect("they are added once");
    env.add_overload("millis", "millis_string", vec![STRING_TYPE], millis).expect("no other function has this name");
    env.add_overload("matches", "matches_string", vec![STRING_TYPE, STRING_TYPE], patterns::matches)
        .expect("the library has none");
    env.add_member_overload("matches", "string_matches", STRING_TYPE, vec![STRING_TYPE], patterns::matches)
        .expect("the library has none");
    env
}

/// Reads a time as RFC 3339, in the milliseconds that Kafka counts.
fn millis<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = arguments.first().and_then(|argument| argument.downcast_ref::<CelString<'_>>());
    let time = text.and_then(|text| humantime::parse_rfc3339_weak(text.inner()).ok());
    let since = time.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let millis = since.and_then(|since| i64::try_from(since.as_millis()).ok());
    let millis = millis.ok_or_else(|| ExecutionError::function_error("millis", "no time"))?;
    Ok(CowVal::owned(CelInt::from(millis)))
}
