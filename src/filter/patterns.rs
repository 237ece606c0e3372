//! Regular expressions, each compiled once: the library compiles them for every record.

use std::cell::RefCell;
use std::collections::HashMap;

use cel::ExecutionError;
use cel::common::types::{CelBool, CelString};
use cel::common::value::CowVal;
use regex::{Regex, RegexBuilder};

/// The largest compiled expression, in bytes: a pattern may be a record's.
const SIZE: usize = 1 << 20;
/// Expressions that are kept: more than anybody writes. Beyond it they are compiled each time.
const KEPT: usize = 16;

thread_local! {
    static COMPILED: RefCell<HashMap<String, Regex>> = RefCell::default();
}

/// Compiles a pattern.
pub(super) fn compile(pattern: &str) -> Result<Regex, regex::Error> {
    RegexBuilder::new(pattern).size_limit(SIZE).build()
}

/// CEL's `matches`: whether a text has a match anywhere.
pub(super) fn matches<'b, 'v>(arguments: Vec<CowVal<'b, 'v>>) -> Result<CowVal<'b, 'v>, ExecutionError> {
    let text = |index: usize| {
        let text = arguments.get(index).and_then(|argument| argument.downcast_ref::<CelString<'_>>());
        text.map(CelString::inner).ok_or_else(|| ExecutionError::function_error("matches", "no text"))
    };
    is_match(text(0)?, text(1)?).map(|is_match| CowVal::owned(CelBool::from(is_match)))
}

fn is_match(text: &str, pattern: &str) -> Result<bool, ExecutionError> {
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(pattern) {
            return Ok(regex.is_match(text));
        }
        let regex = compile(pattern).map_err(|error| ExecutionError::function_error("matches", error))?;
        let is_match = regex.is_match(text);
        if compiled.len() < KEPT {
            compiled.insert(pattern.to_owned(), regex);
        }
        Ok(is_match)
    })
}
