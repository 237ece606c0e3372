//! Sluice, a schema gate for Kafka: reads raw topics, checks every record in full against the registry schema that
//! it names, and routes it.
//!
//! ```text
//!                                            ┌─> validated     good, and readers of the target can read it
//!  source ─> consume ─> decide ─> stage ─────┼─> converter     good, of an incompatible version
//!              │          │ NeedSchemas      └─> dead letters  at fault, with the reason in headers
//!              │          v                        │
//!              │        hold ──> registry          v
//!              └──── offsets ─────────────────> commit: one Kafka transaction
//! ```
//!
//! # What the gate promises
//!
//! - Every record has exactly one outcome. Outputs and input offsets commit in one transaction (`at-least-once`, by choice:
//!   offsets after the outputs).
//! - Key, value, timestamp, headers and partition leave as they came, in order per partition.
//! - What is not the record's fault (registry, target, topics) holds its partition: nothing is lost, skipped or condemned.
//! - What is counted has been committed.
//!
//! # Where to begin
//!
//! [`pipeline`] is the loop, `pipeline/run.rs` its one function to read first; [`gate`] decides, purely; [`schema::avro`] is
//! the check. ARCHITECTURE.md has the map of all files, a record's way step by step, and what is not obvious. The crate is
//! the binary's library: its interface is made for the commands and the tests, and may change with any version.
//!
//! # Non-obvious, in brief
//!
//! - A committed offset is that of the *next* record; each doc says which one is meant.
//! - A violation is a value, a transient fault a held partition, and only a fatal one an error that ends something.
//! - A schema ID means something under a slot (source topic and part) only.
//! - A commit that timed out is made again and never aborted: it may have happened.
//! - The client hands a record out twice now and then, around a rebalance: what counts is the next record that we keep.
//! - Rebalances are noted inside `poll` and answered by the loop, after its transaction has ended.

pub mod admin;
mod bench;
pub mod cli;
pub mod commands;
pub mod config;
pub mod convert;
pub mod dead_letters;
mod demo;
pub mod filter;
pub mod gate;
mod https;
pub mod kafka;
pub mod migrate;
pub mod panics;
pub mod pipeline;
pub mod record;
pub mod redrive;
pub mod registry;
pub mod schema;
pub mod service;
pub mod tail;
pub mod telemetry;
pub mod transactions;
pub mod violation;
pub mod wire;
