//! What a registry that we serve counts: its requests as they end, and its state when somebody asks.

use std::fmt;
use std::time::Duration;

use axum::http::HeaderMap;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, Opts, Registry};

use crate::telemetry::otlp::spans::{Parent, Span, Spans};

/// Seconds of one request: reads take microseconds, writes a transaction, and none more than ten seconds.
const SECONDS: &[f64] = &[0.0001, 0.0005, 0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// The state of a registry.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ServerFigures {
    /// Subjects in all contexts, deleted ones included.
    pub subjects: usize,
    /// Schemas in all contexts.
    pub schemas: usize,
    /// Records of the log that are not read yet.
    pub lag: i64,
    /// Whether this node writes.
    pub is_writer: bool,
    /// Times that another node has taken the writer's role away.
    pub fences: u64,
    /// Transactions committed to the log.
    pub commits: u64,
    /// Records of the log that could not be read.
    pub damaged: u64,
}

/// Why a client has no connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoConnection {
    /// There are as many as there may be.
    TooMany,
    /// It came to no terms about TLS.
    Handshake,
}

impl NoConnection {
    const ALL: [Self; 2] = [Self::TooMany, Self::Handshake];

    fn name(self) -> &'static str {
        match self {
            Self::TooMany => "too_many",
            Self::Handshake => "handshake",
        }
    }
}

/// The counters of requests; clones share them.
#[derive(Debug, Clone)]
pub struct ServerRequests {
    requests: IntCounterVec,
    seconds: HistogramVec,
    no_connections: IntCounterVec,
    spans: Spans,
}

impl ServerRequests {
    /// Counts a client that has no connection.
    pub fn no_connection(&self, cause: NoConnection) {
        self.no_connections.with_label_values(&[cause.name()]).inc();
    }

    /// Counts a request that has been answered.
    pub fn count(&self, method: &impl AsRef<str>, route: &str, status: u16, took: Duration) {
        let method = name(method);
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.seconds.with_label_values(&[method, route]).observe(took.as_secs_f64());
    }

    /// Returns the client's span, where traces are wanted and it has one.
    #[must_use]
    pub fn parent(&self, headers: &HeaderMap) -> Option<Parent> {
        let header = headers.get("traceparent").filter(|_| self.spans.is_on())?;
        Parent::parse(header.to_str().ok()?)
    }

    /// Traces a request that has been answered.
    pub fn trace(
        &self,
        parent: Option<&Parent>,
        method: &impl AsRef<str>,
        route: &str,
        (status, took): (u16, Duration),
    ) {
        self.spans.record_below(parent, || {
            let method = name(method);
            let span = Span::ended(format!("{method} {route}"), took).server();
            let span = span.with("http.request.method", method).with("http.route", route);
            let span = span.with("http.response.status_code", u64::from(status));
            [if status < 500 { span } else { span.failed("") }]
        });
    }
}

/// Returns the name of a method. Methods are what clients send: those that no route has are one.
fn name(method: &impl AsRef<str>) -> &'static str {
    let known = ["GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS"];
    known.into_iter().find(|known| *known == method.as_ref()).unwrap_or("other")
}

pub(super) fn register(
    registry: &Registry,
    spans: Spans,
    read: impl Fn() -> ServerFigures + Send + Sync + 'static,
) -> prometheus::Result<ServerRequests> {
    let opts = Opts::new("sluice_registry_requests_total", "Requests to the registry served here");
    let requests = IntCounterVec::new(opts, &["method", "route", "status"])?;
    let opts = HistogramOpts::new("sluice_registry_request_seconds", "Time from a request's head to its answer");
    let seconds = HistogramVec::new(opts.buckets(SECONDS.to_vec()), &["method", "route"])?;
    let opts =
        Opts::new("sluice_registry_connections_refused_total", "Connections of clients that were closed at once");
    let no_connections = IntCounterVec::new(opts, &["cause"])?;
    for cause in NoConnection::ALL {
        no_connections.with_label_values(&[cause.name()]).inc_by(0);
    }
    registry.register(Box::new(no_connections.clone()))?;
    registry.register(Box::new(requests.clone()))?;
    registry.register(Box::new(seconds.clone()))?;
    let families = State::new()?;
    let descs = families.collectors().iter().flat_map(|one| one.desc()).cloned().collect();
    registry.register(Box::new(FromNode { read: Box::new(read), descs }))?;
    Ok(ServerRequests { requests, seconds, no_connections, spans })
}

/// The families that are made at each scrape.
struct State {
    subjects: IntGauge,
    schemas: IntGauge,
    lag: IntGauge,
    writer: IntGauge,
    fences: IntCounter,
    commits: IntCounter,
    damaged: IntCounter,
}

impl State {
    fn new() -> prometheus::Result<Self> {
        Ok(Self {
            subjects: IntGauge::new("sluice_registry_subjects", "Subjects of the registry served here")?,
            schemas: IntGauge::new("sluice_registry_schemas", "Schemas of the registry served here")?,
            lag: IntGauge::new(
                "sluice_registry_log_lag_records",
                "Records of the registry's log that are not read yet",
            )?,
            writer: IntGauge::new("sluice_registry_writer", "1 where this node has the writer's role")?,
            fences: IntCounter::new(
                "sluice_registry_fences_total",
                "Times that another node has taken the writer's role away",
            )?,
            commits: IntCounter::new("sluice_registry_commits_total", "Transactions committed to the registry's log")?,
            damaged: IntCounter::new(
                "sluice_registry_damaged_records_total",
                "Records of the log that cannot be read",
            )?,
        })
    }

    fn of(figures: ServerFigures) -> prometheus::Result<Self> {
        let state = Self::new()?;
        let count = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        state.subjects.set(count(figures.subjects));
        state.schemas.set(count(figures.schemas));
        state.lag.set(figures.lag);
        state.writer.set(figures.is_writer.into());
        state.fences.inc_by(figures.fences);
        state.commits.inc_by(figures.commits);
        state.damaged.inc_by(figures.damaged);
        Ok(state)
    }

    fn collectors(&self) -> [&dyn Collector; 7] {
        [&self.subjects, &self.schemas, &self.lag, &self.writer, &self.fences, &self.commits, &self.damaged]
    }
}

struct FromNode {
    read: Box<dyn Fn() -> ServerFigures + Send + Sync>,
    descs: Vec<Desc>,
}

impl Collector for FromNode {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let state = State::of((self.read)());
        state.map_or_else(|_| Vec::new(), |state| state.collectors().iter().flat_map(|one| one.collect()).collect())
    }
}

impl fmt::Debug for FromNode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FromNode").finish_non_exhaustive()
    }
}
