//! Sluice, a schema gate for Kafka.

pub mod config;
pub mod gate;
pub mod record;
pub mod registry;
pub mod schema;
pub mod violation;
pub mod wire;
