//! Data contracts: metadata and rules that are kept with a schema, by Confluent's names.
//!
//! They are part of what a schema is: another contract is another ID and another GUID. Maps and sets are sorted, as
//! Confluent's are, so that what means the same has one form. Rules are stored and checked here, and run elsewhere.

mod rule;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use self::rule::nullable;
pub use self::rule::{ExecutionEnvironment, Rule, RuleKind, RuleMode};

/// The longest name of a rule.
pub const RULE_NAME_CHARS: usize = 256;

/// What is said about a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Metadata {
    /// Tags by the paths of fields, which may be patterns.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub tags: BTreeMap<String, BTreeSet<String>>,
    /// Properties of the schema as a whole.
    #[serde(skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub properties: BTreeMap<String, String>,
    /// The properties whose values are secrets.
    #[serde(skip_serializing_if = "BTreeSet::is_empty", deserialize_with = "nullable")]
    pub sensitive: BTreeSet<String>,
}

/// The rules of a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct RuleSet {
    /// How records move from one version to the next.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub migration_rules: Vec<Rule>,
    /// What records must be like.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub domain_rules: Vec<Rule>,
    /// What is done with the bytes.
    #[serde(skip_serializing_if = "Vec::is_empty", deserialize_with = "nullable")]
    pub encoding_rules: Vec<Rule>,
    /// Where the rules run; everywhere where it is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enable_at: Option<ExecutionEnvironment>,
}

/// Why a contract cannot be stored; the words are for clients.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Two rules have one name.
    #[error("Found rule with duplicate name '{0}'")]
    DuplicateName(String),
    /// A rule has no name.
    #[error("Missing rule name")]
    MissingName,
    /// A rule's name is empty.
    #[error("Empty rule name")]
    EmptyName,
    /// A rule's name is too long.
    #[error("Rule name too long")]
    LongName,
    /// A rule's name begins with something else than a letter or `_`.
    #[error("Illegal initial character in rule name: {0}")]
    InitialCharacter(String),
    /// A rule's name has something else than letters, digits, `_` and `-`.
    #[error("Illegal character in rule name: {0}")]
    Character(String),
    /// A rule names no executor.
    #[error("Missing rule type")]
    MissingType,
    /// A migration rule runs when records are written or read.
    #[error("Migration rules can only be UPGRADE, DOWNGRADE, UPDOWN")]
    MigrationMode,
    /// A domain rule runs when records are migrated.
    #[error("Domain rules can only be WRITE, READ, WRITEREAD")]
    DomainMode,
    /// An encoding rule runs when records are migrated.
    #[error("Encoding rules can only be WRITE, READ, WRITEREAD")]
    EncodingMode,
    /// Two actions are given for a rule that runs in one direction.
    #[error("Multiple actions can only be specified with WRITEREAD and UPDOWN: {0}")]
    Actions(String),
}

impl Metadata {
    /// Returns what `newer` says, and of `older` what it leaves open.
    #[must_use]
    pub fn merge(older: Option<Self>, newer: Option<Self>) -> Option<Self> {
        let (mut merged, newer) = match (older, newer) {
            (Some(older), Some(newer)) => (older, newer),
            (one, other) => return other.or(one),
        };
        merged.tags.extend(newer.tags);
        merged.properties.extend(newer.properties);
        merged.sensitive.extend(newer.sensitive);
        Some(merged)
    }

    pub(crate) fn update(&self, hash: &mut Md5) {
        for (path, tags) in &self.tags {
            hash.update(path);
            tags.iter().for_each(|tag| hash.update(tag));
        }
        for (key, value) in &self.properties {
            hash.update(key);
            hash.update(value);
        }
        self.sensitive.iter().for_each(|key| hash.update(key));
    }
}

impl RuleSet {
    /// Checks names, modes and actions.
    ///
    /// # Errors
    /// The first rule at fault.
    pub fn check(&self) -> Result<(), Error> {
        let mut names = HashSet::new();
        for rule in self.rules() {
            rule.check()?;
            if let Some(name) = rule.name.as_ref().filter(|name| !names.insert(name.as_str())) {
                return Err(Error::DuplicateName(name.clone()));
            }
        }
        let all = |rules: &[Rule], is_migration| rules.iter().all(|rule| rule.mode.is_migration() == is_migration);
        let kinds = [
            (&self.migration_rules, true, Error::MigrationMode),
            (&self.domain_rules, false, Error::DomainMode),
            (&self.encoding_rules, false, Error::EncodingMode),
        ];
        kinds.into_iter().try_for_each(
            |(rules, is_migration, error)| {
                if all(rules, is_migration) { Ok(()) } else { Err(error) }
            },
        )
    }

