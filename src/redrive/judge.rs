//! What would become of a dead letter's record today: the decision of its gate, made once more.
//!
//! Rules belong to a gate and a source topic, as in a pipeline, and are made when the first record needs them. The registry is asked
//! for what the table lacks, once for each schema; an ID that it does not know is unknown at once, since whoever has registered it since
//! has been waited for by the gate already. A schema that cannot be compiled fails its records: they stay where they are.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use rdkafka::Message as _;
use rdkafka::message::BorrowedMessage;
use rustc_hash::FxHashMap;
use tokio::runtime::Handle;

use super::report::Why;
use super::{Error, Order, To};
use crate::config::{self, Config, Outputs, Repartition};
use crate::dead_letters::{Letter, Origin};
use crate::gate::Gate;
use crate::gate::dead_letter;
use crate::gate::policy::Mode;
use crate::gate::profile::Profile;
use crate::gate::rewrite::Rewrite;
use crate::gate::verdict::{Decision, Finding, Needs, Route, Verdict};
use crate::kafka::ffi::Headers;
use crate::kafka::murmur2;
use crate::pipeline::slow::clock;
use crate::record::{Header, Offset, Part, Partition, Position, Record, Value};
use crate::registry::client::Client;
use crate::registry::schemas::{self, Answer, Question, Schemas};
use crate::schema::SchemaId;
use crate::schema::table::{Entry, Need, Refusal, SchemaTable, Source};
use crate::violation::{ReasonCode, Violation};
use crate::wire;

/// The rules of one gate for one source topic.
struct Rules {
    gate: Gate,
    /// Its number among the gates.
    number: usize,
    topic: Arc<str>,
    outputs: Outputs,
}

/// What became of the question.
#[derive(Debug)]
pub(super) enum Judged {
    /// The record passes, and would go there.
    Passes {
        /// The gate, by its number.
        gate: usize,
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
    gates: Vec<config::Gate>,
    by: Option<usize>,
    to: To,
    max_attempts: u32,
    /// What all values were written with, whatever they name.
    writer: Option<SchemaId>,
    /// The value at hand, where it names another schema than it came with.
    renamed: Vec<u8>,
    /// Partitions of the topics that are there.
    partitions: BTreeMap<String, i32>,
    /// Rules by gate and source topic.
    known: Vec<FxHashMap<String, Source>>,
    rules: Vec<Rules>,
    table: SchemaTable,
    /// How the record at hand leaves, if not as it was.
    pub(super) rewrite: Rewrite,
    schemas: Arc<Schemas>,
    runtime: Handle,
}

impl Judge {
    /// Begins with the topics of the cluster, and asks the registry for nothing yet.
    pub(super) fn new(
        config: &Config,
        order: &Order,
        topics: &BTreeMap<String, Vec<i32>>,
        runtime: &Handle,
    ) -> Result<Self, Error> {
        let gates = config.gates.clone();
        let _context = runtime.enter();
        let schemas = Schemas::new(Client::new(&config.registry)?, config.registry.refresh, None);
        let count = |partitions: &Vec<i32>| i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        Ok(Self {
            by: by(&gates, order)?,
            to: order.to,
            max_attempts: order.max_attempts,
            writer: order.writer_schema,
            renamed: Vec::new(),
            partitions: topics.iter().map(|(topic, partitions)| (topic.clone(), count(partitions))).collect(),
            known: gates.iter().map(|_| FxHashMap::default()).collect(),
            gates,
            rules: Vec::new(),
            table: SchemaTable::default(),
            rewrite: Rewrite::timed(clock),
            schemas,
            runtime: runtime.clone(),
        })
    }

