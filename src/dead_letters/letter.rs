//! What the headers of one dead letter say, whoever wrote them, and its line of JSON.

use serde::Serialize;

use super::foreign;
use super::ledger::{Failed, State};
use crate::gate::dead_letter::{ATTEMPT, DeadLetter, HEADERS};
use crate::record::{Header, Part, Position};
use crate::schema::SchemaRef;
use crate::violation::ReasonCode;

/// Whose headers a dead letter has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// Ours.
    Sluice,
    /// Kafka Connect's (KIP-298).
    Connect,
    /// Kafka Streams' (KIP-1034).
    Streams,
    /// Those of Spring for Apache Kafka.
    Spring,
    /// Nobody's that we know: the record says nothing of itself.
    Unknown,
}

/// What a dead letter says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Letter<'a> {
    /// Whose words these are.
    pub origin: Origin,
    /// The reason code, or another tool's exception class; empty where none is told.
    pub reason: &'a str,
    /// The reason, where it is a code of this version.
    pub code: Option<ReasonCode>,
    /// The field concerned.
    pub path: Option<&'a str>,
    /// The limit broken, which holds no value.
    pub detail: &'a str,
    /// Another tool's message, which may quote values.
    pub words: &'a str,
    /// Key or value.
    pub part: Option<Part>,
    /// Where the record came from.
    pub source: Source<'a>,
    /// The schema that the part names.
    pub schema: Option<SchemaRef>,
    /// Its subject.
    pub subject: Option<&'a str>,
    /// Its version there.
    pub version: Option<i32>,
    /// The target version.
    pub target: Option<i32>,
    /// The gate, converter, connector or group.
    pub gate: Option<&'a str>,
    /// The version of Sluice that judged.
    pub gate_version: Option<&'a str>,
    /// How often the record has become a dead letter; of another tool's what a redrive has counted, and this time.
    pub attempt: Option<u32>,
}

/// Where a dead letter came from, as far as it says so.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Source<'a> {
    /// The topic.
    pub topic: Option<&'a str>,
    /// The partition.
    pub partition: Option<i32>,
    /// The offset of the record there.
    pub offset: Option<i64>,
    /// Its time there, in milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<i64>,
}

impl<'a> Letter<'a> {
    /// A letter that says nothing.
    pub(super) const SILENT: Self = Self {
        origin: Origin::Unknown,
        reason: "",
        code: None,
        path: None,
        detail: "",
        words: "",
        part: None,
        source: Source { topic: None, partition: None, offset: None, timestamp: None },
        schema: None,
        subject: None,
        version: None,
        target: None,
        gate: None,
        gate_version: None,
        attempt: None,
    };

    /// Reads the headers of a record. Ours go before those of others, which a profile may have added.
    #[must_use]
    pub fn read(headers: &[Header<'a>]) -> Self {
        match DeadLetter::read(headers) {
            Ok(letter) => Self::of(&letter),
            Err(_) => Self::damaged(headers).unwrap_or_else(|| foreign::read(headers)),
        }
    }

    fn of(letter: &DeadLetter<'a>) -> Self {
        let Position { topic, partition, offset } = letter.source;
        let source = Source {
            topic: Some(topic),
            partition: Some(partition.0),
            offset: Some(offset.0),
            timestamp: letter.timestamp,
        };
        let told = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        Self {
            origin: Origin::Sluice,
            reason: letter.reason.name(),
            code: Some(letter.reason),
            path: letter.path,
            detail: letter.detail,
            words: "",
            part: Some(letter.part),
            source,
            schema: letter.schema,
            subject: letter.subject,
            version: letter.version.map(|version| version.0),
            target: letter.target.map(|version| version.0),
            gate: told(letter.gate),
            gate_version: told(letter.gate_version),
            attempt: Some(letter.attempt),
        }
    }

    /// Reads the reason of headers that are ours, but not as this version writes them: a later one may know more reasons.
    #[cold]
    fn damaged(headers: &[Header<'a>]) -> Option<Self> {
        let text = |name: &str| {
            let value = headers.iter().rev().filter(|header| header.name == name).find_map(|header| header.value)?;
            std::str::from_utf8(value).ok()
        };
        let number = |name: &str| text(name)?.parse().ok();
        let reason = text(HEADERS[0])?;
        let source = Source {
            topic: text("sluice.source.topic"),
            partition: number("sluice.source.partition").and_then(|number: i64| number.try_into().ok()),
            offset: number("sluice.source.offset"),
            timestamp: number("sluice.source.timestamp"),
        };
        let code = ReasonCode::from_name(reason);
        let (gate, attempt) = (text("sluice.gate"), number(ATTEMPT).and_then(|number: i64| number.try_into().ok()));
        Some(Self { origin: Origin::Sluice, reason, code, source, gate, attempt, ..Self::SILENT })
    }
}

/// A dead letter as a line of JSON.
#[derive(Debug, Serialize)]
pub struct Line<'a> {
    /// The dead-letter topic.
    pub topic: &'a str,
    /// The partition there.
    pub partition: i32,
    /// The offset of the dead letter there.
    pub offset: i64,
    /// The dead letter's own time, in milliseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    headers: Origin,
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    part: Option<&'static str>,
    source: Source<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_id: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema_guid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    subject: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    target_version: Option<i32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    gate: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    attempt: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failed_again: Option<&'a Failed>,
}

impl<'a> Line<'a> {
    /// Puts a letter and its position together.
    #[must_use]
    pub fn new(letter: &Letter<'a>, position: Position<'a>, timestamp: Option<i64>) -> Self {
        let told = |text: &'a str| Some(text).filter(|text| !text.is_empty());
        let (schema_id, schema_guid) = match letter.schema {
            Some(SchemaRef::Id(id)) => (Some(id.0), None),
            Some(SchemaRef::Guid(guid)) => (None, Some(guid.to_string())),
            None => (None, None),
        };
        Self {
            topic: position.topic,
            partition: position.partition.0,
            offset: position.offset.0,
            timestamp,
            headers: letter.origin,
            reason: told(letter.reason),
            path: letter.path,
            detail: told(letter.detail),
            part: letter.part.map(Part::name),
            source: letter.source,
            schema_id,
            schema_guid,
            subject: letter.subject,
            version: letter.version,
            target_version: letter.target,
            gate: letter.gate,
            attempt: letter.attempt,
            state: None,
            failed_again: None,
        }
    }

