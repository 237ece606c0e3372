//! Where telemetry is sent by OTLP.

use std::time::Duration;

use url::Url;

use super::registry::Tls;
use super::secret::Secret;

/// The section `telemetry.otlp`.
#[derive(Debug, Clone, PartialEq)]
pub struct Otlp {
    /// The collector, to whose address `v1/metrics` and `v1/traces` are added.
    pub endpoint: Url,
    /// What each request carries, such as a token.
    pub headers: Vec<(String, Secret)>,
    /// Time between two requests with metrics. Default 60 s, as OpenTelemetry's own.
    pub interval: Duration,
    /// Whether metrics are sent. Default yes.
    pub metrics: bool,
    /// Whether traces are sent. Default yes.
    pub traces: bool,
    /// The share of traces that is sent, of those that no other process has decided about. Default all.
    pub sample: f64,
    /// Certificates; without them the public authorities are trusted and no client certificate is shown.
    pub tls: Option<Tls>,
}
