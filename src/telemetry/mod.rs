//! What the process tells about itself: metrics, health, events and logs.
//!
//! ```text
//!  pipeline thread ── events, commits ──> Probe ──> GateMetrics   ──> /metrics
//!                                           └────> PipelineState ──> /livez /readyz /status
//! ```
//! Where the configuration names a collector, [`otlp`] sends it the metrics, and a span for what took time.
//!
//! One [`Probe`] belongs to one pipeline and is all that the pipeline knows of this
//! module: it keeps the numbers of `/metrics` and the picture of `/status` equal, since
//! both change in the same call. Nothing here waits and nothing here fails, so a
//! pipeline never has to handle an error of its own reporting. No payload passes through
//! here: events carry positions, codes, paths and schema IDs.

pub mod configuration;
pub mod current;
pub mod events;
pub mod health;
pub mod hold;
pub mod logging;
pub mod metrics;
pub mod otlp;
pub mod probe;
pub mod registry;
mod sample;
pub mod sightings;
pub mod state;

pub use configuration::ConfigurationState;
pub use health::Health;
pub use hold::HoldCause;
pub use metrics::{ClientKind, GateMetrics, Metrics};
pub use probe::Probe;
pub use registry::RegistryState;
