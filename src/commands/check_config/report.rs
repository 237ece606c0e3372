//! What was found, for people and as JSON.

use std::fmt;

use serde::Serialize;

use crate::config::Error;
use crate::registry::survey::Conversion;

/// All findings.
#[derive(Debug, Default, Serialize)]
pub(super) struct Report {
    /// What each gate would do.
    pub(super) gates: Vec<Gate>,
    /// What each migration job that converts would do.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) jobs: Vec<Job>,
    /// What keeps a gate from starting or from serving all its records.
    pub(super) faults: Vec<Finding>,
    /// What the operator should mean.
    pub(super) notes: Vec<Finding>,
    /// What could not be checked, and the commands that grant what it needs.
    pub(super) unchecked: Vec<Unchecked>,
}

/// One gate.
#[derive(Debug, Serialize)]
pub(super) struct Gate {
    pub(super) name: String,
    /// `gate` or `converter`.
    pub(super) kind: &'static str,
    pub(super) group: String,
    pub(super) delivery: &'static str,
    pub(super) mode: &'static str,
    /// Where it starts in partitions without a committed offset.
    pub(super) start: String,
    pub(super) topics: Vec<Topic>,
    /// Where it keeps its map of offsets.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) offset_map: Option<OffsetMap>,
    /// What becomes of the versions that are converted.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) conversions: Vec<Conversion>,
}

/// The topic of an offset map.
#[derive(Debug, Serialize)]
pub(super) struct OffsetMap {
    pub(super) name: String,
    /// Whether it is there; else the converter makes it.
    pub(super) exists: bool,
}

/// One migration job that converts.
#[derive(Debug, Serialize)]
pub(super) struct Job {
    pub(super) name: String,
    pub(super) topic: Topic,
    /// What becomes of the versions that are known now.
    pub(super) conversions: Vec<Conversion>,
}

/// One source topic of a gate.
#[derive(Debug, Serialize)]
pub(super) struct Topic {
    pub(super) source: String,
    pub(super) partitions: i32,
    /// Partitions in which the group has committed an offset; `None` where it could not be asked.
    pub(super) committed: Option<i32>,
    pub(super) validated: Option<String>,
    pub(super) converter: Option<String>,
    pub(super) dead_letter: Option<String>,
}

/// One thing found.
#[derive(Debug, Serialize)]
pub(super) struct Finding {
    /// The gate, `kafka`, `registry`, or a key path.
    pub(super) about: String,
    pub(super) problem: String,
    /// The commands that mend it, if there are some.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) commands: Vec<String>,
}

/// One thing that could not be checked.
#[derive(Debug, Serialize)]
pub(super) struct Unchecked {
    pub(super) about: String,
    pub(super) what: String,
    pub(super) commands: Vec<String>,
}

impl Report {
    /// Makes a report of the mistakes in a file.
    pub(super) fn of_mistakes(mistakes: &[Error]) -> Self {
        let mut report = Self::default();
        for mistake in mistakes {
            report.conflict(mistake);
        }
        report
    }

    /// Adds a fault.
    pub(super) fn fault(&mut self, about: &str, problem: impl fmt::Display) {
        self.fault_with(about, problem, Vec::new());
    }

    /// Adds a fault with the commands that mend it.
    pub(super) fn fault_with(&mut self, about: &str, problem: impl fmt::Display, commands: Vec<String>) {
        self.faults.push(Finding { about: about.to_owned(), problem: problem.to_string(), commands });
    }

    /// Tells whether a fault of this gate or key was found.
    pub(super) fn is_about(&self, about: &str) -> bool {
        self.faults.iter().any(|fault| fault.about == about)
    }

    /// Adds a mistake that names its key.
    pub(super) fn conflict(&mut self, error: &Error) {
        let hint = error.hint.as_ref().map_or(String::new(), |hint| format!("; hint: {hint}"));
        self.fault(&error.key, format!("{}{hint}", error.problem));
    }

