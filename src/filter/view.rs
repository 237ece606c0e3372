//! A record as an expression sees it.

use std::collections::HashMap;

use cel::common::types::{CelBytes, CelInt, CelMap, CelMapKey, CelNull, CelString};
use cel::common::value::{CowVal, Val};
use cel::context::VariableResolver;

use super::value;
use crate::convert::{Codec, Value};
use crate::dead_letters::Letter;
use crate::record::{Header, Part, Record};
use crate::schema::SchemaRef;

/// A part, as far as an expression needs it.
#[derive(Debug)]
pub enum Content {
    /// The expression does not name it.
    Unasked,
    /// What it is.
    Is(Box<dyn Val>),
    /// Why it cannot be decoded: a reason code, or another word.
    Unreadable(String),
}

impl Content {
    /// A null key or value.
    #[must_use]
    pub fn null() -> Self {
        Self::Is(Box::new(CelNull))
    }

    /// A text that names no schema.
    #[must_use]
    pub fn text(text: &str) -> Self {
        Self::Is(Box::new(CelString::from(text.to_owned())))
    }

    /// A datum decoded by its schema.
    #[must_use]
    pub fn decoded(value: Value, codec: &Codec) -> Self {
        Self::Is(value::of(value, (codec.tree(), codec.tree().root())))
    }
}

/// What an expression may look at.
#[derive(Debug)]
pub struct View<'a> {
    /// The record.
    pub record: &'a Record<'a>,
    /// What it says of itself, if it is a dead letter.
    pub letter: Option<&'a Letter<'a>>,
    /// Its key.
    pub key: Content,
    /// Its value.
    pub value: Content,
}

impl View<'_> {
    /// Returns why the part of this name cannot be decoded.
    pub(super) fn unreadable(&self, name: &str) -> Option<&str> {
        match (name, &self.key, &self.value) {
            ("key", Content::Unreadable(reason), _) | ("value", _, Content::Unreadable(reason)) => Some(reason),
            _ => None,
        }
    }

    fn of_letter(&self, name: &str) -> Option<CowVal<'_, '_>> {
        let letter = self.letter?;
        let (id, guid) = match letter.schema {
            Some(SchemaRef::Id(id)) => (Some(id.0), None),
            Some(SchemaRef::Guid(guid)) => (None, Some(guid)),
            None => (None, None),
        };
        Some(match name {
            "reason" => text(told(letter.reason)),
            "path" => text(letter.path),
            "detail" => text(told(letter.detail)),
            "part" => text(letter.part.map(Part::name)),
            "gate" => text(letter.gate),
            "subject" => text(letter.subject),
            "version" => number(letter.version),
            "schema_id" => number(id),
            "schema_guid" => guid.map_or_else(null, |guid| CowVal::owned(CelString::from(guid.to_string()))),
            "attempt" => number(letter.attempt),
            "source" => {
                let source = &letter.source;
                let entries = [
                    ("topic", text(source.topic)),
                    ("partition", number(source.partition)),
                    ("offset", number(source.offset)),
                    ("timestamp", number(source.timestamp)),
                ];
                CowVal::owned(CelMap::from(entries.into_iter().map(entry).collect::<HashMap<_, _>>()))
            }
            _ => return None,
        })
    }
}

impl VariableResolver for View<'_> {
    fn resolve<'b>(&'b self, name: &str) -> Option<CowVal<'b, 'b>> {
        let position = &self.record.position;
        match name {
            "topic" => Some(text(Some(position.topic))),
            "partition" => Some(number(Some(position.partition.0))),
            "offset" => Some(number(Some(position.offset.0))),
            "timestamp" => Some(number(self.record.timestamp)),
            "headers" => Some(headers(self.record.headers)),
            "key" => content(&self.key),
            "value" => content(&self.value),
            _ => self.of_letter(name),
        }
    }
}

fn content(content: &Content) -> Option<CowVal<'_, '_>> {
    match content {
        Content::Is(value) => Some(CowVal::Borrowed(&**value)),
        Content::Unasked | Content::Unreadable(_) => None,
    }
}

/// The headers by name; of several of one name the last one, as where dead letters are read.
fn headers<'b>(headers: &'b [Header<'b>]) -> CowVal<'b, 'b> {
    let value = |header: &Header<'b>| -> Box<dyn Val + 'b> {
        match header.value.map(|bytes| (std::str::from_utf8(bytes), bytes)) {
            Some((Ok(text), _)) => Box::new(CelString::from(text)),
            Some((Err(_), bytes)) => Box::new(CelBytes::from(bytes)),
            None => Box::new(CelNull),
        }
    };
    let entries = headers.iter().map(|header| (CelMapKey::from(header.name), value(header)));
    CowVal::owned(CelMap::from(entries.collect::<HashMap<_, _>>()))
}

fn entry<'b>((name, value): (&'static str, CowVal<'b, 'b>)) -> (CelMapKey<'b>, Box<dyn Val + 'b>) {
    (CelMapKey::from(name), value.into_owned())
}

fn told(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn text<'b>(text: Option<&'b str>) -> CowVal<'b, 'b> {
    text.map_or_else(null, |text| CowVal::owned(CelString::from(text)))
}

fn number<'b>(number: Option<impl Into<i64>>) -> CowVal<'b, 'b> {
    number.map_or_else(null, |number| CowVal::owned(CelInt::from(number.into())))
}

fn null<'b>() -> CowVal<'b, 'b> {
    CowVal::owned(CelNull)
}
