//! Registering a schema, and looking for one that is registered: both see the draft in the form that would be stored.

use std::sync::Arc;

use super::super::judge::{Parsed, invalid};
use super::super::log::Change;
use super::super::query::{Deleted, Wanted};
use super::super::{Content, DEFAULT_CONTEXT, Error, Found, Store, context_of, names, next_id, plain_chain};
use super::{Decided, Draft, Outcome, not_permitted};
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::settings::Config;
use crate::schema::avro::limits::TEXT_BYTES;
use crate::schema::avro::tree::Tree;
use crate::schema::{Format, Reference, SchemaId, Subject, Version};

/// The metadata property in which clients may note the version.
const VERSION_PROPERTY: &str = "confluent:version";

impl Store {
    pub(super) fn register(&self, subject: &Subject, draft: &Draft, normalize: bool) -> Decided {
        if !names::is_subject(subject) {
            return Err(Error::InvalidSubject(subject.0.to_string()));
        }
        let config = self.config(Some(subject));
        let mode = self.mode(Some(subject));
        let is_import = draft.id.is_some() && mode.is_import();
        let context = self.contexts.get(context_of(subject));
        let next = context.map_or(Some(Version(1)), |context| context.next_version(subject));
        let next = next.ok_or(Error::Exhausted("versions"))?;
        let parsed = if is_import {
            self.imported(subject, draft)?
        } else {
            self.drafted(subject, draft, &config, normalize, Some(next))?
        };
        if let Some(found) = self.same(subject, &parsed, Deleted::Without).filter(|found| fits(draft, found)) {
            return Ok((Vec::new(), Outcome::Registered(Box::new(found))));
        }
        self.check_writable(Some(subject))?;
        match draft.id {
            Some(_) if !mode.is_import() => return Err(not_permitted(Some(subject), "is not in import mode")),
            None if mode.is_import() => return Err(not_permitted(Some(subject), "is not in read-write mode")),
            Some(_) | None => {}
        }
        let history = self.history(subject, Deleted::With);
        if !is_import {
            if config.validate_new_schemas.unwrap_or(true) {
                let why = |error: crate::schema::avro::Error| invalid(&parsed.content.text, &plain_chain(&error));
                parsed.tree.check_strictly().map_err(why)?;
            }
            let live: Vec<_> = history.iter().filter(|found| !found.deleted).cloned().collect();
            let messages = self.objections(&parsed, &config, &live);
            if !messages.is_empty() {
                return Err(Error::Incompatible { subject: subject.clone(), messages });
            }
        }
        let version = match draft.version {
            Some(version) if is_import => version,
            Some(version) if version != next => {
                return Err(Error::InvalidSchema("Version is not one more than previous version".to_owned()));
            }
            Some(_) | None => next,
        };
        let id = self.id_for(subject, draft.id, &parsed.content)?;
        let mut changes = Vec::new();
        let name = context_of(subject);
        if name != DEFAULT_CONTEXT && context.is_none_or(|context| !context.is_declared) {
            changes.push(Change::Context(name.to_owned(), true));
        }
        // What is registered again is not deleted any more: its earlier versions would come back with it.
        let earlier = history.iter().filter(|found| found.deleted && found.id == id && found.version != version);
        for found in earlier.filter(|found| self.referenced_by(subject, found.version, Deleted::With).is_empty()) {
            changes.push(Change::Remove { subject: subject.clone(), version: found.version });
        }
        let content = (*parsed.content).clone();
        changes.push(Change::Put { subject: subject.clone(), version, id, content, deleted: false });
        let found =
            Found { subject: subject.clone(), version, id, content: parsed.content, deleted: false, timestamp: 0 };
        Ok((changes, Outcome::Registered(Box::new(found))))
    }

    /// Finds a schema in its subject.
    ///
    /// # Errors
    /// [`Error::SubjectNotFound`], [`Error::ContentNotFound`], [`Error::InvalidSchema`].
    pub fn lookup(&self, subject: &Subject, draft: &Draft, normalize: bool, deleted: Deleted) -> Result<Found, Error> {
        self.versions(subject, deleted)?;
        let config = self.config(Some(subject));
        let parsed = self.drafted(subject, draft, &config, normalize, None)?;
        self.same(subject, &parsed, deleted).ok_or(Error::ContentNotFound)
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
        let parsed = self.drafted(subject, draft, &config, normalize, None)?;
        parsed.tree.check_strictly().map_err(|error| invalid(&parsed.content.text, &plain_chain(&error)))?;
        Ok(self.objections(&parsed, &config, &versions))
    }

    /// Brings a draft into the form in which it would be stored: with what it leaves to the version before it and to the
    /// configuration, its text canonical.
    fn drafted(
        &self,
        subject: &Subject,
        draft: &Draft,
        config: &Config,
        normalize: bool,
        next: Option<Version>,
    ) -> Result<Parsed, Error> {
        if let Some(rules) = &draft.rule_set {
            rules.check().map_err(Error::InvalidRules)?;
        }
        let before = self.version(subject, Wanted::Latest, Deleted::Without).ok();
        let before = before.as_ref().map(|found| &*found.content);
        let mut draft = draft.clone();
        if draft.text.trim().is_empty() {
            let before = before.ok_or_else(|| Error::InvalidSchema("Empty schema".to_owned()))?;
            draft.text = before.text.to_string();
            draft.format = Some(before.format);
            draft.references.clone_from(&before.references);
        }
        let metadata = draft.metadata.clone().or_else(|| before.and_then(|before| before.metadata.clone()));
        let metadata = Metadata::merge(config.default_metadata.clone(), metadata);
        let mut metadata = Metadata::merge(metadata, config.override_metadata.clone());
        let rules = draft.rule_set.clone().or_else(|| before.and_then(|before| before.rule_set.clone()));
        let rules = RuleSet::merge(config.default_rule_set.clone(), rules);
        let rules = RuleSet::merge(rules, config.override_rule_set.clone());
        note_version(&mut metadata, draft.version, next);
        let normalize = normalize || config.normalize.unwrap_or(false);
        self.read(subject, &draft, metadata, rules, normalize)
    }