    /// Adds what became of it, where that is known.
    #[must_use]
    pub fn in_state(self, state: Option<State<'a>>) -> Self {
        let failed_again = match state {
            Some(State::Failed(failed)) => failed,
            Some(State::Open | State::Redriven) | None => None,
        };
        Self { state: state.map(State::name), failed_again, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers<'h>(pairs: &[(&'h str, &'h [u8])]) -> Vec<Header<'h>> {
        pairs.iter().map(|(name, value)| Header { name, value: Some(value) }).collect()
    }

    const OURS: &[(&str, &[u8])] = &[
        ("trace", b"1"),
        ("sluice.reason", b"invalid_utf8"),
        ("sluice.path", b"customer.name"),
        ("sluice.part", b"value"),
        ("sluice.source.topic", b"orders.raw"),
        ("sluice.source.partition", b"3"),
        ("sluice.source.offset", b"12345678901"),
        ("sluice.schema.id", b"7"),
        ("sluice.schema.subject", b"orders.raw-value"),
        ("sluice.schema.version", b"2"),
        ("sluice.gate", b"orders"),
        ("sluice.attempt", b"1"),
    ];

    #[test]
    fn ours_are_read_even_beside_those_of_others() {
        let mut all = OURS.to_vec();
        all.push(("__connect.errors.exception.class.name", b"sluice.invalid_utf8"));
        let letter = Letter::read(&headers(&all));
        assert_eq!((letter.origin, letter.code), (Origin::Sluice, Some(ReasonCode::InvalidUtf8)));
        assert_eq!((letter.path, letter.gate), (Some("customer.name"), Some("orders")));
        assert_eq!(letter.source.offset, Some(12_345_678_901));
    }

    #[test]
    fn a_reason_of_a_later_version_is_shown_as_it_is() {
        let mut all = OURS.to_vec();
        all[1].1 = b"invalid_moon";
        let letter = Letter::read(&headers(&all));
        assert_eq!((letter.origin, letter.reason, letter.code), (Origin::Sluice, "invalid_moon", None));
        assert_eq!((letter.source.partition, letter.gate), (Some(3), Some("orders")));
    }

    #[test]
    fn a_record_without_headers_says_nothing() {
        assert_eq!(Letter::read(&headers(&[("trace", b"1")])), Letter::SILENT);
    }

    #[test]
    fn lines_are_json_without_what_is_not_told() {
        let (headers, silent) = (headers(OURS), Letter::SILENT);
        let position =
            Position { topic: "dlq", partition: crate::record::Partition(0), offset: crate::record::Offset(9) };
        let line = |letter: &Letter<'_>| serde_json::to_string(&Line::new(letter, position, Some(5))).unwrap();
        assert_eq!(
            line(&Letter::read(&headers)),
            r#"{"topic":"dlq","partition":0,"offset":9,"timestamp":5,"headers":"sluice","reason":"invalid_utf8","path":"customer.name","part":"value","source":{"topic":"orders.raw","partition":3,"offset":12345678901},"schema_id":7,"subject":"orders.raw-value","version":2,"gate":"orders","attempt":1}"#
        );
        let failed = Failed { reason: "truncated".into(), path: None, time: 8, attempt: 2 };
        let failed = Line::new(&silent, position, None).in_state(Some(State::Failed(Some(&failed))));
        let failed = serde_json::to_string(&failed).unwrap();
        let told = r#""state":"failed","failed_again":{"reason":"truncated","time":8,"attempt":2}}"#;
        assert!(failed.ends_with(told), "{failed}");
        assert_eq!(
            line(&silent),
            r#"{"topic":"dlq","partition":0,"offset":9,"timestamp":5,"headers":"unknown","reason":null,"source":{"topic":null,"partition":null,"offset":null}}"#
        );
    }
}
