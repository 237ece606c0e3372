//! Records on their way to readers who ask another registry: each names its schemas by that registry's IDs.
//!
//! A [`Relay`] belongs to a lane. It knows the IDs that it has met; a record that names another is held while [`Schemas`] finds it
//! or copies it. Bytes that name no schema pass as they are. Where the job converts, what was converted is renamed, and not what came.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::schemas::{Lacking, Named, Number, Schemas};
use crate::gate::rewrite::Rewrite;
use crate::kafka::ffi::Message;
use crate::pipeline::Stop;
use crate::pipeline::consume;
use crate::record::Part;
use crate::schema::SchemaRef;
use crate::wire::{self, WireFormat};

/// Pause between looks whether a schema has come.
const PAUSE: Duration = Duration::from_millis(5);

/// A schema's number in the target's registry; or why it has none.
type Known = Result<Number, Lacking>;

/// The IDs of one lane.
#[derive(Debug)]
pub(super) struct Relay {
    schemas: Arc<Schemas>,
    known: HashMap<Named, Known>,
    /// What is asked for.
    waits: Option<(Named, JoinHandle<Known>)>,
    /// How the record at hand leaves.
    pub(super) rewrite: Rewrite,
}

impl Relay {
    pub(super) fn new(schemas: &Arc<Schemas>) -> Self {
        let (schemas, known) = (Arc::clone(schemas), HashMap::new());
        Self { schemas, known, waits: None, rewrite: Rewrite::default() }
    }

    /// Says how a record leaves; false where a schema is asked for first.
    ///
    /// # Errors
    /// Why a schema of the record has no ID there.
    pub(super) fn judge(&mut self, message: Message<'_>) -> Result<bool, Lacking> {
        let mut rewrite = std::mem::take(&mut self.rewrite);
        rewrite.clear();
        let judged = self.rename(message, &mut rewrite);
        self.rewrite = rewrite;
        judged
    }

    /// Lets a record that was judged name its schemas by their numbers there; `rewrite` says how it would leave, and how it leaves then.
    /// Nothing changes where a schema is asked for first.
    pub(super) fn rename(&mut self, message: Message<'_>, rewrite: &mut Rewrite) -> Result<bool, Lacking> {
        let headers = consume::headers(message);
        let parts = [(Part::Key, message.key()), (Part::Value, message.value())];
        let mut renamed = [None; 2];
        for ((part, bytes), renamed) in parts.into_iter().zip(&mut renamed) {
            let converted = rewrite.named(part);
            let framed = bytes.filter(|_| converted.is_none() && self.schemas.takes(part));
            let framed =
                framed.and_then(|bytes| wire::parse(part, bytes, &headers, WireFormat::ALL.into_iter().collect()).ok());
            let Some(schema) = converted.or(framed.map(|framed| framed.schema)) else { continue };
            let is_sure = framed.is_none_or(|framed| framed.format == WireFormat::ConfluentHeader);
            let named = Named { part, schema, is_sure };
            match self.known.get(&named) {
                Some(Ok(number)) if is_same(schema, *number) => {}
                Some(Ok(number)) => *renamed = Some((part, framed, *number)),
                Some(Err(problem)) => return Err(problem.clone()),
                None => {
                    self.ask_for(named);
                    return Ok(false);
                }
            }
        }
        for (part, framed, number) in renamed.into_iter().flatten() {
            match framed {
                Some(framed) => rewrite.rename(part, framed, number),
                None => rewrite.renumber(part, number),
            }
        }
        rewrite.seal(message.key(), message.value());
        Ok(true)
    }

    /// The same, however long the registries take; `None` where it was asked to stop.
    pub(super) fn settle(
        &mut self,
        message: Message<'_>,
        mut converted: Option<&mut Rewrite>,
        stop: &Stop,
    ) -> Option<Result<(), Lacking>> {
        loop {
            let judged = match &mut converted {
                Some(rewrite) => self.rename(message, rewrite),
                None => self.judge(message),
            };
            match judged {
                Ok(true) => return Some(Ok(())),
                Err(problem) => return Some(Err(problem)),
                Ok(false) => {}
            }
            while !self.look() {
                if stop.is_asked() {
                    return None;
                }
                thread::sleep(PAUSE);
            }
        }
    }

    #[cold]
    fn ask_for(&mut self, named: Named) {
        if self.waits.is_none() {
            let schemas = Arc::clone(&self.schemas);
            let asked = self.schemas.runtime.spawn(async move { schemas.number(named).await });
            self.waits = Some((named, asked));
        }
    }

    /// Takes the answer, if it has come; tells whether nothing is asked for any more, so that a held record can be judged again.
    pub(super) fn look(&mut self) -> bool {
        let Some((named, asked)) = self.waits.take_if(|(_, asked)| asked.is_finished()) else {
            return self.waits.is_none();
        };
        let answer = self.schemas.runtime.block_on(asked);
        let known = answer.unwrap_or_else(|error| {
            Err(Lacking::Refused(format!("schema {} could not be asked for: {error}", named.schema)))
        });
        self.known.insert(named, known);
        true
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        if let Some((_, asked)) = self.waits.take() {
            asked.abort();
        }
    }
}

/// Tells whether a schema is called the same there.
fn is_same(schema: SchemaRef, (id, guid): Number) -> bool {
    match schema {
        SchemaRef::Id(own) => own == id,
        SchemaRef::Guid(own) => guid == Some(own),
    }
}
