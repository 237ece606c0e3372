//! Registering a schema.

use super::super::judge::{Parsed, invalid};
use super::super::log::Change;
use super::super::query::{Deleted, Wanted};
use super::super::{Content, DEFAULT_CONTEXT, Error, Found, Store, context_of, names, next_id, plain_chain};
use super::{Changes, Decided, Draft, Outcome, not_permitted};
use crate::registry::settings::Config;
use crate::schema::{SchemaId, Subject, Version};

impl Store {
    pub(super) fn register(&self, subject: &Subject, draft: &Draft, normalize: bool) -> Decided {
        if !names::is_subject(subject) {
            return Err(Error::InvalidSubject(subject.0.to_string()));
        }
        if let Some(rules) = &draft.rule_set {
            rules.check().map_err(Error::InvalidRules)?;
        }
        let config = self.config(Some(subject));
        let mode = self.mode(Some(subject));
        let is_import = draft.id.is_some() && mode.is_import();
        // What another registry has judged is taken as it is.
        let normalize = !is_import && (normalize || config.normalize.unwrap_or(false));
        if let Some(found) = self.sent(subject, draft, &config, normalize)? {
            return known(found, draft.id);
        }
        let next = self.next_version(subject);
        let parsed = if is_import {
            self.as_sent(subject, draft, false)?
        } else {
            self.drafted(subject, draft, &config, normalize, next)?
        };
        if let Some(found) = self.registered(subject, draft, &parsed) {
            return known(found, draft.id);
        }
        self.check_writable(Some(subject))?;
        match draft.id {
            Some(_) if !is_import => return Err(not_permitted(Some(subject), "is not in import mode")),
            None if mode.is_import() => return Err(not_permitted(Some(subject), "is not in read-write mode")),
            Some(_) => check_room(draft)?,
            None => self.check_new(subject, &parsed, &config)?,
        }
        let version = match draft.version.filter(|version| version.0 > 0) {
            Some(version) if is_import => version,
            Some(version) if Some(version) != next => {
                return Err(Error::InvalidSchema("Version is not one more than previous version".to_owned()));
            }
            Some(_) | None => next.ok_or(Error::Exhausted("versions"))?,
        };
        let id = self.id_for(subject, draft.id, &parsed.content)?;
        let found =
            Found { subject: subject.clone(), version, id, content: parsed.content, deleted: false, timestamp: 0 };
        Ok((self.additions(&found), Outcome::Registered(Box::new(found))))
    }

    /// Looks for a draft as it was sent: what lacks a contract is not a new version because the latest has one. A draft that
    /// names its version, or gets something else from tags or the configuration, is not meant so.
    fn sent(&self, subject: &Subject, draft: &Draft, config: &Config, normalize: bool) -> Result<Option<Found>, Error> {
        let is_tagged = draft.keeps_tags || !draft.tags_to_add.is_empty() || !draft.tags_to_remove.is_empty();
        let has_contract = config.default_metadata.is_some()
            || config.override_metadata.is_some()
            || config.default_rule_set.is_some()
            || config.override_rule_set.is_some();
        if draft.version.is_some() || is_tagged || has_contract || draft.text.trim().is_empty() {
            return Ok(None);
        }
        let parsed = self.as_sent(subject, draft, normalize)?;
        Ok(self.same(subject, &parsed, Deleted::Without))
    }

    /// Looks for a draft in the form in which it would be stored; one that names its version must be that.
    fn registered(&self, subject: &Subject, draft: &Draft, parsed: &Parsed) -> Option<Found> {
        let Some(version) = draft.version else { return self.same(subject, parsed, Deleted::Without) };
        let found = self.version(subject, Wanted::Version(version), Deleted::Without).ok()?;
        let is_it = draft.id.is_none_or(|id| id == found.id)
            && (found.content.is_same(&parsed.content) || draft.id.is_none() && self.means_the_same(&found, parsed));
        is_it.then_some(found)
    }

