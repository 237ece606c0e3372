//! Dead letters: the headers that say why a record is one, and how they are read again.
//!
//! This is the one writer and the one reader of the `sluice.*` dead-letter headers, which
//! are a contract: redrive, dashboards and other people's tools read them. All values are
//! UTF-8, numbers in decimal. What is written reads back the same.
//!
//! The headers of the record stay in front, in order, with duplicates and null values. A
//! record that was a dead letter before brings the old set along: it is replaced, never
//! appended, so that a record does not grow with each redrive; only `sluice.attempt`
//! counts on. Headers of other names below `sluice.` are not ours to touch.
//!
//! No header ever holds a value of the record. The two texts of unknown length, path and
//! detail, are cut at [`TEXT_LIMIT`], so that a dead letter is bounded in what it adds.

use std::borrow::Cow;

use super::profile::Profile;
use super::verdict::Finding;
use crate::record::{Header, Offset, Part, Partition, Position, Record};
use crate::schema::{Format, SchemaGuid, SchemaId, SchemaRef, Version};
use crate::violation::ReasonCode;

/// Bytes that a path or a detail may take in a header; what is longer is cut. Dead-letter topics allow
/// 64 KiB more than their source, and every profile repeats both texts.
pub const TEXT_LIMIT: usize = 1024;

const REASON: &str = "sluice.reason";
const PATH: &str = "sluice.path";
const DETAIL: &str = "sluice.detail";
const PART: &str = "sluice.part";
const SOURCE_TOPIC: &str = "sluice.source.topic";
const SOURCE_PARTITION: &str = "sluice.source.partition";
const SOURCE_OFFSET: &str = "sluice.source.offset";
const SOURCE_TIMESTAMP: &str = "sluice.source.timestamp";
const SCHEMA_ID: &str = "sluice.schema.id";
const SCHEMA_GUID: &str = "sluice.schema.guid";
const SCHEMA_SUBJECT: &str = "sluice.schema.subject";
const SCHEMA_VERSION: &str = "sluice.schema.version";
const SCHEMA_FORMAT: &str = "sluice.schema.format";
const TARGET_VERSION: &str = "sluice.target.version";
const GATE: &str = "sluice.gate";
const GATE_VERSION: &str = "sluice.gate.version";
/// How often the record has become a dead letter; it stays on one that is sent again.
pub const ATTEMPT: &str = "sluice.attempt";
/// Bytes of the whole value, where the dead letter has only its begin.
pub(super) const TRUNCATED_SIZE: &str = "sluice.truncated.size";
/// SHA-256 of the whole value, in hexadecimal digits.
pub(super) const TRUNCATED_SHA256: &str = "sluice.truncated.sha256";

/// The names of all dead-letter headers of our own, in the order in which they are written.
pub const HEADERS: [&str; 19] = [
    REASON,
    PATH,
    DETAIL,
    PART,
    SOURCE_TOPIC,
    SOURCE_PARTITION,
    SOURCE_OFFSET,
    SOURCE_TIMESTAMP,
    SCHEMA_ID,
    SCHEMA_GUID,
    SCHEMA_SUBJECT,
    SCHEMA_VERSION,
    SCHEMA_FORMAT,
    TARGET_VERSION,
    GATE,
    GATE_VERSION,
    ATTEMPT,
    TRUNCATED_SIZE,
    TRUNCATED_SHA256,
];

/// A header to be written: its name, and its value or null.
pub type WrittenHeader<'h> = (&'h str, Option<Cow<'h, [u8]>>);

/// Tells whether a dead letter carries a header of that name anew, so that an earlier one goes.
#[must_use]
pub fn is_replaced(name: &str, profiles: &[Profile]) -> bool {
    HEADERS.contains(&name) || profiles.iter().any(|profile| profile.owns(name))
}

/// Tells whether a dead letter has only the begin of its record's value.
#[must_use]
pub fn is_truncated(headers: &[Header<'_>]) -> bool {
    headers.iter().any(|header| header.name == TRUNCATED_SIZE)
}

/// Tells whether a dead letter's header goes when its record is sent again. How often it was one stays: the next counts on.
#[must_use]
pub fn is_taken_off(name: &str, profiles: &[Profile]) -> bool {
    name != ATTEMPT && is_replaced(name, profiles)
}

/// What the headers of a dead letter say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeadLetter<'a> {
    /// Why the record is a dead letter.
    pub reason: ReasonCode,
    /// The field concerned, where one is.
    pub path: Option<&'a str>,
    /// The limit broken, in one line; empty where there was no room for it.
    pub detail: &'a str,
    /// Key or value.
    pub part: Part,
    /// Where *this* record stood in the source.
    pub source: Position<'a>,
    /// The record's time there, in milliseconds since 1970-01-01 UTC.
    pub timestamp: Option<i64>,
    /// The writer schema that the part names, where it could be read.
    pub schema: Option<SchemaRef>,
    /// The subject of that schema.
    pub subject: Option<&'a str>,
    /// Its version there.
    pub version: Option<Version>,
    /// The format that the gate expects of the part.
    pub format: Option<Format>,
    /// The target version.
    pub target: Option<Version>,
    /// The name of the gate or converter; empty where there was no room for it.
    pub gate: &'a str,
    /// The version of Sluice that judged; empty where there was no room for it.
    pub gate_version: &'a str,
    /// How often the record has become a dead letter, this time included: from 1 up.
    pub attempt: u32,
}

