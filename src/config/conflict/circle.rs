//! Circles: ways on which a record would come back to a topic that it has passed, for ever.
//!
//! A step leads from a topic to an output, by the gate or converter that reads the one and writes the other. Each step is
//! asked whether its output leads back to its topic. The one way back that is allowed is that of the declared pair: its
//! converters know what they have written themselves.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{Role, outputs};
use crate::config::check::leaf;
use crate::config::{Error, Gate, Kind, limits};

/// From a topic to an output of one of its readers.
struct Step<'g> {
    gate: &'g Gate,
    role: Role,
    from: String,
    to: String,
}

/// Steps by the topic that they lead from.
type ByTopic<'s, 'g> = BTreeMap<&'s str, Vec<&'s Step<'g>>>;

/// Finds the circles over these topics and those that they lead to, each once. Gates by themselves are told of elsewhere.
pub(super) fn circles(gates: &[Gate], topics: &[&str]) -> Vec<Error> {
    if gates.iter().all(|gate| gate.kind == Kind::Gate) {
        return Vec::new();
    }
    let steps = steps(gates, topics);
    let mut by_topic = ByTopic::new();
    for step in &steps {
        by_topic.entry(&step.from).or_default().push(step);
    }
    let mut told: BTreeSet<Vec<&str>> = BTreeSet::new();
    let mut errors = Vec::new();
    for step in &steps {
        let Some(back) = way_back(&by_topic, step) else { continue };
        let circle: Vec<&Step<'_>> = std::iter::once(step).chain(back).collect();
        let mut names: Vec<_> = circle.iter().map(|step| step.from.as_str()).collect();
        names.sort_unstable();
        let is_of_gates = circle.iter().all(|step| step.gate.word() == "gate");
        if !is_of_gates && told.insert(names) {
            errors.push(Error::new(step.gate.key(step.role), problem(&circle)));
        }
    }
    errors
}

/// Returns all steps. Patterns may make longer and longer names: what is longer than any way without a circle is left.
fn steps<'g>(gates: &'g [Gate], topics: &[&str]) -> Vec<Step<'g>> {
    let mut steps = Vec::new();
    let mut seen: BTreeSet<String> = topics.iter().map(|&topic| topic.to_owned()).collect();
    let mut next: Vec<String> = seen.iter().cloned().collect();
    for _ in 0..=gates.len() {
        // Outputs that are sources of the same pattern again multiply with each look.
        if seen.len() > topics.len() + limits::EXAMPLES {
            break;
        }
        let found: Vec<Step<'_>> = next.iter().flat_map(|from| steps_from(gates, from)).collect();
        let is_new = |step: &&Step<'_>| leaf::topic(&step.to).is_ok() && seen.insert(step.to.clone());
        next = found.iter().filter(is_new).map(|step| step.to.clone()).collect();
        steps.extend(found);
    }
    // Converters first: a circle is theirs to break, and is told of at its first step.
    steps.sort_by_key(|step| step.gate.word() == "gate");
    steps
}

fn steps_from<'g>(gates: &'g [Gate], from: &str) -> Vec<Step<'g>> {
    let readers = gates.iter().filter(|gate| gate.source.matches(from));
    let step = |gate, role, to| Step { gate, role, from: from.to_owned(), to };
    readers.flat_map(|gate| outputs(gate, from).into_iter().map(move |(role, to)| step(gate, role, to))).collect()
}

/// Returns the shortest way from a step's end to its begin, other than by its pair.
fn way_back<'s, 'g>(steps: &ByTopic<'s, 'g>, step: &'s Step<'g>) -> Option<Vec<&'s Step<'g>>> {
    if step.to == step.from {
        // Who reads what they write is told of elsewhere.
        return None;
    }
    let mut waiting = VecDeque::from([(step.to.as_str(), Vec::new())]);
    let mut reached = BTreeSet::from([step.to.as_str()]);
    while let Some((topic, way)) = waiting.pop_front() {
        for next in steps.get(topic).into_iter().flatten().filter(|next| !is_pair(step, next)) {
            let mut way: Vec<&'s Step<'g>> = way.clone();
            way.push(next);
            if next.to == step.from {
                return Some(way);
            }
            if reached.insert(&next.to) {
                waiting.push_back((&next.to, way));
            }
        }
    }
    None
}

/// Tells whether one step is the way back of the other, by declared converters.
fn is_pair(there: &Step<'_>, back: &Step<'_>) -> bool {
    let is_to = |step: &Step<'_>| step.role == "validated";
    is_to(there)
        && is_to(back)
        && (&there.from, &there.to) == (&back.to, &back.from)
        && there.gate.pair() == Some(&back.gate.name)
        && back.gate.pair() == Some(&there.gate.name)
}

fn problem(circle: &[&Step<'_>]) -> String {
    let steps = circle.iter().map(|step| format!("'{}' ─ {} '{}' →", step.from, step.gate.word(), step.gate.name));
    let steps: Vec<_> = steps.collect();
    let begin = circle.first().map_or("", |step| &step.from);
    format!(
        "closes a circle in which records go round for ever: {} '{begin}'; write elsewhere, or declare two converters of \
         opposite directions as a `pair`",
        steps.join(" ")
    )
}
