//! What can be asked of the state. Nothing here changes it, waits or locks.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::context::Context;
use super::names::{self, Prefix};
use super::versions::{Stored, Versions};
use super::{Content, DEFAULT_CONTEXT, Error, Place, Store, context_of, judge};
use crate::registry::settings::{Compatibility, Config, Mode};
use crate::schema::avro::tree::Tags;
use crate::schema::{SchemaGuid, SchemaId, Subject, Version};

/// A version of a subject.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The subject.
    pub subject: Subject,
    /// The version.
    pub version: Version,
    /// The schema's ID.
    pub id: SchemaId,
    /// The schema.
    pub content: Arc<Content>,
    /// Whether it is soft-deleted.
    pub deleted: bool,
    /// When its record was written, in milliseconds since 1970; 0 where nobody says.
    pub timestamp: i64,
}

/// Which version of a subject is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// The newest that is not deleted.
    Latest,
    /// This one.
    Version(Version),
}

/// Which versions count by their deletion.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Deleted {
    /// Those that are not deleted.
    #[default]
    Without,
    /// All.
    With,
    /// Those that are soft-deleted.
    Only,
}

impl Deleted {
    pub(super) fn takes(self, deleted: bool) -> bool {
        match self {
            Self::Without => !deleted,
            Self::With => true,
            Self::Only => deleted,
        }
    }
}

