//! Conversion within a job: what becomes of one record, by the decision that converters make.
//!
//! [`Conversions`] belongs to a job: the registry's schemas, and what the job has fixed. `latest` is looked up once, when the job
//! begins, and stands in its state from then on, so that all of a topic becomes one version whoever registers another.
//! Each lane has a [`Converter`] of its own. A record whose schema is not at hand holds its lane; unknown schemas and outages of the
//! registry are judged as gates judge them.

use std::collections::VecDeque;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::Handle;

use super::cast::Cast;
use super::error::Error;
use super::fixed;
use super::state::{Conversion, Target};
use crate::config;
use crate::convert::Codec;
use crate::gate::Gate;
use crate::gate::policy::{PartPolicy, SubjectRule};
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::{Decision, Finding, Needs, Route, Verdict};
use crate::kafka::ffi::Message;
use crate::pipeline::Stop;
use crate::pipeline::consume;
use crate::pipeline::fetch::{Fetch, News};
use crate::pipeline::slow::clock;
use crate::record::Part;
use crate::registry::client::{Client, Kind};
use crate::registry::disk::Disk;
use crate::registry::schemas::{self, Backoff, Schemas};
use crate::schema::table::{Entry, Need, SchemaTable, Slot, Source};
use crate::schema::{SchemaRef, Subject};
use crate::telemetry::HoldCause;

/// Within which time the waits for unknown schemas count together; beyond `max_hold` of it a 404 counts at once.
const UNKNOWN_WINDOW: Duration = Duration::from_secs(600);

/// Pause between looks whether the registry has answered.
const PAUSE: Duration = Duration::from_millis(5);

/// The one source of a job, in tables of schemas.
const SOURCE: Source = Source(0);

/// How the records of a job are converted.
#[derive(Debug)]
pub(super) struct Conversions {
    gate: config::Gate,
    registry: config::Registry,
    schemas: Arc<Schemas>,
    /// Those of the registry that readers of the target ask.
    readers: Arc<Schemas>,
    runtime: Handle,
}

impl Conversions {
    /// Prepares what the configuration says; `None` where records are copied as they are. Asks for nothing yet.
    pub(super) fn new(cast: &Cast) -> Result<Option<Self>, Error> {
        let Some(gate) = cast.migration.conversion.clone() else { return Ok(None) };
        let registry = cast.config().registry.clone();
        let unusable = |error: &dyn std::fmt::Display| Error::Unsuitable(error.to_string());
        let client = Client::new(&registry).map_err(|error| unusable(&error))?;
        let disk = registry.cache_dir.as_deref().map(|path| Disk::open(path, &registry.urls)).transpose();
        let schemas = Schemas::new(client, registry.refresh, disk.map_err(|error| unusable(&error))?);
        let readers = match &cast.migration.registry {
            Some(config::TargetRegistry { registry, .. }) => {
                let client = Client::new(registry).map_err(|error| unusable(&error))?;
                Schemas::new(client, registry.refresh, None)
            }
            None => Arc::clone(&schemas),
        };
        Ok(Some(Self { gate, registry, schemas, readers, runtime: Handle::current() }))
    }

    /// Looks up what a job that begins now is fixed to; waits while the registry is away.
    pub(super) fn fix(&self, cast: &Cast, stop: &Stop) -> Result<Conversion, Error> {
        let target = |part: &PartPolicy| self.runtime.block_on(self.target(part, stop));
        let [key, value] =
            [&self.gate.policy.key, &self.gate.policy.value].map(|part| part.as_ref().map(target).transpose());
        let value = value?.ok_or_else(|| Error::Unsuitable("the job names no target of its values".to_owned()))?;
        let dead_letter = cast.dead_letter().unwrap_or_default();
        let mappings = Some(cast.migration.mappings.clone());
        Ok(Conversion { value, key: key?, dead_letter, letters: Default::default(), mappings })
    }

