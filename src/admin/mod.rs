//! The admin server: health, metrics and status of one process.
//!
//! ```text
//!  telemetry ─> status (a snapshot) ─> problems     ─> /status
//!      └──────> history (ten minutes) ─> live (SSE) ─> the page at /
//! ```
//! It reads what `telemetry` holds, and changes one thing: a gate that its dead-letter limit holds goes on (`resume`).

mod advice;
pub mod configuration;
pub mod guard;
mod history;
pub mod http;
pub mod identity;
pub mod jobs;
pub(crate) mod listener;
mod live;
mod page;
pub mod problems;
pub mod reasons;
mod resume;
pub mod schemas;
pub mod status;
pub mod tls;
