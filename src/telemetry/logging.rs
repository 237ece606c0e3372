//! Logs: lines on standard error, as text for people or JSON for machines.
//!
//! Standard output belongs to the commands. The level holds for our own lines; libraries
//! speak from *warn* up, and librdkafka through [`librdkafka`], which a client's context
//! calls. Times are UTC.

use std::io::IsTerminal;

use rdkafka::config::RDKafkaLogLevel;
use tracing::level_filters::LevelFilter;
use tracing::{Subscriber, debug, error, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

use crate::config::{Log, LogFormat};

/// Starts logging for the whole process.
///
/// # Errors
/// When it was started before.
pub fn init(log: Log) -> Result<(), TryInitError> {
    subscriber(log, std::io::stderr, std::io::stderr().is_terminal()).try_init()
}

fn subscriber<W>(log: Log, writer: W, colours: bool) -> impl Subscriber + Send + Sync
where
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let level = LevelFilter::from_level(log.level);
    let libraries = level.min(LevelFilter::WARN);
    let filter = Targets::new()
        .with_default(libraries)
        .with_target("sluice", level)
        .with_target("librdkafka", level)
        // It calls an error that we have closed a consumer before it is dropped.
        .with_target("rdkafka::consumer::base_consumer", LevelFilter::OFF);
    let lines = fmt::layer().with_writer(writer).with_target(false).with_ansi(colours);
    let layer = match log.format {
        LogFormat::Text => lines.boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter))
}

/// Passes on a line of librdkafka, one level lower than it is meant there: what matters comes back as an error of
/// a call, and a broker that goes away is a line per connection.
pub fn librdkafka(client: &str, level: RDKafkaLogLevel, facility: &str, line: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            error!(target: "librdkafka", client, facility, "{line}");
        }
        RDKafkaLogLevel::Error => warn!(target: "librdkafka", client, facility, "{line}"),
        RDKafkaLogLevel::Warning | RDKafkaLogLevel::Notice => info!(target: "librdkafka", client, facility, "{line}"),
        RDKafkaLogLevel::Info | RDKafkaLogLevel::Debug => debug!(target: "librdkafka", client, facility, "{line}"),
    }
}

#[cfg(test)]
mod tests;
