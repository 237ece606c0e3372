//! `sluice dead-letters redrive` on a real Kafka.
#![allow(clippy::unwrap_used, clippy::panic, reason = "helpers of tests may")]

mod attempts;
#[path = "../common/mod.rs"]
mod common;
mod dry;
mod fences;
mod jobs;
mod moments;
mod once;
mod rules;
mod shop;
mod writer;
