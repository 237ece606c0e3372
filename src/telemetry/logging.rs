//! Logs: lines on standard error, as text for people or JSON for machines.
//!
//! Standard output belongs to the commands. The level holds for our own lines; libraries
//! speak from *warn* up, and librdkafka through [`librdkafka`], which a client's context
//! calls. Times are UTC.

use std::io::IsTerminal;

use rdkafka::config::RDKafkaLogLevel;
use tracing::Level;
use tracing::level_filters::LevelFilter;
use tracing::{debug, error, info, warn};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};
use tracing_subscriber::{Layer, fmt};

/// How a line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// For people; coloured on a terminal.
    Text,
    /// One JSON object per line.
    Json,
}

/// Starts logging for the whole process.
///
/// # Errors
/// When it was started before.
pub fn init(format: Format, level: Level) -> Result<(), TryInitError> {
    let level = LevelFilter::from_level(level);
    let libraries = level.min(LevelFilter::WARN);
    let filter = Targets::new().with_default(libraries).with_target("sluice", level).with_target("librdkafka", level);
    let lines = fmt::layer().with_writer(std::io::stderr).with_target(false);
    let layer = match format {
        Format::Text => lines.with_ansi(std::io::stderr().is_terminal()).boxed(),
        Format::Json => lines.json().flatten_event(true).with_current_span(false).with_span_list(false).boxed(),
    };
    tracing_subscriber::registry().with(layer.with_filter(filter)).try_init()
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
