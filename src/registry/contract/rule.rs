//! One rule of a data contract: what it may say, what it counts for in an ID, and when it runs.

use std::collections::{BTreeMap, BTreeSet};

use md5::{Digest as _, Md5};
use serde::{Deserialize, Serialize};

use super::{Error, RULE_NAME_CHARS};

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// Its name, which all rules of the schema share.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub name: Option<String>,
    /// What it is for.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub doc: Option<String>,
    /// Whether it changes or judges.
    #[serde(default, deserialize_with = "nullable")]
    pub kind: RuleKind,
    /// When it runs.
    #[serde(default, deserialize_with = "nullable")]
    pub mode: RuleMode,
    /// Who runs it, such as `CEL`.
    #[serde(default, rename = "type", skip_serializing_if = "is_empty")]
    pub executor: Option<String>,
    /// The tags of the fields that it concerns.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty", deserialize_with = "nullable")]
    pub tags: BTreeSet<String>,
    /// What its executor wants to know.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty", deserialize_with = "nullable")]
    pub params: BTreeMap<String, String>,
    /// The expression.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub expr: Option<String>,
    /// What is done when it holds.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub on_success: Option<String>,
    /// What is done when it does not.
    #[serde(default, skip_serializing_if = "is_empty")]
    pub on_failure: Option<String>,
    /// Whether it is out of use.
    #[serde(default, deserialize_with = "nullable")]
    pub disabled: bool,
}

/// Whether a rule changes or judges.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are Confluent's")]
pub enum RuleKind {
    #[default]
    Transform,
    Condition,
}

/// When a rule runs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are Confluent's")]
pub enum RuleMode {
    Upgrade,
    Downgrade,
    UpDown,
    Write,
    Read,
    #[default]
    WriteRead,
}

/// Where rules run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[expect(missing_docs, reason = "the words are Confluent's")]
pub enum ExecutionEnvironment {
    All,
    Client,
    Gateway,
    Server,
    None,
}

impl Rule {
    pub(super) fn check(&self) -> Result<(), Error> {
        let name = self.name.as_deref().ok_or(Error::MissingName)?;
        let mut characters = name.chars();
        match characters.next() {
            None => return Err(Error::EmptyName),
            Some(_) if name.chars().count() > RULE_NAME_CHARS => return Err(Error::LongName),
            Some(first) if !first.is_alphabetic() && first != '_' => return Err(Error::InitialCharacter(name.into())),
            Some(_) => {}
        }
        if !characters.all(|one| one.is_alphanumeric() || matches!(one, '_' | '-')) {
            return Err(Error::Character(name.into()));
        }
        if self.executor.is_none() {
            return Err(Error::MissingType);
        }
        let is_both = matches!(self.mode, RuleMode::WriteRead | RuleMode::UpDown);
        match [&self.on_success, &self.on_failure].into_iter().flatten().find(|actions| actions.contains(',')) {
            Some(actions) if !is_both => Err(Error::Actions(actions.clone())),
            Some(_) | None => Ok(()),
        }
    }

    pub(super) fn update(&self, hash: &mut Md5) {
        let mut text = |text: Option<&str>| text.iter().for_each(|text| hash.update(text));
        text(self.name.as_deref());
        text(self.doc.as_deref());
        text(Some(self.kind.word()));
        text(Some(self.mode.word()));
        text(self.executor.as_deref());
        self.tags.iter().for_each(|tag| text(Some(tag)));
        for (key, value) in &self.params {
            text(Some(key));
            text(Some(value));
        }
        text(self.expr.as_deref());
        text(self.on_success.as_deref());
        text(self.on_failure.as_deref());
        if self.disabled {
            hash.update([1]);
        }
    }
}

impl RuleKind {
    fn word(self) -> &'static str {
        match self {
            Self::Transform => "TRANSFORM",
            Self::Condition => "CONDITION",
        }
    }
}

impl RuleMode {
    pub(super) fn is_migration(self) -> bool {
        matches!(self, Self::Upgrade | Self::Downgrade | Self::UpDown)
    }

    fn word(self) -> &'static str {
        match self {
            Self::Upgrade => "UPGRADE",
            Self::Downgrade => "DOWNGRADE",
            Self::UpDown => "UPDOWN",
            Self::Write => "WRITE",
            Self::Read => "READ",
            Self::WriteRead => "WRITEREAD",
        }
    }
}

impl ExecutionEnvironment {
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Client => "CLIENT",
            Self::Gateway => "GATEWAY",
            Self::Server => "SERVER",
            Self::None => "NONE",
        }
    }
}

/// Takes null for what is left out.
pub(super) fn nullable<'de, D: serde::Deserializer<'de>, T: Default + Deserialize<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
}

/// Tells whether Confluent leaves it out of its JSON.
#[expect(clippy::ref_option, reason = "serde passes it so")]
fn is_empty(text: &Option<String>) -> bool {
    text.as_ref().is_none_or(String::is_empty)
}
