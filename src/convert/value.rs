//! Values: a datum that is held exactly, for the ways that look into it.
//!
//! A [`Value`] means something under its schema only: fields stand in the schema's order, symbols and branches are
//! numbers, a decimal is its bytes. So nothing is rounded, and what is decoded is encoded again as it was (but for the
//! blocks of arrays and maps, of which one is written). A [`Codec`] is a schema with which values are decoded and encoded.
//! Both go by the gate's check: a datum that it refuses is not decoded, and none that it would refuse is encoded, so
//! there is one set of rules and limits. Data are those of records: of a schema that is plain `bytes` they have no length,
//! as Confluent's serializers write them.

pub mod json;
mod read;
mod write;

#[cfg(test)]
mod tests;

use std::fmt;

use crate::schema::avro::tree::Tree;
use crate::schema::avro::{Error, Schema};
use crate::schema::{Format, SchemaText};

/// A datum, or a part of one.
#[derive(Debug, Clone)]
pub enum Value {
    /// `null`
    Null,
    /// `boolean`
    Boolean(bool),
    /// `int`
    Int(i32),
    /// `long`
    Long(i64),
    /// `float`, with the payload of a NaN
    Float(f32),
    /// `double`, with the payload of a NaN
    Double(f64),
    /// `bytes`
    Bytes(Vec<u8>),
    /// `string`
    String(String),
    /// `fixed`
    Fixed(Vec<u8>),
    /// The index of an enum's symbol.
    Enum(usize),
    /// Items.
    Array(Vec<Value>),
    /// Entries in the order of the datum, a key that stands twice included.
    Map(Vec<(String, Value)>),
    /// The fields in the order of the schema.
    Record(Vec<Value>),
    /// The index of a union's branch, and what stands there.
    Union(usize, Box<Value>),
}

/// Values are equal where their data are, byte for byte: a NaN equals itself, and 0.0 is not -0.0.
impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Boolean(a), Self::Boolean(b)) => a == b,
            (Self::Int(a), Self::Int(b)) => a == b,
            (Self::Long(a), Self::Long(b)) => a == b,
            (Self::Float(a), Self::Float(b)) => a.to_bits() == b.to_bits(),
            (Self::Double(a), Self::Double(b)) => a.to_bits() == b.to_bits(),
            (Self::Bytes(a), Self::Bytes(b)) | (Self::Fixed(a), Self::Fixed(b)) => a == b,
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Enum(a), Self::Enum(b)) => a == b,
            (Self::Array(a), Self::Array(b)) | (Self::Record(a), Self::Record(b)) => a == b,
            (Self::Map(a), Self::Map(b)) => a == b,
            (Self::Union(i, a), Self::Union(j, b)) => i == j && a == b,
            _ => false,
        }
    }
}

impl Eq for Value {}

impl Value {
    /// Returns the word of the specification for what this is.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Null => "null",
            Self::Boolean(_) => "boolean",
            Self::Int(_) => "int",
            Self::Long(_) => "long",
            Self::Float(_) => "float",
            Self::Double(_) => "double",
            Self::Bytes(_) => "bytes",
            Self::String(_) => "string",
            Self::Fixed(_) => "fixed",
            Self::Enum(_) => "enum",
            Self::Array(_) => "array",
            Self::Map(_) => "map",
            Self::Record(_) => "record",
            Self::Union(..) => "union",
        }
    }
}

/// A schema with which values are decoded and encoded.
#[derive(Debug)]
pub struct Codec {
    tree: Tree,
    schema: Schema,
}

/// A datum or value that does not keep to its schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The field, such as `order.lines[2].price`; empty where the root is meant.
    pub path: String,
    /// What is wrong there, without the value.
    pub detail: String,
}

impl Codec {
    /// Parses and compiles a schema with its references.
    ///
    /// # Errors
    /// As [`Schema::compile`].
    pub fn compile(text: &SchemaText) -> Result<Self, Error> {
        if text.format != Format::Avro {
            return Err(Error::Format(text.format.name()));
        }
        Self::of(Tree::read(&text.text, text.references.iter().map(|reference| &**reference))?)
    }

    /// Compiles a schema that was read.
    ///
    /// # Errors
    /// As [`Schema::of`].
    pub fn of(tree: Tree) -> Result<Self, Error> {
        let schema = Schema::of(&tree)?;
        Ok(Self { tree, schema })
    }

    /// Returns the schema as its author wrote it.
    #[must_use]
    pub fn tree(&self) -> &Tree {
        &self.tree
    }

    /// Returns the schema as it is checked by.
    #[must_use]
    pub fn schema(&self) -> &Schema {
        &self.schema
    }

    /// Decodes a datum.
    ///
    /// # Errors
    /// Exactly where [`Schema::check`] refuses it, or where it holds more values without bytes than memory is for.
    pub fn decode(&self, datum: &[u8]) -> Result<Value, Mistake> {
        if self.schema.is_bytes() {
            return Ok(Value::Bytes(datum.to_vec()));
        }
        self.check(datum)?;
        read::value(&self.tree, datum)
    }

    /// Encodes a value and appends it. After a failure, `out` is as it was.
    ///
    /// # Errors
    /// Where the value is none of this schema, or where [`Schema::check`] would refuse the datum.
    pub fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), Mistake> {
        if let (true, Value::Bytes(bytes)) = (self.schema.is_bytes(), value) {
            out.extend_from_slice(bytes);
            return Ok(());
        }
        let start = out.len();
        let written = write::value(&self.tree, value, out).and_then(|()| self.check(&out[start..]));
        if written.is_err() {
            out.truncate(start);
        }
        written
    }

    fn check(&self, datum: &[u8]) -> Result<(), Mistake> {
        if self.schema.check(datum) {
            return Ok(());
        }
        let found = self.schema.explain(datum);
        let (path, detail) = found.map(|found| (found.path.unwrap_or_default(), found.detail)).unwrap_or_default();
        Err(Mistake { path, detail })
    }
}

impl Mistake {
    pub(super) fn new(detail: impl Into<String>) -> Self {
        Self { path: String::new(), detail: detail.into() }
    }

    /// Puts a field, or an index in its brackets, before the path.
    pub(super) fn within(mut self, step: impl fmt::Display) -> Self {
        let dot = if self.path.is_empty() || self.path.starts_with(['[', '{']) { "" } else { "." };
        self.path = format!("{step}{dot}{}", self.path);
        self
    }
}
