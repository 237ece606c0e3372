//! What we add to rdkafka, once: clients built from the configuration, and the few calls that it lacks.
//!
//! `clients` builds consumers and producers with the settings that Sluice owns; `statistics`
//! reads the useful part of librdkafka's reports; `topics` lists, creates and compares topics, and `compression` says by which codec
//! each is written; `refusal` says why brokers
//! do not let us in, and `blame` what a failed delivery is put down to; `again` repeats calls that ask for it; `murmur2` is the
//! partitioner of Java's clients; `memory` divides the budget; `probe` asks how far partitions go; `batch` takes records off a
//! consumer's queue; `intake`, `consumer` and `reading` read topics outside of any group, and `dead_letters` what became of those. `ffi` is the only unsafe code of the crate and gives producing by topic handle, and
//! headers whose names need not be UTF-8. Nothing here knows gates or schemas.

pub(crate) mod again;
pub mod batch;
pub mod blame;
pub mod clients;
pub(crate) mod compression;
pub(crate) mod consumer;
pub mod dead_letters;
pub mod ffi;
pub(crate) mod intake;
pub mod memory;
pub mod murmur2;
pub mod probe;
pub mod reading;
pub mod refusal;
pub mod statistics;
pub mod topics;