    /// Takes a draft as it is: another registry has judged it.
    fn imported(&self, subject: &Subject, draft: &Draft) -> Result<Parsed, Error> {
        self.read(subject, draft, draft.metadata.clone(), draft.rule_set.clone(), false)
    }

    fn read(
        &self,
        subject: &Subject,
        draft: &Draft,
        metadata: Option<Metadata>,
        rules: Option<RuleSet>,
        normalize: bool,
    ) -> Result<Parsed, Error> {
        let format = draft.format.unwrap_or(Format::Avro);
        if !format.is_supported() {
            return Err(Error::InvalidSchema(format!("Invalid schema type {}", format.schema_type())));
        }
        if draft.text.trim().is_empty() {
            return Err(Error::InvalidSchema("Empty schema".to_owned()));
        }
        if draft.text.len() > TEXT_BYTES {
            return Err(Error::TooLarge { found: draft.text.len(), limit: TEXT_BYTES });
        }
        let mut references =
            draft.references.iter().map(|one| self.settled(subject, one)).collect::<Result<Vec<_>, _>>()?;
        let why = |error: crate::schema::avro::Error| invalid(&draft.text, &plain_chain(&error));
        let texts = self.texts(subject, &references)?;
        let mut tree = Tree::read(&draft.text, texts.iter().map(|text| &**text)).map_err(why)?;
        if normalize {
            tree = tree.normalized();
            references.sort_unstable_by(|a, b| (&a.name, &a.subject, a.version).cmp(&(&b.name, &b.subject, b.version)));
            references.dedup();
        }
        let text = tree.canonical().map_err(why)?;
        let content = Content::new(format, text.into(), references, metadata, rules);
        Ok(Parsed { content: Arc::new(content), tree })
    }

    /// Checks that a reference leads to a schema; version -1 becomes the latest.
    fn settled(&self, subject: &Subject, reference: &Reference) -> Result<Reference, Error> {
        let (place, version) = super::super::target(subject, reference);
        let (wanted, deleted) = match version {
            Version(-1) => (Wanted::Latest, Deleted::Without),
            version => (Wanted::Version(version), Deleted::With),
        };
        let found = self.version(&place, wanted, deleted).map_err(|error| {
            let Reference { name, subject, version } = reference;
            Error::InvalidSchema(format!("Invalid schema, its reference '{name}' to version {version} of subject '{subject}' leads nowhere: {error}"))
        })?;
        Ok(Reference { version: found.version, ..reference.clone() })
    }

    /// Finds the newest version of a subject with this schema: word for word, or but for the order of what has none.
    fn same(&self, subject: &Subject, parsed: &Parsed, deleted: Deleted) -> Option<Found> {
        let history = self.history(subject, deleted);
        let exact = history.iter().rev().find(|found| found.content.is_same(&parsed.content));
        exact.or_else(|| history.iter().rev().find(|found| self.means_the_same(found, parsed))).cloned()
    }

    fn means_the_same(&self, found: &Found, parsed: &Parsed) -> bool {
        let (old, new) = (&found.content, &parsed.content);
        if old.format != new.format || old.rule_set != new.rule_set || !same_metadata(old, new) {
            return false;
        }
        let Ok(known) = self.parsed(&found.subject, old) else { return false };
        // References may be resolved in the one and not in the other.
        let form = |tree: &Tree| {
            let normal = tree.normalized();
            if old.references == new.references { normal.canonical() } else { normal.resolved() }
        };
        matches!((form(&known.tree), form(&parsed.tree)), (Ok(a), Ok(b)) if a == b)
    }

    /// Returns the ID of a new version: the one that it must have, the one that its content has, or the next.
    fn id_for(&self, subject: &Subject, id: Option<SchemaId>, content: &Content) -> Result<SchemaId, Error> {
        let name = context_of(subject);
        let context = self.contexts.get(name);
        let known = context.and_then(|context| context.id_of(content));
        let Some(id) = id else {
            return known.map_or_else(|| next_id(context.map_or(0, |context| context.highest)), Ok);
        };
        let other = context.and_then(|context| context.schemas.get(&id));
        if other.is_some_and(|other| other.content.text != content.text) {
            return Err(Error::NotPermitted(format!(
                "Overwrite new schema with id {id} in context {name} is not permitted."
            )));
        }
        Ok(id)
    }
}

/// Tells whether a version that is there is the one that the draft must become.
fn fits(draft: &Draft, found: &Found) -> bool {
    draft.id.is_none_or(|id| id == found.id) && draft.version.is_none_or(|version| version == found.version)
}

fn same_metadata(old: &Content, new: &Content) -> bool {
    let without_version = |content: &Content| {
        let mut metadata = content.metadata.clone().unwrap_or_default();
        metadata.properties.remove(VERSION_PROPERTY);
        metadata
    };
    without_version(old) == without_version(new)
}

/// Notes the version among the properties where the draft names one, or has the property already.
fn note_version(metadata: &mut Option<Metadata>, wanted: Option<Version>, next: Option<Version>) {
    let Some(next) = next else { return };
    let has_it = metadata.as_ref().is_some_and(|metadata| metadata.properties.contains_key(VERSION_PROPERTY));
    if wanted.is_some() || has_it {
        let metadata = metadata.get_or_insert_default();
        metadata.properties.insert(VERSION_PROPERTY.to_owned(), next.to_string());
    }
}
