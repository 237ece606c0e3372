//! Header profiles: a dead letter in the words of Kafka Connect, Kafka Streams or Spring.
//!
//! Tools for dead letters exist for these three, and each reads headers of its own. A
//! profile adds that set to ours, which is always written since redrive needs it. What
//! stands for an exception class is `sluice.{reason}`, stable as the reason codes are;
//! there is no stack trace, for there is no stack that tells anything about the data.
//!
//! A record may bring a set of the same names along, from an earlier failure elsewhere.
//! It goes as a whole: half of it would lend its stack trace to our reason.

use std::borrow::Cow;

use super::dead_letter::{DeadLetter, WrittenHeader, decimal, text};
use crate::record::{Header, Part};
use crate::violation::{ReasonCode, Stage};

/// The class that Connect calls executing: the one at work when the record failed.
const EXECUTING_CLASS: &str = "sluice.Gate";

/// What stands for the class of an exception begins with this.
const CLASS_PREFIX: &str = "sluice.";

const CONNECT_CLASS: &str = "__connect.errors.exception.class.name";
const STREAMS_CLASS: &str = "__streams.errors.exception";
const SPRING_CLASS: &str = "kafka_dlt-exception-fqcn";
const SPRING_KEY_CLASS: &str = "kafka_dlt-key-exception-fqcn";

/// A set of dead-letter headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Profile {
    /// Our own headers, which are written whether named or not.
    Sluice,
    /// `__connect.errors.*` (KIP-298): text, numbers in decimal.
    Connect,
    /// `__streams.errors.*` (KIP-1034): text, numbers in decimal.
    Streams,
    /// `kafka_dlt-*` of Spring for Apache Kafka: partition, offset and timestamp as big-endian integers.
    Spring,
}

impl Profile {
    /// All profiles, in the order in which they are written.
    pub const ALL: [Self; 4] = [Self::Sluice, Self::Connect, Self::Streams, Self::Spring];

    /// Returns the name in the configuration.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Sluice => "sluice",
            Self::Connect => "connect",
            Self::Streams => "streams",
            Self::Spring => "spring",
        }
    }

    /// Finds a profile by its name in the configuration.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|profile| profile.name() == name)
    }

    /// Tells whether a header belongs to the set that this profile adds to ours.
    pub(super) fn owns(self, header: &str) -> bool {
        match self {
            Self::Sluice => false,
            Self::Connect => header.starts_with("__connect.errors."),
            Self::Streams => header.starts_with("__streams.errors."),
            Self::Spring => header.starts_with("kafka_dlt-"),
        }
    }

    /// Tells whether the set of this profile among these headers is one that we have written, and not one that the record has brought
    /// along: what stands for the exception's class says so.
    #[must_use]
    pub fn is_ours(self, headers: &[Header<'_>]) -> bool {
        let classes: &[&str] = match self {
            Self::Sluice => &[],
            Self::Connect => &[CONNECT_CLASS],
            Self::Streams => &[STREAMS_CLASS],
            Self::Spring => &[SPRING_CLASS, SPRING_KEY_CLASS],
        };
        let is_ours = |value: &[u8]| value.starts_with(CLASS_PREFIX.as_bytes());
        headers.iter().any(|header| classes.contains(&header.name) && header.value.is_some_and(is_ours))
    }

    /// Writes what this profile adds to our own headers.
    pub(super) fn write<'h>(self, letter: &DeadLetter<'h>, out: &mut Vec<WrittenHeader<'h>>) {
        let mut put = |name, value| out.push((name, Some(value)));
        match self {
            Self::Sluice => {}
            Self::Connect => write_connect(letter, &mut put),
            Self::Streams => write_streams(letter, &mut put),
            Self::Spring => write_spring(letter, &mut put),
        }
    }
}

fn write_connect<'h>(letter: &DeadLetter<'h>, put: &mut impl FnMut(&'h str, Cow<'h, [u8]>)) {
    put("__connect.errors.topic", text(letter.source.topic));
    put("__connect.errors.partition", decimal(letter.source.partition));
    put("__connect.errors.offset", decimal(letter.source.offset));
    put("__connect.errors.connector.name", text(letter.gate));
    // Readers of Connect's dead letters require a task number.
    put("__connect.errors.task.id", text("0"));
    put("__connect.errors.stage", text(connect_stage(letter)));
    put("__connect.errors.class.name", text(EXECUTING_CLASS));
    put(CONNECT_CLASS, exception_class(letter));
    put("__connect.errors.exception.message", message(letter));
}

/// Returns the name in Connect's `Stage` that is nearest to where the record failed.
fn connect_stage(letter: &DeadLetter<'_>) -> &'static str {
    let converter = match letter.part {
        Part::Key => "KEY_CONVERTER",
        Part::Value => "VALUE_CONVERTER",
    };
    match letter.reason.stage() {
        Stage::Frame | Stage::Schema | Stage::Datum => converter,
        Stage::Rules | Stage::Target => "TRANSFORMATION",
        Stage::Record if matches!(letter.reason, ReasonCode::TooLarge | ReasonCode::BrokerRejected) => "KAFKA_PRODUCE",
        Stage::Record => converter,
    }
}

fn write_streams<'h>(letter: &DeadLetter<'h>, put: &mut impl FnMut(&'h str, Cow<'h, [u8]>)) {
    put(STREAMS_CLASS, exception_class(letter));
    put("__streams.errors.message", message(letter));
    put("__streams.errors.topic", text(letter.source.topic));
    put("__streams.errors.partition", decimal(letter.source.partition));
    put("__streams.errors.offset", decimal(letter.source.offset));
}

fn write_spring<'h>(letter: &DeadLetter<'h>, put: &mut impl FnMut(&'h str, Cow<'h, [u8]>)) {
    put("kafka_dlt-original-topic", text(letter.source.topic));
    put("kafka_dlt-original-partition", binary(letter.source.partition.0.to_be_bytes()));
    put("kafka_dlt-original-offset", binary(letter.source.offset.0.to_be_bytes()));
    if let Some(timestamp) = letter.timestamp {
        put("kafka_dlt-original-timestamp", binary(timestamp.to_be_bytes()));
    }
    // Spring keeps a failed key apart from a failed value.
    let (class_name, message_name) = match letter.part {
        Part::Key => (SPRING_KEY_CLASS, "kafka_dlt-key-exception-message"),
        Part::Value => (SPRING_CLASS, "kafka_dlt-exception-message"),
    };
    put(class_name, exception_class(letter));
    put(message_name, message(letter));
}

fn exception_class<'h>(letter: &DeadLetter<'_>) -> Cow<'h, [u8]> {
    Cow::Owned(format!("{CLASS_PREFIX}{}", letter.reason).into_bytes())
}

fn message<'h>(letter: &DeadLetter<'_>) -> Cow<'h, [u8]> {
    Cow::Owned(letter.sentence().into_bytes())
}

fn binary<'h, const N: usize>(bytes: [u8; N]) -> Cow<'h, [u8]> {
    Cow::Owned(bytes.to_vec())
}

#[cfg(test)]
mod tests;
