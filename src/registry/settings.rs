//! What is set for a subject, a context or the whole registry: its configuration and its mode, by Confluent's names.
//!
//! A scope that sets nothing takes over from the one around it: subject, context (`:.ctx:`), global, all contexts
//! (`:.__GLOBAL:`), and the server's own default. A change is a patch: what it leaves out stays, and null clears.

use serde::{Deserialize, Deserializer, Serialize};

use super::contract::{Metadata, RuleSet};

/// Which versions of a subject must be able to read each other's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words are Confluent's")]
pub enum Compatibility {
    None,
    Backward,
    BackwardTransitive,
    Forward,
    ForwardTransitive,
    Full,
    FullTransitive,
}

/// What may be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Mode {
    /// Everything but schemas with IDs of their own.
    ReadWrite,
    /// Nothing.
    ReadOnly,
    /// Nothing; an older word for it.
    #[serde(rename = "READONLY_OVERRIDE")]
    ReadOnlyOverride,
    /// Only schemas with IDs of their own.
    Import,
    /// As import, while another registry leads.
    Forward,
}

/// How strictly JSON Schemas are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are Confluent's")]
pub enum CompatibilityPolicy {
    Strict,
    Lenient,
}

impl Compatibility {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::None,
        Self::Backward,
        Self::BackwardTransitive,
        Self::Forward,
        Self::ForwardTransitive,
        Self::Full,
        Self::FullTransitive,
    ];

    /// Returns Confluent's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::Backward => "BACKWARD",
            Self::BackwardTransitive => "BACKWARD_TRANSITIVE",
            Self::Forward => "FORWARD",
            Self::ForwardTransitive => "FORWARD_TRANSITIVE",
            Self::Full => "FULL",
            Self::FullTransitive => "FULL_TRANSITIVE",
        }
    }

    /// Reads the word, in capitals or not.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.name().eq_ignore_ascii_case(name))
    }

    /// Tells whether new readers must read what older writers have written.
    #[must_use]
    pub fn is_backward(self) -> bool {
        matches!(self, Self::Backward | Self::BackwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Tells whether older readers must read what new writers write.
    #[must_use]
    pub fn is_forward(self) -> bool {
        matches!(self, Self::Forward | Self::ForwardTransitive | Self::Full | Self::FullTransitive)
    }

    /// Tells whether all versions count, and not only the newest.
    #[must_use]
    pub fn is_transitive(self) -> bool {
        matches!(self, Self::BackwardTransitive | Self::ForwardTransitive | Self::FullTransitive)
    }
}

impl Mode {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ReadWrite, Self::ReadOnly, Self::ReadOnlyOverride, Self::Import, Self::Forward];

    /// Returns Confluent's word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ReadWrite => "READWRITE",
            Self::ReadOnly => "READONLY",
            Self::ReadOnlyOverride => "READONLY_OVERRIDE",
            Self::Import => "IMPORT",
            Self::Forward => "FORWARD",
        }
    }

    /// Reads the word, in capitals or not.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|mode| mode.name().eq_ignore_ascii_case(name))
    }

    /// Tells whether nothing may be written.
    #[must_use]
    pub fn is_read_only(self) -> bool {
        matches!(self, Self::ReadOnly | Self::ReadOnlyOverride)
    }

    /// Tells whether schemas come with IDs of their own.
    #[must_use]
    pub fn is_import(self) -> bool {
        matches!(self, Self::Import | Self::Forward)
    }
}

/// The configuration of a scope; nothing where it says nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    /// Another subject that is meant by this one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias: Option<String>,
    /// The same for data encryption keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alias_for_deks: Option<String>,
    /// Whether schemas are normalised before they are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub normalize: Option<bool>,
    /// Whether the names of fields that are reserved may not be used.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_fields: Option<bool>,
    /// Whether new schemas must keep to the specification.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_new_schemas: Option<bool>,
    /// Whether rules are checked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validate_rules: Option<bool>,
    /// Which versions must be able to read each other's data.
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "level")]
    pub compatibility_level: Option<Compatibility>,
    /// How strictly JSON Schemas are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_policy: Option<CompatibilityPolicy>,
    /// The metadata property by whose values versions fall into groups; only those of one group are compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub compatibility_group: Option<String>,
    /// Metadata of schemas that bring none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_metadata: Option<Metadata>,
    /// Metadata of all schemas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_metadata: Option<Metadata>,
    /// Rules of schemas that bring none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_rule_set: Option<RuleSet>,
    /// Rules of all schemas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub override_rule_set: Option<RuleSet>,
}

impl Config {
    /// Returns the configuration with what it leaves open taken from another.
    #[must_use]
    pub fn or(self, other: &Self) -> Self {
        let other = other.clone();
        Self {
            alias: self.alias,
            alias_for_deks: self.alias_for_deks,
            normalize: self.normalize.or(other.normalize),
            validate_fields: self.validate_fields.or(other.validate_fields),
            validate_new_schemas: self.validate_new_schemas.or(other.validate_new_schemas),
            validate_rules: self.validate_rules.or(other.validate_rules),
            compatibility_level: self.compatibility_level.or(other.compatibility_level),
            compatibility_policy: self.compatibility_policy.or(other.compatibility_policy),
            compatibility_group: self.compatibility_group.or(other.compatibility_group),
            default_metadata: self.default_metadata.or(other.default_metadata),
            override_metadata: self.override_metadata.or(other.override_metadata),
            default_rule_set: self.default_rule_set.or(other.default_rule_set),
            override_rule_set: self.override_rule_set.or(other.override_rule_set),
        }
    }
}

