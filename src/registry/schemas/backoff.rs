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
        let mut random = rand::rng();
        let pause = match error {
            // Not before its time, or the answer would be the same.
            Error::NotYet { retry_after, .. } => return retry_after.mul_f64(random.random_range(1.0..1.25)),
            Error::Registry(_) | Error::Changed(_) | Error::Target(_) | Error::Compiler => {
                FIRST.saturating_mul(1 << self.failures.min(8))
            }
        };
        self.failures = self.failures.saturating_add(1);
        // Pipelines that were stopped by the same outage must not come back in step.
        pause.min(LONGEST).mul_f64(random.random_range(0.5..1.0))
    }

    /// Starts again after an answer.
    pub fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{SchemaId, SchemaRef};

    #[test]
    fn pauses_grow_to_a_limit_and_start_again() {
        let error = Error::Target("missing".into());
        let mut backoff = Backoff::default();
        let mut longest = FIRST;
        for _ in 0..40 {
            let pause = backoff.next(&error);
            assert!(longest / 2 <= pause && pause <= longest, "{pause:?} is not within half of {longest:?}");
            longest = (longest * 2).min(LONGEST);
        }
        backoff.reset();
        assert!(backoff.next(&error) <= FIRST);
    }

    #[test]
    fn a_grace_is_waited_for_as_long_as_it_says() {
        let retry_after = Duration::from_secs(2);
        let error = Error::NotYet { schema: SchemaRef::Id(SchemaId(1)), subject: None, retry_after };
        let pause = Backoff::default().next(&error);
        assert!(retry_after <= pause && pause <= retry_after * 5 / 4, "{pause:?}");
    }
}
