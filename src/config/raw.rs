//! A configuration as it was written: an untyped tree, with the substitutions made.
//!
//! No type is asked of a leaf here: serde would stop at the first wrong one, and operators want all their mistakes at
//! once. So the `config` crate parses YAML or TOML, this module makes a tree of it, and `check` judges.
//!
//! `${env:NAME}`, `${env:NAME:-default}` and `${file:PATH}` are replaced after parsing, so that no text that comes from
//! outside is ever read as YAML, as TOML or as another substitution. A substituted text remembers how it was
//! written, and messages print that instead: it may be a secret.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Read};
use std::path::Path;

use config::{FileFormat, Format, Value, ValueKind};

use super::error::{Error, Mistakes};
use super::{bounds, limits};

/// How the text of a configuration is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Syntax {
    /// YAML 1.2.
    Yaml,
    /// TOML; librdkafka's names have dots and must be quoted.
    Toml,
}

impl Syntax {
    /// Returns the syntax that a file's ending stands for: `.yaml`, `.yml` or `.toml`.
    #[must_use]
    pub fn of(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "yaml" | "yml" => Some(Self::Yaml),
            "toml" => Some(Self::Toml),
            _ => None,
        }
    }
}

/// Where substituted texts come from. A value of its own, so that tests need no environment.
#[allow(missing_debug_implementations, reason = "two closures, nothing to print")]
pub struct Environment<'e> {
    /// Returns an environment variable.
    pub variable: &'e dyn Fn(&str) -> Option<String>,
    /// Reads a file.
    pub file: &'e dyn Fn(&Path) -> io::Result<String>,
}

impl Environment<'static> {
    /// The environment of this process and the files that it can read.
    #[must_use]
    pub fn process() -> Self {
        Self { variable: &|name| std::env::var(name).ok(), file: &|path| read_file(path, limits::SUBSTITUTED_BYTES) }
    }
}

/// Reads a file of so many bytes at most: what is named by mistake may have no end.
pub(super) fn read_file(path: &Path, limit: usize) -> io::Result<String> {
    let mut text = String::new();
    std::fs::File::open(path)?.take(limit as u64 + 1).read_to_string(&mut text)?;
    if text.len() > limit {
        return Err(io::Error::other(format!("it has more than {limit} bytes")));
    }
    Ok(text)
}

/// A value as it was written.
#[derive(Clone)]
pub(super) enum Node {
    Null,
    /// What could not be substituted: already reported, hence neither missing nor wrong.
    Mistaken,
    Scalar(Scalar),
    List(Vec<Node>),
    Table(BTreeMap<String, Node>),
}

/// A leaf as text: numbers and booleans too, since a substitution makes texts of them anyway.
#[derive(Clone)]
pub(super) struct Scalar {
    /// The text.
    pub(super) text: String,
    /// What a message may print: the text as it was written, before any substitution.
    pub(super) shown: String,
    /// Whether it was written as text; else leading zeros and the like may be lost.
    pub(super) is_text: bool,
}

impl Scalar {
    /// Tells whether the text came from outside and may be a secret.
    pub(super) fn is_substituted(&self) -> bool {
        self.shown != self.text
    }
}

impl Node {
    /// Names the kind, with an article.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null | Self::Mistaken => "nothing",
            Self::Scalar(_) => "a single value",
            Self::List(_) => "a list",
            Self::Table(_) => "a table",
        }
    }
}

/// Parses a text and makes its substitutions; the mistakes of these are pushed.
pub(super) fn parse(
    text: &str,
    syntax: Syntax,
    environment: &Environment<'_>,
    mistakes: &Mistakes,
) -> Result<Node, String> {
    if text.len() > limits::FILE_BYTES {
        return Err(format!("has {} bytes, more than the limit of {}", text.len(), limits::FILE_BYTES));
    }
    let text = text.trim_start_matches('\u{feff}');
    if syntax == Syntax::Yaml {
        bounds::check_yaml(text)?;
    }
    let format = match syntax {
        Syntax::Yaml => FileFormat::Yaml,
        Syntax::Toml => FileFormat::Toml,
    };
    let root = Format::parse(&format, None, text).map_err(|error| parse_error(error.as_ref()))?;
    let reader = Reader { environment, mistakes, substituted: Cell::new(0) };
    Ok(reader.table(root, ""))
}