    /// Judges the record of a dead letter.
    pub(super) fn judge(
        &mut self,
        message: &BorrowedMessage<'_>,
        headers: &[Header<'_>],
        letter: &Letter<'_>,
    ) -> Judged {
        let (source, position) = match self.begin(headers, letter) {
            Ok(found) => found,
            Err(why) => return Judged::Over(why),
        };
        if let Err(why) = self.rename(message.payload(), headers) {
            return Judged::Over(why);
        }
        let rules = &self.rules[source.0 as usize];
        let profiles = &self.gates[rules.number].profiles;
        let own: Headers<'_> =
            headers.iter().filter(|header| !is_taken_off(header.name, profiles, letter.origin)).copied().collect();
        let record = Record {
            position,
            timestamp: timestamp(message, letter),
            key: message.key(),
            value: renamed(&self.renamed).or(message.payload()).map_or(Value::Tombstone, Value::Bytes),
            headers: &own,
        };
        match rules.gate.decide(&record, source, &self.table, &mut self.rewrite) {
            Decision::NeedSchemas(needs) => Judged::Lacks(needs),
            Decision::Route(_, Verdict::Invalid(finding)) if self.gates[rules.number].policy.mode != Mode::PassAll => {
                Judged::Fails(finding)
            }
            Decision::Route(route, _) => self.destination(source, route, &record),
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

    /// Returns the sets of headers that dead letters of a gate have beside ours.
    pub(super) fn profiles(&self, gate: usize) -> &[Profile] {
        &self.gates[gate].profiles
    }

    /// Finds the rules and the place of a record, or why it is not judged.
    fn begin<'l>(&mut self, headers: &[Header<'_>], letter: &Letter<'l>) -> Result<(Source, Position<'l>), Why> {
        if dead_letter::is_truncated(headers) {
            return Err(Why::Truncated);
        }
        if dead_letter::attempt(headers).is_some_and(|attempt| attempt > self.max_attempts) {
            return Err(Why::Attempts);
        }
        let (topic, partition, offset) = match (letter.source.topic, letter.source.partition, letter.source.offset) {
            (Some(topic), Some(partition), Some(offset)) => (topic, partition, offset),
            _ => return Err(Why::NoSource),
        };
        let named = || {
            let name = letter.gate.filter(|_| letter.origin == Origin::Sluice)?;
            self.gates.iter().position(|gate| gate.name == name)
        };
        let number = self.by.or_else(named).ok_or(Why::NoGate)?;
        let position = Position { topic, partition: Partition(partition), offset: Offset(offset) };
        match self.known[number].get(topic) {
            Some(source) => Ok((*source, position)),
            None => Ok((self.add(number, topic)?, position)),
        }
    }

    fn add(&mut self, number: usize, topic: &str) -> Result<Source, Why> {
        let gate = &self.gates[number];
        let outputs = gate.outputs(topic).ok_or(Why::NotRead)?;
        let source = Source(u32::try_from(self.rules.len()).map_err(|_| Why::NotRead)?);
        let rules = Gate::writing(gate.policy_for(topic), &outputs.validated);
        self.rules.push(Rules { gate: rules, number, topic: topic.into(), outputs });
        self.known[number].insert(topic.to_owned(), source);
        Ok(source)
    }

    fn destination(&self, source: Source, route: Route, record: &Record<'_>) -> Judged {
        let rules = &self.rules[source.0 as usize];
        let config::Gate { policy, repartition, .. } = &self.gates[rules.number];
        let Position { topic, partition: Partition(partition), .. } = record.position;
        let Some(validated) = rules.outputs.topic(route) else { return Judged::Over(Why::Dropped) };
        let (topic, is_spread) = match self.to {
            To::Source => (topic, false),
            To::Validated if policy.mode == Mode::DryRun => return Judged::Over(Why::NoDestination),
            To::Validated => (validated, *repartition == Repartition::Murmur2),
        };
        let Some(&count) = self.partitions.get(topic) else { return Judged::Over(Why::NoDestination) };
        let key = self.rewrite.part(Part::Key).or(record.key);
        let partition = if is_spread { murmur2::partition(key, partition, count) } else { partition };
        if (0..count).contains(&partition) {
            Judged::Passes { gate: rules.number, topic: topic.to_owned(), partition }
        } else {
            Judged::Over(Why::NoDestination)
        }
    }

    /// Asks the registry for what a decision lacks.
    pub(super) fn ask(&mut self, needs: &Needs) -> Result<(), schemas::Error> {
        needs.iter().try_for_each(|need| self.ask_for(*need))
    }

    fn ask_for(&mut self, need: Need) -> Result<(), schemas::Error> {
        let rules = &self.rules[need.slot.source.0 as usize];
        let policy = match need.slot.part {
            Part::Key => rules.gate.policy().key.clone(),
            Part::Value => rules.gate.policy().value.clone(),
        };
        // A part without a policy passes unchecked, and never needs a schema.
        let Some(policy) = policy else { return Ok(()) };
        let question = Question { need, topic: Arc::clone(&rules.topic), policy, grace: Duration::ZERO };
        let entry = match self.runtime.block_on(self.schemas.answer(&question))? {
            Answer::Entry(entry) => entry,
            Answer::Unusable { reason, .. } => {
                let violation = Violation::new(ReasonCode::UnusableSchema, reason);
                Entry::Refused(Arc::new(Refusal { violation, subject: None }))
            }
        };
        self.table.insert(need, entry);
        Ok(())
    }
}

/// Finds the gate whose rules count for all, by its number.
pub(super) fn by(gates: &[config::Gate], order: &Order) -> Result<Option<usize>, Error> {
    let Some(name) = &order.by else { return Ok(None) };
    let known = || gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = gates.iter().position(|gate| gate.name == *name);
    found.map(Some).ok_or_else(|| Error::NoGate { name: name.clone(), known: known() })
}

/// Returns a value that names another schema than it came with; one that is empty names none.
fn renamed(value: &[u8]) -> Option<&[u8]> {
    (!value.is_empty()).then_some(value)
}

/// Tells whether a header is the dead letter's and not its record's.
pub(super) fn is_taken_off(name: &str, profiles: &[Profile], origin: Origin) -> bool {
    let others = match origin {
        Origin::Connect => &[Profile::Connect][..],
        Origin::Streams => &[Profile::Streams],
        Origin::Spring => &[Profile::Spring],
        Origin::Sluice | Origin::Unknown => &[],
    };
    dead_letter::is_taken_off(name, profiles) || dead_letter::is_taken_off(name, others)
}

/// Returns the time of the record: a dead letter's own is mostly that of its log.
pub(super) fn timestamp(message: &BorrowedMessage<'_>, letter: &Letter<'_>) -> Option<i64> {
    let own = || message.timestamp().to_millis().filter(|_| letter.origin != Origin::Sluice);
    letter.source.timestamp.or_else(own)
}
