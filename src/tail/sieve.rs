//! Which records a condition takes: whatever it names of a record is decoded before it is asked.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::asking::Patience;
use super::codecs::Codecs;
use crate::config::Registry;
use crate::dead_letters::Letter;
use crate::filter::{Condition, Content, Misses, View};
use crate::record::{Part, Record, Value};
use crate::registry::client;

/// A condition at work.
#[derive(Debug)]
pub struct Sieve {
    condition: Arc<Condition>,
    /// None where no part is named: then the registry is not asked.
    codecs: Option<Codecs>,
    misses: Misses,
    runtime: Handle,
}

impl Sieve {
    /// Begins without any record; parts are decoded by the schemas of this registry.
    ///
    /// # Errors
    /// As [`Codecs::new`].
    pub fn new(
        condition: Arc<Condition>,
        (registry, patience): (&Registry, Patience),
        runtime: &Handle,
    ) -> Result<Self, client::Error> {
        let decodes = [Part::Key, Part::Value].into_iter().any(|part| condition.needs(part));
        let codecs = decodes.then(|| Codecs::new(registry, patience)).transpose()?;
        Ok(Self { condition, codecs, misses: Misses::default(), runtime: runtime.clone() })
    }

    /// Tells whether the condition holds for a record, which is a dead letter where `letter` is what it says. Blocks while the
    /// registry is asked.
    ///
    /// # Errors
    /// The registry does not answer, and the reading cannot wait for it.
    pub fn takes(&mut self, record: &Record<'_>, letter: Option<&Letter<'_>>) -> Result<bool, client::Error> {
        let value = match record.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Tombstone => None,
        };
        let mut content = |part, bytes| match &mut self.codecs {
            Some(codecs) if self.condition.needs(part) => self.runtime.block_on(content(codecs, (part, bytes), record)),
            _ => Content::Unasked,
        };
        let (key, value) = (content(Part::Key, record.key), content(Part::Value, value));
        if let Some(error) = self.codecs.as_mut().and_then(Codecs::failure) {
            return Err(error);
        }
        Ok(self.condition.holds(&View { record, letter, key, value }).unwrap_or_else(|why| {
            self.misses.add(why);
            false
        }))
    }

    /// Returns what is to be told of the registry and was not told yet.
    pub fn news(&mut self) -> Vec<String> {
        self.codecs.as_mut().map(Codecs::news).unwrap_or_default()
    }

    /// Returns how many records could not be judged, and why: they were not taken.
    pub fn misses(&mut self) -> &mut Misses {
        &mut self.misses
    }
}

async fn content(codecs: &mut Codecs, (part, bytes): (Part, Option<&[u8]>), record: &Record<'_>) -> Content {
    let Some(bytes) = bytes else { return Content::null() };
    match codecs.decode((part, bytes), record.headers).await {
        Ok((_, value, codec)) => Content::decoded(value, codec),
        // Keys are plain text more often than not.
        Err(undecoded) => match std::str::from_utf8(bytes) {
            Ok(text) if part == Part::Key && undecoded.schema.is_none() => Content::text(text),
            _ => Content::Unreadable(undecoded.reason),
        },
    }
}
