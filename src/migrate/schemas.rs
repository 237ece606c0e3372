//! The schemas that records name, in the registry of the target: found there, or registered with all that they refer to.
//!
//! ```text
//!  ID in a record ─> where the source's registry has it ─> earlier versions and references first ─> ID in the target's registry
//! ```
//! Where IDs are mapped:
//!
//! - **A subject keeps its history**: before a version, the earlier ones that are not deleted are registered, so that versions have the
//!   same numbers in a subject that is new there, and are judged by compatibility in the order in which they came about.
//! - **What is there is found by asking**, never remembered between runs: the same question gives the same ID.
//! - **Nothing is believed of an ID** before the target's registry was asked for its text, and that is the same schema, with the same references.
//!
//! Import mode is not used then: the target's registry counts IDs by itself. Where IDs are kept, see `keep` and `imports`.

mod fault;
mod mapped;

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use tokio::runtime::Handle;
use tokio::sync::Mutex;

pub(super) use self::fault::Fault;
use super::cast::Cast;
use super::error::Error;
use super::imports::Imports;
use super::keep::{Keep, Wanted};
use crate::config::{Keys, TargetRegistry};
use crate::gate::policy::{SubjectRule, TargetRule};
use crate::pipeline::Stop;
use crate::record::Part;
use crate::registry::client::{Kind, Registration};
use crate::registry::remote::{self, Remote};
use crate::registry::schemas::{self, Backoff};
use crate::schema::{SchemaGuid, SchemaId, SchemaRef, Subject, Version};
use crate::telemetry::HoldCause;

/// Pause before the source's registry is asked again for an ID that it does not know.
const UNKNOWN_PAUSE: Duration = Duration::from_secs(1);

/// Whether what is missing in the target's registry is registered there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Register,
    /// Nothing is registered.
    Look,
    /// Nothing is registered, and earlier versions are not looked at: they are no concern of a record.
    Compare,
}

/// A schema as a part of a record names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Named {
    pub(super) part: Part,
    pub(super) schema: SchemaRef,
    /// Whether a header names it, so that no plain bytes were taken for an ID.
    pub(super) is_sure: bool,
}

/// A schema as the target's registry numbers it.
pub(super) type Number = (SchemaId, Option<SchemaGuid>);

/// A version of a subject that is copied, or there already.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// The subject.
    pub subject: String,
    /// The version in the source's registry.
    pub version: i32,
    /// The ID in the target's registry; none where it would be registered.
    pub id: Option<i32>,
}

/// Why a schema has no number in the target's registry.
#[derive(Debug, Clone, thiserror::Error)]
pub(super) enum Lacking {
    /// It is not there, and nobody was to register it.
    #[error("schema {0} is not in the target's registry")]
    Absent(SchemaRef),
    /// It cannot be there.
    #[error("{0}")]
    Refused(String),
}

/// Both registries of a job.
#[derive(Debug)]
pub(super) struct Schemas {
    source: Remote,
    target: Remote,
    topic: String,
    /// The subjects that the schemas of key and value are looked for in first, and the last version that is of interest there.
    own: [(Subject, Option<Version>); 2],
    keys: Keys,
    grace: Duration,
    order: Order,
    /// There where IDs are kept.
    imports: Option<Imports>,
    pub(super) runtime: Handle,
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    named: HashMap<Named, Option<Number>>,
    /// By subject and version in the source's registry.
    places: BTreeMap<(String, i32), Option<Place>>,
}

/// A version in the target's registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    id: i32,
    version: i32,
}

impl Schemas {
    /// Prepares what the configuration says; `None` where records keep their IDs. Asks for nothing yet.
    pub(super) fn new(cast: &Cast, order: Order) -> Result<Option<Self>, Error> {
        let Some(TargetRegistry { registry, keys, .. }) = &cast.migration.registry else { return Ok(None) };
        let here = &cast.config().registry;
        let unusable = |error: remote::Error| Error::Unsuitable(error.to_string());
        let (source, target) = (Remote::new(here).map_err(unusable)?, Remote::new(registry).map_err(unusable)?);
        let unknown = here.unknown_schema;
        Ok(Some(Self {
            imports: cast.keeps_ids().then(|| Imports::new(cast, &target)),
            source,
            target,
            topic: cast.migration.source.clone(),
            own: own(cast),
            keys: *keys,
            grace: unknown.grace.min(unknown.max_hold),
            order,
            runtime: Handle::current(),
            known: Mutex::default(),
        }))
    }

