//! A parsed schema: a graph of types, held by number.
//!
//! Only what decides about bytes and about resolution is kept: no docs, orders, logical
//! types or other attributes. Named types appear once and are pointed at, so a recursive
//! schema is a cycle of numbers and nothing here recurses in memory.

use serde_json::Value;

/// A type's place in [`Types`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TypeId(pub(super) u32);

/// A schema's types.
#[derive(Debug, Default)]
pub(super) struct Types {
    pub(super) all: Vec<Type>,
    pub(super) root: Option<TypeId>,
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
    Fixed { name: Names, size: usize },
    Enum { name: Names, symbols: Vec<Box<str>>, default: bool },
    Record { name: Names, fields: Vec<Field> },
    Array(TypeId),
    Map(TypeId),
    Union(Vec<TypeId>),
}

/// The names of a named type, all of them full names.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Names {
    pub(super) full: Box<str>,
    pub(super) aliases: Vec<Box<str>>,
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

    /// Returns the type of a primitive's name.
    pub(super) fn primitive(name: &str) -> Option<Self> {
        Some(match name {
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

    /// Returns the names of a named type.
    pub(super) fn names(&self) -> Option<&Names> {
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

    /// Calls `each` for every type that this one points at.
    pub(super) fn for_each_part(&mut self, mut each: impl FnMut(&mut TypeId)) {
        match self {
            Self::Record { fields, .. } => fields.iter_mut().for_each(|field| each(&mut field.of)),
            Self::Array(item) | Self::Map(item) => each(item),
            Self::Union(branches) => branches.iter_mut().for_each(each),
            _ => {}
        }
    }
}

impl Names {
    /// Returns the name without its namespace.
    pub(super) fn unqualified(&self) -> &str {
        self.full.rsplit_once('.').map_or(&self.full, |(_, name)| name)
    }
}
