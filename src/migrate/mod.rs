//! Migration jobs: a whole topic copied to another one, exactly once, so that consumer groups can move with exact offsets.
//!
//! ```text
//!  source ─> lane 0: partitions 0, 3, …  ─┐               ┌─> target topic
//!         ─> lane 1: partitions 1, 4, …  ─┼─ transaction ─┼─> {application}.{name}.map    where each record has gone
//!         ─> lane 2: partitions 2, 5, …  ─┘   of a lane   └─> {application}.{name}.state  how far the lane is
//! ```
//! - **A lane is one consumer, one transactional producer and one thread.** Their number is chosen when the job begins and kept in
//!   its state, so that partition p is in lane p mod lanes for ever, whoever runs the job.
//! - **One mechanism for everything that goes wrong**: the lane begins anew (`lane`). `init_transactions` with the lane's
//!   own `transactional.id` ends what an earlier owner has left open and fences it; then, and not before, the lane's
//!   checkpoint is read. So there is no abort, no rewind, and no doubt about a commit: whether it happened stands
//!   in the checkpoint. A lane that is fenced looks into the job's state first, where somebody may have abandoned it.
//! - **The checkpoint is a record of the state topic**, written in the transaction of the copy: it is on the cluster of the target,
//!   so that one transaction holds all of it wherever the source is. Each lane has a partition of its own there (partition 0 is
//!   the job's): an open transaction of one lane would else hide the checkpoint of another from readers that read committed.
//! - **The map is written in the same transaction**, from the delivery reports of the copies ([`offsets`]); so it is as
//!   exact as the copy.
//! - **Where the job ends is fixed when it begins** (or never, with `--follow`), and so is where it begins: what retention has deleted
//!   between the two stops the job, with what is missing.
//!
//! What must always hold: a checkpoint, the copies of all records before it and their map commit together or not at all;
//! the source is never written.

pub mod abandon;
mod born;
mod cast;
mod convert;
mod copy;
pub mod cut_over;
mod error;
mod fences;
mod fixed;
mod fresh;
mod groups;
mod identity;
mod imports;
pub mod job;
mod keep;
mod lane;
mod layout;
mod left_out;
pub mod offsets;
pub mod plan;
mod reading;
mod relay;
mod scan;
pub mod schemas;
mod settle;
pub mod state;
pub mod status;
pub mod store;
pub mod verify;
mod watch;
pub mod ways;
mod writing;

use std::time::{SystemTime, UNIX_EPOCH};

pub use cast::{Cast, Side};
pub use error::Error;
pub use fixed::conversion;
pub use lane::Counts;

/// Returns the time in milliseconds since 1970-01-01 UTC.
fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}
