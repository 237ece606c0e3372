//! A registry whose state is a topic: restarts, deaths, several nodes, outages, large logs, and logs of other registries.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::wildcard_enum_match_arm,
    clippy::cast_possible_truncation,
    reason = "helpers of tests may"
)]

#[path = "../common/mod.rs"]
mod common;

mod access;
#[path = "../poison/batch.rs"]
#[allow(dead_code, reason = "not each kind of damage is tried")]
mod batch;
mod check;
mod check_itself;
mod clients;
mod compaction;
mod foreign;
mod hammer;
mod node;
mod nodes;
mod outages;
mod restarts;
mod size;
#[cfg(feature = "tls")]
mod tls;
mod topics;

use std::time::Duration;

/// For a node to read its log, on a busy machine.
const READY: Duration = Duration::from_secs(60);
