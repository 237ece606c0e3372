//! Wire formats: how the bytes and headers of a record name its writer schema.
//!
//! Everything the registry hands out comes from bytes here and nowhere else: [`parse`]
//! is the one maker of a [`SchemaRef`]. It knows Confluent's two prefixes (magic 0 and a
//! number, magic 1 and a GUID) and its header, which carries the same bytes and leaves
//! the datum bare.
//!
//! The order is that of Confluent's readers, so that the gate judges what they would
//! read: the last header of the part's name with a value wins, then the prefix. Hence a
//! header that the gate does not allow is a violation even before a good prefix.
//!
//! The good way neither allocates nor copies: the datum points into the record.

use std::fmt;

use crate::record::{Header, Part};
use crate::schema::{SchemaGuid, SchemaId, SchemaRef};
use crate::violation::{ReasonCode, Violation};

/// First byte before a 4-byte ID.
const MAGIC_ID: u8 = 0;
/// First byte before a 16-byte GUID.
const MAGIC_GUID: u8 = 1;

/// A way in which a record names its writer schema.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum WireFormat {
    /// Magic byte 0 and a 4-byte ID before the datum.
    ConfluentId,
    /// Magic byte 1 and a 16-byte GUID before the datum.
    ConfluentGuid,
    /// The same bytes in the header `__key_schema_id` or `__value_schema_id`, the datum bare.
    ConfluentHeader,
}

impl WireFormat {
    /// All formats that this version reads.
    pub const ALL: [Self; 3] = [Self::ConfluentId, Self::ConfluentGuid, Self::ConfluentHeader];

    /// Returns the name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfluentId => "confluent-id",
            Self::ConfluentGuid => "confluent-guid",
            Self::ConfluentHeader => "confluent-header",
        }
    }
}

/// A set of wire formats.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WireFormats(u8);

impl WireFormats {
    /// Tells whether the format is in the set.
    #[must_use]
    pub fn contains(self, format: WireFormat) -> bool {
        self.0 & (1 << format as u8) != 0
    }
}

impl FromIterator<WireFormat> for WireFormats {
    fn from_iter<I: IntoIterator<Item = WireFormat>>(formats: I) -> Self {
        Self(formats.into_iter().fold(0, |set, format| set | (1 << format as u8)))
    }
}

/// One part of a record, taken apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framed<'a> {
    /// The writer schema that the part names.
    pub schema: SchemaRef,
    /// The way in which it names it.
    pub format: WireFormat,
    /// What the schema describes: the bytes without a prefix.
    pub datum: &'a [u8],
}

/// Reads how one part of a record names its writer schema.
///
/// Bytes after the ID in a header are ignored, as Confluent's readers do. A negative ID is
/// `not_framed`: no registry has one, and bytes that merely begin with a zero must not hold
/// their partition while the registry is asked. ID 0 is asked for: an import may have set it.
///
/// # Errors
/// A violation of the frame stage: `not_framed`, `truncated_frame` or `wire_format_not_allowed`.
pub fn parse<'a>(
    part: Part,
    bytes: &'a [u8],
    headers: &[Header<'_>],
    allowed: WireFormats,
) -> Result<Framed<'a>, Violation> {
    match schema_header(part, headers) {
        None => {
            let (schema, datum) = split_schema_ref(bytes).map_err(|fault| fault.at(Place::Prefix))?;
            let format = match schema {
                SchemaRef::Id(_) => WireFormat::ConfluentId,
                SchemaRef::Guid(_) => WireFormat::ConfluentGuid,
            };
            if allowed.contains(format) {
                Ok(Framed { schema, format, datum })
            } else {
                Err(not_allowed(format, allowed))
            }
        }
        Some(header) => {
            let format = WireFormat::ConfluentHeader;
            if !allowed.contains(format) {
                return Err(not_allowed(format, allowed));
            }
            let (schema, _) = split_schema_ref(header).map_err(|fault| fault.at(Place::Header(part)))?;
            Ok(Framed { schema, format, datum: bytes })
        }
    }
}

/// Returns the name of the header that carries a part's schema.
#[must_use]
pub fn header_name(part: Part) -> &'static str {
    match part {
        Part::Key => "__key_schema_id",
        Part::Value => "__value_schema_id",
    }
}

/// Begins a part that names another schema in the way in which `framed` names its own: `bytes` then take the datum, and
/// what the header of the part has to say is in `header`, empty where the bytes say it.
pub fn write(
    framed: Framed<'_>,
    (id, guid): (SchemaId, Option<SchemaGuid>),
    header: &mut Vec<u8>,
    bytes: &mut Vec<u8>,
) {
    header.clear();
    bytes.clear();
    let out = if framed.format == WireFormat::ConfluentHeader { header } else { bytes };
    let (name, length) = name(framed.schema, (id, guid));
    out.extend_from_slice(&name[..length]);
}

