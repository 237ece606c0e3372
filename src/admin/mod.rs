//! The admin server: health, metrics and status of one process.
//!
//! It reads what `telemetry` holds, and changes one thing, on loopback: a gate that its
//! dead-letter limit holds goes on (`resume`). Redriving, pausing and the like are no business
//! of an unauthenticated port.

pub mod http;
pub(crate) mod listener;
mod resume;
pub mod status;