impl Store {
    /// Finds a schema by ID; soft-deleted ones are still there. The subject says which context is meant. One that names none
    /// is looked for in all, its own first, and an ID that is not the subject's is still that of the context.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn by_id(&self, subject: Option<&str>, id: SchemaId) -> Result<Found, Error> {
        self.placed(subject, id).and_then(|(subject, version)| self.at(subject, *version)).ok_or_else(|| unknown(id))
    }

    /// Returns the place that an ID and a subject mean together.
    fn placed(&self, subject: Option<&str>, id: SchemaId) -> Option<&Place> {
        let subject = names::normalised(subject.unwrap_or_default());
        let (name, short) = names::parts(&subject.0);
        let own = self.placed_in(name, short, id);
        if own.is_some() || short.is_empty() || name != DEFAULT_CONTEXT {
            return own;
        }
        let elsewhere = self.contexts.keys().find_map(|name| self.placed_in(name, short, id));
        elsewhere.or_else(|| self.placed_in(name, "", id))
    }

    /// Returns the newest place of an ID under what a context calls so, deleted or not; without that the first of all, rather
    /// one that is not deleted.
    fn placed_in(&self, context: &str, short: &str, id: SchemaId) -> Option<&Place> {
        let places = &self.contexts.get(context)?.schemas.get(&id)?.places;
        if !short.is_empty() {
            let subject = names::within(context, short);
            return places.iter().filter(|(of, _)| *of == subject).last();
        }
        let is_live =
            |(subject, version): &&Place| self.stored_at(subject, *version).is_some_and(|stored| !stored.deleted);
        places.iter().find(is_live).or_else(|| places.iter().next())
    }

    /// Finds a schema by GUID, in any context.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn by_guid(&self, guid: SchemaGuid) -> Result<Found, Error> {
        let in_context = |(name, context): (&String, &Context)| {
            let (subject, version) = self.placed_in(name, "", context.id_of_guid(guid)?)?;
            self.at(subject, *version)
        };
        self.contexts.iter().find_map(in_context).ok_or_else(|| Error::SchemaNotFound(guid.to_string()))
    }

    /// Lists the IDs of a GUID with their contexts; at least one.
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn ids(&self, guid: SchemaGuid) -> Result<Vec<(&str, SchemaId)>, Error> {
        let id_in = |(name, context): (&'_ String, &Context)| Some((name.clone(), context.id_of_guid(guid)?));
        let ids: Vec<_> = self.contexts.iter().filter_map(id_in).collect();
        if ids.is_empty() {
            return Err(Error::SchemaNotFound(guid.to_string()));
        }
        Ok(ids
            .into_iter()
            .filter_map(|(name, id)| Some((self.contexts.get_key_value(&name)?.0.as_str(), id)))
            .collect())
    }

    /// Lists where a schema is registered, by subject and version, in the context that ID and subject mean ([`Store::by_id`]).
    ///
    /// # Errors
    /// [`Error::SchemaNotFound`].
    pub fn places(
        &self,
        subject: Option<&str>,
        id: SchemaId,
        deleted: Deleted,
    ) -> Result<Vec<(Subject, Version)>, Error> {
        let (place, _) = self.placed(subject, id).ok_or_else(|| unknown(id))?;
        let registered = self.contexts.get(context_of(place)).and_then(|context| context.schemas.get(&id));
        let places = registered.ok_or_else(|| unknown(id))?.places.iter();
        let is_taken = |(subject, version): &&(Subject, Version)| {
            self.stored_at(subject, *version).is_some_and(|stored| deleted.takes(stored.deleted))
        };
        Ok(places.filter(is_taken).cloned().collect())
    }

    /// Lists the contexts that have been used.
    pub fn contexts(&self) -> impl Iterator<Item = &str> {
        let used = |(name, context): &(&String, &Context)| {
            *name == DEFAULT_CONTEXT || context.is_declared || !context.subjects.is_empty()
        };
        let default = (!self.contexts.contains_key(DEFAULT_CONTEXT)).then_some(DEFAULT_CONTEXT);
        default.into_iter().chain(self.contexts.iter().filter(used).map(|(name, _)| name.as_str()))
    }

    /// Lists subjects. One is deleted where all its versions are.
    pub fn subjects<'a>(&'a self, prefix: &'a Prefix, deleted: Deleted) -> impl Iterator<Item = &'a Subject> {
        let contexts = self.contexts.iter().filter(|(name, _)| prefix.reaches(name));
        let subjects = contexts.flat_map(|(_, context)| context.subjects.iter());
        let is_taken = move |versions: &Versions| deleted.takes(versions.values().all(|stored| stored.deleted));
        subjects
            .filter(move |(subject, versions)| prefix.matches(subject) && is_taken(versions))
            .map(|(subject, _)| subject)
    }

    /// Lists the versions of a subject, oldest first.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] where there are none.
    pub fn versions(&self, subject: &Subject, deleted: Deleted) -> Result<Vec<Version>, Error> {
        let taken = |(version, stored): (&Version, &Stored)| deleted.takes(stored.deleted).then_some(*version);
        let versions: Vec<_> = self.all(subject)?.iter().filter_map(taken).collect();
        if versions.is_empty() { Err(Error::SubjectNotFound(subject.clone())) } else { Ok(versions) }
    }

    /// Finds a version of a subject. The latest is never a deleted one.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] and [`Error::VersionNotFound`].
    pub fn version(&self, subject: &Subject, wanted: Wanted, deleted: Deleted) -> Result<Found, Error> {
        self.check_any(subject, deleted)?;
        let versions = self.all(subject)?;
        let version = match wanted {
            Wanted::Version(version) => version,
            Wanted::Latest => {
                let live = versions.iter().rev().find(|(_, stored)| !stored.deleted);
                *live.ok_or(Error::VersionNotFound(Version(-1)))?.0
            }
        };
        let stored = versions.get(&version).filter(|stored| deleted.takes(stored.deleted));
        let stored = *stored.ok_or(Error::VersionNotFound(version))?;
        self.found(subject, version, stored).ok_or_else(|| unknown(stored.id))
    }

    /// Refuses a subject without versions.
    pub(super) fn check_any(&self, subject: &Subject, deleted: Deleted) -> Result<(), Error> {
        let is_any = self.all(subject)?.values().any(|stored| deleted.takes(stored.deleted));
        if is_any { Ok(()) } else { Err(Error::SubjectNotFound(subject.clone())) }
    }

    pub(super) fn at(&self, subject: &Subject, version: Version) -> Option<Found> {
        self.found(subject, version, self.stored_at(subject, version)?)
    }

    fn found(&self, subject: &Subject, version: Version, stored: Stored) -> Option<Found> {
        let Stored { id, deleted, timestamp } = stored;
        let content = self.content_at(subject, version)?;
        Some(Found { subject: subject.clone(), version, id, content, deleted, timestamp })
    }

    /// Finds a version of a subject; one that names no context is looked for in all where the default one lacks it.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] and [`Error::VersionNotFound`].
    pub fn version_anywhere(&self, subject: &Subject, wanted: Wanted, deleted: Deleted) -> Result<Found, Error> {
        let own = self.version(subject, wanted, deleted);
        own.or_else(|error| self.elsewhere(subject).find_map(|of| self.version(&of, wanted, deleted).ok()).ok_or(error))
    }

    /// Lists the subjects of the same name in other contexts; none for one that names its context.
    pub(super) fn elsewhere(&self, subject: &Subject) -> impl Iterator<Item = Subject> {
        let is_open = context_of(subject) == DEFAULT_CONTEXT;
        let others = self.contexts.keys().filter(move |name| is_open && *name != DEFAULT_CONTEXT);
        others.map(|name| names::within(name, &subject.0)).filter(|subject| self.all(subject).is_ok())
    }

    /// Finds the newest version of a subject with these properties; one without metadata has none.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`] and [`Error::ContentNotFound`].
    pub fn with_metadata(
        &self,
        subject: &Subject,
        wanted: &BTreeMap<&str, &str>,
        deleted: Deleted,
    ) -> Result<Found, Error> {
        self.check_any(subject, deleted)?;
        let fits = |found: &Found| {
            let Some(metadata) = &found.content.metadata else { return false };
            wanted.iter().all(|(key, value)| metadata.properties.get(*key).is_some_and(|found| found == value))
        };
        self.newest_first(subject, deleted).find(fits).ok_or(Error::ContentNotFound)
    }

    /// Returns the text of a schema with what it refers to in it.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`]: what another registry has stored may be none to us.
    pub fn resolved(&self, found: &Found) -> Result<String, Error> {
        let parsed = self.parsed(&found.subject, &found.content)?;
        parsed.tree().resolved().map_err(|error| judge::invalid(&found.content.text, &super::plain_chain(&error)))
    }

    /// Lists the tags in a schema.
    ///
    /// # Errors
    /// [`Error::InvalidSchema`]: what another registry has stored may be none to us.
    pub fn tags(&self, found: &Found) -> Result<Vec<Tags>, Error> {
        Ok(self.parsed(&found.subject, &found.content)?.tree().tags())
    }

    /// Returns the highest ID that a context has given.
    #[must_use]
    pub fn highest_id(&self, context: &str) -> i32 {
        self.contexts.get(context).map_or(0, |context| context.highest)
    }

    /// Lists the subjects that others of these names stand for, with those names.
    #[must_use]
    pub fn aliases(&self, prefix: &Prefix) -> BTreeMap<Subject, Vec<Subject>> {
        let mut found = BTreeMap::<_, Vec<_>>::new();
        for scope in self.configs.keys().flatten().filter(|scope| prefix.matches(scope)) {
            if let Some(subject) = self.meant(scope) {
                found.entry(subject).or_default().push(scope.clone());
            }
        }
        found
    }

    /// Returns the subject that a name stands for, if it is an alias: one of the same context unless it says otherwise.
    #[must_use]
    pub fn meant(&self, name: &Subject) -> Option<Subject> {
        let alias = self.own_config(Some(name))?.alias.as_deref().filter(|alias| !alias.is_empty())?;
        Some(names::qualified(context_of(name), alias))
    }

    /// Lists the versions of a subject with their schemas, oldest first.
    #[must_use]
    pub fn history(&self, subject: &Subject, deleted: Deleted) -> Vec<Found> {
        let mut versions: Vec<_> = self.newest_first(subject, deleted).collect();
        versions.reverse();
        versions
    }

    /// Lists them newest first, and looks only for those that are asked for.
    pub(super) fn newest_first(&self, subject: &Subject, deleted: Deleted) -> impl Iterator<Item = Found> {
        let versions = self.all(subject).into_iter().flat_map(|versions| versions.iter().rev());
        let versions = versions.filter(move |(_, stored)| deleted.takes(stored.deleted));
        versions.filter_map(|(version, stored)| self.found(subject, *version, *stored))
    }

    /// Lists the IDs of the schemas that refer to a version.
    #[must_use]
    pub fn referenced_by(&self, subject: &Subject, version: Version, deleted: Deleted) -> Vec<SchemaId> {
        let referrers = self.referrers.get(&(subject.clone(), version));
        let of = |(subject, version): &(Subject, Version)| {
            self.stored_at(subject, *version).filter(|stored| deleted.takes(stored.deleted)).map(|stored| stored.id)
        };
        let mut ids: Vec<_> = referrers.into_iter().flat_map(|places| places.iter()).filter_map(of).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Returns the configuration that a scope sets itself.
    #[must_use]
    pub fn own_config(&self, scope: Option<&Subject>) -> Option<&Config> {
        self.configs.get(&scope.cloned()).map(Arc::as_ref)
    }

    /// Returns the configuration that holds for a scope.
    #[must_use]
    pub fn config(&self, scope: Option<&Subject>) -> Config {
        let mut settings = names::scopes(scope).filter_map(|scope| self.own_config(scope.as_ref()));
        let mut config = settings.next().cloned().unwrap_or_default();
        // What a subject does not set is as it is for all, but for its level.
        config.compatibility_level.get_or_insert(Compatibility::Backward);
        match self.own_config(None).filter(|_| scope.is_some()) {
            Some(all) => config.or(all),
            None => config,
        }
    }

    /// Returns the mode that a scope sets itself.
    #[must_use]
    pub fn own_mode(&self, scope: Option<&Subject>) -> Option<Mode> {
        self.modes.get(&scope.cloned()).copied()
    }

    /// Returns the mode that holds for a scope.
    #[must_use]
    pub fn mode(&self, scope: Option<&Subject>) -> Mode {
        names::scopes(scope).find_map(|scope| self.own_mode(scope.as_ref())).unwrap_or(Mode::ReadWrite)
    }

    pub(super) fn all(&self, subject: &Subject) -> Result<&Versions, Error> {
        let context = self.contexts.get(context_of(subject));
        let versions = context.and_then(|context| context.subjects.get(subject));
        versions.ok_or_else(|| Error::SubjectNotFound(subject.clone()))
    }
}

fn unknown(id: SchemaId) -> Error {
    Error::SchemaNotFound(id.to_string())
}
