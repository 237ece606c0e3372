//! Records as their readers see them: key and value by what they resolve to, whatever the bytes.
//!
//! The entries of a map may stand in any order, and arrays and maps in any number of blocks. Two records that differ in bytes are
//! compared by the digest of the one form that all of these have: decoded, the entries sorted, encoded again.

use std::collections::HashMap;

use super::super::convert::Conversions;
use super::hash;
use crate::convert::{Codec, Value};
use crate::record::{Header, Part};
use crate::schema::SchemaRef;
use crate::wire::{self, WireFormat};

/// The header that speaks of bytes.
const OF_BYTES: &str = "sluice.converted.hash";

/// The schemas that records are read with.
pub(super) struct Values<'c> {
    conversions: &'c Conversions,
    codecs: HashMap<SchemaRef, Option<Codec>>,
}

impl<'c> Values<'c> {
    pub(super) fn new(conversions: &'c Conversions) -> Self {
        Self { conversions, codecs: HashMap::new() }
    }

    /// Returns the digest of what readers see of a record.
    pub(super) fn digest(&mut self, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[Header<'_>]) -> [u8; 16] {
        let key = key.map(|bytes| self.resolved(Part::Key, bytes, headers));
        let value = value.map(|bytes| self.resolved(Part::Value, bytes, headers));
        let others = headers.iter().filter(|header| header.name != OF_BYTES);
        hash(key.as_deref(), value.as_deref(), others.map(|header| (header.name, header.value)))
    }

    /// Returns the one form of a part; what cannot be read stays as it is.
    fn resolved(&mut self, part: Part, bytes: &[u8], headers: &[Header<'_>]) -> Vec<u8> {
        let framed = wire::parse(part, bytes, headers, WireFormat::ALL.into_iter().collect());
        let Ok(framed) = framed else { return bytes.to_vec() };
        let conversions = self.conversions;
        let codec = self.codecs.entry(framed.schema).or_insert_with(|| conversions.codec(framed.schema));
        let Some(mut value) = codec.as_ref().and_then(|codec| codec.decode(framed.datum).ok()) else {
            return bytes.to_vec();
        };
        sort(&mut value);
        let mut form = bytes[..bytes.len() - framed.datum.len()].to_vec();
        match codec.as_ref().map(|codec| codec.encode(&value, &mut form)) {
            Some(Ok(())) => form,
            _ => bytes.to_vec(),
        }
    }
}

/// Brings the entries of all maps into one order.
fn sort(value: &mut Value) {
    match value {
        Value::Map(entries) => {
            entries.iter_mut().for_each(|(_, value)| sort(value));
            // Of a key that stands twice the last one counts.
            let mut last: HashMap<String, Value> = HashMap::new();
            last.extend(std::mem::take(entries));
            entries.extend(last);
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        Value::Array(items) | Value::Record(items) => items.iter_mut().for_each(sort),
        Value::Union(_, value) => sort(value),
        Value::Null
        | Value::Boolean(_)
        | Value::Int(_)
        | Value::Long(_)
        | Value::Float(_)
        | Value::Double(_)
        | Value::Bytes(_)
        | Value::String(_)
        | Value::Fixed(_)
        | Value::Enum(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn maps_have_one_order() {
        let entry = |key: &str, value| (key.to_owned(), Value::Array(vec![Value::Int(value)]));
        let mut one = Value::Record(vec![Value::Map(vec![entry("b", 1), entry("a", 2), entry("b", 3)])]);
        let mut other = Value::Record(vec![Value::Map(vec![entry("a", 2), entry("b", 3)])]);
        sort(&mut one);
        sort(&mut other);
        assert_eq!(one, other);
    }
}
