//! When the holder of a partition asks again.

use std::time::Duration;

use rand::Rng as _;

use super::error::Error;

/// The first pause after a failure.
const FIRST: Duration = Duration::from_millis(250);
/// The longest pause: a registry that comes back is noticed within it.
const LONGEST: Duration = Duration::from_secs(15);

/// Growing, jittered pauses; one for each thing that is asked again and again.
#[derive(Debug, Clone, Default)]
pub struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Returns how long to wait after this failure.
    pub fn next(&mut self, error: &Error) -> Duration {
        let pause = match error {
            Error::NotYet { retry_after, .. } => return *retry_after,
            Error::Registry(_) | Error::Target(_) | Error::Compiler => FIRST.saturating_mul(1 << self.failures.min(8)),
        };
        self.failures = self.failures.saturating_add(1);
        // Pipelines that were stopped by the same outage must not come back in step.
        pause.min(LONGEST).mul_f64(rand::rng().random_range(0.5..1.0))
    }

    /// Starts again after an answer.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}
