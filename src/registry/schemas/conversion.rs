//! How the records of one writer schema become the target's: what the registry has to say for it, and the plan, made once.
//!
//! A converter does not ask where the writer is registered, but says it where it knows: as version of the target's subject
//! if it is one, for the rules of migration join versions of one subject, else under the subject that its topic
//! suggests, or any. What cannot be asked for now is an [`Error`]: the partition waits.

use std::sync::Arc;

use super::error::Error;
use super::targets::Target;
use super::{Question, Schemas};
use crate::convert::mapping::{Mapping, Side, Steps};
use crate::convert::rules::{Chain, Versioned};
use crate::convert::{Codec, NoPath, Plan};
use crate::gate::policy::ConversionRule;
use crate::registry::contract::RuleSet;
use crate::schema::table::{Conversion, Pair, Place, Reading};
use crate::schema::{SchemaRef, SchemaText, Subject, Version};

/// Where a writer schema is registered, as far as anybody says.
pub(super) type Origin = (Option<Subject>, Option<Version>);

/// What a conversion starts from.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) named: SchemaRef,
    pub(super) origin: Origin,
}

impl Schemas {
    /// Finds out where a converter's writer schema is registered, in the target's subject if it is.
    pub(super) async fn origin(self: &Arc<Self>, question: &Question, target: &Subject) -> Result<Origin, Error> {
        let usual = format!("{}-{}", question.topic, question.need.slot.part);
        let list = self.registrations_with(question.need.schema, target).await?;
        let version_in = |subject: &str| {
            let of_subject = list.iter().filter(|entry| *entry.subject.0 == *subject);
            of_subject.max_by_key(|entry| entry.version).cloned()
        };
        let found = version_in(&target.0).or_else(|| version_in(&usual)).or_else(|| list.first().cloned());
        Ok(found.map_or((None, None), |entry| (Some(entry.subject), Some(entry.version))))
    }

    /// Returns how records of the writer become the target's; `None` where they are, or need not be.
    pub(super) async fn conversion(
        self: &Arc<Self>,
        writer: Writer,
        target: &Arc<Target>,
        rule: &ConversionRule,
        reading: &Reading,
    ) -> Result<Option<Conversion>, Error> {
        let is_target = match writer.named {
            SchemaRef::Id(id) => id == target.id,
            SchemaRef::Guid(guid) => Some(guid) == target.guid,
        };
        if is_target || (!rule.all && matches!(reading, Reading::Always)) {
            return Ok(None);
        }
        if matches!(writer.named, SchemaRef::Guid(_)) && target.guid.is_none() {
            let (version, subject) = (target.version, &target.subject);
            let what = format!("the registry gives no GUID for version {version} of subject '{subject}', the target");
            return Err(Error::Target(format!("{what}, which its records need").into()));
        }
        let to = Place { subject: target.subject.clone(), version: target.version, id: target.id, guid: target.guid };
        let plan = self.plan(&writer, target, rule).await?;
        let way = plan.as_ref().map_or("none", |plan| plan.way().name());
        // What the target's readers can resolve by themselves, a gate leaves to them.
        if !rule.all && matches!(reading, Reading::Depends(_)) && matches!(way, "none" | "resolution" | "same") {
            return Ok(None);
        }
        let pair = Pair { from: origin_name(&writer), to: format!("{}/{}", to.subject, to.version), way };
        Ok(Some(Conversion { all: rule.all, to: Arc::new(to), plan, pair: Arc::new(pair) }))
    }
}

fn origin_name(Writer { named, origin, .. }: &Writer) -> String {
    match origin {
        (Some(subject), Some(version)) => format!("{subject}/{version}"),
        _ => named.to_string(),
    }
}

/// What a plan is made of.
struct Ingredients {
    writer: SchemaText,
    reader: SchemaText,
    /// Writer and target as versions of one subject, and the contracts from one to the other.
    contracts: Option<Contracts>,
    /// The writer's version, where it is one of the target's subject.
    version: Option<Version>,
}