/// Why headers are not those of a dead letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// A header that every dead letter has is not there, or null.
    #[error("dead-letter header '{header}' is missing")]
    Missing {
        /// Its name.
        header: &'static str,
    },
    /// A header is not text.
    #[error("dead-letter header '{header}' is not UTF-8")]
    NotUtf8 {
        /// Its name.
        header: &'static str,
    },
    /// A header says what cannot be.
    #[error("dead-letter header '{header}' is '{value}', expected {expected}")]
    Invalid {
        /// Its name.
        header: &'static str,
        /// Its value, cut at [`TEXT_LIMIT`].
        value: String,
        /// What it may be.
        expected: &'static str,
    },
}

impl<'a> DeadLetter<'a> {
    /// Makes the dead letter of a record at fault. A readable `sluice.attempt` of the record counts on.
    #[must_use]
    pub fn new(finding: &'a Finding, record: &Record<'a>, gate: &'a str) -> Self {
        let earlier = Headers(record.headers).parsed(ATTEMPT, "a number", |text| text.parse().ok());
        Self {
            reason: finding.violation.code,
            path: finding.violation.path.as_deref(),
            detail: &finding.violation.detail,
            part: finding.part,
            source: record.position,
            timestamp: record.timestamp,
            schema: finding.schema,
            subject: finding.subject.as_ref().map(|subject| &*subject.0),
            version: finding.version,
            format: finding.format,
            target: finding.target,
            gate,
            gate_version: env!("CARGO_PKG_VERSION"),
            attempt: earlier.ok().flatten().unwrap_or(0_u32).saturating_add(1),
        }
    }

