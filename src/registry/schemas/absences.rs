//! When a 404 of the registry counts: the grace of schemas that may be registered just now.
//!
//! Producers register a schema and produce at once, and a registry's followers lag, so the first 404 proves
//! nothing. What was missing is remembered with the times at which it was asked for; it is refused when a
//! question sent at or after `first + grace` was answered with 404 again. Until then it is asked for at
//! growing intervals. A refusal stands for one refresh without asking, then the registry is asked again.
//!
//! The map is bounded, since IDs come from the data. An entry that falls out starts a new grace, which the
//! pipeline's `max_hold` ends.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::schema::{SchemaRef, Subject};

/// How many missing schemas are remembered.
pub(super) const MAX_ABSENT: usize = 10_000;
/// A schema that nobody asked for so long is new again: its number may since have been given to a real one.
pub(super) const FORGOTTEN_AFTER: Duration = Duration::from_secs(600);
/// The shortest and the longest time between two questions within the grace.
pub(super) const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// A schema that is not there, at all or under a subject.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Missing {
    pub(super) schema: SchemaRef,
    pub(super) subject: Option<Subject>,
}

/// When the 404 answers were asked for.
#[derive(Debug, Clone, Copy)]
struct Absence {
    first: Instant,
    last: Instant,
}

/// What to do about a schema that may be missing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// Ask the registry.
    Ask,
    /// It was missing a moment ago: ask after this time.
    Wait(Duration),
    /// It is missing.
    Refused,
}

#[derive(Debug)]
pub(super) struct Absences {
    refresh: Duration,
    seen: Mutex<HashMap<Missing, Absence>>,
}

impl Absences {
    pub(super) fn new(refresh: Duration) -> Self {
        Self { refresh, seen: Mutex::default() }
    }

    /// Tells what to do about a schema, given the grace of the one who asks.
    pub(super) fn standing(&self, missing: &Missing, grace: Duration, now: Instant) -> Standing {
        let Some(&Absence { first, last }) = self.lock().get(missing) else { return Standing::Ask };
        let over = first + grace;
        if now >= last + FORGOTTEN_AFTER {
            Standing::Ask
        } else if last >= over {
            if now < last + self.refresh { Standing::Refused } else { Standing::Ask }
        } else {
            let next = over.min(last + (last - first).clamp(PAUSE.0, PAUSE.1));
            if now < next { Standing::Wait(next - now) } else { Standing::Ask }
        }
    }

    /// Remembers that a question sent at that time was answered with 404.
    pub(super) fn note(&self, missing: Missing, sent: Instant) {
        let mut seen = self.lock();
        if let Some(absence) = seen.get_mut(&missing) {
            if sent >= absence.last + FORGOTTEN_AFTER {
                absence.first = sent;
            }
            absence.last = absence.last.max(sent);
            return;
        }
        if seen.len() >= MAX_ABSENT {
            let oldest = seen.iter().min_by_key(|(_, absence)| absence.last).map(|(missing, _)| missing.clone());
            if let Some(oldest) = oldest {
                seen.remove(&oldest);
            }
        }
        seen.insert(missing, Absence { first: sent, last: sent });
    }

    /// Forgets what has been found.
    pub(super) fn found(&self, missing: &Missing) {
        self.lock().remove(missing);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Missing, Absence>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
