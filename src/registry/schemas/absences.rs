//! When a 404 of the registry counts: the grace of schemas that may be registered just now.
//!
//! Producers register a schema and produce at once, and a registry's followers lag, so the first 404 proves
//! nothing. It is refused when a question sent at least `grace` after the first 404 had come was answered with
//! 404 again: the registry may be slow, so it counts when the first answer came and when the last question went.
//! Until then it is asked for at growing intervals. A refusal stands for one refresh, then the registry is asked
//! again.
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

#[derive(Debug, Clone, Copy)]
struct Absence {
    /// When the first 404 came.
    first: Instant,
    /// When the question was sent that brought the last one.
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
        } else if grace.is_zero() || last >= over {
            if now < last + self.refresh { Standing::Refused } else { Standing::Ask }
        } else {
            let next = over.min(last + last.saturating_duration_since(first).clamp(PAUSE.0, PAUSE.1));
            if now < next { Standing::Wait(next - now) } else { Standing::Ask }
        }
    }

    /// Remembers a 404: when the question was sent, and when it came.
    pub(super) fn note(&self, missing: Missing, sent: Instant, received: Instant) {
        let mut seen = self.lock();
        if let Some(absence) = seen.get_mut(&missing) {
            if sent >= absence.last + FORGOTTEN_AFTER {
                absence.first = received;
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
        seen.insert(missing, Absence { first: received, last: sent });
    }

    /// Forgets what has been found.
    pub(super) fn found(&self, missing: &Missing) {
        self.lock().remove(missing);
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Missing, Absence>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::SchemaId;

    const GRACE: Duration = Duration::from_secs(30);
    const REFRESH: Duration = Duration::from_secs(20);

    fn missing(id: i32) -> Missing {
        Missing { schema: SchemaRef::Id(SchemaId(id)), subject: None }
    }

    /// Each step: seconds since the start, whether a 404 was sent for then, and what stands after it.
    fn play(grace: Duration, steps: &[(f64, bool, Standing)]) {
        let absences = Absences::new(REFRESH);
        let start = Instant::now();
        for &(seconds, asked, expected) in steps {
            let now = start + Duration::from_secs_f64(seconds);
            if asked {
                absences.note(missing(1), now, now);
            }
            assert_eq!(absences.standing(&missing(1), grace, now), expected, "after {seconds} s");
        }
    }

    fn wait(seconds: f64) -> Standing {
        Standing::Wait(Duration::from_secs_f64(seconds))
    }

    #[test]
    fn a_404_counts_when_it_was_asked_for_after_the_grace() {
        use Standing::{Ask, Refused};
        play(
            GRACE,
            &[
                (0.0, false, Ask),
                (0.0, true, wait(0.25)),
                (0.2, false, wait(0.05)),
                (0.25, false, Ask),
                (0.25, true, wait(0.25)),
                (2.0, true, wait(2.0)),
                (12.0, true, wait(5.0)),
                (28.0, true, wait(2.0)),
                (29.999, true, wait(0.001)),
                (30.0, false, Ask),
                (30.0, true, Refused),
                (49.999, false, Refused),
                (50.0, false, Ask),
                (50.0, true, Refused),
            ],
        );
    }

    #[test]
    fn without_grace_the_first_404_counts() {
        play(Duration::ZERO, &[(0.0, true, Standing::Refused), (REFRESH.as_secs_f64(), false, Standing::Ask)]);
    }

    #[test]
    fn a_slow_registry_shortens_no_grace() {
        let (absences, start) = (Absences::new(REFRESH), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        absences.note(missing(1), at(0), at(10));
        assert_eq!(absences.standing(&missing(1), Duration::ZERO, at(10)), Standing::Refused);
        absences.note(missing(1), at(39), at(45));
        assert_eq!(absences.standing(&missing(1), GRACE, at(45)), Standing::Ask, "it was sent too early");
        absences.note(missing(1), at(45), at(46));
        assert_eq!(absences.standing(&missing(1), GRACE, at(46)), Standing::Refused);
    }

    #[test]
    fn what_nobody_asks_for_gets_a_new_grace() {
        let long = FORGOTTEN_AFTER.as_secs_f64();
        play(GRACE, &[(0.0, true, wait(0.25)), (long, false, Standing::Ask), (long, true, wait(0.25))]);
    }

    #[test]
    fn one_404_serves_gates_of_different_graces() {
        let (absences, start) = (Absences::new(REFRESH), Instant::now());
        absences.note(missing(1), start, start);
        assert_eq!(absences.standing(&missing(1), Duration::ZERO, start), Standing::Refused);
        assert_eq!(absences.standing(&missing(1), GRACE, start), wait(0.25));
    }

    #[test]
    fn the_longest_unasked_falls_out_of_a_full_map() {
        let (absences, start) = (Absences::new(REFRESH), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        let count = i32::try_from(MAX_ABSENT).unwrap();
        for id in 0..count {
            absences.note(missing(id), at(0), at(0));
        }
        for id in (0..count).filter(|&id| id != 77) {
            absences.note(missing(id), at(1), at(1));
        }
        absences.note(missing(count), at(2), at(2));
        assert_eq!(absences.lock().len(), MAX_ABSENT);
        assert!(!absences.lock().contains_key(&missing(77)));
        absences.found(&missing(count));
        assert_eq!(absences.standing(&missing(count), GRACE, at(2)), Standing::Ask);
    }
}
