//! Deleting versions, subjects and contexts: first softly, which leaves them to readers by ID, then for good.

use super::super::log::Change;
use super::super::query::{Deleted, Wanted};
use super::super::{Error, Store, context_of, names};
use super::{Changes, Decided, Outcome};
use crate::schema::{Subject, Version};

impl Store {
    pub(super) fn delete_version(&self, subject: &Subject, wanted: Wanted, permanent: bool) -> Decided {
        let found = self.version(subject, wanted, Deleted::With)?;
        let version = found.version;
        self.check_writable(Some(subject))?;
        match (permanent, found.deleted) {
            (false, true) => return Err(Error::VersionSoftDeleted(subject.clone(), version)),
            (true, false) => return Err(Error::VersionNotSoftDeleted(subject.clone(), version)),
            (false, false) | (true, true) => {}
        }
        self.check_unreferenced(subject, version)?;
        let outcome = Outcome::Versions(vec![version]);
        if !permanent {
            let content = (*found.content).clone();
            let change = Change::Put { subject: subject.clone(), version, id: found.id, content, deleted: true };
            return Ok((vec![change], outcome));
        }
        Ok((self.removal(subject, &[version]), outcome))
    }

    pub(super) fn delete_subject(&self, subject: &Subject, permanent: bool) -> Decided {
        let all = self.versions(subject, Deleted::With)?;
        let live = self.versions(subject, Deleted::Without).unwrap_or_default();
        self.check_writable(Some(subject))?;
        match (permanent, live.is_empty()) {
            (false, true) => return Err(Error::SubjectSoftDeleted(subject.clone())),
            (true, false) => return Err(Error::SubjectNotSoftDeleted(subject.clone())),
            (false, false) | (true, true) => {}
        }
        let gone = if permanent { all } else { live };
        gone.iter().try_for_each(|version| self.check_unreferenced(subject, *version))?;
        let changes = match gone.last() {
            Some(last) if !permanent => vec![Change::DeleteUpTo { subject: subject.clone(), version: *last }],
            Some(_) | None => self.removal(subject, &gone),
        };
        Ok((changes, Outcome::Versions(gone)))
    }

    pub(super) fn delete_context(&self, name: &str) -> Decided {
        if !names::is_context(name) {
            return Err(Error::InvalidSubject(name.to_owned()));
        }
        if self.contexts.get(name).is_some_and(|context| !context.subjects.is_empty()) {
            return Err(Error::ContextNotEmpty(name.to_owned()));
        }
        Ok((vec![Change::Context(name.to_owned(), false)], Outcome::Done))
    }

    /// Takes versions out for good, the newest first; the settings of the subject go with its last one. The highest ID of
    /// the context stays in the log, or it would be given again.
    pub(super) fn removal(&self, subject: &Subject, versions: &[Version]) -> Changes {
        let remove = |version: &Version| Change::Remove { subject: subject.clone(), version: *version };
        let mut changes: Changes = versions.iter().rev().map(remove).collect();
        if self.all(subject).is_ok_and(|all| all.size() == versions.len()) {
            let scope = Some(subject.clone());
            changes.extend(self.own_mode(Some(subject)).map(|_| Change::Mode(scope.clone(), None)));
            changes.extend(self.own_config(Some(subject)).map(|_| Change::Config(scope.clone(), None)));
        }
        let highest = self.contexts.get(context_of(subject)).map(|context| context.highest);
        let ids = versions.iter().filter_map(|version| self.stored_at(subject, *version)).map(|stored| stored.id.0);
        if ids.max() == highest {
            changes.push(Change::Highest(self.highest()));
        }
        changes
    }

    /// Refuses where schemas of other subjects refer to a version.
    pub(super) fn check_unreferenced(&self, subject: &Subject, version: Version) -> Result<(), Error> {
        let referrers = self.referrers.get(&(subject.clone(), version));
        let mut others = referrers.into_iter().flat_map(|places| places.iter()).filter(|(other, version)| {
            other != subject && self.stored_at(other, *version).is_some_and(|stored| !stored.deleted)
        });
        match others.next() {
            Some(_) => Err(Error::Referenced { subject: subject.clone(), version }),
            None => Ok(()),
        }
    }
}
