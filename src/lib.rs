//! Sluice, a schema gate for Kafka.

pub mod admin;
pub mod cli;
pub mod commands;
pub mod config;
mod demo;
pub mod gate;
pub mod kafka;
pub mod pipeline;
pub mod record;
pub mod registry;
pub mod schema;
pub mod service;
pub mod telemetry;
pub mod violation;
pub mod wire;
