//! Which records a condition takes: whatever it names of a record is decoded before it is asked.

use std::sync::Arc;

use tokio::runtime::Handle;

use super::codecs::Codecs;
use crate::config::Registry;
use crate::dead_letters::Letter;
use crate::filter::{Condition, Content, Misses, View};
use crate::record::{Part, Record, Value};
use crate::registry::client::{self, Client};

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
    /// As [`Client::new`].
    pub fn new(condition: Arc<Condition>, registry: &Registry, runtime: &Handle) -> Result<Self, client::Error> {
        let decodes = [Part::Key, Part::Value].into_iter().any(|part| condition.needs(part));
        let codecs = if decodes { Some(Codecs::new(Client::new(registry)?)) } else { None };
        Ok(Self { condition, codecs, misses: Misses::default(), runtime: runtime.clone() })
    }

    /// Tells whether the condition holds for a record, which is a dead letter where `letter` is what it says. Blocks while the
    /// registry is asked.
    pub fn takes(&mut self, record: &Record<'_>, letter: Option<&Letter<'_>>) -> bool {
        let value = match record.value {
            Value::Bytes(bytes) => Some(bytes),
            Value::Tombstone => None,
        };
        let mut content = |part, bytes| match &mut self.codecs {
            Some(codecs) if self.condition.needs(part) => self.runtime.block_on(content(codecs, (part, bytes), record)),
            _ => Content::Unasked,
        };
        let (key, value) = (content(Part::Key, record.key), content(Part::Value, value));
        match self.condition.holds(&View { record, letter, key, value }) {
            Ok(holds) => holds,
            Err(why) => {
                self.misses.add(why);
                false
            }
        }
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
