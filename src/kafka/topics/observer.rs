//! Why a cluster cannot be reached, as the client that lists its topics is told.

use std::sync::{Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::kafka::refusal;

/// Remembers why a connection failed: the calls only say that none came about.
#[derive(Debug, Default)]
pub(super) struct Context {
    reason: Mutex<Option<String>>,
}

impl Context {
    pub(super) fn reason(&self) -> Option<String> {
        self.reason.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// A broker has answered: what kept another from it is no reason any more.
    pub(super) fn forget(&self) {
        *self.reason.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Remembers a reason, unless an earlier one tells more: a second attempt may fail without the words of the first.
    fn note(&self, reason: &str) {
        let mut last = self.reason.lock().unwrap_or_else(PoisonError::into_inner);
        if refusal::hint(reason).is_some() || last.as_deref().and_then(refusal::hint).is_none() {
            *last = Some(reason.to_owned());
        }
    }
}

impl ClientContext for Context {
    fn error(&self, error: KafkaError, reason: &str) {
        // That all brokers are down follows from the reason, and would hide it.
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            self.note(reason);
        }
    }

    fn log(&self, _: RDKafkaLogLevel, facility: &str, text: &str) {
        // A connection that is cut in its first words, as by a listener of another protocol, is told here only.
        if facility == "FAIL" {
            self.note(text);
        }
        tracing::debug!(target: "librdkafka", facility, text);
    }
}

impl ProducerContext for Context {
    type DeliveryOpaque = ();

    fn delivery(&self, _: &DeliveryResult<'_>, (): ()) {}
}
