//! Whether the registry still says what it said: an ID whose content changes is an alarm, and never replaces what is
//! known.
//!
//! An ID means one schema for ever, and gates lean on that: nothing known is fetched again. A registry that was
//! restored from a backup, or replaced, hands numbers out a second time, and then records pass under the wrong schema
//! without a sign. So known IDs are asked for again, seldom: each `refresh` a small part of them, those of the disk
//! right after they were read, and every answer that carries an ID with its text (`latest`, targets) is compared too.
//! What is compared is the JSON, so that a registry may change its spaces.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sha2::{Digest as _, Sha256};
use tokio::sync::Notify;

use super::Schemas;
use super::error::Error;
use crate::registry::client::{Error as ClientError, Kind};
use crate::schema::{SchemaId, SchemaRef, SchemaText};
use crate::telemetry::events::{SchemaChanged, SchemaConfirmed, SchemaGone};

/// In how many rounds of `refresh` all known IDs are asked for once: an hour with the default of 30 s.
const ROUNDS: usize = 120;
/// How many IDs of the disk are asked for in one go, so that targets do not wait for them.
const AT_ONCE: usize = 20;

/// Names a text, and the text with all that it refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Prints {
    own: [u8; 32],
    full: [u8; 32],
}

impl Prints {
    fn of(text: &SchemaText) -> Self {
        let mut full = Sha256::new();
        for part in text.references.iter().chain([&text.text]) {
            full.update(print(part));
        }
        Self { own: print(&text.text), full: full.finalize().into() }
    }
}

#[derive(Debug, Default)]
struct Known {
    prints: HashMap<SchemaId, Prints>,
    /// IDs of the disk that the registry has not confirmed.
    unconfirmed: VecDeque<SchemaId>,
    /// All others, the one asked for longest ago first.
    others: VecDeque<SchemaId>,
    /// IDs that a subject's answer gave another meaning; the ID's own answer does not take that back.
    disputed: HashSet<SchemaId>,
}

/// What is known of the contents of IDs.
#[derive(Debug, Default)]
pub(super) struct Audit {
    known: Mutex<Known>,
    /// There are unconfirmed IDs.
    pub(super) wake: Notify,
}

impl Audit {
    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what an ID means, unless that is known; tells whether it is the same.
    fn learn(&self, id: SchemaId, prints: Prints, is_confirmed: bool) -> bool {
        let mut known = self.lock();
        if let Some(before) = known.prints.get(&id) {
            return *before == prints;
        }
        known.prints.insert(id, prints);
        let queue = if is_confirmed { &mut known.others } else { &mut known.unconfirmed };
        queue.push_back(id);
        if !is_confirmed {
            self.wake.notify_one();
        }
        true
    }

    fn take(&self, from_disk: bool) -> Vec<SchemaId> {
        let mut known = self.lock();
        let all = known.prints.len();
        let (queue, count) =
            if from_disk { (&mut known.unconfirmed, AT_ONCE) } else { (&mut known.others, all.div_ceil(ROUNDS)) };
        let count = count.min(queue.len());
        queue.drain(..count).collect()
    }
}

impl Schemas {
    /// Compares what a text means with what is known of its ID, and remembers it.
    ///
    /// # Errors
    /// The ID means something else.
    pub(super) async fn witness(&self, schema: SchemaRef, text: &SchemaText, is_confirmed: bool) -> Result<(), Error> {
        // A GUID is made of the content: another content has another one.
        let SchemaRef::Id(id) = schema else { return Ok(()) };
        let Some(prints) = prints(text.clone()).await else { return Ok(()) };
        if self.audit.learn(id, prints, is_confirmed) {
            return Ok(());
        }
        self.alarm(id);
        Err(Error::Changed(schema))
    }

    /// The same for a text without its references.
    pub(super) fn is_as_known(&self, id: SchemaId, text: &str) -> bool {
        let known = self.audit.lock().prints.get(&id).copied();
        let is_same = known.is_none_or(|known| known.own == print(text));
        if is_same {
            self.audit.lock().disputed.remove(&id);
        } else {
            self.audit.lock().disputed.insert(id);
            self.alarm(id);
        }
        is_same
    }

