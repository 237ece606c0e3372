//! A parsed schema: a graph of types, held by number.
//!
//! Only what decides about bytes and about resolution is kept: no docs, orders, logical
//! types or other attributes. Named types appear once and are pointed at, so a recursive
//! schema is a cycle of numbers and nothing here recurses in memory.

use serde_json::Value;

use super::tree::{self, Kind, Name, Node, NodeId, Primitive, Tree};

/// A type's place in [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TypeId(pub(super) u32);

/// A schema's types.
#[derive(Debug)]
pub(super) struct Types {
    all: Vec<Type>,
    root: TypeId,
}

/// One type.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Type {
    Null,
    Boolean,
    Int,
    Long,
    Float,
    Double,
    Bytes,
    String,
    Fixed { name: Name, size: usize },
    Enum { name: Name, symbols: Vec<Box<str>>, default: bool },
    Record { name: Name, fields: Vec<Field> },
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
}

/// A field of a record.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Field {
    pub(super) name: Box<str>,
    pub(super) aliases: Vec<Box<str>>,
    pub(super) default: Option<Value>,
    pub(super) of: TypeId,
}

impl Types {
    /// Takes from a schema what decides about bytes and about resolution.
    pub(super) fn of(tree: &Tree) -> Self {
        Self { all: tree.nodes().iter().map(Type::of).collect(), root: tree.root().into() }
    }

    pub(super) fn root(&self) -> TypeId {
        self.root
    }

    pub(super) fn get(&self, id: TypeId) -> &Type {
        &self.all[id.0 as usize]
    }
}

impl Type {
    /// Returns the word of the specification.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean => "boolean",
            Self::Int => "int",
            Self::Long => "long",
            Self::Float => "float",
            Self::Double => "double",
            Self::Bytes => "bytes",
            Self::String => "string",
            Self::Fixed { .. } => "fixed",
            Self::Enum { .. } => "enum",
            Self::Record { .. } => "record",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Union(_) => "union",
        }
    }

    fn of(node: &Node) -> Self {
        // Whoever has a name is one of the three that have one, so the empty name is nobody's.
        let name = || node.name.clone().unwrap_or_else(|| Name { full: Box::default(), aliases: Vec::new() });
        match &node.kind {
            Kind::Primitive(primitive) => Self::plain(*primitive),
            Kind::Array(item) => Self::Array((*item).into()),
            Kind::Map(value) => Self::Map((*value).into()),
            Kind::Union(branches) => Self::Union(branches.iter().map(|branch| (*branch).into()).collect()),
            Kind::Fixed { size } => Self::Fixed { name: name(), size: *size },
            Kind::Enum { symbols, default } => {
                Self::Enum { name: name(), symbols: symbols.clone(), default: default.is_some() }
            }
            Kind::Record { fields, .. } => {
                Self::Record { name: name(), fields: fields.iter().map(Field::of).collect() }
            }
        }
    }

    fn plain(primitive: Primitive) -> Self {
        match primitive {
            Primitive::Null => Self::Null,
            Primitive::Boolean => Self::Boolean,
            Primitive::Int => Self::Int,
            Primitive::Long => Self::Long,
            Primitive::Float => Self::Float,
            Primitive::Double => Self::Double,
            Primitive::Bytes => Self::Bytes,
            Primitive::String => Self::String,
        }
    }

    /// Returns the names of a named type.
    pub(super) fn names(&self) -> Option<&Name> {
        match self {
            Self::Fixed { name, .. } | Self::Enum { name, .. } | Self::Record { name, .. } => Some(name),
            _ => None,
        }
    }

    /// Returns the kind and, where there is one, the name, for messages.
    pub(super) fn describe(&self) -> String {
        match self.names() {
            Some(names) => format!("{} '{}'", self.kind(), names.full),
            None => format!("'{}'", self.kind()),
        }
    }
}

impl Field {
    fn of(field: &tree::Field) -> Self {
        let tree::Field { name, aliases, default, of, .. } = field;
        Self { name: name.clone(), aliases: aliases.clone(), default: default.clone(), of: (*of).into() }
    }
}

impl From<NodeId> for TypeId {
    fn from(NodeId(id): NodeId) -> Self {
        Self(id)
    }
}
