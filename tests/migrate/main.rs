//! Migration jobs on a real Kafka: copies, kills, cut-overs, what `verify` finds.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;
mod conversions;
mod converted_schemas;
mod copies;
mod cut_overs;
mod ends;
mod faults;
mod forgeries;
mod held;
mod job;
mod kept_schemas;
mod moves;
mod orders;
mod schemas;
mod source;
mod ways;
mod ways_back;