    async fn target(&self, part: &PartPolicy, stop: &Stop) -> Result<Target, Error> {
        let SubjectRule::Named(subject) = &part.subject else {
            return Err(Error::Unsuitable("the target's subject must be named".to_owned()));
        };
        let (subject, mut backoff) = (Subject(subject.as_str().into()), Backoff::default());
        loop {
            let error = match self.schemas.place(part.target, &subject).await {
                Ok(Some(place)) => return Ok(Target { subject: place.subject.to_string(), version: place.version.0 }),
                Ok(None) => return Err(Error::Unsuitable(format!("no version of '{subject}' is the target"))),
                Err(error @ schemas::Error::Registry(_)) if !stop.is_asked() => error,
                Err(error) => return Err(Error::Unsuitable(error.to_string())),
            };
            tracing::warn!(%error, "the job waits for the registry");
            let until = tokio::time::Instant::now() + backoff.next(&error);
            while !stop.is_asked() && tokio::time::Instant::now() < until {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }

    /// Returns a schema to read what was written with; none where there is none that we can use. Waits while the registry is away.
    pub(super) fn codec(&self, schema: SchemaRef) -> Option<Codec> {
        let text = async {
            let mut backoff = Backoff::default();
            loop {
                let error = match self.readers.text(schema).await {
                    Ok(text) => return Some(text),
                    Err(schemas::Error::Registry(error)) if error.kind() == Kind::NotFound => return None,
                    Err(error) => error,
                };
                tracing::warn!(%error, "waiting for the registry");
                tokio::time::sleep(backoff.next(&error)).await;
            }
        };
        Codec::compile(&self.runtime.block_on(text)?).ok()
    }

    /// Holds all further conversions to what the job was fixed to.
    pub(super) fn hold_to(&mut self, fixed: &Conversion) {
        fixed::hold(&mut self.gate.policy, fixed);
    }

    /// Makes the converter of a lane.
    pub(super) fn converter(&self) -> Converter {
        let topics = self.gate.outputs(self.topic()).map(|outputs| outputs.validated).unwrap_or_default();
        let fetch = Fetch::new(
            Arc::clone(&self.schemas),
            self.runtime.clone(),
            self.gate.unusable_schema,
            self.registry.refresh,
        );
        Converter {
            gate: Gate::writing(self.gate.policy_for(self.topic()), &topics),
            topic: self.topic().into(),
            unknown: self.registry.unknown_schema,
            table: SchemaTable::default(),
            rewrite: Rewrite::timed(clock),
            fetch,
            hold: None,
            spent: VecDeque::new(),
            waited: Duration::ZERO,
        }
    }

    fn topic(&self) -> &str {
        match &self.gate.source {
            config::Sources::Topics(topics) => topics.first().map_or("", String::as_str),
            config::Sources::Pattern(_) => "",
        }
    }
}

/// What becomes of a record.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is copied as it is: it is the target's already, or a tombstone.
    Copied,
    /// It is copied as the rewrite says.
    Converted,
    /// It is a dead letter.
    Letter(Box<Finding>),
}

/// Why and since when nothing goes on.
#[derive(Debug)]
struct Hold {
    needs: Needs,
    since: Instant,
    is_unknown: bool,
    told: String,
}

/// The conversion of one lane.
#[derive(Debug)]
pub(super) struct Converter {
    gate: Gate,
    topic: Arc<str>,
    unknown: config::UnknownSchema,
    table: SchemaTable,
    /// How the record at hand leaves, if not as it came.
    pub(super) rewrite: Rewrite,
    fetch: Fetch,
    hold: Option<Hold>,
    /// When waits for unknown schemas ended, and how long they took.
    spent: VecDeque<(Instant, Duration)>,
    /// How long [`settle`](Self::settle) has waited for schemas.
    pub(super) waited: Duration,
}

impl Converter {
    /// Says what becomes of a record; `None` where schemas are missing, which are asked for.
    pub(super) fn judge(&mut self, message: Message<'_>) -> Option<Outcome> {
        let headers = consume::headers(message);
        let record = consume::view(message, &headers);
        match self.gate.decide(&record, SOURCE, &self.table, &mut self.rewrite) {
            Decision::NeedSchemas(needs) => {
                self.wait_for(needs);
                None
            }
            Decision::Route(route, verdict) => {
                if self.hold.is_some() {
                    self.release();
                }
                Some(match (route, verdict) {
                    (Route::DeadLetter, Verdict::Invalid(finding)) => Outcome::Letter(finding),
                    (Route::Converted, _) => Outcome::Converted,
                    _ => Outcome::Copied,
                })
            }
        }
    }

    /// The same, however long the registry takes; `None` where it was asked to stop.
    pub(super) fn settle(&mut self, message: Message<'_>, stop: &Stop) -> Option<Outcome> {
        let mut waits = None;
        loop {
            if let Some(outcome) = self.judge(message) {
                self.waited += waits.map_or(Duration::ZERO, |began: Instant| began.elapsed());
                return Some(outcome);
            }
            waits.get_or_insert_with(Instant::now);
            while !self.look() {
                if stop.is_asked() {
                    return None;
                }
                thread::sleep(PAUSE);
            }
        }
    }

    /// Returns what is known of a schema that a part of a record names.
    pub(super) fn entry(&self, part: Part, schema: SchemaRef) -> Option<&Entry> {
        self.table.get(Slot { source: SOURCE, part }, schema)
    }

    /// Takes the registry's answers; tells whether one came that a record waits for.
    pub(super) fn look(&mut self) -> bool {
        let mut is_known = false;
        for news in self.fetch.take(&mut self.table, Instant::now(), |_| false) {
            match news {
                News::Known(_) => is_known = true,
                News::Waiting { need, cause, detail } => self.explain(need, cause, &detail),
                News::Unusable(need, reason) => {
                    let detail = format!("schema {} cannot be compiled: {reason}", need.schema);
                    self.explain(need, HoldCause::UnusableSchema, &detail);
                }
                // The job is fixed to a version.
                News::TargetChanged(_) => {}
            }
        }
        is_known
    }

    #[cold]
    fn wait_for(&mut self, needs: Needs) {
        let now = Instant::now();
        while self.spent.front().is_some_and(|(end, _)| now.duration_since(*end) > UNKNOWN_WINDOW) {
            self.spent.pop_front();
        }
        let spent: Duration = self.spent.iter().map(|(_, held)| *held).sum();
        let grace = self.unknown.grace.min(self.unknown.max_hold.saturating_sub(spent));
        for &need in &needs {
            self.fetch.ask_for(need, (&self.topic, self.gate.policy()), grace);
        }
        let hold = self.hold.get_or_insert_with(|| Hold {
            needs: Needs::new(),
            since: now,
            is_unknown: false,
            told: String::new(),
        });
        hold.needs = needs;
    }

    fn explain(&mut self, need: Need, cause: HoldCause, detail: &str) {
        let Some(hold) = self.hold.as_mut().filter(|hold| hold.needs.contains(&need)) else { return };
        hold.is_unknown |= cause == HoldCause::UnknownSchema;
        if hold.told != detail {
            tracing::warn!(topic = &*self.topic, cause = cause.name(), detail, "a lane is held back");
            detail.clone_into(&mut hold.told);
        }
    }

    #[cold]
    fn release(&mut self) {
        let Some(hold) = self.hold.take() else { return };
        let after = hold.since.elapsed();
        if hold.is_unknown {
            self.spent.push_back((Instant::now(), after));
        }
        if !hold.told.is_empty() {
            tracing::info!(topic = &*self.topic, ?after, "the lane goes on");
        }
    }
}
