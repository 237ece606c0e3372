//! Dashboards and alerts as files: what they name exists, each says what to do, and promtool finds the rules good.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]

mod alerts;
#[path = "../common/mod.rs"]
mod common;
mod dashboards;
mod server;
