//! A writer's schema by its ID or GUID: at hand, on disk, or asked for; and whether it is missing or only not there yet.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::absences::{Missing, PAUSE, Standing};
use super::compile::Known;
use super::error::Error;
use super::{Question, Schemas};
use crate::registry::client::{self, Kind};
use crate::schema::SchemaRef;

impl Schemas {
    /// Returns a schema, compiled; `None` is one that the registry does not have.
    pub(super) async fn known(self: &Arc<Self>, question: &Question) -> Result<Option<Known>, Error> {
        let schema = question.need.schema;
        let at_hand = self.known.get(&schema);
        self.pace.calls.looked_up(at_hand.is_some());
        if at_hand.is_some() {
            return Ok(at_hand);
        }
        let missing = Missing { schema, subject: None };
        if self.is_refused(&missing, question.grace)? {
            return Ok(None);
        }
        let schemas = Arc::clone(self);
        match self.known.get_or_make(schema, || async move { schemas.fetch(schema).await }).await {
            Ok(known) => Ok(Some(known)),
            Err(Error::Registry(error)) if error.kind() == Kind::NotFound => {
                self.still_missing(&missing, question.grace)?;
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    async fn fetch(self: &Arc<Self>, schema: SchemaRef) -> Result<Known, Error> {
        if let Some(known) = self.of_disk(schema).await? {
            return Ok(known);
        }
        let missing = Missing { schema, subject: None };
        let sent = Instant::now();
        let text = match self.pace.call(self.client.schema(schema)).await {
            Ok(text) => text,
            Err(error) => {
                if let client::Error::SchemaType { schema_type, .. } = &*error {
                    return Ok(Known::OtherFormat(schema_type.as_str().into()));
                }
                match error.kind() {
                    Kind::NotFound => self.absences.note(missing, sent, Instant::now()),
                    Kind::Unusable => return Ok(Known::Unusable(error.to_string().into())),
                    Kind::Transient | Kind::Settings => {}
                }
                return Err(error.into());
            }
        };
        self.absences.found(&missing);
        let known = self.compile(text.clone()).await?;
        // What cannot be used may be a proxy's answer: it is no witness, and asked for again.
        if known.stays() {
            self.witness(schema, &text, true).await?;
            self.keep_schema(schema, &text);
        }
        Ok(known)
    }

    /// Returns a schema of before the start, if we can use it.
    async fn of_disk(self: &Arc<Self>, schema: SchemaRef) -> Result<Option<Known>, Error> {
        let Some(text) = self.kept_schema(schema).await else { return Ok(None) };
        let known = self.compile(text.clone()).await?;
        if !known.stays() {
            return Ok(None);
        }
        self.witness(schema, &text, false).await?;
        Ok(Some(known))
    }

    /// Tells whether a schema is known to be missing; an error where it is too early to ask again.
    pub(super) fn is_refused(&self, missing: &Missing, grace: Duration) -> Result<bool, Error> {
        match self.absences.standing(missing, grace, Instant::now()) {
            Standing::Ask => Ok(false),
            Standing::Refused => Ok(true),
            Standing::Wait(retry_after) => Err(not_yet(missing, retry_after)),
        }
    }

    /// Passes when a 404 just received counts.
    pub(super) fn still_missing(&self, missing: &Missing, grace: Duration) -> Result<(), Error> {
        match self.absences.standing(missing, grace, Instant::now()) {
            Standing::Refused => Ok(()),
            Standing::Wait(retry_after) => Err(not_yet(missing, retry_after)),
            // The grace ended while the answer was on its way: it was sent too early to count.
            Standing::Ask => Err(not_yet(missing, PAUSE.0)),
        }
    }
}

fn not_yet(missing: &Missing, retry_after: Duration) -> Error {
    Error::NotYet { schema: missing.schema, subject: missing.subject.clone(), retry_after }
}
