//! What goes wrong with records in real topics: a closed set of damages, each with the reason that the gate must find.
//!
//! Each damage is one that producers without a schema-aware serializer, half-written files, wrong configurations or
//! broken libraries have made before. The record around it is a good order, so the gate has to find the one thing
//! that is wrong; the test beside this file asks the real gate for every one.

use super::orders::{Field, Order, Writer};
use super::registry::Ids;
use crate::schema::SchemaId;
use crate::violation::ReasonCode;

/// One way in which a record is spoilt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Damage {
    PlainJson,
    CutInFrame,
    NewerWireFormat,
    UnregisteredSchema,
    WrongTopic,
    CutAtTheEnd,
    WrittenTwice,
    EndlessNumber,
    WrongLength,
    Latin1,
    ThreeValuedBoolean,
    NewUnionBranch,
    NewEnumSymbol,
}

impl Damage {
    /// All of them, in the order of the gate's stages.
    pub(super) const ALL: [Self; 13] = [
        Self::PlainJson,
        Self::CutInFrame,
        Self::NewerWireFormat,
        Self::UnregisteredSchema,
        Self::WrongTopic,
        Self::CutAtTheEnd,
        Self::WrittenTwice,
        Self::EndlessNumber,
        Self::WrongLength,
        Self::Latin1,
        Self::ThreeValuedBoolean,
        Self::NewUnionBranch,
        Self::NewEnumSymbol,
    ];

    /// Returns the reason that the gate must give.
    pub(super) fn reason(self) -> ReasonCode {
        match self {
            Self::PlainJson => ReasonCode::NotFramed,
            Self::CutInFrame => ReasonCode::TruncatedFrame,
            Self::NewerWireFormat => ReasonCode::WireFormatNotAllowed,
            Self::UnregisteredSchema => ReasonCode::UnknownSchema,
            Self::WrongTopic => ReasonCode::SubjectMismatch,
            Self::CutAtTheEnd => ReasonCode::Truncated,
            Self::WrittenTwice => ReasonCode::TrailingBytes,
            Self::EndlessNumber => ReasonCode::InvalidVarint,
            Self::WrongLength => ReasonCode::InvalidLength,
            Self::Latin1 => ReasonCode::InvalidUtf8,
            Self::ThreeValuedBoolean => ReasonCode::InvalidBoolean,
            Self::NewUnionBranch => ReasonCode::InvalidUnionBranch,
            Self::NewEnumSymbol => ReasonCode::InvalidEnumSymbol,
        }
    }

    /// Finds the damage behind a reason.
    pub(super) fn behind(reason: ReasonCode) -> Option<Self> {
        Self::ALL.into_iter().find(|damage| damage.reason() == reason)
    }

    /// Says what the producer did, in a few words.
    pub(super) fn story(self) -> &'static str {
        match self {
            Self::PlainJson => "plain JSON instead of Avro",
            Self::CutInFrame => "cut off inside the schema ID",
            Self::NewerWireFormat => "schema named by GUID, which this gate does not allow",
            Self::UnregisteredSchema => "a schema ID that nobody registered",
            Self::WrongTopic => "a payment, sent to the topic of the orders",
            Self::CutAtTheEnd => "the last bytes are missing",
            Self::WrittenTwice => "the datum twice in one record",
            Self::EndlessNumber => "a timestamp of eleven bytes",
            Self::WrongLength => "a name of two billion bytes, it says",
            Self::Latin1 => "a name in Latin-1",
            Self::ThreeValuedBoolean => "a boolean that is 2",
            Self::NewUnionBranch => "a union branch that the schema lacks",
            Self::NewEnumSymbol => "an enum symbol that the schema lacks",
        }
    }

    /// Writes an order with this damage, frame included. `writer` is v1 or v2: v3 lacks some of the fields.
    pub(super) fn write(self, order: &Order, writer: Writer, ids: &Ids) -> Vec<u8> {
        let mut datum = order.encode(writer);
        let id = ids.orders[writer as usize];
        match self {
            Self::PlainJson => return order.json(),
            Self::CutInFrame => return framed(id, &[])[..3].to_vec(),
            Self::NewerWireFormat => return [&[1], &ids.guid.0[..], &order.encode(Writer::V2).bytes].concat(),
            Self::UnregisteredSchema => return framed(ids.nobodys, &datum.bytes),
            Self::WrongTopic => return framed(ids.payment, &order.encode_payment().bytes),
            Self::CutAtTheEnd => datum.bytes.truncate(datum.bytes.len() - 2),
            Self::WrittenTwice => datum.bytes.extend_from_within(..),
            Self::EndlessNumber => datum.replace(Field::PlacedAt, &[0xff; 11]),
            Self::WrongLength => datum.replace(Field::Name, b"\xfe\xff\xff\xff\x0fAda"),
            Self::Latin1 => datum.replace(Field::Name, b"\x16J\xfcrgen Wei\xdf"),
            Self::ThreeValuedBoolean => datum.replace(Field::Gift, &[2]),
            Self::NewUnionBranch => datum.replace(Field::EmailBranch, &[2 << 1]),
            Self::NewEnumSymbol => datum.replace(Field::Status, &[5 << 1]),
        }
        framed(id, &datum.bytes)
    }
}

/// Puts Confluent's prefix before a datum: a zero and the schema's ID.
pub(crate) fn framed(id: SchemaId, datum: &[u8]) -> Vec<u8> {
    [&[0], &id.0.to_be_bytes()[..], datum].concat()
}
