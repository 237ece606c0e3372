//! The registry: the client of a remote one, what a process knows of its schemas, and a small one of our own.
//!
//! `client` asks a Confluent-compatible registry over HTTP and classifies what comes back; `schemas`
//! remembers, compiles and judges for all pipelines of a process. `store` is the pure state machine of
//! a registry, log record to state, and `api` its HTTP face; `node` holds the present state between them. Over its memory
//! a node is the registry inside `sluice demo` and the stub of the tests; over `log`, the topic `_schemas`, it is one of
//! those that `sluice registry serve` runs (`server`, `access`). `remote` is the client of people and pipelines, who also
//! give orders, and `transfer` brings all of one registry into another. `entities` are the JSON bodies that both sides of
//! the wire share.
//!
//! What must always hold: only a registry's own JSON 404 can make a schema unknown. Everything else that
//! goes wrong is transient: nothing is remembered of it, and nothing is dead-lettered for it.

pub mod access;
pub mod api;
pub mod client;
pub mod contract;
pub mod disk;
pub mod entities;
pub mod log;
pub mod node;
pub mod remote;
pub mod schemas;
pub mod server;
pub mod settings;
pub mod store;
pub(crate) mod survey;
pub mod transfer;

#[cfg(test)]
pub(crate) mod tests;
