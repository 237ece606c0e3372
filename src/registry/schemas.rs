//! What a process knows of the registry's schemas, shared by all its pipelines.
//!
//! A pipeline that meets an unknown schema holds the partition and asks here; the answer goes into its
//! `SchemaTable`. Everything costs one flight: schemas by ID and GUID, lists of subjects, targets,
//! resolutions. Schemas by ID never change, so they are kept for ever, and on disk over restarts: an outage
//! stops new schemas only. The registry bounds how many there are; what it does not have is bounded by us, and
//! `pace` bounds what the registry is asked. Whether it still says the same is the `audit`'s question.
//!
//! ```text
//! Question ─> schema by ID (compiled once per text) ─> version under the subject ─> target ─> resolution ─> Judgement
//!               └ 404: Refused after grace               └ elsewhere: Refused after grace   └ missing: Err, hold
//! ```
//!
//! An error is always transient: the caller holds and asks again, as [`Backoff`] says. Nothing is retried in
//! here, and no error is remembered, nor that a schema cannot be used. A refusal is remembered for one `refresh`:
//! a table that keeps it longer does not see that the schema has been registered since.

mod absences;
mod audit;
mod backoff;
mod calls;
mod choice;
mod compile;
mod contracts;
mod conversion;
mod error;
mod flights;
mod kept;
mod memo;
mod pace;
mod registrations;
mod targets;
mod writers;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast;
use tokio::task::JoinSet;

pub use backoff::Backoff;
pub use calls::Calls;
pub use choice::{Between, NoPlan, plan_between};
pub use error::Error;
pub use targets::{InUse, TargetChanged};

use self::absences::Absences;
use self::audit::Audit;
use self::compile::{Known, resolve};
use self::conversion::{Origin, Writer};
use self::memo::Memo;
use self::pace::Pace;
use self::registrations::Registrations;
use self::targets::{Target, Targets};
use super::client::Client;
use super::disk::{Disk, DiskCounts};
use crate::gate::policy::{ConversionRule, PartPolicy, SubjectRule};
use crate::schema::avro::Schema;
use crate::schema::table::{Entry, Judgement, Need, Reading, Refusal};
use crate::schema::{SchemaId, SchemaRef, Subject, Version};
use crate::telemetry::RegistryState;
use crate::violation::{ReasonCode, Violation};

/// How many changes of targets a slow listener may fall behind; after that it is told that it missed some.
const CHANGES_KEPT: usize = 64;

/// What a pipeline wants to know.
#[derive(Debug, Clone)]
pub struct Question {
    /// The schema, and the slot that needs it.
    pub need: Need,
    /// The source topic of that slot.
    pub topic: Arc<str>,
    /// How the gate checks that part.
    pub policy: PartPolicy,
    /// How long a 404 may be a matter of time; zero: the first one counts.
    pub grace: Duration,
}

/// What is known.
#[derive(Debug, Clone)]
pub enum Answer {
    /// For the table.
    Entry(Entry),
    /// The schema is there and we cannot use it; the gate's policy says what becomes of its records.
    Unusable {
        /// The schema.
        schema: SchemaRef,
        /// Why, in one line.
        reason: String,
    },
}

/// One writer schema under one subject, against one target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Pair {
    writer: SchemaRef,
    origin: Origin,
    target: Option<(Subject, Version, SchemaId)>,
    conversion: Option<ConversionRule>,
}

/// The registry's schemas, as far as this process has met them.
#[derive(Debug)]
pub struct Schemas {
    client: Client,
    pace: Pace,
    known: Memo<SchemaRef, Known>,
    compiled: Memo<[u8; 32], Known>,
    registrations: Registrations,
    targets: Targets,
    judgements: Memo<Pair, Result<Arc<Judgement>, Arc<str>>>,
    absences: Absences,
    audit: Arc<Audit>,
    disk: Option<Arc<Disk>>,
    changes: broadcast::Sender<TargetChanged>,
    state: Arc<RegistryState>,
    /// Ends with this value.
    _refresher: JoinSet<()>,
}

