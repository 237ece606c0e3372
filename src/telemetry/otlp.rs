//! OpenTelemetry: what is measured, sent to a collector by OTLP over HTTP, where the configuration names one.
//!
//! ```text
//!  Metrics ── gather, each interval ──> families ──┐
//!                                                   ├─> link ─> POST /v1/metrics, /v1/traces
//!  Spans ── bounded queue ── batches ──────────────┘
//! ```
//! The Prometheus registry stays the one source of metrics: its families are sent as they are, so that both ways tell the
//! same. Spans wait in a queue of their own; a collector that is away or slow fills it, and what comes then is dropped and
//! counted. Nothing that does the work of the process ever waits for any of this.

mod families;
mod link;
pub mod spans;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTraceServiceRequest;
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, InstrumentationScope, KeyValue};
use opentelemetry_proto::tonic::metrics::v1::{ResourceMetrics, ScopeMetrics};
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use self::link::{Failure, Link, Signal};
use self::spans::nanoseconds;
use super::Metrics;
use super::metrics::ExportCounters;
use crate::config::{Config, Otlp};

/// Spans that wait: half a minute of a hundred pipelines at the default commit interval would be more than it, and a
/// collector that takes nothing for so long has other worries.
const QUEUE: usize = 4096;

/// Spans of one request.
const BATCH: usize = 512;

/// How long a span may wait for others.
const LINGER: Duration = Duration::from_secs(2);

/// Pause before spans are sent once more, doubled up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// How long the last requests may take when the process stops: with what gates take at most, less than the ten seconds of a
/// stop.
const FLUSH_LIMIT: Duration = Duration::from_millis(1500);

/// Why nothing can be exported.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file cannot be used.
    #[error("{0}")]
    File(String),
}

/// What is at work towards a collector.
#[derive(Debug)]
pub struct Exporter {
    closing: watch::Sender<bool>,
    tasks: JoinSet<()>,
}

impl Exporter {
    /// Starts to export, where the configuration says so.
    ///
    /// # Errors
    /// A certificate cannot be used; a collector that is away is none.
    pub fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Option<Self>, Error> {
        config.otlp.as_ref().map(|settings| Self::to_collector(settings, resource(config), metrics)).transpose()
    }

    fn to_collector(settings: &Otlp, resource: Resource, metrics: &Arc<Metrics>) -> Result<Self, Error> {
        let counters = metrics.exports();
        let (closing, closed) = watch::channel(false);
        let mut tasks = JoinSet::new();
        if settings.metrics {
            let link = Link::new(Signal::Metrics, settings, counters.clone())?;
            let metrics = Arc::clone(metrics);
            tasks.spawn(export_metrics(link, resource.clone(), metrics, settings.interval, closed.clone()));
        }
        if settings.traces {
            let link = Link::new(Signal::Traces, settings, counters.clone())?;
            let (sender, queue) = mpsc::channel(QUEUE);
            metrics.spans().turn_on(sender, counters.dropped.clone(), settings.sample);
            tasks.spawn(Batches { link, resource, queue, closed, counters, batch: Vec::new() }.export());
        }
        tracing::info!(
            endpoint = %settings.endpoint,
            metrics = settings.metrics,
            traces = settings.traces,
            "telemetry is sent by OTLP"
        );
        Ok(Self { closing, tasks })
    }

    /// Sends what there is once more, within its time.
    pub async fn stop(mut self) {
        self.closing.send_replace(true);
        let all = async { while self.tasks.join_next().await.is_some() {} };
        if tokio::time::timeout(FLUSH_LIMIT, all).await.is_err() {
            tracing::warn!("the collector did not take the last telemetry in time");
        }
    }
}

/// Waits until the process stops, for as long as this at most; tells whether it stops.
async fn is_over(closed: &mut watch::Receiver<bool>, time: Duration) -> bool {
    tokio::time::timeout(time, async { drop(closed.wait_for(|closed| *closed).await) }).await.is_ok()
}

