//! Topics that two gates would fight over, or that a gate would feed to itself.
//!
//! Three things are refused: two gates that read one topic (each would write every record), an output that is a source
//! (a loop, or a record gated twice), and one topic for outcomes that must stay apart. For given names of topics that is
//! decided exactly, by asking the gates: [`conflicts`] does it, for the topics that a cluster has.
//!
//! Before a cluster is asked, patterns are judged by example: topics that match a pattern are made from its syntax tree
//! ([`samples`]), and joined with those of the others. A conflict reported so is real, the message shows
//! the topic; one that no example finds is found by [`conflicts`] when such a topic is there. (To refuse all that
//! might be would refuse `^(.+)\.raw$` with `$1`, since `a.raw.raw` leads to `a.raw`.)

use std::collections::{BTreeMap, BTreeSet};

use super::check::leaf;
use super::error::Error;
use super::sample::samples;
use super::{Gate, Sources, limits};

/// The key of an output topic in the file.
type Role = &'static str;

/// Finds the mistakes in the gates by the topics that they name and examples of their patterns.
pub(super) fn by_example(gates: &[Gate]) -> Vec<Error> {
    let of_gates: Vec<Vec<String>> = gates.iter().map(|gate| examples(&gate.source)).collect();
    let mut topics: BTreeSet<String> = of_gates.iter().flatten().cloned().collect();
    for (gate, mine) in gates.iter().zip(&of_gates) {
        if matches!(gate.source, Sources::Pattern(_)) {
            let others = of_gates.iter().flatten();
            let more = others.flat_map(|other| mine.iter().flat_map(move |own| joined(own, other)));
            topics.extend(more.take(limits::EXAMPLES.saturating_sub(topics.len())));
        }
    }
    let mut found: Vec<Error> = Vec::new();
    for error in conflicts(gates, topics.iter().map(String::as_str)) {
        // One example per key is enough: the others would say the same of longer names.
        if !found.iter().any(|other| other.key == error.key) {
            found.push(error);
        }
    }
    found
}

fn examples(source: &Sources) -> Vec<String> {
    match source {
        Sources::Topics(topics) => topics.clone(),
        Sources::Pattern(pattern) => samples(pattern),
    }
}

/// Returns the ways in which a topic of one pattern may also be one of another.
fn joined(own: &str, other: &str) -> [String; 3] {
    [format!("{own}{other}"), format!("{own}.{other}"), format!("{other}{own}")]
}

/// Finds the conflicts of the gates over these topics.
pub(super) fn conflicts<'t>(gates: &[Gate], topics: impl Iterator<Item = &'t str>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut writers: BTreeMap<String, (&Gate, Role)> = BTreeMap::new();
    for topic in topics {
        let readers: Vec<&Gate> = gates.iter().filter(|gate| gate.source.matches(topic)).collect();
        match readers.as_slice() {
            [] => {}
            [gate] => {
                for (role, output) in outputs(gate, topic) {
                    errors.extend(output_conflicts(gates, gate, topic, (role, &output)));
                    errors.extend(claim(&mut writers, gate, role, &output));
                }
            }
            [first, others @ ..] => errors.extend(others.iter().map(|second| {
                let problem =
                    format!("reads '{topic}', and so does gate '{}': each record would pass twice", first.name);
                Error::new(key(second, "source"), problem)
            })),
        }
    }
    errors
}

/// Enters a gate as the writer of an output, and finds who writes other records into it.
fn claim<'g>(
    writers: &mut BTreeMap<String, (&'g Gate, Role)>,
    gate: &'g Gate,
    role: Role,
    output: &str,
) -> Option<Error> {
    let (other, other_role) = *writers.entry(output.to_owned()).or_insert((gate, role));
    (other_role != role).then(|| Error::new(key(gate, role), apart_problem(gate, output, other, other_role)))
}

fn outputs(gate: &Gate, topic: &str) -> Vec<(Role, String)> {
    let Some(outputs) = gate.outputs(topic) else { return Vec::new() };
    let converter = outputs.converter.map(|converter| ("converter", converter));
    let others = [("validated", outputs.validated), ("dead_letter", outputs.dead_letter)];
    others.into_iter().chain(converter).collect()
}

fn output_conflicts(gates: &[Gate], gate: &Gate, topic: &str, (role, output): (Role, &str)) -> Vec<Error> {
    let mut errors = Vec::new();
    if let Err(problem) = leaf::topic(output) {
        errors.push(Error::new(key(gate, role), format!("makes '{output}' of the source '{topic}', and it {problem}")));
    }
    if let Some(reader) = gates.iter().find(|reader| reader.source.matches(output)) {
        errors.push(Error::new(key(gate, role), loop_problem(gate, reader, topic, output)));
    }
    errors
}

fn apart_problem(gate: &Gate, output: &str, other: &Gate, other_role: Role) -> String {
    let of = if other.name == gate.name { String::new() } else { format!(" of gate '{}'", other.name) };
    format!("is '{output}', and so is `{other_role}`{of}: the two outcomes must stay apart")
}

fn loop_problem(gate: &Gate, reader: &Gate, topic: &str, output: &str) -> String {
    let from = if output == topic { String::new() } else { format!(" (from '{topic}')") };
    let by =
        if reader.name == gate.name { "this gate reads".to_owned() } else { format!("gate '{}' reads", reader.name) };
    let pattern = match &reader.source {
        Sources::Topics(_) => String::new(),
        Sources::Pattern(pattern) => format!(" by the pattern {pattern}"),
    };
    format!("is '{output}'{from}, which {by}{pattern}: records would pass again; give a name that no gate reads")
}

fn key(gate: &Gate, key: &str) -> String {
    format!("gates.{}.{key}", gate.name)
}
