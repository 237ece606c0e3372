//! What a schema lacks that its readers will want: names in the usual style, docs, defaults.
//!
//! A finding has a code that does not change, so that pipelines can allow it, and a JSON pointer into the schema as a
//! registry stores it, which for all but odd texts is the text as it was written. **Errors** are what a registry refuses
//! in a new schema, **warnings** what becomes costly once data is written. What references define is not judged again.

use std::collections::HashSet;
use std::fmt;

use serde_json::Value;

use super::pointer;
use super::tree::{Field, Kind, Name, Node, NodeId, Tree};

/// What may be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LintCode {
    /// The text is no Avro schema.
    InvalidSchema,
    /// A name that the specification does not allow.
    InvalidName,
    /// A default that is no value of its type.
    InvalidDefault,
    /// A record, enum or fixed whose name is not in upper camel case.
    TypeNameStyle,
    /// A field whose name is neither in lower camel case nor in lower snake case.
    FieldNameStyle,
    /// A schema whose fields are in both cases.
    MixedFieldNames,
    /// A symbol that is not in upper snake case.
    SymbolStyle,
    /// A root without a namespace.
    MissingNamespace,
    /// A record, enum or field without a doc.
    MissingDoc,
    /// A field without a default.
    MissingDefault,
    /// An enum without a default.
    EnumWithoutDefault,
    /// A logical type that readers pass over.
    IgnoredLogicalType,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// A registry refuses it in a new schema.
    Error,
    /// It works, and will cost.
    Warning,
}

/// One thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub code: LintCode,
    /// Where: a JSON pointer (RFC 6901); empty for the whole.
    pub pointer: String,
    /// In words.
    pub message: String,
}

impl LintCode {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::InvalidSchema,
        Self::InvalidName,
        Self::InvalidDefault,
        Self::TypeNameStyle,
        Self::FieldNameStyle,
        Self::MixedFieldNames,
        Self::SymbolStyle,
        Self::MissingNamespace,
        Self::MissingDoc,
        Self::MissingDefault,
        Self::EnumWithoutDefault,
        Self::IgnoredLogicalType,
    ];

    /// Returns the name that does not change.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::InvalidSchema => "invalid_schema",
            Self::InvalidName => "invalid_name",
            Self::InvalidDefault => "invalid_default",
            Self::TypeNameStyle => "type_name_style",
            Self::FieldNameStyle => "field_name_style",
            Self::MixedFieldNames => "mixed_field_names",
            Self::SymbolStyle => "symbol_style",
            Self::MissingNamespace => "missing_namespace",
            Self::MissingDoc => "missing_doc",
            Self::MissingDefault => "missing_default",
            Self::EnumWithoutDefault => "enum_without_default",
            Self::IgnoredLogicalType => "ignored_logical_type",
        }
    }

    /// Reads the name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|code| code.name() == name)
    }

    /// Tells how bad it is.
    #[must_use]
    pub fn severity(self) -> Severity {
        match self {
            Self::InvalidSchema | Self::InvalidName | Self::InvalidDefault => Severity::Error,
            Self::TypeNameStyle
            | Self::FieldNameStyle
            | Self::MixedFieldNames
            | Self::SymbolStyle
            | Self::MissingNamespace
            | Self::MissingDoc
            | Self::MissingDefault
            | Self::EnumWithoutDefault
            | Self::IgnoredLogicalType => Severity::Warning,
        }
    }
}

impl Severity {
    /// Returns the word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

impl fmt::Display for LintCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Reads a schema strictly, as a new one, and lists what it lacks, in the order of the pointers.
pub fn lint<'a>(text: &str, references: impl IntoIterator<Item = &'a str>) -> Vec<Finding> {
    match Tree::read(text, references) {
        Ok(tree) => of_tree(&tree),
        Err(error) => {
            let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
            let message = causes.map(ToString::to_string).collect::<Vec<_>>().join(": ");
            vec![Finding { code: LintCode::InvalidSchema, pointer: String::new(), message }]
        }
    }
}

/// Lists what a schema lacks.
#[must_use]
pub fn of_tree(tree: &Tree) -> Vec<Finding> {
    let mut linter = Linter { tree, seen: HashSet::new(), found: Vec::new(), styles: [false; 2] };
    let root = tree.get(tree.root());
    if root.name.as_ref().is_some_and(|name| name.space().is_none() && !tree.is_known(name)) {
        let message = "without a namespace the name may meet another; give 'namespace'";
        linter.find(LintCode::MissingNamespace, "", message.to_owned());
    }
    // A stack instead of recursion: what is met first is judged first, as the text has it.
    let mut open = vec![(tree.root(), String::new())];
    while let Some((id, pointer)) = open.pop() {
        let parts = linter.node(id, &pointer);
        open.extend(parts.into_iter().rev());
    }
    if linter.styles == [true; 2] {
        let message = "some fields are in lowerCamelCase, others in lower_snake_case; use one of them";
        linter.find(LintCode::MixedFieldNames, "", message.to_owned());
    }
    linter.found.sort_by(|a, b| pointer::compare(&a.pointer, &b.pointer));
    linter.found
}

struct Linter<'a> {
    tree: &'a Tree,
    /// Named types that were judged where they are defined.
    seen: HashSet<NodeId>,
    found: Vec<Finding>,
    /// Whether fields in camel case and in snake case were met; one word says nothing.
    styles: [bool; 2],
}

impl<'a> Linter<'a> {
    fn find(&mut self, code: LintCode, pointer: &str, message: String) {
        self.found.push(Finding { code, pointer: pointer.to_owned(), message });
    }