/// Sends all families each interval, and once more at the end. What was not taken is not kept: the next has it all.
async fn export_metrics(
    link: Link,
    resource: Resource,
    metrics: Arc<Metrics>,
    interval: Duration,
    mut closed: watch::Receiver<bool>,
) {
    let start = nanoseconds(SystemTime::now());
    loop {
        let is_last = is_over(&mut closed, interval).await;
        // Before they are gathered: one that begins meanwhile is sent with the start of the process, and nothing counted.
        let gates = metrics.began().into_iter().map(|(gate, began)| (gate, nanoseconds(began))).collect();
        let families = metrics.gather();
        let span = families::Span { start, gates: &gates, now: nanoseconds(SystemTime::now()) };
        let scope_metrics = ScopeMetrics {
            scope: Some(scope()),
            metrics: families::metrics(&families, span),
            ..ScopeMetrics::default()
        };
        let resource_metrics = ResourceMetrics {
            resource: Some(resource.clone()),
            scope_metrics: vec![scope_metrics],
            ..ResourceMetrics::default()
        };
        // Counted, and told where it is news.
        link.send(&ExportMetricsServiceRequest { resource_metrics: vec![resource_metrics] }).await.ok();
        if is_last {
            return;
        }
    }
}

/// The spans on their way.
struct Batches {
    link: Link,
    resource: Resource,
    queue: mpsc::Receiver<Span>,
    closed: watch::Receiver<bool>,
    counters: ExportCounters,
    batch: Vec<Span>,
}

impl Batches {
    /// Sends spans in batches, each until it is taken or refused for good.
    async fn export(mut self) {
        let mut pause = FIRST_PAUSE;
        loop {
            let is_last = self.fill().await;
            if self.batch.is_empty() {
                return;
            }
            match self.link.send(&self.request()).await {
                Err(Failure { may_pass: true, wait, .. }) if !is_last => {
                    let wait = wait.unwrap_or(pause).min(LONGEST_PAUSE);
                    is_over(&mut self.closed, wait).await;
                    pause = (pause * 2).min(LONGEST_PAUSE);
                    continue;
                }
                Err(_) => self.counters.dropped.inc_by(self.batch.len() as u64),
                Ok(()) => {}
            }
            pause = FIRST_PAUSE;
            self.batch.clear();
            if is_last && self.queue.is_empty() {
                return;
            }
        }
    }

    /// Waits for a span and then for others, until there are enough or the first has waited; tells whether the process
    /// stops. The batch is empty only then.
    async fn fill(&mut self) -> bool {
        let mut closed = self.closed.clone();
        let mut is_last = *closed.borrow();
        if self.batch.is_empty() && !is_last {
            tokio::select! {
                () = async { drop(closed.wait_for(|closed| *closed).await) } => is_last = true,
                Some(span) = self.queue.recv() => self.batch.push(span),
            }
        }
        let begun = tokio::time::Instant::now();
        while self.batch.len() < BATCH && !is_last {
            tokio::select! {
                over = is_over(&mut closed, LINGER.saturating_sub(begun.elapsed())) => match over {
                    true => is_last = true,
                    false => return false,
                },
                Some(span) = self.queue.recv() => self.batch.push(span),
            }
        }
        while self.batch.len() < BATCH
            && let Ok(span) = self.queue.try_recv()
        {
            self.batch.push(span);
        }
        is_last
    }

    fn request(&self) -> ExportTraceServiceRequest {
        let scope_spans = ScopeSpans { scope: Some(scope()), spans: self.batch.clone(), schema_url: String::new() };
        let resource = Some(self.resource.clone());
        let resource_spans = ResourceSpans { resource, scope_spans: vec![scope_spans], schema_url: String::new() };
        ExportTraceServiceRequest { resource_spans: vec![resource_spans] }
    }
}

/// Says who we are: `service.instance.id` is the `instance` of the configuration, or made for this process.
fn resource(config: &Config) -> Resource {
    let made = || format!("{:032x}", rand::random::<u128>());
    let instance = config.instance.clone().unwrap_or_else(made);
    let namespace = Some(&config.application).filter(|name| !name.is_empty());
    let mut attributes = vec![
        attribute("service.name", "sluice"),
        attribute("service.version", env!("CARGO_PKG_VERSION")),
        attribute("service.instance.id", instance.as_str()),
    ];
    attributes.extend(namespace.map(|name| attribute("service.namespace", name.as_str())));
    Resource { attributes, ..Resource::default() }
}

fn scope() -> InstrumentationScope {
    InstrumentationScope {
        name: "sluice".to_owned(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        ..InstrumentationScope::default()
    }
}

/// The value of an attribute.
#[derive(Debug)]
pub struct Attribute(Value);

impl From<&str> for Attribute {
    fn from(text: &str) -> Self {
        Self(Value::StringValue(text.to_owned()))
    }
}

impl From<u64> for Attribute {
    fn from(number: u64) -> Self {
        Self(Value::IntValue(i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

fn attribute(key: &str, value: impl Into<Attribute>) -> KeyValue {
    let Attribute(value) = value.into();
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
