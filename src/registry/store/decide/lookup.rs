//! Looking for a schema that is registered, and comparing one with those that are.

use super::super::judge::Parsed;
use super::super::meanings::{Meaning, Said};
use super::super::query::{Deleted, Wanted};
use super::super::{Content, Error, Found, Store, context_of};
use super::Draft;
use super::draft::{VERSION_PROPERTY, contract};
use super::register::check_names;
use crate::schema::{Subject, Version};

impl Store {
    /// Finds a schema in its subject: as it was sent, or with what it leaves to the latest version and the configuration.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::ContentNotFound`], [`Error::InvalidSchema`].
    pub fn lookup(&self, subject: &Subject, draft: &Draft, normalize: bool, deleted: Deleted) -> Result<Found, Error> {
        self.check_any(subject, deleted)?;
        if draft.text.trim().is_empty() {
            return Err(Error::ContentNotFound);
        }
        let config = self.config(Some(subject));
        let sent = self.as_sent(subject, draft, normalize || config.normalize.unwrap_or(false))?;
        if let Some(found) = self.same(subject, &sent, deleted) {
            return Ok(found);
        }
        let latest = self.version(subject, Wanted::Latest, Deleted::Without).map_err(|_| Error::ContentNotFound)?;
        let (metadata, rules) = contract(draft, Some(&latest.content), &config);
        self.same(subject, &sent.with_contract(metadata, rules), deleted).ok_or(Error::ContentNotFound)
    }

    /// Finds a schema in its subject; one that names no context is looked for in all where the default one lacks it.
    ///
    /// # Errors
    /// As [`Store::lookup`].
    pub fn lookup_anywhere(
        &self,
        subject: &Subject,
        draft: &Draft,
        normalize: bool,
        deleted: Deleted,
    ) -> Result<Found, Error> {
        let own = self.lookup(subject, draft, normalize, deleted);
        let found = |of: Subject| self.lookup(&of, draft, normalize, deleted).ok();
        own.or_else(|error| self.elsewhere(subject).find_map(found).ok_or(error))
    }

    /// Lists what speaks against a schema beside one version, or beside all that its level asks; nothing where it goes with
    /// them.
    ///
    /// # Errors
    /// [`Error::VersionNotFound`], [`Error::InvalidSchema`].
    pub fn compatibility(
        &self,
        subject: &Subject,
        draft: &Draft,
        normalize: bool,
        beside: Option<Wanted>,
    ) -> Result<Vec<String>, Error> {
        let config = self.config(Some(subject));
        let version = match beside {
            None => None,
            Some(wanted) => match self.version(subject, wanted, Deleted::Without) {
                Ok(found) => Some(found),
                // A subject that is still to come goes with everything.
                Err(Error::SubjectNotFound(_)) if wanted == Wanted::Latest => return Ok(Vec::new()),
                Err(Error::SubjectNotFound(_)) => match wanted {
                    Wanted::Version(version) => return Err(Error::VersionNotFound(version)),
                    Wanted::Latest => return Ok(Vec::new()),
                },
                Err(error) => return Err(error),
            },
        };
        // What the versions before say is not taken over: the schema is judged as it was sent.
        let parsed = self.as_sent(subject, draft, normalize || config.normalize.unwrap_or(false))?;
        check_names(&parsed, &config)?;
        Ok(match version {
            Some(version) => self.objections(&parsed, &config, [version].into_iter()),
            None => self.objections(&parsed, &config, self.newest_first(subject, Deleted::Without)),
        })
    }

    /// Finds the newest version of a subject with this schema: word for word, or but for the order of what has none.
    pub(super) fn same(&self, subject: &Subject, parsed: &Parsed, deleted: Deleted) -> Option<Found> {
        self.exact(subject, parsed, deleted).or_else(|| {
            let like = self.like(subject, parsed).into_iter().filter_map(|version| self.at(subject, version));
            like.filter(|found| deleted.takes(found.deleted)).find(|found| self.means_the_same(found, parsed))
        })
    }

    fn exact(&self, subject: &Subject, parsed: &Parsed, deleted: Deleted) -> Option<Found> {
        let context = self.contexts.get(context_of(subject))?;
        let Some(versions) = context.versions_with(subject, &parsed.content) else {
            return self.newest_first(subject, deleted).find(|found| found.content.is_same(&parsed.content));
        };
        let mut found = versions.into_iter().rev().filter_map(|version| self.at(subject, version));
        found.find(|found| deleted.takes(found.deleted))
    }

    /// Lists the versions that may mean the same as a schema, newest first.
    pub(super) fn like(&self, subject: &Subject, parsed: &Parsed) -> Vec<Version> {
        let Ok(versions) = self.all(subject) else { return Vec::new() };
        // What refers to something may mean the same as what has that in it.
        let meaning = match parsed.content.references[..] {
            [] => parsed.reading.normal().map(Meaning::of),
            [..] => parsed.tree().normalized().resolved().ok().as_deref().map(Meaning::of),
        };
        versions.meanings.like(meaning, |version| self.said(subject, version))
    }

    fn said(&self, subject: &Subject, version: Version) -> Said {
        let Some(content) = self.content_at(subject, version).filter(|content| content.format.is_supported()) else {
            return Said::Nothing;
        };
        if !content.references.is_empty() {
            return Said::Referring;
        }
        let reading = self.reading(subject, &content.text, &[]);
        reading.ok().and_then(|reading| reading.normal().map(Meaning::of)).map_or(Said::Nothing, Said::Alone)
    }

    pub(super) fn means_the_same(&self, found: &Found, parsed: &Parsed) -> bool {
        let (old, new) = (&found.content, &parsed.content);
        if old.format != new.format || old.rule_set != new.rule_set || !same_metadata(old, new) {
            return false;
        }
        let Ok(known) = self.parsed(&found.subject, old) else { return false };
        if old.references == new.references {
            return known.reading.normal().is_some_and(|normal| Some(normal) == parsed.reading.normal());
        }
        // References may be resolved in the one and not in the other.
        let resolved = |parsed: &Parsed| parsed.tree().normalized().resolved().ok();
        resolved(&known).is_some_and(|text| Some(text) == resolved(parsed))
    }
}

fn same_metadata(old: &Content, new: &Content) -> bool {
    let without_version = |content: &Content| {
        let mut metadata = content.metadata.clone().unwrap_or_default();
        metadata.properties.remove(VERSION_PROPERTY);
        metadata
    };
    without_version(old) == without_version(new)
}

#[cfg(test)]
mod tests;
