//! Every wire format, whole, cut and forbidden.

use proptest::prelude::*;

use super::*;

const KEY: &str = "__key_schema_id";
const VALUE: &str = "__value_schema_id";
const GUID: [u8; 16] = [0xab, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 0xff];

fn all() -> WireFormats {
    WireFormat::ALL.into_iter().collect()
}

fn only(format: WireFormat) -> WireFormats {
    [format].into_iter().collect()
}

fn header<'a>(name: &'a str, value: Option<&'a [u8]>) -> Header<'a> {
    Header { name, value }
}

fn guid_frame(datum: &[u8]) -> Vec<u8> {
    [&[1], &GUID[..], datum].concat()
}

fn id(id: i32) -> SchemaRef {
    SchemaRef::Id(SchemaId(id))
}

#[test]
fn reads_both_prefixes() {
    let guid = guid_frame(b"datum");
    type Case<'a> = (&'a str, &'a [u8], SchemaRef, WireFormat, &'a [u8]);
    let cases: [Case<'_>; 5] = [
        ("id", b"\0\0\0\x01\x02datum", id(258), WireFormat::ConfluentId, b"datum"),
        ("largest id", b"\0\x7f\xff\xff\xff", id(i32::MAX), WireFormat::ConfluentId, b""),
        ("id 0, which an import may set", b"\0\0\0\0\0x", id(0), WireFormat::ConfluentId, b"x"),
        ("empty datum", b"\0\0\0\0\x01", id(1), WireFormat::ConfluentId, b""),
        ("guid", &guid, SchemaRef::Guid(SchemaGuid(GUID)), WireFormat::ConfluentGuid, b"datum"),
    ];
    for (name, bytes, schema, format, datum) in cases {
        assert_eq!(parse(Part::Value, bytes, &[], all()), Ok(Framed { schema, format, datum }), "{name}");
    }
}

#[test]
fn a_part_that_was_written_is_renumbered() {
    let other = (SchemaId(0x0102_0304), Some(SchemaGuid([7; 16])));
    let guid = [&[1], &[7; 16][..], b"datum"].concat();
    let cases: [(&[u8], _, &[u8]); 3] = [
        (b"\0\0\0\0\x09datum", other, b"\0\x01\x02\x03\x04datum"),
        (&guid_frame(b"datum"), other, &guid),
        // A registry without GUIDs.
        (&guid_frame(b"datum"), (other.0, None), b"\0\x01\x02\x03\x04datum"),
    ];
    for (before, number, after) in cases {
        let mut bytes = before.to_vec();
        renumber(&mut bytes, number);
        assert_eq!(bytes, after);
        let framed = parse(Part::Value, after, &[], all()).unwrap();
        assert_eq!(named(&bytes), Some(framed.schema));
    }
}

#[test]
fn names_what_is_wrong_with_a_prefix() {
    use ReasonCode::{NotFramed, TruncatedFrame};
    let cases: [(&[u8], ReasonCode, &str); 7] = [
        (b"", TruncatedFrame, "the prefix is empty and names no schema"),
        (b"\0", TruncatedFrame, "the prefix needs 5 bytes to name a schema, 1 are there"),
        (b"\0\0\0\0", TruncatedFrame, "the prefix needs 5 bytes to name a schema, 4 are there"),
        (b"\x01", TruncatedFrame, "the prefix needs 17 bytes to name a schema, 1 are there"),
        (&guid_frame(b"")[..16], TruncatedFrame, "the prefix needs 17 bytes to name a schema, 16 are there"),
        (b"{\"id\":1}", NotFramed, "the prefix starts with byte 0x7b, not with 0x00 (ID) or 0x01 (GUID)"),
        (b"\0\xff\xff\xff\xff", NotFramed, "the prefix has the schema ID -1, and no registry has IDs below 0"),
    ];
    for (bytes, code, detail) in cases {
        assert_eq!(parse(Part::Value, bytes, &[], all()), Err(Violation::new(code, detail)), "{bytes:02x?}");
    }
}

