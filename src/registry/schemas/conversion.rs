//! How the records of one writer schema become the target's: what the registry has to say for it, and the plan, made once.
//!
//! A converter does not ask where the writer is registered, but says it where it knows: as version of the target's subject
//! if it is one, for the rules of migration join versions of one subject, else under the subject that its topic
//! suggests, or any. What cannot be asked for now is an [`Error`]: the partition waits.

use std::sync::Arc;

use super::choice::{Ingredients, make};
use super::error::Error;
use super::targets::Target;
use super::{Question, Schemas};
use crate::convert::{NoPath, Plan};
use crate::gate::policy::ConversionRule;
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

    /// Returns how records of the writer become the target's; `None` where they are, or need not be. The inner error is why
    /// that cannot be told from what the registry says.
    pub(super) async fn conversion(
        self: &Arc<Self>,
        writer: Writer,
        target: &Arc<Target>,
        rule: &ConversionRule,
        reading: &Reading,
    ) -> Result<Result<Option<Conversion>, Arc<str>>, Error> {
        let is_target = match writer.named {
            SchemaRef::Id(id) => id == target.id,
            SchemaRef::Guid(guid) => Some(guid) == target.guid,
        };
        if is_target || (!rule.all && matches!(reading, Reading::Always)) {
            return Ok(Ok(None));
        }
        if matches!(writer.named, SchemaRef::Guid(_)) && target.guid.is_none() {
            let (version, subject) = (target.version, &target.subject);
            let what = format!("the registry gives no GUID for version {version} of subject '{subject}', the target");
            return Err(Error::Target(format!("{what}, which its records need").into()));
        }
        let to = Place { subject: target.subject.clone(), version: target.version, id: target.id, guid: target.guid };
        let plan = match self.plan(&writer, target, rule).await? {
            Ok(plan) => plan,
            Err(reason) => return Ok(Err(reason)),
        };
        let way = plan.as_ref().map_or("none", |plan| plan.way().name());
        // What the target's readers can resolve by themselves, a gate leaves to them.
        if !rule.all && matches!(reading, Reading::Depends(_)) && matches!(way, "none" | "resolution" | "same") {
            return Ok(Ok(None));
        }
        let pair = Pair { from: origin_name(&writer), to: format!("{}/{}", to.subject, to.version), way };
        Ok(Ok(Some(Conversion { all: rule.all, to: Arc::new(to), plan, pair: Arc::new(pair) })))
    }
}

fn origin_name(Writer { named, origin, .. }: &Writer) -> String {
    match origin {
        (Some(subject), Some(version)) => format!("{subject}/{version}"),
        _ => named.to_string(),
    }
}

/// A plan, or why there is none.
type Planned = Result<Arc<Plan>, NoPath>;

impl Schemas {
    /// Makes the plan of a pair, or says why there is none.
    async fn plan(
        self: &Arc<Self>,
        writer: &Writer,
        target: &Target,
        rule: &ConversionRule,
    ) -> Result<Result<Planned, Arc<str>>, Error> {
        let version = if writer.origin.0.as_ref() == Some(&target.subject) { writer.origin.1 } else { None };
        let contracts = match self.contracts(version, target, rule).await? {
            Ok(contracts) => contracts,
            Err(reason) => return Ok(Err(reason)),
        };
        let ingredients =
            Ingredients { writer: self.text(writer.named).await?, reader: target.text.clone(), contracts, version };
        let rule = rule.clone();
        let plan = tokio::task::spawn_blocking(move || make(ingredients, &rule)).await;
        Ok(Ok(plan.map_err(|_| Error::Compiler)?.map(Arc::new).map_err(NoPath::from)))
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
