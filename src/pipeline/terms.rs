//! What a pipeline's transactions are made with, and how long their steps may take.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Stop;
use super::end::Backoff;
use super::watchdog::{self, Call, Watch};
use crate::config::Delivery;

/// What a pipeline's transactions are made with.
#[derive(Debug, Clone)]
pub(super) struct Terms {
    /// The gate, for messages.
    pub(super) gate: Arc<str>,
    pub(super) delivery: Delivery,
    /// How long one step may take: the transaction timeout, after which the coordinator aborts anyway.
    pub(super) limit: Duration,
    /// How long the producer waits before it sends a request again.
    pub(super) backoff: Backoff,
    /// Ends what is under way sooner.
    pub(super) stop: Stop,
}

impl Terms {
    /// Watches a call of the producer.
    pub(super) fn watch(&self, name: &'static str, state: &'static str) -> Watch {
        watchdog::watch(self.call(name, state), self.limit)
    }

    pub(super) fn call(&self, name: &'static str, state: &'static str) -> Call {
        Call { gate: Arc::clone(&self.gate), name, state }
    }

    /// Tells whether a step that began then has had its time.
    pub(super) fn is_over(&self, began: Instant) -> bool {
        began.elapsed() > self.limit || self.stop.is_overdue()
    }
}