    /// Returns the rules of both; one of `newer` takes the place of an older one of its name, at the end.
    #[must_use]
    pub fn merge(older: Option<Self>, newer: Option<Self>) -> Option<Self> {
        let (older, newer) = match (older, newer) {
            (Some(older), Some(newer)) => (older, newer),
            (one, other) => return other.or(one),
        };
        let rules = |older: Vec<Rule>, newer: Vec<Rule>| {
            let names: HashSet<_> = newer.iter().map(|rule| rule.name.clone()).collect();
            older.into_iter().filter(|rule| !names.contains(&rule.name)).chain(newer).collect()
        };
        Some(Self {
            migration_rules: rules(older.migration_rules, newer.migration_rules),
            domain_rules: rules(older.domain_rules, newer.domain_rules),
            encoding_rules: rules(older.encoding_rules, newer.encoding_rules),
            enable_at: newer.enable_at.or(older.enable_at),
        })
    }

    /// Takes a rule out.
    pub(super) fn remove(&mut self, name: &str) {
        for rules in [&mut self.migration_rules, &mut self.domain_rules, &mut self.encoding_rules] {
            rules.retain(|rule| rule.name.as_deref() != Some(name));
        }
    }

    /// Lists all rules.
    pub(crate) fn rules(&self) -> impl Iterator<Item = &Rule> {
        self.migration_rules.iter().chain(&self.domain_rules).chain(&self.encoding_rules)
    }

    pub(crate) fn update(&self, hash: &mut Md5) {
        self.rules().for_each(|rule| rule.update(hash));
        if let Some(place) = self.enable_at {
            hash.update(place.word());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules(json: serde_json::Value) -> RuleSet {
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn defaults_and_order_are_confluents() {
        let set = rules(serde_json::json!({ "domainRules": [
            { "type": "CEL", "name": "r", "params": { "b": "2", "a": "1" }, "tags": ["z", "a"], "doc": "", "mode": null }
        ], "unknown": 1, "migrationRules": null }));
        assert_eq!(
            serde_json::to_string(&set).unwrap(),
            r#"{"domainRules":[{"name":"r","kind":"TRANSFORM","mode":"WRITEREAD","type":"CEL","tags":["a","z"],"params":{"a":"1","b":"2"},"disabled":false}]}"#
        );
    }

    #[test]
    fn rules_at_fault_are_refused() {
        let rule = |name: &str| serde_json::json!({ "name": name, "type": "CEL", "mode": "WRITE" });
        let domain = |rule| rules(serde_json::json!({ "domainRules": [rule] })).check();
        assert_eq!(domain(rule("a-1_é")), Ok(()));
        assert_eq!(domain(rule("1a")), Err(Error::InitialCharacter("1a".into())));
        assert_eq!(domain(rule("a.b")), Err(Error::Character("a.b".into())));
        assert_eq!(domain(rule("")), Err(Error::EmptyName));
        assert_eq!(domain(rule(&"a".repeat(257))), Err(Error::LongName));
        assert_eq!(domain(serde_json::json!({ "type": "CEL" })), Err(Error::MissingName));
        assert_eq!(domain(serde_json::json!({ "name": "a" })), Err(Error::MissingType));
        let up = serde_json::json!({ "name": "a", "type": "CEL", "mode": "UPGRADE" });
        assert_eq!(domain(up.clone()), Err(Error::DomainMode));
        let pair = serde_json::json!({ "name": "a", "type": "CEL", "mode": "WRITE", "onFailure": "DLQ,NONE" });
        assert_eq!(domain(pair), Err(Error::Actions("DLQ,NONE".into())));
        let both = rules(serde_json::json!({ "domainRules": [rule("a")], "migrationRules": [up] }));
        assert_eq!(both.check(), Err(Error::DuplicateName("a".into())));
        let wrong = rules(serde_json::json!({ "migrationRules": [rule("b")] }));
        assert_eq!(wrong.check(), Err(Error::MigrationMode));
    }

    #[test]
    fn a_newer_rule_takes_the_place_of_an_older_one_at_the_end() {
        let set = |names: &[&str], doc: &str| {
            let rules_: Vec<_> =
                names.iter().map(|name| serde_json::json!({ "name": name, "type": "CEL", "doc": doc })).collect();
            Some(rules(serde_json::json!({ "domainRules": rules_ })))
        };
        let merged = RuleSet::merge(set(&["a", "b"], "old"), set(&["a", "c"], "new")).unwrap();
        let names: Vec<_> = merged
            .domain_rules
            .iter()
            .map(|rule| (rule.name.as_deref().unwrap(), rule.doc.as_deref().unwrap()))
            .collect();
        assert_eq!(names, [("b", "old"), ("a", "new"), ("c", "new")]);
    }
}
