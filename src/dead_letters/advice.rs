//! What to do about dead letters, reason by reason: the last column of the table in docs/dead-letters.md.

use crate::violation::ReasonCode;

/// Returns what to do, in one sentence.
#[must_use]
pub fn advice(code: ReasonCode) -> &'static str {
    match code {
        ReasonCode::NotFramed => "find the producer that writes without the registry's serializer, and give it one",
        ReasonCode::TruncatedFrame => {
            "look for what cuts records off on their way: a producer of its own making, a bridge"
        }
        ReasonCode::WireFormatNotAllowed => {
            "let the gate take this format (`wire`), or set the producer's serializer to one that it takes"
        }
        ReasonCode::UnknownSchema => {
            "look which registry the producer uses: the ID is of another one, or of a schema that was deleted for good"
        }
        ReasonCode::UnusableSchema => {
            "look at the schema with `sluice schema get --id` and `sluice schema check`, and register one that compiles"
        }
        ReasonCode::FormatMismatch => {
            "look who writes another format to this topic, or give the topic a gate of that format"
        }
        ReasonCode::SubjectMismatch => {
            "look who writes another topic's records here, or set the gate's `subject` to where its schemas are"
        }
        ReasonCode::Truncated | ReasonCode::TrailingBytes => {
            "compare the schema that the producer writes with to the one that it names: most often the ID is of another version"
        }
        ReasonCode::InvalidVarint | ReasonCode::InvalidLength | ReasonCode::InvalidBoolean => {
            "compare the schema that the producer writes with to the one that it names; a field before the marked byte may be the one that differs"
        }
        ReasonCode::InvalidUnionBranch | ReasonCode::InvalidEnumSymbol => {
            "the producer knows a branch or symbol that the schema lacks: register its version, and let it name that one"
        }
        ReasonCode::InvalidUtf8 => "let the producer encode its texts as UTF-8, or declare the field as bytes",
        ReasonCode::TooDeep | ReasonCode::TooManyItems => {
            "look whether the record is meant so; the limits are in docs/limits.md"
        }
        ReasonCode::InvalidJson => "let the producer write JSON as its serializer does",
        ReasonCode::SchemaViolation => {
            "let the producer keep to the schema, or register a version that allows what it writes"
        }
        ReasonCode::RuleFailed => {
            "ask the owner of the data contract: the record keeps to its schema and breaks a rule"
        }
        ReasonCode::TargetMissingEnumSymbol => "give the target's enum the symbol or a default, or divert such records",
        ReasonCode::TargetMissingUnionBranch => "give the target's type the branch, or divert such records",
        ReasonCode::NoConversionPath => {
            "configure a mapping, register migration rules, or register a target that can read this version"
        }
        ReasonCode::ConversionFailed => "look at the field: the mapping or rule does not fit this value",
        ReasonCode::TombstoneNotAllowed => {
            "let tombstones pass (`tombstones: pass`), or find who deletes in this topic"
        }
        ReasonCode::MissingKey => "let the producer set a key, or do not require one (`key.required`)",
        ReasonCode::TooLarge => "raise `max.message.bytes` of the output, or let the producer write smaller records",
        ReasonCode::BrokerRejected => {
            "look into the brokers' log: an interceptor, a policy or a timestamp limit refuses the record"
        }
    }
}