/// A change of a configuration: `None` leaves a setting as it is, `Some(None)` clears it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
#[expect(missing_docs, reason = "as in Config")]
pub struct ConfigPatch {
    #[serde(deserialize_with = "given")]
    pub alias: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub alias_for_deks: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub normalize: Option<Option<bool>>,
    #[serde(deserialize_with = "given")]
    pub validate_fields: Option<Option<bool>>,
    #[serde(deserialize_with = "given")]
    pub validate_new_schemas: Option<Option<bool>>,
    #[serde(deserialize_with = "given")]
    pub validate_rules: Option<Option<bool>>,
    /// The word as it was sent: whether it is a level is for the answer to say.
    #[serde(deserialize_with = "given")]
    pub compatibility: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub compatibility_policy: Option<Option<CompatibilityPolicy>>,
    #[serde(deserialize_with = "given")]
    pub compatibility_group: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    pub default_metadata: Option<Option<Metadata>>,
    #[serde(deserialize_with = "given")]
    pub override_metadata: Option<Option<Metadata>>,
    #[serde(deserialize_with = "given")]
    pub default_rule_set: Option<Option<RuleSet>>,
    #[serde(deserialize_with = "given")]
    pub override_rule_set: Option<Option<RuleSet>>,
}

/// A word that is no compatibility level.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is not a compatibility level")]
pub struct UnknownLevel(pub String);

impl ConfigPatch {
    /// Returns the configuration with the change.
    ///
    /// # Errors
    /// A word that is no compatibility level.
    pub fn apply(self, to: &Config) -> Result<Config, UnknownLevel> {
        fn choose<T: Clone>(new: Option<Option<T>>, old: &Option<T>) -> Option<T> {
            new.unwrap_or_else(|| old.clone())
        }
        let read = |word: String| Compatibility::from_name(&word).ok_or(UnknownLevel(word));
        let level = self.compatibility.map(|word| word.map(read).transpose()).transpose()?;
        Ok(Config {
            alias: choose(self.alias, &to.alias),
            alias_for_deks: choose(self.alias_for_deks, &to.alias_for_deks),
            normalize: choose(self.normalize, &to.normalize),
            validate_fields: choose(self.validate_fields, &to.validate_fields),
            validate_new_schemas: choose(self.validate_new_schemas, &to.validate_new_schemas),
            validate_rules: choose(self.validate_rules, &to.validate_rules),
            compatibility_level: choose(level, &to.compatibility_level),
            compatibility_policy: choose(self.compatibility_policy, &to.compatibility_policy),
            compatibility_group: choose(self.compatibility_group, &to.compatibility_group),
            default_metadata: choose(self.default_metadata, &to.default_metadata),
            override_metadata: choose(self.override_metadata, &to.override_metadata),
            default_rule_set: choose(self.default_rule_set, &to.default_rule_set),
            override_rule_set: choose(self.override_rule_set, &to.override_rule_set),
        })
    }
}

/// Reads a level; a word that is none counts as no level, since the log may be of another registry.
fn level<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Compatibility>, D::Error> {
    let word = Option::<String>::deserialize(deserializer)?;
    Ok(word.and_then(|word| Compatibility::from_name(&word)))
}

/// Tells null from what is left out.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patch(json: &str) -> ConfigPatch {
        serde_json::from_str(json).unwrap()
    }

    #[test]
    fn a_change_keeps_what_it_leaves_out_and_clears_what_is_null() {
        let first =
            patch(r#"{"compatibility":"full","alias":"a","normalize":true}"#).apply(&Config::default()).unwrap();
        assert_eq!(
            serde_json::to_string(&first).unwrap(),
            r#"{"alias":"a","normalize":true,"compatibilityLevel":"FULL"}"#
        );
        let second = patch(r#"{"alias":null,"compatibilityGroup":"major","unknown":1}"#).apply(&first).unwrap();
        assert_eq!(
            serde_json::to_string(&second).unwrap(),
            r#"{"normalize":true,"compatibilityLevel":"FULL","compatibilityGroup":"major"}"#
        );
        assert_eq!(patch(r#"{"compatibility":"BEST"}"#).apply(&second), Err(UnknownLevel("BEST".into())));
    }

    #[test]
    fn words_are_read_back() {
        for level in Compatibility::ALL {
            assert_eq!(Compatibility::from_name(&level.name().to_lowercase()), Some(level));
            assert_eq!(serde_json::to_value(level).unwrap(), level.name());
        }
        for mode in Mode::ALL {
            assert_eq!(Mode::from_name(&mode.name().to_lowercase()), Some(mode));
            assert_eq!(serde_json::to_value(mode).unwrap(), mode.name());
        }
        let stored: Config = serde_json::from_str(r#"{"compatibilityLevel":"SOMETHING","alias":"x"}"#).unwrap();
        assert_eq!((stored.compatibility_level, stored.alias.as_deref()), (None, Some("x")));
    }

    #[test]
    fn full_is_both_and_none_is_neither() {
        for level in Compatibility::ALL {
            assert_eq!(level.is_transitive(), level.name().ends_with("TRANSITIVE"));
            assert_eq!(level.is_backward() && level.is_forward(), level.name().starts_with("FULL"));
            assert_eq!(!level.is_backward() && !level.is_forward(), level == Compatibility::None);
        }
    }
}
