//! What ends an attempt to write, and whether another one may help.

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::blame::Blame;

/// Rights that no further attempt brings.
const FORBIDDEN: [RDKafkaErrorCode; 5] = [
    RDKafkaErrorCode::TransactionalIdAuthorizationFailed,
    RDKafkaErrorCode::ClusterAuthorizationFailed,
    RDKafkaErrorCode::TopicAuthorizationFailed,
    RDKafkaErrorCode::GroupAuthorizationFailed,
    RDKafkaErrorCode::Authentication,
];

/// Whoever has taken the role is told by one of these.
const FENCED: [RDKafkaErrorCode; 3] =
    [RDKafkaErrorCode::Fenced, RDKafkaErrorCode::ProducerFenced, RDKafkaErrorCode::InvalidProducerEpoch];

/// Why an attempt ended.
#[derive(Debug)]
pub(crate) struct Trouble {
    /// One line.
    pub(crate) why: String,
    /// Whether somebody else has taken the role, or the coordinator has ended the transaction.
    pub(crate) is_fenced: bool,
    /// Whether the transaction before is still being ended.
    pub(crate) is_busy: bool,
    /// Whether no further attempt helps.
    pub(crate) is_final: bool,
    /// The record that was refused for what it is, by its tag.
    pub(crate) refused: Option<(usize, RDKafkaErrorCode)>,
}

impl Trouble {
    pub(crate) fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), is_fenced: false, is_busy: false, is_final: false, refused: None }
    }

    /// Makes one that no further attempt mends.
    pub(crate) fn last(why: impl Into<String>) -> Self {
        Self { is_final: true, ..Self::new(why) }
    }

    pub(crate) fn of(step: &str, error: &KafkaError) -> Self {
        let code = error.rdkafka_error_code();
        let is_fenced = code.is_some_and(|code| FENCED.contains(&code));
        let text = if let KafkaError::Transaction(error) = error { error.string() } else { error.to_string() };
        let is_busy = code == Some(RDKafkaErrorCode::ConcurrentTransactions);
        let is_final = code.is_some_and(|code| FORBIDDEN.contains(&code));
        Self { is_fenced, is_busy, is_final, ..Self::new(format!("could not {step}: {text}")) }
    }

    /// A record that was not taken: for its own sake, or because something else has ended the transaction.
    pub(crate) fn not_taken(tag: usize, code: RDKafkaErrorCode) -> Self {
        let refused = (Blame::of(code) == Blame::Record).then_some((tag, code));
        let (is_fenced, is_final) = (FENCED.contains(&code), FORBIDDEN.contains(&code));
        Self { refused, is_fenced, is_final, ..Self::new(format!("the brokers took no record: {code}")) }
    }
}
