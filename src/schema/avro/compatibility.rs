//! Whether data of one schema can be read with another, and every reason why not: as a registry judges new versions.
//!
//! The gate's own `resolve` asks what becomes of data and stops at the first obstacle; a registry has to name all of
//! them, in the words, with the paths and with the quirks of Java's `SchemaCompatibility`, which every client of a
//! Confluent registry knows. Names are compared without their namespaces; a missing field whose type is an enum with a
//! default of its own is compared with the writer's *record*; a pair that is met again brings its obstacles again.

use std::collections::HashMap;

use super::limits;
use super::tree::{Field, Kind, Node, NodeId, Primitive, Tree};

/// What keeps a reader from reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Obstacle {
    /// What kind of obstacle it is.
    pub kind: ObstacleKind,
    /// Where: a JSON pointer into the reader's schema, but for branches of a writer's union.
    pub path: String,
    /// What was met.
    pub detail: String,
}

/// The kinds of obstacles, by the names of Java's `SchemaIncompatibilityType`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ObstacleKind {
    /// The types differ, and none becomes the other.
    TypeMismatch,
    /// The names differ.
    NameMismatch,
    /// The sizes of two fixed differ.
    FixedSizeMismatch,
    /// The writer's enum has symbols that the reader's lacks.
    MissingEnumSymbols,
    /// The reader has a field without a default that the writer lacks.
    ReaderFieldMissingDefaultValue,
    /// The reader's union has no branch for a type.
    MissingUnionBranch,
}

/// Why two schemas cannot be compared.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// A reader's field may stand for several fields of the writer.
    #[error("Reader record field {field} matches multiple fields in writer record schema {record}")]
    Ambiguous {
        /// The reader's field.
        field: String,
        /// The writer's record.
        record: String,
    },
    /// The comparison takes too many steps, finds too many obstacles or goes too deep.
    #[error("the comparison of the schemas takes more than {} steps, obstacles or levels", limits::RESOLUTION_STEPS)]
    TooMuch,
}

impl ObstacleKind {
    /// Returns Java's name.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::TypeMismatch => "TYPE_MISMATCH",
            Self::NameMismatch => "NAME_MISMATCH",
            Self::FixedSizeMismatch => "FIXED_SIZE_MISMATCH",
            Self::MissingEnumSymbols => "MISSING_ENUM_SYMBOLS",
            Self::ReaderFieldMissingDefaultValue => "READER_FIELD_MISSING_DEFAULT_VALUE",
            Self::MissingUnionBranch => "MISSING_UNION_BRANCH",
        }
    }
}

/// Lists what keeps readers of one schema from reading data written with another; nothing where they can.
///
/// # Errors
/// Where they cannot be compared.
pub fn obstacles(reader: &Tree, writer: &Tree) -> Result<Vec<Obstacle>, Failure> {
    between((reader, reader.root()), (writer, writer.root()))
}

/// Tells whether data of one type of a schema can be read as a type of another.
pub(super) fn is_readable(reader: (&Tree, NodeId), writer: (&Tree, NodeId)) -> Result<bool, Failure> {
    Ok(between(reader, writer)?.is_empty())
}

fn between((reader, read): (&Tree, NodeId), (writer, written): (&Tree, NodeId)) -> Result<Vec<Obstacle>, Failure> {
    let mut comparison = Comparison { reader, writer, pairs: HashMap::new(), steps: 0, level: 0 };
    comparison.pair(read, written, &mut Path::default())
}

/// A place in the reader's schema: the steps to it, escaped as a JSON pointer.
#[derive(Debug, Default)]
struct Path(Vec<String>);

impl Path {
    fn with<T>(&mut self, step: impl ToString, within: impl FnOnce(&mut Self) -> T) -> T {
        self.0.push(step.to_string());
        let result = within(self);
        self.0.pop();
        result
    }

    fn pointer(&self) -> String {
        format!("/{}", self.0.join("/"))
    }
}

type Found = Result<Vec<Obstacle>, Failure>;

struct Comparison<'a> {
    reader: &'a Tree,
    writer: &'a Tree,
    /// What was found of a pair, with the paths of its first occurrence; `None` while it is under way.
    pairs: HashMap<(NodeId, NodeId), Option<Vec<Obstacle>>>,
    steps: usize,
    level: usize,
}

