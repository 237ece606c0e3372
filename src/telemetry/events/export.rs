//! Events of the way to the collector of telemetry.

use tracing::{info, warn};

/// Telemetry was not taken, after what came before was.
#[derive(Debug)]
pub struct ExportFailed<'a> {
    /// `metrics` or `traces`.
    pub signal: &'a str,
    /// Where it was sent.
    pub url: &'a str,
    /// One line.
    pub why: &'a str,
}

impl ExportFailed<'_> {
    /// Logs it; each attempt is counted by itself.
    pub fn emit(self) {
        let Self { signal, url, why } = self;
        warn!(signal, url, why, "telemetry is not taken; gates go on, and this is told once");
    }
}

/// Telemetry is taken again.
#[derive(Debug)]
pub struct ExportResumed<'a> {
    /// `metrics` or `traces`.
    pub signal: &'a str,
    /// Where it is sent.
    pub url: &'a str,
}

impl ExportResumed<'_> {
    /// Logs it.
    pub fn emit(self) {
        info!(signal = self.signal, url = self.url, "telemetry is taken again");
    }
}