#[test]
fn a_header_with_a_value_goes_before_the_prefix() {
    let prefix: &[u8] = b"\0\0\0\0\x07datum";
    let nine: &[u8] = b"\0\0\0\0\x09";
    let ten: &[u8] = b"\0\0\0\0\x0a";
    let guid = guid_frame(b"");
    let trailing: &[u8] = b"\0\0\0\0\x09\x02\x02";
    let cases: [(&str, Part, Vec<Header<'_>>, SchemaRef); 9] = [
        ("none", Part::Value, vec![], id(7)),
        ("id", Part::Value, vec![header(VALUE, Some(nine))], id(9)),
        ("guid", Part::Value, vec![header(VALUE, Some(&guid))], SchemaRef::Guid(SchemaGuid(GUID))),
        ("last wins", Part::Value, vec![header(VALUE, Some(nine)), header(VALUE, Some(ten))], id(10)),
        ("null is skipped", Part::Value, vec![header(VALUE, Some(nine)), header(VALUE, None)], id(9)),
        ("only null", Part::Value, vec![header(VALUE, None)], id(7)),
        ("other part", Part::Value, vec![header(KEY, Some(nine))], id(7)),
        ("key", Part::Key, vec![header(KEY, Some(nine)), header(VALUE, Some(ten))], id(9)),
        ("bytes after the ID", Part::Value, vec![header(VALUE, Some(trailing))], id(9)),
    ];
    for (name, part, headers, schema) in cases {
        let framed = parse(part, prefix, &headers, all()).unwrap();
        let by_header = schema != id(7);
        assert_eq!(framed.schema, schema, "{name}");
        assert_eq!(framed.format == WireFormat::ConfluentHeader, by_header, "{name}");
        assert_eq!(framed.datum, if by_header { prefix } else { b"datum" }, "{name}");
    }
}

#[test]
fn a_damaged_header_is_no_reason_to_take_the_prefix() {
    let prefix: &[u8] = b"\0\0\0\0\x07datum";
    let cases: [(&[u8], ReasonCode, &str); 4] = [
        (b"", ReasonCode::TruncatedFrame, "the header '__key_schema_id' is empty and names no schema"),
        (
            b"\0\0",
            ReasonCode::TruncatedFrame,
            "the header '__key_schema_id' needs 5 bytes to name a schema, 2 are there",
        ),
        (
            b"7",
            ReasonCode::NotFramed,
            "the header '__key_schema_id' starts with byte 0x37, not with 0x00 (ID) or 0x01 (GUID)",
        ),
        (
            b"\0\x80\0\0\0",
            ReasonCode::NotFramed,
            "the header '__key_schema_id' has the schema ID -2147483648, and no registry has IDs below 0",
        ),
    ];
    for (value, code, detail) in cases {
        let found = parse(Part::Key, prefix, &[header(KEY, Some(value))], all());
        assert_eq!(found, Err(Violation::new(code, detail)), "{value:02x?}");
    }
}

#[test]
fn refuses_formats_that_are_not_allowed() {
    let guid = guid_frame(b"");
    let by_id: &[u8] = b"\0\0\0\0\x07";
    let with_header = [header(VALUE, Some(by_id))];
    let damaged_header = [header(VALUE, Some(b"".as_slice()))];
    let cases: [(&str, &[u8], &[Header<'_>], WireFormat); 4] = [
        ("id", by_id, &[], WireFormat::ConfluentId),
        ("guid", &guid, &[], WireFormat::ConfluentGuid),
        ("header, though the prefix is good", by_id, &with_header, WireFormat::ConfluentHeader),
        ("damaged header", by_id, &damaged_header, WireFormat::ConfluentHeader),
    ];
    for (name, bytes, headers, used) in cases {
        let others: WireFormats = WireFormat::ALL.into_iter().filter(|&format| format != used).collect();
        let violation = parse(Part::Value, bytes, headers, others).unwrap_err();
        assert_eq!(violation.code, ReasonCode::WireFormatNotAllowed, "{name}");
        assert!(violation.detail.starts_with(&format!("the record uses '{}'", used.name())), "{name}: {violation}");
        if name != "damaged header" {
            assert_eq!(parse(Part::Value, bytes, headers, only(used)).map(|framed| framed.format), Ok(used), "{name}");
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_framed_or_refused(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        value in prop::option::of(prop::collection::vec(any::<u8>(), 0..20)),
        formats in prop::sample::subsequence(WireFormat::ALL.to_vec(), 0..=3),
    ) {
        let headers = [header(VALUE, value.as_deref())];
        let allowed = formats.iter().copied().collect();
        match parse(Part::Value, &bytes, &headers, allowed) {
            Ok(framed) => {
                prop_assert!(allowed.contains(framed.format));
                prop_assert!(bytes.ends_with(framed.datum));
                prop_assert_eq!(framed.format == WireFormat::ConfluentHeader, value.is_some());
            }
            Err(violation) => prop_assert_eq!(violation.code.stage(), crate::violation::Stage::Frame),
        }
    }
}