/// Returns a parser's message without the lines that quote the file: they may hold a secret.
fn parse_error(error: &dyn std::error::Error) -> String {
    let message = error.to_string();
    let lines: Vec<&str> = message.lines().map(str::trim).filter(|line| !line.contains('|')).collect();
    lines.join(": ").trim_end_matches([':', ' ']).to_owned()
}

struct Reader<'a> {
    environment: &'a Environment<'a>,
    mistakes: &'a Mistakes,
    /// Bytes that came from outside so far.
    substituted: Cell<usize>,
}

impl Reader<'_> {
    fn table(&self, table: config::Map<String, Value>, path: &str) -> Node {
        let node = |(key, value): (String, Value)| {
            let node = self.node(value, &join(path, &key));
            (key, node)
        };
        // Sorted first: the parser's map has no order, and mistakes should come in one.
        let sorted: BTreeMap<String, Value> = table.into_iter().collect();
        Node::Table(sorted.into_iter().map(node).collect())
    }

    fn node(&self, value: Value, path: &str) -> Node {
        let plain = |text: String| Node::Scalar(Scalar { shown: text.clone(), text, is_text: false });
        match value.kind {
            ValueKind::Nil => Node::Null,
            ValueKind::Boolean(value) => plain(value.to_string()),
            ValueKind::I64(value) => plain(value.to_string()),
            ValueKind::I128(value) => plain(value.to_string()),
            ValueKind::U64(value) => plain(value.to_string()),
            ValueKind::U128(value) => plain(value.to_string()),
            ValueKind::Float(value) => plain(value.to_string()),
            ValueKind::String(shown) => match self.substitute(&shown) {
                Ok(text) => Node::Scalar(Scalar { text, shown, is_text: true }),
                Err(problem) => {
                    self.mistakes.push(Error::new(path, problem));
                    Node::Mistaken
                }
            },
            ValueKind::Array(items) => {
                let node = |(index, item)| self.node(item, &format!("{path}[{index}]"));
                Node::List(items.into_iter().enumerate().map(node).collect())
            }
            ValueKind::Table(table) => self.table(table, path),
        }
    }

    /// Replaces `${env:…}` and `${file:…}`; `${1}` and the like belong to templates and stay.
    fn substitute(&self, text: &str) -> Result<String, String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            let (before, inner) = (&rest[..start], &rest[start + 2..]);
            result.push_str(before);
            let named = inner.split_once(':').filter(|(kind, _)| kind.chars().all(char::is_alphabetic));
            let Some((kind, argument)) = named else {
                result.push_str("${");
                rest = inner;
                continue;
            };
            let Some((argument, after)) = argument.split_once('}') else {
                return Err(format!("'${{{kind}:' is never closed: a '}}' is missing"));
            };
            let replacement = self.replacement(kind, argument)?;
            self.substituted.set(self.substituted.get() + replacement.len());
            if self.substituted.get() > limits::SUBSTITUTED_BYTES {
                return Err(format!("makes the substitutions larger than {} bytes", limits::SUBSTITUTED_BYTES));
            }
            result.push_str(&replacement);
            rest = after;
        }
        result.push_str(rest);
        Ok(result)
    }

    fn replacement(&self, kind: &str, argument: &str) -> Result<String, String> {
        match kind {
            "env" => {
                let (name, default) =
                    argument.split_once(":-").map_or((argument, None), |(name, default)| (name, Some(default)));
                (self.environment.variable)(name).or_else(|| default.map(str::to_owned)).ok_or_else(|| {
                    format!("environment variable '{name}' is not set, and '${{env:{name}}}' has no default")
                })
            }
            "file" => match (self.environment.file)(Path::new(argument)) {
                Ok(mut text) => {
                    let kept = text.strip_suffix('\n').map_or(text.len(), |line| line.trim_end_matches('\r').len());
                    text.truncate(kept);
                    Ok(text)
                }
                Err(error) => Err(format!("file '{argument}' cannot be read: {}", error.to_string().to_lowercase())),
            },
            _ => Err(format!(
                "'${{{kind}:…}}' is no substitution; allowed: ${{env:NAME}}, ${{env:NAME:-default}}, ${{file:PATH}}"
            )),
        }
    }
}

/// Appends a key to a path.
pub(super) fn join(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl fmt::Debug for Scalar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shown.fmt(f)
    }
}
