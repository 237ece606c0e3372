//! Schemas: their names in the registry, their text, and what we compile from it.
//!
//! The newtypes keep the registry's numbers and names apart; a [`SchemaRef`] comes from
//! the wire only by `wire::parse`. `avro` compiles schema text once into a flat program
//! that answers yes or no over borrowed bytes; `table` is what one pipeline knows of the
//! schemas that its records name. Pure: no I/O, no clock.

pub mod avro;
pub mod table;

use std::fmt;
use std::sync::Arc;

/// The registry's number of a schema text (Confluent: `id`), from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaId(pub i32);

/// The registry's 128-bit name of a schema text (Confluent 8: `guid`).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SchemaGuid(pub [u8; 16]);

impl SchemaGuid {
    /// Reads a GUID as registries write it: 32 hexadecimal digits with four dashes.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let is_dash = |place: usize| matches!(place, 8 | 13 | 18 | 23);
        let is_formed =
            |(place, byte): (usize, u8)| if is_dash(place) { byte == b'-' } else { byte.is_ascii_hexdigit() };
        if text.len() != 36 || !text.bytes().enumerate().all(is_formed) {
            return None;
        }
        u128::from_str_radix(&text.replace('-', ""), 16).ok().map(|guid| Self(guid.to_be_bytes()))
    }
}

/// How a record names its writer schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SchemaRef {
    /// By number.
    Id(SchemaId),
    /// By GUID.
    Guid(SchemaGuid),
}

/// A registry subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subject(pub Arc<str>);

/// A version within a subject, from 1 up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Version(pub i32);

/// The language of a schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// Apache Avro.
    Avro,
    /// JSON Schema.
    Json,
    /// Protocol Buffers.
    Protobuf,
}

impl Format {
    /// Returns the name in configuration, headers and metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Avro => "avro",
            Self::Json => "json",
            Self::Protobuf => "protobuf",
        }
    }

    /// Returns the registry's `schemaType`.
    #[must_use]
    pub fn schema_type(self) -> &'static str {
        match self {
            Self::Avro => "AVRO",
            Self::Json => "JSON",
            Self::Protobuf => "PROTOBUF",
        }
    }

    /// Reads a registry's `schemaType`.
    #[must_use]
    pub fn from_schema_type(name: &str) -> Option<Self> {
        match name {
            "AVRO" => Some(Self::Avro),
            "JSON" => Some(Self::Json),
            "PROTOBUF" => Some(Self::Protobuf),
            _ => None,
        }
    }
}

/// A reference from one schema to another, as the registry keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// The name by which the text uses it (Avro: the full name of the type).
    pub name: String,
    /// The subject that holds it.
    pub subject: Subject,
    /// Its version there.
    pub version: Version,
}

/// A schema's text with the texts of everything it refers to, ready to compile.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaText {
    /// The language.
    pub format: Format,
    /// The text itself.
    pub text: Arc<str>,
    /// The texts of its references, each after those that it needs itself, no text twice.
    pub references: Vec<Arc<str>>,
}

impl fmt::Display for SchemaId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for SchemaGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, byte) in self.0.iter().enumerate() {
            if matches!(i, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for SchemaGuid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SchemaGuid({self})")
    }
}

impl fmt::Display for SchemaRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::Guid(guid) => guid.fmt(f),
        }
    }
}
