//! The state of a registry: what its log says, and what a command would add to the log.
//!
//! PURE. The log is the truth: [`Store::apply`] takes one record after the other and is the only way in which the state
//! changes. A [`Command`] is decided on a state and yields the records to append, so that whoever owns the log appends
//! first and applies what was read back. Records are those of Confluent's `_schemas` topic.
//!
//! ```text
//!  log ──apply──> Store ──queries──> answers
//!                   │
//!       Command ─decide─> records ──append──> log
//! ```
//!
//! A clone is cheap and shares all that both have in common: the applier makes the next state beside the one that is
//! being read. IDs count from 1 in each context and are never given twice; the same content has the same ID under every
//! subject of its context.

mod content;
mod context;
mod decide;
mod error;
mod judge;
mod log;
mod meanings;
pub mod names;
mod places;
mod query;
mod readings;
mod versions;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use rpds::{HashTrieMapSync, RedBlackTreeMapSync};

pub use content::Content;
pub use decide::{Command, Decision, Draft, Outcome, Retag};
pub use error::Error;
#[cfg(test)]
pub(crate) use judge::MAX_REFERENCES;
pub use log::LogRecord;
pub use names::{DEFAULT_CONTEXT, context_of};
pub use query::{Deleted, Found, Wanted};

use self::context::Context;
use self::log::{Change, Key};
use self::readings::Readings;
use self::versions::Stored;
use crate::registry::settings::{Compatibility, Config, Mode};
use crate::schema::{Reference, SchemaId, Subject, Version};

/// A version of a subject, as a reference names it.
type Place = (Subject, Version);

/// The state of a registry.
#[derive(Debug, Clone, Default)]
pub struct Store {
    contexts: RedBlackTreeMapSync<String, Context>,
    configs: RedBlackTreeMapSync<Option<Subject>, Arc<Config>>,
    modes: RedBlackTreeMapSync<Option<Subject>, Mode>,
    /// Who refers to a version, deleted or not.
    referrers: HashTrieMapSync<Place, Arc<BTreeSet<Place>>>,
    /// The keys that another registry has written in a form of its own, or in several; what is written under them again
    /// has the first.
    forms: HashTrieMapSync<Key, Arc<Vec<Vec<u8>>>>,
    readings: Readings,
}

impl Store {
    /// Makes an empty state in which every version goes with every other.
    #[must_use]
    pub fn unchecked() -> Self {
        let config = Config { compatibility_level: Some(Compatibility::None), ..Config::default() };
        let mut store = Self::default();
        store.configs.insert_mut(None, Arc::new(config));
        store
    }

    /// Takes one record of the log.
    ///
    /// # Errors
    /// [`Error::LogRecord`] and [`Error::IdTaken`]; all that there was stays, and the next record can be taken. The version
    /// and the ID of a schema that is not taken are not given to another one, which would write over its record.
    pub fn apply(&mut self, record: &LogRecord) -> Result<(), Error> {
        let Some(key) = Key::read(&record.key)? else { return Ok(()) };
        let read = Change::read(key.clone(), record.value.as_deref()).map_err(Error::from);
        let taken = read.and_then(|change| self.change(change, record.timestamp));
        if let (Err(_), Key::Schema { subject, version }) = (&taken, &key) {
            let id = log::id_in(record.value.as_deref().unwrap_or_default());
            self.with_context(context_of(subject), |context| context.reserve(subject, *version, id));
        }
        if key.bytes()? != record.key {
            self.note_form(key, &record.key);
        }
        taken
    }

    fn note_form(&mut self, key: Key, bytes: &[u8]) {
        let mut forms = self.forms.get(&key).cloned().unwrap_or_default();
        if !forms.iter().any(|form| form == bytes) {
            Arc::make_mut(&mut forms).push(bytes.to_vec());
            self.forms.insert_mut(key, forms);
        }
    }

    fn change(&mut self, change: Change, timestamp: i64) -> Result<(), Error> {
        match change {
            Change::Nothing => {}
            Change::Put { subject, version, id, content, deleted } => {
                self.put(&subject, version, Stored { id, deleted, timestamp }, content)?;
            }
            Change::Unknown { subject, version, id } => {
                self.with_context(context_of(&subject), |context| context.reserve(&subject, version, Some(id)));
            }
            Change::Remove { subject, version } => self.remove(&subject, version),
            Change::DeleteUpTo { subject, version } => {
                self.with_context(context_of(&subject), |context| context.delete_up_to(&subject, version));
            }
            Change::Clear(scope) => self.clear(&scope),
            Change::Config(scope, Some(config)) => self.configs.insert_mut(scope, Arc::new(config)),
            Change::Config(scope, None) => {
                self.configs.remove_mut(&scope);
            }
            Change::Mode(scope, Some(mode)) => self.modes.insert_mut(scope, mode),
            Change::Mode(scope, None) => {
                self.modes.remove_mut(&scope);
            }
            Change::Context(name, is_there) => {
                self.with_context(&name, |context| context.is_declared = is_there);
            }
            Change::Highest(highest) => {
                for (name, id) in highest {
                    self.with_context(&name, |context| context.highest = context.highest.max(id));
                }
            }
        }
        Ok(())
    }

