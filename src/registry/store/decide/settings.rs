//! Changing what is set for a scope.

use super::super::log::Change;
use super::super::names::{GLOBAL_CONTEXT, Prefix};
use super::super::query::Deleted;
use super::super::{Error, Store, names};
use super::{Changes, Decided, Outcome};
use crate::registry::settings::{Config, ConfigPatch, Mode};
use crate::schema::Subject;

impl Store {
    pub(super) fn set_config(&self, scope: Option<&Subject>, patch: &ConfigPatch) -> Decided {
        check_scope(scope)?;
        for rules in [&patch.default_rule_set, &patch.override_rule_set].into_iter().flatten().flatten() {
            rules.check().map_err(Error::InvalidRules)?;
        }
        let before = self.own_config(scope).cloned().unwrap_or_default();
        let config = patch.clone().apply(&before).map_err(|_| Error::InvalidCompatibility)?;
        self.check_writable(scope)?;
        let change = Change::Config(scope.cloned(), Some(config.clone()));
        Ok((vec![change], Outcome::Config(Box::new(config))))
    }

    pub(super) fn delete_config(&self, scope: Option<&Subject>) -> Decided {
        let before = match (self.own_config(scope), scope) {
            (Some(config), _) => config.clone(),
            (None, Some(subject)) => return Err(Error::SubjectNotFound(subject.clone())),
            (None, None) => Config::default(),
        };
        self.check_writable(scope)?;
        Ok((vec![Change::Config(scope.cloned(), None)], Outcome::Config(Box::new(before))))
    }

    pub(super) fn set_mode(&self, scope: Option<&Subject>, word: &str, force: bool) -> Decided {
        check_scope(scope)?;
        let mode = Mode::from_name(word).ok_or(Error::InvalidMode)?;
        let is_of_all = scope.is_some_and(|scope| names::parts(&scope.0) == (GLOBAL_CONTEXT, ""));
        if mode == Mode::Forward && !is_of_all {
            return Err(Error::InvalidMode);
        }
        let mut changes = Changes::new();
        if mode == Mode::Import && self.mode(scope) != Mode::Import && !force {
            changes = self.cleared(scope)?;
        }
        changes.push(Change::Mode(scope.cloned(), Some(mode)));
        Ok((changes, Outcome::Mode(mode)))
    }

    pub(super) fn delete_mode(&self, scope: Option<&Subject>, recursive: bool) -> Decided {
        let before = match (self.own_mode(scope), scope) {
            (Some(mode), _) => mode,
            (None, Some(subject)) if !recursive => return Err(Error::SubjectNotFound(subject.clone())),
            (None, _) => self.mode(scope),
        };
        let mut changes = vec![Change::Mode(scope.cloned(), None)];
        if recursive {
            let prefix = prefix_of(scope);
            let inner = self.modes.keys().flatten().filter(|of| Some(*of) != scope && prefix.matches(of));
            changes.extend(inner.map(|of| Change::Mode(Some(of.clone()), None)));
        }
        Ok((changes, Outcome::Mode(before)))
    }

    /// Empties a scope for an import: nothing may live in it, and what is soft-deleted goes for good.
    fn cleared(&self, scope: Option<&Subject>) -> Result<Changes, Error> {
        let prefix = prefix_of(scope);
        if self.subjects(&prefix, Deleted::Without).next().is_some() {
            return Err(Error::NotPermitted("Cannot import since found existing subjects".to_owned()));
        }
        let mut changes = Changes::new();
        for subject in self.subjects(&prefix, Deleted::With) {
            let versions = self.versions(subject, Deleted::With)?;
            versions.iter().try_for_each(|version| self.check_unreferenced(subject, *version))?;
            changes.extend(self.removal(subject, &versions));
        }
        // Confluent's own record of the same; for us the versions are gone by then.
        changes.extend(scope.map(|scope| Change::Clear(scope.clone())));
        Ok(changes)
    }
}

fn check_scope(scope: Option<&Subject>) -> Result<(), Error> {
    match scope.filter(|scope| !names::is_scope(scope)) {
        Some(scope) => Err(Error::InvalidSubject(scope.0.to_string())),
        None => Ok(()),
    }
}

/// Returns the subjects of a scope: one, those of a context, or those of the default one.
fn prefix_of(scope: Option<&Subject>) -> Prefix {
    match scope {
        None => Prefix::new(""),
        Some(scope) if names::parts(&scope.0) == (GLOBAL_CONTEXT, "") => Prefix::new(":*:"),
        Some(scope) => Prefix::of_scope(scope),
    }
}
