//! What would become of a dead letter's record today: the decision of its gate, made once more.
//!
//! The registry is asked for what is not known ([`super::lookup`]). An ID that it does not know is unknown at once, since whoever has
//! registered it since has been waited for by the gate already. A schema that cannot be compiled fails its records, and one that the
//! registry cannot give lets them be passed over: they stay where they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use tokio::runtime::Handle;

use super::leave::{sets, timestamp};
use super::lookup::Lookup;
use super::report::Why;
use super::rules::RuleBook;
use super::{Error, Order};
use crate::config::Config;
use crate::dead_letters::Letter;
use crate::gate::dead_letter;
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::{Decision, Finding, Needs, Verdict};
use crate::kafka::ffi::{Headers, Message};
use crate::pipeline::consume::view;
use crate::pipeline::slow::clock;
use crate::record::{Header, Offset, Part, Partition, Position, Record, Value};
use crate::registry::client::{self, Client};
use crate::registry::schemas::{self, Schemas};
use crate::schema::SchemaId;
use crate::schema::table::{Need, Source};
use crate::tail::{Patience, Sieve};
use crate::wire;

/// What became of the question.
#[derive(Debug)]
pub(super) enum Judged {
    /// The record passes, and would go there.
    Passes {
        /// The topic.
        topic: String,
        /// The partition.
        partition: i32,
    },
    /// It is still at fault.
    Fails(Box<Finding>),
    /// It is not judged, or has nowhere to go.
    Over(Why),
    /// These schemas are to be asked for first.
    Lacks(Needs),
}

/// Judges the dead letters of one topic.
pub(super) struct Judge {
    /// What must hold of a dead letter that is judged.
    sieve: Option<Sieve>,
    rules: RuleBook,
    lookup: Lookup,
    max_attempts: u32,
    /// What all values were written with, whatever they name.
    writer: Option<SchemaId>,
    /// The value at hand, where it names another schema than it came with.
    renamed: Vec<u8>,
    /// How the record at hand leaves, if not as it was.
    pub(super) rewrite: Rewrite,
    /// The dead letter at hand: it may be judged several times, with an answer of the registry between.
    at: Option<(i32, i64)>,
}

impl Judge {
    /// Begins with the topics of the cluster, and asks the registry for nothing yet.
    pub(super) fn new(
        config: &Config,
        order: &Order,
        topics: &BTreeMap<String, Vec<i32>>,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let _context = runtime.enter();
        let refresh = config.registry.refresh;
        let schemas = Schemas::new(Client::new(&config.registry)?, refresh, None);
        let sieve = |condition| Sieve::new(Arc::clone(condition), (&config.registry, Patience::Ends), runtime);
        Ok(Self {
            sieve: order.condition.as_ref().map(sieve).transpose()?,
            rules: RuleBook::new(config, order, topics)?,
            lookup: Lookup::new(schemas, refresh, runtime),
            max_attempts: order.max_attempts,
            writer: order.writer_schema,
            renamed: Vec::new(),
            rewrite: Rewrite::timed(clock),
            at: None,
        })
    }

