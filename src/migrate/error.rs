//! Why a job cannot go on. Each message says what to do.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{offsets, state};
use crate::kafka::blame::is_size;
use crate::kafka::topics;

/// Why a job cannot go on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Topics or the command line are not as the job needs them.
    #[error("{0}")]
    Unsuitable(String),
    /// There is no state of such a job on the cluster.
    #[error("job '{0}' has not begun: topic '{0}.state' has no job; begin it with `sluice migrate run`")]
    NotBegun(String),
    /// Somebody gave the job up.
    #[error(
        "job '{0}' was abandoned; nothing is copied any more. `sluice migrate abandon` without --keep-topics removes what it made; a \
         job of another name begins anew"
    )]
    Abandoned(String),
    /// The source has lost records that were not copied.
    #[error(
        "partition {partition} of '{topic}' has lost the records from offset {from} up to {to} before they were copied, by its \
         retention; nothing was skipped. Keep records longer (retention.ms), or abandon the job and begin anew without them"
    )]
    Deleted {
        /// The source.
        topic: String,
        /// The partition.
        partition: i32,
        /// The first offset that is lost.
        from: i64,
        /// The first offset that is there.
        to: i64,
    },
    /// Topics or clusters are not what they were when the job began, or the job itself is not what it was.
    #[error("{0}")]
    Changed(String),
    /// A record that the target takes in no form.
    #[error(
        "the record at {topic}-{partition}@{offset} is not taken by '{to}': {code}; the job stops before it. Let the topic take it{}, then run again",
        settings(*code)
    )]
    Refused {
        /// The source.
        topic: String,
        /// The partition of the record.
        partition: i32,
        /// The offset of the record.
        offset: i64,
        /// The target.
        to: String,
        /// The brokers' answer.
        code: RDKafkaErrorCode,
    },
    /// A record names a schema that the target's registry cannot have.
    #[error("the record at {topic}-{partition}@{offset} cannot be copied: {problem}; the job stops before it")]
    Schema {
        /// The source.
        topic: String,
        /// The partition of the record.
        partition: i32,
        /// The offset of the record.
        offset: i64,
        /// What stands against it.
        problem: String,
    },
    /// Somebody else runs the same lane.
    #[error(
        "fenced twice in short time by one that copies: another process uses transactional.id '{0}'; the job runs elsewhere too, stop one of the two"
    )]
    Fenced(String),
    /// The cluster was asked and did not answer, or refused.
    #[error("{what}: {reason}")]
    Kafka {
        /// What was tried.
        what: String,
        /// The answer.
        reason: String,
    },
    /// Topics cannot be listed, described or created.
    #[error(transparent)]
    Topics(#[from] topics::Error),
    /// The state cannot be read.
    #[error(transparent)]
    State(#[from] state::Damaged),
    /// The map cannot be read.
    #[error(transparent)]
    Map(#[from] offsets::Damaged),
    /// A thread of the job panicked; the line before says where.
    #[error("a bug of sluice stopped the job; run again with RUST_BACKTRACE=1 and report it")]
    Panicked,
}

/// Returns the settings of a topic that make it refuse a record, as an insertion.
#[expect(
    clippy::wildcard_enum_match_arm,
    reason = "librdkafka has hundreds of codes, and others say nothing of settings"
)]
fn settings(code: RDKafkaErrorCode) -> &'static str {
    match code {
        RDKafkaErrorCode::InvalidRecord => " (a compacted topic takes no record without a key: cleanup.policy)",
        RDKafkaErrorCode::InvalidTimestamp => " (message.timestamp.before.max.ms, message.timestamp.after.max.ms)",
        RDKafkaErrorCode::MessageBatchTooLarge => " (segment.bytes)",
        code if is_size(code) => " (max.message.bytes)",
        _ => "",
    }
}

impl Error {
    /// Makes the error of a question.
    pub(super) fn asking(what: impl Into<String>, error: &KafkaError) -> Self {
        Self::Kafka { what: format!("could not {}", what.into()), reason: error.to_string() }
    }

    /// Tells whether the configuration, the command line or the topics are at fault, and no further attempt helps.
    #[must_use]
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Unsuitable(_) | Self::NotBegun(_) => true,
            Self::Topics(error) => !error.is_transient(),
            Self::Abandoned(_)
            | Self::Changed(_)
            | Self::Deleted { .. }
            | Self::Refused { .. }
            | Self::Schema { .. }
            | Self::Fenced(_)
            | Self::Kafka { .. }
            | Self::State(_)
            | Self::Map(_)
            | Self::Panicked => false,
        }
    }
}
