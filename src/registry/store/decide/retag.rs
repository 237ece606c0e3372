//! Changing the tags and rules of a version, which is to register another one.

use super::super::query::{Deleted, Wanted};
use super::super::{Error, Store};
use super::draft::VERSION_PROPERTY;
use super::{Decided, Draft};
use crate::registry::contract::{Metadata, RuleSet};
use crate::schema::avro::tree::Tags;
use crate::schema::{Subject, Version};

/// What changes in a version.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Retag {
    /// The version that it must become; one below 1 is the next.
    pub version: Option<Version>,
    /// Tags that are put into its text.
    pub tags_to_add: Vec<Tags>,
    /// Tags that are taken out of it.
    pub tags_to_remove: Vec<Tags>,
    /// What is said about it, instead of what was.
    pub metadata: Option<Metadata>,
    /// Its rules, unless single ones are changed; those of the latest where there are none.
    pub rule_set: Option<RuleSet>,
    /// Rules that are added to those of the version before, or take their places.
    pub rules_to_merge: Option<RuleSet>,
    /// Rules of the version before that go.
    pub rules_to_remove: Option<Vec<String>>,
}

impl Store {
    pub(super) fn retag(&self, subject: &Subject, wanted: Wanted, change: &Retag) -> Decided {
        let found = self.version(subject, wanted, Deleted::Without)?;
        let content = &found.content;
        let mut metadata = change.metadata.clone().or_else(|| content.metadata.clone()).unwrap_or_default();
        // What is changed so always has its version among the properties; which one that is, registration knows.
        metadata.properties.entry(VERSION_PROPERTY.to_owned()).or_default();
        let draft = Draft {
            format: Some(content.format),
            text: content.text.to_string(),
            references: content.references.clone(),
            metadata: Some(metadata),
            rule_set: self.changed_rules(subject, change)?,
            id: None,
            version: change.version,
            tags_to_add: change.tags_to_add.clone(),
            tags_to_remove: change.tags_to_remove.clone(),
            keeps_tags: false,
        };
        self.register(subject, &draft, false)
    }

    /// Returns the rules that are asked for. Single ones are changed in those of the version before the new one.
    fn changed_rules(&self, subject: &Subject, change: &Retag) -> Result<Option<RuleSet>, Error> {
        if change.rules_to_merge.is_none() && change.rules_to_remove.is_none() {
            return Ok(change.rule_set.clone());
        }
        let before = change.version.map_or(0, |version| version.0 - 1);
        let before = if before > 0 { Wanted::Version(Version(before)) } else { Wanted::Latest };
        let rules = match self.version(subject, before, Deleted::Without) {
            Ok(found) => found.content.rule_set.clone(),
            Err(Error::VersionNotFound(_)) => None,
            Err(error) => return Err(error),
        };
        let mut rules = RuleSet::merge(rules, change.rules_to_merge.clone());
        for name in change.rules_to_remove.iter().flatten() {
            if let Some(rules) = &mut rules {
                rules.remove(name);
            }
        }
        Ok(rules)
    }
}
