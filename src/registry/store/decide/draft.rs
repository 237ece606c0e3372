//! Drafts in the form in which they are stored: what they leave out filled in, their text canonical.

use std::sync::Arc;

use super::super::judge::{MAX_REFERENCES, Parsed, invalid, too_many_references};
use super::super::query::{Deleted, Wanted};
use super::super::readings::Reading;
use super::super::{Content, Error, Store, plain_chain};
use super::Draft;
use crate::registry::contract::{Metadata, RuleSet};
use crate::registry::settings::Config;
use crate::schema::avro::limits::TEXT_BYTES;
use crate::schema::{Format, Reference, Subject, Version};

/// The metadata property in which clients may note the version.
pub(super) const VERSION_PROPERTY: &str = "confluent:version";

impl Store {
    /// Brings a draft into the form in which it would be stored: with what it leaves to the version before it and to the
    /// configuration.
    pub(super) fn drafted(
        &self,
        subject: &Subject,
        draft: &Draft,
        config: &Config,
        normalize: bool,
        next: Option<Version>,
    ) -> Result<Parsed, Error> {
        let before = self.version(subject, Wanted::Latest, Deleted::Without).ok();
        let before = before.as_ref().map(|found| &found.content);
        let mut draft = draft.clone();
        if draft.text.trim().is_empty() {
            let before = before.ok_or_else(|| Error::InvalidSchema("Empty schema".to_owned()))?;
            draft.text = before.text.to_string();
            draft.format = Some(before.format);
            draft.references.clone_from(&before.references);
        }
        let (mut metadata, rules) = contract(&draft, before.map(AsRef::as_ref), config);
        note_version(&mut metadata, draft.version, next);
        if draft.keeps_tags {
            let before = before.map(|content| self.parsed(subject, content)).transpose()?;
            draft.tags_to_add.extend(before.into_iter().flat_map(|before| before.tree().tags()));
        }
        self.read(subject, &draft, metadata, rules, normalize)
    }

    /// Reads a draft as it was sent.
    pub(super) fn as_sent(&self, subject: &Subject, draft: &Draft, normalize: bool) -> Result<Parsed, Error> {
        self.read(subject, draft, draft.metadata.clone(), draft.rule_set.clone(), normalize)
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
        if draft.references.len() > MAX_REFERENCES {
            return Err(too_many_references());
        }
        let mut references =
            draft.references.iter().map(|one| self.settled(subject, one)).collect::<Result<Vec<_>, _>>()?;
        let mut reading = self.reading(subject, &draft.text, &references)?;
        if normalize || !draft.tags_to_add.is_empty() || !draft.tags_to_remove.is_empty() {
            let mut tree = reading.tree.clone();
            let mut unknown = tree.tag(&draft.tags_to_add, true);
            unknown.extend(tree.tag(&draft.tags_to_remove, false));
            if let Some(path) = unknown.first().filter(|_| !draft.keeps_tags) {
                return Err(invalid(&draft.text, &format!("no record or field '{path}' to be tagged")));
            }
            if normalize {
                tree = tree.normalized();
                references
                    .sort_unstable_by(|a, b| (&a.name, &a.subject, a.version).cmp(&(&b.name, &b.subject, b.version)));
                references.dedup();
            }
            let changed = Reading::new(tree).map_err(|error| invalid(&draft.text, &plain_chain(&error)))?;
            reading = Arc::new(changed);
        }
        let content = Content::new(format, Arc::clone(&reading.canonical), references, metadata, rules);
        Ok(Parsed { content: Arc::new(content), reading })
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
}

/// Returns the contract of a draft: its own or that of the version before, and what the configuration says of it.
pub(super) fn contract(
    draft: &Draft,
    before: Option<&Content>,
    config: &Config,
) -> (Option<Metadata>, Option<RuleSet>) {
    let metadata = draft.metadata.clone().or_else(|| before.and_then(|before| before.metadata.clone()));
    let metadata = Metadata::merge(config.default_metadata.clone(), metadata);
    let rules = draft.rule_set.clone().or_else(|| before.and_then(|before| before.rule_set.clone()));
    let rules = RuleSet::merge(config.default_rule_set.clone(), rules);
    let metadata = Metadata::merge(metadata, config.override_metadata.clone());
    (metadata, RuleSet::merge(rules, config.override_rule_set.clone()))
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