    /// Returns all headers of the dead letter: the record's own, then ours, then those of the profiles.
    #[must_use]
    pub fn headers(&self, original: &[Header<'a>], profiles: &[Profile]) -> Vec<WrittenHeader<'a>> {
        let mut out = Vec::with_capacity(original.len() + HEADERS.len());
        let kept = original.iter().filter(|header| !is_replaced(header.name, profiles));
        out.extend(kept.map(|header| (header.name, header.value.map(Cow::Borrowed))));
        self.write(&mut out);
        for profile in Profile::ALL.into_iter().filter(|profile| profiles.contains(profile)) {
            profile.write(self, &mut out);
        }
        out
    }

    /// Returns the headers without which a dead letter is none: reason, part, source coordinates and attempt.
    pub(super) fn minimal(&self) -> Vec<WrittenHeader<'a>> {
        let mut out = vec![(REASON, Some(text(self.reason.name())))];
        self.write_place(&mut |name, value| out.push((name, Some(value))));
        out.push((ATTEMPT, Some(decimal(self.attempt))));
        out
    }

    fn write_place(&self, put: &mut impl FnMut(&'a str, Cow<'a, [u8]>)) {
        put(PART, text(self.part.name()));
        put(SOURCE_TOPIC, text(self.source.topic));
        put(SOURCE_PARTITION, decimal(self.source.partition));
        put(SOURCE_OFFSET, decimal(self.source.offset));
        if let Some(timestamp) = self.timestamp {
            put(SOURCE_TIMESTAMP, decimal(timestamp));
        }
    }

    fn write(&self, out: &mut Vec<WrittenHeader<'a>>) {
        let mut put = |name, value| out.push((name, Some(value)));
        put(REASON, text(self.reason.name()));
        if let Some(path) = self.path {
            put(PATH, bounded(path));
        }
        if !self.detail.is_empty() {
            put(DETAIL, bounded(self.detail));
        }
        self.write_place(&mut put);
        match self.schema {
            Some(SchemaRef::Id(id)) => put(SCHEMA_ID, decimal(id)),
            Some(SchemaRef::Guid(guid)) => put(SCHEMA_GUID, decimal(guid)),
            None => {}
        }
        if let Some(subject) = self.subject {
            put(SCHEMA_SUBJECT, text(subject));
        }
        if let Some(version) = self.version {
            put(SCHEMA_VERSION, decimal(version));
        }
        if let Some(format) = self.format {
            put(SCHEMA_FORMAT, text(format.name()));
        }
        if let Some(target) = self.target {
            put(TARGET_VERSION, decimal(target));
        }
        put(GATE, text(self.gate));
        put(GATE_VERSION, text(self.gate_version));
        put(ATTEMPT, decimal(self.attempt));
    }

    /// Reads the headers of a dead letter; of several of one name the last with a value counts.
    ///
    /// # Errors
    /// Names the first header that is missing or damaged; a record without dead-letter headers lacks `sluice.reason`.
    pub fn read(headers: &[Header<'a>]) -> Result<Self, Error> {
        let headers = Headers(headers);
        let schema_id = headers.parsed(SCHEMA_ID, "a schema ID", |text| text.parse().ok().map(SchemaId))?;
        let schema_guid = headers.parsed(SCHEMA_GUID, "a GUID in hexadecimal", guid)?;
        Ok(Self {
            reason: required(REASON, headers.parsed(REASON, "a reason code of this version", ReasonCode::from_name))?,
            path: headers.text(PATH)?,
            detail: headers.text(DETAIL)?.unwrap_or_default(),
            part: required(PART, headers.parsed(PART, "key or value", part))?,
            source: Position {
                topic: required(SOURCE_TOPIC, headers.text(SOURCE_TOPIC))?,
                partition: Partition(required(SOURCE_PARTITION, headers.number(SOURCE_PARTITION))?),
                offset: Offset(required(SOURCE_OFFSET, headers.number(SOURCE_OFFSET))?),
            },
            timestamp: headers.number(SOURCE_TIMESTAMP)?,
            schema: schema_id.map(SchemaRef::Id).or(schema_guid.map(SchemaRef::Guid)),
            subject: headers.text(SCHEMA_SUBJECT)?,
            version: headers.number(SCHEMA_VERSION)?.map(Version),
            format: headers.parsed(SCHEMA_FORMAT, "avro, json or protobuf", format)?,
            target: headers.number(TARGET_VERSION)?.map(Version),
            gate: headers.text(GATE)?.unwrap_or_default(),
            gate_version: headers.text(GATE_VERSION)?.unwrap_or_default(),
            attempt: required(ATTEMPT, headers.number(ATTEMPT))?,
        })
    }

    /// Returns the fault in one line for the profiles: code, path and detail.
    pub(super) fn sentence(&self) -> String {
        let detail = one_line(self.detail);
        match self.path {
            None if detail.is_empty() => self.reason.to_string(),
            Some(path) if detail.is_empty() => format!("{} at '{}'", self.reason, one_line(path)),
            Some(path) => format!("{} at '{}': {detail}", self.reason, one_line(path)),
            None => format!("{}: {detail}", self.reason),
        }
    }
}

/// The reading side of a record's headers.
struct Headers<'a, 'h>(&'h [Header<'a>]);

impl<'a> Headers<'a, '_> {
    fn text(&self, header: &'static str) -> Result<Option<&'a str>, Error> {
        let value = self.0.iter().rev().filter(|found| found.name == header).find_map(|found| found.value);
        value.map(|bytes| std::str::from_utf8(bytes).map_err(|_| Error::NotUtf8 { header })).transpose()
    }

    fn parsed<T>(
        &self,
        header: &'static str,
        expected: &'static str,
        parse: impl FnOnce(&str) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(text) = self.text(header)? else {
            return Ok(None);
        };
        let invalid = || Error::Invalid { header, value: one_line(text).into_owned(), expected };
        parse(text).map(Some).ok_or_else(invalid)
    }

    fn number<T: std::str::FromStr>(&self, header: &'static str) -> Result<Option<T>, Error> {
        self.parsed(header, "a decimal number in range", |text| text.parse().ok())
    }
}

fn required<T>(header: &'static str, found: Result<Option<T>, Error>) -> Result<T, Error> {
    found?.ok_or(Error::Missing { header })
}

fn part(name: &str) -> Option<Part> {
    [Part::Key, Part::Value].into_iter().find(|part| part.name() == name)
}

fn format(name: &str) -> Option<Format> {
    [Format::Avro, Format::Json, Format::Protobuf].into_iter().find(|format| format.name() == name)
}

fn guid(text: &str) -> Option<SchemaGuid> {
    let digits = text.replace('-', "");
    let plain = digits.len() == 32 && digits.bytes().all(|digit| digit.is_ascii_hexdigit());
    plain.then(|| u128::from_str_radix(&digits, 16).ok()).flatten().map(|guid| SchemaGuid(guid.to_be_bytes()))
}

pub(super) fn text(text: &str) -> Cow<'_, [u8]> {
    Cow::Borrowed(text.as_bytes())
}

pub(super) fn decimal<'h>(number: impl ToString) -> Cow<'h, [u8]> {
    Cow::Owned(number.to_string().into_bytes())
}

fn bounded(text: &str) -> Cow<'_, [u8]> {
    match one_line(text) {
        Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
        Cow::Owned(text) => Cow::Owned(text.into_bytes()),
    }
}

/// Cuts a text at [`TEXT_LIMIT`] between two characters, and puts a blank for each control character and line end.
#[must_use]
pub fn one_line(text: &str) -> Cow<'_, str> {
    let text = &text[..text.floor_char_boundary(TEXT_LIMIT)];
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    // Nearly all are plain ASCII, which is seen sooner by bytes.
    let is_one = text.bytes().all(|byte| matches!(byte, b' '..=b'~')) || !text.contains(breaks);
    if is_one { Cow::Borrowed(text) } else { Cow::Owned(text.replace(breaks, " ")) }
}

#[cfg(test)]
mod tests;