    /// Judges a type, and returns its parts with their pointers.
    fn node(&mut self, id: NodeId, pointer: &str) -> Vec<(NodeId, String)> {
        let node: &'a Node = self.tree.get(id);
        if let Some(name) = &node.name {
            if self.tree.is_known(name) || !self.seen.insert(id) {
                return Vec::new();
            }
            self.name(name, pointer);
        }
        self.logical_type(node, pointer);
        match &node.kind {
            Kind::Primitive(_) => Vec::new(),
            Kind::Fixed { .. } => Vec::new(),
            Kind::Array(items) => vec![(*items, format!("{pointer}/items"))],
            Kind::Map(values) => vec![(*values, format!("{pointer}/values"))],
            Kind::Union(branches) => {
                branches.iter().enumerate().map(|(index, branch)| (*branch, format!("{pointer}/{index}"))).collect()
            }
            Kind::Enum { symbols, default } => {
                self.doc(node, pointer);
                self.symbols(symbols, default.is_some(), pointer);
                Vec::new()
            }
            Kind::Record { fields, .. } => {
                self.doc(node, pointer);
                fields.iter().enumerate().map(|(index, field)| self.field(field, index, pointer)).collect()
            }
        }
    }

    fn name(&mut self, name: &Name, pointer: &str) {
        let at = format!("{pointer}/name");
        let parts = name.full.split('.').filter_map(|part| Some((part, Tree::name_problem(part)?)));
        let problems: Vec<_> = parts.collect();
        for (part, problem) in &problems {
            self.find(LintCode::InvalidName, &at, format!("'{part}' is {problem}"));
        }
        for alias in &name.aliases {
            if let Some(problem) = alias.split('.').find_map(Tree::name_problem) {
                self.find(
                    LintCode::InvalidName,
                    &format!("{pointer}/aliases"),
                    format!("alias '{alias}' is {problem}"),
                );
            }
        }
        if problems.is_empty() && !is_camel(name.short(), true) {
            let message = format!("type '{}' is usually written in UpperCamelCase", name.short());
            self.find(LintCode::TypeNameStyle, &at, message);
        }
    }

    fn doc(&mut self, node: &Node, pointer: &str) {
        if node.doc.as_ref().is_none_or(|doc| doc.trim().is_empty()) {
            let (kind, name) = (node.kind.word(), node.name.as_ref().map_or("", |name| name.short()));
            self.find(LintCode::MissingDoc, pointer, format!("{kind} '{name}' has no 'doc' that says what it is"));
        }
    }

    fn symbols(&mut self, symbols: &[Box<str>], has_default: bool, pointer: &str) {
        for (index, symbol) in symbols.iter().enumerate() {
            let at = format!("{pointer}/symbols/{index}");
            if let Some(problem) = Tree::name_problem(symbol) {
                self.find(LintCode::InvalidName, &at, format!("symbol '{symbol}' is {problem}"));
            } else if symbol.chars().any(|c| c.is_ascii_lowercase()) {
                let message = format!("symbol '{symbol}' is usually written in UPPER_SNAKE_CASE");
                self.find(LintCode::SymbolStyle, &at, message);
            }
        }
        if !has_default {
            let message =
                "an enum without a 'default' cannot take a symbol more: readers of this version would fail on it";
            self.find(LintCode::EnumWithoutDefault, pointer, message.to_owned());
        }
    }

    fn field(&mut self, field: &Field, index: usize, pointer: &str) -> (NodeId, String) {
        let at = format!("{pointer}/fields/{index}");
        let name = &field.name;
        if let Some(problem) = Tree::name_problem(name) {
            self.find(LintCode::InvalidName, &format!("{at}/name"), format!("field '{name}' is {problem}"));
        } else {
            self.field_style(name, &at);
        }
        if field.doc.as_ref().is_none_or(|doc| doc.trim().is_empty()) {
            self.find(LintCode::MissingDoc, &at, format!("field '{name}' has no 'doc' that says what it is"));
        }
        if field.default.is_none() {
            let message =
                format!("field '{name}' has no default: readers of this version cannot read data of one that lacks it");
            self.find(LintCode::MissingDefault, &at, message);
        } else if let Some(problem) = self.tree.default_problem(field) {
            self.find(LintCode::InvalidDefault, &format!("{at}/default"), format!("field '{name}' {problem}"));
        }
        (field.of, format!("{at}/type"))
    }

    fn field_style(&mut self, name: &str, pointer: &str) {
        let (camel, snake) = (is_camel(name, false), !name.chars().any(|c| c.is_ascii_uppercase()));
        match (camel, snake) {
            (true, true) => {}
            (true, false) => self.styles[0] = true,
            (false, true) => self.styles[1] = true,
            (false, false) => {
                let message = format!("field '{name}' is usually written in lowerCamelCase or lower_snake_case");
                self.find(LintCode::FieldNameStyle, &format!("{pointer}/name"), message);
            }
        }
    }

    fn logical_type(&mut self, node: &Node, pointer: &str) {
        let named = node.attributes.iter().find(|(key, _)| key == "logicalType");
        let Some(logical) = named.and_then(|(_, value)| value.as_str()) else { return };
        if !Tree::is_logical(node) {
            let value = Value::from(logical);
            let message = format!(
                "logical type {value} on {} is not one that readers know: they see the plain {}",
                node.kind.word(),
                node.kind.word()
            );
            self.find(LintCode::IgnoredLogicalType, &format!("{pointer}/logicalType"), message);
        }
    }
}

/// Tells whether a name is in camel case: no `_`, and a first letter in the case that is asked for.
fn is_camel(name: &str, is_upper: bool) -> bool {
    let first =
        name.chars().next().is_some_and(|c| if is_upper { c.is_ascii_uppercase() } else { c.is_ascii_lowercase() });
    first && !name.contains('_')
}

#[cfg(test)]
mod tests;
