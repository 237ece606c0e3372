//! Which way a pair of schemas takes: the mapping, the rules of the registry, schema resolution.

use std::sync::Arc;

use super::contracts::Contracts;
use crate::convert::mapping::{Mapping, Mistake, Side, Steps};
use crate::convert::rules::{Chain, Versioned};
use crate::convert::{Codec, NoPath, Plan};
use crate::gate::policy::ConversionRule;
use crate::registry::client::VersionRules;
use crate::schema::{SchemaText, Version};

/// What a plan is made of.
pub(super) struct Ingredients {
    pub(super) writer: SchemaText,
    pub(super) reader: SchemaText,
    /// Writer and target as versions of one subject, and the contracts from one to the other.
    pub(super) contracts: Option<Contracts>,
    /// The writer's version, where it is one of the target's subject.
    pub(super) version: Option<Version>,
}

/// Why there is no plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NoPlan {
    /// The mapping does not fit the schemas: every mistake.
    Mapping(Vec<Mistake>),
    /// Nothing leads to the target.
    Path(NoPath),
}

impl From<NoPath> for NoPlan {
    fn from(no_path: NoPath) -> Self {
        Self::Path(no_path)
    }
}

impl From<NoPlan> for NoPath {
    fn from(no_plan: NoPlan) -> Self {
        match no_plan {
            NoPlan::Path(no_path) => no_path,
            NoPlan::Mapping(mistakes) => {
                let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
                Self { path: String::new(), detail: mistakes.join("; ") }
            }
        }
    }
}

/// Makes a plan, off the runtime's threads.
pub(super) fn make(ingredients: Ingredients, rule: &ConversionRule) -> Result<Plan, NoPlan> {
    let Ingredients { writer, reader, contracts, version } = ingredients;
    let (writer, target) = codecs(&writer, &reader)?;
    let versions = contracts.map(|contracts| (contracts.writer, contracts.target, contracts.versions));
    choose((writer, version), target, rule, versions.as_ref().map(|(from, to, versions)| (*from, *to, &**versions)))
}

/// The versions between writer and target, both of one subject, with their rules.
pub type Between<'a> = (Version, Version, &'a [VersionRules]);

/// Makes the plan from one schema to another. Versions are given where they are of one subject, then with the rules of all
/// in between.
///
/// # Errors
/// No record of the one can become a record of the other.
pub fn plan_between(
    (writer, target): (&SchemaText, &SchemaText),
    rule: &ConversionRule,
    between: Option<Between<'_>>,
) -> Result<Plan, NoPlan> {
    let (writer, target) = codecs(writer, target)?;
    choose((writer, between.map(|(from, ..)| from)), target, rule, between)
}

/// Takes the first way that there is: the mapping, the rules, resolution.
fn choose(
    (writer, version): (Codec, Option<Version>),
    target: Codec,
    rule: &ConversionRule,
    between: Option<Between<'_>>,
) -> Result<Plan, NoPlan> {
    let no_path = |detail| NoPlan::Path(NoPath { path: String::new(), detail });
    // Their data stand bare, and what looks into a value would take the first bytes for a length.
    let is_bare = writer.schema().is_bytes() || target.schema().is_bytes();
    let bare = || no_path("a plain `bytes` schema has nothing that a mapping or a rule could name".to_owned());
    if version.is_none() && matches!(rule.mapping.as_deref(), Some(Steps::ByVersion(_))) {
        let why = "the mapping goes by version, and the writer's schema is no version of the target's subject";
        return Err(no_path(format!("{why}: give one list of steps")));
    }
    if let Some(steps) = rule.mapping.as_ref().and_then(|mapping| mapping.of(version)) {
        if is_bare {
            return Err(bare());
        }
        let name = version.map_or("the writer".to_owned(), |version| format!("version {version}"));
        let sides = (Side { tree: writer.tree(), name: &name }, Side { tree: target.tree(), name: "the target" });
        let mapping = Mapping::compile(steps, sides.0, sides.1).map_err(NoPlan::Mapping)?;
        return Ok(Plan::map(mapping, Arc::new(writer), Arc::new(target)));
    }
    let chain = match between {
        None => None,
        Some((from, to, versions)) => {
            let versions: Vec<_> = versions
                .iter()
                .map(|(version, rules)| Versioned { version: *version, rules: rules.as_ref() })
                .collect();
            Chain::compile(from, to, &versions).map_err(|problem| no_path(problem.to_string()))?
        }
    };
    match chain {
        Some(_) if is_bare => Err(bare()),
        Some(chain) => Ok(Plan::follow(chain, Arc::new(writer), Arc::new(target))),
        None => Ok(Plan::resolve(&writer, &target)?),
    }
}

fn codecs(writer: &SchemaText, target: &SchemaText) -> Result<(Codec, Codec), NoPath> {
    let codec = |text, whose| {
        let unusable = |error| NoPath { path: String::new(), detail: format!("the {whose} schema: {error}") };
        Codec::compile(text).map_err(unusable)
    };
    Ok((codec(writer, "writer's")?, codec(target, "target's")?))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::schema::Format;

    fn text(schema: &str) -> SchemaText {
        SchemaText { format: Format::Avro, text: schema.into(), references: Vec::new() }
    }

    /// Resolution would fill in defaults where the steps of some version carry the data.
    #[test]
    fn a_mapping_by_version_wants_a_version() {
        let rule = ConversionRule { all: true, mapping: Some(Arc::new(Steps::ByVersion(BTreeMap::new()))) };
        let made = |version| {
            let ingredients =
                Ingredients { writer: text("\"int\""), reader: text("\"long\""), contracts: None, version };
            make(ingredients, &rule).map(|plan| plan.way())
        };
        assert!(made(None).is_err_and(|why| NoPath::from(why).detail.contains("goes by version")));
        assert!(made(Some(Version(1))).is_ok(), "a version without steps has no mapping");
    }
}
