//! An Avro schema as its author wrote it: with docs, defaults, orders, aliases and all other attributes.
//!
//! The gate needs none of these (`types` leaves them out); a registry stores, compares and shows them.
//! `read` takes the text, `write` gives it back in the form in which Java's `Schema.toString` does, by which schemas
//! are stored and compared, and `normal` brings what means the same into one form. Types are held by number, and a
//! named one appears once, so a recursive schema is a cycle of numbers.

mod field;
mod logical;
mod names;
mod normal;
mod read;
mod strict;
mod tags;
mod write;

#[cfg(test)]
mod tests;

use serde_json::Value;

pub use self::field::Declared;
pub(crate) use self::logical::{Logical, Unit};
pub use self::tags::{Tagged, Tags};
use super::Error;

/// A type's place in a [`Tree`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct NodeId(pub(super) u32);

/// A schema.
#[derive(Debug, Clone)]
pub struct Tree {
    nodes: Vec<Node>,
    root: NodeId,
    /// The full names that its references define at their top: they are not written again.
    known: Vec<Box<str>>,
}

/// One type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) kind: Kind,
    /// The name of a record, an enum or a fixed.
    pub(crate) name: Option<Name>,
    pub(crate) doc: Option<String>,
    /// What the specification does not name, in the order of the text.
    pub(crate) attributes: Vec<(String, Value)>,
}

/// What a type is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Kind {
    Primitive(Primitive),
    Array(NodeId),
    Map(NodeId),
    Union(Vec<NodeId>),
    Fixed { size: usize },
    Enum { symbols: Vec<Box<str>>, default: Option<String> },
    Record { fields: Vec<Field>, is_error: bool },
}

/// The types without parts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Primitive {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
}

/// The names of a named type, all of them full names.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Name {
    pub(crate) full: Box<str>,
    pub(crate) aliases: Vec<Box<str>>,
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) of: NodeId,
    pub(crate) doc: Option<String>,
    pub(crate) default: Option<Value>,
    pub(crate) order: Order,
    pub(crate) aliases: Vec<Box<str>>,
    pub(crate) attributes: Vec<(String, Value)>,
}

/// How records are sorted by a field.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Order {
    #[default]
    Ascending,
    Descending,
    Ignore,
}

impl Tree {
    /// Reads a schema with its references, in their order, as leniently as Java does what is stored already.
    ///
    /// # Errors
    /// Where the text is no Avro schema, or is beyond [`limits`](super::limits).
    pub fn read<'a>(text: &str, references: impl IntoIterator<Item = &'a str>) -> Result<Self, Error> {
        read::read(text, references.into_iter())
    }

    /// Judges names and defaults as Java does those of a new schema.
    ///
    /// # Errors
    /// The first name or default at fault.
    pub fn check_strictly(&self) -> Result<(), Error> {
        strict::check(self)
    }

    /// Returns the text as Java's `Schema.toString` writes it; what references define stays with them.
    ///
    /// # Errors
    /// Where types that are defined one after the other nest too deep when each is written where it is used first.
    pub fn canonical(&self) -> Result<String, Error> {
        write::text(self, &self.known)
    }

    /// Returns the same with all that the references define in it.
    ///
    /// # Errors
    /// As [`canonical`](Self::canonical).
    pub fn resolved(&self) -> Result<String, Error> {
        write::text(self, &[])
    }

    /// Returns the same schema with everything that may be ordered in one order.
    #[must_use]
    pub fn normalized(&self) -> Self {
        normal::normalized(self)
    }

    /// Returns the full name of a root record.
    #[must_use]
    pub fn record_name(&self) -> Option<&str> {
        let root = self.get(self.root);
        matches!(root.kind, Kind::Record { .. }).then_some(&root.name.as_ref()?.full)
    }

    /// Tells whether the root is a record with a field of this name.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        match &self.get(self.root).kind {
            Kind::Record { fields, .. } => fields.iter().any(|field| &*field.name == name),
            _ => false,
        }
    }

    /// Tells whether a reference defines this type, so that it is not written again.
    pub(crate) fn is_known(&self, name: &Name) -> bool {
        self.known.contains(&name.full)
    }

    /// Says what is wrong with a name without a namespace.
    pub(crate) fn name_problem(name: &str) -> Option<&'static str> {
        strict::name_problem(name)
    }

    /// Says what is wrong with the default of a field.
    pub(crate) fn default_problem(&self, field: &Field) -> Option<String> {
        strict::default_problem(self, field)
    }

    /// Tells whether readers see this type as the logical type that it names.
    pub(crate) fn is_logical(node: &Node) -> bool {
        logical::of(node).is_some()
    }

    /// Returns the symbol that stands in where readers know none of the writer's.
    pub(crate) fn enum_default(&self, id: NodeId) -> Option<&str> {
        match &self.get(id).kind {
            Kind::Enum { default, .. } => default.as_deref(),
            _ => None,
        }
    }

    /// Returns the logical type of a type, if it has one that counts.
    pub(crate) fn logical(&self, id: NodeId) -> Option<Logical> {
        logical::of(self.get(id))
    }

    pub(crate) fn root(&self) -> NodeId {
        self.root
    }

    /// Returns all types, by their numbers.
    pub(crate) fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    pub(crate) fn get(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }
}

impl Kind {
    /// Returns the word of the specification.
    pub(crate) fn word(&self) -> &'static str {
        match self {
            Self::Primitive(primitive) => primitive.word(),
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
            Self::Fixed { .. } => "fixed",
            Self::Enum { .. } => "enum",
            Self::Record { is_error: false, .. } => "record",
            Self::Record { is_error: true, .. } => "error",
        }
    }
}

impl Primitive {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
        }
    }

    /// Returns the type of a primitive's name.
    pub(crate) fn of(word: &str) -> Option<Self> {
        Some(match word {
            "null" => Self::Null,
            "boolean" => Self::Boolean,
            "int" => Self::Int,
            "long" => Self::Long,
            "float" => Self::Float,
            "double" => Self::Double,
            "bytes" => Self::Bytes,
            "string" => Self::String,
            _ => return None,
        })
    }
}

impl Name {
    /// Returns the name without its namespace.
    pub(crate) fn short(&self) -> &str {
        self.full.rsplit_once('.').map_or(&self.full, |(_, short)| short)
    }

    /// Returns the namespace, if there is one.
    pub(crate) fn space(&self) -> Option<&str> {
        self.full.rsplit_once('.').map(|(space, _)| space)
    }
}

impl Order {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ascending => "ascending",
            Self::Descending => "descending",
            Self::Ignore => "ignore",
        }
    }

    pub(crate) fn of(word: &str) -> Option<Self> {
        let is_it = |order: &Self| order.word().eq_ignore_ascii_case(word);
        [Self::Ascending, Self::Descending, Self::Ignore].into_iter().find(is_it)
    }
}