impl<'a> Comparison<'a> {
    fn pair(&mut self, reader: NodeId, writer: NodeId, path: &mut Path) -> Found {
        match self.pairs.get(&(reader, writer)) {
            Some(Some(found)) => {
                let found = found.clone();
                self.count(1 + found.len())?;
                return Ok(found);
            }
            // Compatible until something else is found: the pair contains itself.
            Some(None) => return Ok(Vec::new()),
            None => {}
        }
        self.count(1)?;
        if self.level == limits::COMPARISON_LEVELS {
            return Err(Failure::TooMuch);
        }
        self.pairs.insert((reader, writer), None);
        self.level += 1;
        let found = self.compare(reader, writer, path)?;
        self.level -= 1;
        self.pairs.insert((reader, writer), Some(found.clone()));
        Ok(found)
    }

    fn count(&mut self, steps: usize) -> Result<(), Failure> {
        self.steps += steps;
        if self.steps > limits::RESOLUTION_STEPS { Err(Failure::TooMuch) } else { Ok(()) }
    }

    fn compare(&mut self, reader: NodeId, writer: NodeId, path: &mut Path) -> Found {
        let (read, written): (&'a Node, &'a Node) = (self.reader.get(reader), self.writer.get(writer));
        match (&read.kind, &written.kind) {
            (Kind::Union(_), Kind::Union(branches)) => self.branches(reader, branches, path),
            (_, Kind::Union(branches)) => {
                let mut found = Vec::new();
                for (index, branch) in branches.iter().enumerate() {
                    found.extend(path.with(index, |path| self.pair(reader, *branch, path))?);
                }
                Ok(found)
            }
            (Kind::Union(branches), _) => {
                for branch in branches {
                    if self.pair(*branch, writer, &mut Path::default())?.is_empty() {
                        return Ok(Vec::new());
                    }
                }
                Ok(vec![lacking(written, path)])
            }
            (Kind::Array(items), Kind::Array(of)) => path.with("items", |path| self.pair(*items, *of, path)),
            (Kind::Map(values), Kind::Map(of)) => path.with("values", |path| self.pair(*values, *of, path)),
            (Kind::Fixed { size }, Kind::Fixed { size: of }) => {
                let mut found = names(read, written, path);
                if size != of {
                    let detail = format!("expected: {of}, found: {size}");
                    found.push(path.with("size", |path| obstacle(ObstacleKind::FixedSizeMismatch, path, detail)));
                }
                Ok(found)
            }
            (Kind::Enum { symbols, default }, Kind::Enum { symbols: of, .. }) => {
                self.count(symbols.len() + of.len())?;
                let mut found = names(read, written, path);
                found.extend(path.with("symbols", |path| missing_symbols(symbols, default.is_some(), of, path)));
                Ok(found)
            }
            (Kind::Record { fields, .. }, Kind::Record { fields: of, .. }) => {
                let mut found = names(read, written, path);
                found.extend(path.with("fields", |path| self.fields(fields, (writer, written, of), path))?);
                Ok(found)
            }
            (Kind::Primitive(reads), Kind::Primitive(of)) if reads == of || is_promoted(*of, *reads) => Ok(Vec::new()),
            _ => {
                let detail =
                    format!("reader type: {} not compatible with writer type: {}", type_of(read), type_of(written));
                Ok(vec![obstacle(ObstacleKind::TypeMismatch, path, detail)])
            }
        }
    }

    /// Each branch of the writer's union must be readable by the reader's.
    fn branches(&mut self, reader: NodeId, branches: &[NodeId], path: &mut Path) -> Found {
        let mut found = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            if !self.pair(reader, *branch, &mut Path::default())?.is_empty() {
                found.push(path.with(index, |path| lacking(self.writer.get(*branch), path)));
            }
        }
        Ok(found)
    }

    fn fields(
        &mut self,
        fields: &'a [Field],
        (writer, record, of): (NodeId, &'a Node, &'a [Field]),
        path: &mut Path,
    ) -> Found {
        let by_name: HashMap<&str, &Field> = of.iter().map(|field| (&*field.name, field)).collect();
        self.count(fields.len() + of.len())?;
        let mut found = Vec::new();
        for (index, field) in fields.iter().enumerate() {
            let matches: Vec<_> =
                std::iter::once(&field.name).chain(&field.aliases).filter_map(|name| by_name.get(&**name)).collect();
            self.count(field.aliases.len())?;
            let reader = self.reader.get(field.of);
            found.extend(path.with(index, |path| match matches[..] {
                [written] => path.with("type", |path| self.pair(field.of, written.of, path)),
                [] if field.default.is_some() => Ok(Vec::new()),
                // Java asks the enum for its default here, and then compares it with the whole record.
                [] if matches!(&reader.kind, Kind::Enum { default: Some(_), .. }) => {
                    path.with("type", |path| self.pair(field.of, writer, path))
                }
                [] => {
                    let detail = field.name.to_string();
                    Ok(vec![obstacle(ObstacleKind::ReaderFieldMissingDefaultValue, path, detail)])
                }
                _ => {
                    let record = record.name.as_ref().map(|name| name.full.to_string()).unwrap_or_default();
                    Err(Failure::Ambiguous { field: field.name.to_string(), record })
                }
            })?);
        }
        Ok(found)
    }
}

