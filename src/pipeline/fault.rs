//! What ends a turn of the loop before its end, and what librdkafka allows after an error.
//!
//! librdkafka's errors are of three kinds (its INTRODUCTION.md): retriable (the same call
//! again, with the same arguments), abortable, and all others, which leave the producer of
//! no use ([`Fault::Lost`]).

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Error;

/// What ends a turn of the loop before its end.
#[derive(Debug)]
pub(super) enum Fault {
    /// The transaction cannot commit: abort, go back, do it again.
    Abort(String),
    /// The producer is of no more use: make a new one, ask the broker how far we are.
    Lost { why: String, is_fenced: bool },
    /// The same, and its commit may have happened: of all steps of a transaction only that one leaves such a doubt.
    Unsettled { why: String },
    /// The consumer is of no more use: make a new one and join again.
    ConsumerLost(String),
    /// The pipeline cannot go on.
    Fatal(Error),
}

impl Fault {
    /// Makes the fault of a question to the cluster: to be asked again, unless a right is missing.
    pub(super) fn asking(what: &str, error: &KafkaError) -> Self {
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::TopicAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed,
            ) => Self::Fatal(Error::NotAuthorised { what: what.to_owned(), reason: error.to_string() }),
            _ => Self::Abort(format!("could not {what}: {error}")),
        }
    }

    /// Makes the fault of a transactional call that left the producer of no use.
    pub(super) fn lost(step: &str, error: &KafkaError) -> Self {
        let why = format!("could not {step}: {}", plain(error));
        match error.rdkafka_error_code() {
            Some(
                RDKafkaErrorCode::TransactionalIdAuthorizationFailed
                | RDKafkaErrorCode::ClusterAuthorizationFailed
                | RDKafkaErrorCode::GroupAuthorizationFailed,
            ) => Self::Fatal(Error::NotAuthorised { what: step.to_owned(), reason: plain(error) }),
            Some(
                RDKafkaErrorCode::Fenced | RDKafkaErrorCode::ProducerFenced | RDKafkaErrorCode::InvalidProducerEpoch,
            ) => Self::Lost { why, is_fenced: true },
            _ => Self::Lost { why, is_fenced: false },
        }
    }
}

/// What librdkafka allows after an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Retriable,
    Abortable,
    Lost,
}

impl Kind {
    pub(super) fn of(error: &KafkaError) -> Self {
        let KafkaError::Transaction(error) = error else {
            return if matches!(error, KafkaError::Flush(_)) { Self::Retriable } else { Self::Lost };
        };
        if error.is_fatal() || error.code() == RDKafkaErrorCode::GroupAuthorizationFailed {
            // librdkafka would let us abort and try again; without the right to the group that never ends.
            Self::Lost
        } else if error.txn_requires_abort() {
            Self::Abortable
        } else if error.is_retriable() {
            Self::Retriable
        } else {
            // No flag means that librdkafka knows no way on.
            Self::Lost
        }
    }
}

/// Returns the message without rdkafka's debug decoration.
pub(super) fn plain(error: &KafkaError) -> String {
    if let KafkaError::Transaction(error) = error {
        return format!("{} ({})", error.string(), error.name());
    }
    error.to_string()
}
