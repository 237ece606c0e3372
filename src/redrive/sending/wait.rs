//! What a redrive waits for between two dead letters: schemas, a registry that does not answer, and the rate that it was given.

use std::thread;
use std::time::Duration;

use super::{Sending, Stopped};
use crate::gate::verdict::Needs;
use crate::registry::client;
use crate::registry::schemas::{self, Backoff};

/// Pause before a registry is asked again that did not answer what a condition has to know.
const REGISTRY_PAUSE: Duration = Duration::from_secs(5);

impl Sending<'_> {
    /// Asks the registry, however long that takes; tells whether it has answered before it was asked to stop.
    #[cold]
    pub(super) fn fetch(&mut self, needs: &Needs) -> Result<bool, Stopped> {
        let mut backoff = Backoff::default();
        // What is under way does not wait with it.
        self.commit_open()?;
        loop {
            let error = match self.judge.ask(needs) {
                Ok(()) => return Ok(true),
                Err(error @ schemas::Error::Target(_)) => return Err(Stopped::Error(error.into())),
                Err(error) => error,
            };
            tracing::warn!(%error, "the redrive waits for the registry");
            if self.run.wait(backoff.next(&error)) {
                return Ok(false);
            }
        }
    }

    /// Waits for a registry that did not answer; tells whether that was over before it was asked to stop.
    #[cold]
    pub(super) fn wait_for_registry(&mut self, error: &client::Error) -> Result<bool, Stopped> {
        self.commit_open()?;
        tracing::warn!(%error, "the redrive waits for the registry");
        Ok(!self.run.wait(REGISTRY_PAUSE))
    }

    /// Waits until the rate allows the next record; tells whether that was before it was asked to stop.
    pub(super) fn wait_for_pace(&mut self) -> Result<bool, Stopped> {
        while self.pace.is_ahead() {
            if self.run.stop.is_asked() {
                return Ok(false);
            }
            self.commit_if_due()?;
            thread::sleep(Duration::from_millis(5));
        }
        Ok(true)
    }
}