    /// Tells whether the condition holds of a dead letter.
    ///
    /// # Errors
    /// The registry does not answer.
    pub(super) fn takes(
        &mut self,
        message: Message<'_>,
        headers: &[Header<'_>],
        letter: &Letter<'_>,
    ) -> Result<bool, client::Error> {
        self.sieve.as_mut().map_or(Ok(true), |sieve| sieve.takes(&view(message, headers), Some(letter)))
    }

    /// Returns of how many dead letters nobody could say whether the condition holds, by why.
    pub(super) fn misses(&mut self) -> Vec<String> {
        self.sieve.as_mut().map(|sieve| sieve.misses().lines()).unwrap_or_default()
    }

    /// Judges the record of a dead letter.
    pub(super) fn judge(&mut self, message: Message<'_>, headers: &[Header<'_>], letter: &Letter<'_>) -> Judged {
        let at = Some((message.partition(), message.offset()));
        if self.at != at {
            self.at = at;
            self.renew();
        }
        let (source, position) = match self.begin(headers, letter) {
            Ok(found) => found,
            Err(why) => return Judged::Over(why),
        };
        if let Err(why) = self.rename(message.value(), headers) {
            return Judged::Over(why);
        }
        let sets = sets(headers, letter.origin);
        let own: Headers<'_> =
            headers.iter().filter(|header| !dead_letter::is_taken_off(header.name, &sets)).copied().collect();
        let record = Record {
            position,
            timestamp: timestamp(message, letter),
            key: message.key(),
            value: renamed(&self.renamed).or(message.value()).map_or(Value::Tombstone, Value::Bytes),
            headers: &own,
        };
        let gate = &self.rules.rules(source).gate;
        match gate.decide(&record, source, &self.lookup.table, &mut self.rewrite) {
            Decision::NeedSchemas(needs) if self.lookup.withholds(&needs) => Judged::Over(Why::Registry),
            Decision::NeedSchemas(needs) => Judged::Lacks(needs),
            Decision::Route(_, Verdict::Invalid(finding)) if !self.rules.passes_all(source) => Judged::Fails(finding),
            Decision::Route(route, _) => {
                let key = self.rewrite.part(Part::Key).or(record.key);
                match self.rules.destination(source, route, (position.partition.0, key)) {
                    Ok((topic, partition)) => Judged::Passes { topic, partition },
                    Err(why) => Judged::Over(why),
                }
            }
        }
    }

    fn renew(&mut self) {
        self.lookup.renew(Instant::now());
        // Answers are known by the number of the rules.
        if self.rules.is_cut() {
            self.lookup.clear();
        }
    }

    /// Lets the value name the schema that all are said to be written with.
    fn rename(&mut self, value: Option<&[u8]>, headers: &[Header<'_>]) -> Result<(), Why> {
        self.renamed.clear();
        let (Some(id), Some(value)) = (self.writer, value) else { return Ok(()) };
        let is_in_header = headers.iter().any(|header| header.name == wire::header_name(Part::Value));
        if is_in_header || wire::named(value).is_none() {
            return Err(Why::NoPrefix);
        }
        self.renamed.extend_from_slice(value);
        wire::renumber(&mut self.renamed, (id, None));
        Ok(())
    }

    /// Returns the value of the record that was judged last, where it names another schema than it came with.
    pub(super) fn renamed(&self) -> Option<&[u8]> {
        renamed(&self.renamed)
    }

    /// Finds the rules and the place of a record, or why it is not judged.
    fn begin<'l>(&mut self, headers: &[Header<'_>], letter: &Letter<'l>) -> Result<(Source, Position<'l>), Why> {
        if dead_letter::is_truncated(headers) {
            return Err(Why::Truncated);
        }
        if letter.attempt.is_some_and(|attempt| attempt > self.max_attempts) {
            return Err(Why::Attempts);
        }
        let (topic, partition, offset) = match (letter.source.topic, letter.source.partition, letter.source.offset) {
            (Some(topic), Some(partition), Some(offset)) => (topic, partition, offset),
            _ => return Err(Why::NoSource),
        };
        let position = Position { topic, partition: Partition(partition), offset: Offset(offset) };
        Ok((self.rules.find(letter, topic)?, position))
    }

    /// Asks the registry for what a decision lacks.
    pub(super) fn ask(&mut self, needs: &Needs) -> Result<(), schemas::Error> {
        needs.iter().try_for_each(|need| self.ask_for(*need))
    }

    fn ask_for(&mut self, need: Need) -> Result<(), schemas::Error> {
        let rules = self.rules.rules(need.slot.source);
        let policy = match need.slot.part {
            Part::Key => rules.gate.policy().key.clone(),
            Part::Value => rules.gate.policy().value.clone(),
        };
        // A part without a policy passes unchecked, and never needs a schema.
        let Some(policy) = policy else { return Ok(()) };
        self.lookup.ask(need, &rules.topic, policy)
    }

    /// Tells whether the registry answers, though not to the last question.
    pub(super) fn is_registry_there(&self) -> bool {
        self.lookup.is_registry_there()
    }
}

/// Returns a value that names another schema than it came with; one that is empty names none.
fn renamed(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}
