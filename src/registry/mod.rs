//! The registry: the client of a remote one, what a process knows of its schemas, and a small one of our own.
//!
//! `client` asks a Confluent-compatible registry over HTTP and classifies what comes back; `schemas`
//! remembers, compiles and judges for all pipelines of a process. `store` is the pure state machine of
//! a registry, log record to state, and `api` its HTTP face: together they are the registry inside
//! `sluice demo` and the stub of the tests. `remote` is the client of people and pipelines, who also give orders, and
//! `transfer` brings all of one registry into another. `entities` are the JSON bodies that both sides of the wire share.
//!
//! What must always hold: only a registry's own JSON 404 can make a schema unknown. Everything else that
//! goes wrong is transient: nothing is remembered of it, and nothing is dead-lettered for it.

pub mod api;
pub mod client;
pub mod contract;
pub mod disk;
pub mod entities;
pub mod node;
pub mod remote;
pub mod schemas;
pub mod settings;
pub mod store;
pub mod transfer;

#[cfg(test)]
mod tests;
