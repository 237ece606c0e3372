//! The lines: what each says, how they are written and read, and the order of schemas.

use std::collections::{BTreeMap, HashMap};
use std::io;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::registry::remote::Entry;
use crate::registry::store::{context_of, names};
use crate::schema::{Subject, Version};

/// The version of the format: a reader refuses others.
pub const FORMAT: u32 = 1;

/// The longest line: a schema of a megabyte, escaped, with its contract.
const LINE_BYTES: usize = 16 << 20;

/// All of a registry, with the lines that it came from.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Archive {
    /// The schemas, each after those that it refers to and after the earlier versions of its subject.
    pub schemas: Vec<Schema>,
    /// The configurations.
    pub configs: Vec<Setting<Value>>,
    /// The modes.
    pub modes: Vec<Setting<String>>,
}

/// A version of a subject.
#[derive(Debug, Clone, PartialEq)]
pub struct Schema {
    /// The version.
    pub entry: Entry,
    /// Whether it is soft-deleted.
    pub deleted: bool,
    /// The line that says so.
    pub line: usize,
    /// How many waves of schemas come before it: none refers to another of its own wave.
    pub wave: usize,
}

/// What is set for a scope.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting<T> {
    /// The scope; `None` is that of all subjects.
    pub scope: Option<Subject>,
    /// What is set.
    pub value: T,
    /// The line that says so.
    pub line: usize,
}

/// Something wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub problem: String,
}

/// One line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Line {
    Header {
        format: u32,
    },
    Schema {
        #[serde(flatten)]
        entry: Entry,
        #[serde(default, skip_serializing_if = "std::ops::Not::not")]
        deleted: bool,
    },
    Config {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        config: Value,
    },
    Mode {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        scope: Option<String>,
        mode: String,
    },
    End {
        lines: usize,
    },
}

impl Archive {
    /// Puts the parts in the order of the lines; what refers to each other in a circle comes last.
    #[must_use]
    pub fn new(
        schemas: Vec<(Entry, bool)>,
        configs: Vec<(Option<Subject>, Value)>,
        modes: Vec<(Option<Subject>, String)>,
    ) -> Self {
        let schemas = schemas.into_iter().map(|(entry, deleted)| Schema { entry, deleted, line: 0, wave: 0 }).collect();
        let mut archive = Self {
            schemas,
            configs: configs.into_iter().map(|(scope, value)| Setting { scope, value, line: 0 }).collect(),
            modes: modes.into_iter().map(|(scope, value)| Setting { scope, value, line: 0 }).collect(),
        };
        archive.find_waves();
        archive.schemas.sort_by_cached_key(|schema| (schema.wave, place(&schema.entry)));
        archive.configs.sort_by(|a, b| a.scope.cmp(&b.scope));
        archive.modes.sort_by(|a, b| a.scope.cmp(&b.scope));
        archive
    }

    /// Writes the lines.
    ///
    /// # Errors
    /// What the writer says.
    pub fn write(&self, out: &mut dyn io::Write) -> io::Result<()> {
        let scope = |scope: &Option<Subject>| scope.as_ref().map(|scope| scope.0.to_string());
        let schemas =
            self.schemas.iter().map(|schema| Line::Schema { entry: schema.entry.clone(), deleted: schema.deleted });
        let configs =
            self.configs.iter().map(|one| Line::Config { scope: scope(&one.scope), config: one.value.clone() });
        let modes = self.modes.iter().map(|one| Line::Mode { scope: scope(&one.scope), mode: one.value.clone() });
        let lines = self.schemas.len() + self.configs.len() + self.modes.len();
        let begin = std::iter::once(Line::Header { format: FORMAT });
        for line in begin.chain(schemas).chain(configs).chain(modes).chain([Line::End { lines }]) {
            serde_json::to_writer(&mut *out, &line)?;
            out.write_all(b"\n")?;
        }
        out.flush()
    }

    /// Reads lines.
    ///
    /// # Errors
    /// All that is wrong with them; what cannot be read at all is one fault.
    pub fn read(input: &mut dyn io::BufRead) -> Result<Self, Vec<Fault>> {
        let mut reader = Reader::default();
        let mut number = 0;
        loop {
            number += 1;
            match next_line(input) {
                Ok(Some(line)) => reader.line(number, &line),
                Ok(None) => return reader.finish(number),
                Err(error) => {
                    reader.fault(number, format!("cannot be read: {error}"));
                    return reader.finish(number);
                }
            }
        }
    }

