//! Texts that are cut and put together, so that the one undoes the other.

use std::borrow::Cow;

use super::apply::{Made, Trouble, into};
use super::budget::{Budget, VALUE};
use super::make::{TextInto, TextOf};
use super::places::content;
use crate::convert::Value;

impl TextOf {
    pub(super) fn text<'v>(&self, value: &'v Value) -> Made<Cow<'v, str>> {
        let Some(caster) = &self.0 else { return text(value).map(Cow::Borrowed) };
        match caster.cast(content(value)).map_err(Trouble::new)? {
            Value::String(text) => Ok(Cow::Owned(text)),
            _ => Err(Trouble::foreign()),
        }
    }
}

impl TextInto {
    pub(super) fn value(&self, text: String) -> Made<Value> {
        let value = Value::String(text);
        let value = match &self.caster {
            Some(caster) => caster.cast(&value).map_err(Trouble::new)?,
            None => value,
        };
        Ok(into(self.branch, value))
    }
}

/// Takes one part of a text of so many; the last one has the rest.
pub(super) fn split<'t>(text: &'t str, by: &str, part: usize, of: usize) -> Made<&'t str> {
    let parts: Vec<&str> = text.splitn(of, by).collect();
    match parts.len() == of {
        true => Ok(parts[part]),
        false => Err(Trouble::new(format!("the text has {} parts, and {of} are needed", parts.len()))),
    }
}

pub(super) fn split_all(
    budget: &Budget<'_>,
    text: &str,
    by: &str,
    branch: Option<usize>,
    item: &TextInto,
) -> Made<Value> {
    budget.pay(2 * VALUE)?;
    budget.look(text)?;
    // No text is no item: one that is empty is joined to the same, which is why that is refused.
    let parts = text.split(by).filter(|_| !text.is_empty());
    let value = |(index, part): (usize, &str)| {
        let made = budget.pay(part.len()).and_then(|()| item.value(part.to_owned()));
        made.and_then(|value| budget.made(value)).map_err(|trouble| trouble.within(&format!("[{index}]")))
    };
    Ok(into(branch, Value::Array(parts.enumerate().map(value).collect::<Made<_>>()?)))
}

pub(super) fn join_all(budget: &Budget<'_>, array: &Value, item: &TextOf, by: &str, target: &TextInto) -> Made<Value> {
    let Value::Array(items) = array else { return Err(Trouble::foreign()) };
    let text = |value| {
        let text = item.text(value)?;
        budget.pay(VALUE + 2 * (text.len() + by.len()))?;
        Ok(text)
    };
    let texts = items.iter().map(text).collect::<Made<Vec<_>>>()?;
    let joined = texts.join(by);
    let again = joined.split(by).filter(|_| !joined.is_empty());
    match again.eq(texts.iter()) {
        true => target.value(joined),
        false => {
            Err(Trouble::new("an item holds the separator, or is the only one and empty: it could not be split again"))
        }
    }
}

pub(super) fn text(value: &Value) -> Made<&str> {
    match content(value) {
        Value::String(text) => Ok(text),
        _ => Err(Trouble::foreign()),
    }
}
