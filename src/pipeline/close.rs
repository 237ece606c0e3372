//! Closing the consumer: on every way out, a panic included, and without waiting for ever.
//!
//! rdkafka's drop waits until a consumer is closed, and librdkafka closes it once every
//! rebalance is answered: one that was noted and never answered would hang there. Once it
//! terminates, and not before, it takes any assignment as letting go of all. It also waits
//! for commits of offsets that are under way, for a minute where the group's coordinator
//! hangs; a stop does not wait for that, since nobody will take the answer.

use std::ops::Deref;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;

use super::Settings;
use super::consume::Consumer;
use super::watchdog::{self, Call};

/// How long a stop waits for it, beside what the transaction before may have taken.
const STOP_LIMIT: Duration = Duration::from_secs(4);

/// A consumer that is closed when this is dropped.
pub(super) struct Closing<'s> {
    /// There until it is dropped.
    consumer: Option<Consumer>,
    settings: &'s Settings,
}

impl Deref for Closing<'_> {
    type Target = Consumer;

    fn deref(&self) -> &Consumer {
        self.consumer.as_ref().expect("the consumer is taken by the drop alone")
    }
}

impl<'s> Closing<'s> {
    pub(super) fn new(consumer: Consumer, settings: &'s Settings) -> Self {
        Self { consumer: Some(consumer), settings }
    }
}

impl Drop for Closing<'_> {
    fn drop(&mut self) {
        let Some(consumer) = self.consumer.take() else { return };
        consumer.context().close();
        // The consumer is about to be gone: there is nothing to do about a failure.
        consumer.close_queue().ok();
        consumer.unassign().ok();
        let call = Call { gate: self.settings.gate.name.as_str().into(), name: "close", state: "leaving the group" };
        let watch = watchdog::watch(call, watchdog::ENDING);
        if !self.settings.stop.is_asked() {
            drop(consumer);
            return;
        }
        let (give, take) = mpsc::sync_channel(1);
        let close = move || {
            drop(consumer);
            drop(watch);
            give.send(()).ok();
        };
        // Without a thread the consumer was dropped with the closure, here.
        if thread::Builder::new().name("close".to_owned()).spawn(close).is_ok()
            && take.recv_timeout(STOP_LIMIT) == Err(RecvTimeoutError::Timeout)
        {
            tracing::warn!(
                gate = self.settings.probe.gate(),
                "the group was not left: its coordinator does not answer"
            );
        }
    }
}