fn obstacle(kind: ObstacleKind, path: &Path, detail: String) -> Obstacle {
    Obstacle { kind, path: path.pointer(), detail }
}

fn lacking(writer: &Node, path: &Path) -> Obstacle {
    obstacle(ObstacleKind::MissingUnionBranch, path, format!("reader union lacking writer type: {}", type_of(writer)))
}

/// Names must be the same without their namespaces, or the writer's one of the reader's aliases.
fn names(reader: &Node, writer: &Node, path: &mut Path) -> Vec<Obstacle> {
    let (Some(read), Some(written)) = (&reader.name, &writer.name) else { return Vec::new() };
    if read.short() == written.short() || read.aliases.contains(&written.full) {
        return Vec::new();
    }
    let detail = format!("expected: {}", written.full);
    vec![path.with("name", |path| obstacle(ObstacleKind::NameMismatch, path, detail))]
}

fn missing_symbols(symbols: &[Box<str>], has_default: bool, of: &[Box<str>], path: &Path) -> Option<Obstacle> {
    let known: std::collections::HashSet<_> = symbols.iter().collect();
    let mut missing: Vec<&str> = of.iter().filter(|symbol| !known.contains(symbol)).map(|symbol| &**symbol).collect();
    if missing.is_empty() || has_default {
        return None;
    }
    missing.sort_unstable();
    Some(obstacle(ObstacleKind::MissingEnumSymbols, path, format!("[{}]", missing.join(", "))))
}

/// The specification's promotions.
fn is_promoted(from: Primitive, to: Primitive) -> bool {
    use Primitive::{Bytes, Double, Float, Int, Long, String};
    matches!(
        (from, to),
        (Int, Long | Float | Double) | (Long, Float | Double) | (Float, Double) | (String, Bytes) | (Bytes, String)
    )
}

/// Returns Java's name of a type.
fn type_of(node: &Node) -> String {
    let word = match &node.kind {
        Kind::Record { .. } => "record",
        other => other.word(),
    };
    word.to_uppercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types that follow one another, defined in a field that the other lacks, so that they are met from their end.
    #[test]
    fn levels_are_limited() {
        let chain = |field: &str, levels: usize, (before, after): (&str, &str)| {
            let next = |level| format!(r#"{{"name":"next","type":{before}"A{level}"{after}}}"#);
            let record = |level: usize| {
                let fields = level.checked_sub(1).map_or_else(String::new, next);
                format!(r#"{{"type":"record","name":"A{level}","fields":[{fields}]}}"#)
            };
            let records = (0..=levels).map(record).collect::<Vec<_>>().join(",");
            let all = format!(r#"{{"name":"{field}","type":["null",{records}],"default":null}}"#);
            let text =
                format!(r#"{{"type":"record","name":"R","fields":[{all},{{"name":"chain","type":"A{levels}"}}]}}"#);
            Tree::read(&text, []).unwrap()
        };
        // On a thread with the usual stack, in a build without optimisation.
        for (within, levels) in [(("", ""), 1), (("[\"null\",", "]"), 3), ((r#"{"type":"array","items":"#, "}"), 2)] {
            let compare = |depth| obstacles(&chain("one", depth, within), &chain("other", depth, within));
            let most = limits::COMPARISON_LEVELS / levels;
            assert_eq!(compare(most - 5), Ok(Vec::new()), "{within:?}");
            assert_eq!(compare(most + 5), Err(Failure::TooMuch), "{within:?}");
        }
    }
}
