//! A dead letter judged again, by the registry's schemas of today: whether it still fails, why, and at which byte.

use std::ops::Range;

use crate::record::{Header, Part};
use crate::schema::avro::{ReaderSchema, Resolution, Schema, WriterSchema};
use crate::violation::{ReasonCode, Stage, Violation};
use crate::wire::{self, Framed, WireFormat, WireFormats};

/// The schemas that a record is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Schemas<'s> {
    /// The one that it names.
    pub writer: &'s Schema,
    /// The target's, where the dead letter names one.
    pub reader: Option<&'s Schema>,
}

/// What the look has found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Examined {
    /// What is wrong with the bytes today; none where nothing is, or where no schema was at hand.
    pub violation: Option<Violation>,
    /// The bytes at fault; one behind the last where bytes are missing.
    pub mark: Option<Range<usize>>,
}

/// Reads how a part names its schema, in whatever way.
///
/// # Errors
/// As [`wire::parse`], but every format is allowed.
pub fn framed<'a>(part: Part, bytes: &'a [u8], headers: &[Header<'_>]) -> Result<Framed<'a>, Violation> {
    wire::parse(part, bytes, headers, WireFormats::from_iter(WireFormat::ALL))
}

/// Judges a part again. `code` is why the record became a dead letter.
#[must_use]
pub fn examine(
    (part, bytes): (Part, &[u8]),
    headers: &[Header<'_>],
    code: Option<ReasonCode>,
    schemas: Option<Schemas<'_>>,
) -> Examined {
    let framed = match framed(part, bytes, headers) {
        Ok(framed) => framed,
        Err(violation) => return unframed((part, bytes), headers, violation),
    };
    let prefix = bytes.len() - framed.datum.len();
    let names = (prefix > 0).then_some(0..prefix);
    let Some(schemas) = schemas else {
        let is_about_the_schema = code.is_some_and(|code| matches!(code.stage(), Stage::Frame | Stage::Schema));
        return Examined { violation: None, mark: names.filter(|_| is_about_the_schema) };
    };
    if schemas.writer.is_bytes() {
        return Examined::default();
    }
    let (violation, place) = by_schemas(schemas, framed.datum);
    let mark = place.map(|at| prefix + at..prefix + at + 1);
    let is_about_the_schema = code.is_some_and(|code| matches!(code.stage(), Stage::Frame | Stage::Schema));
    Examined { mark: mark.or(names.filter(|_| violation.is_none() && is_about_the_schema)), violation }
}

fn unframed((part, bytes): (Part, &[u8]), headers: &[Header<'_>], violation: Violation) -> Examined {
    let in_header = headers.iter().any(|header| header.name == wire::header_name(part) && header.value.is_some());
    let at = if violation.code == ReasonCode::TruncatedFrame { bytes.len() } else { 0 };
    Examined { violation: Some(violation), mark: (!in_header).then_some(at..at + 1) }
}

fn by_schemas(Schemas { writer, reader }: Schemas<'_>, datum: &[u8]) -> (Option<Violation>, Option<usize>) {
    if let Some(violation) = writer.explain(datum) {
        return (Some(violation), writer.place(datum));
    }
    let resolution = reader.map(|reader| Resolution::between(WriterSchema(writer), ReaderSchema(reader)));
    match resolution {
        Some(Ok(Resolution::Depends(program))) => (program.explain(datum), program.place(datum)),
        Some(Ok(Resolution::Never(mismatch))) => {
            (Some(Violation::new(ReasonCode::NoConversionPath, mismatch.detail).at(mismatch.path)), None)
        }
        Some(Ok(Resolution::Always) | Err(_)) | None => (None, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{Format, SchemaText};

    fn schema(text: &str) -> Schema {
        Schema::compile(&SchemaText { format: Format::Avro, text: text.into(), references: Vec::new() }).unwrap()
    }

    const ORDER: &str = r#"{"type":"record","name":"Order","fields":[
        {"name":"id","type":"long"},{"name":"name","type":"string"},{"name":"gift","type":"boolean"},
        {"name":"status","type":{"type":"enum","name":"Status","symbols":["A","B","C"]}}]}"#;

    /// Each damage is marked at its byte, counted from the begin of the value.
    #[test]
    fn the_byte_at_fault_is_found() {
        let writer = schema(ORDER);
        for (datum, code, place) in [
            (&[2, 4, b'a', b'b', 1, 0][..], None, None),
            (&[2, 4, b'a', b'b', 2, 0], Some(ReasonCode::InvalidBoolean), Some(9)),
            (&[2, 4, b'a', 0xe9, 1, 0], Some(ReasonCode::InvalidUtf8), Some(8)),
            (&[2, 0x80, 0x01, b'b', 1, 0], Some(ReasonCode::InvalidLength), Some(6)),
            (&[2, 4, b'a', b'b', 1, 6], Some(ReasonCode::InvalidEnumSymbol), Some(10)),
            (&[2, 4, b'a', b'b', 1], Some(ReasonCode::Truncated), Some(10)),
            (&[2, 4, b'a', b'b', 1, 0, 7, 7], Some(ReasonCode::TrailingBytes), Some(11)),
        ] {
            let value = [&[0, 0, 0, 0, 7][..], datum].concat();
            let schemas = Some(Schemas { writer: &writer, reader: None });
            let found = examine((Part::Value, &value), &[], code, schemas);
            assert_eq!(found.violation.map(|violation| violation.code), code, "{datum:?}");
            assert_eq!(found.mark, place.map(|at| at..at + 1), "{datum:?}");
        }
    }

    #[test]
    fn what_the_target_lacks_is_marked_too() {
        let (writer, reader) = (schema(ORDER), schema(&ORDER.replace(r#","C""#, "")));
        let value = [0, 0, 0, 0, 7, 2, 0, 1, 4];
        let schemas = Some(Schemas { writer: &writer, reader: Some(&reader) });
        let found = examine((Part::Value, &value), &[], None, schemas);
        assert_eq!(found.violation.unwrap().code, ReasonCode::TargetMissingEnumSymbol);
        assert_eq!(found.mark, Some(8..9));
    }

    #[test]
    fn frames_are_marked_without_a_schema() {
        let found =
            |bytes: &[u8], headers: &[Header<'_>], code| examine((Part::Value, bytes), headers, Some(code), None).mark;
        assert_eq!(found(b"{}", &[], ReasonCode::NotFramed), Some(0..1));
        assert_eq!(found(&[0, 0, 0], &[], ReasonCode::TruncatedFrame), Some(3..4));
        assert_eq!(found(&[0, 0, 0, 0, 9, 1], &[], ReasonCode::UnknownSchema), Some(0..5));
        assert_eq!(found(&[0, 0, 0, 0, 9, 1], &[], ReasonCode::Truncated), None, "nobody knows without the schema");
        let header = [Header { name: "__value_schema_id", value: Some(&[0, 0]) }];
        assert_eq!(found(&[1], &header, ReasonCode::TruncatedFrame), None, "the fault is in a header");
    }
}