struct Contracts {
    writer: Version,
    target: Version,
    versions: Vec<(Version, Option<RuleSet>)>,
}

impl Schemas {
    /// Makes the plan of a pair, or says why there is none.
    async fn plan(
        self: &Arc<Self>,
        writer: &Writer,
        target: &Target,
        rule: &ConversionRule,
    ) -> Result<Result<Arc<Plan>, NoPath>, Error> {
        let ingredients = Ingredients {
            writer: self.text(writer.named).await?,
            reader: self.text(SchemaRef::Id(target.id)).await?,
            contracts: self.contracts(writer, target).await?,
            version: if writer.origin.0.as_ref() == Some(&target.subject) { writer.origin.1 } else { None },
        };
        let rule = rule.clone();
        let plan = tokio::task::spawn_blocking(move || make(ingredients, &rule)).await;
        Ok(plan.map_err(|_| Error::Compiler)?.map(Arc::new))
    }

    /// Returns what the versions between writer and target say of migration, where both are in one subject.
    async fn contracts(self: &Arc<Self>, writer: &Writer, target: &Target) -> Result<Option<Contracts>, Error> {
        let (Some(subject), Some(version)) = &writer.origin else { return Ok(None) };
        if *subject != target.subject || *version == target.version {
            return Ok(None);
        }
        let range = (target.version.min(*version), target.version.max(*version));
        let versions = self.pace.call(self.client.contracts(subject, range)).await?;
        Ok(Some(Contracts { writer: *version, target: target.version, versions }))
    }

    /// Returns the text of a schema that is in use; compiled ones do not keep theirs.
    ///
    /// # Errors
    /// There is no answer; see [`Error`].
    pub async fn text(self: &Arc<Self>, schema: SchemaRef) -> Result<SchemaText, Error> {
        match self.kept_schema(schema).await {
            Some(text) => Ok(text),
            None => Ok(self.pace.call(self.client.schema(schema)).await?),
        }
    }
}

/// Makes a plan, off the runtime's threads.
fn make(ingredients: Ingredients, rule: &ConversionRule) -> Result<Plan, NoPath> {
    let Ingredients { writer, reader, contracts, version } = ingredients;
    let (writer, target) = codecs(&writer, &reader)?;
    let versions = contracts.map(|contracts| (contracts.writer, contracts.target, contracts.versions));
    choose((writer, version), target, rule, versions.as_ref().map(|(from, to, versions)| (*from, *to, &**versions)))
}

/// The versions between writer and target, both of one subject, with their rules.
type Between<'a> = (Version, Version, &'a [(Version, Option<RuleSet>)]);

/// Makes the plan between two versions of a subject, of which all in between are given with their rules.
///
/// # Errors
/// No record of the one can become a record of the other.
pub fn plan_between(
    (writer, from): (&SchemaText, Version),
    (target, to): (&SchemaText, Version),
    rule: &ConversionRule,
    versions: &[(Version, Option<RuleSet>)],
) -> Result<Plan, NoPath> {
    let (writer, target) = codecs(writer, target)?;
    choose((writer, Some(from)), target, rule, Some((from, to, versions)))
}

/// Takes the first way that there is: the mapping, the rules, resolution.
fn choose(
    (writer, version): (Codec, Option<Version>),
    target: Codec,
    rule: &ConversionRule,
    between: Option<Between<'_>>,
) -> Result<Plan, NoPath> {
    let no_path = |detail| NoPath { path: String::new(), detail };
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
        let mapping = Mapping::compile(steps, sides.0, sides.1).map_err(|mistakes| {
            let mistakes: Vec<_> = mistakes.iter().map(ToString::to_string).collect();
            no_path(mistakes.join("; "))
        })?;
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
        None => Plan::resolve(&writer, &target),
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
        assert!(made(None).is_err_and(|why| why.detail.contains("goes by version")));
        assert!(made(Some(Version(1))).is_ok(), "a version without steps has no mapping");
    }
}
