//! Why a partition is held back: the closed set of causes that are not the record's fault.
//!
//! The counterpart of `violation::ReasonCode`. A cause is a metric label, a field of
//! `/status` and a word in the log; names may be added, never changed.

use std::fmt;

/// Why a partition waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum HoldCause {
    /// The registry does not answer, or answers that it cannot.
    RegistryUnavailable,
    /// The registry does not know a schema yet; the grace time runs.
    UnknownSchema,
    /// A schema that we cannot compile.
    UnusableSchema,
    /// An output topic cannot be written, or the target version cannot be read.
    TargetUnavailable,
    /// The committed offset is no longer, or not yet, in the source.
    OffsetOutOfRange,
    /// A record fits no output.
    Oversize,
    /// A record that its output refuses, and the dead letters too.
    RecordRefused,
    /// The source partition cannot be read: its leader is away, or refuses.
    SourceUnavailable,
    /// A batch of the source does not pass its checksum, or cannot be decompressed.
    UnreadableBatch,
    /// Too many records are dead letters: an operator has to say that this is meant.
    DeadLetterLimit,
    /// The gate cannot serve the partition as configured, such as outputs with another number of partitions.
    Misconfigured,
}

impl HoldCause {
    /// All causes.
    pub const ALL: [Self; 11] = [
        Self::RegistryUnavailable,
        Self::UnknownSchema,
        Self::UnusableSchema,
        Self::TargetUnavailable,
        Self::OffsetOutOfRange,
        Self::Oversize,
        Self::RecordRefused,
        Self::SourceUnavailable,
        Self::UnreadableBatch,
        Self::DeadLetterLimit,
        Self::Misconfigured,
    ];

    /// Returns the stable name: metric label and status field.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RegistryUnavailable => "registry_unavailable",
            Self::UnknownSchema => "unknown_schema",
            Self::UnusableSchema => "unusable_schema",
            Self::TargetUnavailable => "target_unavailable",
            Self::OffsetOutOfRange => "offset_out_of_range",
            Self::Oversize => "oversize",
            Self::RecordRefused => "record_refused",
            Self::SourceUnavailable => "source_unavailable",
            Self::UnreadableBatch => "unreadable_batch",
            Self::DeadLetterLimit => "dead_letter_limit",
            Self::Misconfigured => "misconfigured",
        }
    }
}

impl fmt::Display for HoldCause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
