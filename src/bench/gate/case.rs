//! What is measured: a copy, or a process of gates with a configuration like a user's.

use std::fmt;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::registry::SUBJECT;
use super::topics::{Topics, name_of};

/// The default of `memory`, and the least that a gate needs of it, in MiB: many gates need more than the default.
const MEMORY: usize = 256;
const MEMORY_OF_GATE: usize = 8;

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Case {
    /// What a user would write: a consumer, an idempotent producer, no check.
    Copy,
    /// Gates that check nothing, exactly-once, with this commit interval.
    Unchecked(Duration),
    /// Gates that check, with outputs that may be doubled after a fault.
    AtLeastOnce(Duration),
    /// Gates as they are by default, with this commit interval.
    ExactlyOnce(Duration),
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |interval: &Duration| humantime::format_duration(*interval).to_string();
        match self {
            Self::Copy => f.write_str("plain copy"),
            Self::Unchecked(interval) => write!(f, "unchecked, {}", shown(interval)),
            Self::AtLeastOnce(interval) => write!(f, "at-least-once, {}", shown(interval)),
            Self::ExactlyOnce(interval) => write!(f, "exactly-once, {}", shown(interval)),
        }
    }
}

impl Case {
    /// Returns the commit interval; a copy has none.
    pub(super) fn interval(self) -> Duration {
        match self {
            Self::Copy => Duration::ZERO,
            Self::Unchecked(interval) | Self::AtLeastOnce(interval) | Self::ExactlyOnce(interval) => interval,
        }
    }

    /// Returns the configuration of a turn's gates, which read these sources; how others are reached comes to it later.
    pub(super) fn config(self, topics: &Topics, turn: u32, sources: &[String]) -> Value {
        let delivery = if matches!(self, Self::AtLeastOnce(_)) { "at-least-once" } else { "exactly-once" };
        let value = match self {
            Self::Copy | Self::Unchecked(_) => json!({ "format": "any" }),
            Self::AtLeastOnce(_) | Self::ExactlyOnce(_) => json!({ "subject": SUBJECT }),
        };
        let gate = |(gate, source): (usize, &String)| {
            let dead_letter = topics.dead_letters(turn, gate);
            let gate_of = json!({
                "source": source, "validated": topics.output(turn, gate), "dead_letter": dead_letter, "value": value,
            });
            (name_of(gate), gate_of)
        };
        json!({
            "application": topics.application(turn),
            "log": { "level": "error" },
            "delivery": delivery,
            "memory": format!("{}MiB", MEMORY.max(MEMORY_OF_GATE * sources.len())),
            "commit_interval": humantime::format_duration(self.interval()).to_string(),
            "gates": sources.iter().enumerate().map(gate).collect::<Map<_, _>>(),
        })
    }
}
