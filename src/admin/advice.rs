//! What a cause of holding means to whoever is woken by it: what happened, and what to do.
//!
//! The short form of the table in the README; details of the one case come from the pipeline itself.

use crate::telemetry::HoldCause;

/// What is said of one cause.
#[derive(Debug, Clone, Copy)]
pub(super) struct Advice {
    /// What happened, to go on a sentence.
    pub(super) what: &'static str,
    /// What to do, or that nothing is to be done.
    pub(super) action: &'static str,
}

/// Returns what to say of a cause.
pub(super) fn of(cause: HoldCause) -> Advice {
    let (what, action) = match cause {
        HoldCause::RegistryUnavailable => (
            "the registry does not answer",
            "Mend the registry, or its address and credentials in 'registry'. Records go on by themselves then.",
        ),
        HoldCause::UnknownSchema => (
            "records name a schema that the registry does not know",
            "Ask whoever produces them to register their schema. Without it these records become dead letters.",
        ),
        HoldCause::UnusableSchema => (
            "a schema cannot be compiled",
            "Look at the schema. Registering it anew may help; 'unusable_schema: dead-letter' and a restart lets records go on.",
        ),
        HoldCause::TargetUnavailable => (
            "what is needed to write is not there",
            "Look at the brokers, at the output topics, and at the target version in the registry. It goes on by itself.",
        ),
        HoldCause::OffsetOutOfRange => (
            "the next record is not in the log any more",
            "Retention was faster than the gate: records are lost. Stop the gate, reset the group's offset, start it.",
        ),
        HoldCause::Oversize => (
            "a record is larger than its output takes",
            "Raise 'max.message.bytes' of the output or of the dead-letter topic. The record is tried again by itself.",
        ),
        HoldCause::RecordRefused => (
            "the brokers refuse a record",
            "Look at the settings of the output and of the dead-letter topic. The record is tried again by itself.",
        ),
        HoldCause::SourceUnavailable => (
            "the source cannot be read",
            "Look at the brokers, at the topic, and at the rights of the gate's user. It goes on by itself.",
        ),
        HoldCause::UnreadableBatch => (
            "a batch of the source is damaged",
            "Look at the broker's disk. To go on without the batch: stop the gate, reset the group behind it, start it.",
        ),
        HoldCause::DeadLetterLimit => (
            "so many records are dead letters that the gate waits for you",
            "Find the reason below and mend it at the producer or in the registry. Then let the gate go on.",
        ),
        HoldCause::Misconfigured => (
            "a topic cannot be served as it is configured",
            "Make its output topics, or correct the configuration. Topics are looked at again every 30 seconds.",
        ),
    };
    Advice { what, action }
}

/// Tells whether time alone mends it, or makes it dead letters, so that nobody has to be up.
pub(super) fn passes(cause: HoldCause) -> bool {
    cause == HoldCause::UnknownSchema
}
