//! Metrics, dashboards and alerts together, and in a real Prometheus: what is drawn exists, has data, and fires.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout, reason = "helpers of tests may")]

mod alerts;
mod collector;
#[path = "../common/mod.rs"]
mod common;
mod dashboards;
#[path = "../migrate/job.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod job;
mod live;
mod otlp;
mod repair;
mod server;
#[path = "../redrive/shop.rs"]
#[allow(dead_code, reason = "each test binary uses its own part")]
mod shop;
mod world;
