//! Where schemas are registered: the list of each one, kept and asked for again when it lacks a subject.
//!
//! A schema found under a subject stays found, since versions are deleted only to forbid their use to new
//! producers. A list without the subject proves nothing by its age: the same ID may have been registered under a
//! further subject since, so `absences` says when to ask again.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::absences::Missing;
use super::error::Error;
use super::flights::Flights;
use super::{Question, Schemas};
use crate::registry::client::{Kind, Registration};
use crate::schema::table::Refusal;
use crate::schema::{SchemaRef, Subject, Version};
use crate::violation::{ReasonCode, Violation};

/// How many of the subjects that do have the schema a message names.
const SUBJECTS_SHOWN: usize = 3;

#[derive(Debug, Clone)]
struct Listed {
    sent: Instant,
    received: Instant,
    list: Arc<[Registration]>,
}

impl Listed {
    /// Returns the newest version of the schema under a subject: it may have been registered again.
    fn version(&self, subject: &Subject) -> Option<Version> {
        self.list.iter().filter(|entry| entry.subject == *subject).map(|entry| entry.version).max()
    }
}

#[derive(Debug)]
pub(super) struct Registrations {
    lists: Mutex<HashMap<SchemaRef, Listed>>,
    flights: Flights<SchemaRef, Result<Listed, Error>>,
}

impl Registrations {
    pub(super) fn new() -> Self {
        Self { lists: Mutex::default(), flights: Flights::new() }
    }

    fn lists(&self) -> MutexGuard<'_, HashMap<SchemaRef, Listed>> {
        self.lists.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Schemas {
    /// Returns the version of the schema under a subject, or why its records are refused.
    pub(super) async fn version_under(
        self: &Arc<Self>,
        question: &Question,
        subject: &Subject,
    ) -> Result<Result<Version, Refusal>, Error> {
        let schema = question.need.schema;
        let known = self.listed(schema).await;
        if let Some(version) = known.as_ref().and_then(|listed| listed.version(subject)) {
            return Ok(Ok(version));
        }
        let missing = Missing { schema, subject: Some(subject.clone()) };
        if self.is_refused(&missing, question.grace)?
            && let Some(listed) = known
        {
            return Ok(Err(mismatch(schema, subject, &listed)));
        }
        let listed = self.list(schema).await?;
        if let Some(version) = listed.version(subject) {
            self.absences.found(&missing);
            return Ok(Ok(version));
        }
        self.absences.note(missing.clone(), listed.sent, listed.received);
        self.still_missing(&missing, question.grace)?;
        Ok(Err(mismatch(schema, subject, &listed)))
    }

    /// Returns where a schema is registered, asked for anew where the list of before lacks the subject.
    pub(super) async fn registrations_with(
        self: &Arc<Self>,
        schema: SchemaRef,
        subject: &Subject,
    ) -> Result<Arc<[Registration]>, Error> {
        let known = self.listed(schema).await.filter(|listed| listed.version(subject).is_some());
        match known {
            Some(listed) => Ok(listed.list),
            None => Ok(self.list(schema).await?.list),
        }
    }

    /// Returns the list of before. One of the disk is from before the start, and good for what it has.
    async fn listed(&self, schema: SchemaRef) -> Option<Listed> {
        if let Some(listed) = self.registrations.lists().get(&schema).cloned() {
            return Some(listed);
        }
        let list = self.kept_subjects(schema).await?;
        let now = Instant::now();
        let listed = Listed { sent: now, received: now, list: list.into() };
        Some(self.registrations.lists().entry(schema).or_insert(listed).clone())
    }

    async fn list(self: &Arc<Self>, schema: SchemaRef) -> Result<Listed, Error> {
        let schemas = Arc::clone(self);
        let fetch = || async move {
            let sent = Instant::now();
            let list = match schemas.pace.call(schemas.client.versions(schema)).await {
                Ok(list) => list,
                // Deleted for good since we got its text.
                Err(error) if error.kind() == Kind::NotFound => Vec::new(),
                Err(error) => return Err(error.into()),
            };
            let listed = Listed { sent, received: Instant::now(), list: list.into() };
            let before = schemas.registrations.lists().insert(schema, listed.clone());
            if before.is_none_or(|before| before.list != listed.list) {
                schemas.keep_subjects(schema, &listed.list);
            }
            Ok(listed)
        };
        self.registrations.flights.join(schema, fetch).await
    }
}

fn mismatch(schema: SchemaRef, subject: &Subject, listed: &Listed) -> Refusal {
    let mut subjects: Vec<&str> = listed.list.iter().map(|entry| &*entry.subject.0).collect();
    subjects.sort_unstable();
    subjects.dedup();
    let shown: Vec<String> = subjects.iter().take(SUBJECTS_SHOWN).map(|subject| format!("'{subject}'")).collect();
    let elsewhere = match subjects.len() {
        0 => "is registered under no subject".to_owned(),
        count if count > SUBJECTS_SHOWN => {
            format!("is registered under {} and {} more", shown.join(", "), count - SUBJECTS_SHOWN)
        }
        _ => format!("is registered under {}", shown.join(", ")),
    };
    let detail = format!("schema {schema} {elsewhere}, not under '{subject}'");
    Refusal { violation: Violation::new(ReasonCode::SubjectMismatch, detail), subject: Some(subject.clone()) }
}
