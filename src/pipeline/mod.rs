//! The pipeline: one consumer, one transactional producer and one thread, for one gate.
//!
//! ```text
//!  consume ──> Gate::decide ──> output (stage) ──> commit (records + offsets)
//!     ^            │ NeedSchemas                        │ Fault
//!     │            v                                    v
//!  rebalance     hold ──> fetch ──> registry         recover (abort, rewind, rebuild)
//! ```
//!
//! `run` is the loop and the place to begin reading. Beside it, a file per concern:
//! `consume` polls, `assignment` knows how far each partition has come, `output` and
//! `commit` are the transaction, `rebalance` gives and takes partitions, `hold` stops and
//! releases them (`breaker` all, when there are too many dead letters), `recover` goes back after a fault and
//! `mend` makes good what it has cost, `start` makes the clients, `positions` finds first offsets,
//! `source` watches what cannot be read.
//!
//! What must always hold: an offset is committed only together with the outcome of every
//! record before it; a record is read again unless that commit happened; per partition,
//! records are staged in their order and only by the partition's owner.
//!
//! There is one queue crossing in and one out, both librdkafka's own.

mod aside;
mod assignment;
mod breaker;
mod close;
mod commit;
pub(crate) mod consume;
mod deliveries;
mod discover;
pub(crate) mod end;
pub(crate) mod failpoint;
mod fault;
pub(crate) mod fetch;
mod first;
mod hold;
pub(crate) mod letter;
mod map;
mod mappings;
mod mend;
mod offsets;
mod outage;
mod output;
mod positions;
pub(crate) mod preflight;
pub(crate) mod produce;
mod rebalance;
mod recover;
mod refused;
mod report;
mod room;
mod routes;
mod run;
mod search;
pub(crate) mod slow;
mod source;
mod staged;
mod start;
mod terms;
pub(crate) mod watchdog;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use crate::config::{Config, Gate};
use crate::registry::schemas::Schemas;
use crate::telemetry::Probe;
use crate::telemetry::current::Current;

use fault::Fault;
pub use run::run;

/// What a pipeline is made of.
#[derive(Debug)]
pub struct Settings {
    /// The whole configuration, of the time when the pipeline began.
    pub config: Arc<Config>,
    /// That of the process now, which a reload may have replaced: what the other gates are.
    pub latest: Arc<Current<Config>>,
    /// The gate that the pipeline belongs to.
    pub gate: Gate,
    /// Which of the gate's pipelines in this process it is, from 0.
    pub number: usize,
    /// Stands in for the instance where the configuration names none; one per process.
    pub random: String,
    /// The registry's schemas, shared by the process.
    pub schemas: Arc<Schemas>,
    /// Where registry questions run.
    pub runtime: tokio::runtime::Handle,
    /// Where it reports.
    pub probe: Probe,
    /// Set from outside to end it.
    pub stop: Stop,
}

/// How long a pipeline that is asked to stop tries to end its transaction. The clients have to be closed after that.
const STOP_GRACE: Duration = Duration::from_secs(3);

/// Asks pipelines to stop.
#[derive(Debug, Clone, Default)]
pub struct Stop(Arc<OnceLock<Instant>>);

impl Stop {
    /// Asks for it.
    pub fn stop(&self) {
        // Only the first to ask counts.
        self.0.set(Instant::now()).ok();
    }

    /// Tells whether somebody asked.
    #[must_use]
    pub fn is_asked(&self) -> bool {
        self.0.get().is_some()
    }

    /// Tells whether it was asked so long ago that what is under way is given up: a broker that has not answered by then
    /// will not, and what is not committed is read again.
    #[must_use]
    pub fn is_overdue(&self) -> bool {
        self.0.get().is_some_and(|asked| asked.elapsed() > STOP_GRACE)
    }
}

/// Why a pipeline ended by itself. Each message says what to do.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Topics or settings are not as the gate needs them, and no restart mends that.
    #[error("{reason}")]
    Configuration {
        /// What was found, and what to do.
        reason: String,
    },
    /// A client could not be made, or refused for good.
    #[error("{what}: {reason}")]
    Client {
        /// What was tried.
        what: &'static str,
        /// librdkafka's words.
        reason: String,
    },
    /// A right is missing.
    #[error("not authorised to {what}: {reason}; grant it with kafka-acls.sh, see `sluice check-config`")]
    NotAuthorised {
        /// What was tried.
        what: String,
        /// librdkafka's words.
        reason: String,
    },
    /// Somebody else uses the same transactional.id.
    #[error(
        "fenced twice in short time: another process uses transactional.id '{transactional_id}'; stop it, or give each process its own 'instance'"
    )]
    Fenced {
        /// The ID in question.
        transactional_id: String,
    },
    /// The pipeline's thread panicked; the line before says where.
    #[error("a bug of sluice stopped the pipeline; run again with RUST_BACKTRACE=1 and report it")]
    Panicked,
    /// The consumer was lost twice in short time.
    #[error(
        "the consumer of group '{group}' was refused twice in short time: {reason}; with 'instance' set, no two processes may share it"
    )]
    ConsumerLost {
        /// The group.
        group: String,
        /// librdkafka's words.
        reason: String,
    },
}
