//! The way to the collector: one request at a time for each signal, and what becomes of it.
//!
//! A collector that is away or refuses is told once, and once more when it takes what it is sent; every request is
//! counted. Nothing here is kept: what is worth sending again its caller still has.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceResponse;
use prost::Message;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::redirect::Policy;
use reqwest::{Client, Response, StatusCode};
use url::Url;

use super::Error;
use crate::config::Otlp;
use crate::https;
use crate::telemetry::events::{ExportFailed, ExportResumed};
use crate::telemetry::metrics::ExportCounters;

/// How long the collector may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// How long it may take for an answer; that of OpenTelemetry's own exporters.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(10);

/// The largest answer that is read: a few numbers and a line.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    Metrics,
    Traces,
}

impl Signal {
    fn name(self) -> &'static str {
        match self {
            Self::Metrics => "metrics",
            Self::Traces => "traces",
        }
    }

    /// Returns how many points or spans the collector says it has not taken, and why.
    fn rejected(self, answer: &[u8]) -> Option<(i64, String)> {
        let rejected = match self {
            Self::Metrics => {
                let partial = ExportMetricsServiceResponse::decode(answer).ok()?.partial_success?;
                (partial.rejected_data_points, partial.error_message)
            }
            Self::Traces => {
                let partial = ExportTraceServiceResponse::decode(answer).ok()?.partial_success?;
                (partial.rejected_spans, partial.error_message)
            }
        };
        (rejected.0 > 0).then_some(rejected)
    }
}

/// Why something was not taken.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Failure {
    why: String,
    /// Whether the same may be taken later.
    pub(super) may_pass: bool,
    /// How long the collector wants to be left alone.
    pub(super) wait: Option<Duration>,
}

/// The collector's address for one signal.
#[derive(Debug)]
pub(super) struct Link {
    signal: Signal,
    client: Client,
    url: Url,
    headers: HeaderMap,
    counters: ExportCounters,
    is_down: AtomicBool,
}

impl Link {
    /// Makes the way; connects to nothing yet.
    pub(super) fn new(signal: Signal, settings: &Otlp, counters: ExportCounters) -> Result<Self, Error> {
        let builder = Client::builder()
            .user_agent(concat!("sluice/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(REQUEST_TIMEOUT)
            .redirect(Policy::none())
            .no_proxy();
        let builder = https::configure(builder, "telemetry.otlp", settings.tls.as_ref()).map_err(Error::File)?;
        let client = builder.build().map_err(|error| Error::File(error.to_string()))?;
        let mut headers = HeaderMap::new();
        for (name, value) in &settings.headers {
            let name = HeaderName::from_bytes(name.as_bytes());
            // Both were checked with the configuration.
            if let (Ok(name), Ok(mut value)) = (name, HeaderValue::from_str(value.expose())) {
                value.set_sensitive(true);
                headers.insert(name, value);
            }
        }
        let mut url = settings.endpoint.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(["v1", signal.name()]);
        }
        Ok(Self { signal, client, url, headers, counters, is_down: AtomicBool::new(false) })
    }

    /// Sends a request.
    pub(super) async fn send(&self, request: &impl Message) -> Result<(), Failure> {
        let sent = self.post(request.encode_to_vec()).await;
        self.counters.sent(self.signal.name(), sent.is_ok());
        let was_down = self.is_down.swap(sent.is_err(), Ordering::Relaxed);
        let (signal, url) = (self.signal.name(), self.url.as_str());
        match &sent {
            Ok(()) if was_down => ExportResumed { signal, url }.emit(),
            Err(failure) if !was_down => ExportFailed { signal, url, why: &failure.why }.emit(),
            Ok(()) | Err(_) => {}
        }
        sent
    }

    async fn post(&self, body: Vec<u8>) -> Result<(), Failure> {
        let request = self.client.post(self.url.clone()).headers(self.headers.clone());
        let request = request.header(CONTENT_TYPE, "application/x-protobuf").body(body);
        let lost =
            |error: reqwest::Error| Failure { why: https::chain(&error.without_url()), may_pass: true, wait: None };
        let response = request.send().await.map_err(lost)?;
        let status = response.status();
        if !status.is_success() {
            return Err(refused(status, response.headers()));
        }
        let answer = read(response).await.map_err(lost)?;
        match self.signal.rejected(&answer) {
            None => Ok(()),
            Some((count, why)) => {
                let why = format!("{count} were not taken: {}", why.lines().next().unwrap_or_default());
                Err(Failure { why, may_pass: false, wait: None })
            }
        }
    }
}

/// Tells what may be sent again: OTLP names the statuses.
fn refused(status: StatusCode, headers: &HeaderMap) -> Failure {
    let may_pass = matches!(status.as_u16(), 429 | 502 | 503 | 504);
    let seconds = headers.get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.trim().parse().ok());
    Failure { why: format!("it answers {status}"), may_pass, wait: seconds.map(Duration::from_secs) }
}

/// Reads an answer; one that is too large is none that is known.
async fn read(mut response: Response) -> Result<Vec<u8>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Ok(Vec::new());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
