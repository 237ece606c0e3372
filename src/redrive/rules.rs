//! Whose rules count for a dead letter, and where its record goes by them. They are those of the gate, converter or job that it names,
//! or that must have written it; or of the one that the user names for all.
//!
//! Rules belong to a gate and a source topic, as in a pipeline, and are made when the first record needs them.

use std::collections::BTreeMap;
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::report::Why;
use super::{Error, Order, To};
use crate::config::{self, Config, Kind, Outputs, Repartition};
use crate::dead_letters::{Letter, Origin};
use crate::gate::Gate;
use crate::gate::policy::Mode;
use crate::gate::verdict::Route;
use crate::kafka::murmur2;
use crate::schema::table::Source;

/// Rules that are kept: topics that a pattern matches come from headers.
const MOST: usize = 10_000;

/// The rules of one gate for one source topic.
#[derive(Debug)]
pub(super) struct Rules {
    pub(super) gate: Gate,
    pub(super) topic: Arc<str>,
    /// Its number among the gates.
    number: usize,
    outputs: Outputs,
}

/// All rules.
#[derive(Debug)]
pub(super) struct RuleBook {
    gates: Vec<config::Gate>,
    /// Jobs that are none of these gates.
    jobs: Vec<String>,
    by: Option<usize>,
    to: To,
    /// The dead-letter topic.
    letters: String,
    /// How many partitions topics have.
    partitions: BTreeMap<String, i32>,
    /// Rules by gate and source topic.
    known: Vec<FxHashMap<String, Source>>,
    rules: Vec<Rules>,
}

impl RuleBook {
    /// Begins without any; `topics` are those of the cluster with their partitions.
    pub(super) fn new(config: &Config, order: &Order, topics: &BTreeMap<String, Vec<i32>>) -> Result<Self, Error> {
        let gates = config.gates.clone();
        let count = |partitions: &Vec<i32>| i32::try_from(partitions.len()).unwrap_or(i32::MAX);
        Ok(Self {
            by: by(&gates, order)?,
            to: order.to,
            letters: order.topic.clone(),
            jobs: config.migrations.iter().map(|job| job.name.clone()).collect(),
            partitions: topics.iter().map(|(topic, partitions)| (topic.clone(), count(partitions))).collect(),
            known: gates.iter().map(|_| FxHashMap::default()).collect(),
            gates,
            rules: Vec::new(),
        })
    }

    /// Returns rules that were found.
    pub(super) fn rules(&self, source: Source) -> &Rules {
        &self.rules[source.0 as usize]
    }

    /// Tells whether a gate lets everything pass by these rules.
    pub(super) fn passes_all(&self, source: Source) -> bool {
        self.gates[self.rules(source).number].policy.mode == Mode::PassAll
    }

    /// Forgets all rules where there are too many; tells whether it did.
    pub(super) fn is_cut(&mut self) -> bool {
        if self.rules.len() < MOST {
            return false;
        }
        self.rules.clear();
        self.known.iter_mut().for_each(FxHashMap::clear);
        true
    }

    /// Finds the rules for a dead letter whose record comes from this topic.
    pub(super) fn find(&mut self, letter: &Letter<'_>, topic: &str) -> Result<Source, Why> {
        let number = self.by.map_or_else(|| self.author(letter, topic), Ok)?;
        match self.known[number].get(topic) {
            Some(source) => Ok(*source),
            None => self.add(number, topic),
        }
    }

    /// Finds who has written a dead letter.
    fn author(&self, letter: &Letter<'_>, topic: &str) -> Result<usize, Why> {
        if letter.origin != Origin::Sluice {
            return Err(Why::NoGate);
        }
        let Some(name) = letter.gate else { return self.only_author(topic).ok_or(Why::NoGate) };
        let found = self.gates.iter().position(|gate| gate.name == name);
        let is_job = || self.jobs.iter().any(|job| job == name);
        found.ok_or_else(|| if is_job() { Why::Job } else { Why::NoGate })
    }

    /// Finds the only one that reads this topic and has its dead letters here: where there was little room, they name nobody.
    fn only_author(&self, topic: &str) -> Option<usize> {
        let writes =
            |gate: &config::Gate| gate.outputs(topic).is_some_and(|outputs| outputs.dead_letter == self.letters);
        let mut found = (0..self.gates.len()).filter(|&number| writes(&self.gates[number]));
        found.next().filter(|_| found.next().is_none())
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

    /// Returns topic and partition that a record goes to by this route, from this partition of its source and with this key.
    pub(super) fn destination(
        &self,
        source: Source,
        route: Route,
        (partition, key): (i32, Option<&[u8]>),
    ) -> Result<(String, i32), Why> {
        let Rules { topic, outputs, number, .. } = self.rules(source);
        let gate = &self.gates[*number];
        let routed = outputs.topic(route).ok_or(Why::Dropped)?;
        let to = match self.to {
            To::Source => topic,
            To::Validated if gate.policy.mode == Mode::DryRun => return Err(Why::NoDestination),
            To::Validated => routed,
        };
        let count = *self.partitions.get(to).ok_or(Why::NoDestination)?;
        let is_other = self.partitions.get(&**topic).is_some_and(|of_source| *of_source != count);
        let is_spread = match (gate.repartition, &gate.kind) {
            _ if self.to == To::Source => false,
            (Repartition::Refuse, _) if is_other => return Err(Why::Partitions),
            (Repartition::Refuse, _) => false,
            // As jobs do: equal counts keep their numbers.
            (Repartition::Murmur2, Kind::Job) => is_other,
            (Repartition::Murmur2, Kind::Gate | Kind::Converter { .. }) => true,
        };
        let partition = if is_spread { murmur2::partition(key, partition, count) } else { partition };
        if (0..count).contains(&partition) { Ok((to.to_owned(), partition)) } else { Err(Why::NoDestination) }
    }
}

/// Finds the gate whose rules count for all, by its number.
pub(super) fn by(gates: &[config::Gate], order: &Order) -> Result<Option<usize>, Error> {
    let Some(name) = &order.by else { return Ok(None) };
    let known = || gates.iter().map(|gate| gate.name.as_str()).collect::<Vec<_>>().join(", ");
    let found = gates.iter().position(|gate| gate.name == *name);
    found.map(Some).ok_or_else(|| Error::NoGate { name: name.clone(), known: known() })
}

#[cfg(test)]
mod tests;