    fn alarm(&self, id: SchemaId) {
        let advice = match &self.disk {
            Some(disk) => format!(
                "was the registry restored or replaced? if it is right, stop the gates, remove '{}' and start them",
                disk.folder().display()
            ),
            None => "was the registry restored or replaced? if it is right, restart the gates".to_owned(),
        };
        SchemaChanged { id, advice: &advice }.emit(&self.state);
    }

    /// Asks for some IDs that are due; tells whether more of the disk wait.
    pub(super) async fn look_again(self: &Arc<Self>, from_disk: bool) -> bool {
        let ids = self.audit.take(from_disk);
        for (done, &id) in ids.iter().enumerate() {
            let answer = self.pace.call(self.client.schema(SchemaRef::Id(id))).await;
            if let Err(error) = &answer
                && !error.is_answer()
            {
                let mut known = self.audit.lock();
                let queue = if from_disk { &mut known.unconfirmed } else { &mut known.others };
                ids[done..].iter().rev().for_each(|&id| queue.push_front(id));
                return false;
            }
            self.judge_again(id, answer).await;
            self.audit.lock().others.push_back(id);
        }
        from_disk && !self.audit.lock().unconfirmed.is_empty()
    }

    async fn judge_again(&self, id: SchemaId, answer: Result<SchemaText, Arc<ClientError>>) {
        match answer {
            Ok(text) => {
                let is_same = self.witness(SchemaRef::Id(id), &text, true).await.is_ok();
                if is_same && !self.audit.lock().disputed.contains(&id) {
                    SchemaConfirmed { id }.emit(&self.state);
                }
            }
            Err(error) if error.kind() == Kind::NotFound => SchemaGone { id }.emit(&self.state),
            Err(error) if matches!(*error, ClientError::SchemaType { .. }) => self.alarm(id),
            // Its references are incomplete: of the schema itself that says nothing.
            Err(_) => {}
        }
    }
}

/// Names a text off the runtime's threads, since it may be large.
async fn prints(text: SchemaText) -> Option<Prints> {
    tokio::task::spawn_blocking(move || Prints::of(&text)).await.ok()
}

/// Names what a text means: its JSON with sorted keys, or the text itself where it is none.
fn print(text: &str) -> [u8; 32] {
    let sorted = serde_json::from_str(text).ok().and_then(|mut json: serde_json::Value| {
        json.sort_all_objects();
        serde_json::to_vec(&json).ok()
    });
    Sha256::digest(sorted.as_deref().unwrap_or(text.as_bytes())).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spaces_and_the_order_of_keys_mean_nothing() {
        assert_eq!(
            print(r#"{"type":"enum","symbols":["A","B"]}"#),
            print(r#"{ "symbols": ["A", "B"], "type": "enum" }"#)
        );
        assert_ne!(print(r#"{"symbols":["A","B"]}"#), print(r#"{"symbols":["B","A"]}"#));
        assert_ne!(print(r#""int""#), print(r#""long""#));
        assert_ne!(print("message A {}"), print("message B {}"), "what is no JSON is itself");
    }

    #[test]
    fn all_ids_come_round_and_those_of_the_disk_first() {
        let audit = Audit::default();
        let prints = |byte| Prints { own: [byte; 32], full: [byte; 32] };
        for id in 0..250 {
            assert!(audit.learn(SchemaId(id), prints(1), id % 10 != 0));
        }
        assert!(!audit.learn(SchemaId(3), prints(2), true), "it is another content");
        assert!(audit.learn(SchemaId(3), prints(1), true), "and the first one stays");
        assert_eq!(audit.take(true).len(), AT_ONCE);
        assert_eq!(audit.take(true).len(), 5);
        assert_eq!(audit.take(false), [1, 2, 3].map(SchemaId));
        assert_eq!(audit.take(false), [4, 5, 6].map(SchemaId));
    }
}