    /// Adds a note.
    pub(super) fn note(&mut self, about: &str, problem: impl fmt::Display) {
        self.notes.push(Finding { about: about.to_owned(), problem: problem.to_string(), commands: Vec::new() });
    }

    /// Adds what could not be checked.
    pub(super) fn unchecked(&mut self, about: &str, what: impl Into<String>, commands: Vec<String>) {
        self.unchecked.push(Unchecked { about: about.to_owned(), what: what.into(), commands });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for gate in &self.gates {
            writeln!(f, "{gate}")?;
        }
        for Job { name, topic, conversions } in &self.jobs {
            let (source, to) = (&topic.source, topic.validated.as_deref().unwrap_or_default());
            let letters = topic.dead_letter.as_deref().unwrap_or_default();
            writeln!(f, "migration {name}: {source} ({}) to {to}, dead letters to {letters}", size(topic))?;
            conversions.iter().try_for_each(|conversion| writeln!(f, "  {conversion}"))?;
            writeln!(f)?;
        }
        write_findings(f, "faults", &self.faults)?;
        write_findings(f, "notes", &self.notes)?;
        if !self.unchecked.is_empty() {
            writeln!(f, "not checked")?;
            for Unchecked { about, what, commands } in &self.unchecked {
                writeln!(f, "  {about}: {what}")?;
                commands.iter().try_for_each(|command| writeln!(f, "      {command}"))?;
            }
            writeln!(f)?;
        }
        match self.faults.len() {
            0 => writeln!(f, "good: no fault found"),
            1 => writeln!(f, "1 fault found"),
            count => writeln!(f, "{count} faults found"),
        }
    }
}

fn write_findings(f: &mut fmt::Formatter<'_>, title: &str, findings: &[Finding]) -> fmt::Result {
    if findings.is_empty() {
        return Ok(());
    }
    writeln!(f, "{title}")?;
    for Finding { about, problem, commands } in findings {
        writeln!(f, "  {about}: {problem}")?;
        commands.iter().try_for_each(|command| writeln!(f, "      {command}"))?;
    }
    writeln!(f)
}

impl fmt::Display for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, kind, group, delivery, mode, start, topics, offset_map, conversions } = self;
        writeln!(f, "{kind} {name}: {delivery}, mode {mode}, group {group}")?;
        topics.iter().try_for_each(|topic| write_topic(f, topic, start))?;
        if let Some(OffsetMap { name, exists }) = offset_map {
            let fate = if *exists { "" } else { ", which it makes" };
            writeln!(f, "  offset map: {name}{fate}")?;
        }
        conversions.iter().try_for_each(|conversion| writeln!(f, "  {conversion}"))
    }
}

fn write_topic(f: &mut fmt::Formatter<'_>, topic: &Topic, start: &str) -> fmt::Result {
    writeln!(f, "  {} ({})", topic.source, size(topic))?;
    let outputs =
        [("validated", &topic.validated), ("converter", &topic.converter), ("dead letters", &topic.dead_letter)];
    for (role, output) in outputs {
        if let Some(output) = output {
            writeln!(f, "    {role:12} -> {output}")?;
        }
    }
    match topic.committed {
        _ if topic.partitions == 0 => Ok(()),
        None => writeln!(f, "    starts at the committed offsets, else at {start}"),
        Some(0) => writeln!(f, "    starts at {start}: no offset is committed"),
        Some(count) if count == topic.partitions => writeln!(f, "    goes on at the committed offsets"),
        Some(count) => {
            writeln!(f, "    goes on at the committed offsets of {}, at earliest in the others", partitions(count))
        }
    }
}

fn size(topic: &Topic) -> String {
    if topic.partitions == 0 { "not there".to_owned() } else { partitions(topic.partitions) }
}

fn partitions(count: i32) -> String {
    if count == 1 { "1 partition".to_owned() } else { format!("{count} partitions") }
}
