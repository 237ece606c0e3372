//! The admin server: health, metrics and status of one process.
//!
//! It reads what `telemetry` holds and changes nothing. Redriving, pausing and the like
//! are no business of an unauthenticated port.

pub mod http;
pub mod status;
