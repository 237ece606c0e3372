//! Topics that two gates would fight over, or that gates and converters would feed to themselves.
//!
//! Four things are refused: two gates that read one topic (each would write every record), a gate's output that is a gate's
//! source (a loop, or a record gated twice), one topic for outcomes that must stay apart, and circles ([`circle`]). For given names of topics that is
//! decided exactly, by asking the gates: [`conflicts`] does it, for the topics that a cluster has.
//!
//! Before a cluster is asked, patterns are judged by example: topics that match a pattern are made from its syntax tree
//! ([`samples`]), and joined with those of the others. A conflict reported so is real, the message shows
//! the topic; one that no example finds is found by [`conflicts`] when such a topic is there. (To refuse all that
//! might be would refuse `^(.+)\.raw$` with `$1`, since `a.raw.raw` leads to `a.raw`.)

mod circle;

use std::collections::{BTreeMap, BTreeSet};

use super::check::leaf;
use super::error::Error;
use super::sample::samples;
use super::{Gate, Kind, Sources, limits};

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

/// Finds the conflicts of gates and converters over these topics.
pub(super) fn conflicts<'t>(gates: &[Gate], topics: impl Iterator<Item = &'t str>) -> Vec<Error> {
    let mut errors = Vec::new();
    let mut writers: BTreeMap<String, (&Gate, Role)> = BTreeMap::new();
    let topics: Vec<&str> = topics.collect();
    for &topic in &topics {
        let readers = || gates.iter().filter(|gate| gate.source.matches(topic));
        let mut of_gates = readers().filter(|gate| gate.kind == Kind::Gate);
        let first = of_gates.next();
        let others: Vec<&Gate> = of_gates.collect();
        if let (Some(first), false) = (first, others.is_empty()) {
            errors.extend(others.iter().map(|second| {
                let problem =
                    format!("reads '{topic}', and so does gate '{}': each record would pass twice", first.name);
                Error::new(second.key("source"), problem)
            }));
            continue;
        }
        for gate in readers() {
            for (role, output) in outputs(gate, topic) {
                errors.extend(output_conflicts(gates, gate, topic, (role, &output)));
                errors.extend(claim(&mut writers, gate, role, &output));
            }
        }
    }
    errors.extend(circle::circles(gates, &topics));
    errors
}

/// Tells whether a converter leads back from where another writes to where that reads.
pub(super) fn is_way_back(converter: &Gate, other: &Gate) -> bool {
    examples(&converter.source).iter().any(|topic| {
        let there = converter.outputs(topic).map(|outputs| outputs.validated);
        let back = there.and_then(|there| other.outputs(&there)).map(|outputs| outputs.validated);
        back.as_deref() == Some(topic)
    })
}

/// Enters a gate as the writer of an output, and finds who writes other records into it.
fn claim<'g>(
    writers: &mut BTreeMap<String, (&'g Gate, Role)>,
    gate: &'g Gate,
    role: Role,
    output: &str,
) -> Option<Error> {
    let (other, other_role) = *writers.entry(output.to_owned()).or_insert((gate, role));
    let is_apart = other_role != role && !go_together((gate, role), (other, other_role));
    is_apart.then(|| Error::new(gate.key(role), apart_problem(gate, output, other, other_role)))
}

/// Tells whether a gate hands its good records of the other version to where a converter makes such of the rest.
fn go_together(one: (&Gate, Role), other: (&Gate, Role)) -> bool {
    let is_new_topic = |gate: (&Gate, Role), converter: (&Gate, Role)| {
        let is_to = converter.0.kind != Kind::Gate && converter.1 == "validated";
        gate.0.kind == Kind::Gate && gate.1 == "converter" && is_to
    };
    is_new_topic(one, other) || is_new_topic(other, one)
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
        errors.push(Error::new(gate.key(role), format!("makes '{output}' of the source '{topic}', and it {problem}")));
    }
    // A converter may feed a gate or another converter, but nobody feeds themselves.
    let is_gate = |gate: &Gate| gate.kind == Kind::Gate;
    let is_loop = |reader: &&Gate| (is_gate(gate) && is_gate(reader)) || reader.name == gate.name;
    if let Some(reader) = gates.iter().filter(is_loop).find(|reader| reader.source.matches(output)) {
        errors.push(Error::new(gate.key(role), loop_problem(gate, reader, topic, output)));
    }
    errors
}

fn apart_problem(gate: &Gate, output: &str, other: &Gate, other_role: Role) -> String {
    let of = if other.name == gate.name { String::new() } else { format!(" of {} '{}'", other.word(), other.name) };
    let key = other.key(other_role);
    let other_role = key.rsplit('.').next().unwrap_or(other_role);
    format!("is '{output}', and so is `{other_role}`{of}: the two outcomes must stay apart")
}

fn loop_problem(gate: &Gate, reader: &Gate, topic: &str, output: &str) -> String {
    let from = if output == topic { String::new() } else { format!(" (from '{topic}')") };
    let by = if reader.name == gate.name {
        format!("this {} reads", gate.word())
    } else {
        format!("gate '{}' reads", reader.name)
    };
    let pattern = match &reader.source {
        Sources::Topics(_) => String::new(),
        Sources::Pattern(pattern) => format!(" by the pattern {pattern}"),
    };
    format!(
        "is '{output}'{from}, which {by}{pattern}: records would pass again; give a name that no {} reads",
        gate.word()
    )
}
