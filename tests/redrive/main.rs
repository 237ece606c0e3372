//! `sluice dead-letters redrive` on a real Kafka.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

#[path = "../common/mod.rs"]
mod common;
mod dry;
mod shop;
