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

use std::collections::BTreeSet;

use super::check::leaf;
use super::error::Error;
use super::sample::samples;
use super::{Gate, Sources};

/// Finds the mistakes in the gates by the topics that they name and examples of their patterns.
pub(super) fn by_example(gates: &[Gate]) -> Vec<Error> {
    let of_gates: Vec<Vec<String>> = gates.iter().map(|gate| examples(&gate.source)).collect();
    let mut topics: BTreeSet<String> = of_gates.iter().flatten().cloned().collect();
    for (gate, mine) in gates.iter().zip(&of_gates) {
        if matches!(gate.source, Sources::Pattern(_)) {
            let others = of_gates.iter().flatten();
            topics.extend(others.flat_map(|other| mine.iter().flat_map(move |own| joined(own, other))));
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
    for topic in topics {
        let mut readers = gates.iter().filter(|gate| gate.source.matches(topic));
        let Some(first) = readers.next() else { continue };
        for second in readers {
            let problem = format!("reads '{topic}', and so does gate '{}': each record would pass twice", first.name);
            errors.push(Error::new(key(second, "source"), problem));
        }
        for gate in gates.iter().filter(|gate| gate.source.matches(topic)) {
            errors.extend(output_conflicts(gates, gate, topic));
        }
    }
    errors
}

fn output_conflicts(gates: &[Gate], gate: &Gate, topic: &str) -> Vec<Error> {
    let Some(outputs) = gate.outputs(topic) else { return Vec::new() };
    let outputs = [
        ("validated", Some(outputs.validated)),
        ("converter", outputs.converter),
        ("dead_letter", Some(outputs.dead_letter)),
    ];
    let outputs: Vec<(&str, String)> = outputs.into_iter().filter_map(|(role, name)| Some((role, name?))).collect();
    let mut errors = Vec::new();
    for (index, (role, output)) in outputs.iter().enumerate() {
        if let Err(problem) = leaf::topic(output) {
            errors.push(Error::new(key(gate, role), format!("makes '{output}' of source '{topic}', which {problem}")));
        }
        if let Some((other, _)) = outputs[..index].iter().find(|(_, name)| name == output) {
            let problem = format!("is '{output}', and so is `{other}`: the two outcomes must stay apart");
            errors.push(Error::new(key(gate, role), problem));
        }
        if let Some(reader) = gates.iter().find(|reader| reader.source.matches(output)) {
            errors.push(Error::new(key(gate, role), loop_problem(gate, reader, topic, output)));
        }
    }
    errors
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