/// Returns the schema that bytes begin with which [`write()`] has made.
#[must_use]
pub fn named(bytes: &[u8]) -> Option<SchemaRef> {
    split_schema_ref(bytes).ok().map(|(schema, _)| schema)
}

/// Lets bytes that [`write()`] has made name another schema; nothing else of them changes.
pub fn renumber(bytes: &mut Vec<u8>, number: (SchemaId, Option<SchemaGuid>)) {
    let Ok((schema, rest)) = split_schema_ref(bytes) else { return };
    let (name, length) = name(schema, number);
    bytes.splice(..bytes.len() - rest.len(), name[..length].iter().copied());
}

/// Returns the bytes that name a schema as `like` names its own, and how many there are.
fn name(like: SchemaRef, (id, guid): (SchemaId, Option<SchemaGuid>)) -> ([u8; 17], usize) {
    let mut name = [0; 17];
    match (like, guid) {
        (SchemaRef::Guid(_), Some(SchemaGuid(guid))) => {
            name[0] = MAGIC_GUID;
            name[1..].copy_from_slice(&guid);
            (name, 17)
        }
        (SchemaRef::Id(_), _) | (SchemaRef::Guid(_), None) => {
            name[0] = MAGIC_ID;
            name[1..5].copy_from_slice(&id.0.to_be_bytes());
            (name, 5)
        }
    }
}

/// Finds the header that Confluent's readers take: the last one with a value, be it empty.
fn schema_header<'a>(part: Part, headers: &[Header<'a>]) -> Option<&'a [u8]> {
    let name = header_name(part);
    headers.iter().rev().filter(|header| header.name == name).find_map(|header| header.value)
}

/// Splits bytes into the schema that they name and the rest.
fn split_schema_ref(bytes: &[u8]) -> Result<(SchemaRef, &[u8]), Fault> {
    let Some((&magic, rest)) = bytes.split_first() else {
        return Err(Fault::Empty);
    };
    match magic {
        MAGIC_ID => {
            let (id, datum) = rest.split_first_chunk().ok_or(Fault::Short { wanted: 5, found: bytes.len() })?;
            let id = i32::from_be_bytes(*id);
            if id < 0 { Err(Fault::NegativeId(id)) } else { Ok((SchemaRef::Id(SchemaId(id)), datum)) }
        }
        MAGIC_GUID => {
            let (guid, datum) = rest.split_first_chunk().ok_or(Fault::Short { wanted: 17, found: bytes.len() })?;
            Ok((SchemaRef::Guid(SchemaGuid(*guid)), datum))
        }
        magic => Err(Fault::Magic(magic)),
    }
}

/// Where the bytes that name the schema stand.
#[derive(Clone, Copy)]
enum Place {
    Prefix,
    Header(Part),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prefix => f.write_str("prefix"),
            Self::Header(part) => write!(f, "header '{}'", header_name(*part)),
        }
    }
}

/// What is wrong with the bytes that name the schema; words are made of it on the cold side only.
#[derive(Clone, Copy)]
enum Fault {
    Empty,
    Short { wanted: usize, found: usize },
    Magic(u8),
    NegativeId(i32),
}

impl Fault {
    #[cold]
    fn at(self, place: Place) -> Violation {
        match self {
            Self::Empty => {
                Violation::new(ReasonCode::TruncatedFrame, format!("the {place} is empty and names no schema"))
            }
            Self::Short { wanted, found } => Violation::new(
                ReasonCode::TruncatedFrame,
                format!("the {place} needs {wanted} bytes to name a schema, {found} are there"),
            ),
            Self::Magic(magic) => Violation::new(
                ReasonCode::NotFramed,
                format!("the {place} starts with byte 0x{magic:02x}, not with 0x00 (ID) or 0x01 (GUID)"),
            ),
            Self::NegativeId(id) => Violation::new(
                ReasonCode::NotFramed,
                format!("the {place} has the schema ID {id}, and no registry has IDs below 0"),
            ),
        }
    }
}

#[cold]
fn not_allowed(format: WireFormat, allowed: WireFormats) -> Violation {
    let names: Vec<_> =
        WireFormat::ALL.into_iter().filter(|&format| allowed.contains(format)).map(WireFormat::name).collect();
    Violation::new(
        ReasonCode::WireFormatNotAllowed,
        format!("the record uses '{}', the gate allows: {}", format.name(), names.join(", ")),
    )
}

#[cfg(test)]
mod tests;
