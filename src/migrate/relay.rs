//! Records on their way to readers who ask another registry: each names its schemas by that registry's IDs.
//!
//! A [`Relay`] belongs to a lane. It knows the IDs that it has met; a record that names another is held while [`Schemas`] finds it
//! or copies it. Bytes that name no schema pass as they are.

use std::collections::HashMap;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rdkafka::message::{BorrowedMessage, Message as _};
use tokio::task::JoinHandle;

use super::schemas::{Lacking, Named, Number, Schemas};
use crate::gate::rewrite::Rewrite;
use crate::pipeline::Stop;
use crate::pipeline::consume;
use crate::record::Part;
use crate::schema::SchemaRef;
use crate::wire::{self, Framed, WireFormat};

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
    pub(super) fn judge(&mut self, message: &BorrowedMessage<'_>) -> Result<bool, Lacking> {
        self.rewrite.clear();
        let headers = consume::headers(message);
        for (part, bytes) in [(Part::Key, message.key()), (Part::Value, message.payload())] {
            let Some(bytes) = bytes.filter(|_| self.schemas.takes(part)) else { continue };
            let allowed = WireFormat::ALL.into_iter().collect();
            let Ok(framed) = wire::parse(part, bytes, &headers, allowed) else { continue };
            let is_sure = framed.format == WireFormat::ConfluentHeader;
            let named = Named { part, schema: framed.schema, is_sure };
            match self.known.get(&named) {
                Some(Ok(number)) => write(&mut self.rewrite, part, framed, *number),
                Some(Err(problem)) => return Err(problem.clone()),
                None => {
                    self.ask_for(named);
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// The same, however long the registries take; `None` where it was asked to stop.
    pub(super) fn settle(&mut self, message: &BorrowedMessage<'_>, stop: &Stop) -> Option<Result<(), Lacking>> {
        loop {
            match self.judge(message) {
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

/// Lets a part name its schema by its number there; one that is called the same leaves as it came.
fn write(rewrite: &mut Rewrite, part: Part, framed: Framed<'_>, (id, guid): Number) {
    let is_same = match framed.schema {
        SchemaRef::Id(own) => own == id,
        SchemaRef::Guid(own) => guid == Some(own),
    };
    if !is_same {
        rewrite.rename(part, framed, (id, guid));
    }
}