    /// Tells whether keys may name schemas at all.
    pub(super) fn takes(&self, part: Part) -> bool {
        part == Part::Value || self.keys != Keys::Plain
    }

    /// Returns what was looked at so far, by subject and version.
    pub(super) fn carried(&self) -> Vec<Carried> {
        let known = self.known.blocking_lock();
        let places = known.places.iter();
        places
            .map(|((subject, version), place)| Carried {
                subject: subject.clone(),
                version: *version,
                id: place.map(|place| place.id),
            })
            .collect()
    }

    /// Returns the number of a schema in the target's registry, however long the registries take.
    ///
    /// # Errors
    /// It has none there, or cannot have one.
    pub(super) async fn number(&self, named: Named) -> Result<Number, Lacking> {
        let (began, mut backoff, mut told) = (Instant::now(), Backoff::default(), String::new());
        loop {
            let (cause, detail, pause) = match self.find(named).await {
                Ok(Some(number)) => return Ok(number),
                Ok(None) => return Err(Lacking::Absent(named.schema)),
                Err(Fault::Final(problem)) => return Err(Lacking::Refused(problem)),
                Err(Fault::Unknown) if began.elapsed() >= self.grace => return Err(Lacking::Refused(unknown(named))),
                Err(Fault::Unknown) => {
                    let detail = format!("the source's registry does not know schema {}", named.schema);
                    let rest = self.grace.saturating_sub(began.elapsed());
                    (HoldCause::UnknownSchema, detail, UNKNOWN_PAUSE.min(rest))
                }
                Err(Fault::Passing(error)) => {
                    let detail = error.to_string();
                    let pause = backoff.next(&schemas::Error::Registry(error.into()));
                    (HoldCause::RegistryUnavailable, detail, pause)
                }
                Err(Fault::Waiting(detail)) => (HoldCause::RegistryUnavailable, detail, UNKNOWN_PAUSE),
            };
            if told != detail {
                tracing::warn!(topic = self.topic, cause = cause.name(), detail, "a lane is held back");
                told = detail;
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Finds a schema in the target's registry; `None` where it is not there and is not to be registered.
    async fn find(&self, named: Named) -> Result<Option<Number>, Fault> {
        // One at a time: lanes meet the same schemas.
        let mut known = self.known.lock().await;
        if let Some(number) = known.named.get(&named) {
            return Ok(*number);
        }
        let registrations = self.registrations(named).await?;
        let number = match &self.imports {
            Some(imports) => self.keep(imports, &mut known, (named, registrations)).await?,
            None => self.map(&mut known, (named, registrations)).await?,
        };
        known.named.insert(named, number);
        if let Some((id, _)) = number {
            tracing::info!(topic = self.topic, schema = %named.schema, %id, "a schema has its ID in the target's registry");
        }
        Ok(number)
    }

    /// Finds a schema under its own number.
    async fn keep(
        &self,
        imports: &Imports,
        known: &mut Known,
        (named, registrations): (Named, Vec<Registration>),
    ) -> Result<Option<Number>, Fault> {
        let keep = Keep { source: &self.source, target: &self.target, imports, order: self.order };
        let mut wanted = Wanted::default();
        for Registration { subject, version } in &registrations {
            keep.collect(&mut wanted, (subject.to_string(), version.0), 0).await?;
        }
        let found = keep.compare(&wanted).await?;
        let opening = keep.look(&wanted, &found).await?;
        let is_there = opening.is_empty() || self.order == Order::Register;
        if !opening.is_empty() && self.order == Order::Register {
            keep.register(&wanted, &found, opening).await?;
        }
        let own = registrations.first().and_then(|first| found.get(&(first.subject.to_string(), first.version.0)));
        let id = own.map(|(id, _)| SchemaId(*id));
        for ((subject, version), (id, was_there)) in found {
            let place = (is_there || was_there).then_some(Place { id, version });
            known.places.insert((subject, version), place);
        }
        let Some(id) = id.filter(|_| is_there) else { return Ok(None) };
        match named.schema {
            SchemaRef::Id(own) => Ok(Some((own, None))),
            SchemaRef::Guid(own) if self.target.by_guid(&own.to_string()).await?.is_some() => Ok(Some((id, Some(own)))),
            SchemaRef::Guid(own) => Err(Fault::Final(format!(
                "the target's registry has schema {id} under another GUID than {own}, and records name it by that"
            ))),
        }
    }

    /// Ends what an earlier process has left open in the target's registry. A job that has not begun is refused where its topic's
    /// own subjects cannot be kept.
    pub(super) fn prepare(&self, is_begun: bool, stop: &Stop) -> Result<(), Error> {
        let Some(imports) = &self.imports else { return Ok(()) };
        if is_begun {
            return imports.take_over(stop);
        }
        let mut backoff = Backoff::default();
        loop {
            let (problem, pause) = match self.runtime.block_on(self.check(imports)) {
                Ok(()) => return Ok(()),
                Err(Fault::Passing(error)) if !stop.is_asked() => {
                    (error.to_string(), backoff.next(&schemas::Error::Registry(error.into())))
                }
                Err(fault) => return Err(Error::Unsuitable(fault.to_string())),
            };
            tracing::warn!(problem, "the job waits for the registries");
            std::thread::sleep(pause);
        }
    }

    /// Looks whether the subjects of the topic can be kept, in all their versions.
    async fn check(&self, imports: &Imports) -> Result<(), Fault> {
        let keep = Keep { source: &self.source, target: &self.target, imports, order: Order::Look };
        let mut wanted = Wanted::default();
        for part in [Part::Value, Part::Key].into_iter().filter(|part| self.takes(*part)) {
            let (subject, limit) = &self.own[part as usize];
            let mut versions = self.source.versions(subject, true).await?.into_iter().rev();
            if let Some(last) = versions.find(|version| limit.is_none_or(|limit| *version <= limit.0)) {
                keep.collect(&mut wanted, (subject.to_string(), last), 0).await?;
            }
        }
        let found = keep.compare(&wanted).await?;
        keep.look(&wanted, &found).await.map(drop)
    }

    /// Ends what an earlier process has left open in the target's registry.
    pub(super) fn take_over(&self, stop: &Stop) -> Result<(), Error> {
        self.imports.as_ref().map_or(Ok(()), |imports| imports.take_over(stop))
    }

    /// Ends what is open in the target's registry: a lane that was asked to stop has let go of it.
    pub(super) fn close(&self) -> Result<(), Error> {
        self.imports.as_ref().map_or(Ok(()), |imports| imports.end_patiently(&Stop::default()))
    }

    /// Returns where the source's registry has a schema: in the topic's own subject, if it is there, else everywhere.
    async fn registrations(&self, named: Named) -> Result<Vec<Registration>, Fault> {
        let Named { part, schema, is_sure } = named;
        let mut found = match self.source.client().versions(schema).await {
            Err(error) if error.kind() == Kind::NotFound => return Err(Fault::Unknown),
            found => found?,
        };
        if found.is_empty() {
            return Err(Fault::Unknown);
        }
        found.sort_by(|a, b| (&a.subject, a.version).cmp(&(&b.subject, b.version)));
        found.dedup();
        let (own, _) = &self.own[part as usize];
        if found.iter().any(|registration| registration.subject == *own) {
            found.retain(|registration| registration.subject == *own);
        } else if part == Part::Key && !is_sure && self.keys == Keys::BySubject {
            return Err(Fault::Final(format!(
                "the key begins as if it named schema {schema}, which is not one of subject '{own}'; set 'target.keys: framed' \
                 where keys name schemas, or 'plain' where they are bytes"
            )));
        }
        Ok(found)
    }
}

/// Returns the subjects that schemas are looked for in first: what a part becomes, or what serializers register by default.
fn own(cast: &Cast) -> [(Subject, Option<Version>); 2] {
    let policy = cast.migration.conversion.as_ref().map(|gate| &gate.policy);
    [Part::Key, Part::Value].map(|part| {
        let converted = policy.and_then(|policy| if part == Part::Key { &policy.key } else { &policy.value }.as_ref());
        let version = converted.and_then(|part| match part.target {
            TargetRule::Version(version) => Some(version),
            TargetRule::Latest | TargetRule::Any => None,
        });
        match converted.map(|part| &part.subject) {
            Some(SubjectRule::Named(subject)) => (Subject(subject.as_str().into()), version),
            _ => (Subject(format!("{}-{}", cast.migration.source, part.name()).into()), None),
        }
    })
}

fn unknown(Named { part, schema, is_sure }: Named) -> String {
    let plain = part == Part::Key && !is_sure;
    let hint = if plain { "; where keys are plain bytes, set 'target.keys: plain'" } else { "" };
    format!("the source's registry does not know schema {schema}{hint}")
}