impl Schemas {
    /// Starts with nothing known, and with the task that looks at the targets every `refresh`.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn new(client: Client, refresh: Duration, disk: Option<Disk>) -> Arc<Self> {
        let state = Arc::new(RegistryState::default());
        let audit = Arc::new(Audit::default());
        Arc::new_cyclic(|schemas| {
            let mut refresher = JoinSet::new();
            refresher.spawn(targets::keep_fresh(schemas.clone(), Arc::clone(&audit), refresh));
            Self {
                client,
                pace: Pace::new(Arc::clone(&state)),
                known: Memo::new(Known::stays),
                compiled: Memo::new(Known::stays),
                registrations: Registrations::new(),
                targets: Targets::new(),
                judgements: Memo::new(Result::is_ok),
                absences: Absences::new(refresh),
                audit,
                disk: disk.map(Arc::new),
                changes: broadcast::Sender::new(CHANGES_KEPT),
                state,
                _refresher: refresher,
            }
        })
    }

    /// Answers one question, asking the registry for what is not known; asks each thing once.
    ///
    /// # Errors
    /// There is no answer yet, see [`Error`]: hold the partition and ask again.
    pub async fn answer(self: &Arc<Self>, question: &Question) -> Result<Answer, Error> {
        let schema = question.need.schema;
        let writer = match self.known(question).await? {
            Some(Known::Usable(writer)) => writer,
            Some(Known::Unusable(reason)) => return Ok(Answer::Unusable { schema, reason: reason.to_string() }),
            Some(Known::OtherFormat(format)) => {
                let detail = format!("schema {schema} is {format}, and the gate reads avro");
                return Ok(refused(ReasonCode::FormatMismatch, detail));
            }
            None => {
                let detail = format!("schema {schema} is not in the registry");
                return Ok(refused(ReasonCode::UnknownSchema, detail));
            }
        };
        let rule = &question.policy.subject;
        let subject = rule.subject(&question.topic, question.need.slot.part, writer.full_name());
        if subject.is_none() && *rule != SubjectRule::Any {
            let detail = format!("schema {schema} is no named type, and the subject is to be its name");
            return Ok(refused(ReasonCode::SubjectMismatch, detail));
        }
        let conversion = question.policy.conversion.clone();
        let origin = match (&subject, &conversion) {
            (None, _) => (None, None),
            (Some(target), Some(ConversionRule { all: true, .. })) => self.origin(question, target).await?,
            (Some(subject), _) => match self.version_under(question, subject).await? {
                Ok(version) => (Some(subject.clone()), Some(version)),
                Err(refusal) => return Ok(Answer::Entry(Entry::Refused(Arc::new(refusal)))),
            },
        };
        let target = self.target(question.policy.target, subject.as_ref()).await?;
        let in_use = target.as_ref().map(|target| (target.subject.clone(), target.version, target.id));
        let pair = Pair { writer: schema, origin, target: in_use, conversion };
        match self.judge(pair, writer, target).await? {
            Ok(judgement) => Ok(Answer::Entry(Entry::Judged(judgement))),
            Err(reason) => Ok(Answer::Unusable { schema, reason: reason.to_string() }),
        }
    }

    /// Tells of every change of a `latest` that is in use; whoever asked with [`TargetRule::Latest`](crate::gate::policy::TargetRule::Latest) asks again then.
    ///
    /// An answer made just before a change may arrive after its event: its [`Judgement::target`] is not the event's `to`.
    pub fn changes(&self) -> broadcast::Receiver<TargetChanged> {
        self.changes.subscribe()
    }

    /// Returns the client, for what is asked seldom and not remembered.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the counters.
    pub fn calls(&self) -> &Calls {
        &self.pace.calls
    }

    /// Returns the counters of the cache on disk, where there is one.
    pub fn disk_counts(&self) -> Option<&DiskCounts> {
        self.disk.as_deref().map(Disk::counts)
    }

    /// Returns what is known of the registry's health.
    pub fn state(&self) -> Arc<RegistryState> {
        Arc::clone(&self.state)
    }

    /// Asks the registry, whatever the last questions have come to; tells whether it answers.
    pub(crate) async fn is_there(&self) -> bool {
        self.pace.look(&self.client).await
    }

    /// Waits until the registry answers again after an outage.
    pub async fn back(&self) {
        self.pace.back().await;
    }

    /// Returns how many schemas are at hand.
    pub fn known_schemas(&self) -> usize {
        self.known.len()
    }

    /// Lets an outage of the registry show before any record needs a schema.
    pub async fn greet(&self) {
        self.pace.greet(&self.client).await;
    }

    /// Resolves a writer against its target, and finds the way to it where it is converted, once.
    async fn judge(
        self: &Arc<Self>,
        pair: Pair,
        schema: Arc<Schema>,
        target: Option<Arc<Target>>,
    ) -> Result<Result<Arc<Judgement>, Arc<str>>, Error> {
        let reader = target.as_deref().map(Target::reader).transpose()?;
        let schemas = Arc::clone(self);
        let Pair { writer: named, origin, conversion: rule, .. } = pair.clone();
        let resolve = || async move {
            let reading = match reader {
                None => Reading::Always,
                Some(reader) => match resolve(Arc::clone(&schema), reader).await? {
                    Ok(reading) => reading,
                    Err(reason) => return Ok(Err(reason)),
                },
            };
            let conversion = match (&target, rule) {
                (Some(target), Some(rule)) => {
                    let writer = Writer { named, origin: origin.clone() };
                    match schemas.conversion(writer, target, &rule, &reading).await? {
                        Ok(conversion) => conversion,
                        Err(reason) => return Ok(Err(reason)),
                    }
                }
                _ => None,
            };
            let ((subject, version), target) = (origin, target.map(|target| target.version));
            Ok(Ok(Arc::new(Judgement { schema, subject, version, target, reading, conversion })))
        };
        self.judgements.get_or_make(pair, resolve).await
    }

    /// Drops what was resolved against earlier targets of a subject.
    fn forget_judgements(&self, subject: &Subject, target: &Target) {
        let is_old = |(of, version, id): &(Subject, Version, SchemaId)| {
            of == subject && (*version, *id) != (target.version, target.id)
        };
        self.judgements.retain(|pair, _| !pair.target.as_ref().is_some_and(is_old));
    }
}

fn refused(code: ReasonCode, detail: String) -> Answer {
    Answer::Entry(Entry::Refused(Arc::new(Refusal { violation: Violation::new(code, detail), subject: None })))
}

#[cfg(test)]
mod tests;
