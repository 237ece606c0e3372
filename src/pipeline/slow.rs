//! Conversions that take long, and the transaction that waits for them.
//!
//! A batch of a thousand slow records would outlast its transaction: the coordinator aborts it, and fences us. So once a
//! conversion took long, and never else, we look how old the transaction is, and commit in the middle of the batch.

use std::sync::LazyLock;
use std::time::{Duration, Instant};

use super::Fault;
use super::run::Loop;

/// A transaction is committed when it is so old: as a part of its timeout.
const PART: u32 = 3;

/// Tells conversions the time.
pub(crate) fn clock() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    START.elapsed()
}

impl Loop<'_> {
    /// Commits what there is, where slow conversions have made the transaction old.
    #[cold]
    pub(super) fn spare_transaction(&mut self) -> Result<(), Fault> {
        self.settings.probe.metrics().overtime(self.rewrite.pace().take_overtime());
        self.settings.probe.beat(Instant::now());
        let limit = self.settings.config.kafka.transaction_timeout() / PART;
        match self.output.began() {
            Some(began) if began.elapsed() >= limit => self.commit(),
            Some(_) | None => Ok(()),
        }
    }
}
