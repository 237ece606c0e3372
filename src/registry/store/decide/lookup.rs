//! Looking for a schema that is registered, and comparing one with those that are.

use super::super::judge::Parsed;
use super::super::query::{Deleted, Wanted};
use super::super::{Content, Error, Found, Store};
use super::Draft;
use super::draft::{VERSION_PROPERTY, contract};
use super::register::check_names;
use crate::schema::Subject;

impl Store {
    /// Finds a schema in its subject: as it was sent, or with what it leaves to the latest version and the configuration.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::ContentNotFound`], [`Error::InvalidSchema`].
    pub fn lookup(&self, subject: &Subject, draft: &Draft, normalize: bool, deleted: Deleted) -> Result<Found, Error> {
        self.versions(subject, deleted)?;
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
        let versions = match beside {
            None => self.history(subject, Deleted::Without),
            Some(wanted) => match self.version(subject, wanted, Deleted::Without) {
                Ok(found) => vec![found],
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
        Ok(self.objections(&parsed, &config, &versions))
    }

    /// Finds the newest version of a subject with this schema: word for word, or but for the order of what has none.
    pub(super) fn same(&self, subject: &Subject, parsed: &Parsed, deleted: Deleted) -> Option<Found> {
        let history = self.history(subject, deleted);
        let exact = history.iter().rev().find(|found| found.content.is_same(&parsed.content));
        exact.or_else(|| history.iter().rev().find(|found| self.means_the_same(found, parsed))).cloned()
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