    /// Finds the wave of each schema; returns those that are in a circle.
    fn find_waves(&mut self) -> Vec<usize> {
        let mut versions: BTreeMap<(String, i32), usize> = BTreeMap::new();
        for (index, schema) in self.schemas.iter().enumerate() {
            versions.insert(place(&schema.entry), index);
        }
        let mut after: HashMap<usize, Vec<usize>> = HashMap::new();
        let mut waits = vec![0_usize; self.schemas.len()];
        for (index, schema) in self.schemas.iter().enumerate() {
            let (subject, version) = place(&schema.entry);
            let before = versions.range((subject.clone(), i32::MIN)..(subject, version)).next_back();
            let referred = references(&schema.entry).filter_map(|place| versions.get(&place).copied());
            for first in before.map(|(_, before)| *before).into_iter().chain(referred) {
                after.entry(first).or_default().push(index);
                waits[index] += 1;
            }
        }
        let mut wave: Vec<usize> = (0..waits.len()).filter(|index| waits[*index] == 0).collect();
        let mut number = 0;
        while !wave.is_empty() {
            let mut next = Vec::new();
            for index in wave {
                self.schemas[index].wave = number;
                for follower in after.get(&index).into_iter().flatten() {
                    waits[*follower] -= 1;
                    next.extend((waits[*follower] == 0).then_some(*follower));
                }
            }
            (wave, number) = (next, number + 1);
        }
        let circle: Vec<usize> = (0..waits.len()).filter(|index| waits[*index] > 0).collect();
        circle.iter().for_each(|index| self.schemas[*index].wave = number);
        circle
    }
}

/// Returns where a version is.
pub(super) fn place(entry: &Entry) -> (String, i32) {
    (entry.subject.clone(), entry.version)
}

/// Returns where the schemas are that one refers to: without a context in its own.
pub(crate) fn references(entry: &Entry) -> impl Iterator<Item = (String, i32)> {
    let own = Subject(entry.subject.as_str().into());
    entry.references.iter().map(move |reference| {
        let subject = names::qualified(context_of(&own), &reference.subject);
        (subject.0.to_string(), Version(reference.version).0)
    })
}

/// Reads a line without its end; `None` at the end of all.
fn next_line(input: &mut dyn io::BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    let mut limited = io::Read::take(input, LINE_BYTES as u64 + 1);
    if io::BufRead::read_until(&mut limited, b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() > LINE_BYTES {
        return Err(io::Error::other(format!("it has more than {LINE_BYTES} bytes")));
    }
    line.truncate(line.trim_ascii_end().len());
    Ok(Some(line))
}

/// Lines on their way to an archive.
#[derive(Default)]
struct Reader {
    archive: Archive,
    faults: Vec<Fault>,
    is_begun: bool,
    end: Option<usize>,
    known: HashMap<(String, i32), usize>,
}

impl Reader {
    fn fault(&mut self, line: usize, problem: String) {
        self.faults.push(Fault { line, problem });
    }

    fn line(&mut self, number: usize, text: &[u8]) {
        if text.is_empty() {
            return;
        }
        let line = match serde_json::from_slice(text) {
            Ok(line) => line,
            Err(error) => return self.fault(number, format!("is no line of an export: {}", at_column(&error))),
        };
        match line {
            Line::Header { format: FORMAT } if !self.is_begun => self.is_begun = true,
            Line::Header { format } => {
                self.is_begun = true;
                self.fault(
                    number,
                    format!("begins an export of format {format}, and one of format {FORMAT} begins a file"),
                );
            }
            _ if self.end.is_some() => self.fault(number, "comes after the line that ends the export".to_owned()),
            Line::Schema { entry, deleted } => self.schema(entry, deleted, number),
            Line::Config { scope, config: value } => {
                self.archive.configs.push(Setting { scope: subject(scope), value, line: number });
            }
            Line::Mode { scope, mode: value } => {
                self.archive.modes.push(Setting { scope: subject(scope), value, line: number });
            }
            Line::End { lines } => self.end = Some(lines),
        }
    }

    fn schema(&mut self, entry: Entry, deleted: bool, line: usize) {
        if entry.subject.is_empty() || entry.version < 1 || entry.id < 0 {
            return self.fault(line, "is a schema without a subject, a version from 1 up or an ID".to_owned());
        }
        if let Some(first) = self.known.insert(place(&entry), line) {
            let problem = format!("is version {} of subject '{}', as line {first} is", entry.version, entry.subject);
            return self.fault(line, problem);
        }
        self.archive.schemas.push(Schema { entry, deleted, line, wave: 0 });
    }

    fn finish(mut self, last: usize) -> Result<Archive, Vec<Fault>> {
        let Archive { schemas, configs, modes } = &self.archive;
        let found = schemas.len() + configs.len() + modes.len();
        if !self.is_begun {
            self.fault(1, format!("does not begin an export: {{\"kind\":\"header\",\"format\":{FORMAT}}}"));
        } else if self.faults.is_empty() && self.end != Some(found) {
            let told = self.end.map_or("none does".to_owned(), |lines| format!("{lines} lines were written"));
            self.fault(last, format!("should end the export, and {told}: {found} were read; the file was cut off"));
        }
        for index in self.archive.find_waves() {
            let Schema { entry, line, .. } = &self.archive.schemas[index];
            let problem =
                format!("version {} of subject '{}' refers to itself in a circle", entry.version, entry.subject);
            self.faults.push(Fault { line: *line, problem });
        }
        if self.faults.is_empty() { Ok(self.archive) } else { Err(self.faults) }
    }
}

fn subject(scope: Option<String>) -> Option<Subject> {
    scope.map(|scope| Subject(scope.into()))
}

/// Says what is wrong with JSON that is one line.
fn at_column(error: &serde_json::Error) -> String {
    error.to_string().replace(" at line 1 column ", " at column ")
}
