//! `wire::parse`: never panics; what it takes apart, put together again, is the input; what is refused is no frame
//! that the gate allows.
//!
//! Input: a byte of flags (bits 0 to 2 the formats allowed, 3 the part, 4 whether there is a header), the length of
//! the header and the header where there is one, then the bytes of the part.

use sluice::record::{Header, Part};
use sluice::schema::SchemaRef;
use sluice::violation::Stage;
use sluice::wire::{self, WireFormat, WireFormats};

use super::measured;

/// Checks the oracle, and returns the wire format or the reason code.
pub(crate) fn judge(input: &[u8]) -> String {
    let (&flags, rest) = input.split_first().unwrap_or((&7, input));
    let allowed: WireFormats =
        WireFormat::ALL.into_iter().enumerate().filter(|(bit, _)| flags >> bit & 1 == 1).map(|(_, of)| of).collect();
    let (part, name) = if flags & 8 == 0 { (Part::Value, "__value_schema_id") } else { (Part::Key, "__key_schema_id") };
    let (header, bytes) = match rest.split_first() {
        Some((&length, rest)) if flags & 16 != 0 => {
            let (header, bytes) = rest.split_at(usize::from(length).min(rest.len()));
            (Some(header), bytes)
        }
        _ => (None, rest),
    };
    let headers = [
        Header { name: "__other_schema_id", value: Some(b"\0\0\0\0\x07") },
        Header { name, value: header },
        Header { name, value: None },
    ];
    match measured(|| wire::parse(part, bytes, &headers, allowed)) {
        Ok(framed) => {
            assert!(allowed.contains(framed.format), "a format that is not allowed");
            let prefix = match framed.schema {
                SchemaRef::Id(id) => {
                    assert!(id.0 >= 0, "a negative ID");
                    [&[0], &id.0.to_be_bytes()[..]].concat()
                }
                SchemaRef::Guid(guid) => [&[1], &guid.0[..]].concat(),
            };
            match header {
                None => assert_eq!([&prefix[..], framed.datum].concat(), bytes, "the frame does not round-trip"),
                Some(header) => {
                    assert!(header.starts_with(&prefix), "the header does not round-trip");
                    assert_eq!(framed.datum, bytes, "the datum is not the whole part");
                }
            }
            framed.format.name().to_owned()
        }
        Err(violation) => {
            assert_eq!(violation.code.stage(), Stage::Frame);
            assert!(violation.path.is_none() && violation.detail.len() < 200, "{violation}");
            violation.code.name().to_owned()
        }
    }
}
