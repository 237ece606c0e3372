//! What a delivery that failed is put down to: the record, another one in its batch, or what is mended from outside.

use rdkafka::error::RDKafkaErrorCode;

use super::ffi::Message;

/// What a failed delivery is put down to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Blame {
    /// The record, or one of those in its batch: no other attempt changes it.
    Record,
    /// Another record of its batch, which is named.
    Neighbour,
    /// The topic, the cluster, our rights: whatever is mended from outside.
    Topic,
    /// Nobody: it was taken back.
    Us,
}

impl Blame {
    /// Judges by the code alone, which may be the culprit's where there is one culprit in the batch.
    #[must_use]
    #[expect(clippy::wildcard_enum_match_arm, reason = "librdkafka has hundreds of codes, and all others are one case")]
    pub fn of(code: RDKafkaErrorCode) -> Self {
        match code {
            RDKafkaErrorCode::PurgeQueue | RDKafkaErrorCode::PurgeInflight => Self::Us,
            RDKafkaErrorCode::InvalidDifferentRecord => Self::Neighbour,
            RDKafkaErrorCode::InvalidRecord | RDKafkaErrorCode::InvalidTimestamp | RDKafkaErrorCode::InvalidMessage => {
                Self::Record
            }
            code if is_size(code) => Self::Record,
            _ => Self::Topic,
        }
    }

    /// Judges a delivery report.
    #[must_use]
    pub fn of_report<'m>(code: RDKafkaErrorCode, message: impl Into<Message<'m>>) -> Self {
        let blame = Self::of(code);
        if blame == Self::Record && message.into().is_neighbour() { Self::Neighbour } else { blame }
    }
}

/// Tells whether a batch was refused for its size: more than the topic takes, or than a segment of its log.
#[must_use]
pub fn is_size(code: RDKafkaErrorCode) -> bool {
    matches!(code, RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::MessageBatchTooLarge)
}
