//! Conversion: a record of one schema version becomes a record of another, up or down.
//!
//! ```text
//!  Codec (writer) ─┐
//!                  ├─> Plan, once per pair ─convert, per record─> datum of the target
//!  Codec (target) ─┘   or NoPath
//! ```
//!
//! A [`Plan`] is one [`Way`], chosen once: the configured mapping, the migration rules of the registry, or schema
//! resolution. Resolution goes from bytes to bytes; the other ways read a [`Value`], which holds a datum exactly. What
//! must hold: a number, decimal, text or time keeps its exact value on every way, or the conversion fails; what a plan
//! drops is listed in its [`losses`](Plan::losses). Pure: no I/O, no clock.

mod float;
pub mod mapping;
pub mod pace;
mod plan;
mod resolution;
pub mod rules;
pub mod value;

#[cfg(test)]
mod tests;

use std::borrow::Cow;

pub use self::plan::{Plan, Way};
pub use self::value::{Codec, Value};
use crate::schema::avro::transcode;
pub use crate::schema::avro::transcode::{Loss, Lost};

/// Why no record of a pair of schemas can be converted: the dead letter's `no_conversion_path`.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no way from the writer's schema to the target's{}: {detail}", Named(path))]
pub struct NoPath {
    /// The writer's field, such as `order.price`; empty where the root is meant.
    pub path: String,
    /// What stands against it.
    pub detail: String,
}

/// Why one record was not converted: the dead letter's `conversion_failed`.
///
/// A damaged datum fails, too. Whoever has not checked the record asks [`Schema::explain`] of the writer's schema first:
/// what that finds is the reason, else the conversion failed.
///
/// [`Schema::explain`]: crate::schema::avro::Schema::explain
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{step} fails{}: {detail}", Named(path))]
pub struct Failure {
    /// What failed: `resolution`, `mapping` or `rule NAME`.
    pub step: Cow<'static, str>,
    /// The field, such as `order.lines[2].price`; empty where the root is meant.
    pub path: String,
    /// What is wrong there, without the value.
    pub detail: String,
}

/// Room that conversions use again and again. One per thread will do.
#[derive(Debug, Default)]
pub struct Scratch {
    transcoder: transcode::Scratch,
    /// How long conversions take.
    pub pace: pace::Pace,
}

impl Scratch {
    /// Makes one whose conversions know the time.
    #[must_use]
    pub fn timed(clock: pace::Clock) -> Self {
        Self { pace: pace::Pace::timed(clock), ..Self::default() }
    }
}

/// A path within a sentence.
struct Named<'a>(&'a str);

impl std::fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, " at '{}'", self.0) }
    }
}