    /// Changes a context, which is made where there is none.
    fn with_context<T>(&mut self, name: &str, change: impl FnOnce(&mut Context) -> T) -> T {
        // In place where nobody else looks at it: a log of 100,000 schemas is read so.
        if let Some(context) = self.contexts.get_mut(name) {
            return change(context);
        }
        let mut context = Context::default();
        let result = change(&mut context);
        self.contexts.insert_mut(name.to_owned(), context);
        result
    }

    fn put(&mut self, subject: &Subject, version: Version, stored: Stored, content: Content) -> Result<(), Error> {
        let name = context_of(subject);
        let id = stored.id;
        let known = self.contexts.get(name).and_then(|context| context.schemas.get(&id));
        if known.is_some_and(|known| known.content.text != content.text) {
            return Err(Error::IdTaken { id, context: name.to_owned(), subject: subject.clone(), version });
        }
        // Whoever takes the place of another version refers to something else.
        self.unrefer(subject, version);
        for reference in &content.references {
            let target = target(subject, reference);
            let mut referrers = self.referrers.get(&target).cloned().unwrap_or_default();
            Arc::make_mut(&mut referrers).insert((subject.clone(), version));
            self.referrers.insert_mut(target, referrers);
        }
        self.with_context(name, |context| context.put(subject, version, stored, content));
        Ok(())
    }

    fn remove(&mut self, subject: &Subject, version: Version) {
        self.unrefer(subject, version);
        if self.contexts.contains_key(context_of(subject)) {
            self.with_context(context_of(subject), |context| context.remove(subject, version));
        }
    }

    /// Takes a version out of the lists of those that it refers to.
    fn unrefer(&mut self, subject: &Subject, version: Version) {
        let Some(content) = self.content_at(subject, version) else { return };
        for reference in &content.references {
            let target = target(subject, reference);
            let Some(mut referrers) = self.referrers.get(&target).cloned() else { continue };
            Arc::make_mut(&mut referrers).remove(&(subject.clone(), version));
            if referrers.is_empty() {
                self.referrers.remove_mut(&target);
            } else {
                self.referrers.insert_mut(target, referrers);
            }
        }
    }

    /// Drops what is soft-deleted in a scope: a subject, or a whole context.
    fn clear(&mut self, scope: &Subject) {
        let (name, short) = names::parts(&scope.0);
        let Some(context) = self.contexts.get(name) else { return };
        let is_in = |subject: &Subject| short.is_empty() || subject == scope;
        let in_scope = context.subjects.iter().filter(|(subject, _)| is_in(subject));
        let deleted: Vec<Place> = in_scope
            .flat_map(|(subject, versions)| versions.iter().map(move |(version, stored)| (subject, *version, stored)))
            .filter(|(_, _, stored)| stored.deleted)
            .map(|(subject, version, _)| (subject.clone(), version))
            .collect();
        for (subject, version) in deleted {
            self.remove(&subject, version);
        }
    }

    fn stored_at(&self, subject: &Subject, version: Version) -> Option<Stored> {
        self.contexts.get(context_of(subject))?.subjects.get(subject)?.get(&version).copied()
    }

    fn content_at(&self, subject: &Subject, version: Version) -> Option<Arc<Content>> {
        self.contexts.get(context_of(subject))?.content(subject, version)
    }

    /// Writes the record of a change, its key in the form that the log has it in. What is deleted is so in all forms: one
    /// that was left would come back once the log is compacted.
    fn records(&self, change: &Change) -> Result<Vec<LogRecord>, Error> {
        let (key, value) = change.write()?;
        let own = key.bytes()?;
        let record = |key, value| LogRecord { key, value, timestamp: 0 };
        let forms = self.forms.get(&key).map(|forms| forms.as_slice()).unwrap_or_default();
        Ok(match (value, forms) {
            (value, []) => vec![record(own, value)],
            (Some(value), [first, ..]) => vec![record(first.clone(), Some(value))],
            (None, forms) => forms.iter().cloned().chain([own]).map(|key| record(key, None)).collect(),
        })
    }

    /// Counts subjects and schemas of all contexts.
    #[must_use]
    pub fn size(&self) -> (usize, usize) {
        let sizes = self.contexts.values().map(|context| (context.subjects.size(), context.schemas.size()));
        sizes.fold((0, 0), |(subjects, schemas), (more, others)| (subjects + more, schemas + others))
    }

    /// Returns the highest IDs that were given, by context.
    fn highest(&self) -> BTreeMap<String, i32> {
        let given = self.contexts.iter().filter(|(_, context)| context.highest > 0);
        given.map(|(name, context)| (name.clone(), context.highest)).collect()
    }
}

/// Returns the version that a schema under this subject refers to: without a context it is in the same one.
fn target(subject: &Subject, reference: &Reference) -> Place {
    (names::qualified(context_of(subject), &reference.subject.0), reference.version)
}

/// Joins an error and its causes.
fn plain_chain(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Returns the ID after this one.
fn next_id(highest: i32) -> Result<SchemaId, Error> {
    highest.checked_add(1).map(SchemaId).ok_or(Error::Exhausted("IDs"))
}

#[cfg(test)]
mod tests;