    /// Returns the version after all that a subject has had.
    fn next_version(&self, subject: &Subject) -> Option<Version> {
        let context = self.contexts.get(context_of(subject));
        context.map_or(Some(Version(1)), |context| context.next_version(subject))
    }

    /// Refuses what may not stand beside the versions that there are.
    fn check_new(&self, subject: &Subject, parsed: &Parsed, config: &Config) -> Result<(), Error> {
        check_names(parsed, config)?;
        let messages = self.objections(parsed, config, self.newest_first(subject, Deleted::Without));
        if messages.is_empty() {
            return Ok(());
        }
        Err(Error::Incompatible { subject: subject.clone(), messages })
    }

    /// Lists what a new version adds to the log.
    fn additions(&self, found: &Found) -> Changes {
        let Found { subject, version, id, .. } = found;
        let (name, mut changes) = (context_of(subject), Changes::new());
        let context = self.contexts.get(name);
        if name != DEFAULT_CONTEXT && context.is_none_or(|context| !context.is_declared) {
            changes.push(Change::Context(name.to_owned(), true));
        }
        // What is registered again is not deleted any more: its earlier versions would come back with it.
        let with_id = context.into_iter().flat_map(|context| context.versions_of(subject, *id));
        let is_deleted = |earlier: &Version| self.stored_at(subject, *earlier).is_some_and(|stored| stored.deleted);
        for earlier in with_id.filter(|earlier| earlier < version).filter(is_deleted) {
            if self.referenced_by(subject, earlier, Deleted::With).is_empty() {
                changes.push(Change::Remove { subject: subject.clone(), version: earlier });
            }
        }
        // An import may write over the one record that tells of the highest ID.
        let replaced = self.stored_at(subject, *version).filter(|replaced| replaced.id != *id);
        if replaced.is_some_and(|replaced| context.is_some_and(|context| context.highest == replaced.id.0)) {
            changes.push(Change::Highest(self.highest()));
        }
        let content = (*found.content).clone();
        changes.push(Change::Put { subject: subject.clone(), version: *version, id: *id, content, deleted: false });
        changes
    }

    /// Returns the ID of a new version: the one that it must have, the one that its content has, or the next.
    fn id_for(&self, subject: &Subject, id: Option<SchemaId>, content: &Content) -> Result<SchemaId, Error> {
        let context = self.contexts.get(context_of(subject));
        let Some(id) = id else {
            let known = context.and_then(|context| context.id_of(content));
            return known.map_or_else(|| next_id(context.map_or(0, |context| context.highest)), Ok);
        };
        if context.is_some_and(|context| !context.is_free_for(id, content)) {
            let context = names::within(context_of(subject), "");
            return Err(Error::NotPermitted(format!(
                "Overwrite new schema with id {id} in context {context} is not permitted."
            )));
        }
        Ok(id)
    }
}

/// Answers with what is there already, under the ID that it must have.
fn known(found: Found, given: Option<SchemaId>) -> Decided {
    match given.filter(|given| *given != found.id) {
        Some(given) => Err(Error::IdMismatch { found: found.id, given }),
        None => Ok((Vec::new(), Outcome::Registered(Box::new(found)))),
    }
}

/// Refuses the last numbers that there are: nothing could be registered after them.
fn check_room(draft: &Draft) -> Result<(), Error> {
    let last = |number: Option<i32>| number.is_some_and(|number| number == i32::MAX);
    if last(draft.version.map(|version| version.0)) || last(draft.id.map(|id| id.0)) {
        return Err(Error::InvalidSchema(format!("Version and ID must be less than {}", i32::MAX)));
    }
    Ok(())
}

/// Judges names and defaults, unless the configuration says not to.
pub(super) fn check_names(parsed: &Parsed, config: &Config) -> Result<(), Error> {
    if !config.validate_new_schemas.unwrap_or(true) {
        return Ok(());
    }
    let why = |error: crate::schema::avro::Error| invalid(&parsed.content.text, &plain_chain(&error));
    parsed.tree().check_strictly().map_err(why)
}
